# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules choose the questions: what directives may lead to a site's content is asked in the rehearsal.

Each way stands beside a neighbour that looks like it and leads elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import free_port
from host import DOMAIN, in_a_child
from rehearsing import edited, forbid_namespaces

from ansible_collections.mtls.httpd.plugins.module_utils._site import canaries, folders

if TYPE_CHECKING:
    from pathlib import Path

    from host import Host

OWN = "own.example.com"
BACKEND = "http://127.0.0.1:9/"
ON = "RewriteEngine on\n"
MAP = ON + "RewriteMap to txt:{srv}/map\nRewriteRule ^/([^/]+)/(.*) ${{to:$1}}/$2 [P]"
COOKIE = ON + "RewriteCond %{{HTTP_COOKIE}} (?:^|;)port=([0-9]+)\nRewriteRule ^/(.*) http://127.0.0.1:%1/$1 [P]"
QUERY = ON + "RewriteCond %%{{QUERY_STRING}} file=(.*)\nRewriteRule ^/get %s [L]"
GROUP = (
    '<LocationMatch "^/go/(?<port>[0-9]+)/">\n'
    'SetHandler "proxy:http://127.0.0.1:%s%%{{env:MATCH_PORT}}/"\n</LocationMatch>'
)
FORWARD = "ProxyRequests on\n<Proxy *>\nRequire all {rule}\n</Proxy>"

