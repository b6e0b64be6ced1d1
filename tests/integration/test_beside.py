# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites beside what a server serves already: no way around the protected one, and what is the user's own stays so."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backend import get, send
from demo_material import Authority, write
from embedded_httpd import free_port
from host import COLLECTION, DOMAIN, OTHER, VERSIONS, Host
from rehearsing import edited

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import client
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Identity, Question
from ansible_collections.mtls.httpd.plugins.module_utils._site import bypasses
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    import ssl

OWN = "own.example.com"


def users_host(host: Host, *, extra: str = "", port: int = 0, names: str = f"ServerName {OWN}") -> str:
    """Add a TLS virtual host of the user's own, and restart; return where it stands."""
    port = port or host.port
    issued = host.public.issue(OWN)
    write(host.conf, "own.crt", issued.full_pem)
    write(host.conf, "own.key", issued.key_pem)
    if "mod_ssl.so" not in host.httpd.conf.read_text():
        host.add("LoadModule ssl_module modules/mod_ssl.so\n")
    host.add(f"Listen {port} https\n")
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    text = f"{names}\nSSLEngine on\nSSLCertificateFile conf/own.crt\nSSLCertificateKeyFile conf/own.key\n"
    host.add(f"<VirtualHost *:{port}>\n{text}{textwrap.dedent(extra)}\n</VirtualHost>\n")
    host.restart()
    return f"{host.httpd.conf}:{line}"


# -- no way around


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sni", ["", OWN, "nobody.example.com"])
def test_the_host_header_of_a_connection_made_to_another_site_reaches_nothing(
    host: Host, sni: str, version: str
) -> None:
    users_host(host)
    host.apply(host.wish(document_root=f"{host.httpd.root}/site"))
    answer = client.ask(Door("127.0.0.1", host.port), Question(sni, version, "none", host=DOMAIN), timeout=5)
    assert "421" in answer.detail


