# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests by which texts of mod_rewrite become what is wanted, and folders that are mounted at several places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Directive
from ansible_collections.mtls.httpd.plugins.module_utils._machine import mounts
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import Content
from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import find_example, may_match
from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Condition, Filling, Made

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("pattern", "groups", "text"),
    [
        ("^/?(.*)", {1: "x"}, "/x"),
        ("^", {}, "/"),
        (r"^/~([a-z]+)/(.*)$", {1: "hooks", 2: "a"}, "/~hooks/a"),
        (r"^/(foo|bar)/(\d{1,3})/?", {2: "80"}, "/foo/80"),
        ("^/(?:v[0-9]/)?([[:alnum:]]+)[.]php$", {}, "/x.php"),
        ("^(?!/x)(.*)$", {1: "/a"}, "/a"),
        ("(", {}, None),
        ("^/(a+)$", {1: "b"}, None),
        ("^/(a)$", {2: "b"}, None),
        ("^other$", {}, None),
        ("^(?:(?:(?:x{64}){64}){64})$", {}, None),
        ("(" * 250 + ")" * 250, {}, None),
    ],
)
def test_a_text_that_a_pattern_takes_is_found_or_none(pattern: str, groups: dict[int, str], text: str | None) -> None:
    found = find_example(pattern, groups, before="/")
    assert (found and found[0]) == text


@pytest.mark.parametrize(
    ("pattern", "text", "may"),
    [
        ("^[[:alpha:]]+$", "healthz", True),
        ("^[[:digit:]]+$", "healthz", False),
        ("^[^[:digit:]]+$", "healthz", True),
        ("^[[:print:]]+$", "healthz", True),  # a class that is not read here
        ("^[[:^digit:]]+$", "healthz", True),
        (r"\h", "healthz", True),  # a space, for Perl
        ("(", "healthz", True),
        ("^[a:z]+$", "healthz", False),
    ],
)
def test_a_pattern_that_is_not_read_may_match_and_classes_of_posix_are_read(
    pattern: str, text: str, *, may: bool
) -> None:
    assert may_match(pattern, text) is may


@pytest.mark.parametrize(
    ("pattern", "template", "made"),
    [
        ("^", f"{BACKEND}%{{REQUEST_URI}}", Made(path="/mtls-httpd")),
        ("^/?(.*)", f"{BACKEND}%{{ENV:BASE}}/$1", Made(path="/mtls-httpd")),
        ("^(/.*)$", f"{BACKEND}$1", Made(path="/mtls-httpd")),
        ("^/x(/.*)", f"{BACKEND}%{{ENV:P}}/callback/", Made(path="/x/")),
        (r"^/(\d+)/(.*)", "http://127.0.0.1:$1/$2", Made(path="/8080/mtls-httpd")),
        ("^/[[:alpha:]-]+$", f"{BACKEND}%{{REQUEST_URI}}", Made(path="/mtls-httpd")),
        ("^/(.*)", "http://%{HTTP_HOST}/$1", Made(path="/mtls-httpd", host="127.0.0.1:8080")),
        ("^/", "http://%{QUERY_STRING}", Made(path="/", query="127.0.0.1:8080")),
        ("^/(.*)", "http://%{HTTP:X-To}/$1", Made(path="/mtls-httpd", fields=(("X-TO", "127.0.0.1:8080"),))),
        ("^/(.*)", "http://127.0.0.1:80$1", Made(path="/80")),
        ("^", "http://127.0.0.1:8082%{REQUEST_URI}", None),
        ("^/(a+)", "http://127.0.0.1:$1/", None),
        ("^/(.*)", "http://%{ENV:TO}/$1", None),
    ],
)
def test_a_request_is_made_that_leads_to_a_backend_or_none(pattern: str, template: str, made: Made | None) -> None:
    assert next(Filling(pattern).find_requests(template, BACKEND), None) == made


def test_a_condition_decides_what_else_the_request_says() -> None:
    conditions = [Condition("%{REQUEST_METHOD}", "^POST$"), Condition("%{HTTP_COOKIE}", "port=([0-9]+)")]
    rule = Filling("^/(.*)", conditions=conditions)
    made = next(rule.find_requests("http://127.0.0.1:%1/$1", BACKEND))
    assert made == Made(path="/mtls-httpd", method="POST", fields=(("Cookie", "port=8080"),))
    assert not list(rule.find_requests("http://127.0.0.1:9%1/$1", BACKEND))


def test_a_map_of_texts_leads_by_its_key_and_by_its_default_for_others() -> None:
    rule = Filling("^/([^/]+)/(.*)", maps={"to": [("a", "http://127.0.0.1:1"), ("hooks", BACKEND)]})
    assert next(rule.find_requests("${to:$1}/$2", BACKEND)).path == "/hooks/mtls-httpd"
    assert not list(rule.find_requests("${to:$1}/$2", "http://127.0.0.1:2"))
    assert (
        next(rule.find_requests("${to:$1|http://127.0.0.1:2}/$2", "http://127.0.0.1:2")).path
        == "/mtls-httpd/mtls-httpd"
    )


