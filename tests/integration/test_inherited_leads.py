# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to a site's content that one virtual host of a door leaves open and its default closes, and hidden ones.

The first virtual host of each door sends everything away. Each way stands beside a neighbour that looks like it.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from embedded_httpd import free_port
from host import DOMAIN
from rehearsing import forbid_namespaces

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Clients, Door, Inquiry
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import examine
from ansible_collections.mtls.httpd.plugins.module_utils._site import folders

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from host import Host

BACKEND = "http://127.0.0.1:9/"
PROXIED = {"proxy_pass": BACKEND}
ON = "RewriteEngine on\n"
AWAY = "Redirect permanent / https://shut.example.net/\n"
SHUT = f"ServerName shut.example.net\n{AWAY}"
NAME = "ServerName own.example.net\n"
RULE = ON + "RewriteRule ^/api/(.*) http://127.0.0.1:9/$1 [P]"
NESTED = "<Location /x>\nAlias {srv}/%%{{tolower:%%{{HTTP:X}}}}%s\n</Location>"
CONNECT = (
    "ProxyRequests on\nAllowCONNECT %s\n<Proxy *>\n<LimitExcept CONNECT>\nRequire all denied\n</LimitExcept>\n</Proxy>"
)
OTHER = NAME + "DocumentRoot {srv}/other\n"
HANDLED = OTHER + '<Location /go>\nSetHandler "proxy:http://%s%%{{HTTP:X-Backend}}/"\n</Location>'
MATCHED = OTHER + '<LocationMatch "^/p/([0-9]+)/(.*)">\nProxyPassMatch http://127.0.0.1:%s$1/$2\n</LocationMatch>'
AGENT = OTHER + ON + "RewriteCond %%{{HTTP_USER_AGENT}} ^Monitor\nRewriteRule ^/(.*) http://%s%%{{HTTP:X-B}}/$1 [P]"
ROOTED = OTHER + ON + "RewriteRule ^/h/(.*) %%{{DOCUMENT_ROOT}}/../%s/$1 [L]"
FIELD = "RewriteRule ^/(.*) http://%s%%{{HTTP:X-B}}/$1 [P]"
SET = OTHER + '<Location /go>\nSetHandler "proxy:http://127.0.0.1:%s%%{{reqenv:P}}/"\n</Location>'
DENIED = NAME + "DocumentRoot {srv}/hooks\n<Directory {srv}/hooks>\nRequire all denied\n%s</Directory>"
GRANTED = "<%s>\nRequire all %s\n</%s>\n"
ANY = (
    f"{NAME}DocumentRoot {{srv}}/%s\n<Directory {{srv}}>\n{ON}"
    "RewriteRule ^%s/in/(.*) http://%%{{HTTP:X-B}}/$1 [P]\n</Directory>"
)
HEALTHZ, ANOTHER = '"%{REQUEST_URI} =~ /healthz/"', '"%{REQUEST_URI} =~ /another/"'
FILES = "%s\nSetHandler proxy:%s\n%s\n"
RULED = NAME + "DocumentRoot {srv}/x"
ABOVE = "RewriteRule ^x/in/(.*) %s$1 [P]\n"


class Way(NamedTuple):
    """Lines of the server level and of a virtual host that is not the default, files, and options of the site."""

    level: str = ""
    own: str = NAME
    options: Mapping[str, Any] = MappingProxyType({})
    files: Mapping[str, str] = MappingProxyType({})
    first: str = SHUT


