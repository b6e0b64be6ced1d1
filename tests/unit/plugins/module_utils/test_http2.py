# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request over HTTP/2, and the status of its answer, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import make_call
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.http2 import first_line, is_over, make_request

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 9
# What httpd 2.4.68 sends to a client without a table, up to the answer's body: its settings, the acknowledgement of
# ours, an update of the table's size, the status.
BEGINNING = "00000604000000000000030000006400000408000000000" + "07fff0000000000040100000000"
STATUS_200 = (
    "00005a01050000000120880f0798d5af7e4d5a777d63c10dffac5837fd6bd5bb7fd6fdb0dec10f0d01300f1296dc34fd282794d27e"
)
STATUS_200 += "ea0802714106e09eb827d4c5a37f0f279d86b19272b025da5dc794feaf96330eafed4d5596addbb3b0cae05c2fff"
STATUS_403 = (
    "00005d0104000000012008033430330f0d033233390f1095497ca589d34d1f6a1271d882a60320eb3cf36fac1f0f1296dc34fd28279"
)
STATUS_403 += "4d27eea0802714106e09eb827d4c5a37f0f279d86b19272b025da5dc794feaf96330eafed4d5596addbb3b0cae05c2fff"


def frame(kind: int, content: bytes, *, flags: int = 0x4, stream: int = 1) -> bytes:
    """Return a frame; its flags say that the fields end with it, if not told otherwise."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


def test_a_request_is_the_preface_settings_and_literal_fields() -> None:
    assert make_request("www.example.com:8443", make_call("OPTIONS", "/hook")).hex(" ") == " ".join(
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".hex(" "),
            "00 00 0c 04 00 00 00 00 00 00 01 00 00 00 00 00 02 00 00 00 00",  # no table, no push
            "00 00 38 01 05 00 00 00 01",
            "02 07",
            b"OPTIONS".hex(" "),
            "87",  # :scheme: https
            "01 14",
            b"www.example.com:8443".hex(" "),
            "04 05",
            b"/hook".hex(" "),
            "0f 2b 0a",  # user-agent
            b"mtls.httpd".hex(" "),
            "0f 20 01 30",  # max-forwards: 0
        )
    )


def test_a_request_with_a_body_ends_with_it() -> None:
    call = make_call("POST", "/hook")
    assert make_request("a", call).endswith(frame(0, call.body, flags=0x1))
    assert b"/hook?SdkAppid=" in make_request("a", call)


def test_an_answer_is_over_where_its_stream_or_the_connection_is() -> None:
    fields, part, last = frame(1, b"\x88"), frame(0, b"wor", flags=0), frame(0, b"d", flags=0x1)
    assert not is_over(fields + part)
    assert not is_over(fields + part + frame(0, b"d", flags=0x1, stream=3))
    assert not is_over(fields + part + last[:-1])
    assert is_over(fields + part + last)
    assert is_over(frame(1, b"\x88", flags=0x5))
    assert is_over(frame(7, bytes(8), stream=0))


def test_a_value_may_be_longer_than_one_byte_tells() -> None:
    # RFC 7541, appendix C.1.2 and C.1.3: 1337 on 5 bits is 1f 9a 0a, so on 7 bits it is 7f ba 09.
    assert b"\x04\x7f\xba\x09/aaa" in make_request("a", make_call("OPTIONS", "/" + "a" * 1336))


@pytest.mark.parametrize(("headers", "said"), [(STATUS_200, b"HTTP/2 200"), (STATUS_403, b"HTTP/2 403")])
def test_what_httpd_answers_is_read(headers: str, said: bytes) -> None:
    assert first_line(bytes.fromhex(BEGINNING + headers)) == said


@pytest.mark.parametrize("headers", [STATUS_200, STATUS_403])
def test_nothing_is_said_before_all_of_it_is_there(headers: str) -> None:
    answer = bytes.fromhex(BEGINNING + headers)
    assert {first_line(answer[:length]) for length in range(len(answer))} == {b""}


@pytest.mark.parametrize(
    ("block", "status"),
    [
        ("88", "200"),
        ("8e", "500"),
        ("20 88", "200"),
        ("3f e1 1f 88", "200"),  # an update of the table's size to 4096
        ("48 03 33 30 32", "302"),  # appendix C.5.1
        ("48 82 64 02", "302"),  # appendix C.6.1, Huffman-coded
        ("48 83 64 0e ff", "307"),  # appendix C.6.2
        ("08 03 34 30 33", "403"),
        ("18 82 68 20", "410"),
        ("0e 03 35 30 33", "503"),
    ],
)
def test_a_status_is_read_however_it_is_written(block: str, status: str) -> None:
    assert first_line(frame(HEADERS, bytes.fromhex(block))) == f"HTTP/2 {status}".encode()


DIGITS = ["00000", "00001", "00010", *(format(0x19 + number, "06b") for number in range(7))]


@given(st.integers(200, 999))
def test_every_huffman_coded_status_is_read(status: int) -> None:
    bits = "".join(DIGITS[int(digit)] for digit in str(status))
    coded = int(bits + "1" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")
    block = b"\x08" + bytes((0x80 | len(coded),)) + coded
    assert first_line(frame(HEADERS, block)) == f"HTTP/2 {status}".encode()


def test_fields_may_be_cut_padded_and_prioritised() -> None:
    padded = bytes((3,)) + b"\x00" * 5 + bytes.fromhex("08 03 34") + b"\x00" * 3
    answer = frame(HEADERS, padded, flags=0x8 | 0x20) + frame(CONTINUATION, bytes.fromhex("30 33"))
    assert first_line(answer) == b"HTTP/2 403"


def test_what_is_not_the_answer_is_passed_over() -> None:
    others = [
        frame(SETTINGS, b"", stream=0),
        frame(PING, b"\x00" * 8, stream=0),
        frame(HEADERS, b"\x8e", stream=3),
        frame(RST_STREAM, b"\x00" * 4, stream=3),
        frame(GOAWAY, b"\x00\x00\x00\x01\x00\x00\x00\x00", stream=0),  # It ends after this one, as at a reload.
        frame(HEADERS, bytes.fromhex("08 03 31 30 33")),  # 103
    ]
    assert first_line(b"".join(others)) == b""
    assert first_line(b"".join((*others, frame(HEADERS, b"\x88")))) == b"HTTP/2 200"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (frame(RST_STREAM, b"\x00\x00\x00\x0d"), b"HTTP/2 stream ended by error 13"),
        (frame(GOAWAY, b"\x00" * 7 + b"\x0c", stream=0), b"HTTP/2 connection ended by error 12"),
        (b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/2 was agreed on, and something else is spoken"),
        *(
            (frame(HEADERS, bytes.fromhex(block)), b"HTTP/2 answer without a status that could be read")
            for block in (
                "",
                "20",
                "82",
                "bf",
                "48",
                "48 03 32",
                "48 83 64",
                "48 82 ff fe",
                "04 01 2f",
                "48 04 31 32 33 34",
            )
        ),
    ],
)
def test_what_became_of_the_request_instead_is_said(answer: bytes, said: bytes) -> None:
    assert first_line(answer) == said


@given(st.binary(max_size=60), st.binary(max_size=40))
def test_no_bytes_are_an_error_of_ours(content: bytes, more: bytes) -> None:
    first_line(content)
    line = first_line(frame(HEADERS, content, flags=0x4 | content[0] & 0x28 if content else 0x4) + more)
    assert line.startswith(b"HTTP/2 ") or not line