# Each leads to the site's files in {srv}/hooks, or to its backend.
LEADING: dict[str, tuple[str, dict[str, str]]] = {
    "a link in a folder": ("DocumentRoot {srv}/pub", {}),
    "a link to a folder that is denied": (
        "DocumentRoot {srv}/pub\n<Directory {srv}/hooks>\nRequire all denied\n</Directory>",
        {},
    ),
    "folders of users": ("DocumentRoot {srv}/other\nUserDir {srv}", {}),
    "folders of users within the site's": ("DocumentRoot {srv}/other\nUserDir {srv}/hooks", {}),
    "a link to a folder within the site's": ("DocumentRoot {srv}/within", {}),
    "a hard link": ("DocumentRoot {srv}/hard", {}),
    "a map of texts": (MAP, {"map": "hooks http://127.0.0.1:9"}),
    "the default of a map": (MAP.replace("$1}}", "$1|http://127.0.0.1:9}}"), {"map": "a http://127.0.0.1:11"}),
    "a cookie": (COOKIE, {"proxy": BACKEND}),
    "a field of the request": (ON + "RewriteRule ^/(.*) http://%{{HTTP:X-Backend}}/$1 [P]", {"proxy": BACKEND}),
    "the name of the request": (ON + "RewriteRule ^/(.*) http://%{{HTTP_HOST}}/$1 [P]", {"proxy": BACKEND}),
    "the query": (ON + "RewriteRule ^/go http://127.0.0.1:%{{QUERY_STRING}} [P]", {"proxy": BACKEND}),
    "a port of the path": (ON + "RewriteRule ^/([0-9]+)/(.*) http://127.0.0.1:$1/$2 [P]", {"proxy": BACKEND}),
    "a pattern of ProxyPass": ("ProxyPassMatch ^/([0-9]+)/(.*)$ http://127.0.0.1:$1/$2", {"proxy": BACKEND}),
    "a proxy for everybody": (FORWARD.format(rule="granted"), {"proxy": BACKEND}),
    "a rule of a folder": ("DocumentRoot {srv}/ruled", {"proxy": BACKEND}),
    "a link far below": ("DocumentRoot {srv}/deep", {}),
    "a link far below an alias": ("DocumentRoot {srv}/other\nAlias /d {srv}/deep/a", {}),
    "a rule far below": ("DocumentRoot {srv}/deep", {"proxy": BACKEND}),
    "a rule far below an alias": ("DocumentRoot {srv}/other\nAlias /d/ {srv}/deep/a/", {"proxy": BACKEND}),
    "a handler far below": ("DocumentRoot {srv}/handled", {"proxy": BACKEND}),
    "a link in a folder for each name": ("VirtualDocumentRoot {srv}/named/%0", {}),
    "a link in a folder of a pattern": ("AliasMatch ^/v/([a-z.]+)/(.*)$ {srv}/named/$1/$2", {}),
    "a link in a folder of a rule": (ON + "RewriteRule ^/v/([a-z.]+)/(.*)$ {srv}/named/$1/$2 [L]", {}),
    "a link below the folders of users": ("DocumentRoot {srv}/other\nUserDir {srv}/users", {}),
    "folders above by a pattern": ("AliasMatch ^/f(.*)$ {srv}/other/$1", {}),
    "folders above by a query": (QUERY % "{srv}/other/%1", {}),
    "folders above by a query, to a page": (QUERY % "{srv}/other/%1.html", {}),
    "folders above an alias": ("Alias /in/ {srv}/other/\n" + ON + "RewriteRule ^/f(.*) /in/$1 [PT]", {}),
    "folders above by an expression": ('<Location /x>\nAlias "{srv}/other/%{{HTTP:X-File}}"\n</Location>', {}),
    "an alias without a slash": ("Alias /f/ {srv}/hoo", {}),
    "a backend without a slash": ("ProxyPass / http://127.0.0.1:11", {"proxy": BACKEND}),
    "a section's backend without a slash": (
        "<Location /a/>\nProxyPass http://127.0.0.1:11\n</Location>",
        {"proxy": BACKEND},
    ),
    "a socket's backend without a slash": (
        "ProxyPass / unix:{srv}/other/socket|http://localhost",
        {"proxy": BACKEND},
    ),
    "folders above by a path that is unescaped": (
        ON + "RewriteMap un int:unescape\nRewriteRule ^/f/(.*)$ {srv}/other/${{un:$1}} [L]",
        {},
    ),
    "folders above by a named group": (
        '<LocationMatch "^/f(?<rest>.*)$">\nAlias {srv}/other/%{{env:MATCH_REST}}\n</LocationMatch>',
        {},
    ),
    "a port by a named group": (GROUP % "", {"proxy": BACKEND}),
    "a rule's backend without a slash": (ON + "RewriteRule ^/x(.*) http://127.0.0.1:11$1 [P]", {"proxy": BACKEND}),
}
# Each looks like one of these, and leads elsewhere, or nowhere.
ELSEWHERE: dict[str, tuple[str, dict[str, str]]] = {
    "a link in a folder": ("DocumentRoot {srv}/pub2", {}),
    "a link far below": ("DocumentRoot {srv}/deep2", {}),
    "a rule far below": ("DocumentRoot {srv}/deep2", {"proxy": BACKEND}),
    "a hard link": ("DocumentRoot {srv}/hard2", {}),
    "links that are not followed": ("DocumentRoot {srv}/pub\n<Directory {srv}>\nOptions None\n</Directory>", {}),
    "folders of users": ("DocumentRoot {srv}/other\nUserDir {srv}/*/public", {}),
    "a folder for each name": ("VirtualDocumentRoot {srv}/%0/public", {}),
    "a folder for each path": (ON + "RewriteRule ^/u/([^/]+)/(.*) {srv}/$1/public/$2", {}),
    "a map of texts": (MAP, {"map": "hooks http://127.0.0.1:11"}),
    "a cookie": (COOKIE.replace(":%1", ":12%1"), {"proxy": BACKEND}),
    "a field of the request": (
        ON + "RewriteCond %{{HTTP:X-Backend}} ^10\\.\nRewriteRule ^/(.*) http://%{{HTTP:X-Backend}}/$1 [P]",
        {"proxy": BACKEND},
    ),
    "the name of the request": (
        ON + "RewriteCond %{{HTTP_HOST}} ^own\\.\nRewriteRule ^/(.*) http://%{{HTTP_HOST}}:11/$1 [P]",
        {"proxy": BACKEND},
    ),
    "a port of the path": (ON + "RewriteRule ^/1([0-9]+)/(.*) http://127.0.0.1:1$1/$2 [P]", {"proxy": BACKEND}),
    "another port": (ON + "RewriteRule ^ http://127.0.0.1:11%{{REQUEST_URI}} [P]", {"proxy": BACKEND}),
    "folders above by a pattern": ("AliasMatch ^/f/(.*)$ {srv}/other/$1", {}),
    "folders above by a query": (QUERY.replace("(.*)", "([^/]*)") % "{srv}/other/%1", {}),
    "a link in a folder for each name": ("VirtualDocumentRoot {srv}/named2/%0", {}),
    "a link in a folder of a pattern": ("AliasMatch ^/v/([a-z]+)/(.*)$ {srv}/named/$1/$2", {}),
    "folders above by a query, to a page": (QUERY.replace("(.*)", "([^/]*)") % "{srv}/other/%1.html", {}),
    "folders above by a rule for some clients": (
        ON + "RewriteCond %{{REMOTE_ADDR}} ^10\\.\nRewriteRule ^/f/(.*) {srv}/other/$1 [L]",
        {},
    ),
    "an alias with a slash": ("Alias /f/ {srv}/hoo/", {}),
    "a backend with a slash": ("ProxyPass / http://127.0.0.1:11/", {"proxy": BACKEND}),
    "a backend of a path without a slash": ("ProxyPass /a http://127.0.0.1:11", {"proxy": BACKEND}),
    "a socket's backend with a slash": ("ProxyPass / unix:{srv}/other/socket|http://localhost/", {"proxy": BACKEND}),
    "folders above by a path in lower case": (
        ON + "RewriteMap low int:tolower\nRewriteRule ^/f/(.*)$ {srv}/other/${{low:$1}} [L]",
        {},
    ),
    "a port by a named group": (GROUP % "11", {"proxy": BACKEND}),
    "a rule's backend with a slash": (ON + "RewriteRule ^/x(.*) http://127.0.0.1:11/$1 [P]", {"proxy": BACKEND}),
    "a proxy for nobody": (FORWARD.format(rule="denied"), {"proxy": BACKEND}),
    "a rule of a folder that nobody reads": (
        "DocumentRoot {srv}/ruled\n<Directory {srv}/ruled>\nAllowOverride None\n</Directory>",
        {"proxy": BACKEND},
    ),
}


