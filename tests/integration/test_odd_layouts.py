# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations that people lay out otherwise than a distribution does: deployed, renewed, given back as they were."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from demo_material import write
from embedded_httpd import free_port
from host import DOMAIN, Host, tree

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report

OWN = "own.example.com"


def own_host(host: Host, *lines: str) -> str:
    """Return a virtual host of the operator's on the site's port, with a certificate of its own."""
    issued = host.public.issue(OWN)
    write(host.conf, f"{OWN}.crt", issued.full_pem)
    write(host.conf, f"{OWN}.key", issued.key_pem)
    files = f"SSLCertificateFile conf/{OWN}.crt\nSSLCertificateKeyFile conf/{OWN}.key\n"
    inside = "".join(f"{line}\n" for line in lines)
    return f"<VirtualHost *:{host.port}>\nServerName {OWN}\nSSLEngine on\n{files}{inside}</VirtualHost>\n"


def with_ssl(host: Host) -> str:
    return f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\n"


def folder(host: Host, name: str) -> Path:
    """Make a folder below the server's root."""
    made = host.httpd.root / name
    made.mkdir(parents=True)
    return made


def link_main_file(host: Host) -> None:
    host.httpd.conf.rename(folder(host, "elsewhere") / "main.conf")
    host.httpd.conf.symlink_to("../elsewhere/main.conf")


def link_main_file_beside_logs(host: Host) -> None:
    link_main_file(host)
    host.add("CustomLog elsewhere/log common env=nothing\n")


def link_configuration_folder(host: Host) -> None:
    host.conf.rename(host.httpd.root / "shared")
    host.conf.symlink_to("shared")


def use_other_line_ends(host: Host) -> None:
    host.httpd.conf.write_bytes(host.httpd.conf.read_bytes().replace(b"\n", b"\r\n"))


def use_other_line_ends_and_a_folder(host: Host) -> None:
    folder(host, "conf/conf.d")
    host.add("IncludeOptional conf/conf.d/*.conf\n")
    use_other_line_ends(host)


def use_other_letters(host: Host) -> None:
    (host.conf / "old.conf").write_bytes("# Züge\n".encode("latin-1") + own_host(host).encode())
    host.add(f"{with_ssl(host)}Include conf/old.conf\n")


def include_folders_that_are_missing(host: Host) -> None:
    host.add("IncludeOptional conf/none/*.conf\nIncludeOptional conf/none.d/none.conf\n")


def sort_behind_us(host: Host) -> None:
    (folder(host, "conf/conf.d") / "zz010_panel.conf").write_text("Include conf/panel/*.inc\n")
    (folder(host, "conf/panel") / "vhosts.inc").write_text(own_host(host))
    host.add(f"{with_ssl(host)}IncludeOptional conf/conf.d/*.conf\n")


def include_a_whole_folder(host: Host) -> None:
    (folder(host, "conf/sites") / "100-own.vhost").write_text(own_host(host))
    host.add(f"{with_ssl(host)}IncludeOptional conf/sites/\n")


def link_a_site_into_a_home(host: Host) -> None:
    home = folder(host, "home")
    (home / "own.conf").write_text(own_host(host, f"ErrorLog {home}/error.log", "LogLevel crit"))
    (folder(host, "conf/sites") / "own.conf").symlink_to(home / "own.conf")
    host.add(f"{with_ssl(host)}IncludeOptional conf/sites/*.conf\n")


def link_a_key_into_a_home(host: Host) -> None:
    home = folder(host, "home")
    host.add(f"{with_ssl(host)}{own_host(host, f'ErrorLog {home}/error.log', 'LogLevel crit')}")
    for name in (f"{OWN}.crt", f"{OWN}.key"):
        (host.conf / name).rename(home / name)
        (host.conf / name).symlink_to(home / name)


def link_the_folder_of_sites(host: Host) -> None:
    (folder(host, "home/sites") / "own.conf").write_text(own_host(host))
    (host.conf / "sites").symlink_to("../home/sites")
    host.add(f"{with_ssl(host)}IncludeOptional conf/sites/*.conf\n")


LAYOUTS = (
    link_main_file,
    link_main_file_beside_logs,
    link_configuration_folder,
    use_other_line_ends,
    use_other_line_ends_and_a_folder,
    use_other_letters,
    include_folders_that_are_missing,
    sort_behind_us,
    include_a_whole_folder,
    link_a_site_into_a_home,
    link_a_key_into_a_home,
    link_the_folder_of_sites,
)