LEADING = {
    "a rule that one inherits": Way(RULE, f"{NAME}{ON}RewriteOptions Inherit", PROXIED),
    "folders of users": Way("UserDir {srv}"),
    "folders of users beside one that sends other paths away": Way(
        "UserDir {srv}", f"{NAME}Redirect permanent /old https://own.example.net/\n"
    ),
    "a link below an alias": Way("Alias /pub {srv}/pub"),
    "a rule below an alias": Way("Alias /pub {srv}/ruled", NAME, PROXIED),
    "a rule over two lines": Way(
        "", RULED, PROXIED, {"x/.htaccess": f"{ON}RewriteRule ^in/(.*) \\\n {BACKEND}$1 [P]\n"}
    ),
    "a rule with tabs": Way("", RULED, PROXIED, {"x/.htaccess": f"{ON}RewriteRule\t^in/(.*)\t{BACKEND}$1\t[P]\n"}),
    "rules by another name": Way(
        "AccessFileName .acl", RULED, PROXIED, {"x/.acl": f"{ON}RewriteRule ^in/(.*) {BACKEND}$1 [P]\n"}
    ),
    "a name that the default has too": Way(
        "", "ServerName shut.example.net\nServerAlias real.example.net\nDocumentRoot {srv}/pub"
    ),
    "a pattern of names alone": Way("", "ServerAlias *.real.example.net\nDocumentRoot {srv}/pub"),
    "a default without a name": Way("", f"ServerName {DOMAIN}\n{AWAY}", first="DocumentRoot {srv}/pub\n"),
    "a handler by a field": Way("", HANDLED % "", PROXIED),
    "a pattern of the section": Way("", MATCHED % "", PROXIED),
    "a handler for a file": Way("", RULED, PROXIED, {"x/.htaccess": FILES % ("<Files go.html>", BACKEND, "</Files>")}),
    "a handler for files of a pattern": Way(
        "", RULED, PROXIED, {"x/.htaccess": FILES % ('<FilesMatch "\\.cb$">', BACKEND, "</FilesMatch>")}
    ),
    "a handler by the end of a name": Way("", RULED, PROXIED, {"x/.htaccess": f"AddHandler proxy:{BACKEND} .cb\n"}),
    "an agent": Way("", AGENT % "", PROXIED),
    "a path beside the root": Way("", ROOTED % "hooks"),
    "a link to a file": Way("", NAME + "DocumentRoot {srv}/linked"),
    "a link to a file below an alias": Way("Alias /pub {srv}/linked"),
    "clients elsewhere": Way("", f"{OTHER}{ON}RewriteCond %{{{{REMOTE_ADDR}}}} !^127\\.\n{FIELD % ''}", PROXIED),
    "a file that is granted in a folder that is denied": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % ("Files healthz", "granted", "Files")}
    ),
    "files of a pattern that are granted in a folder that is denied": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % ('FilesMatch "^health"', "granted", "FilesMatch")}
    ),
    "files of a class that are granted in a folder that is denied": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % ('FilesMatch "^[[:alpha:]]+$"', "granted", "FilesMatch")}
    ),
    "a file that is granted from above the document root": Way(
        "", DENIED % "", {}, {".htaccess": GRANTED % ("Files healthz", "granted", "Files")}
    ),
    "a file that is granted from above a link to the document root": Way(
        "",
        NAME + "DocumentRoot {srv}/ln/hooks\n<Directory {srv}/ln>\nRequire all denied\n</Directory>",
        {},
        {"ln/.htaccess": GRANTED % ("Files healthz", "granted", "Files")},
    ),
    "a rule above the document root": Way("", RULED, PROXIED, {".htaccess": f"{ON}{ABOVE % (BACKEND)}"}),
    "a rule above a link to the document root": Way(
        "",
        NAME + "DocumentRoot {srv}/ln/hooks",
        PROXIED,
        {"ln/.htaccess": f"{ON}RewriteRule ^[^/]+/in/(.*) {BACKEND}$1 [P]\n"},
    ),
    "a section above the document root": Way("", ANY % ("x", "x"), PROXIED),
    "a section above an alias": Way("", f"{ANY % ('other', 'pub2')}\nAlias /pub {{srv}}/pub2", PROXIED),
    "a file below a folder that is denied": Way(
        "",
        DENIED % "",
        {},
        {"hooks/.htaccess": GRANTED % ("Files deep.txt", "granted", "Files"), "hooks/files/deep.txt": "deep\n"},
    ),
    "a file that an expression is for": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % (f"If {HEALTHZ}", "granted", "If")}
    ),
    "a file that a condition is not for": Way(
        "",
        DENIED % "",
        {},
        {
            "hooks/.htaccess": '<If "%{REQUEST_URI} =~ /mtls/">\nRequire all denied\n</If>\n'
            "<Else>\nRequire all granted\n</Else>\n"
        },
    ),
    "a file that is granted by an expression": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": f"Require expr {HEALTHZ}\n"}
    ),
    "a file that is granted by a variable": Way(
        "SetEnvIf Request_URI healthz KNOWN", DENIED % "", {}, {"hooks/.htaccess": "Require env KNOWN\n"}
    ),
    "a tunnel": Way("", NAME + CONNECT % "9", PROXIED, first=""),
    "a tunnel to what lies below a path": Way(
        "", NAME + CONNECT % "9", {"proxy_pass": f"{BACKEND}app/", "open_paths": ["/healthz"]}, first=""
    ),
}
ELSEWHERE = {
    "a rule with a flag that lacks its value": Way("", f"{OTHER}{ON}RewriteRule ^/x$ - [H]"),
    "a rule that nobody inherits": Way(RULE, NAME + ON, PROXIED),
    "folders of users, which are nobody's": Way("UserDir {srv}", f"{NAME}UserDir disabled"),
    "a link below an alias that is sent away": Way("Alias /pub {srv}/pub", NAME + AWAY),
    "a link to another folder": Way("Alias /pub {srv}/pub2"),
    "a rule below an alias that is denied": Way(
        "Alias /pub {srv}/ruled", f"{NAME}<Location /pub>\nRequire all denied\n</Location>", PROXIED
    ),
    "a rule with tabs": Way(
        "", RULED, PROXIED, {"x/.htaccess": f"{ON}RewriteRule\t^in/(.*)\thttp://127.0.0.1:11/$1\t[P]\n"}
    ),
    "rules by a name that is not read": Way(
        "", RULED, PROXIED, {"x/.acl": f"{ON}RewriteRule ^in/(.*) {BACKEND}$1 [P]\n"}
    ),
    "names of another folder": Way("", "ServerAlias *.real.example.net\nDocumentRoot {srv}/pub2"),
    "a handler by a field": Way("", HANDLED % "10.0.0.1:11/", PROXIED),
    "a handler by a variable": Way("", SET % "11", PROXIED),
    "a handler for a file": Way(
        "", RULED, PROXIED, {"x/.htaccess": FILES % ("<Files go.html>", "http://127.0.0.1:11/", "</Files>")}
    ),
    "a handler under a condition": Way(
        "", RULED, PROXIED, {"x/.htaccess": FILES % ('<If "true">', "http://127.0.0.1:11/", "</If>")}
    ),
    "a handler of a module that is not there": Way(
        "", RULED, PROXIED, {"x/.htaccess": FILES % ("<IfModule nothing_module>", BACKEND, "</IfModule>")}
    ),
    "a pattern of the section": Way("", MATCHED % "1", PROXIED),
    "an agent": Way("", AGENT % "10.0.0.1:11/", PROXIED),
    "a path beside the root": Way("", ROOTED % "pub2"),
    "one page for all": Way("", f"{OTHER}{ON}RewriteRule ^(.*)$ %{{{{DOCUMENT_ROOT}}}}/index.php [L]"),
    "a URL by a variable": Way("", f"{OTHER}{ON}RewriteRule ^/h/(.*) %{{{{ENV:BASE}}}}/$1 [R]"),
    "a page of a folder by a variable": Way(
        "",
        f"{OTHER}<Directory {{srv}}/other>\n{ON}RewriteRule ^ %{{{{ENV:BASE}}}}/index.php [L]\n</Directory>",
    ),
    "a client's address": Way(
        "", f"{OTHER}{ON}RewriteCond %{{{{REMOTE_ADDR}}}} ^10\\.\n{FIELD % '10.0.0.1:11/'}", PROXIED
    ),
    "a URL for a client's address": Way(
        "", f"{OTHER}{ON}RewriteCond %{{{{REMOTE_ADDR}}}} ^10\\.\nRewriteRule ^/admin/(.*)$ /$1 [PT]"
    ),
    "a file that is denied too": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % ("Files healthz", "denied", "Files")}
    ),
    "a file that is granted where no such file is read": Way(
        "", DENIED % "AllowOverride None\n", {}, {"hooks/.htaccess": GRANTED % ("Files healthz", "granted", "Files")}
    ),
    "a file that is granted from above where no such file is read": Way(
        "<Directory {srv}>\nAllowOverride None\n</Directory>\n<Directory {srv}/hooks>\nAllowOverride All\n</Directory>",
        DENIED % "",
        {},
        {".htaccess": f"{GRANTED % ('Files healthz', 'granted', 'Files')}{GRANTED % ('If false', 'granted', 'If')}"},
    ),
    "another file that is granted from above the document root": Way(
        "", DENIED % "", {}, {".htaccess": GRANTED % ("Files another", "granted", "Files")}
    ),
    "a rule above the document root": Way("", RULED, PROXIED, {".htaccess": f"{ON}{ABOVE % 'http://127.0.0.1:11/'}"}),
    "a rule above for another folder": Way("", OTHER, PROXIED, {".htaccess": f"{ON}{ABOVE % BACKEND}"}),
    "a section above for another folder": Way("", ANY % ("other", "x"), PROXIED),
    "an expression for another file": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % (f"If {ANOTHER}", "granted", "If")}
    ),
    "an expression that grants another file": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": f"Require expr {ANOTHER}\n"}
    ),
    "a variable that grants another file": Way(
        "SetEnvIf Request_URI another KNOWN", DENIED % "", {}, {"hooks/.htaccess": "Require env KNOWN\n"}
    ),
    "files of another class": Way(
        "", DENIED % "", {}, {"hooks/.htaccess": GRANTED % ('FilesMatch "^[[:digit:]]+$"', "granted", "FilesMatch")}
    ),
    "a file that is granted in another folder": Way(
        "", OTHER, {}, {"other/.htaccess": GRANTED % ("Files healthz", "granted", "Files")}
    ),
    "a link to another file": Way("", NAME + "DocumentRoot {srv}/linked2"),
    "a link to a file that is sent away": Way("Alias /pub {srv}/linked", NAME + AWAY),
    "a tunnel to others": Way("", NAME + CONNECT % "443", PROXIED, first=""),
    "a folder for each field": Way("", f"{NAME}DocumentRoot {{srv}}/other\n{NESTED % '/public'}"),
}