@pytest.mark.parametrize(
    ("template", "may"),
    [
        ("http://%{ENV:TO}/$1", True),
        ("${program:$1}/$2", True),
        ("http://127.0.0.1:9%{ENV:TO}/", False),
        (f"{BACKEND}/$1", False),
    ],
)
def test_what_no_request_says_may_lead_there_or_not(template: str, may: bool) -> None:
    assert Filling("^").may_become(template, BACKEND) is may


def test_a_folder_that_is_mounted_twice_is_known_by_both_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one/deep").mkdir(parents=True)
    (tmp_path / "two").symlink_to(tmp_path / "one")  # as a second mount of the folder would be
    (tmp_path / "three/deep").mkdir(parents=True)
    rows = [("0:1", "/", "/"), ("0:1", f"{tmp_path}/one", f"{tmp_path}/two"), ("0:2", "/", f"{tmp_path}/three")]
    table = tmp_path / "mountinfo"
    table.write_text("".join(f"1 1 {device} {root} {place} rw - x x rw\n" for device, root, place in rows))
    monkeypatch.setattr(mounts, "_TABLE", str(table))
    known = mounts.Mounts.read()
    assert known.other_paths(f"{tmp_path}/one/deep") == (f"{tmp_path}/two/deep",)
    assert known.other_paths(f"{tmp_path}/one") == (f"{tmp_path}/two",)
    assert known.other_paths(f"{tmp_path}/three/deep") == ()


def test_a_machine_that_tells_of_no_mounts_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_TABLE", str(tmp_path / "none"))
    assert mounts.Mounts.read().other_paths("/srv") == ()


def content(path: str, *, elsewhere: tuple[str, ...] = (), filled: str = "") -> Content:
    """Return files that a directive serves."""
    return Content("", path, Directive("DocumentRoot", path, "/httpd.conf", 1, (), ""), path, elsewhere, filled)


def test_what_is_served_by_the_second_place_of_a_mounted_folder_is_the_same() -> None:
    mine = content("/mnt/a", elsewhere=("/mnt/b",))
    assert content("/mnt/b/files").overlaps(mine)
    assert content("/mnt").overlaps(mine)
    assert not content("/mnt/c").overlaps(mine)


@pytest.mark.parametrize(
    ("filled", "leads"),
    [
        ("{srv}/%0", True),
        ("{srv}/%0/files", True),
        ("{srv}/$1", True),
        ("{srv}/%0/public", False),
        ("{srv}/$1/public/$2", False),
        ("{srv}-other/%0", False),
    ],
)
def test_what_is_filled_in_within_a_path_counts_where_such_a_folder_is_there(
    tmp_path: Path, filled: str, leads: bool
) -> None:
    (tmp_path / "hooks/files").mkdir(parents=True)
    path = filled.format(srv=tmp_path)
    fixed = path.partition("%")[0].partition("$")[0].rstrip("/")
    assert content(fixed, filled=path).overlaps(content(f"{tmp_path}/hooks")) is leads


@pytest.mark.parametrize(
    ("condition", "is_made"),
    [
        (Condition("%{HTTP_HOST}", r"^([a-z]+)\.partner\.com$"), False),
        (Condition("%{HTTP_HOST}", "=own.example.com"), False),
        (Condition("%{HTTP_HOST}", r"^127\.0\.0\.1$"), True),
        (Condition("%{HTTP_HOST}", r"^127\.0\.0\.1\.:8080$"), True),
        (Condition("%{HTTP_HOST}", r"^([a-z]+)\.partner\.com$", has_other=True), True),
        (Condition("%{HTTP_HOST}", r"!^127\."), True),
        (Condition("%{HTTP_HOST}", "("), True),
        (Condition("%{REMOTE_ADDR}", "^10"), True),
        (Condition("%{HTTP:X-To}", r"^10\.1\.1\.1$"), True),
    ],
)
def test_a_request_that_a_condition_keeps_away_is_none(condition: Condition, is_made: bool) -> None:
    rule = Filling("^/(.*)", conditions=[condition])
    assert (next(rule.find_requests("http://%{HTTP_HOST}/$1", BACKEND), None) is not None) is is_made


@pytest.mark.parametrize(("pattern", "is_made"), [(r"^10\.", True), (r"^10\.[0-9.]+$", False), (r"^10.+$", True)])
def test_a_field_that_a_condition_looks_at_may_name_a_user(pattern: str, is_made: bool) -> None:
    rule = Filling("^/(.*)", conditions=[Condition("%{HTTP:X-To}", pattern)])
    assert (next(rule.find_requests("http://%{HTTP:X-To}/$1", BACKEND), None) is not None) is is_made
