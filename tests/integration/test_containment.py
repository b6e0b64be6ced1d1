# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written into a site stays in it: its directives in its host, its lines in logs, and others' words unsaid."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo_material import write
from host import COLLECTION, DOMAIN, Host, until

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects, rehearsal

if TYPE_CHECKING:
    from conftest import LocalOperator
    from playing import Run

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are out of others' reach")
rehearsed = pytest.mark.parametrize("rehearsed", ["full", "reduced"])


def rehearse(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "reduced":
        monkeypatch.setattr(effects, "find_effects", lambda _binary, _described: "of a test")


# -- extra_directives

ANOTHER = "<VirtualHost 127.0.0.9:4431>\nServerName x.example.org"
# Where the lines lead, and what is said of them.
BEYOND = {
    "another host": (f"</VirtualHost>\n{ANOTHER}", "which is: <VirtualHost 127.0.0.9:4431>"),
    "the server level": (f"</VirtualHost>\nTimeout 4\n{ANOTHER}", "which is: Timeout 4"),
    "another host of its name": (
        f"</VirtualHost>\n<VirtualHost 127.0.0.9:4431>\nServerName {DOMAIN}",
        "which is: <VirtualHost 127.0.0.9:4431>",
    ),
    "another host by a macro": (
        f"<Macro Leave>\n</VirtualHost>\n{ANOTHER}\n</Macro>\nUse Leave",
        "VirtualHost at macro 'leave'",
    ),
    "a definition": ("Define GREETING bye", "another definition of GREETING"),
}


def prepare(host: Host) -> None:
    modules = ("macro", "env", "setenvif", "headers")
    host.add("".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in modules))
    host.add("Define GREETING hello\n")
    host.add("<Macro Track>\nLoadModule usertrack_module modules/mod_usertrack.so\n</Macro>\n")
    host.add(f"Define HERE {host.conf}\n")
    (host.conf / "plain.inc").write_text("SetEnv C d\n")
    loaded = "LoadModule env_module modules/mod_env.so"
    (host.conf / "loaded.inc").write_text(f"<IfModule !env_module>\n{loaded}\n</IfModule>\nSetEnv C d\n")
    log = f"{host.httpd.root}/elsewhere/included"
    (host.conf / "log.inc").write_text(f'CustomLog "{log}.log" common\nErrorLog "{log}-error.log"\n')
    host.restart()


