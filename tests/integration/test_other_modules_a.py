# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers with modules that guard, limit or manage: firewalls of requests, logins, countries, certificates of others.

Of each module the usual configuration, which is let be, and one that opens the site or keeps Chat from it, which is
refused by what the rehearsal meets. A module that this machine lacks is told by the test that it was left out.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import free_port
from foreign import unpacked
from host import DOMAIN, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from host import Host

BACKEND: dict[str, Any] = {"proxy_pass": "http://127.0.0.1:9/"}
RULES = Path("/usr/share/modsecurity-crs/rules")


def load(host: Host, *names: str) -> None:
    """Load modules that the server has not, or leave the test out, with the reason, where this machine has not."""
    text = host.httpd.conf.read_text()
    for name in names:
        if not (host.httpd.root / f"modules/mod_{name}.so").exists():
            pytest.skip(f"no mod_{name}, which root on Debian gets by `make integration`, if Debian has it")
        if f"mod_{name}.so" not in text:
            host.add(f"LoadModule {name}_module modules/mod_{name}.so\n")


def say(host: Host, text: str) -> str:
    """Have the server say something more; return the file and number of its first line."""
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(text.rstrip("\n") + "\n")
    host.restart()
    return f"{host.httpd.conf}:{line}"


def files(host: Host) -> dict[str, Any]:
    """Return the option of a site of files that nothing else serves."""
    folder = host.httpd.root / "own"
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "index.html").write_text("content")
    return {"document_root": str(folder)}


def guard(host: Host, *lines: str) -> str:
    """Have mod_security guard the server by lines; return where they begin."""
    load(host, "unique_id", "security2")
    logs = host.httpd.root / "logs"
    return say(host, "\n".join((*lines, "SecRuleEngine On", "SecRequestBodyAccess On", f"SecDataDir {logs}")))


def limit(host: Host, *lines: str) -> str:
    """Have mod_qos limit the server as its manual proposes, and by more lines; return no place, as it tells none."""
    library = next(Path("/usr/lib").glob("*/libpcre.so.3"), None)
    host.add(f"LoadFile {library}\n" if library else "")  # Debian 12's needs it, and does not say so.
    load(host, "qos", "setenvif")
    usual = ("QS_ClientEntries 1000", "QS_SrvMaxConnPerIP 50", "QS_SrvMaxConnClose 180", "QS_SrvMinDataRate 150 1200")
    say(host, "\n".join((*usual, *lines)))
    return ""


def evasive(host: Host) -> None:
    """Have mod_evasive stop who asks twice a second, and start a program then."""
    host.add(f"LoadModule evasive20_module {unpacked()}/usr/lib/apache2/modules/mod_evasive20.so\n")
    logs = host.httpd.root / "logs"
    usual = "DOSHashTableSize 3097\nDOSPageCount 1\nDOSSiteCount 50\nDOSPageInterval 1\nDOSBlockingPeriod 10\n"
    say(host, f'{usual}DOSLogDir "{logs}"\nDOSSystemCommand "touch {logs}/by-evasive"\n')


def manage(host: Host, store: str) -> None:
    """Have mod_md manage the certificate of a virtual host of the operator's."""
    load(host, "md", "ssl")
    port = free_port()
    host.add(
        "MDContactEmail a@example.net\nMDCertificateAgreement accepted\nMDRequireHttps permanent\n"
        f"MDCertificateAuthority http://127.0.0.1:9/\nMDPortMap 80:{host.httpd.port} 443:{port}\n"
        f'MDMessageCmd "/usr/bin/touch {host.httpd.root}/logs/by-md"\n{store}MDomain shop.example.net\n'
    )
    inside = f"ServerName shop.example.net\nDocumentRoot {host.httpd.root}/htdocs\n"
    say(
        host,
        f"Listen 127.0.0.1:{port} https\n<VirtualHost 127.0.0.1:{port}>\nSSLEngine on\n{inside}</VirtualHost>\n"
        f"<VirtualHost *:{host.httpd.port}>\nServerName other.example.net\n</VirtualHost>\n"
        f"<VirtualHost *:{host.httpd.port}>\n{inside}</VirtualHost>",
    )


def log_in(host: Host, path: str) -> str:
    """Have mod_auth_openidc ask for a login at a path; return where the rule stands."""
    load(host, "auth_openidc")
    idp = "https://idp.example.net"
    host.add(
        f"OIDCProviderIssuer {idp}\nOIDCProviderAuthorizationEndpoint {idp}/auth\n"
        f"OIDCProviderTokenEndpoint {idp}/token\nOIDCProviderJwksUri {idp}/jwks\n"
        "OIDCClientID id\nOIDCClientSecret not-secret\nOIDCCryptoPassphrase not-secret-at-all-not-secret-at-all\n"
        "OIDCRedirectURI https://app.example.net/app/redirect\n"
    )
    place = say(host, f"<Location {path}>\nAuthType openid-connect\nRequire valid-user\n</Location>")
    return _line_after(place, 2)


