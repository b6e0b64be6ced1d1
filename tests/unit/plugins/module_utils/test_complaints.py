# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What httpd says is made into data in one room, and what only looks like it is not."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import complaints

DOMAINS = ("www.example.com", "example.com", "hooks.example.com")
STOPPED = "AH00526: Syntax error on line 7 of /etc/apache2/mtls/www.example.com/{}site.conf: Invalid command 'X'"


@pytest.mark.parametrize("folder", ["current/", "releases/3f9c0a6de1b2c4f7/", "releases/3f9c0a6de1b2c4f7.1/", ""])
def test_the_line_at_which_httpd_stopped_is_found_with_its_site(folder: str) -> None:
    assert complaints.find_line(STOPPED.format(folder)) == ("www.example.com", 7)


@pytest.mark.parametrize(
    "words", ["", "Syntax error on line 7 of /etc/apache2/sites-enabled/own.conf: Invalid command 'X'"]
)
def test_a_line_of_another_file_is_no_sites(words: str) -> None:
    assert complaints.find_line(words) is None


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (STOPPED.format("current/"), {"www.example.com"}),
        ("AH02572: Failed to configure at least one certificate and key for example.com:443", {"example.com"}),
        ("AH02572: … for www.example.com:443; (hooks.example.com) line 3", {"www.example.com", "hooks.example.com"}),
        ("AH02572: … for other-example.com:443", set()),
        ("AH02572: … for example.com.evil.test:443", set()),
    ],
)
def test_sites_are_named_whole(words: str, named: set[str]) -> None:
    assert complaints.find_named(words, DOMAINS) == named


@pytest.mark.parametrize("reason", ["ca key too small", "ca md too weak"])
def test_a_ca_under_the_security_level_is_told_by_the_number_of_the_message(reason: str) -> None:
    words = f"AH02562: Failed to configure certificate a:443:0 (with chain), check /x/a.example.com.crt; ::{reason}"
    assert complaints.find_weak_ca(words) == ("a.example.com", reason)
    assert complaints.find_weak_ca(words.replace("AH02562", "AH02565")) is None
    assert complaints.find_weak_ca(words.replace(reason, "no start line")) is None


def test_what_cannot_be_written_is_told_from_what_may_not_be() -> None:
    assert complaints.writes_to_read_only("(30)Read-only file system: AH00091: could not open error log file /x")
    assert not complaints.writes_to_read_only("(13)Permission denied: AH00091: could not open error log file /x")


def test_a_module_that_is_there_already_is_told_from_another() -> None:
    said = "[so:warn] [pid 4711] AH01574: module info_module is already loaded, skipping"
    assert complaints.has_loaded_already(said, "info_module")
    assert not complaints.has_loaded_already(said, "ssl_module")


AT = "[Sun Nov 29 22:00:00.000000 2026]"
SECURITY = (
    f"{AT} [security2:error] [pid 1:tid 2] [client 192.0.2.1:5] ModSecurity: Access denied with code 406 (phase 1). "
    '[file "/etc/httpd/waf.conf"] [line "12"] [id "1"] [msg "of S3CRET"] [uri "/etc/passwd"]'
)


@pytest.mark.parametrize(
    ("line", "tellers"),
    [
        (SECURITY, ["mod_security2 (/etc/httpd/waf.conf:12)"]),
        (f"{AT} [x:warn] [pid 1] no, by /etc/httpd/waf.conf:7", ["mod_x (/etc/httpd/waf.conf:7)"]),
        (f"{AT} [x:error] [pid 1] no, on line 9 of /etc/httpd/waf.conf", ["mod_x"]),
        (f"{AT} [x:error] [pid 1] AH01630: denied: /srv/other.conf:7", ["mod_x (AH01630)"]),
        (f"{AT} [x:error] [pid 1] S3CRET", ["mod_x"]),
        (f"{AT} [proxy_http:error] [pid 1] AH01114: failed to make connection to backend", []),
        (f"{AT} [core:error] [pid 1] no, by /etc/httpd/waf.conf:7", ["mod_core (/etc/httpd/waf.conf:7)"]),
        (f"{AT} [x:info] [pid 1] AH00001: by /etc/httpd/waf.conf:7", []),
        ('192.0.2.1 - - "GET /etc/httpd/waf.conf:7 HTTP/1.1" 403', []),
    ],
)
def test_who_says_why_somebody_was_refused_is_told_by_module_and_line_alone(line: str, tellers: list[str]) -> None:
    assert complaints.find_tellers([line, line], {"/etc/httpd/waf.conf"}) == tellers