@rehearsed
@pytest.mark.parametrize("where", BEYOND)
def test_extra_directives_that_reach_beyond_the_sites_virtual_host_are_refused(
    host: Host, where: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    text, said = BEYOND[where]
    message = host.refused(host.wish(extra=text.replace("{root}", str(host.httpd.root))))
    assert f"{DOMAIN}: the option 'extra_directives' reaches beyond the site's one virtual host, by" in message
    assert said.format(conf=host.conf) in message


def test_a_macro_of_the_servers_that_loads_a_module_is_not_used(host: Host) -> None:
    prepare(host)
    message = host.refused(host.wish(extra="Use Track"))
    assert "reaches beyond the site's one virtual host, by loading usertrack_module" in message


def test_a_definition_that_others_files_read_is_left_as_it_is(host: Host) -> None:
    prepare(host)
    host.add("IncludeOptional sites/*.conf\nSetEnv SAID ${GREETING}\n")
    host.restart()
    (host.httpd.root / "sites").mkdir()
    message = host.refused(host.wish(extra="Define GREETING Bye"))
    assert "reaches beyond" in message
    assert "Bye" not in message  # no temporary folder has a capital in its name
    host.apply(host.wish(extra='Define MINE "${GREETING}, Chat"\nSetEnv SAID "${MINE}"'))
    assert host.enforces()


INSIDE = {
    "sections": '<Location "/x">\nHeader set X-A b\n</Location>\n<If "true">\nHeader set X-C d\n</If>',
    "a file of the operator's": "Include conf/plain.inc\nSetEnv A b",
    "a file by a variable of the server's": 'Include "${HERE}/plain.inc"',
    "no file": "IncludeOptional conf/none.inc\nIncludeOptional conf/none/*.inc",
    "a module that is loaded": "Include conf/loaded.inc",
    "a macro": "<Macro Say $what>\nSetEnv A $what\n</Macro>\nUse Say b\nUndefMacro Say",
    "a log": 'CustomLog "{root}/elsewhere/extra.log" common\nErrorLog "{root}/elsewhere/extra-error.log"',
    "logs of a variable": (
        'Define KEPT "{root}/elsewhere"\nCustomLog "${KEPT}/extra.log" "%h \\"%r\\" \\\\"\n'
        "ErrorLog ${KEPT}/extra-error.log"
    ),
    "logs in an included file": (
        '<Location "/a">\nSetEnv A "b \\"c\\" >"\n</Location>\n'
        "<If \"%{REQUEST_URI} =~ m#^/x>$#\">\nSetEnv A 'b c'\n</If>\n"
        '<Location "/a">\n</Location>\nInclude conf/log.inc\nSetEnv A \\\n  b'
    ),
    "logs of a macro": (
        "<Macro Keep $where>\nTransferLog $where.log\nErrorLog $where-error.log\n</Macro>\n"
        "Use Keep {root}/elsewhere/kept\nUndefMacro Keep"
    ),
    "what looks like the end": '# </VirtualHost>\nSetEnv A "</VirtualHost>"',
}


@rehearsed
@pytest.mark.parametrize("what", INSIDE)
def test_extra_directives_that_stay_in_the_sites_virtual_host_are_taken(
    host: Host, what: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    elsewhere = host.httpd.root / "elsewhere"
    elsewhere.mkdir()
    text = INSIDE[what].replace("{root}", str(host.httpd.root))
    assert host.apply(host.wish(extra=text), check=True).rehearsal == rehearsed
    assert not list(elsewhere.iterdir())
    assert "got in" in host.refused(host.wish(extra=f"{text}\nSSLVerifyClient none"), times=rehearsed == "full")
    assert not list(elsewhere.iterdir())
    host.apply(host.wish(extra=text))
    assert host.enforces()
    assert len(list(elsewhere.iterdir())) == (2 if "log" in what else 0)
    another = host.wish("other.example.com")
    assert host.apply(another, check=True).rehearsal == rehearsed
    host.apply(host.wish(extra=text))  # With another certificate, and what is there by now.
    assert host.enforces()


# What the one site has, what the other has, and what is said where that changes the other's virtual host; None where
# it does not. The second is read after the first.
TOGETHER = {
    "a variable of another's": ("Define WHO anybody", "SetEnv SAID ${WHO}", "SetEnv at {other}"),
    "a macro of another's": ("<Macro Ask>\nSetEnv A b\n</Macro>", "Use Ask", "on which something else may lean"),
    "another's condition": (
        "Define OPEN",
        "<IfDefine OPEN>\nSSLVerifyClient none\n</IfDefine>",
        "SSLVerifyClient at {other}",
    ),
    "one variable of each": ("Define WHO a\nSetEnv SAID ${WHO}", "Define WHO b\nSetEnv SAID ${WHO}", None),
    "the same lines": ("SetEnv A b\nSetEnv A b", "SetEnv A b\nSetEnv A b", None),
}


@rehearsed
@pytest.mark.parametrize("more", [0, 3], ids=["two sites", "five sites"])
@pytest.mark.parametrize("case", TOGETHER)
def test_extra_directives_that_change_another_sites_virtual_host_are_refused_of_the_site_that_has_them(
    host: Host, case: str, more: int, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    first, second, said = TOGETHER[case]
    wishes = [host.wish(f"a{number}.example.com", extra=f"SetEnv NUMBER {number}") for number in range(more)]
    wishes += [host.wish(extra=first), host.wish("xyz.example.com", extra=second)]
    if said is None:
        host.apply(*wishes)
        assert all(host.enforces(domain) for domain in (DOMAIN, "xyz.example.com"))
        return
    message = host.refused(*wishes, times=rehearsed == "full")
    told = said.format(other=host.store / "xyz.example.com")
    assert (told if rehearsed == "full" else told.partition(" at ")[0]) in message
    assert f"{DOMAIN}: " in message
    assert "example.com, " not in message


# -- what they include


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared object whose code leaves a file behind, beside it, as soon as it is loaded."""
    folder = tmp_path_factory.mktemp("library")
    folder.chmod(0o755)
    source, library = folder / "code.c", folder / "code.so"
    source.write_text(
        "#include <fcntl.h>\n__attribute__((constructor)) static void run(void)"
        f' {{ open("{folder}/ran", O_CREAT | O_WRONLY, 0644); }}\n'
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


# What is included, by the name of the file, and where the refusal says that the code stands.
CODE = {
    "in the text": ("LoadFile {library}", {}, "line {line} of its site.conf has LoadFile"),
    "in quotes": ('"loadfile" {library}', {}, "line {line} of its site.conf has loadfile"),
    "in a file": ("Include conf/a.inc", {"a.inc": "SetEnv A b\nLoad\\\nFile {library}"}, "{conf}/a.inc:2 has LoadFile"),
    "as a module": ("Include conf/a.inc", {"a.inc": "LoadModule my_module {library}"}, "{conf}/a.inc:1 has LoadModule"),
    "in a file's file": (
        "IncludeOptional conf/a*.inc",
        {"a1.inc": "SetEnv A b", "a2.inc": "Include conf/b.inc", "b.inc": "LoadFile {library}"},
        "{conf}/b.inc:1 has LoadFile",
    ),
    "in a folder": ("Include conf/more", {"more/deep/a": "LoadFile {library}"}, "{conf}/more/deep/a:1 has LoadFile"),
    "by a variable": (
        "Define MINE conf\nInclude ${MINE}/a.inc",
        {"a.inc": "LoadFile {library}"},
        "{conf}/a.inc:1 has LoadFile",
    ),
    "by one of two values": (
        "<IfFile /nowhere>\nDefine MINE conf/b\n</IfFile>\nDefine MINE conf/a\nInclude ${MINE}.inc",
        {"a.inc": "LoadFile {library}", "b.inc": ""},
        "includes a file by a name that only httpd could tell",
    ),
    "by a macro's parameter": (
        "<Macro Read $what>\nInclude conf/$what.inc\n</Macro>\nUse Read a",
        {"a.inc": "LoadFile {library}"},
        "includes a file by a name that only httpd could tell",
    ),
    "below another root": (
        'ServerRoot "{conf}/other"\nInclude conf/a.inc',
        {"other/conf/a.inc": "LoadFile {library}"},
        "of its site.conf has ServerRoot",
    ),
    "by a directive that a macro makes": (
        "<Macro Do $what>\n$what {library}\n</Macro>\nUse Do LoadFile",
        {},
        "line {line} of its site.conf makes a directive's name of a variable or a parameter",
    ),
    # httpd cuts it off.
    "with a bracket behind it": ('"LoadFile>" {library}', {}, "line {line} of its site.conf has LoadFile"),
    "with a bracket in a file": ("Include conf/a.inc", {"a.inc": "LoadFile> {library}"}, "{conf}/a.inc:1 has LoadFile"),
    "by a variable as its name": ("Define L LoadFile\n${L} {library}", {}, "makes a directive's name of a variable"),
    # httpd's line ends there, so that nothing joins it to the next.
    "behind a NUL": ("SetEnv A b\0\\\nLoadFile {library}", {}, "has a control character"),
    "by a macro in a macro": (
        "<Macro Out $what>\n<Macro In $x>\nSetEnv A $x\n</Macro>\n$what {library}\n</Macro>\nUse Out LoadFile",
        {},
        "makes a directive's name of a variable or a parameter",
    ),
    "by a definition in a macro": (
        "<Macro D $v>\nDefine MINE $v\n</Macro>\nUse D conf/a\nInclude ${MINE}.inc",
        {"a.inc": "LoadFile {library}"},
        "includes a file by a name that only httpd could tell",
    ),
    "by a name that a macro makes": (
        "<Macro D $v>\nDefine $v conf/a\n</Macro>\nUse D MINE\nIncludeOptional ${MINE}.inc",
        {"a.inc": "LoadFile {library}"},
        "defines a variable whose name only httpd could tell",
    ),
    # Python's patterns have neither of the two.
    "by a set of what is not": (
        "IncludeOptional conf/[^z].inc",
        {"a.inc": "LoadFile {library}"},
        "includes a file by a name that only httpd could tell",
    ),
    "by what is escaped": (
        "IncludeOptional conf/\\a*.inc",
        {"a.inc": "LoadFile {library}"},
        "includes a file by a name that only httpd could tell",
    ),
    "at a second reading": (
        "Define F conf/h.inc\nInclude conf/a.inc\nUnDefine F\nDefine F conf/e.inc\nInclude conf/a.inc",
        {"a.inc": "Include ${F}", "h.inc": "SetEnv A b", "e.inc": "LoadFile {library}"},
        "includes a file by a name that only httpd could tell",
    ),
    "by a variable without a value": (
        "Define X\nInclude conf/a${X}.inc",
        {"a.inc": "SetEnv A b", "a${X}.inc": "LoadFile {library}"},
        "includes a file by a name that only httpd could tell",
    ),
}
# What httpd is told apart by where it is asked or rehearsed, and what it would be there.
APART = {
    "a question": "<IfDefine !DUMP_CONFIG>\nSetEnv A b\n</IfDefine>",
    "a rehearsal": "<IfDefine !DEBUG>\nSetEnv A b\n</IfDefine>",
    "in small letters, quoted": '<ifdefine "!debug">\nSetEnv A b\n</ifdefine>',
    "by a variable": "Define D !DUMP_CONFIG\n<IfDefine ${D}>\nSetEnv A b\n</IfDefine>",
    "by a macro": "<Macro M $d>\n<IfDefine $d>\nSetEnv A b\n</IfDefine>\n</Macro>\nUse M !DEBUG",
}


@rehearsed
@pytest.mark.parametrize("how", CODE)
def test_code_that_would_run_as_httpd_reads_what_a_site_includes_is_refused_and_does_not_run(
    host: Host, how: str, rehearsed: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    extra, files, said = CODE[how]
    for name, text in files.items():
        path = host.conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{library}", str(library)) + "\n")
    wish = host.wish(extra=extra.replace("{library}", str(library)).replace("{conf}", str(host.conf)))
    assert wish.release
    lines = wish.release.public[SITE].decode().splitlines()
    line = next((number for number, line in enumerate(lines, 1) if str(library) in line), 0)
    message = host.refused(wish, check=True)
    assert f"{DOMAIN}: " in message
    assert said.format(conf=host.conf, line=line) in message
    assert not (library.parent / "ran").exists()


@rehearsed
@pytest.mark.parametrize("how", APART)
@pytest.mark.parametrize("included", [False, True], ids=["in the text", "in a file"])
def test_what_only_the_live_server_would_read_is_refused(
    host: Host, how: str, included: bool, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    file = host.conf / "a.inc"
    file.write_text(f"{APART[how]}\n")
    message = host.refused(host.wish(extra=f"Include {file}" if included else APART[how]), check=True)
    assert "has IfDefine of a name by which httpd knows that it is only asked, or rehearsed" in message
    file.write_text("<IfDefine !SOMETHING>\nSetEnv A b\n</IfDefine>\n")
    host.apply(host.wish(extra=f"Include {file}"), check=True)


# Files by which a site could tell a rehearsal from the live server, and one that the operator asks for.
CONDITIONS = {
    "/dev/shm/empty": "asks for a file that a rehearsal has not, or alone has",
    "!/run/mtls.rehearsal": "asks for a file that a rehearsal has not, or alone has",
    "{root}/logs/httpd.pid": "asks for a file that a rehearsal has not, or alone has",
    "{conf}/mtls/journal": "asks for a file that a rehearsal has not, or alone has",
    "{conf}/../conf/mtls/journal": "asks for a file that a rehearsal has not, or alone has",
    "${{NOWHERE}}/a": "asks for a file by a name that only httpd could tell",
    "{conf}/elsewhere/journal": "asks for a file that a rehearsal has not, or alone has",
    "{root}/shared/a": "asks for a file that others could make or take away",
    "{conf}/plain.inc": "",
    "conf/none.inc": "",
}


@as_root
@rehearsed
@pytest.mark.parametrize("path", CONDITIONS)
def test_a_site_does_not_ask_for_files_that_are_others_in_a_rehearsal(
    host: Host, path: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    (host.httpd.root / "shared").mkdir()
    (host.httpd.root / "shared").chmod(0o1777)
    (host.conf / "elsewhere").symlink_to(host.httpd.root / "logs")
    named = path.format(root=host.httpd.root, conf=host.conf)
    wish = host.wish(extra=f'<IfFile "{named}">\nSetEnv A b\n</IfFile>')
    if CONDITIONS[path]:
        assert CONDITIONS[path] in host.refused(wish, check=True)
    else:
        host.apply(wish, check=True)


@rehearsed
def test_a_site_includes_no_file_that_is_another_in_a_rehearsal(
    host: Host, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    (host.httpd.root / "logs" / "more.inc").write_text("Define GREETING bye\n")
    (host.conf / "more").symlink_to(host.httpd.root / "logs")
    (host.conf / "a.inc").write_text("IncludeOptional /run/mtls-httpd-test/more.inc\n")
    for path in (f"{host.httpd.root}/logs/more.inc", "logs/*.inc", "conf/more/more.inc", "conf/a.inc"):
        message = host.refused(host.wish(extra=f"IncludeOptional {path}"), check=True)
        assert "includes a file that a rehearsal has not, or alone has" in message
    (host.conf / "a.inc").write_text("SetEnv A b\n")
    host.apply(host.wish(extra="IncludeOptional conf/a.inc"), check=True)


WHOLE_SERVER = {
    "BufferedLogs On": "has BufferedLogs, which holds for the whole server",
    "MDStoreDir conf/md": "has MDStoreDir, which holds for the whole server",
    "PHPIniDir conf": "has PHPIniDir, whose code would run as soon as httpd reads it",
    'PerlAccessHandler "sub { BEGIN { 1 } }"': "has PerlAccessHandler, whose code would run",
    "=pod": "has =pod, whose code would run",
}


@rehearsed
@pytest.mark.parametrize("text", WHOLE_SERVER)
@pytest.mark.parametrize("included", [False, True], ids=["in the text", "in a file"])
def test_what_reaches_the_whole_server_from_within_a_virtual_host_is_refused(
    host: Host, text: str, included: bool, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    (host.conf / "a.inc").write_text(f"{text}\n")
    assert WHOLE_SERVER[text] in host.refused(host.wish(extra="Include conf/a.inc" if included else text), check=True)


def test_the_words_of_a_site_do_not_choose_how_it_is_rehearsed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    reduced = []
    kept = rehearsal.rehearse_reduced
    monkeypatch.setattr(rehearsal, "rehearse_reduced", lambda *given: reduced.append(given) or kept(*given))
    message = host.refused(host.wish(extra='Error "Read-only file system"'), check=True)
    assert "Read-only file system" in message
    assert not reduced
    assert host.apply(host.wish(extra="SetEnv A b"), check=True).rehearsal == "full"


NAMES = {
    "ServerAlias other.example.com": "the virtual host at",
    "ServerAlias *": "the virtual host at",
    "ServerAlias other.example.*": "the virtual host at",
    "ServerAlias third.example.com": "the site third.example.com",
    "ServerAlias own.example.com": "",
}


@rehearsed
@pytest.mark.parametrize("text", NAMES)
def test_a_site_takes_nobody_elses_name_by_its_text(
    host: Host, text: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if NAMES[text]:
        host.add(f"<VirtualHost *:{host.port}>\nServerName other.example.com\n</VirtualHost>\n")
        host.restart()
    rehearse(rehearsed, monkeypatch)
    wishes = host.wish(extra=text), host.wish("third.example.com")
    if NAMES[text]:
        message = host.refused(*wishes, check=True)
        assert f"{DOMAIN}: its text gives it the name of {NAMES[text]}" in message
    else:
        host.apply(*wishes, check=True)


@as_root
def test_what_is_not_there_yet_is_included_only_where_nobody_else_could_make_it(host: Host) -> None:
    prepare(host)
    sticky, own = host.httpd.root / "sticky", host.httpd.root / "own"
    for folder in (sticky, own):
        folder.mkdir()
    sticky.chmod(0o1777)
    for path in (f"{sticky}/late/a.inc", f"{sticky}/late/*.inc", f"{sticky}/a.inc"):
        message = host.refused(host.wish(extra=f"IncludeOptional {path}"))
        assert f"{sticky} is a folder where anybody may put files" in message
    for path in (f"{own}/late/a.inc", f"{own}/late/*.inc", f"{own}/a.inc"):
        host.apply(host.wish(extra=f"IncludeOptional {path}"), check=True)


@as_root
@pytest.mark.parametrize("include", ["Include {folder}/a.inc", "Include {folder}/*.inc", "Include {folder}"])
def test_a_file_that_others_can_change_is_not_included(host: Host, include: str) -> None:
    prepare(host)
    folder = host.httpd.root / "others"
    folder.mkdir()
    file = folder / "a.inc"
    file.write_text("SetEnv A b\n")
    extra = include.format(folder=folder)
    os.chown(file, 12345, -1)
    assert f"{file} can be changed by others than the server's user" in host.refused(host.wish(extra=extra))
    os.chown(file, 0, 0)
    folder.chmod(0o777)
    assert "can be changed by others" in host.refused(host.wish(extra=extra))
    folder.chmod(0o755)
    host.apply(host.wish(extra=extra))
    assert host.enforces()


@as_root
def test_the_name_of_a_module_that_is_loaded_stands_for_no_file_of_somebody_elses(host: Host, library: Path) -> None:
    prepare(host)
    (host.conf / "again.inc").write_text(f"LoadModule env_module {library}\n")
    os.chown(library, 12345, -1)
    try:
        message = host.refused(host.wish(extra="Include conf/again.inc"), check=True)
        assert f"{host.conf}/again.inc:1 has LoadModule, whose code would run as soon as httpd reads it" in message
        (host.conf / "again.inc").write_text("LoadModule env_module modules/mod_env.so\n")
        host.apply(host.wish(extra="Include conf/again.inc"), check=True)
    finally:
        os.chown(library, 0, -1)


@as_root
def test_a_pattern_in_a_folder_where_anybody_may_put_files_is_not_included_and_a_file_there_is(host: Host) -> None:
    prepare(host)
    folder = host.httpd.root / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "a.inc").write_text("SetEnv A b\n")
    for pattern in (f"{folder}/*.inc", folder):
        message = host.refused(host.wish(extra=f"IncludeOptional {pattern}"))
        assert f"{folder} is a folder where anybody may put files: name the file itself" in message
    host.apply(host.wish(extra=f"Include {folder}/a.inc"))
    assert host.enforces()


# -- logs


LOGS = {
    "/var/lib/dpkg/info/mtls-httpd-test.prerm": "lies below /var/lib/dpkg",
    "/etc/profile.d/mtls-httpd-test.sh": "lies below /etc",
    "/root/mtls-httpd-test.log": "lies below /root",
    "/usr/local/mtls-httpd-test.log": "lies below /usr",
    "/lib/mtls-httpd-test.log": "lies below /usr",
    "/run/mtls-httpd-test.log": "lies below /run",
    "/dev/shm/mtls-httpd-test.log": "lies in a folder where anybody may put a link or a FIFO",
    "/tmp/mtls-httpd-test.log": "lies in a folder where anybody may put a link or a FIFO",
    "{root}/conf/mtls-httpd-test.conf": "lies beside files of httpd's configuration",
    "{root}/conf/mtls/mtls-httpd-test.log": "lies beside files of httpd's configuration",
    "{root}/.hidden/site.log": "is hidden",
    "{root}/elsewhere/.profile": "is hidden",
    "{root}/elsewhere/config.php": "is there, and no log of this server's",
    "{root}/elsewhere/rotate-log": "is there, and no log of this server's",
    "{root}/linked/profile.sh": "lies below /etc",
}


def places(host: Host) -> None:
    root = host.httpd.root
    for name in (".hidden", "elsewhere", "conf/mtls"):
        (root / name).mkdir(exist_ok=True)
    (root / "linked").symlink_to("/etc/profile.d")
    (root / "elsewhere" / "config.php").write_text("<?php\n")
    (root / "elsewhere" / "rotate-log").write_text("#!/bin/sh\n")
    (root / "elsewhere" / "rotate-log").chmod(0o755)


@as_root
@pytest.mark.parametrize("how", ["option", "extra_directives"])
@pytest.mark.parametrize("path", LOGS)
def test_a_log_where_it_would_be_more_than_a_log_is_refused(host: Host, path: str, how: str) -> None:
    places(host)
    log = Path(path.format(root=host.httpd.root))
    before = log.exists()
    named = {"access_log": str(log)} if how == "option" else {"extra": f"CustomLog {log} common"}
    message = host.refused(host.wish(**named), check=True)
    assert f"a site's log: {log} {LOGS[path]}" in message
    assert log.exists() == before


# Where a site's log is to lie, the line of the site's that serves something, empty for its document_root, and what is
# said of a log there, None where it is fine. One beside what is served is fine in each case.
SERVED = {
    "the server's document root": ("htdocs/x.php", "SetEnv A b", "DocumentRoot at {conf}"),
    "the site's document root": ("own/deep/x.html", "", "DocumentRoot at "),
    "an alias": ("shown/x.html", 'Alias "/x" "{root}/shown"', "Alias at "),
    "an alias in a section": ("shown/x.html", '<Location "/x">\nAlias "{root}/shown"\n</Location>', "Alias at "),
    "a file alone": ("beside/x.html", 'Alias "/x" "{root}/beside/x.html"', "Alias at "),
    "an expression": ("shown/a/y/x.html", 'AliasMatch "^/x/(.*)$" "{root}/shown/$1/y"', "AliasMatch at "),
    "what an expression does not lead to": ("shown/a/x.html", 'AliasMatch "^/x/(.*)$" "{root}/shown/$1/y"', None),
    "a folder by a link": ("linked/x.html", 'ScriptAlias "/x" "{root}/shown"', "ScriptAlias at "),
    "a folder of that name's beginning": ("shown-not/x.html", 'Alias "/x" "{root}/shown"', None),
}


@rehearsed
@pytest.mark.parametrize("case", SERVED)
def test_a_log_among_what_httpd_serves_is_refused(
    host: Host, case: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearse(rehearsed, monkeypatch)
    root = host.httpd.root
    for name in ("own/deep", "shown/a/y", "beside", "shown-not"):
        (root / name).mkdir(parents=True)
    (root / "linked").symlink_to(root / "shown")
    name, line, said = SERVED[case]
    line = line.replace("{root}", str(root))
    options = {} if line else {"document_root": f"{root}/own"}
    for wish in (
        host.wish(access_log=f"{root}/{name}", extra=line, **options),
        host.wish(extra=f'{line}\nDefine KEPT "{root}/{name}"\nErrorLog "${{KEPT}}"', **options),
    ):
        if said is None:
            host.apply(wish, check=True)
        else:
            message = host.refused(wish, times=rehearsed == "full", check=True)
            told = f"a site's log: {root}/{name} lies among what httpd serves ({said.format(conf=host.httpd.conf)}"
            assert told in message
        assert not (root / name).exists()
    host.apply(host.wish(access_log=f"{root}/beside/y.log", extra=line, **options))
    assert host.enforces()


def test_the_servers_own_logs_may_lie_among_what_it_serves_if_they_look_like_logs(host: Host) -> None:
    logs = host.httpd.root / "logs"
    host.add(f'Alias "/logs" "{logs}"\n')
    host.restart()
    assert "lies among what httpd serves" in host.refused(host.wish(access_log=f"{logs}/x.html"))
    host.apply(host.wish())
    assert host.enforces()


# The second lies where a rehearsal in full may write.
@as_root
@rehearsed
@pytest.mark.parametrize(("path", "said"), [("/root", "lies below /root"), ("{root}/conf", "lies beside files")])
def test_a_log_that_httpd_alone_knows_of_is_judged_too(
    host: Host, path: str, said: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    log = Path(path.format(root=host.httpd.root), "mtls-httpd-test.log")
    (host.conf / "log.inc").write_text(f'Define KEPT "{log.parent}"\nTransferLog "${{KEPT}}/{log.name}"\n')
    message = host.refused(host.wish(extra=f'Include "{host.conf}/log.inc"'))
    assert f"a site's log: {log} {said}" in message
    assert not log.exists()


@rehearsed
def test_a_fifo_that_httpd_alone_knows_of_is_refused_before_anything_is_written_to_it(
    host: Host, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    folder = host.httpd.root / "elsewhere"
    folder.mkdir()
    os.mkfifo(folder / "commands")
    reader = os.open(folder / "commands", os.O_RDONLY | os.O_NONBLOCK)
    try:
        text = f'Define KEPT "{folder}"\nErrorLog "${{KEPT}}/commands"\nLogLevel debug\n'
        (host.conf / "log.inc").write_text(text)
        message = host.refused(host.wish(extra='Include "conf/log.inc"'))
        assert f"a site's log: {folder}/commands is no plain file, which a log must be" in message
        assert not os.read(reader, 1)
    finally:
        os.close(reader)


@pytest.mark.parametrize("mode", ["a", "r"], ids=["written", "read"])
def test_a_log_that_another_program_writes_is_refused_and_one_that_it_reads_is_taken(host: Host, mode: str) -> None:
    log = host.httpd.root / "elsewhere" / "calls.log"
    log.parent.mkdir()
    log.write_text("")
    # Whose file it is, the program itself shows.
    command = ["tail", "-f", log] if mode == "r" else ["sh", "-c", 'exec tail -f /dev/null >>"$0"', log]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as other:
        try:
            assert until(lambda: any(path.resolve() == log for path in Path(f"/proc/{other.pid}/fd").iterdir()))
            if mode == "a":
                message = host.refused(host.wish(access_log=str(log)))
                assert f"a site's log: {log} is a log of tail (process {other.pid}), which writes to it" in message
            else:
                host.apply(host.wish(access_log=str(log)))
        finally:
            other.kill()
    host.apply(host.wish(access_log=str(log)))
    assert host.enforces()


@pytest.mark.parametrize("name", ["calls.log", "calls"])
def test_a_log_in_another_folder_is_taken_however_often(host: Host, name: str) -> None:
    log = host.httpd.root / "elsewhere" / name
    log.parent.mkdir()
    for rotated in (False, False, True):
        if rotated:
            log.rename(log.with_name(f"{name}.1"))
        host.apply(host.wish(access_log=str(log)))
        assert host.enforces()
        assert until(log.exists)
    assert not host.apply(host.wish(issued=None, access_log=str(log)), check=True).healed


@as_root
def test_a_log_below_a_folder_of_everybodys_is_refused_where_that_is_not_the_servers_own(host: Host) -> None:
    shared = host.httpd.root / "shared"
    (shared / "mine").mkdir(parents=True)
    shared.chmod(0o1777)
    message = host.refused(host.wish(access_log=f"{shared}/mine/calls.log"))
    assert f"lies below {shared}, where anybody may make its folder when that is gone" in message
    shared.chmod(0o755)
    host.apply(host.wish(access_log=f"{shared}/mine/calls.log"))
    assert host.enforces()


# Only ErrorLog knows these words.
@rehearsed
@pytest.mark.parametrize("name", ["CustomLog", "TransferLog"])
@pytest.mark.parametrize("word", ["syslog", "journald"])
def test_a_log_that_is_called_as_a_service_is_a_file_and_judged(
    host: Host, name: str, word: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(host)
    rehearse(rehearsed, monkeypatch)
    up = "/..".join([""] * len(host.httpd.root.parts))
    message = host.refused(host.wish(extra=f'{name} "{word}:{up}/../etc/mtls-httpd-test"'), check=True)
    assert "/etc/mtls-httpd-test lies below /etc" in message
    assert not Path("/etc/mtls-httpd-test").exists()
    assert host.apply(host.wish(extra="ErrorLog syslog:local1"), check=True).rehearsal == rehearsed


# It opens them as it reads their lines.
@rehearsed
@pytest.mark.parametrize("name", ["SecAuditLog", "SecAuditLog2", "SecDebugLog"])
def test_a_log_of_mod_security_is_judged_and_made_by_the_live_server_alone(
    host: Host, name: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.load("unique_id", "security2")
    (host.httpd.root / "elsewhere").mkdir()
    rehearse(rehearsed, monkeypatch)
    first = "SecAuditLog logs/first.log\n" if name == "SecAuditLog2" else ""
    log, wrong = host.httpd.root / "elsewhere" / "sec.log", host.conf / "mtls-httpd-test.conf"
    message = host.refused(host.wish(extra=f'{first}{name} "{wrong}"'), check=True)
    assert f"a site's log: {wrong} lies beside files of httpd's configuration" in message
    assert not wrong.exists()
    assert host.apply(host.wish(extra=f"{first}{name} {log}"), check=True).rehearsal == rehearsed
    assert not log.exists()
    host.apply(host.wish(extra=f"{first}{name} {log}"))
    assert log.exists()
    assert host.enforces()


def test_a_log_of_mod_security_that_a_variable_names_is_not_asked_about_beside_the_live_server(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.load("unique_id", "security2")
    (host.httpd.root / "elsewhere").mkdir()
    rehearse("reduced", monkeypatch)
    elsewhere = host.httpd.root / "elsewhere"
    message = host.refused(host.wish(extra=f"Define KEPT {elsewhere}\nSecAuditLog ${{KEPT}}/sec.log"), check=True)
    assert f"{DOMAIN}: SecAuditLog names its file by a variable" in message
    assert not list(elsewhere.iterdir())


def test_a_log_of_mod_security_in_an_included_file_is_judged_and_made_by_the_live_server_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.load("unique_id", "security2")
    elsewhere, included = host.httpd.root / "elsewhere", host.conf / "audit.inc"
    elsewhere.mkdir()
    rehearse("reduced", monkeypatch)
    wrong = host.conf / "mtls-httpd-test.conf"
    included.write_text(f"SecAuditLog {wrong}\n")
    wish = host.wish(extra=f"Include {included}")
    assert f"a site's log: {wrong} lies beside files of httpd's configuration" in host.refused(wish, check=True)
    assert not wrong.exists()
    # The value that httpd takes is the last one, of which the line cannot tell.
    included.write_text("SecDebugLog ${TWICE}/sec.log\n")
    twice = host.wish(extra=f"Define TWICE {elsewhere}\nDefine TWICE /etc\nInclude {included}")
    assert f"SecDebugLog ({included}:1) names its file by a variable" in host.refused(twice, check=True)
    included.write_text(f"SecAuditLog {elsewhere}/sec.log\nSecDebugLog {elsewhere}/debug.log\n")
    (elsewhere / "debug.log").write_text("of before\n")
    assert host.apply(wish, check=True).rehearsal == "reduced"
    assert [each.name for each in elsewhere.iterdir()] == ["debug.log"]
    host.apply(wish)
    assert (elsewhere / "sec.log").exists()
    assert (elsewhere / "debug.log").read_text() == "of before\n"
    assert host.enforces()


# -- httpd's words


WORDS = {
    "an unknown command": ("DB_PASSWORD=S3CRET", "line 1 of {file}: Invalid command '…', perhaps misspelled"),
    "a section that is not closed": ("<S3CRET>", "line 1 of {file}: {file}:1: <…> was not closed"),
    "a value": ("SSLProtocol +S3CRET", "line 1 of {file}: SSLProtocol: Illegal protocol '…'"),
    "a text of its own": ('Error "of S3CRET"', "line 1 of {file}: …"),
    "a path": ('SSLCertificateFile "/none/S3.pem"', "SSLCertificateFile: file '/none/S3.pem' does not exist"),
}


@rehearsed
@pytest.mark.parametrize("what", WORDS)
def test_httpds_words_do_not_repeat_what_stands_in_an_included_file(
    host: Host, what: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearse(rehearsed, monkeypatch)
    text, said = WORDS[what]
    file = host.httpd.root / "app.env"
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    message = host.refused(host.wish(extra=f"Include {file}"), check=True)
    assert said.format(file=file) in message
    assert "S3CRET" not in message


def test_httpds_words_do_not_repeat_what_stands_in_the_servers_own_files(host: Host) -> None:
    host.add("Include conf/app.env\n")
    (host.conf / "app.env").write_text("Timeout 4\nDB_PASSWORD=S3CRET\n")
    message = host.refused(host.wish())
    assert f"line 2 of {host.conf}/app.env: Invalid command '…', perhaps misspelled" in message
    assert "This was so before" in message
    assert "S3CRET" not in message


def test_httpds_words_on_the_sites_own_lines_are_repeated(host: Host) -> None:
    message = host.refused(host.wish(extra="Pasword given"))
    assert "Invalid command 'Pasword', perhaps misspelled" in message
    assert "of the refused virtual host, of its option 'extra_directives', is: Pasword given" in message


# -- from the controller


def words(run: Run) -> str:
    return " ".join(run.output.split())


SAID = {
    "another host": (f"</VirtualHost>\n{ANOTHER}", ("</VirtualHost> in line 1", "<VirtualHost> in line 2")),
    "a module": ("\n  loadmodule x_module x.so", ("loadmodule in line 2",)),
    "in two lines": ("SetEnv A b\nLoad\\\nFile x.so\nListen 8", ("LoadFile in line 2", "Listen in line 4")),
}


@pytest.mark.parametrize("what", SAID)
def test_what_would_leave_the_virtual_host_is_named_by_line_before_the_host_hears_of_it(
    operator: LocalOperator, what: str
) -> None:
    text, told = SAID[what]
    run = operator.refused("-vvv", mutual_tls_sites=[operator.site | {"extra_directives": text}])
    assert all(f"{DOMAIN}: the option 'extra_directives' has {each}, which" in words(run) for each in told)
    assert "EXEC" not in run.output


@pytest.mark.parametrize("text", ["", "Pasword given\n"])
def test_a_line_that_httpd_refuses_is_said_to_be_of_extra_directives_where_it_is(
    operator: LocalOperator, text: str
) -> None:
    extra = {"extra_directives": "KeepAliveTimeout 4" if text else "KeepAliveTimeout 4\nPasword given"}
    run = operator.refused(mutual_tls_sites=[own_template(operator, text) | extra])
    option = "" if text else ", of its option 'extra_directives',"
    assert f"of the refused virtual host{option} is: Pasword given" in words(run)


def own_template(operator: LocalOperator, text: str) -> dict[str, object]:
    """Return the wish for a site by a template of the operator's: the role's own, with `text` behind it."""
    folder = COLLECTION / "roles/mutual_tls/templates"
    for path in folder.glob("*.j2"):
        write(operator.folder / "templates", path.name, path.read_bytes())
    own = (folder / "site.conf.j2").read_text() + text
    write(operator.folder / "templates", "own.conf.j2", own.encode())
    return operator.site | {"template": "own.conf.j2"}


BESIDE = """
Timeout 30
<VirtualHost 127.0.0.9:{{ port + 1 }}>
    ServerName {{ domain }}
    CustomLog "${MTLS_HTTPD_LOGS}/beside.log" common
</VirtualHost>
"""


def test_a_template_may_hold_more_than_a_virtual_host_and_extra_directives_stay_in_the_sites(
    operator: LocalOperator,
) -> None:
    site = own_template(operator, BESIDE)
    operator.httpd.stop()
    with operator.httpd.conf.open("a") as stream:
        stream.write("LoadModule macro_module modules/mod_macro.so\n")
    operator.httpd.start()
    # By two macros, so that no line of it says what it does.
    macros = "<Macro Out $end>\n<$end\n</Macro>\n<Macro In $start>\n$start\n</Macro>\n"
    text = f'{macros}Use Out /VirtualHost>\nUse In "{ANOTHER.splitlines()[0]}"'
    run = operator.refused(mutual_tls_sites=[site | {"extra_directives": text}])
    assert f"{DOMAIN}: line" in words(run)
    assert "makes a directive's name of a variable or a parameter" in words(run)
    operator.deploy(mutual_tls_sites=[site | {"extra_directives": "KeepAliveTimeout 4"}])
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"


@as_root
def test_a_log_that_a_template_names_is_judged_too(operator: LocalOperator) -> None:
    log = Path("/etc/mtls-httpd-test.log")
    site = own_template(operator, BESIDE.replace("${MTLS_HTTPD_LOGS}/beside.log", str(log)))
    assert f"a site's log: {log} lies below /etc" in words(operator.refused(mutual_tls_sites=[site]))
    assert not log.exists()


@pytest.mark.parametrize("text", [b"password: S3CRET\n", b"{{ S3CRET\n", None])
def test_a_vaulted_template_is_refused_and_nothing_of_it_is_said(operator: LocalOperator, text: bytes | None) -> None:
    site = own_template(operator, "# S3CRET\n")
    template = operator.folder / "templates" / "own.conf.j2"
    if text is not None:
        template.write_bytes(text)
    write(operator.folder, "password", b"a password")
    encrypt = [Path(sys.executable).parent / "ansible-vault", "encrypt", "--vault-password-file", "password"]
    subprocess.run([*encrypt, template], cwd=operator.folder, check=True, capture_output=True)
    run = operator.refused("--vault-password-file", "password", "-vvvv", "--check", "--diff", mutual_tls_sites=[site])
    assert f"{DOMAIN}: the file that the option 'template' names is vaulted" in words(run)
    assert "S3CRET" not in run.output
