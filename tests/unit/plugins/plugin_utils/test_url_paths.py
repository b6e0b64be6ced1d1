# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import read_site
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.url_paths import wrong_backend, wrong_paths


def faults(*protected: tuple[str, str], **options: Any) -> list[str]:
    paths = [{"path": path, "proxy_pass": url} for path, url in protected]
    site = read_site({"domain": "www.example.com", "protected_paths": paths or None} | options)
    return list(wrong_paths(site))


def test_a_path_with_a_backend_of_its_own_is_taken() -> None:
    for url in ("http://127.0.0.1:8081/callback", "https://10.0.0.9:8443/", "unix:/run/b.sock|http://localhost/"):
        assert faults(("/callback", url), proxy_pass="http://127.0.0.1:8080/") == []
    assert faults(("/callback", "http://127.0.0.1:8080/")) == []


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/callback"),
        ("http://127.0.0.1:8080/", "http://localhost:8080/"),
        ("http://[::1]:8080/", "http://127.0.0.2:8080/"),
        ("http://Backend.example:80/", "http://backend.example/x"),
        ("https://u@10.0.0.9/", "https://10.0.0.9:443/"),
        ("unix:/run/a.sock|http://localhost/", "unix:/run/a.sock|http://127.0.0.1/x"),
        ("unix:/run/a.sock|http://localhost/", "unix:/run//./a.sock|http://localhost/"),
        ("http://127.0.0.1:8080/", "http://2130706433:8080/"),
        ("http://127.0.0.1:8080/", "http://0x7f.1:8080/"),
        ("http://127.0.0.1:8080/", "http://[::ffff:127.0.0.1]:08080/"),
        ("http://[::]:8080/", "http://u:p@localhost.:8080/"),
        ("http://10.0.0.9/", "http://10.9:080/"),
    ],
)
def test_a_protected_path_on_the_backend_of_the_open_site_is_refused(own: str, other: str) -> None:
    (fault,) = faults(("/callback", other), proxy_pass=own)
    assert "which another spelling of the path would reach without a certificate" in fault


@pytest.mark.parametrize(
    "path",
    ["/", "", "callback", "/a/../b", "/./a", "//a", "/a;x", "/a%20", "/a b", "/a?x", "/a#", "/.a", "/a'", "/a\n"],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused_without_being_shown(path: str) -> None:
    for found in (faults(open_paths=[path]), faults((path, "http://127.0.0.1:8081/"))):
        assert any("is no path below /" in fault for fault in found)
        assert not path.strip("/. ") or all(path not in fault for fault in found)


def test_a_callback_path_is_taken_where_chat_is_told_from_others() -> None:
    backend = "http://127.0.0.1:8081/"
    assert faults(callback_paths=["/", "/callback"]) == []
    assert faults(callback_paths=["/callback"], open_paths=["/healthz"]) == []
    assert faults(("/callback", backend), callback_paths=["/callback", "/callback/chat"]) == []


def test_a_callback_path_where_nobody_is_asked_who_calls_is_refused() -> None:
    assert any("where Chat would not be told" in each for each in faults(callback_paths=["/a"], open_paths=["/a"]))
    protected = ("/callback", "http://127.0.0.1:8081/")
    for path in ("/", "/callbacks", "/other"):
        assert any("below none of 'protected_paths'" in each for each in faults(protected, callback_paths=[path]))


@pytest.mark.parametrize("path", ["", "chat", "/a/../b", "//a", "/a;x", "/a%20", "/a b", "/a?x=s3cret", "/a\n"])
def test_a_callback_path_that_can_be_read_in_two_ways_is_refused_without_being_shown(path: str) -> None:
    (fault,) = faults(callback_paths=[path])
    assert "callback_paths[0]" in fault
    assert len(path) < 3 or path not in fault


def test_what_contradicts_itself_is_refused() -> None:
    backend = "http://127.0.0.1:8081/"
    assert any("at or below another" in fault for fault in faults(("/a", backend), ("/a/b", backend)))
    assert any("at or below another" in fault for fault in faults(("/a", backend), ("/a", backend)))
    assert any("ends in a slash" in fault for fault in faults(("/a/", backend)))
    assert any("Give one" in fault for fault in faults(("/a", backend), open_paths=["/b"]))
    assert any("asks no path" in fault for fault in faults(("/a", backend), verify_client="optional"))
    assert any("empty list" in fault for fault in faults(protected_paths=[]))


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "ftp://x/", "http://x", "http:///x", "unix:run|http://x/", "http://x/ y", "http://x/${A}"],
)
def test_what_is_no_url_of_a_backend_is_refused(url: str) -> None:
    assert list(wrong_backend("proxy_pass", url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:8080", "has no path. Put a slash at its end."),
        ("127.0.0.1:8080/", "is not the URL of a backend"),
        ("http://127.0.0.1:8080/\n", "cannot be used"),
        ("http://127.0.0.1:8080/", ""),
    ],
)
def test_one_fault_of_a_url_is_one_sentence(url: str, words: str) -> None:
    found = list(wrong_backend("proxy_pass", url))
    assert len(found) == bool(words)
    assert words in "".join(found)
