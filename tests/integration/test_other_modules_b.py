# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers whose modules run code of the operator's, hand requests on, or make virtual hosts, by the modules' own ways.

Each stands beside the site three times: sound, as a way to the site's content, and in Chat's way.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from host import DOMAIN, Host, processes_in

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.parents import REHEARSAL
from ansible_collections.mtls.httpd.plugins.module_utils._site import handshakes

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = "o.example.net"
BACKEND = "http://127.0.0.1:9/"

SERVES = "data = open('{own}' + env['PATH_INFO'], 'rb').read()"
GREETS = "data = b'hello'"
APPLICATION = """\
{at_once}
def application(env, start):
    {body}
    start("200 OK", [("Content-Type", "text/plain")])
    return [data]
"""
HANDLER = """\
package Own::Serve;
use Apache2::RequestRec ();
use Apache2::RequestIO ();
use Apache2::Const -compile => qw(OK HTTP_NOT_ACCEPTABLE);
sub handler {{ my $r = shift; (my $path = $r->uri) =~ s{{^/dl}}{{}}; $r->sendfile("{own}$path"); Apache2::Const::OK }}
1;
"""
SCRIPT = """\
function handle(r)
    local file = io.open("{own}" .. r.uri:gsub("^/dl", ""), "r")
    if not file then return 404 end
    r:puts(file:read("*a"))
    return apache2.OK
end
"""


def load(host: Host, package: str, *files: str, prefork: bool = False) -> None:
    """Load modules from the files that a Debian package brings; skip where it is not installed."""
    text = host.httpd.conf.read_text()
    if prefork:
        text = text.replace("mpm_event", "mpm_prefork")
        host.httpd.conf.write_text(text)
    for name in files:
        module = f"{name.removeprefix('mod_').removesuffix('.so')}_module"
        if not (host.httpd.root / "modules" / name).exists():
            pytest.skip(f"no {package}, which root on Debian gets by `make integration`, if Debian has it")
        if f"LoadModule {module} " not in text:
            host.add(f"LoadModule {module} modules/{name}\n")


def write(host: Host, name: str, text: str) -> Path:
    """Write a file that everybody may read below the server's root."""
    path = host.httpd.root / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_text(text)
    return path


def beside(host: Host, lines: str) -> str:
    """Add a virtual host of the user's, and restart. Returns the place of its first line."""
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(f"<VirtualHost *:{host.httpd.port}>\nServerName {OTHER}\n{lines}\n</VirtualHost>\n")
    host.restart()
    return f"{host.httpd.conf}:{line}"


def sound(host: Host, **options: object) -> None:
    """Hold that a run goes through, with a full rehearsal that leaves nothing, and that the next changes nothing."""
    wish = host.wish(**options)
    report = host.apply(wish, check=True)
    assert (report.rehearsal, report.rehearsal_reason) == ("full", "")
    assert not processes_in(host.httpd.root) & processes_in(REHEARSAL)
    assert not [each for each in report.limits if DOMAIN in each and "nobody listens" not in each]
    assert host.apply(wish).reloaded
    if "proxy_pass" not in options:
        assert host.enforces()
    assert not host.apply(wish).changed


@pytest.fixture
def own(host: Host) -> str:
    """Return the folder of the site's files."""
    write(host, "own/index.html", "content")
    return str(host.httpd.root / "own")


# -- mod_wsgi


def application(host: Host, url: str, body: str, *, at_once: str = "") -> str:
    """Add a virtual host with an application that a daemon runs; returns its place."""
    load(host, "libapache2-mod-wsgi-py3", "mod_wsgi.so")
    path = write(host, "app/app.wsgi", APPLICATION.format(at_once=at_once, body=body))
    host.add(f"WSGISocketPrefix {host.httpd.root}/logs/wsgi\nWSGIDaemonProcess app threads=2 display-name=%{{GROUP}}\n")
    rest = "process-group=app application-group=%{GLOBAL}"
    return beside(
        host,
        f"WSGIScriptAlias {url} {path} {rest}\n<Directory {path.parent}>\nRequire all granted\n</Directory>",
    )