def state_of(host: Host) -> dict[str, tuple[object, ...]]:
    """Return all files below the server's root, but for logs."""
    return {path: told for path, told in tree(host.httpd.root).items() if not path.endswith(("/log", "/error.log"))}


@pytest.mark.parametrize("lay_out", LAYOUTS, ids=lambda each: each.__name__)
def test_an_odd_layout_is_deployed_to_renewed_and_given_back(host: Host, lay_out: Callable[[Host], None]) -> None:
    lay_out(host)
    host.restart()
    shared = (host.conf / f"{OWN}.crt").exists()
    default = host.served("nobody.example.com") if shared else None
    before, wish = state_of(host), host.wish()
    assert host.apply(wish).rehearsal == "full"
    assert host.enforces()
    assert not host.apply(wish).changed
    host.apply(host.wish())
    assert host.enforces()
    assert not shared or host.served("nobody.example.com") == default
    host.apply(SiteWish(DOMAIN))
    assert state_of(host) == before


@pytest.mark.parametrize("own", ["hosts", "sites"])
def test_a_pattern_that_includes_our_folder_before_another_is_named(host: Host, own: str) -> None:
    (folder(host, f"conf/{own}") / "own.conf").write_text(own_host(host))
    host.add(f"{with_ssl(host)}IncludeOptional conf/*/*.conf\n")
    host.restart()
    if own == "sites":
        line = len(host.httpd.conf.read_text().splitlines())
        message = host.refused(host.wish())
        assert f"included before it, which line {line} of the main file includes" in message
        host.httpd.conf.write_text(host.httpd.conf.read_text().replace("conf/*/*.conf", f"conf/{own}/*.conf"))
        host.restart()
    before, main = tree(host.httpd.root), host.httpd.conf.read_text()
    host.apply(host.wish())
    assert host.enforces()
    assert host.httpd.conf.read_text() == main  # A line there would have it read twice.
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


def test_a_pattern_by_another_path_of_our_folder_is_enough(host: Host) -> None:
    (host.httpd.root / "linked").symlink_to("conf")
    host.add("IncludeOptional linked/*/host.conf\n")
    host.restart()
    main = host.httpd.conf.read_text()
    host.apply(host.wish())
    assert host.enforces()
    assert host.httpd.conf.read_text() == main


def test_the_store_lies_beside_the_link_that_is_the_main_file(host: Host) -> None:
    link_main_file(host)
    host.restart()
    host.apply(host.wish())
    assert host.store.is_dir()
    assert [path.name for path in (host.httpd.root / "elsewhere").iterdir()] == ["main.conf"]


def test_a_store_beside_what_the_main_file_leads_to_stays_there(host: Host) -> None:
    # As a version before this one put it.
    elsewhere = host.httpd.root / "elsewhere"
    host.conf.rename(elsewhere)
    host.conf.symlink_to("elsewhere")
    host.restart()
    host.apply(host.wish())
    host.conf.unlink()
    host.conf.mkdir()
    host.httpd.conf.symlink_to("../elsewhere/httpd.conf")
    shutil.copy(elsewhere / "mime.types", host.conf)
    renewed = host.wish()
    host.apply(renewed)
    assert renewed.release
    assert host.served() == renewed.release.facts.certificate_sha256
    assert (elsewhere / "mtls" / DOMAIN).is_dir()
    assert not host.store.exists()
    host.apply(SiteWish(DOMAIN))
    assert not (elsewhere / "mtls").exists()


def test_a_store_that_the_server_does_not_read_is_another_servers(host: Host) -> None:
    link_main_file(host)
    host.restart()
    other = folder(host, "elsewhere/mtls")
    (other / "host.conf").write_text("# another server's\n")
    host.apply(host.wish())
    assert host.enforces()
    assert host.store.is_dir()
    assert [path.read_text() for path in other.iterdir()] == ["# another server's\n"]


# -- main files that others make

PANEL = """\
# # # # # # # # # # #
#   DO NOT EDIT. AUTOMATICALLY GENERATED. USE INCLUDE FILES IF YOU NEED TO MAKE A CHANGE
#   Direct modifications WILL be lost: create {conf}/includes/pre.conf or {conf}/includes/post.conf
# # # # # # # # # # #
"""
MARKS = {
    "a panel": "# ATTENTION!\n#\n# DO NOT MODIFY THIS FILE BECAUSE IT WAS GENERATED AUTOMATICALLY,\n",
    "Puppet": "# This file is managed by Puppet. DO NOT EDIT.\n",
    "Ansible": "#\n# Ansible managed\n#\n",
    "a template": "\n#  Updates may overwrite it.\n# Changes to this file\n# will be lost.\n",
    "a tool": "# managed by a tool of ours\n",
    "hand, as Debian has it": "# Snippets of modules. These should be managed by using our\n# helpers a2enmod.\n",
    "nobody": "# This is the main Apache HTTP server configuration file. Do NOT simply read the instructions.\n",
}


