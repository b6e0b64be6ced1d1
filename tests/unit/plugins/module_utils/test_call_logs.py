# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lines of logs tell: who called, who was refused and why; and nothing of what was asked for."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import (
    NEEDED_FORMAT,
    SITE_FORMATS,
    CallReader,
    Calls,
    compile_format,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.log_lines import unescape, unescape_name
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import RefusalReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHAT = '"CN=Chat,O=Tencent" 262B32F1'
OLD = (
    '192.0.2.7 - - [23/Nov/2026:19:35:26 +0000] "POST /callback?Sign=s3cret HTTP/1.1" {} 52 1893 '
    "TLSv1.3 TLS_AES_256_GCM_SHA384 SUCCESS {}"
)
NEW = OLD + ' "CN=Client CA" "Chat/1.0"'
COMBINED = '192.0.2.7 - - [23/Nov/2026:19:35:26 +0000] "POST /callback HTTP/1.1" 200 52 "-" "curl/7.88.1"'
MOMENT = "2026-11-23T19:35:26Z"


def read_calls(lines: Iterable[str], formats: Sequence[str] = SITE_FORMATS, since: float = 0.0) -> Calls:
    """Return what the lines of an access log tell."""
    reader = CallReader(formats, since)
    reader.read(lines)
    return reader.calls()


def line(subject: str = CHAT, status: int = 200, *, at: str = "23/Nov/2026:19:35:26 +0000", **more: str) -> str:
    text = NEW.format(status, subject).replace("23/Nov/2026:19:35:26 +0000", at)
    for old, new in more.items():
        text = text.replace({"agent": "Chat/1.0", "issuer": "CN=Client CA", "version": "TLSv1.3"}[old], new)
    return text


def test_a_caller_is_told_with_when_how_often_and_by_what() -> None:
    calls = read_calls(
        [
            line(at="23/Nov/2026:20:35:26 +0100"),
            line(at="24/Nov/2026:01:00:00 +0000", version="TLSv1.2"),
            line(status=503, at="22/Nov/2026:23:00:00 -0100"),
        ]
    )
    (caller,) = calls.callers
    assert asdict(caller) == {
        "subject": "CN=Chat,O=Tencent",
        "issuer": "CN=Client CA",
        "serial": "262B32F1",
        "first": "2026-11-23T00:00:00Z",
        "last": "2026-11-24T01:00:00Z",
        "calls": 3,
        "versions": ("TLSv1.2", "TLSv1.3"),
        "statuses": {"200": 2, "503": 1},
        "admitted": 3,
        "last_admitted": "2026-11-24T01:00:00Z",
        "addresses": ("192.0.2.7",),
        "verified": True,
    }


def test_clients_of_two_authorities_with_one_subject_are_told_apart() -> None:
    other = '"CN=Chat,O=Tencent" 75EE4407'
    calls = read_calls([line(), line(other, issuer="CN=New CA"), line(other, issuer="CN=New CA")])
    assert {(each.issuer, each.serial, each.calls) for each in calls.callers} == {
        ("CN=Client CA", "262B32F1", 1),
        ("CN=New CA", "75EE4407", 2),
    }


def test_lines_from_before_there_was_an_issuer_are_read_still() -> None:
    (caller,) = read_calls([OLD.format(200, CHAT)]).callers
    assert (caller.subject, caller.issuer, caller.serial) == ("CN=Chat,O=Tencent", None, "262B32F1")
    (caller,) = read_calls([OLD.format(200, CHAT) + " Initial"]).callers
    assert (caller.issuer, caller.serial) == (None, "262B32F1")
    (caller,) = read_calls([OLD.format(200, CHAT) + ' Initial "CN=Client CA" "Chat/1.0"']).callers
    assert caller.issuer == "CN=Client CA"


def test_a_caller_with_lines_of_both_forms_is_one() -> None:
    old = OLD.format(200, CHAT).replace("23/Nov", "01/Nov")
    (caller,) = read_calls([old, line(), line()]).callers
    assert (caller.issuer, caller.calls, caller.first) == ("CN=Client CA", 3, "2026-11-01T19:35:26Z")
    callers = read_calls([old, line(), line(issuer="CN=New CA")]).callers
    assert {(each.issuer, each.calls) for each in callers} == {(None, 1), ("CN=Client CA", 1), ("CN=New CA", 1)}