IDP = """\
<EntityDescriptor entityID="https://idp.example.net/" xmlns="urn:oasis:names:tc:SAML:2.0:metadata">
<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
 Location="https://idp.example.net/sso"/></IDPSSODescriptor></EntityDescriptor>
"""


def log_in_by_saml(host: Host, path: str) -> str:
    """Have mod_auth_mellon ask for a login at a path; return where the rule stands."""
    load(host, "auth_mellon")
    issued = host.public.issue("app.example.net")
    for name, content in (("sp.crt", issued.pem), ("sp.key", issued.key_pem), ("idp.xml", IDP.encode())):
        (host.conf / name).write_bytes(content)
    place = say(
        host,
        f"<Location {path}>\nMellonSPPrivateKeyFile {host.conf}/sp.key\nMellonSPCertFile {host.conf}/sp.crt\n"
        f"MellonIdPMetadataFile {host.conf}/idp.xml\n"
        "MellonEndpointPath /mellon\nMellonEnable auth\nAuthType Mellon\n"
        "Require valid-user\n</Location>",
    )
    return _line_after(place, 7)


def locate(host: Host, *lines: str) -> str:
    """Have mod_geoip know the countries of callers; return where lines stand.

    By its database 0.0.0.0 to 63.255.255.255 are China, and all other addresses are nowhere.
    """
    load(host, "geoip", "setenvif")
    nowhere, china = (16776960 + number for number in (0, 48))
    records = (1, nowhere, china, nowhere)  # of the first bit of an address, and of the second behind a 0
    content = b"".join(each.to_bytes(3, "little") for each in records) + b"\xff\xff\xff\x01"
    (host.conf / "geo.dat").write_bytes(content)
    usual = f"GeoIPEnable On\nGeoIPDBFile {host.conf}/geo.dat\nSetEnvIf GEOIP_COUNTRY_CODE CN from-there"
    return _line_after(say(host, "\n".join((usual, *lines))), 3)


def _line_after(place: str, lines: int) -> str:
    file, _colon, number = place.rpartition(":")
    return f"{file}:{int(number) + lines}"


# -- servers that are let be


def slow_down(host: Host) -> None:
    """Have httpd wait for nobody, and send slowly."""
    load(host, "ratelimit")
    say(
        host,
        "RequestReadTimeout handshake=1 header=1-2,MinRate=5000 body=1,MinRate=5000\nKeepAliveTimeout 1\n"
        "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 400",
    )


def guard_by_core_rules(host: Host, engine: str = "On") -> None:
    """Have mod_security hold the OWASP core rules against requests, as Debian brings them."""
    if not RULES.is_dir():
        pytest.skip("no modsecurity-crs, the OWASP core rules, which root on Debian gets by `make integration`")
    guard(host)
    own = shutil.copytree(RULES, host.httpd.root / "rules")
    say(host, f"SecRuleEngine {engine}\nInclude /etc/modsecurity/crs/crs-setup.conf\nInclude {own}/*.conf")


HEALTHY: dict[str, Callable[[Host], object]] = {
    "the OWASP core rules, which block": guard_by_core_rules,
    "the OWASP core rules, which only detect": lambda host: guard_by_core_rules(host, "DetectionOnly"),
    "mod_evasive": evasive,
    "mod_qos": limit,
    "mod_md": lambda host: manage(host, "MDStoreDir store\n"),
    "mod_md with a store that no directive names": lambda host: manage(host, ""),
    "mod_auth_openidc at another path": lambda host: log_in(host, "/app"),
    "mod_auth_mellon at another path": lambda host: log_in_by_saml(host, "/app"),
    "mod_geoip": locate,
    "mod_ratelimit, and mod_reqtimeout without patience": slow_down,
}


@pytest.mark.parametrize("server", HEALTHY)
def test_a_server_with_its_usual_modules_gets_the_site_and_keeps_what_is_its_own(host: Host, server: str) -> None:
    HEALTHY[server](host)
    stores = [path for path in (host.httpd.root / "md", host.httpd.root / "store") if path.exists()]
    if stores:  # mod_md has asked its CA by then, and written that it did not answer.
        assert until(lambda: [*stores[0].glob("staging/*/job.json")])
    wish = host.wish(**files(host))
    before = host.state()
    assert host.apply(wish, check=True).rehearsal == "full"
    assert host.state() == before
    report = host.apply(wish)
    assert report.rehearsal == "full"
    assert not [each for each in report.limits if "not tried" in each or "Chat's addresses" in each]
    assert host.enforces()
    assert not host.apply(wish).changed
    assert not list((host.httpd.root / "rules").glob("*mtls*"))  # Whoever brings these may replace them as a whole.
    logs = {each.name for each in (host.httpd.root / "logs").iterdir()}
    assert not logs & {"by-evasive", "by-md"}