def test_a_daemon_of_mod_wsgi_is_rehearsed_in_full_and_changes_nothing_there(host: Host, own: str) -> None:
    mark = write(host, "mark", "")
    mark.chmod(0o666)
    application(host, "/", GREETS, at_once=f"open({str(mark)!r}, 'a').write('x')")
    deadline = time.monotonic() + 5
    while not mark.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert host.apply(host.wish(document_root=own), check=True).rehearsal == "full"
    assert mark.read_text() == "x"
    sound(host, document_root=own)


@pytest.mark.parametrize("url", ["/", "/files"])
def test_an_application_that_serves_the_sites_files_is_asked_at_its_url(host: Host, own: str, url: str) -> None:
    place = application(host, url, SERVES.format(own=own))
    message = host.refused(host.wish(document_root=own))
    assert f"a client without a certificate got in at 127.0.0.1:{host.httpd.port} by the virtual host at" in message
    assert place in message
    assert url == "/" or f"WSGIScriptAlias at {host.httpd.conf}:" in message


def test_an_application_for_all_virtual_hosts_is_in_chats_way(host: Host, own: str) -> None:
    load(host, "libapache2-mod-wsgi-py3", "mod_wsgi.so")
    path = write(host, "app/app.wsgi", APPLICATION.format(at_once="", body=GREETS))
    host.add(f"WSGISocketPrefix {host.httpd.root}/logs/wsgi\nWSGIDaemonProcess app\nWSGIProcessGroup app\n")
    host.add(f"WSGIScriptAlias / {path}\n<Directory {path.parent}>\nRequire all granted\n</Directory>\n")
    host.restart()
    message = host.refused(host.wish(document_root=own))
    assert "was locked out" in message
    assert f"WSGIScriptAlias at {host.httpd.conf}:" in message


def test_a_file_that_an_application_has_httpd_send_is_found(host: Host, own: str) -> None:
    load(host, "libapache2-mod-xsendfile", "mod_xsendfile.so")
    host.add(f"XSendFile on\nXSendFilePath {own}\n")
    sends = (
        f"data = b''; start_, start = start, lambda s, h: start_(s, [*h, ('X-Sendfile', '{own}' + env['PATH_INFO'])])"
    )
    application(host, "/files", sends)
    assert f"WSGIScriptAlias at {host.httpd.conf}:" in host.refused(host.wish(document_root=own))


NAMING = {
    "mod_xsendfile": ("libapache2-mod-xsendfile", "XSendFile on\nXSendFilePath {folder}", "XSendFilePath"),
    "a section of Perl": (
        "libapache2-mod-perl2",
        '<Perl>\npush @Alias, ["/x", "{folder}"];\n$Directory{{"{folder}"}} = {{ Require => "all granted" }};\n</Perl>',
        "Perl",
    ),
}


@pytest.mark.parametrize("way", NAMING)
def test_what_names_the_sites_folder_in_a_modules_own_words_is_told(host: Host, own: str, way: str) -> None:
    package, lines, name = NAMING[way]
    load(host, package, "mod_perl.so" if name == "Perl" else "mod_xsendfile.so")
    beside(host, lines.format(folder=own))
    wish = host.wish(document_root=own)
    told = [each for each in host.apply(wish, check=True).limits if f"may lead to what {DOMAIN} protects" in each]
    assert [each for each in told if each.startswith(f"{name} at {host.httpd.conf}:")]
    accepted = replace(wish, allow_bypass=(str(host.httpd.conf),))
    assert not [each for each in host.apply(accepted, check=True).limits if "may lead" in each]


@pytest.mark.parametrize("way", NAMING)
def test_what_names_another_folder_or_is_never_reached_is_no_matter(host: Host, own: str, way: str) -> None:
    package, lines, name = NAMING[way]
    load(host, package, "mod_perl.so" if name == "Perl" else "mod_xsendfile.so")
    beside(host, lines.format(folder=f"{own}-of-another"))
    beside(host, f"Redirect permanent / https://{DOMAIN}/\n" + lines.format(folder=own))
    limits = host.apply(host.wish(document_root=own), check=True).limits
    assert not [each for each in limits if "may lead" in each]


