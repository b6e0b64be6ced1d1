# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A handshake in memory: a server and a client of one process, without a socket, as OpenSSL judges certificates."""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Bearer

_PIPE_HOLDS = 65536  # bytes, pipe(7)
# Debian's and RHEL's default. OpenSSL's own is lower, and an openssl.cnf may say anything.
_LEVEL = 2
# Where a server is asked what it is called in vain: 10 is more than any handshake has flights.
_FLIGHTS = 10
PARTIAL = getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0x80000)  # in Python since 3.10, in OpenSSL since 1.0.2


@dataclass(frozen=True)
class Refusal:
    """Why there is no handshake: OpenSSL's number for what is wrong with a certificate, and its words.

    The number is 0 where it is not about verifying one, such as where a key does not fit.
    """

    number: int
    words: str


class RefusedError(Exception):
    """What OpenSSL does not even load."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.words)
        self.refusal = refusal


def readable(content: bytes) -> AbstractContextManager[str]:
    """Lend a path that reads as ``content``, since the ssl module takes keys from files only: of one in memory.

    A pipe's where the system has none such. Raises OSError when ``content`` is larger than a pipe holds.
    """
    if len(content) > _PIPE_HOLDS:
        raise OSError(0, "larger than 64 KiB")
    return _lent(content)


@contextmanager
def _lent(content: bytes) -> Iterator[str]:
    if hasattr(os, "memfd_create"):
        # With a pipe, the ssl module blames a seek for a key that does not match.
        reader = os.memfd_create("mtls")
        with open(reader, "wb", closefd=False) as file:
            file.write(content)
    else:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)  # else what is too much for it would be waited for
        os.write(writer, content)
        os.close(writer)
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def serving(bearer: Bearer, *, level: int = _LEVEL) -> ssl.SSLContext:
    """Return a server's side of certificates and their key, at a security level of OpenSSL's.

    Raises RefusedError where OpenSSL does not take them.
    """
    context = _bare(ssl.PROTOCOL_TLS_SERVER, level)
    _load(context, bearer)
    return context


def serving_clients_of(
    bearer: Bearer, trusted: Sequence[bytes], crls: Sequence[bytes] = (), *, whole: bool = True, level: int = _LEVEL
) -> ssl.SSLContext:
    """Return a server's side that lets in clients of the trusted CAs alone (DER), as httpd does.

    Where there are revocation lists (DER), they are asked about each certificate of a client's path, or, unless the
    `whole` path is wanted, about the client's own. Raises RefusedError where OpenSSL takes any of it not.
    """
    context = serving(bearer, level=level)
    context.verify_mode = ssl.CERT_REQUIRED
    _trust(context, trusted)
    if crls:
        try:
            with _lent(b"".join(der.pem("X509 CRL", one) for one in crls)) as path:
                context.load_verify_locations(cafile=path)
        except (ssl.SSLError, OSError) as error:
            raise RefusedError(_refusal(error)) from None
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN if whole else ssl.VERIFY_CRL_CHECK_LEAF
    return context


def trusting(
    trusted: Sequence[bytes], *, strict: bool = False, partial: bool = False, older: bool = False
) -> ssl.SSLContext:
    """Return a client's side that trusts these CAs (DER), and verifies as most clients do.

    A `strict` one refuses what breaks RFC 5280 in ways that most pass over; to a `partial` one an anchor need not be a
    root; an `older` one knows no TLS 1.3. Raises RefusedError where OpenSSL takes an anchor not.
    """
    context = _bare(ssl.PROTOCOL_TLS_CLIENT)
    if older:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    _trust(context, trusted)
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    if partial:
        context.verify_flags |= PARTIAL
    return context


def calling(bearer: Bearer, *, level: int = _LEVEL) -> ssl.SSLContext:
    """Return a client's side that presents the certificate, and takes any server for what it says it is."""
    context = _bare(ssl.PROTOCOL_TLS_CLIENT, level)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _load(context, bearer)
    return context


def meet(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = None) -> Refusal | None:
    """Let the two shake hands; return why not, or None if they do.

    The client verifies the name, unless there is none.
    """
    client.check_hostname = name is not None and client.verify_mode == ssl.CERT_REQUIRED
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        calling_side = client.wrap_bio(back, there, server_hostname=name)
    except ValueError as error:  # such as a label that is longer than any
        return _refusal(error)
    sides = [calling_side, server.wrap_bio(there, back, server_side=True)]
    for _flight in range(_FLIGHTS):
        for side in tuple(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except (ssl.SSLError, ssl.CertificateError, ValueError) as error:
                return _refusal(error)
            sides.remove(side)
        if not sides:
            return None
    return Refusal(0, "the handshake does not end")


def _bare(protocol: int, level: int = _LEVEL) -> ssl.SSLContext:
    """Return a context that depends neither on the version of Python nor on openssl.cnf for what it verifies."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"DEFAULT@SECLEVEL={level}")
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
    return context


def _load(context: ssl.SSLContext, bearer: Bearer) -> None:
    try:
        with _lent(bearer.certificate) as certificate, _lent(bearer.private_key) as key:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise RefusedError(_refusal(error)) from None


def _no_passphrase() -> bytes:
    return b""  # else a key that turns out to be encrypted asks at the terminal


def _trust(context: ssl.SSLContext, trusted: Sequence[bytes]) -> None:
    if not trusted:
        return
    try:
        context.load_verify_locations(cadata=b"".join(dict.fromkeys(trusted)))
    except (ssl.SSLError, ValueError) as error:
        raise RefusedError(_refusal(error)) from None


def _refusal(error: Exception) -> Refusal:
    number = getattr(error, "verify_code", 0) or 0
    words = getattr(error, "verify_message", "") or (getattr(error, "reason", "") or "").replace("_", " ").lower()
    return Refusal(int(number), str(words or error)[:200])