# -- what keeps Chat from the site


NO_POST = 'SecRule REQUEST_METHOD "@streq POST" "id:1,phase:1,{}"'
LOCKED: dict[str, tuple[Callable[[Host], str], str, str]] = {
    "mod_security with a status of its own": (lambda host: guard(host, NO_POST.format("deny,status:406")), " 406 ", ""),
    "mod_security with an error": (lambda host: guard(host, NO_POST.format("deny,status:500")), " 500 ", ""),
    "mod_security with a redirect": (
        lambda host: guard(host, NO_POST.format("redirect:https://a.example/")),
        " 302 ",
        "",
    ),
    "mod_qos": (lambda host: limit(host, "QS_LimitRequestBody 10"), " 413 ", "by mod_qos"),
    "mod_qos that counts": (
        lambda host: limit(
            host, "QS_ErrorResponseCode 429", "SetEnvIf Request_Method POST P=1", "QS_EventRequestLimit P 0"
        ),
        " 429 ",
        "by mod_qos",
    ),
    "mod_auth_openidc": (lambda host: log_in(host, "/"), " 401 ", "Require"),
    "mod_auth_mellon": (lambda host: log_in_by_saml(host, "/"), " 303 ", "Require"),
}


@pytest.mark.parametrize("content", ["files", "a backend"])
@pytest.mark.parametrize("server", LOCKED)
def test_what_answers_chat_by_a_status_of_its_own_is_refused_by_where_it_stands(
    host: Host, server: str, content: str
) -> None:
    act, status, said = LOCKED[server]
    place = act(host)
    message = host.refused(host.wish(**(BACKEND if content == "a backend" else files(host))))
    assert "a client of the client CA was locked out" in message
    assert status in message
    assert said in message
    assert "POST / did not reach the site's content" in message
    assert place in message


def test_a_rule_of_mod_security_that_refuses_chat_is_told_by_its_own_file_and_line(host: Host) -> None:
    place = guard(host, NO_POST.format("deny,status:403"))
    message = host.refused(host.wish(**BACKEND))
    assert f"(HTTP/1.1 403 Forbidden), and httpd's log has why, by mod_security2 ({place})" in message


@pytest.mark.parametrize("status", [406, 302])
def test_a_page_of_the_sites_own_may_answer_chat_as_it_likes(host: Host, status: int) -> None:
    """What holds for the page that Chat calls, and not for whatever is asked by POST, is the site's own matter."""
    action = f"deny,status:{status}" if status == 406 else "redirect:https://a.example/"
    guard(host, f'SecRule REQUEST_URI "@rx ^/(\\?|$)" "id:1,phase:1,{action}"')
    assert host.apply(host.wish(**files(host), callback_paths=["/hooks"])).rehearsal == "full"


BY_EXPRESSION = "<Location />\nRequire expr \"-R '43.0.0.0/8'\"\n</Location>"
BY_VARIABLE = "SetEnvIf Remote_Addr ^43\\. from-there\n<Location />\nRequire env from-there\n</Location>"
RULED: dict[str, Callable[[Host], str]] = {
    "by a country": lambda host: _line_after(locate(host, "<Location />\nRequire env from-there\n</Location>"), 1),
    "by an expression": lambda host: _line_after(say(host, BY_EXPRESSION), 1),
    "by a variable": lambda host: _line_after(say(host, BY_VARIABLE), 2),
}


LOGIN = "AuthType Basic\nAuthName none\nAuthUserFile /dev/null\n"


@pytest.mark.parametrize("others", ["Require valid-user\n", ""])
def test_a_login_that_some_are_spared_by_their_address_is_told_by_its_line(host: Host, others: str) -> None:
    rules = f"{LOGIN}<RequireAny>\nRequire ip 43.0.0.0/8\n{others}</RequireAny>\n"
    place = say(host, f"<Location />\n{rules}</Location>")
    report = host.apply(host.wish(**files(host)))
    (warning,) = [each for each in report.limits if "Chat's addresses" in each]
    assert f"{_line_after(place, 5)} does not let in gets {401 if others else 403}" in warning