@pytest.mark.parametrize(
    ("variable", "value", "is_told"),
    [
        ("DOCUMENT_ROOT", "{}", False),
        ("context_document_root", "{}", False),
        ("!SCRIPT_FILENAME", "", False),
        ("SCRIPT_FILENAME", "{}-of-another/index.php", False),
        ("PHP_VALUE", "auto_prepend_file={}-of-another/index.php", False),
        ("SCRIPT_FILENAME", "{}", True),
        ("SCRIPT_FILENAME", "{}/index.php", True),
        ("PHP_VALUE", "auto_prepend_file={}/index.php", True),
        ("PHP_ADMIN_VALUE", "doc_root={}", True),
    ],
)
def test_a_variable_of_a_fastcgi_program_is_told_where_it_says_what_is_run(
    host: Host, own: str, variable: str, value: str, *, is_told: bool
) -> None:
    """As ISPConfig gives each site's pool its folder."""
    for name in ("proxy", "proxy_fcgi"):
        load(host, "apache2-bin", f"mod_{name}.so")
    beside(host, f'ProxyFCGISetEnvIf "true" {variable}' + (f' "{value.format(own)}"' if value else ""))
    limits = host.apply(host.wish(document_root=own), check=True).limits
    assert bool([each for each in limits if "may lead" in each]) is is_told


def test_mod_xsendfile_beside_the_site_is_no_matter(host: Host, own: str) -> None:
    load(host, "libapache2-mod-xsendfile", "mod_xsendfile.so")
    beside(host, f"XSendFile on\nXSendFilePath {host.httpd.root}/htdocs")
    sound(host, document_root=own)


# -- mod_perl


def perl(host: Host, own: str) -> None:
    """Load mod_perl, with a handler that serves the site's files."""
    load(host, "libapache2-mod-perl2", "mod_perl.so")
    write(host, "perl/Own/Serve.pm", HANDLER.format(own=own))
    host.add(f"PerlSwitches -I{host.httpd.root}/perl\nPerlModule Own::Serve\n")


def test_a_server_that_mod_perl_renamed_is_known_and_rehearsed_in_full(host: Host, own: str) -> None:
    perl(host, own)
    mark = write(host, "mark", "")
    startup = write(host, "perl/startup.pl", f'if (open(my $mark, ">>", "{mark}")) {{ print $mark "x" }}\n1;\n')
    host.add(f"PerlRequire {startup}\n")
    beside(host, "<Location /perl>\nSetHandler modperl\n</Location>")
    before = mark.read_text()
    assert host.apply(host.wish(document_root=own), check=True).rehearsal == "full"
    assert mark.read_text() == before
    sound(host, document_root=own)


@pytest.mark.parametrize("section", ["Location /dl", "LocationMatch ^/dl/(.+)$"])
def test_a_handler_that_serves_the_sites_files_is_asked_where_its_section_is(
    host: Host, own: str, section: str
) -> None:
    perl(host, own)
    beside(host, f"<{section}>\nSetHandler modperl\nPerlResponseHandler Own::Serve\n</{section.partition(' ')[0]}>")
    message = host.refused(host.wish(document_root=own))
    assert "a client without a certificate got in" in message
    assert message.count(f"SetHandler at {host.httpd.conf}:") == 1


@pytest.fixture
def service() -> Iterator[Path]:
    """Serve at a Unix socket of the machine's, such as a database has, which no rehearsal reaches."""
    path = Path(f"/tmp/mtls-httpd-test-{os.getpid()}")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        yield path
    path.unlink()


def test_startup_code_that_needs_a_service_makes_it_reduced_and_is_named(host: Host, own: str, service: Path) -> None:
    load(host, "libapache2-mod-perl2", "mod_perl.so")
    connecting = f'use IO::Socket::UNIX;\nIO::Socket::UNIX->new("{service}") or die "no database";\n1;\n'
    startup = write(host, "perl/startup.pl", connecting)
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(f"PerlRequire {startup}\n")
    host.restart()
    report = host.apply(host.wish(document_root=own))
    assert report.rehearsal == "reduced"
    assert f"PerlRequire ({host.httpd.conf}:{line})" in report.rehearsal_reason
    assert host.enforces()


# -- mod_php