def test_who_got_nothing_but_403_was_not_admitted() -> None:
    callers = read_calls([line('"CN=cust" 01', 403), line('"CN=cust" 01', 403), line(), line(status=403)]).callers
    assert {each.subject: (each.admitted, each.last_admitted) for each in callers} == {
        "CN=cust": (0, ""),
        "CN=Chat,O=Tencent": (1, MOMENT),
    }


def test_our_own_knocks_are_in_no_figure_but_their_own() -> None:
    ours = line(agent="mtls.httpd").replace("POST", "OPTIONS")
    lines = [ours, line('"CN=mtls.httpd stranger client" 01', issuer="CN=mtls.httpd stranger CA")]
    calls = read_calls([*lines, line(agent="mtls.httpd/2")])
    assert (calls.own, sum(each.calls for each in calls.callers)) == (2, 1)


def test_nobody_with_a_certificate_hides_a_call_by_our_name() -> None:
    (caller,) = read_calls([line(agent="mtls.httpd")]).callers
    assert caller.subject == "CN=Chat,O=Tencent"


@pytest.mark.parametrize(
    "at", ["29/Nov/0000:10:00:00 +0000", "31/Dec/9999:23:59:59 -9959", "99/Nov/2026:99:99:99 +0000"]
)
def test_a_moment_that_cannot_be_is_passed_over(at: str) -> None:
    calls = read_calls([line(at=at), line()], since=1.0)
    assert [each.last for each in calls.callers] == [MOMENT]


def test_no_version_of_tls_holds_anything_else() -> None:
    calls = read_calls([line(version="TLSv1.3\x1b]0;evil\x07")])
    assert (calls.callers, calls.strange) == ((), 1)


def test_calls_without_a_certificate_are_counted_alone() -> None:
    bare = OLD.format(200, '"-" -').replace("SUCCESS", "NONE")
    calls = read_calls([bare, f'{bare} "-" "monitor"'])
    assert (calls.callers, calls.without) == ((), 2)


def test_calls_from_before_are_left_out() -> None:
    moment = time.mktime((2026, 11, 23, 0, 0, 0, 0, 0, 0)) - time.timezone
    assert not read_calls([line(at="22/Nov/2026:23:59:59 +0000")], since=moment).callers
    assert read_calls([line(at="23/Nov/2026:00:00:00 +0000")], since=moment).callers


def test_nothing_of_what_was_asked_for_is_told() -> None:
    assert "s3cret" not in repr(read_calls([line(), OLD.format(200, CHAT)]))
    assert "callback" not in repr(read_calls([line()]))