@pytest.mark.parametrize(
    "options", [{}, {"http2": True}, {"open_paths": ("/healthz",)}], ids=["plainly", "over HTTP/2", "beside open paths"]
)
def test_no_port_name_or_form_of_a_request_leads_past_the_site(host: Host, options: dict[str, Any]) -> None:
    alias, elsewhere = "api.example.com", free_port()
    host.add("LoadModule http2_module modules/mod_http2.so\n")
    for port in (host.port, elsewhere):
        users_host(host, port=port, extra="Protocols h2 http/1.1")
    pages = host.httpd.root / "pages"
    pages.mkdir(mode=0o755)
    (pages / "page").write_text("the content")
    site = host.wish(document_root=str(pages), aliases=(alias,), **options)
    host.apply(site, host.wish(OTHER, client_ca=Authority("Another CA").pem))

    def plainly(port: int, request: bytes) -> str:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, plain.makefile("rb") as answer:
            plain.sendall(request)
            return answer.read().decode("latin-1")

    def over_http2(port: int, name: str) -> str:
        to = f"{OWN}:{port}:127.0.0.1:{port}"
        command = ["curl", "-sk", "--http2", "--connect-to", to, "-w", " HTTP/%{http_version} %{http_code}"]
        command += ["-H", f"Host: {name}", f"https://{OWN}:{port}/page"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    names = DOMAIN, DOMAIN.upper(), f"{DOMAIN}.", f"{DOMAIN}:{host.port}", alias, f"{alias}:{elsewhere}"
    for name in names:
        for head in (
            f"GET /page HTTP/1.1\r\nHost: {name}",
            f"GET https://{name}/page HTTP/1.1\r\nHost: {OWN}",
            f"GET https://{name}/page HTTP/1.0",
        ):
            request = f"{head}\r\nConnection: close\r\n\r\n".encode()
            for port in (host.httpd.port, host.port, elsewhere):
                assert "the content" not in plainly(port, request), (head, port)
            for port, snis in (
                (host.port, ("", OWN, OTHER, "nobody.example.com", DOMAIN, DOMAIN.upper(), alias)),
                (elsewhere, ("", OWN, DOMAIN, alias)),
            ):
                for sni in snis:
                    for version in VERSIONS:
                        assert "the content" not in send(port, sni, request, version=version)[1], (head, port, sni)
    for port, said in ((host.port, " HTTP/2 421"), (elsewhere, " HTTP/2 404")):
        assert {over_http2(port, name).rpartition("\n")[2] for name in (DOMAIN, alias)} == {said}
    chat = host.chat.issue(client=True, common_name="Chat")
    assert get(host.port, DOMAIN, "/page", chat)[1].endswith("the content")


@pytest.mark.parametrize("same_port", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_session_of_another_site_is_worth_nothing_here(host: Host, version: str, same_port: bool) -> None:
    users_host(host)
    elsewhere = host.port
    if not same_port:
        elsewhere = free_port()
        users_host(host, port=elsewhere)
    host.apply(host.wish(document_root=f"{host.httpd.root}/site"))
    granted: list[ssl.SSLSession] = []
    context = client.client_context(None, version)
    places = (elsewhere, OWN), (elsewhere, OWN), (host.port, DOMAIN)
    first, again, foreign = (
        client.ask(Door("127.0.0.1", port), Question(name, version, "none"), 5, context=context, sessions=granted)
        for port, name in places
    )
    assert granted
    assert (first.result, again.result, foreign.result) == ("accepted", "accepted", "refused")
    assert foreign.detail.startswith("alert")


def test_a_server_that_lets_requests_cross_from_site_to_site_is_found_in_the_rehearsal(host: Host) -> None:
    host.add(
        "<IfModule !ssl_module>\nLoadModule ssl_module modules/mod_ssl.so\n</IfModule>\nSSLVHostSNIPolicy insecure\n"
    )
    host.restart()
    message = host.refused(host.wish(), host.wish(OTHER))
    assert "got in by its name in a request to the virtual host at" in message
    assert "SSLVHostSNIPolicy" in message


@pytest.fixture(scope="session")
def unfixed() -> str:
    """Return the path of a mod_ssl without the fix of CVE-2025-23048."""
    if not all(map(shutil.which, ("apt-get", "gcc"))):
        pytest.skip("a mod_ssl without the fix of CVE-2025-23048 cannot be made here: that needs a Debian with gcc")
    made = subprocess.run([COLLECTION / "tests/support/mod_ssl_without"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def beside_a_site_with_clients_of_its_own(host: Host, module: str) -> str:
    """Have the default virtual host ask for clients of its own CA, by a mod_ssl; return where it stands."""
    (host.httpd.root / "tls").mkdir(mode=0o755)
    own = Authority("A neighbour's client CA")
    write(host.httpd.root / "tls", "clients.crt", own.pem)
    write(host.httpd.root / "tls", "clients.crl", own.crl())
    host.add(
        f"LoadModule socache_shmcb_module modules/mod_socache_shmcb.so\nLoadModule ssl_module {module}\n"
        "SSLCARevocationFile tls/clients.crl\n"
    )
    return users_host(
        host, extra="SSLCACertificateFile tls/clients.crt\nSSLVerifyClient require\nSSLCARevocationCheck chain"
    )


PROTECTING: dict[str, dict[str, Any]] = {
    "all of it": {},
    "all but some paths": {"open_paths": ("/healthz",)},
    "some paths": {"protected": {"/callback": "http://127.0.0.1:9/callback"}},
    "it for one client": {"allowed": [{"subject": "CN=Chat"}]},
}


@pytest.mark.parametrize("options", PROTECTING.values(), ids=PROTECTING)
def test_an_httpd_that_lets_in_by_the_session_of_another_site_is_found_in_the_rehearsal(
    host: Host, unfixed: str, options: dict[str, Any]
) -> None:
    place = beside_a_site_with_clients_of_its_own(host, unfixed)
    message = host.refused(host.wish(**options))
    assert f"got in by a TLS session of the virtual host at {place} (HTTP/1.1 " in message
    assert "): update httpd" in message


def as_for_an_older_httpd(wish: SiteWish) -> SiteWish:
    """Return a wish whose site takes this httpd, of whichever release, for one from before the fix."""
    assert wish.release
    text = wish.release.public[SITE]
    older = text.replace(b"<IfVersion < 2.4.64>", b"<IfVersion < 2.5>")
    assert older != text
    return replace(wish, release=replace(wish.release, public={**wish.release.public, SITE: older}))


@pytest.mark.parametrize("options", PROTECTING.values(), ids=PROTECTING)
def test_the_same_httpd_is_safe_where_the_site_tells_it_to_mind_the_name(
    host: Host, unfixed: str, options: dict[str, Any]
) -> None:
    beside_a_site_with_clients_of_its_own(host, unfixed)
    assert host.apply(as_for_an_older_httpd(host.wish(**options))).rehearsal == "full"
    assert options or host.enforces()


def test_so_are_directives_in_a_virtual_host_of_the_users_own(host: Host, unfixed: str) -> None:
    beside_a_site_with_clients_of_its_own(host, unfixed)
    the_users(host, *OLD, default=False)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert "got in by a TLS session of the virtual host at" in host.refused(wish)
    host.apply(as_for_an_older_httpd(wish))
    assert host.enforces()


@pytest.mark.parametrize("options", PROTECTING.values(), ids=PROTECTING)
def test_an_httpd_with_the_fix_stands_the_same_trial(host: Host, options: dict[str, Any]) -> None:
    beside_a_site_with_clients_of_its_own(host, "modules/mod_ssl.so")
    assert host.apply(host.wish(**options)).rehearsal == "full"
    assert options or host.enforces()


def test_two_sites_beside_the_users_are_rehearsed_together(host: Host) -> None:
    users_host(host)
    host.apply(host.wish(), host.wish(OTHER))
    assert host.enforces()
    assert host.enforces(OTHER)


def test_a_client_without_sni_reaches_a_site_that_is_alone_on_its_port(host: Host) -> None:
    host.apply(host.wish(document_root=f"{host.httpd.root}/site"))
    chat = host.chat.issue(client=True, common_name="Chat")
    identity = Identity(chat.full_pem, chat.key_pem)
    for version in VERSIONS:
        question = Question("", version, "trusted", identity, host=DOMAIN)
        answer = client.ask(Door("127.0.0.1", host.port), question, timeout=5)
        assert " 200 " in answer.detail


# -- a virtual host that is the user's own


def the_users(host: Host, *lines: str, default: bool = True) -> str:
    """Add the user's own virtual host of our site's name, with another as the default; return where it stands.

    default: whether that other is to be added too.
    """
    if default:
        users_host(host)
    issued = host.public.issue(DOMAIN)
    write(host.conf, "old.crt", issued.full_pem)
    write(host.conf, "old.key", issued.key_pem)
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    start = f"<VirtualHost *:{host.port}>\nServerName {DOMAIN}\nDocumentRoot {host.httpd.root}/site\nSSLEngine on\n"
    granted = f"<Directory {host.httpd.root}/site>\nRequire all granted\n</Directory>"
    host.add(start + "\n".join((*lines, granted)) + "\n</VirtualHost>\n")
    host.restart()
    return f"{host.httpd.conf}:{line}"


OLD = ("SSLCertificateFile conf/old.crt", "SSLCertificateKeyFile conf/old.key")
INCLUDE = f"Include conf/mtls/{DOMAIN}/current/site.conf"


def included(host: Host, line: str = INCLUDE) -> None:
    """Do as the first run says: put the line in the place of the old ones."""
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(text.replace("\n".join(OLD), line))


def test_directives_are_staged_first_with_the_line_and_the_place_to_put_it(host: Host) -> None:
    place = the_users(host, *OLD)
    old = host.served()
    report = host.apply(host.wish(manage="directives"))
    [site] = report.sites
    assert (site["changed"], site["mutual_tls"], report.reloaded) == (True, "unproven", False)
    assert site["include"] == f"{host.store}/{DOMAIN}/current/site.conf"
    [sentence] = report.pending
    assert f'put `Include "{site["include"]}"` into the virtual host at {place} as its last line' in sentence
    assert "in the place of SSLCertificateFile (line" in sentence
    assert host.served() == old
    assert not (host.store / "host.conf").exists()


def test_directives_that_are_still_not_included_are_an_error_and_the_host_stays(host: Host) -> None:
    the_users(host, *OLD)
    wish = host.wish(manage="directives")
    host.apply(wish)
    assert "is not in force: put `Include" in host.refused(wish)


def test_included_directives_refuse_clients_that_were_revoked(host: Host) -> None:
    the_users(host, *OLD)
    revoked, other = (host.chat.issue(client=True, common_name="Chat") for _number in range(2))
    wish = host.wish(manage="directives", crl=host.chat.crl(revoked))
    host.apply(wish)
    included(host)
    host.apply(wish)
    assert {answer.result for answer in host.answers(revoked).values()} == {"refused"}
    assert {answer.result for answer in host.answers(other).values()} == {"accepted"}


def test_included_directives_are_enforced_by_the_users_own_virtual_host(host: Host) -> None:
    the_users(host, *OLD)
    issued = host.public.issue(DOMAIN)
    wish = host.wish(manage="directives", issued=issued)
    host.apply(wish)
    included(host)
    report = host.apply(wish)
    assert (report.sites[0]["mutual_tls"], report.reloaded, report.rehearsal) == ("enforced", True, "full")
    assert host.enforces()
    assert host.served() == issued.sha256
    again = host.apply(wish)
    assert (again.changed, again.sites[0]["mutual_tls"]) == (False, "enforced")


def test_no_condition_of_the_servers_own_opens_included_directives(host: Host) -> None:
    host.add('<If "%{REQUEST_URI} =~ m#^/x#">\nRequire all granted\n</If>\n')
    the_users(host, *OLD)
    wish = host.wish(manage="directives", allowed=[{"subject": "CN=Chat"}])
    host.apply(wish)
    included(host)
    host.apply(wish)
    for name, result in (("Chat", "accepted"), ("Another", "refused")):
        answers = host.answers(host.chat.issue(client=True, common_name=name), path="/x")
        assert {each.result for each in answers.values()} == {result}


def test_what_the_server_gives_to_each_host_is_not_the_content_of_the_users_own(host: Host, srv: str) -> None:
    host.add(f'Alias "/icons/" "{srv}/icons/"\n')  # As Debian's mods-enabled/alias.conf has it.
    the_users(host, *OLD)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"


LOGIN = "<Location {0}>\nAuthType Basic\nAuthName a\nAuthUserFile conf/none\nRequire valid-user\n</Location>"


@pytest.mark.parametrize("where", ["the server's", "their own"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Redirect permanent {0} https://www.example.org/", "Redirect"),
        (LOGIN, "Require"),
        ("<Location {0}>\nLimitRequestBody 10\n</Location>", "LimitRequestBody"),
    ],
)
def test_what_keeps_chat_from_included_directives_is_told_by_its_line_in_whichever_host(
    host: Host, line: str, said: str, where: str
) -> None:
    """A main file may hold all virtual hosts. A limit of another path is no matter."""

    def say(path: str) -> Host:
        if where == "their own":
            the_users(host, *OLD, *line.format(path).splitlines())
        else:
            host.add(line.format(path) + "\n")
            the_users(host, *OLD)
        return host

    say("/")
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    message = host.refused(wish)
    assert f"as before it comes {said} at {host.httpd.conf}:" in message
    text = host.httpd.conf.read_text()
    bad, good = (line.format(path).splitlines()[0] for path in ("/", "/admin"))
    host.httpd.conf.write_text(text.replace(bad, good))
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"
    assert not host.apply(wish).changed


PHP = """
DirectoryIndex index.php
<FilesMatch "\\.php$">
SetHandler "proxy:unix:/run/php/php-fpm.sock|fcgi://localhost"
</FilesMatch>
"""


def php_shop(host: Host, folder: Path, lines: str) -> None:
    """Add a virtual host of others, of a folder, beside the site's own, both with pages of PHP, and modules for it."""
    for each in (folder, host.httpd.root / "site"):
        each.mkdir(exist_ok=True)
        (each / "index.php").write_text("<?php echo 1;")
    host.add("LoadModule proxy_module modules/mod_proxy.so\nLoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so\n")
    granted = f"<Directory {folder}>\nRequire all granted\n</Directory>\n"
    host.add(
        f"<VirtualHost *:{host.httpd.port}>\nServerName shop.example.com\nDocumentRoot {folder}\n{granted}"
        f"{lines}</VirtualHost>\n"
    )


@pytest.mark.parametrize("where", ["the server", "each host"])
def test_a_pool_of_php_that_runs_the_files_of_many_hosts_is_no_content_of_one(host: Host, where: str) -> None:
    """As Debian's php-fpm.conf has it for all hosts, and panels in each: which file it runs, folders decide."""
    php_shop(host, host.httpd.root / "shop", "" if where == "the server" else PHP)
    if where == "the server":
        host.add(PHP)
    the_users(host, *OLD, *("" if where == "the server" else PHP).splitlines())
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"
    assert not host.apply(wish).changed


@pytest.mark.parametrize(
    "other",
    [
        "DocumentRoot {root}/shop\n",
        "ProxyPass / http://127.0.0.1:9/\n",
        "DocumentRoot {root}/site\nRedirect / https://{0}/\n",
    ],
    ids=["files of its own", "a backend", "the same files, all sent away"],
)
def test_a_pool_of_php_for_all_hosts_is_no_way_past_where_the_server_level_has_no_folder(
    host: Host, other: str
) -> None:
    """As on Debian, whose virtual hosts alone have a DocumentRoot, with php-fpm.conf among conf-enabled."""
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(re.sub(r"(?m)^DocumentRoot .*\n", "", text))
    php_shop(host, host.httpd.root / "shop", "")
    text = host.httpd.conf.read_text()
    root = host.httpd.root
    host.httpd.conf.write_text(text.replace(f"DocumentRoot {root}/shop\n", other.format(DOMAIN, root=root)))
    host.load("proxy_http")
    host.add(PHP)
    the_users(host, *OLD, f"DocumentRoot {root}/site")
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"


def test_a_rule_of_two_hosts_for_a_url_of_each_is_no_way_past(host: Host) -> None:
    """As in Jitsi's, and where one application's virtual host is copied for another name."""
    rule = ("RewriteEngine on", "RewriteRule ^/([a-z]+)$ /index.html")
    (host.httpd.root / "site/index.html").write_text("content")
    host.add("LoadModule rewrite_module modules/mod_rewrite.so\n")
    lines = "\n".join((f"DocumentRoot {host.httpd.root}/htdocs", *rule))
    host.add(f"<VirtualHost *:{host.httpd.port}>\nServerName shop.example.com\n{lines}\n</VirtualHost>\n")
    the_users(host, *OLD, *rule)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"


def test_a_rule_of_two_hosts_for_a_file_by_its_whole_path_is_a_way_past(host: Host) -> None:
    rule = ("RewriteEngine on", f"RewriteRule ^/([a-z]+)$ {host.httpd.root}/site/index.html")
    (host.httpd.root / "site/index.html").write_text("content")
    host.add("LoadModule rewrite_module modules/mod_rewrite.so\n")
    granted = f"<Directory {host.httpd.root}/site>\nRequire all granted\n</Directory>"
    lines = "\n".join((f"DocumentRoot {host.httpd.root}/htdocs", *rule, granted))
    host.add(f"<VirtualHost *:{host.httpd.port}>\nServerName shop.example.com\n{lines}\n</VirtualHost>\n")
    the_users(host, *OLD, *rule)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert "serves its content too, and asks for no client certificate (RewriteRule at" in host.refused(wish)


def test_a_version_of_tls_that_the_users_own_host_does_not_offer_is_kept_out_by_no_rule(host: Host) -> None:
    host.add("LoadModule rewrite_module modules/mod_rewrite.so\n")
    host.add(
        "RewriteEngine on\nRewriteRule ^/none - [F]\nRewriteCond %{THE_REQUEST} !HTTP/1\\.1$\nRewriteRule .* - [F]\n"
    )
    # As guides to hardening have it, by which TLS 1.3 alone is offered.
    the_users(host, *OLD, "SSLProtocol TLSv1.2 TLSv1.3", "RewriteEngine on", "RewriteOptions Inherit")
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    report = host.apply(wish)
    assert report.sites[0]["mutual_tls"] == "enforced"
    assert not [each for each in report.limits if "RewriteRule" in each]


ONE_FOR_ALL = "RewriteEngine on\nRewriteRule {} index.html [PT]\n"
BY_ANOTHER = "VirtualDocumentRoot {}"
HANDLER = "<{}>\nSetHandler server-status\n</{}>\n"


@pytest.mark.parametrize(
    ("rules", "others", "is_told"),
    [
        (ONE_FOR_ALL.format("."), "", False),
        (ONE_FOR_ALL.format("^old$"), BY_ANOTHER, True),
        ("SetHandler server-status\n", "", False),
        (HANDLER.format('FilesMatch "."', "FilesMatch"), "", False),
        (HANDLER.format('FilesMatch "[.]php$"', "FilesMatch"), BY_ANOTHER, True),
        (HANDLER.format("Files *.php", "Files"), BY_ANOTHER, True),
        ("SetHandler None\n", BY_ANOTHER, True),
        ("SetHandler default-handler\n", BY_ANOTHER, True),
    ],
)
def test_one_program_that_answers_for_all_files_of_a_site_is_no_hindrance_by_its_own_htaccess(
    host: Host, rules: str, others: str, *, is_told: bool
) -> None:
    """As Nextcloud's, which answers also for files that are there; unlike a map of folders for all virtual hosts."""
    root, elsewhere = host.httpd.root / "site", host.httpd.root / "mass"
    (elsewhere / DOMAIN).mkdir(parents=True)
    for folder in (root, elsewhere / DOMAIN):
        (folder / "index.html").write_text("content")
    (root / ".htaccess").write_text(rules)
    host.add(
        "LoadModule vhost_alias_module modules/mod_vhost_alias.so\nLoadModule rewrite_module modules/mod_rewrite.so\n"
    )
    for folder in (root, elsewhere):
        host.add(f"<Directory {folder}>\nAllowOverride All\nRequire all granted\n</Directory>\n")
    host.add(others.format(f"{elsewhere}/%0") + "\n")
    the_users(host, *OLD)
    wish = host.wish(manage="directives", allow_bypass=[str(host.httpd.conf)])
    host.apply(wish)
    included(host)
    told = [each for each in host.apply(wish).limits if "nothing tells what answers in its place" in each]
    assert bool(told) is is_told


def test_a_pool_of_php_for_all_hosts_is_a_way_past_by_a_host_of_the_sites_folder(host: Host) -> None:
    php_shop(host, host.httpd.root / "site", "")
    host.add(PHP)
    the_users(host, *OLD)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert "serves its content too, and asks for no client certificate (SetHandler at" in host.refused(wish)


def test_who_is_not_listed_and_has_a_shared_pool_run_a_page_of_the_site_got_in(host: Host) -> None:
    php_shop(host, host.httpd.root / "shop", PHP)
    the_users(host, *OLD, *PHP.splitlines())
    wish = host.wish(manage="directives", allowed=[{"subject": "CN=Chat"}])
    host.apply(wish)
    included(host)
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"
    leaking = edited(wish, r'<Location "/">', r'<LocationMatch "^/(?!index\\.php$).+">')
    leaking = edited(leaking, "</Location>", "</LocationMatch>")
    assert "not among 'allowed_clients' got in" in host.refused(leaking)


@pytest.mark.parametrize(
    ("folder", "lines"),
    [
        ("site", PHP),
        ("shop", PHP + "Alias /x {root}/site\n<Directory {root}/site>\nRequire all granted\n</Directory>\n"),
        ("shop", 'ProxyPass "/run/" "unix:/run/php/php-fpm.sock|fcgi://localhost/"\n'),
        ("shop", 'ProxyPassMatch "^/(.*\\.php)$" "unix:/run/php/php-fpm.sock|fcgi://localhost{root}/site/$1"\n'),
    ],
    ids=["the same folder", "an alias", "any file that is asked for", "files of the folder"],
)
def test_a_pool_of_php_that_runs_the_sites_own_files_for_others_is_a_way_past_it(
    host: Host, folder: str, lines: str
) -> None:
    php_shop(host, host.httpd.root / folder, lines.format(root=host.httpd.root))
    the_users(host, *OLD, *PHP.splitlines())
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    message = host.refused(wish)
    assert "serves its content too, and asks for no client certificate" in message


def test_a_renewal_of_included_directives_is_served_after_one_run(host: Host) -> None:
    the_users(host, *OLD)
    host.apply(host.wish(manage="directives"))
    included(host)
    issued = host.public.issue(DOMAIN)
    host.apply(host.wish(manage="directives", issued=issued))
    assert host.served() == issued.sha256
    assert host.enforces()


def test_directives_stand_beside_sites_of_our_own_which_do_not_read_them(host: Host) -> None:
    the_users(host, *OLD)
    wishes = host.wish(manage="directives"), host.wish(OTHER)
    host.apply(*wishes)
    assert host.enforces(OTHER)
    included(host)
    host.apply(*wishes)
    assert host.enforces(OTHER)
    assert host.enforces()
    assert host.answers(domain=OWN)["TLSv1.3"].result == "accepted"


WEAKENED = {
    "another certificate beside": ("\n".join((*OLD, INCLUDE)), "stands beside the site's own: take it out"),
    "an old chain beside": (
        f"SSLCertificateChainFile conf/old.crt\n{INCLUDE}",
        "stands beside the site's own: take it out",
    ),
    "an open door behind": (f"{INCLUDE}\nSSLVerifyClient optional", "SSLVerifyClient at"),
    "another client CA behind": (
        f"{INCLUDE}\nSSLCACertificateFile conf/own.crt",
        "put the `Include` of the site behind it",
    ),
}


@pytest.mark.parametrize(("line", "words"), WEAKENED.values(), ids=WEAKENED)
def test_what_undoes_included_directives_is_named(host: Host, line: str, words: str) -> None:
    the_users(host, *OLD)
    host.apply(host.wish(manage="directives"))
    included(host, line)
    assert words in host.refused(host.wish(manage="directives"))


def test_directives_in_a_virtual_host_that_another_hides_are_refused(host: Host) -> None:
    users_host(host, names=f"ServerName {OWN}\nServerAlias {DOMAIN}")
    write(host.conf, "old.crt", b"")
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    wish = host.wish(manage="directives")
    host.apply(wish)
    inside = f"ServerName {DOMAIN}\nDocumentRoot {host.httpd.root}/site\n{INCLUDE}"
    host.add(f"<VirtualHost *:{host.port}>\n{inside}\n</VirtualHost>\n")
    message = host.refused(wish)
    assert "has its name too, and stands before" in message
    assert f"{host.httpd.conf}:{line}" in message


def test_directives_that_are_included_still_are_not_taken_away(host: Host) -> None:
    place = the_users(host, *OLD)
    host.apply(host.wish(manage="directives"))
    included(host)
    host.apply(host.wish(manage="directives"))
    assert f"the virtual host at {place} includes" in host.refused(SiteWish(DOMAIN))
    assert "still: take that line out" in host.refused(host.wish())
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(text.replace(INCLUDE, "\n".join(OLD)))
    host.apply(SiteWish(DOMAIN))
    assert not host.store.exists()
    assert host.answers()["TLSv1.3"].result == "accepted"


# -- ways past the site that the user's configuration has


def plain_host(host: Host, *lines: str) -> str:
    """Add a virtual host without TLS on a port of its own; return where it stands."""
    port = free_port()
    line = len(host.httpd.conf.read_text().splitlines()) + 2
    inside = "\n".join((f"ServerName {OWN}", *lines))
    host.add(f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{inside}\n</VirtualHost>\n")
    return f"{host.httpd.conf}:{line}"


ROOT = "DocumentRoot {hooks}"
BACKEND = "ProxyPass / http://localhost:8081/hooks/"
AWAY = "RewriteRule ^ https://www.example.com%{{REQUEST_URI}} [R=301,L]"
NOT = "RewriteCond %{{REQUEST_URI}}"
BUT_TOKENS = (
    f"{NOT} !^/\\.well-known/acme-challenge/\n{AWAY}",
    "RedirectMatch 301 ^(?!/\\.well-known/acme-challenge/).* https://www.example.com/",
)
# As Virtualmin writes them: all that anybody may look for is left out, not a CA's tokens alone.
BUT_KNOWN = (
    "RedirectMatch ^/(?!.well-known)(.*)$ https://www.example.com/$1",
    AWAY.replace("^", "^/(?!.well-known)(.*)$"),
    f"{NOT} !^/\\.well-known/\n{AWAY}",
    f"RewriteRule ^/\\.well-known/ - [END]\n{AWAY}",
)
HOOKS = "\n<Directory {{hooks}}>\n{}\n</Directory>"
NAMED = (
    'DocumentRoot {{srv}}/other\n<LocationMatch "^/x/(?<D>[a-z]+)/(?<REST>.+)$">\n'
    'Alias "{{srv}}/%{{{{env:MATCH_D}}}}/%{}"\n</LocationMatch>'
)
BY_SCHEME = "<If \"%{{REQUEST_SCHEME}} == 'http'\">\nRedirect permanent / https://www.example.com/\n</If>"
DENIED = "\n<Location />\nRequire all denied\n</Location>"
PAST = {
    "the same files": (ROOT, {}),
    "files above": ("DocumentRoot {srv}", {}),
    "files below": ("DocumentRoot {hooks}/files", {}),
    "an alias": ("Alias /x {hooks}", {}),
    "the same backend": (BACKEND, {"proxy_pass": "http://127.0.0.1:8081/hooks/"}),
    "a path of the backend above": (BACKEND, {"proxy_pass": "http://127.0.0.1:8081/hooks/chat/"}),
    "a rewriting proxy": (
        "RewriteEngine on\nRewriteRule ^/x(.*) http://127.0.0.1:8081/$1 [P]",
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "an alias by a pattern": ("AliasMatch ^/x(.*) {hooks}$1", {}),
    "an alias for programs": ("ScriptAlias /x {hooks}", {}),
    "a root for each name": ("VirtualDocumentRoot {srv}/%1", {}),
    "a root for each address": ("VirtualDocumentRootIP {hooks}", {}),
    "the same backend for a path": (
        "<Location /x>\nProxyPass http://localhost:8081/hooks/\n</Location>",
        {"proxy_pass": "http://127.0.0.1:8081/hooks/"},
    ),
    "the same backend by a pattern": (
        "ProxyPassMatch ^/x/(.*)$ http://127.0.0.1:8081/hooks/$1",
        {"proxy_pass": "http://127.0.0.1:8081/hooks/"},
    ),
    "the same backend as a handler": (
        '<Location /x>\nSetHandler "proxy:http://127.0.0.1:8081/hooks/"\n</Location>',
        {"proxy_pass": "http://127.0.0.1:8081/hooks/"},
    ),
    "the same backend as one of several": (
        "<Proxy balancer://all>\nBalancerMember http://127.0.0.1:8081\n</Proxy>\nProxyPass / balancer://all/",
        {"proxy_pass": "http://127.0.0.1:8081/hooks/"},
    ),
    "the same backend as one of several, in no section": (
        "BalancerMember balancer://all http://127.0.0.1:8081\nProxyPass / balancer://all/",
        {"proxy_pass": "http://127.0.0.1:8081/hooks/"},
    ),
    "a redirect of one path to the root": (ROOT + "\nRedirect /old /", {}),
    "a rewriting redirect that is not on": (ROOT + f"\n{AWAY}", {}),
    "a rewriting redirect on a condition": (
        ROOT + f"\nRewriteEngine on\nRewriteCond %{{{{HTTPS}}}} on\n{AWAY}",
        {},
    ),
    "a rewriting redirect of the rest": (ROOT + f"\nRewriteEngine on\nRewriteRule ^/files/ - [L]\n{AWAY}", {}),
    "a rewriting redirect that does nothing": (ROOT + "\nRewriteEngine on\nRewriteRule ^ - [R=301,L]", {}),
    "a rewriting redirect behind a chain": (
        ROOT + f"\nRewriteEngine on\n{AWAY.replace('^', '^/x').replace('L]', 'C]')}\n{AWAY}",
        {},
    ),
    "a redirect of the names of a host that gets any": (
        ROOT + f"\nRewriteEngine on\nRewriteCond %{{{{SERVER_NAME}}}} ={OWN}\n{AWAY}",
        {},
    ),
    "a redirect by an expression of the request's": (
        ROOT + "\n<If \"%{{HTTP:X}} == 'off'\">\nRedirect permanent / https://www.example.com/\n</If>",
        {},
    ),
    "a rewriting redirect of all but the root": (ROOT + f"\nRewriteEngine on\n{AWAY.replace('^', '^/(.+)')}", {}),
    "some files denied": (ROOT + HOOKS.format('<FilesMatch "^\\.ht">\nRequire all denied\n</FilesMatch>'), {}),
    "some methods denied": (ROOT + HOOKS.format("<LimitExcept GET>\nRequire all denied\n</LimitExcept>"), {}),
    "one of several denied": (
        ROOT + HOOKS.format("<RequireAny>\nRequire all granted\nRequire all denied\n</RequireAny>"),
        {},
    ),
    "files denied, and granted by path": (
        ROOT + HOOKS.format("Require all denied") + "\n<Location />\nRequire all granted\n</Location>",
        {},
    ),
    "files denied, and granted by a pattern": (
        ROOT + HOOKS.format("Require all denied") + '\n<DirectoryMatch "^/">\nRequire all granted\n</DirectoryMatch>',
        {},
    ),
    "files denied, and granted below": (
        ROOT + HOOKS.format("Require all denied") + "\n<Directory {hooks}/files>\nRequire all granted\n</Directory>",
        {},
    ),
    "a path rewritten to the files": (
        "DocumentRoot {srv}/other\nRewriteEngine on\nRewriteRule ^/x/(.*) {hooks}/$1 [L]",
        {},
    ),
    "a link to the files": ("DocumentRoot {srv}-link", {}),
    "a folder that an expression names": (NAMED.format("{{env:MATCH_REST}}"), {}),
    "the backend as a proxy for others": (
        "ProxyPass /x http://elsewhere.example/\nProxyRemote http http://127.0.0.1:8081",
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "a redirect in a section of one path": (
        ROOT + "\n<Location /x>\nRedirect permanent https://www.example.com/\n</Location>",
        {},
    ),
    "a redirect of everything in a section of one path": (
        ROOT + '\n<Location /x>\n<If "true">\nRedirect permanent / https://www.example.com/\n</If>\n</Location>',
        {},
    ),
    "a redirect by the scheme that ServerName names": (
        ROOT + "\nServerName https://own.example.com\n" + BY_SCHEME,
        {},
    ),
    "a rewriting redirect by the port, which the request names": (
        ROOT + f"\nRewriteEngine on\nRewriteCond %{{{{SERVER_PORT}}}} !^443$\n{AWAY}",
        {},
    ),
    "a rewriting redirect of one character": (ROOT + f"\nRewriteEngine on\n{AWAY.replace('^', '^.$')}", {}),
    "every URL denied, and one granted": (
        ROOT + DENIED + "\n<Location /files>\nRequire all granted\n</Location>",
        {},
    ),
    **{
        f"a redirect of all but what a CA's token may be, by {lines}": (
            ROOT + "\nRewriteEngine on\n" + lines + "\n",
            {},
        )
        for lines in (
            f"{NOT} !\\.well-known/acme-challenge/\n{AWAY}",
            f"{NOT} !^/\\.well-known/acme-challenge/|^/files\n{AWAY}",
            f"RewriteRule ^/\\.well-known/acme-challenge/ - [C]\n{AWAY}",
            AWAY.replace("^", "^/(?!\\.well-known/acme-challenge|files)(.*?)$"),
            AWAY.replace("^", "^/(?!\\.well-known/acme-challenge)$"),
            AWAY.replace("^", "^(?!/\\.well-known/acme-challenge)$"),
            "RedirectMatch 301 ^/(?!\\.well-known/acme-challenge/)$ https://www.example.com/",
            "RedirectMatch 301 ^(?!/\\.well-known/acme-challenge/|/files).* https://www.example.com/",
        )
    },
    **{
        f"a redirect of all but a CA's token, and {alias}, by {lines}": (
            f"DocumentRoot {{srv}}/other\n{alias}\nRewriteEngine on\n{lines}",
            {},
        )
        for lines in BUT_TOKENS
        for alias in (
            "Alias /.well-known/acme-challenge/ {hooks}/",
            "Alias /.well-known {hooks}",
            "AliasMatch ^/\\.well-known/(?:acme-challenge|a)/(.*) {hooks}/$1",
            "<Location /.well-known/acme-challenge/x>\nAlias {hooks}\n</Location>",
        )
    },
    "a redirect of all but a CA's token before a backend": (
        f"ProxyPass / http://127.0.0.1:8081/\nRewriteEngine on\n{NOT} !^/\\.well-known/acme-challenge/\n{AWAY}",
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "every URL denied to some": (
        ROOT + "\n<Location />\n<RequireAny>\nRequire all denied\nRequire ip 192.0.2.1\n</RequireAny>\n</Location>",
        {},
    ),
    "every URL of the backend denied, and one granted": (
        "ProxyPass / http://127.0.0.1:8081/" + DENIED + "\n<Location /x>\nRequire all granted\n</Location>",
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "every URL of the backend denied, which is led on to it": (
        "ProxyPass / http://127.0.0.1:8081/" + DENIED + "\nErrorDocument 403 /denied",
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "every URL denied, and handed on to what was asked for": (
        ROOT + DENIED + '\nErrorDocument 403 "/%{{unescape:%{{QUERY_STRING}}}}"',
        {},
    ),
    "files denied, and handed on to a folder": (
        ROOT + HOOKS.format("Require all denied") + "\nErrorDocument 403 /",
        {},
    ),
    "files denied by older rules, and allowed below": (
        ROOT + HOOKS.format("Deny from all") + "\n<Directory {hooks}/files>\nAllow from all\n</Directory>",
        {},
    ),
    "files denied by older rules, or by who asks": (ROOT + HOOKS.format("Deny from all\nSatisfy any"), {}),
    "files denied by older rules but for some": (ROOT + HOOKS.format("Deny from all\nAllow from 192.0.2.1"), {}),
    **{
        f"a backend written as {theirs}": (f"ProxyPass / {theirs}", {"proxy_pass": "http://127.0.0.1:8081/"})
        for theirs in (
            "http://2130706433:8081/",
            "http://0x7f.1:8081/",
            "http://[::ffff:127.0.0.1]:8081/",
            "http://0.0.0.0:8081/",
            "http://[::]:8081//",
            "http://127.0.0.1:08081/",
            "http://u@127.0.0.1:8081/",
            f"http://{socket.gethostname()}:8081/",
        )
    },
    "a doubled slash": (
        "ProxyPass / http://127.0.0.1:8081//hooks/",
        {"proxy_pass": "http://127.0.0.1:8081/hooks/"},
    ),
    "a socket by a link": (
        "ProxyPass / unix:{srv}-link/s|http://localhost/",
        {"proxy_pass": "unix:{hooks}/s|http://localhost/"},
    ),
}
HARMLESS = {
    "other files": ("DocumentRoot {srv}/other", {}),
    "a name that begins alike": ("DocumentRoot {hooks}2", {}),
    "files that it may not serve": ("DocumentRoot {srv}\n<Directory {hooks}>\nRequire all denied\n</Directory>", {}),
    "a redirect of everything": (ROOT + "\nRedirect permanent / https://www.example.com/", {}),
    "a rewriting redirect": (
        ROOT + "\nRewriteEngine on\nRewriteRule ^ https://www.example.com%{{REQUEST_URI}} [R=301,L]",
        {},
    ),
    "a rewriting redirect of what comes without TLS": (
        ROOT + f"\nRewriteEngine on\nRewriteCond %{{{{HTTPS}}}} !=on\n{AWAY}",
        {},
    ),
    "a rewriting redirect by an open pattern": (ROOT + f"\nRewriteEngine on\n{AWAY.replace('^', '^(.*)')}", {}),
    "a redirect by an expression without TLS": (
        ROOT + "\n<If \"%{{HTTPS}} == 'off'\">\nRedirect permanent / https://www.example.com/\n</If>",
        {},
    ),
    "a redirect in a section of every URL": (
        ROOT + "\n<Location />\nRedirect permanent https://www.example.com/\n</Location>",
        {},
    ),
    "a redirect on a condition that always holds": (
        ROOT + '\n<If "true">\nRedirect permanent / https://www.example.com/\n</If>',
        {},
    ),
    "a redirect on a condition that is denied": (
        ROOT + "\n<If \"!(%{{HTTPS}} == 'on')\">\nRedirect permanent / https://www.example.com/\n</If>",
        {},
    ),
    **{
        f"a redirect of all but a CA's token, by {lines}": (ROOT + "\nRewriteEngine on\n" + lines + "\n", {})
        for lines in (
            f"{NOT} !^/\\.well-known/acme-challenge/\n{AWAY}",
            f"{NOT} !^/.well-known/acme-challenge [NC]\n{AWAY}",
            f"RewriteCond %{{{{HTTPS}}}} off\n{NOT} !^/\\.well-known/acme-challenge/[\\w-]+$\n{AWAY}",
            f"RewriteRule ^/\\.well-known/acme-challenge/ - [L]\n{AWAY}",
            f"{NOT} !^/\\.well\\-known/acme\\-challenge/\n{AWAY}",  # as Mozilla's generator writes it
            # As ISPConfig writes them.
            "RewriteRule ^/.well-known/acme-challenge - [END]\nRewriteCond %{{HTTPS}} off\n"
            + AWAY.replace("^", "^/(?!\\.well-known/acme-challenge)(.*?)$"),
            AWAY.replace("^", "^/(?!\\.well-known/acme-challenge)(.*?)"),
            *BUT_KNOWN,
            AWAY.replace("^", "^(?!/\\.well-known/acme-challenge)/.*?"),
            "RedirectMatch permanent ^/(?!\\.well-known/acme-challenge/).* https://www.example.com/",
            "RedirectMatch 301 ^(?!/\\.well-known/acme-challenge/).* https://www.example.com/",
        )
    },
    **{
        f"a redirect of all but a CA's token, and {alias}, by {lines}": (
            f"{ROOT}\n{alias}\nRewriteEngine on\n{lines}",
            {},
        )
        for lines in BUT_TOKENS
        for alias in (
            "Alias /.well-known/acme-challenge/ {hooks}/.well-known/acme-challenge/",
            "Alias /.well-known {hooks}/.well-known",
            "Alias /files {hooks}/files",
            "AliasMatch ^/\\.well-known/acme-challenge/(.*) {hooks}/.well-known/acme-challenge/$1",
            "AliasMatch ^/f(?:iles|ile|)/(.*) {hooks}/files/$1",
        )
    },
    "a redirect of everything, and an alias of a CA's tokens": (
        "Alias /.well-known/acme-challenge/ {hooks}/\nRedirect permanent / https://www.example.com/",
        {},
    ),
    "a redirect by the scheme": (ROOT + "\n" + BY_SCHEME, {}),
    "a rewriting redirect by the scheme": (
        ROOT + f"\nRewriteEngine on\nRewriteCond %{{{{REQUEST_SCHEME}}}} =http\n{AWAY}",
        {},
    ),
    **{
        f"a rewriting redirect of {pattern}": (ROOT + f"\nRewriteEngine on\n{AWAY.replace('^', pattern)}", {})
        for pattern in (".?", ".", "^.+$", "(.+)")
    },
    "every URL denied": (ROOT + DENIED, {}),
    "every URL denied on a condition that always holds": (ROOT + '\n<If "true">\nRequire all denied\n</If>', {}),
    "every URL denied, with a page that says so": (ROOT + DENIED + "\nErrorDocument 403 /denied.html", {}),
    "every URL denied, and another fault handed on": (
        ROOT + DENIED + '\nErrorDocument 404 "/%{{unescape:%{{QUERY_STRING}}}}"',
        {},
    ),
    "every URL of the backend denied, with words that say so": (
        "ProxyPass / http://127.0.0.1:8081/" + DENIED + '\nErrorDocument 403 "Not for you"',
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "every URL of the backend denied": (
        "ProxyPass / http://127.0.0.1:8081/" + DENIED,
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "files denied by older rules": (ROOT + HOOKS.format("Order deny,allow\nDeny from all"), {}),
    "a folder in each that an expression names": (NAMED.format("{{env:MATCH_D}}/public/%{{env:MATCH_REST}}"), {}),
    "another proxy for others": (
        "ProxyPass /x http://elsewhere.example/\nProxyRemote http http://127.0.0.1:8082",
        {"proxy_pass": "http://127.0.0.1:8081/"},
    ),
    "files denied beside what distributions bring": (
        ROOT
        + HOOKS.format("Require all denied")
        + '\n<FilesMatch "^\\.ht">\nRequire all denied\n</FilesMatch>'
        + '\n<LocationMatch "^/+$">\nOptions -Indexes\nErrorDocument 403 /.noindex.html\n</LocationMatch>'
        + "\n<Location /server-status>\nSetHandler server-status\nRequire local\n</Location>"
        + "\n<Directory /home/*/public_html>\nRequire method GET POST OPTIONS\n</Directory>",
        {},
    ),
    "a rewriting of paths alone": (
        "DocumentRoot {srv}/other\nRewriteEngine on\nRewriteRule ^/(.*)\\.html$ /$1.php",
        {},
    ),
    "another path of the backend": (BACKEND, {"proxy_pass": "http://127.0.0.1:8081/other/"}),
    "another backend": (BACKEND, {"proxy_pass": "http://127.0.0.1:8082/hooks/"}),
}


@pytest.fixture
def srv(host: Host) -> str:
    """Return a folder that holds the site's files, which the user's hosts may serve."""
    for name in ("hooks/files", "hooks/.well-known/acme-challenge", "hooks2", "other"):
        (host.httpd.root / "srv" / name).mkdir(parents=True)
    # Beside the folder: who denies a folder does not deny a link to it, as httpd goes by the path that is asked for.
    (host.httpd.root / "srv-link").symlink_to(host.httpd.root / "srv/hooks")
    for folder in ("srv", "srv-link"):
        host.add(f"<Directory {host.httpd.root}/{folder}>\nRequire all granted\n</Directory>\n")
    for name in (
        "proxy",
        "proxy_http",
        "rewrite",
        "vhost_alias",
        "proxy_balancer",
        "slotmem_shm",
        "lbmethod_byrequests",
    ):
        host.add(f"LoadModule {name}_module modules/mod_{name}.so\n")
    return f"{host.httpd.root}/srv"


@pytest.mark.parametrize(("lines", "options"), PAST.values(), ids=PAST)
def test_a_way_past_the_site_is_an_error_until_it_is_accepted(
    host: Host, srv: str, lines: str, options: dict[str, str]
) -> None:
    place = plain_host(host, lines.format(srv=srv, hooks=f"{srv}/hooks"))
    host.restart()
    options = {name: text.format(hooks=f"{srv}/hooks") for name, text in options.items()}
    options = options or {"document_root": f"{srv}/hooks"}
    message = host.refused(host.wish(**options))
    assert f"{DOMAIN}: the virtual host at {place} serves its content too" in message
    assert host.apply(host.wish(**options, allow_bypass=(place,))).sites[0]["mutual_tls"] == "enforced"


def test_a_way_past_that_a_macro_makes_is_accepted_by_the_place_of_its_use(host: Host, srv: str) -> None:
    host.add("LoadModule macro_module modules/mod_macro.so\n")
    lines = f"<VirtualHost 127.0.0.1:{free_port()}>\nServerName $name\nDocumentRoot {srv}/hooks\n</VirtualHost>\n"
    host.add(f"<Macro Host $name>\n{lines}</Macro>\nUse Host {OWN}\n")
    place = f"{host.httpd.conf}:{len(host.httpd.conf.read_text().splitlines())}"
    host.restart()
    message = host.refused(host.wish(document_root=f"{srv}/hooks"))
    assert f"allow_bypass: [{place}]" in message
    for accepted in (place, str(host.httpd.conf)):
        host.apply(host.wish(issued=host.public.issue(DOMAIN), document_root=f"{srv}/hooks", allow_bypass=[accepted]))
    assert host.enforces()


@pytest.mark.parametrize(("lines", "options"), HARMLESS.values(), ids=HARMLESS)
def test_what_is_no_way_past_the_site_is_no_error(host: Host, srv: str, lines: str, options: dict[str, str]) -> None:
    plain_host(host, lines.format(srv=srv, hooks=f"{srv}/hooks"))
    host.restart()
    host.apply(host.wish(**(options or {"document_root": f"{srv}/hooks"})))
    assert host.enforces()


@pytest.mark.parametrize("lines", BUT_KNOWN)
@pytest.mark.parametrize("known", ["file", "folder", "a link to all"])
def test_what_lies_beside_tokens_is_a_way_past_where_all_that_is_known_of_a_host_is_not_sent_away(
    host: Host, srv: str, lines: str, known: str
) -> None:
    if known == "a link to all":
        Path(srv, "hooks/.well-known/all").symlink_to(f"{srv}/hooks")
    elif known == "file":
        Path(srv, "hooks/.well-known/file").write_text("the content")
    else:
        Path(srv, "hooks/.well-known/folder").mkdir()
    place = plain_host(host, f"DocumentRoot {srv}/hooks\nRewriteEngine on\n{lines.format()}")
    host.restart()
    message = host.refused(host.wish(document_root=f"{srv}/hooks"))
    assert f"{DOMAIN}: the virtual host at {place} serves its content too" in message
    assert "have it send all but /.well-known/acme-challenge/ away, or accept it by" in message


@pytest.mark.parametrize("folder", ["tokens/.well-known/acme-challenge", "tokens"])
def test_a_folder_of_tokens_that_all_hosts_share_is_no_content_of_one(host: Host, srv: str, folder: str) -> None:
    """As Froxlor's, in each of its virtual hosts."""
    (Path(srv) / folder).mkdir(parents=True)
    alias = f"Alias /.well-known/acme-challenge {srv}/{folder}"
    plain_host(host, f"DocumentRoot {host.httpd.root}/site", alias, "RewriteEngine on", BUT_TOKENS[0].format())
    plain_host(host, f"DocumentRoot {srv}/other", alias)
    the_users(host, *OLD, alias)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"
    granted = f"<Directory {host.httpd.root}/site>\nRequire all granted\n</Directory>"
    place = plain_host(host, f"Alias /.well-known/acme-challenge {host.httpd.root}/site", granted)
    host.restart()
    assert f"the virtual host at {place} serves its content too" in host.refused(wish)


@pytest.mark.parametrize(
    ("lines", "own", "is_open"),
    [
        ("ProxyPass /ipa/session http://127.0.0.1:8081/ipa", "", False),
        (
            '<LocationMatch "^/ca/ee/ca/checkRequest|^/ca/ocsp">\nProxyPassMatch http://127.0.0.1:8081\n</LocationMatch>',
            "",
            False,
        ),
        ("ProxyPass / http://127.0.0.1:8081/", "", True),
        ('<LocationMatch "^/">\nProxyPassMatch http://127.0.0.1:8081\n</LocationMatch>', "", True),
        ("ProxyPass /x http://127.0.0.1:8081/x", "ProxyPass / http://127.0.0.1:8081/", True),
    ],
)
def test_a_backend_that_the_server_gives_to_each_host_is_the_content_of_who_is_called_there(
    host: Host, srv: str, lines: str, own: str, *, is_open: bool
) -> None:
    """As FreeIPA's, at some paths of all virtual hosts of the server."""
    host.add(f"{lines}\n")
    plain_host(host, f"DocumentRoot {srv}/other")
    the_users(host, *OLD, own)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    if is_open:
        assert "have that stand in your own virtual host alone, or accept it by" in host.refused(wish)
    else:
        assert host.apply(wish).sites[0]["mutual_tls"] == "enforced"


@pytest.mark.parametrize(
    "line",
    [
        "RedirectMatch ^/old https://127.0.0.1:{port}/",
        "RequestHeader set X-Base https://127.0.0.1:{port}/",
        "RewriteRule ^/old https://127.0.0.1:{port}/ [R]",
    ],
)
def test_a_url_that_is_told_to_clients_or_backends_is_none_of_a_backend(host: Host, srv: str, line: str) -> None:
    host.add("<IfModule !headers_module>\nLoadModule headers_module modules/mod_headers.so\n</IfModule>\n")
    the_users(host, *OLD, "RewriteEngine on", line.format(port=host.port))
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    assert not [each for each in host.apply(wish).limits if "backend" in each]


BUT_ACME = "RewriteEngine on\nRewriteRule ^/\\.well-known/acme-challenge/ - [{}]\n" + AWAY


@pytest.mark.parametrize("flag", ["END", "L"])
@pytest.mark.parametrize("where", ["its own", "in .htaccess"])
def test_a_page_that_answers_for_missing_tokens_is_a_way_past_where_all_else_is_sent_away(
    host: Host, srv: str, where: str, flag: str
) -> None:
    fallback = "FallbackResource /index.html"
    Path(srv, "hooks/index.html").write_text("the content")
    lines = f"DocumentRoot {srv}/hooks\n{BUT_ACME.format(flag)}\n"
    if where == "its own":
        plain_host(host, lines + fallback)
    else:
        Path(srv, "hooks/.htaccess").write_text(fallback)
        plain_host(host, f"{lines}<Directory {srv}/hooks>\nAllowOverride All\n</Directory>")
    host.restart()
    message = host.refused(host.wish(document_root=f"{srv}/hooks"))
    assert "a client without a certificate got in" in message
    assert "GET /.well-known/acme-challenge/mtls-httpd" in message
    assert "by FallbackResource at" in message


@pytest.mark.parametrize("target", ["/index.html", "index.html"])
@pytest.mark.parametrize("flag", ["END", "L"])
@pytest.mark.parametrize("but", ["acme-challenge/", ""])
def test_a_rule_of_a_folder_that_answers_for_missing_tokens_is_a_way_past_where_the_host_lets_it(
    host: Host, srv: str, but: str, flag: str, target: str
) -> None:
    """By [L], as applications write it, httpd asks the rules of the host again, which send the inner request away."""
    Path(srv, "hooks/index.html").write_text("the content")
    missing = "RewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_URI} !acme-challenge" if not but else ""
    Path(srv, "hooks/.htaccess").write_text(f"RewriteEngine on\n{missing}\nRewriteRule . {target} [{flag}]\n")
    away = f"RewriteEngine on\n{NOT.format()} !^/\\.well-known/{but}\n{AWAY.format()}"
    plain_host(host, f"DocumentRoot {srv}/hooks\n{away}\n<Directory {srv}/hooks>\nAllowOverride All\n</Directory>")
    host.restart()
    wish = host.wish(document_root=f"{srv}/hooks")
    if flag == "L":
        host.apply(wish)
        assert host.enforces()
    else:
        message = host.refused(wish)
        assert f"to GET /.well-known/{but}mtls-httpd with Host" in message
        assert "by RewriteRule at" in message


@pytest.mark.parametrize(
    "lines",
    [
        "DocumentRoot {srv}/hooks\nRedirectMatch 301 ^/(?!\\.well-known/acme-challenge/).* https://www.example.com/",
        "DocumentRoot {srv}/hooks\nRedirect / https://www.example.com/",
        "DocumentRoot {srv}/other\nRewriteEngine on\nRewriteRule ^/\\.well-known/acme-challenge/ - [END]\n" + AWAY,
    ],
    ids=["sent away again", "tokens too", "files of its own"],
)
def test_a_page_that_answers_for_what_is_missing_is_no_way_past_where_it_is_not_the_sites_or_not_reached(
    host: Host, srv: str, lines: str
) -> None:
    for name in ("hooks", "other"):
        Path(srv, name, "index.html").write_text(name)
    plain_host(host, lines.format(srv=srv), "FallbackResource /index.html")
    host.restart()
    host.apply(host.wish(document_root=f"{srv}/hooks"))
    assert host.enforces()


def test_a_program_that_answers_for_missing_tokens_is_a_way_past_whatever_it_answers(host: Host, srv: str) -> None:
    Path(srv, "hooks/index.html").write_text('Of <!--#echo var="DOCUMENT_URI" --> here')
    host.add("LoadModule include_module modules/mod_include.so\n")
    program = f"<Directory {srv}-link>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Directory>"
    plain_host(host, f"DocumentRoot {srv}-link", BUT_ACME.format("END"), "FallbackResource /index.html", program)
    host.restart()
    assert "by FallbackResource at" in host.refused(host.wish(document_root=f"{srv}-link"))


@pytest.mark.parametrize("has_page", [True, False], ids=["a page of its own", "none"])
@pytest.mark.parametrize("where", ["its own", "inherited", "a backend"])
def test_a_folder_of_tokens_elsewhere_is_a_way_past_only_if_the_sites_page_answers_for_missing_ones(
    host: Host, srv: str, where: str, *, has_page: bool
) -> None:
    alias = f"Alias /.well-known/acme-challenge/ {srv}/other/"
    Path(srv, "hooks/index.html").write_text("the content")
    Path(srv, "other/index.html").write_text("no such token")
    if where == "inherited":
        host.add(f"{alias}\n")
    if where == "a backend":
        port = free_port()
        host.add(f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot {srv}/other\n</VirtualHost>\n")
        alias = f"ProxyPass /.well-known/acme-challenge/ http://127.0.0.1:{port}/"
    if has_page:
        url = "/index.html" if where == "a backend" else "/.well-known/acme-challenge/index.html"
        host.add(f"<Directory {srv}/other>\nFallbackResource {url}\n</Directory>\n")
    lines = (f"DocumentRoot {srv}/hooks", BUT_ACME.format("END"), "FallbackResource /index.html")
    plain_host(host, *lines, *([] if where == "inherited" else [alias]))
    host.restart()
    wish = host.wish(document_root=f"{srv}/hooks")
    if has_page or where == "a backend":
        host.apply(wish)
        assert host.enforces()
    else:
        message = host.refused(wish)
        assert "GET /.well-known/acme-challenge/mtls-httpd" in message
        assert "by FallbackResource at" in message


def test_a_redirect_of_its_names_closes_a_host_that_gets_no_others(host: Host, srv: str) -> None:
    port, hooks = free_port(), f"{srv}/hooks"
    Path(hooks, "index.html").write_text("the content")
    names = ("RewriteCond %{SERVER_NAME} =www.example.org [OR]", f"RewriteCond %{{SERVER_NAME}} ={OWN}")
    away = ("RewriteEngine on", *names, AWAY.format())
    host.add(f"Listen 127.0.0.1:{port}\n<VirtualHost *:{port}>\nServerName first.example.net\n</VirtualHost>\n")
    text = (f"ServerName {OWN}", "ServerAlias www.example.org", f"DocumentRoot {hooks}", *away)
    lines = "\n".join(text)
    host.add(f"<VirtualHost *:{port}>\n{lines}\n</VirtualHost>\n")
    host.restart()
    host.apply(host.wish(document_root=hooks))
    assert host.enforces()
    for name in (OWN, OWN.upper(), f"{OWN}.", f"{OWN}:{port}", "www.example.org", "nobody.example.net", "x", ""):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            with plain.makefile("rb") as stream:
                assert b"the content" not in stream.read(), name
    whole = host.httpd.conf.read_text()
    host.httpd.conf.write_text(whole.replace("ServerAlias www.example.org", "ServerAlias *.example.org"))
    host.restart()
    assert "serves its content too" in host.refused(host.wish(issued=host.public.issue(DOMAIN), document_root=hooks))


def test_a_way_past_a_virtual_host_of_the_users_own_is_an_error_too(host: Host) -> None:
    the_users(host, *OLD)
    wish = host.wish(manage="directives")
    host.apply(wish)
    included(host)
    site = f"{host.httpd.root}/site"
    place = plain_host(host, f"DocumentRoot {site}\n<Directory {site}>\nRequire all granted\n</Directory>")
    assert f"{DOMAIN}: the virtual host at {place} serves its content too" in host.refused(wish)
    host.apply(replace(wish, allow_bypass=(place,)))
    assert host.enforces()


def test_the_main_servers_own_files_are_not_served_by_the_site_alone(host: Host) -> None:
    message = host.refused(host.wish(document_root=f"{host.httpd.root}/htdocs"))
    assert "the main server serves its content too" in message
    assert "DocumentRoot at" in message


def test_what_no_request_comes_to_is_no_way_past(host: Host) -> None:
    away = f"Redirect / https://{DOMAIN}/"
    host.add(f"<VirtualHost *:{host.httpd.port}>\nServerName {OWN}\n{away}\n</VirtualHost>\n")
    host.restart()
    host.apply(host.wish(document_root=f"{host.httpd.root}/htdocs"))  # the main server's own files
    assert host.enforces()


def test_files_that_a_virtual_host_inherits_are_found(host: Host) -> None:
    place = users_host(host)
    message = host.refused(host.wish(document_root=f"{host.httpd.root}/htdocs", allow_bypass=()))
    assert f"the virtual host at {place} serves its content too" in message


def test_a_host_that_asks_for_client_certificates_itself_is_no_way_past(host: Host, srv: str) -> None:
    write(host.conf, "ca.crt", host.chat.pem)
    users_host(host, extra=f"DocumentRoot {srv}/hooks\nSSLCACertificateFile conf/ca.crt\nSSLVerifyClient require")
    host.apply(host.wish(document_root=f"{srv}/hooks"))
    assert host.enforces()


def test_a_way_past_that_was_opened_later_is_found_by_a_run_that_changes_nothing(host: Host, srv: str) -> None:
    wish = host.wish(document_root=f"{srv}/hooks")
    host.apply(wish)
    place = plain_host(host, f"DocumentRoot {srv}/hooks")
    assert f"the virtual host at {place} serves its content too" in host.refused(wish)


# -- ways past the site that another of ours opens


@pytest.mark.parametrize("verify_client", ["optional", "optional_no_ca"])
def test_an_open_site_of_ours_with_the_same_content_is_refused_by_name(
    host: Host, srv: str, verify_client: str
) -> None:
    for options in ({"document_root": f"{srv}/hooks"}, {"proxy_pass": "http://127.0.0.1:8081/"}):
        message = host.refused(host.wish(**options), host.wish(OTHER, verify_client=verify_client, **options))
        assert f"{DOMAIN}: your site {OTHER} serves its content too" in message
        assert f"accept it by 'allow_bypass: [{OTHER}]' of {DOMAIN}" in message
    accepted = host.wish(**options, allow_bypass=(OTHER,))
    host.apply(accepted, host.wish(OTHER, verify_client=verify_client, **options))


def test_an_open_site_that_is_listed_alone_is_refused_beside_the_protected_one(host: Host, srv: str) -> None:
    options = {"document_root": f"{srv}/hooks"}
    host.apply(host.wish(**options))
    message = host.refused(host.wish(OTHER, verify_client="optional", **options))
    assert f"{DOMAIN}: your site {OTHER} serves its content too" in message
    host.apply(host.wish(OTHER, verify_client="optional", **options, allow_bypass=(DOMAIN,)))


def test_a_path_that_another_of_ours_opens_is_refused_unless_the_site_opens_it_too(host: Host) -> None:
    options = {"proxy_pass": "http://127.0.0.1:8081/"}
    opening = host.wish(OTHER, open_paths=("/healthz",), **options)
    assert f"your site {OTHER} serves its content too" in host.refused(host.wish(**options), opening)
    host.apply(host.wish(open_paths=("/healthz",), **options), opening)


def test_the_backend_of_a_protected_path_is_no_others(host: Host) -> None:
    for name in ("proxy", "proxy_http"):
        host.add(f"LoadModule {name}_module modules/mod_{name}.so\n")
    guarded = host.wish(
        proxy_pass="http://127.0.0.1:8081/",
        protected={"/callback": "http://127.0.0.1:8082/"},
    )
    open_ = {"verify_client": "optional"}
    message = host.refused(guarded, host.wish(OTHER, proxy_pass="http://127.0.0.1:8082/", **open_))
    assert f"{DOMAIN}: your site {OTHER} serves its content too" in message
    place = plain_host(host, "ProxyPass / http://localhost:8082/elsewhere/")
    assert f"{DOMAIN}: the virtual host at {place} serves its content too" in host.refused(guarded)
    accepted = replace(guarded, allow_bypass=(place,))
    host.apply(accepted, host.wish(OTHER, proxy_pass="http://127.0.0.1:8081/", **open_))


def test_sites_of_ours_that_share_nothing_or_are_all_protected_are_no_way_past(host: Host, srv: str) -> None:
    host.apply(host.wish(), host.wish(OTHER, verify_client="optional"))
    options = {"document_root": f"{srv}/hooks"}
    host.apply(host.wish(**options), host.wish(OTHER, **options))


# -- a backend that is a virtual host of the same server


FPM = '<FilesMatch "[.]php$">\nSetHandler "proxy:unix:/run/php/fpm.sock|fcgi://localhost/"\n</FilesMatch>'


@pytest.mark.parametrize(("folder", "is_open"), [("hooks", True), ("hooks/files", True), ("other", False)])
def test_a_program_that_runs_files_of_a_folder_is_shared_by_those_of_that_folder(
    host: Host, srv: str, folder: str, is_open: bool
) -> None:
    host.add("LoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so\n")
    plain_host(host, f"DocumentRoot {srv}/{folder}\n{FPM}")
    host.restart()
    wish = host.wish(document_root=f"{srv}/hooks", extra_directives=FPM)
    if is_open:
        assert "serves its content too, and asks for no client certificate (SetHandler at" in host.refused(wish)
    else:
        assert host.apply(wish).rehearsal == "full"


def inner_host(host: Host, srv: str, listen: str, *lines: str) -> tuple[dict[str, str], str]:
    """Add a virtual host that is the site's backend. Return the site's options, and the place of its Listen."""
    port = free_port()
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    inside = "\n".join((f"ServerName inner.example.net\nDocumentRoot {srv}/hooks", *lines))
    host.add(f"Listen {listen}{port}\n<VirtualHost *:{port}>\n{inside}\n</VirtualHost>\n")
    return {"proxy_pass": f"http://127.0.0.1:{port}/"}, f"{host.httpd.conf}:{line}"


@pytest.mark.parametrize("lines", ["", "RewriteEngine on", "<Location /x>\nRequire all denied\n</Location>"])
def test_a_backend_of_the_same_server_that_others_come_to_is_a_way_past(host: Host, srv: str, lines: str) -> None:
    options, place = inner_host(host, srv, "", lines)
    host.restart()
    message = host.refused(host.wish(**options))
    assert f"serves its content too, and asks for no client certificate (Listen at {place})" in message
    assert host.apply(host.wish(**options, allow_bypass=(place,))).reloaded


def test_the_folder_of_a_backend_of_the_same_server_is_the_sites_content(host: Host, srv: str) -> None:
    options, _place = inner_host(host, srv, "127.0.0.1:")
    place = plain_host(host, f"DocumentRoot {srv}/hooks/files")
    host.restart()
    assert f"the virtual host at {place} serves its content too" in host.refused(host.wish(**options))


@pytest.mark.parametrize(("listen", "lines"), [("127.0.0.1:", ""), ("", "<Location />\nRequire local\n</Location>")])
def test_a_backend_of_the_same_server_that_others_do_not_get_at_is_no_way_past(
    host: Host, srv: str, listen: str, lines: str
) -> None:
    Path(srv, "hooks/index.html").write_text("the content")
    options, _place = inner_host(host, srv, listen, lines)
    plain_host(host, f"DocumentRoot {srv}/other")
    host.restart()
    report = host.apply(host.wish(**options))
    assert report.reloaded
    assert not [each for each in report.limits if "nothing tells what answers in its place" in each]


# -- a virtual host that calls the site with a client certificate of its own, for anybody


def deploy_beside(host: Host, srv: str, *, is_open: bool, by: str = "") -> None:
    """Deploy a site of the folder beside what was added; where that is open it is refused, and then accepted."""
    host.restart()
    wish = host.wish(document_root=f"{srv}/hooks")
    if is_open:
        assert f"serves its content too, and asks for no client certificate ({by}" in host.refused(wish)
        wish = replace(wish, allow_bypass=(str(host.httpd.conf),))
    assert host.apply(wish).reloaded


@pytest.mark.parametrize(("bears", "elsewhere", "is_open"), [(True, 0, True), (False, 0, False), (True, 1, False)])
def test_a_proxy_with_a_certificate_of_the_client_ca_is_a_way_past(
    host: Host, srv: str, bears: bool, elsewhere: int, is_open: bool
) -> None:
    client = host.chat.issue(client=True, common_name="Chat")
    write(host.conf, "client.pem", client.full_pem + client.key_pem)
    host.add("LoadModule ssl_module modules/mod_ssl.so\n")
    own = ["SSLProxyMachineCertificateFile conf/client.pem"] if bears else []
    plain_host(host, "SSLProxyEngine on", *own, f"ProxyPass / https://127.0.0.1:{host.port + elsewhere}/")
    deploy_beside(host, srv, is_open=is_open, by="ProxyPass at")


BEARING = "SSLProxyEngine on\nSSLProxyMachineCertificateFile conf/client.pem\n"
TO_A_NAME = "RewriteEngine on\nRewriteRule ^/x/(.*) https://%s%%{HTTP:X-To}/$1 [P]"
FOR_NAMES = "RewriteEngine on\nRewriteCond %%{HTTP_HOST} %s\nRewriteRule ^/(.*) https://%%{HTTP_HOST}/$1 [P]"
# What the server level says, what the virtual host says, and whether that can call the site.
CALLING = {
    "what it inherits": ("ProxyPass /x/ https://127.0.0.1:{port}/", BEARING, True),
    "a balancer of the server's": (
        "<Proxy balancer://own>\nBalancerMember https://127.0.0.1:{port}\n</Proxy>",
        BEARING + "ProxyPass /x/ balancer://own/",
        True,
    ),
    "a field of the request": ("", BEARING + TO_A_NAME % "", True),
    "a proxy for everybody": ("", BEARING + "ProxyRequests on", True),
    "a field that names a page": ("", BEARING + TO_A_NAME % "app.example.net/", False),
    "a name of the site's": ("", BEARING + FOR_NAMES % r"^www\.[a-z]+\.com$", True),
    "a name of some partner's": ("", BEARING + FOR_NAMES % r"^([a-z]+)\.partner\.com$", False),
    "a name of some partner's, or any": (
        "",
        BEARING + FOR_NAMES % "^a\\.partner\\.com$ [OR]\nRewriteCond %{HTTPS} off",
        True,
    ),
    "another partner's rule before it": (
        "",
        BEARING + FOR_NAMES % r"^([a-z]+)\.partner\.com$" + "\nRewriteRule ^/y/(.*) https://%{HTTP_HOST}/$1 [P]",
        True,
    ),
    "a field, without a certificate": (f"<VirtualHost *:1>\n{BEARING}</VirtualHost>", TO_A_NAME % "", False),
    "a field, without TLS": ("", BEARING + TO_A_NAME.replace("https", "http") % "", False),
}


@pytest.mark.parametrize("way", CALLING)
def test_whatever_may_call_the_site_with_a_certificate_is_a_way_past(host: Host, srv: str, way: str) -> None:
    level, own, is_open = CALLING[way]
    client = host.chat.issue(client=True, common_name="Chat")
    write(host.conf, "client.pem", client.full_pem + client.key_pem)
    host.add("".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in ("ssl", "rewrite")))
    host.add(level.format(port=host.port) + "\n")
    plain_host(host, *own.split("\n"))
    deploy_beside(host, srv, is_open=is_open)


def test_a_slow_pattern_that_may_call_the_site_holds_no_run_up(
    host: Host, srv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bypasses, "_SECONDS", 0.5)
    client = host.chat.issue(client=True, common_name="Chat")
    write(host.conf, "client.pem", client.full_pem + client.key_pem)
    host.add("".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in ("ssl", "rewrite")))
    rule = "RewriteEngine on\nRewriteRule ^/(?:x+)+y|^/x{60}(.*)$ https://%{HTTP_HOST}/$1 [P]"
    plain_host(host, *(BEARING + rule).split("\n"))
    host.restart()
    assert "asks for no client certificate (RewriteRule at" in host.refused(host.wish(document_root=f"{srv}/hooks"))