def test_a_login_that_nobody_is_spared_is_a_lock_out(host: Host) -> None:
    place = say(host, f"<Location />\n{LOGIN}Require valid-user\n</Location>")
    assert f"(HTTP/1.1 401 Unauthorized), as before it comes Require at {_line_after(place, 4)}" in host.refused(
        host.wish(**files(host))
    )


@pytest.mark.parametrize("rule", RULED)
def test_a_rule_that_lets_some_of_the_internet_in_is_told_by_its_line(host: Host, rule: str) -> None:
    place = RULED[rule](host)
    report = host.apply(host.wish(**files(host)))
    (warning,) = [each for each in report.limits if "Chat's addresses" in each]
    assert f"from an address that Require at {place} does not let in gets 403" in warning


def test_so_is_one_of_ipv6(host: Host) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"nothing can listen on ::1 here, as on a machine without IPv6 ({error.strerror})")
    place = say(host, "<Location />\nRequire expr \"-R '2a00::/12'\"\n</Location>")
    report = host.apply(host.wish(listen=("::1",), **files(host)))
    assert [each for each in report.limits if f"{_line_after(place, 1)} does not let in gets 403" in each]


def test_a_door_is_asked_from_where_rules_let_in(host: Host) -> None:
    load(host, "proxy", "proxy_http", "rewrite")
    port = free_port()
    say(host, BY_EXPRESSION)
    rule = "RewriteEngine on\nRewriteMap low int:tolower\nRewriteRule ^/?(.*) http://${low:127.0.0.1}:9/$1 [P]"
    place = say(host, f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{rule}\n</VirtualHost>")
    message = host.refused(host.wish(**BACKEND))
    assert (
        f"a client without a certificate got in at 127.0.0.1:{port} by the virtual host at {_line_after(place, 1)}"
        in message
    )


# -- what leads to the site


def lead(host: Host, condition: str, url: str) -> str:
    """Have mod_security hand requests on to a URL; return where the rule stands."""
    load(host, "proxy", "proxy_http")
    guard(host)
    port = free_port()
    rule = f'SecRule {condition} "id:1,phase:2,t:none,proxy:{url}"'
    place = say(
        host,
        f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nServerName a.example.net\n{rule}\n</VirtualHost>",
    )
    return _line_after(place, 3)


def test_a_module_that_hands_requests_on_to_the_backend_is_asked_to_by_what_its_line_says(host: Host) -> None:
    place = lead(host, 'REQUEST_URI "@beginsWith /api"', BACKEND["proxy_pass"])
    message = host.refused(host.wish(**BACKEND))
    assert "a client without a certificate got in at 127.0.0.1:" in message
    assert f"to GET /api/mtls-httpd with Host a.example.net, by SecRule at {place} (200)" in message


@pytest.mark.parametrize("backend", ["the site's", "another"])
def test_a_module_that_names_the_backend_and_leads_there_by_what_nobody_knows_is_told(host: Host, backend: str) -> None:
    url = BACKEND["proxy_pass"] if backend == "the site's" else "http://127.0.0.1:11/"
    place = lead(host, 'REQUEST_HEADERS:X-Robot "@streq yes"', url)
    report = host.apply(host.wish(**BACKEND))
    told = [each for each in report.limits if f"SecRule at {place} may lead to what {DOMAIN} protects" in each]
    assert bool(told) is (backend == "the site's")


def test_a_host_behind_a_login_that_serves_the_sites_files_is_refused_by_its_line(host: Host) -> None:
    log_in(host, "/app")
    folder, port = files(host)["document_root"], free_port()
    rule = f"<Directory {folder}>\nAuthType openid-connect\nOIDCUnAuthAction pass\nRequire valid-user\n</Directory>"
    place = say(
        host, f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot {folder}\n{rule}\n</VirtualHost>"
    )
    assert f"(DocumentRoot at {_line_after(place, 2)})" in host.refused(host.wish(document_root=folder))


def test_a_server_that_turns_away_who_asks_much_does_not_hide_a_door(host: Host) -> None:
    evasive(host)
    load(host, "proxy", "proxy_http")
    guard(host)
    port = free_port()
    rules = (
        'SecAction "id:1,phase:1,nolog,pass,setvar:tx.port=9"\n'
        'SecRule REQUEST_HEADERS:Host "@endsWith ." "id:2,phase:2,t:none,proxy:http://127.0.0.1:%{tx.port}/"'
    )
    place = say(host, f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{rules}\n</VirtualHost>")
    message = host.refused(host.wish(**BACKEND))
    assert f"got in at 127.0.0.1:{port} by the virtual host at {_line_after(place, 1)}" in message
    assert f"with Host {DOMAIN}. (200)" in message