# What these lead to is another matter for another client, at another time, or by what somebody sets.
DOUBTFUL = {
    "a handler by a variable": Way("", SET % "", PROXIED),
    "a handler under a condition": Way(
        "", RULED, PROXIED, {"x/.htaccess": FILES % ("<If \"%{HTTP:X} == 'y'\">", BACKEND, "</If>")}
    ),
    "a client's address": Way("", f"{OTHER}{ON}RewriteCond %{{{{REMOTE_ADDR}}}} ^10\\.\n{FIELD % ''}", PROXIED),
    "an hour": Way("", f"{OTHER}{ON}RewriteCond %{{{{TIME_HOUR}}}} ^(25|26)$\n{FIELD % ''}", PROXIED),
    "until an hour": Way(
        "", f"{OTHER}{ON}RewriteCond %{{{{TIME_HOUR}}}}%{{{{TIME_MIN}}}} >2500\n{FIELD % ''}", PROXIED
    ),
    "a file by a variable": Way("", f"{OTHER}{ON}RewriteRule ^/h/(.*) %{{{{ENV:BASE}}}}/$1 [L]"),
}


@pytest.fixture
def srv(host: Host) -> Path:
    """Return a folder that holds the site's files, and others, where links and .htaccess files count."""
    srv = host.httpd.root / "srv"
    for name in ("hooks/files", "other", "pub", "pub2", "ruled", "x"):
        (srv / name).mkdir(parents=True)
    (srv / "pub/x").symlink_to(srv / "hooks")
    (srv / "pub2/x").symlink_to(srv / "other")
    for folder in ("hooks", "other", "linked", "linked2"):
        (srv / folder).mkdir(exist_ok=True)
        (srv / folder / "healthz").write_text(f"that of {folder}\n")
    (srv / "ln").mkdir()
    (srv / "ln/hooks").symlink_to(srv / "hooks")
    (srv / "linked/one.txt").symlink_to(srv / "hooks/healthz")
    (srv / "linked2/one.txt").symlink_to(srv / "other/healthz")
    (srv / "ruled/.htaccess").write_text(f"{ON}RewriteRule ^in/(.*) {BACKEND}$1 [P]\n")
    host.add(f"<Directory {srv}>\nRequire all granted\nOptions FollowSymLinks\nAllowOverride All\n</Directory>\n")
    host.load("proxy", "proxy_http", "proxy_connect", "rewrite", "userdir", "ssl", "socache_shmcb")
    return srv


