# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and folders of the user's: where they stand in the way, are adopted, or include ours."""

from __future__ import annotations

import os

import pytest
from host import DOMAIN, Host, tree
from users import manual_installation

from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk, Entry
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused


def test_a_file_of_the_users_at_our_published_path_is_refused(host: Host) -> None:
    (host.conf / f"{DOMAIN}.crt").write_text("mine")
    message = host.refused(host.wish())
    assert f"{host.conf}/{DOMAIN}.crt is not this collection's" in message


def test_a_file_of_the_users_at_the_path_of_our_link_is_refused(host: Host) -> None:
    (host.conf / "sites-enabled").mkdir()
    host.add("IncludeOptional conf/sites-enabled/*.conf\n")
    (host.conf / "sites-enabled/zz-mtls.conf").write_text("# mine\n")
    assert "zz-mtls.conf is not this collection's" in host.refused(host.wish())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_configuration_folder_that_others_can_change_is_refused(host: Host) -> None:
    host.conf.chmod(0o777)
    assert "can be changed by others" in host.refused(host.wish())


def test_what_an_operator_writes_meanwhile_is_not_lost(host: Host) -> None:
    class Slow(Disk):
        def put(self, path: str, entry: Entry) -> None:
            if path.endswith("host.conf") and entry is not None:
                host.add("# an operator's line\n")
            super().put(path, entry)

    with pytest.raises(Refused, match="changed by somebody while this run was under way"):
        host.apply(host.wish(), disk=Slow())
    assert "# an operator's line" in host.httpd.conf.read_text()
    host.apply(host.wish())
    assert "# an operator's line" in host.httpd.conf.read_text()


# -- a manual installation


def test_files_of_a_manual_installation_are_an_error_that_names_the_way(host: Host) -> None:
    manual_installation(host)
    message = host.refused(host.wish())
    assert f"{DOMAIN}.crt" in message
    assert "adopt" in message


def test_files_of_a_manual_installation_are_adopted_and_given_back(host: Host) -> None:
    files = manual_installation(host)
    before = tree(host.httpd.root)
    host.apply(host.wish(), adopt=True)
    assert {name: (host.conf / f"{name}.before-mtls").read_bytes() for name in files} == files
    assert (host.conf / f"{DOMAIN}.crt").is_symlink()
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


# -- folders that are included


def test_a_folder_that_is_included_whole_gets_a_link_and_httpd_conf_stays(host: Host) -> None:
    (host.conf / "sites-enabled").mkdir()
    host.add("IncludeOptional conf/sites-enabled/*.conf\n")
    text = host.httpd.conf.read_bytes()
    before = tree(host.httpd.root)
    host.apply(host.wish())
    assert host.httpd.conf.read_bytes() == text
    assert (host.conf / "sites-enabled/zz-mtls.conf").resolve() == host.store / "host.conf"
    assert host.enforces()
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


def test_a_folder_that_an_unread_section_includes_is_not_ours_to_use(host: Host) -> None:
    (host.conf / "unread").mkdir()
    host.add(
        """
        <IfDefine NEVER>
        <IfModule mime_module>
        </IfModule>
        IncludeOptional conf/unread/*.conf
        </IfDefine>
        """
    )
    host.apply(host.wish())
    assert host.enforces()


def test_an_include_inside_a_section_is_not_ours_to_use(host: Host) -> None:
    (host.conf / "inside").mkdir()
    host.add("<VirtualHost 127.0.0.1:1>\nIncludeOptional conf/inside/*.conf\n</VirtualHost>\n")
    host.apply(host.wish())
    assert list((host.conf / "inside").iterdir()) == []