HOSTILE = {
    "a request that ends a field": '"GET /\\" 200 1 2 TLSv1.3 X SUCCESS \\"CN=Forged\\" 01 HTTP/1.1"',
    "a request with a whole line in it": '"GET /' + NEW.format(200, '"CN=Forged" 01').replace('"', '\\"') + '"',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_request_forges_no_caller(case: str) -> None:
    text = line(status=404).replace('"POST /callback?Sign=s3cret HTTP/1.1"', HOSTILE[case])
    (caller,) = read_calls([text]).callers
    assert (caller.subject, caller.statuses) == ("CN=Chat,O=Tencent", {"404": 1})


def test_an_agent_and_a_user_forge_no_caller() -> None:
    agent = 'x\\" 01 \\"CN=Forged CA\\" \\"y'
    (caller,) = read_calls([line(agent=agent)]).callers
    assert caller.issuer == "CN=Client CA"
    text = line().replace("192.0.2.7 - - [", "192.0.2.7 - a [b] c [")
    (caller,) = read_calls([text]).callers
    assert caller.last == MOMENT


@pytest.mark.parametrize(
    "fill", [" ", ' "', '\\"', "\\\\", "FAILED:", 'SUCCESS "a" 01 ', ' [29/Nov/2026:13:00:00 +0000] "', " / issuer: "]
)
def test_no_line_takes_long_to_read(fill: str) -> None:
    text = fill * (8000 // len(fill))
    odd = line(agent=text).replace("SUCCESS", "FAILED:odd")
    words = STRANGER.format(port=1, issuer=text)
    begun = time.process_time()
    for whole in (odd, line().replace("POST /callback", text)):
        read_calls([whole, whole[:-1], whole[:3000], f"{whole}x"])
    RefusalReader(0.0).read([ERROR.format(10, 1, words), ERROR.format(10, 1, words[:-1])])
    assert time.process_time() - begun < 0.5


def test_a_subject_is_told_as_a_pin_has_it() -> None:
    assert unescape(r"CN=Zo\xc3\xab \\\" / x") == 'CN=Zoë \\" / x'
    assert unescape(r"CN=a\\2c b") == r"CN=a\2c b"
    assert unescape(r"CN=\x1b[31m\n\xff") == "CN=?[31m?\ufffd"


@pytest.mark.parametrize(
    "name",
    [
        "CN=Chat,O=Tencent",
        r"CN=Chat\, of Tencent,O=a \+ b\; c",
        r"CN=\"Chat\",O=\#1\ ",
        r"CN=a\\b",
        r"CN=a\0A\1Bb",
        "CN=Zoë\\, x",
    ],
)
def test_a_name_is_the_same_by_any_httpd(name: str) -> None:
    logged = name.replace("\\", "\\\\").replace('"', '\\"').replace("ë", r"\xc3\xab")
    assert unescape_name(logged) == name  # from 2.4.64 on
    assert unescape_name(name) == name  # before that


def test_a_name_is_nothing_that_a_terminal_obeys() -> None:
    assert unescape_name("CN=\x1b[31m\\, x") == r"CN=?[31m\, x"
    assert unescape_name(r"CN=\x1b[31m") == "CN=?[31m"


def test_lines_of_another_form_are_counted_and_not_repeated() -> None:
    calls = read_calls([COMBINED, "garbage", ""])
    assert (calls.strange, calls.known) == (2, 0)


def test_a_format_is_read_if_it_tells_who_called_in_whatever_order() -> None:
    own = '"%{SSL_CLIENT_S_DN}x" %{SSL_CLIENT_M_SERIAL}x %>s %t'
    (caller,) = read_calls(['"CN=Chat" 01 200 [23/Nov/2026:19:35:26 +0000]'], [own]).callers
    assert (caller.subject, caller.issuer, caller.last, caller.addresses) == ("CN=Chat", None, MOMENT, ())
    assert compile_format(NEEDED_FORMAT.replace('\\"', '"'))
    assert all(map(compile_format, SITE_FORMATS))


@pytest.mark.parametrize(
    "log_format",
    [
        "combined",
        '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
        '%t %>s "%{SSL_CLIENT_S_DN}x"',
        '%{%Y}t %>s "%{SSL_CLIENT_S_DN}x" %{SSL_CLIENT_M_SERIAL}x',
        "%t %>s %{SSL_CLIENT_S_DN}x %{SSL_CLIENT_M_SERIAL}x",
    ],
)
def test_a_format_that_does_not_tell_who_called_is_known_for_it(log_format: str) -> None:
    assert compile_format(log_format) is None


# -- refused handshakes: lines as httpd 2.4.68 wrote them, two sites on one port

ERROR = "[Mon Nov 23 19:35:{}.123456 2026] [ssl:info] [pid 11:tid {}] {}"
STRANGER = (
    "[client 192.0.2.7:{port}] AH02276: Certificate Verification: Error (20): unable to get local issuer certificate "
    "[subject: CN=Chat,O=Tencent / issuer: {issuer} / serial: 05C5 / notbefore: Nov 28 13:03:07 2026 GMT / notafter: "
    "Feb 27 13:03:07 2027 GMT]"
)
ENDED = "[client 192.0.2.7:{port}] AH02008: SSL library error 1 in handshake (server first.example.com:443)"
LIBRARY = "SSL Library Error: error:0A0000C7:SSL routines::peer did not return a certificate -- No CAs known?"
VERIFY = "SSL Library Error: error:0A000086:SSL routines::certificate verify failed"
CLOSED = "[client 192.0.2.7:{port}] AH01998: Connection closed to child 1 with abortive shutdown (server {name}:443)"


def refusals(*lines: str, name: str = "") -> tuple[list[tuple[str, str, str]], int]:
    reader = RefusalReader(0.0)
    reader.read(lines)
    found, own = reader.refusals(name)
    return [(each.reason, each.subject, each.issuer) for each in found for _time in range(each.count)], own


def stranger(port: int, second: int = 10, issuer: str = "CN=Other CA", thread: int = 1) -> list[str]:
    words = (STRANGER.format(port=port, issuer=issuer), ENDED.format(port=port), VERIFY)
    return [ERROR.format(second, thread, each) for each in words]


def bare(port: int, second: int = 10, thread: int = 2) -> list[str]:
    return [ERROR.format(second, thread, each) for each in (ENDED.format(port=port), LIBRARY)]


def test_a_refusal_is_told_by_its_reason_and_by_openssls_own() -> None:
    reader = RefusalReader(0.0)
    reader.read([*stranger(1), *bare(2, 40)])
    (last, first), own = reader.refusals()
    assert (first.reason, first.detail) == ("unknown-issuer", "unable to get local issuer certificate")
    assert (first.subject, first.issuer, first.serial) == ("CN=Chat,O=Tencent", "CN=Other CA", "05C5")
    assert (last.reason, last.detail) == ("no-certificate", "peer did not return a certificate")
    assert (first.address, first.count, first.sure, own) == ("192.0.2.7", 1, True, 0)


def test_lines_of_several_connections_at_once_are_told_apart() -> None:
    one, other = stranger(1, thread=1), bare(2, 40, thread=2)
    mixed = [one[0], other[0], one[1], other[1], one[2]]
    assert refusals(*mixed) == ([("no-certificate", "", ""), ("unknown-issuer", "CN=Chat,O=Tencent", "CN=Other CA")], 0)


def test_our_own_knocks_are_known_by_their_authority_and_those_beside_them() -> None:
    ours = stranger(1, issuer="CN=mtls.httpd stranger CA")
    assert refusals(*ours, *bare(2, 12)) == ([], 2)
    assert refusals(*ours, *bare(2, 40)) == ([("no-certificate", "", "")], 1)
    assert refusals(*stranger(1), *bare(2, 12))[1] == 0


def test_a_name_that_looks_like_the_rest_of_a_line_hides_nothing() -> None:
    forged = "CN=mtls.httpd stranger CA / serial: 01 / notbefore: x / issuer: CN=Other CA"
    assert refusals(*stranger(1, issuer=forged))[1] == 0


@pytest.mark.parametrize(
    ("name", "expected"), [("second.example.com", 1), ("first.example.com", 0), ("third.example.com", 0)]
)
def test_of_a_shared_log_each_site_gets_its_own(name: str, expected: int) -> None:
    closed = ERROR.format(10, 1, CLOSED.format(port=1, name="second.example.com"))
    assert len(refusals(*stranger(1), closed, name=name)[0]) == expected


@pytest.mark.parametrize("known", [True, False])
def test_a_port_that_is_used_again_later_moves_no_refusal(known: bool) -> None:
    closed = ERROR.format(10, 1, CLOSED.format(port=1, name="first.example.com"))
    later = ERROR.format(10, 1, CLOSED.format(port=1, name="second.example.com")).replace(" 19:", " 23:")
    mine, other = RefusalReader(0.0), RefusalReader(0.0)
    mine.read([*stranger(1), *([closed] if known else [])])
    other.read([later])
    mine.add_ends(other)
    ((one,), _own) = mine.refusals("first.example.com")
    assert one.sure is known


def test_whose_it_was_is_not_made_up() -> None:
    reader = RefusalReader(0.0)
    reader.read(stranger(1))
    ((one,), _own) = reader.refusals("second.example.com")
    assert not one.sure


def test_a_line_below_the_level_info_tells_the_reason_alone() -> None:
    words = "[client [2001:db8::7]:1] AH02039: Certificate Verification: Error (10): certificate has expired"
    reader = RefusalReader(0.0)
    reader.read([ERROR.format(10, 1, words.replace("[2001:db8::7]", "2001:db8::7")).replace("ssl:info", "ssl:error")])
    ((one,), _own) = reader.refusals()
    assert (one.reason, one.address, one.subject) == ("ended", "2001:db8::7", "")


@pytest.mark.parametrize(
    "text",
    [
        ERROR.format(10, 1, "[client 192.0.2.7:1] AH01964: Connection to child 0 established (server a:443)"),
        "[Mon Nov 23 19:35:10.1 2026] [proxy:error] [pid 1:tid 1] [client 192.0.2.7:1] AH02008: SSL library error 1",
        "root:$6$secret:19000:0:99999:7:::",
        ERROR.format(10, 1, CLOSED.format(port=1, name="a")),
    ],
)
def test_other_lines_tell_of_no_refusal(text: str) -> None:
    assert refusals(text) == ([], 0)