def php(host: Host) -> None:
    """Load mod_php as Debian has it."""
    modules = [*(host.httpd.root / "modules").glob("libphp*.so")]
    if not modules:
        pytest.skip("no libapache2-mod-php, which root on Debian gets by `make integration`")
    text = host.httpd.conf.read_text().replace("mpm_event", "mpm_prefork")
    # opcache makes a lock file as httpd starts, in /tmp if nothing else is said.
    write(host, "php/php.ini", f"opcache.lockfile_path={host.httpd.root}/logs\n")
    own = f"LoadModule php_module {modules[0]}\nPHPIniDir {host.httpd.root}/php\n"
    handler = '<FilesMatch ".+\\.ph(?:ar|p|tml)$">\nSetHandler application/x-httpd-php\n</FilesMatch>\n'
    host.httpd.conf.write_text(f"{text}{own}{handler}DirectoryIndex index.html index.php\n")


def test_a_site_of_php_is_rehearsed_in_full_and_its_code_changes_nothing_there(host: Host, own: str) -> None:
    php(host)
    mark = write(host, "mark", "")
    mark.chmod(0o666)
    (Path(own) / "index.html").unlink()
    write(host, "own/index.php", f'<?php file_put_contents("{mark}", "x", FILE_APPEND); echo "hello";')
    beside(host, "php_admin_value open_basedir /var/www:/tmp")
    assert host.apply(host.wish(document_root=own), check=True).rehearsal == "full"
    assert mark.read_text() == ""
    sound(host, document_root=own)


def test_code_that_php_puts_before_each_page_is_found_to_serve_the_sites_files(host: Host, own: str) -> None:
    php(host)
    read = f'<?php $path = "{own}" . $_SERVER["REQUEST_URI"]; if (is_file($path)) {{ readfile($path); exit; }}'
    before = write(host, "php/before.php", read)
    write(host, "htdocs/front.php", "<?php echo 'front';")
    place = beside(host, f"php_admin_value auto_prepend_file {before}\nFallbackResource /front.php")
    message = host.refused(host.wish(document_root=own))
    assert f"by the virtual host at {place}" in message


# -- mod_lua, mod_uwsgi, mod_jk


@pytest.mark.parametrize("written", ["^/dl/(.*)", "/dl"])
def test_a_script_of_mod_lua_that_serves_the_sites_files_is_asked_at_its_url(
    host: Host, own: str, written: str
) -> None:
    load(host, "apache2-bin", "mod_lua.so")
    script = write(host, "lua/serve.lua", SCRIPT.format(own=own))
    beside(host, f"LuaMapHandler {written} {script} handle")
    message = host.refused(host.wish(document_root=own))
    assert message.count(f"LuaMapHandler at {host.httpd.conf}:") == 1


def test_a_script_of_mod_lua_that_serves_something_else_is_no_matter(host: Host, own: str) -> None:
    load(host, "apache2-bin", "mod_lua.so")
    script = write(host, "lua/serve.lua", SCRIPT.format(own=f"{host.httpd.root}/htdocs"))
    beside(host, f"LuaMapHandler ^/dl/(.*) {script} handle")
    sound(host, document_root=own)


def mounted(host: Host, module: str) -> str:
    """Have another virtual host hand on what lies below /app to port 9; returns the directive that says so."""
    if module == "mod_uwsgi":
        load(host, "libapache2-mod-uwsgi", "mod_uwsgi.so")
        beside(host, "<Location /app>\nSetHandler uwsgi-handler\nuWSGISocket 127.0.0.1:9\n</Location>")
        return "SetHandler"
    load(host, "libapache2-mod-jk", "mod_jk.so")
    worker = "worker.list=w\nworker.w.type=ajp13\nworker.w.host=127.0.0.1\nworker.w.port=9\n"
    host.add(f"JkWorkersFile {write(host, 'conf/workers.properties', worker)}\n")
    host.add(f"JkLogFile {host.httpd.root}/logs/jk.log\nJkShmFile {host.httpd.root}/logs/jk.shm\n")
    beside(host, "JkMount /app/* w")
    return "JkMount"


@pytest.mark.parametrize("module", ["mod_uwsgi", "mod_jk"])
def test_what_hands_requests_on_by_its_own_protocol_is_found_where_it_leads_to_the_backend(
    host: Host, module: str
) -> None:
    name = mounted(host, module)
    message = host.refused(host.wish(proxy_pass=BACKEND))
    assert "a client without a certificate got in" in message
    assert message.count(f"{name} at {host.httpd.conf}:") == 1
    sound(host, proxy_pass="http://127.0.0.1:10/")