def furnish(host: Host, srv: Path, way: Way, *, protocol: str = "") -> dict[str, Any]:
    """Add virtual hosts of the user's, to each address and port of the main server too. Return the site's options."""
    for path, text in way.files.items():
        (srv / path).write_text(text)
    for address in re.findall(r"(?m)^Listen (\S+)", host.httpd.conf.read_text()):
        host.add(f"<VirtualHost {address}>\n{SHUT}UserDir disabled\n</VirtualHost>\n")
    port = free_port()
    host.add(f"{way.level.format(srv=srv)}\nListen 127.0.0.1:{port}{protocol}\n")
    for lines in filter(None, (way.first, way.own)):
        host.add(f"<VirtualHost 127.0.0.1:{port}>\n{lines.format(srv=srv)}\n</VirtualHost>\n")
    host.restart()
    return dict(way.options) or {"document_root": str(srv / "hooks")}


@pytest.mark.parametrize("way", LEADING)
def test_what_leads_to_the_content_beside_a_default_that_does_not_is_refused(host: Host, srv: Path, way: str) -> None:
    wish = host.wish(**furnish(host, srv, LEADING[way]))
    assert f"{DOMAIN}: a client without a certificate got in at 127.0.0.1:" in host.refused(wish)
    accepted = (str(host.httpd.conf), *(str(srv / f"{each}.htaccess") for each in ("", "x/", "ln/", "ruled/")))
    assert host.apply(replace(wish, allow_bypass=accepted)).rehearsal == "full"