@pytest.fixture
def srv(host: Host) -> Path:
    """Return a folder that holds the site's files, and others, where links and .htaccess files count."""
    srv = host.httpd.root / "srv"
    for name in ("hooks/files", "other", "pub", "pub2", "ruled"):
        (srv / name).mkdir(parents=True)
    (srv / "pub/x").symlink_to(srv / "hooks")
    (srv / "pub2/x").symlink_to(srv / "other")
    (srv / "hooks/page.html").write_text("a page of the site\n")
    (srv / "within").mkdir()
    (srv / "users/own").mkdir(parents=True)
    (srv / "users/own/x").symlink_to(srv / "hooks")
    for name, target in (("named", "hooks"), ("named2", "other")):
        (srv / name).mkdir()
        (srv / name / "of.example.com").symlink_to(srv / target)
    (srv / "within/x").symlink_to(srv / "hooks/files")
    for name, target in (("hard", "hooks/files"), ("hard2", "other")):
        (srv / target / "kept").write_text(f"that of {target}\n")
        (srv / name).mkdir()
        (srv / name / "kept").hardlink_to(srv / target / "kept")
    (srv / "ruled/.htaccess").write_text(f"RewriteEngine on\nRewriteRule ^in/(.*) {BACKEND}$1 [P]\n")
    for name, target, port in (("deep", "hooks", 9), ("deep2", "other", 11)):
        (srv / name / "a/b").mkdir(parents=True)
        (srv / name / "a/b/x").symlink_to(srv / target)
        rule = f"RewriteEngine on\nRewriteRule ^in/(.*) http://127.0.0.1:{port}/$1 [P]\n"
        (srv / name / "a/b/.htaccess").write_text(rule)
    (srv / "handled/a").mkdir(parents=True)
    (srv / "handled/a/.htaccess").write_text(f"SetHandler proxy:{BACKEND}\n")
    host.add(f"<Directory {srv}>\nRequire all granted\nOptions FollowSymLinks\nAllowOverride All\n</Directory>\n")
    host.load("proxy", "proxy_http", "rewrite", "vhost_alias", "userdir")
    return srv