def generate(host: Host, *, named: bool = True, later: str = "") -> None:
    """Have the main file say that it is generated, and include a panel's files before and behind its virtual hosts."""
    includes = folder(host, "conf/includes")
    (includes / "pre.conf").touch()
    (includes / "post.conf").touch()
    head = PANEL.format(conf=host.conf) if named else MARKS["a panel"]
    around = f'Include "{includes}/pre.conf"\n{own_host(host)}Include "{includes}/post.conf"\n{later}'
    host.httpd.conf.write_text(f"{head}{host.httpd.conf.read_text()}{with_ssl(host)}{around}")
    host.restart()


def warned(report: Report) -> list[str]:
    """Return what is said of a line of ours that will not last."""
    return [each for each in report.limits if "says that it is generated" in each]


def test_our_line_goes_into_the_file_that_a_generated_main_file_names(host: Host) -> None:
    generate(host)
    before, main = tree(host.httpd.root), host.httpd.conf.read_bytes()
    default = host.served("nobody.example.com")
    report = host.apply(host.wish())
    assert (host.enforces(), warned(report)) == (True, [])
    assert host.httpd.conf.read_bytes() == main
    assert (host.conf / "includes/post.conf").read_text() == f'IncludeOptional "{host.store}/host.conf"\n'
    assert host.served("nobody.example.com") == default
    assert any("/includes/post.conf" in each.get("before_header", "") for each in report.diff)
    wish = host.wish()
    host.apply(wish)
    assert not host.apply(wish).changed
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


def test_a_line_that_went_with_a_generated_file_is_put_back(host: Host) -> None:
    generate(host)
    wish = host.wish()
    host.apply(wish)
    (host.conf / "includes/post.conf").write_text("# made anew\n")
    report = host.apply(wish)
    assert "/includes/post.conf lacks our line" in report.healed[0]
    assert host.enforces()


@pytest.mark.parametrize("why", ["names none", "has its default behind it", "lets others write it"])
def test_a_line_that_will_not_last_is_warned_of(host: Host, why: str) -> None:
    later = own_host(host).replace(OWN, "late.example.com").replace("conf/late.example.com.", f"conf/{OWN}.")
    generate(host, named=why != "names none")
    post = host.conf / "includes/post.conf"
    if why == "lets others write it":
        post.chmod(0o666)
    if why == "has its default behind it":
        text = host.httpd.conf.read_text().replace(own_host(host), "")
        host.httpd.conf.write_text(text + later)
        host.restart()
    before = tree(host.httpd.root)
    report = host.apply(host.wish())
    assert host.enforces()
    assert post.read_text() == ""
    (said,) = warned(report)
    assert f"{host.httpd.conf} says that it is generated, and loses our line" in said
    assert (f"such as {host.conf}/includes/pre.conf, {post}" in said) == (why != "names none")
    # As the warning says it.
    post.chmod(0o644)
    post.write_text(f'IncludeOptional "{host.store}/host.conf"\n')
    host.httpd.conf.write_text(host.httpd.conf.read_text().replace(f'IncludeOptional "{host.store}/host.conf"\n', ""))
    if why == "names none":
        report = host.apply(host.wish())
        assert (host.enforces(), warned(report)) == (True, [])
    post.write_text("")
    host.apply(SiteWish(DOMAIN))
    assert before.keys() == tree(host.httpd.root).keys()


def test_a_port_of_its_own_is_included_before_a_panels_virtual_hosts(host: Host) -> None:
    conf_d = folder(host, "conf/conf.d")
    host.add("IncludeOptional conf/conf.d/*.conf\n")
    generate(host)
    site = host.wish()
    host.apply(site)
    assert list(conf_d.iterdir()) == []
    host.apply(SiteWish(DOMAIN))
    host.apply(host.wish(port=free_port()))
    assert [path.name for path in conf_d.iterdir()] == ["zz-mtls.conf"]


@pytest.mark.parametrize("by", MARKS)
def test_a_main_file_is_generated_where_its_first_comment_says_so(host: Host, by: str) -> None:
    host.httpd.conf.write_text(MARKS[by] + host.httpd.conf.read_text() + "# do not edit what follows\n")
    host.restart()
    assert bool(warned(host.apply(host.wish()))) == (by not in ("nobody", "hand, as Debian has it"))