def test_a_link_to_a_file_that_everybody_gets_is_no_matter(host: Host, srv: Path) -> None:
    options = furnish(host, srv, Way("", NAME + "DocumentRoot {srv}/linked"))
    assert host.apply(host.wish(**options, open_paths=["/healthz"])).rehearsal == "full"


def test_a_link_to_a_file_is_found_behind_many_to_files_that_everybody_gets(host: Host, srv: Path) -> None:
    (srv / "linked/one.txt").unlink()
    for number in range(9):
        (srv / f"hooks/open{number}").write_text(f"open {number}\n")
        (srv / f"linked/{number}.txt").symlink_to(srv / f"hooks/open{number}")
    options = furnish(host, srv, Way("", NAME + "DocumentRoot {srv}/linked"))
    opened = [f"/open{number}" for number in range(9)]
    assert host.apply(host.wish(**options, open_paths=opened)).rehearsal == "full"
    (srv / "linked/secret.txt").symlink_to(srv / "hooks/healthz")
    assert "to GET /secret.txt with Host" in host.refused(
        host.wish(**options, open_paths=opened, aliases=["x.example"])
    )


def test_a_link_to_a_file_is_found_where_chat_calls_below_a_folder(host: Host, srv: Path) -> None:
    options = furnish(host, srv, Way("", NAME + "DocumentRoot {srv}/linked"))
    assert "to GET /one.txt with Host" in host.refused(host.wish(**options, callback_paths=["/files/in"]))


def test_a_page_that_holds_what_a_small_file_does_is_not_that_file(host: Host, srv: Path) -> None:
    (srv / "hooks/healthz").write_text("t")
    one_page = f"{NAME}DocumentRoot {{srv}}/linked\n{ON}RewriteRule ^ {{srv}}/other/healthz [L]"
    assert host.apply(host.wish(**furnish(host, srv, Way("", one_page)))).rehearsal == "full"