def furnish(host: Host, srv: Path, lines: str, options: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Add a virtual host of the user's. Return where it stands, and the options of the site."""
    if "map" in options:
        (srv / "map").write_text(options["map"] + "\n")
    port = free_port()
    line = len(host.httpd.conf.read_text().splitlines()) + 2
    inside = f"ServerName {OWN}\n{lines.format(srv=srv)}"
    host.add(f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{inside}\n</VirtualHost>\n")
    host.restart()
    return f"{host.httpd.conf}:{line}", {"proxy_pass": BACKEND} if options else {"document_root": str(srv / "hooks")}


@pytest.mark.parametrize("way", LEADING)
def test_what_a_rule_leads_to_the_content_is_refused_until_it_is_accepted(host: Host, srv: Path, way: str) -> None:
    place, options = furnish(host, srv, *LEADING[way])
    wish = host.wish(**options)
    message = host.refused(wish)
    assert f"{DOMAIN}: a client without a certificate got in at 127.0.0.1:" in message
    assert f"by the virtual host at {place}, to GET " in message
    assert " at /" in message.partition(", by ")[2]
    assert host.apply(replace(wish, allow_bypass=(str(host.httpd.conf),))).rehearsal == "full"


@pytest.mark.parametrize("mounted", ["hooks/files", "hooks/files/kept", "pub2"])
def test_what_is_mounted_within_a_folder_that_is_served_may_be_of_the_site(host: Host, srv: Path, mounted: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount, as make test does")

    def judge() -> None:
        assert ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        place = srv / "mounts/there"
        place.parent.mkdir()
        if (srv / mounted).is_dir():
            place.mkdir()
        else:
            place.touch()
        subprocess.run(["mount", "--bind", srv / mounted, place], check=True)
        _place, options = furnish(host, srv, "DocumentRoot {srv}/mounts", {})
        wish = host.wish(**options)
        try:
            if mounted.startswith("hooks"):
                assert "a client without a certificate got in at 127.0.0.1:" in host.refused(wish)
            else:
                assert host.apply(wish).rehearsal == "full"
        finally:
            host.httpd.stop()

    host.httpd.stop()
    in_a_child(judge)


@pytest.mark.parametrize("way", ELSEWHERE)
def test_what_leads_elsewhere_is_no_matter(host: Host, srv: Path, way: str) -> None:
    _place, options = furnish(host, srv, *ELSEWHERE[way])
    report = host.apply(host.wish(**options))
    assert report.rehearsal == "full"
    assert not [each for each in report.limits if "may lead to" in each]


def test_icons_of_listings_lead_nobody_and_take_no_questions_place(host: Host, srv: Path) -> None:
    icons = "".join(f"AddIcon /icons/{number}.gif .x{number}\n" for number in range(80))
    place, options = furnish(host, srv, f"{icons}DocumentRoot {{srv}}/pub", {})
    host.load("autoindex")
    wish = host.wish(**options)
    assert f"by the virtual host at {place}, to GET /x/" in host.refused(wish)
    report = host.apply(replace(wish, allow_bypass=(str(host.httpd.conf),)))
    assert not [each for each in (*report.limits, *report.unasked_limits) if "were not asked" in each]


@pytest.mark.parametrize(("verified", "opened"), [("require", False), ("optional", True), ("none", True)])
def test_a_host_that_shakes_no_strangers_hand_leads_nobody(host: Host, srv: Path, verified: str, opened: bool) -> None:
    own = host.public.issue(OWN)
    for name, content in (("own.crt", own.full_pem), ("own.key", own.key_pem), ("ca.crt", host.public.pem)):
        (srv / name).write_bytes(content)
    host.load("ssl", "socache_shmcb")
    lines = (
        "SSLEngine on\nSSLCertificateFile {srv}/own.crt\nSSLCertificateKeyFile {srv}/own.key\n"
        f"SSLCACertificateFile {{srv}}/ca.crt\nSSLVerifyClient {verified}\nDocumentRoot {{srv}}/pub"
    )
    place, options = furnish(host, srv, lines, {})
    if opened:
        assert f"by the virtual host at {place}, to GET /x/" in host.refused(host.wish(**options))
    else:
        assert host.apply(host.wish(**options)).rehearsal == "full"


def test_what_no_request_says_is_told_where_it_may_lead_to_the_backend(host: Host, srv: Path) -> None:
    place, options = furnish(host, srv, ON + "RewriteRule ^/(.*) http://%{{ENV:TO}}/$1 [P]", {"proxy": BACKEND})
    name, _colon, line = place.rpartition(":")
    report = host.apply(host.wish(**options))
    assert [
        each for each in report.limits if f"RewriteRule at {name}:{int(line) + 3} may lead to what {DOMAIN}" in each
    ]


@pytest.mark.parametrize("denied", [12, 11])
def test_an_open_link_is_found_among_many_that_are_denied(host: Host, srv: Path, denied: int) -> None:
    rules = []
    for number in range(12):
        (srv / f"links/{number}").mkdir(parents=True)
        (srv / f"links/{number}/x").symlink_to(srv / "hooks")
        rules.append(f"<Directory {srv}/links/{number}>\nOptions None\n</Directory>")
    _place, options = furnish(host, srv, "\n".join(["DocumentRoot {srv}/links", *rules[:denied]]), {})
    if denied == 12:
        report = host.apply(host.wish(**options))
        assert not [each for each in report.limits if "may lead to" in each]
    else:
        assert "a client without a certificate got in at" in host.refused(host.wish(**options))


RULES = {
    "<Location /x>\nRequire ip 10.1.0.0/16\n</Location>": "clients at 10.1.0.1",
    "<Directory {srv}/pub>\nRequire local\n</Directory>": "clients on this machine",
    "<Location /x>\nRequire all denied\n</Location>\n<Location /y>\nRequire ip 10.1.0.0/16\n</Location>": "",
    "<Location /x>\n<RequireAll>\nRequire all denied\nRequire ip 10.1.0.0/16\n</RequireAll>\n</Location>": "",
}


@pytest.mark.parametrize("rule", RULES)
def test_what_leads_some_addresses_to_the_content_is_told(host: Host, srv: Path, rule: str) -> None:
    _place, options = furnish(host, srv, "DocumentRoot {srv}/pub\n" + rule, {})
    told = [each for each in host.apply(host.wish(**options)).limits if f"to what {DOMAIN} protects" in each]
    who = RULES[rule]
    assert [f" leads {who} to what {DOMAIN} protects" in each for each in told] == ([True] if who else [])


@pytest.mark.parametrize("enabled", ["on", "off"])
def test_a_map_of_backends_that_httpd_alone_reads_is_told_where_it_is_in_use(
    host: Host, srv: Path, enabled: str
) -> None:
    host.load("proxy_express")
    lines = f"ProxyExpressEnable {enabled}\nProxyExpressDBMFile {{srv}}/map"
    _place, options = furnish(host, srv, lines, {"proxy": BACKEND})
    told = [each for each in host.apply(host.wish(**options)).limits if f"may lead to what {DOMAIN}" in each]
    assert ["ProxyExpressDBMFile at" in each for each in told] == ([True] if enabled == "on" else [])


@pytest.mark.parametrize("folder", ["hooks", "other"])
def test_a_program_is_told_that_names_the_sites_folder(host: Host, srv: Path, folder: str) -> None:
    host.load("lua")
    (srv / "program.lua").write_text(
        f"""require "apache2"
        function lead(r)
            local name = r.uri:match("^/in/(.*)")
            if name == nil then return apache2.DECLINED end
            r.filename = "{srv}/{folder}/" .. name
            return apache2.OK
        end
        """
    )
    _place, options = furnish(host, srv, "DocumentRoot {srv}/other\nLuaHookTranslateName {srv}/program.lua lead", {})
    told = [each for each in host.apply(host.wish(**options)).limits if f"may lead to what {DOMAIN}" in each]
    assert ["LuaHookTranslateName at" in each for each in told] == ([True] if folder == "hooks" else [])


@pytest.mark.parametrize(
    "way", ["a link in a folder", "a field of the request", "another port", "a folder for each name"]
)
def test_a_reduced_rehearsal_tells_what_it_would_ask(
    host: Host, srv: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_leading = way in LEADING
    _place, options = furnish(host, srv, *(LEADING[way] if is_leading else ELSEWHERE[way]))
    forbid_namespaces(monkeypatch)
    wish = host.wish(**options)
    report = host.apply(wish)
    assert report.rehearsal == "reduced"
    assert bool([each for each in report.limits if f"may lead to what {DOMAIN} protects" in each]) is is_leading
    again = replace(wish, allow_bypass=(str(host.httpd.conf),), release=host.wish(**options).release)
    assert not [each for each in host.apply(again).limits if "may lead to" in each]


def test_a_rule_of_the_sites_own_that_leads_to_a_protected_path_is_refused_by_its_line(host: Host, srv: Path) -> None:
    protected = {"proxy_pass": BACKEND, "protected": {"/callback": "http://127.0.0.1:10/callback"}}
    rule = "RewriteRule ^/x(/.*) http://127.0.0.1:%d%%{ENV:P}/callback/ [P]"
    message = host.refused(host.wish(**protected, extra_directives=ON + rule % 10))
    assert "RewriteRule at " in message
    assert "leads to the backend of a protected path too" in message
    assert host.apply(host.wish(**protected, extra_directives=ON + rule % 11)).rehearsal == "full"


@pytest.mark.parametrize("kind", ["fifo", "endless", "kernel's", "slow pattern"])
def test_a_htaccess_file_that_would_hold_a_run_up_does_not(host: Host, srv: Path, kind: str) -> None:
    """Whoever owns a folder that is served may put one there."""
    folder = srv / "others"
    folder.mkdir()
    path = folder / ".htaccess"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "kernel's":
        path.symlink_to("/proc/kmsg")
    else:
        path.write_text("RewriteEngine on\nRewriteRule ^(?:x+)+y|^x{60}(.*)$ $1\n")
    furnish(host, srv, "DocumentRoot {srv}/others\nRewriteEngine on", {})
    begun = time.monotonic()
    report = host.apply(host.wish(document_root=str(srv / "hooks")))
    assert time.monotonic() - begun < 60
    assert report.rehearsal == "full"
    told = [each for each in report.limits if "not all directives were looked through" in each]
    assert bool(told) is (kind == "slow pattern")


@pytest.mark.parametrize("lines", ["Require all granted", '<If "true">\nRequire all granted\n</If>'])
@pytest.mark.parametrize("template", ["the collection's", "the operator's"])
def test_a_htaccess_file_far_below_the_sites_own_folder_is_asked_about(
    host: Host, srv: Path, lines: str, template: str
) -> None:
    (srv / "hooks/a/b").mkdir(parents=True)
    (srv / "hooks/a/b/.htaccess").write_text(f"{lines}\n")
    host.add(f"<Directory {srv}/hooks/a>\nAllowOverride All\n</Directory>\n")
    host.restart()
    wish = host.wish(document_root=str(srv / "hooks"), allowed=[{"subject": "CN=Chat"}])
    if template == "the operator's":
        # Without a <Location> around it, the rule comes before what stands in an <If> of a folder.
        wish = edited(wish, r"^ *</?Location.*\n", "")
    if template == "the operator's" and "If" in lines:
        message = host.refused(wish)
        assert "a client of the client CA that is not among 'allowed_clients' got in" in message
        assert "/a/b/" in message
    else:
        assert host.apply(wish).rehearsal == "full"


def test_a_folder_that_holds_very_much_is_told_not_to_have_been_looked_through(
    host: Host, srv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(host, srv, "DocumentRoot {srv}/pub2", {})
    wish = host.wish(document_root=str(srv / "hooks"))
    assert not [each for each in host.apply(wish).limits if "not all looked for" in each]
    monkeypatch.setattr(folders, "_MOST", 0)
    again = host.apply(replace(wish, release=host.wish(document_root=str(srv / "hooks"), verify_depth=4).release))
    told = [each for each in again.limits if "not all looked for" in each]
    assert told
    assert len(told) == len(set(told))


@pytest.mark.parametrize(("most", "few", "is_told"), [(2, 2, False), (1, 2, True), (2, 1, True)])
def test_folders_of_the_sites_that_are_too_many_to_ask_for_are_told(
    host: Host, srv: Path, monkeypatch: pytest.MonkeyPatch, most: int, few: int, *, is_told: bool
) -> None:
    monkeypatch.setattr(canaries, "_WITHIN_ROOT", most)
    monkeypatch.setattr(canaries, "_FEW", few)
    for name in ("a", "b"):
        (srv / f"hooks/{name}").mkdir()
        (srv / f"hooks/{name}/.htaccess").touch()
    lines = "DocumentRoot {srv}/other\nAlias /a {srv}/hooks/a\nAlias /b {srv}/hooks/b"
    _place, options = furnish(host, srv, lines, {})
    report = host.apply(host.wish(**options, allow_bypass=(str(host.httpd.conf),)))
    told = f"{DOMAIN}: 1 of 2 folders within {srv}/hooks that others may be led to, such as "
    assert bool([each for each in report.limits if told in each]) is is_told