@pytest.mark.parametrize("scheme", ["uwsgi", "scgi"])
def test_a_backend_of_another_protocol_is_known_by_its_place(host: Host, scheme: str) -> None:
    load(host, "apache2-bin", "mod_proxy.so", f"mod_proxy_{scheme}.so")
    beside(host, f"ProxyPass /app {scheme}://127.0.0.1:9/")
    assert f"ProxyPass at {host.httpd.conf}:" in host.refused(host.wish(proxy_pass=BACKEND))
    sound(host, proxy_pass="http://127.0.0.1:10/")


# -- mod_fcgid, mod_cgid, mpm-itk


def test_daemons_that_start_programs_for_requests_are_rehearsed_in_full(host: Host, own: str) -> None:
    load(host, "libapache2-mod-fcgid", "mod_cgid.so", "mod_fcgid.so")
    logs = f"{host.httpd.root}/logs"
    host.add(f"ScriptSock {logs}/cgisock\nScriptLog {logs}/script.log\nAddHandler fcgid-script .fcgi\n")
    host.add(f"FcgidIPCDir {logs}/fcgidsock\nFcgidProcessTableFile {logs}/fcgid_shm\n")
    beside(host, f"ScriptAlias /cgi-bin/ {host.httpd.root}/cgi/\nScriptAlias /app {host.httpd.root}/cgi/app.fcgi")
    sound(host, document_root=own)


def test_a_page_for_which_a_program_is_to_be_started_is_told_not_to_have_been_asked(host: Host, own: str) -> None:
    load(host, "libapache2-mod-fcgid", "mod_fcgid.so")
    (Path(own) / "index.html").unlink()
    write(host, "own/index.php", "<?php echo 'hello';")
    wrapper = write(host, "cgi/wrapper", "#!/bin/sh\nexec /bin/false\n")
    wrapper.chmod(0o755)
    handler = '<FilesMatch "\\.php$">\nSetHandler fcgid-script\nOptions +ExecCGI\n</FilesMatch>\n'
    host.add(f"DirectoryIndex index.php\n{handler}FcgidWrapper {wrapper} .php\n")
    host.restart()
    report = host.apply(host.wish(document_root=own), check=True)
    assert report.rehearsal == "full"
    assert len([each for each in report.limits if "POST / was not answered in the rehearsal in time" in each]) == 1


def test_who_lets_each_call_wait_is_a_lock_out_although_files_are_answered(
    host: Host, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "_SECONDS", 0.5)
    load(host, "apache2-bin", "mod_lua.so")
    waiting = (
        'function check(r)\n    if r.method == "POST" then r.usleep(1500000) end\n    return apache2.DECLINED\nend\n'
    )
    host.add(f"LuaHookAccessChecker {write(host, 'lua/wait.lua', waiting)} check\n")
    host.restart()
    assert "a client of the client CA got no clear answer" in host.refused(host.wish(document_root=own))


@pytest.mark.parametrize("user", ["www-data www-data", "nobody nogroup"])
def test_users_of_virtual_hosts_are_those_of_the_rehearsal_too(host: Host, own: str, user: str) -> None:
    load(host, "libapache2-mpm-itk", "mpm_itk.so", prefork=True)
    if os.geteuid():
        pytest.skip("httpd does not run as root here, and mpm-itk has it become other users, which root alone may")
    Path(own).chmod(0o700)
    os.chown(own, 33, 33)
    host.add(f"AssignUserID {user}\n")
    beside(host, "AssignUserID nobody nogroup\nMaxClientsVHost 20")
    if user == "www-data www-data":
        sound(host, document_root=own)
    else:
        assert "a client of the client CA was locked out" in host.refused(host.wish(document_root=own))


# -- mod_dav, mod_macro, mod_vhost_alias


def dav(host: Host, folder: str, rules: str) -> str:
    """Have another virtual host share a folder by mod_dav; returns its place."""
    load(host, "apache2-bin", "mod_dav.so", "mod_dav_fs.so")
    locks = host.httpd.root / "locks"
    locks.mkdir(exist_ok=True)
    locks.chmod(0o777)
    host.add(f"DavLockDB {locks}/DavLock\n")
    return beside(host, f"Alias /dav {folder}\n<Directory {folder}>\nDav On\n{rules}\n</Directory>")