@pytest.mark.parametrize("number", [6, 20])
@pytest.mark.parametrize("name", ["healthz", "b"])
def test_a_file_that_is_granted_is_found_behind_many_that_are_not_or_is_told(
    host: Host, srv: Path, number: int, name: str
) -> None:
    """Another section denies the files that come first by name; C(b): no file is granted."""
    for each in range(number):
        (srv / f"hooks/a{each}z").write_text(f"that of {each}\n")
    rules = GRANTED % ('FilesMatch "z"', "granted", "FilesMatch") + GRANTED % ('Files "a*"', "denied", "Files")
    rules += "" if name == "healthz" else GRANTED % ("Files healthz", "denied", "Files")
    options = furnish(host, srv, Way("", DENIED % "", {}, {"hooks/.htaccess": rules}))
    if name == "healthz" and number == 6:
        assert "to GET /healthz with Host" in host.refused(host.wish(**options))
    else:
        told = [each for each in host.apply(host.wish(**options)).limits if "may lead to" in each]
        assert [f"Require at {srv}/hooks/.htaccess:" in each for each in told] == [True] * (number == 20)


@pytest.mark.parametrize("expression", ["healthz", "\\.odd$"])
def test_a_file_whose_name_is_no_text_is_asked_for(host: Host, srv: Path, expression: str) -> None:
    (srv / "hooks" / os.fsdecode(b"\xff\xe9.odd")).write_text("odd\n")
    (srv / "hooks/healthz").unlink()
    rules = {"hooks/.htaccess": GRANTED % (f'If "%{{REQUEST_URI}} =~ m#{expression}#"', "granted", "If")}
    options = furnish(host, srv, Way("", DENIED % "", {}, rules))
    if expression == "healthz":
        assert host.apply(host.wish(**options)).rehearsal == "full"
    else:
        assert r"to GET /\udcff\udce9.odd with Host" in host.refused(host.wish(**options))


