# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The loopback interface of a private world (sandbox), by requests to the kernel (netdevice(7))."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# net/if.h, bits/ioctls.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCGIFINDEX, _IFF_UP = 0x8913, 0x8914, 0x8916, 0x8933, 0x1


def bring_up(addresses: Sequence[str]) -> None:
    """Bring the loopback interface up, and give it the addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack("16sh22x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0)))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
    add_addresses(addresses, "lo:")


def add_addresses(addresses: Sequence[str], label: str = "lo:more") -> None:
    """Give it more addresses, each by a label of its own.

    One of IPv4 brings its whole network of old (class A, B or C) with it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        index = struct.unpack("16si20x", fcntl.ioctl(control, _SIOCGIFINDEX, struct.pack("16si20x", b"lo", 0)))[1]
        for number, address in enumerate(addresses):
            if ":" in address:
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control6:
                    fcntl.ioctl(
                        control6,
                        _SIOCSIFADDR,
                        struct.pack("=16sIi", socket.inet_pton(socket.AF_INET6, address), 128, index),
                    )
            else:
                packed = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(address))
                fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s8x", f"{label}{number + 1}".encode(), packed))
