# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""TCP connections of this machine, and what goes over each, as the kernel tells them (sock_diag(7), tcp(7))."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY, _DONE, _ERROR = 20, 3, 2
_REQUEST_DUMP = 0x301
_INFO = 2  # INET_DIAG_INFO, whose content is a struct tcp_info
# ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING
_STATES = sum(1 << state for state in (1, 4, 5, 8, 9, 11))
_HEADER, _REQUEST = struct.Struct("=IHHII"), struct.Struct("=BBBBI48s")
_MESSAGE = struct.Struct("=BBBBHH44sIIIII")  # struct inet_diag_msg; the ports are big-endian
_SENT_MS, _RECEIVED_MS, _BYTES = 44, 52, 120  # places in struct tcp_info


@dataclass(frozen=True)
class Connection:
    """A connection that has not ended.

    inode, port: of its socket on this machine. unread, unsent: bytes that wait in it. sent, received: bytes so far that
    the peer has acknowledged, and that came. answered: the last that went over it was sent from here.
    """

    inode: str
    port: int
    unread: int
    unsent: int
    sent: int
    received: int
    answered: bool


def list_connections() -> list[Connection]:
    """Return the connections of this network namespace. Raises OSError where the kernel does not tell them."""
    found: list[Connection] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asking:
        for family in (socket.AF_INET, socket.AF_INET6):
            asked = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _STATES, b"")
            asking.send(_HEADER.pack(_HEADER.size + len(asked), _BY_FAMILY, _REQUEST_DUMP, 0, 0) + asked)
            done = False
            while not done:
                told = asking.recv(1 << 18)
                while len(told) >= _HEADER.size:
                    size, kind, *_rest = _HEADER.unpack_from(told)
                    if kind == _ERROR:
                        raise OSError(-struct.unpack_from("=i", told, _HEADER.size)[0], "sock_diag")
                    done = done or kind == _DONE
                    if kind == _BY_FAMILY:
                        found.append(_connection(told[_HEADER.size : size]))
                    told = told[(size + 3) & ~3 :]
    return found


def _connection(message: bytes) -> Connection:
    fields = _MESSAGE.unpack_from(message)
    info, rest = b"", message[_MESSAGE.size :]
    while len(rest) >= 4:
        size, kind = struct.unpack_from("=HH", rest)
        if kind == _INFO:
            info = rest[4:size]
        rest = rest[max(4, (size + 3) & ~3) :]
    info = info.ljust(_BYTES + 16, b"\0")
    sent, received = struct.unpack_from("=QQ", info, _BYTES)
    since_sent, since_received = (struct.unpack_from("=I", info, place)[0] for place in (_SENT_MS, _RECEIVED_MS))
    return Connection(
        inode=str(fields[11]),
        port=socket.ntohs(fields[4]),
        unread=fields[8],
        unsent=fields[9],
        sent=sent,
        received=received,
        answered=sent > 0 and since_sent <= since_received,
    )