def test_files_that_a_rule_may_be_for_are_told_where_they_are_too_many_to_list(
    host: Host, srv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {"hooks/.htaccess": GRANTED % ("Files x", "granted", "Files"), "hooks/x.txt": "x\n"}
    options = furnish(host, srv, Way("", DENIED % "", {}, rules))
    assert not [each for each in host.apply(host.wish(**options)).limits if "not all looked for" in each]
    monkeypatch.setattr(folders, "_MOST", 2)
    again = host.apply(host.wish(**options, verify_depth=4))
    assert [each for each in again.limits if f"files of {srv}/hooks were not all looked for" in each]


@pytest.mark.parametrize("way", DOUBTFUL)
def test_what_depends_on_more_than_requests_say_is_told(host: Host, srv: Path, way: str) -> None:
    report = host.apply(host.wish(**furnish(host, srv, DOUBTFUL[way])))
    assert report.rehearsal == "full"
    told = [each for each in report.limits if f"may lead to what {DOMAIN}" in each]
    assert any(f"{name} at " in each for each in told for name in ("RewriteRule", "SetHandler"))


SECRET = NAME + "DocumentRoot {srv}/%s\nSetEnvIf X-Secret ^abc$ KNOWN\n<%s>\nRequire env KNOWN\n</%s>"


@pytest.mark.parametrize(("section", "kind"), [("Location /x", "Location"), ("Directory {srv}/pub", "Directory")])
def test_a_link_that_is_followed_for_who_knows_a_secret_is_told(host: Host, srv: Path, section: str, kind: str) -> None:
    report = host.apply(host.wish(**furnish(host, srv, Way("", SECRET % ("pub", section, kind)))))
    told = [each for each in report.limits if "leads who is let in by Require at" in each]
    assert [f"{host.httpd.conf}:" in each and DOMAIN in each for each in told] == [True]


def test_a_secret_that_leads_elsewhere_is_no_matter(host: Host, srv: Path) -> None:
    for lines in (SECRET % ("pub2", "Location /x", "Location"), SECRET % ("pub2", "Directory {srv}/pub", "Directory")):
        report = host.apply(host.wish(**furnish(host, srv, Way("", lines))))
        assert not [each for each in report.limits if "leads who is let in" in each]


# Each with whether it lets in who knows a secret.
GRANTS = {
    "SetEnvIf X-Secret ^abc$ KNOWN\nRequire env KNOWN\n": True,
    "Require expr \"%{HTTP:X-Secret} == 'abc'\"\n": True,
    "Require expr \"req('X-Secret') == 'abc'\"\n": True,
    "<If \"%{HTTP:X-Secret} == 'abc'\">\nRequire all granted\n</If>\n": True,
    "SetEnvIf Request_URI another KNOWN\nRequire env KNOWN\n": False,
    "<If \"%{HTTP:X-Secret} == 'abc'\">\nRequire all denied\n</If>\n": False,
    f"Require expr {ANOTHER}\n": False,
}


@pytest.mark.parametrize("grant", GRANTS)
def test_a_grant_of_a_htaccess_file_for_who_knows_a_secret_is_told(host: Host, srv: Path, grant: str) -> None:
    report = host.apply(host.wish(**furnish(host, srv, Way("", DENIED % "", {}, {"hooks/.htaccess": grant}))))
    told = [each for each in report.limits if "lets in who says what is not known here" in each]
    assert [f"at {srv}/hooks/.htaccess:2 lets" in each or ":1 lets" in each for each in told] == [True] * GRANTS[grant]


@pytest.mark.parametrize("way", ELSEWHERE)
def test_what_leads_elsewhere_beside_a_default_is_no_matter(host: Host, srv: Path, way: str) -> None:
    report = host.apply(host.wish(**furnish(host, srv, ELSEWHERE[way])))
    assert report.rehearsal == "full"
    assert not [each for each in report.limits if re.search("may lead to|were not asked|not known here", each)]


def test_a_folder_that_a_function_of_an_expression_fills_in_may_be_the_sites(host: Host, srv: Path) -> None:
    options = furnish(host, srv, Way("", f"{NAME}DocumentRoot {{srv}}/other\n{NESTED % ''}"))
    assert "serves its content too, and asks for no client certificate (Alias at " in host.refused(host.wish(**options))


@pytest.mark.parametrize("protocol", ["", " https"])
def test_a_redirect_of_what_is_not_tls_closes_nothing_where_listen_says_https(
    host: Host, srv: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = host.public.issue("own.example.net")
    (srv / "own.pem").write_bytes(issued.full_pem + issued.key_pem)
    certified = "SSLCertificateFile {srv}/own.pem\n" if protocol else ""
    redirect = "RewriteCond %{{HTTPS}} off\nRewriteRule ^ https://own.example.net/ [R]\n"
    own = Way("", f"{NAME}DocumentRoot {{srv}}/hooks\n{ON}{redirect}{certified}", first="")
    options = furnish(host, srv, own, protocol=protocol)
    forbid_namespaces(monkeypatch)
    wish = host.wish(**options)
    if protocol:
        assert "serves its content too, and asks for no client certificate (DocumentRoot at " in host.refused(wish)
    else:
        assert host.apply(wish).rehearsal == "reduced"


@pytest.mark.parametrize("how", ["open_paths", "allowed"])
@pytest.mark.parametrize("page", ["", "ErrorDocument 405 /errors/405.html\n"])
def test_a_method_that_is_refused_before_any_rule_lets_nobody_in(host: Host, srv: Path, how: str, page: str) -> None:
    """Who is refused so would be handed to the backend for the page, and no rule asked."""
    host.load("allowmethods")
    level = f"<Location />\nAllowMethods GET POST\n{page}</Location>\n"
    options = furnish(host, srv, Way(level, NAME, PROXIED))
    more = {"open_paths": {"open_paths": ["/healthz"]}, "allowed": {"allowed": [{"subject": "CN=Chat"}]}}
    report = host.apply(host.wish(**options, **more[how]))
    assert report.rehearsal == "full"
    answer = host.answers(None)["TLSv1.3"]
    assert (answer.status, answer.method) == ((405, "OPTIONS") if how == "open_paths" else (0, "OPTIONS"))
    seen = examine(Door("127.0.0.1", host.port), Inquiry(DOMAIN, "OPTIONS"), Clients(untrusted=host.probes.stranger), 5)
    assert seen.if_statuses_refuse.mutual_tls == "enforced"
