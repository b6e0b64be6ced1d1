# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What goes over the wire in a handshake, overheard beside the ssl module."""

from __future__ import annotations

import re
import ssl

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import NOT_OFFERED, Met

_HANDSHAKE = 22  # content type, RFC 8446, section 5.1
_HELLO_REQUEST = 0  # RFC 5246, section 7.4.1.1
ENDED = "connection ended without an answer"
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)")


class Transcript:
    """The handshake messages of one connection, as far as the ssl module lets us see them.

    Over TLS 1.2 a refusal ends the handshake, and nothing else tells what the server asked for and served.
    """

    def __init__(self, version: str, *, listens: bool) -> None:
        self._version = version
        self._messages: dict[tuple[str, int], bytes] = {}
        self._listens = listens

    def note(self, direction: str, data: bytes) -> None:
        """Keep the first message of each kind and direction."""
        self._messages.setdefault((direction, data[0]), data)

    @property
    def asked(self) -> bool | None:
        """Whether the server asked for a certificate; None when it is not known."""
        if ("read", wire.CERTIFICATE_REQUEST) in self._messages:
            return True
        return False if ("read", wire.SERVER_HELLO) in self._messages else None

    @property
    def asked_late(self) -> bool:
        """Whether the server began a second handshake on the connection, as for a rule about one path."""
        return ("read", _HELLO_REQUEST) in self._messages

    @property
    def client_ca_names(self) -> tuple[str, ...] | None:
        """The authorities that the server named; none when it did not ask; None when it is not known."""
        if not self.asked:
            return () if self.asked is False else None
        try:
            names = wire.certificate_authorities(self._messages["read", wire.CERTIFICATE_REQUEST], self._version)
            return tuple(wire.rfc4514(name) for name in names)
        except ValueError:
            return None

    @property
    def certificate(self) -> bytes | None:
        """The leaf that the server sent (DER)."""
        return self._leaf("read")

    @property
    def withheld(self) -> bool:
        """Whether OpenSSL sent no certificate though it was asked for one."""
        return ("write", wire.CERTIFICATE) in self._messages and self._leaf("write") is None

    def _leaf(self, direction: str) -> bytes | None:
        try:
            return wire.leaf_certificate(self._messages[direction, wire.CERTIFICATE], self._version)
        except (KeyError, ValueError):
            return None

    def judge_error(self, error: ssl.SSLError) -> Met:
        """Return what an error of the TLS connection shows."""
        reason = reason_of(error)
        alert = _ALERT.match(reason)
        if not alert:
            if isinstance(error, ssl.SSLEOFError) or "EOF" in reason:
                return Met("unproven", ENDED, cut=True)
            if reason in ("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"):
                return Met("unproven", NOT_OFFERED, offered=False)
            if reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
                return Met("unproven", "the answer is not TLS")
            return Met("unproven", f"TLS failed: {reason.lower()}")
        name = alert[1].lower()
        if name == "protocol_version":
            return Met("unproven", NOT_OFFERED, offered=False)
        if self.asked or not self._listens:
            return Met("refused", f"alert {name}")
        if self.asked is None and name in ("handshake_failure", "insufficient_security"):
            words = f"{NOT_OFFERED}, or not with ciphers in common (alert {name})"
            return Met("unproven", words, offered=False)
        return Met("unproven", f"alert {name}, before any certificate was asked for")


class Channel(ssl.SSLSocket):
    """A connection with its transcript: contexts are shared, and the callback is the context's."""

    transcript: Transcript | None = None


def overhear(connection: object, direction: str, _version: int, content_type: int, _kind: int, data: bytes) -> None:
    """Keep a handshake message in its connection's transcript. The parameters are those that the ssl module passes."""
    if content_type == _HANDSHAKE and data and isinstance(connection, Channel) and connection.transcript:
        connection.transcript.note(direction, data)


def reason_of(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason, such as TLSV1_ALERT_UNKNOWN_CA; Python knows the newer ones only as text."""
    return error.reason or str(error).upper().replace(" ", "_")