@pytest.mark.parametrize("methods", ["PROPFIND PUT", "GET PUT"])
def test_a_folder_that_is_denied_but_for_some_methods_is_open(host: Host, own: str, methods: str) -> None:
    place = dav(host, own, f"<LimitExcept {methods}>\nRequire all denied\n</LimitExcept>")
    assert f"the virtual host at {place} serves its content too" in host.refused(host.wish(document_root=own))


def test_a_folder_of_mod_dav_that_is_denied_is_no_way(host: Host, own: str) -> None:
    dav(host, own, "Require all denied")
    sound(host, document_root=own)


def test_mod_dav_for_all_virtual_hosts_leaves_the_site_as_it_is(host: Host, own: str) -> None:
    dav(host, str(host.httpd.root / "htdocs"), "Require all granted")
    host.add("<Location />\nDav On\n</Location>\n")
    host.restart()
    sound(host, document_root=own)


def test_virtual_hosts_that_macros_make_are_sound_and_found(host: Host, own: str) -> None:
    load(host, "apache2-bin", "mod_macro.so")
    folder = "<Directory $folder>\nRequire all granted\n</Directory>"
    inside = f"ServerName $name\nDocumentRoot $folder\n{folder}"
    host.add(f"<Macro Host $name $folder>\n<VirtualHost *:{host.httpd.port}>\n{inside}\n</VirtualHost>\n</Macro>\n")
    host.add(f"Use Host a.example.net {host.httpd.root}/htdocs\n")
    host.restart()
    sound(host, document_root=own)
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(f"Use Host b.example.net {own}\n")
    host.restart()
    assert f"'allow_bypass: [{host.httpd.conf}:{line}]'" in host.refused(host.wish(document_root=own, verify_depth=3))


def test_a_folder_for_each_name_is_a_way_where_it_may_be_the_sites(host: Host, own: str) -> None:
    load(host, "apache2-bin", "mod_vhost_alias.so")
    write(host, f"mass/{DOMAIN}/index.html", "content")
    mass = host.httpd.root / "mass"
    place = beside(
        host,
        f"ServerAlias *.example.net\nVirtualDocumentRoot {mass}/%0\n"
        f"<Directory {mass}>\nRequire all granted\n</Directory>",
    )
    assert f"the virtual host at {place}" in host.refused(host.wish(document_root=str(mass / DOMAIN)))
    sound(host, document_root=own)


# -- what answers for all virtual hosts


def everywhere(host: Host, module: str) -> None:
    """Have a module answer in the place of each virtual host's content, by a line that nobody here knows."""
    if module == "mod_jk":
        mounted(host, module)
        host.add("JkMountCopy All\nJkMount /* w\n")
    elif module == "mod_lua":
        load(host, "apache2-bin", "mod_lua.so")
        greeting = 'function handle(r)\n    r:puts("hello")\n    return apache2.OK\nend\n'
        host.add(f"LuaMapHandler ^/ {write(host, 'lua/hello.lua', greeting)} handle\n")
    else:
        load(host, "apache2-bin", "mod_vhost_alias.so")
        mass = write(host, f"mass/{OTHER}/index.html", "other").parents[1]
        host.add(f"VirtualDocumentRoot {mass}/%0\n<Directory {mass}>\nRequire all granted\n</Directory>\n")
    host.restart()


@pytest.mark.parametrize("module", ["mod_jk", "mod_lua", "mod_vhost_alias"])
def test_what_answers_in_the_place_of_the_sites_content_is_told_by_whatever_status(
    host: Host, own: str, module: str
) -> None:
    everywhere(host, module)
    wish = host.wish(document_root=own)
    told = [each for each in host.apply(wish, check=True).limits if "did not reach the site's content" in each]
    assert len(told) == 1
    assert told[0].startswith(f"{DOMAIN}: POST / of a client of the client CA")


@pytest.mark.parametrize("lines", ["", "FallbackResource /index.html", "DirectoryIndex none.html"])
def test_a_site_without_a_page_of_its_own_at_its_root_is_no_lock_out(host: Host, own: str, lines: str) -> None:
    wish = host.wish(document_root=own, extra=lines)
    assert not [each for each in host.apply(wish, check=True).limits if "did not reach the site's content" in each]
