# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that tells users and groups which stand in no file, as sssd and winbind do, over the socket of nscd.

name_service.py SOCKET PASSWD GROUP: the two files have lines like those of /etc/passwd and /etc/group. It answers for
these, and for those of the machine's own files, until it is ended. The C library asks it where its socket is there
(nscd/nscd-client.h of glibc); what it is not made for, it hangs up on, and the C library goes on without it.
"""

from __future__ import annotations

import socketserver
import struct
import sys
from pathlib import Path

USER_BY_NAME, USER_BY_NUMBER, GROUP_BY_NAME, GROUP_BY_NUMBER, GROUPS_OF_USER = 0, 1, 2, 3, 15
VERSION, FOUND = 2, 1


def lines(kind: str, path: str) -> list[list[str]]:
    """Return the fields of each line of the machine's own file of this kind, and of C(path)."""
    text = Path(f"/etc/{kind}").read_text() + Path(path).read_text()
    return [line.split(":") for line in text.splitlines()]


def user(fields: list[str]) -> bytes:
    """Return the answer about a user."""
    name, password, uid, gid, gecos, home, shell = fields
    texts = [text.encode() + b"\0" for text in (name, password, gecos, home, shell)]
    lengths = list(map(len, texts))
    head = struct.pack("=9i", VERSION, FOUND, *lengths[:2], int(uid), int(gid), *lengths[2:])
    return head + b"".join(texts)


def group(fields: list[str]) -> bytes:
    """Return the answer about a group."""
    name, password, gid, members = fields
    texts = [text.encode() + b"\0" for text in (name, password, *filter(None, members.split(",")))]
    lengths = list(map(len, texts))
    head = struct.pack("=6i", VERSION, FOUND, *lengths[:2], int(gid), len(texts) - 2)
    return head + struct.pack(f"={len(texts) - 2}I", *lengths[2:]) + b"".join(texts)


def answer(kind: int, key: str) -> bytes:
    """Return what is answered to one question, nothing for one that is not known here."""
    groups = lines("group", sys.argv[3])
    if kind in (USER_BY_NAME, USER_BY_NUMBER):
        column = 0 if kind == USER_BY_NAME else 2
        found = [fields for fields in lines("passwd", sys.argv[2]) if fields[column] == key]
        return user(found[0]) if found else struct.pack("=9i", VERSION, *[0] * 8)
    if kind in (GROUP_BY_NAME, GROUP_BY_NUMBER):
        column = 0 if kind == GROUP_BY_NAME else 2
        found = [fields for fields in groups if fields[column] == key]
        return group(found[0]) if found else struct.pack("=6i", VERSION, *[0] * 5)
    if kind == GROUPS_OF_USER:
        numbers = [int(fields[2]) for fields in groups if key in fields[3].split(",")]
        return struct.pack(f"={3 + len(numbers)}i", VERSION, FOUND, len(numbers), *numbers)
    return b""


class Caller(socketserver.BaseRequestHandler):
    """One who asks."""

    def handle(self) -> None:
        """Answer one question."""
        _version, kind, length = struct.unpack("=3i", self.request.recv(12, 0x100))  # MSG_WAITALL
        key = self.request.recv(length, 0x100).rstrip(b"\0").decode()
        self.request.sendall(answer(kind, key))


if __name__ == "__main__":
    with socketserver.ThreadingUnixStreamServer(sys.argv[1], Caller) as server:
        Path(sys.argv[1]).chmod(0o666)
        print("ready", flush=True)
        server.serve_forever()
