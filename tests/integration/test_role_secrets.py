# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private key appears nowhere but in its own file: searched for in every form that it could have."""

from __future__ import annotations

import base64
import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from demo_material import key_pem, new_key, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LocalOperator
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LARGEST = 16 << 20


def inside_base64(secret: bytes) -> list[bytes]:
    """Return the texts one of which a base64 has that encodes `secret` somewhere."""
    return [base64.b64encode(secret[offset:])[:-4] for offset in range(3)]


def traces(key: EllipticCurvePrivateKey) -> list[bytes]:
    """Return what betrays `key`: its number, raw, in hex and in base64, and what its PEM becomes in another base64."""
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    kinds = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    pems = [key.private_bytes(Encoding.PEM, kind, NoEncryption()) for kind in kinds]
    # Lines with bytes of the number in them; what follows it is the public key.
    twice = [*inside_base64(pems[0].split(b"\n")[2][:24]), *inside_base64(pems[1].split(b"\n")[1][12:52])]
    return [secret, secret.hex().encode(), *inside_base64(secret), *twice]


def leaks(key: EllipticCurvePrivateKey, where: bytes) -> bool:
    """Return whether `where` has a trace of `key`, also with its lines cut and quoted in whatever way."""
    joined = re.sub(rb"(?:\\[nr]|[\s'\"\\:])+", b"", where)
    return any(trace in where or trace in joined for trace in traces(key))


def written_since(moment: float, *roots: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files below `roots` that were written after `moment` (seconds since the epoch), with their content."""
    for root in roots:
        for path in (Path(folder, name) for folder, names in on_one_device(root) for name in names):
            with suppress(OSError):  # other programs' files come and go
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_mtime >= moment and status.st_size < LARGEST:
                    yield path, path.read_bytes()


def on_one_device(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Walk the folders below `root`, but for other file systems: a container's /proc never ends."""
    device = root.stat().st_dev
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if _device(folder, name) == device]
        yield folder, names


def _device(folder: str, name: str) -> int:
    with suppress(OSError):
        return Path(folder, name).lstat().st_dev
    return -1


@pytest.fixture
def key(operator: LocalOperator) -> EllipticCurvePrivateKey:
    """Return the private key of the site, which a run must not betray."""
    server = operator.material.public.issue(operator.material.domain)
    operator.material.put(server)
    assert leaks(server.key, Path(operator.site["private_key"]).read_bytes()), "the search finds what it searches for"
    assert leaks(server.key, base64.b64encode(b"x" + server.key_pem)), "also in base64"
    assert not leaks(server.key, server.full_pem), "and not the certificate"
    return server.key


def assert_kept(operator: LocalOperator, key: EllipticCurvePrivateKey, begin: float, output: str) -> None:
    """Assert that since `begin` the key was shown nowhere, and written only where keys belong."""
    assert not leaks(key, output.encode()), "in the output"
    given = (operator.material.folder, operator.folder / "site.yml")
    store = operator.httpd.root / "conf" / "mtls"
    places = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/var/log"), operator.folder.parent}
    for path, content in written_since(begin, *places):
        own = path.is_relative_to(store) and path.name == f"{operator.material.domain}.key"
        if not own and not any(path.is_relative_to(place) for place in given):
            assert not leaks(key, content), path


def test_a_deployment_keeps_the_key(operator: LocalOperator, key: EllipticCurvePrivateKey) -> None:
    begin = time.time() - 1
    output = operator.deploy("-vvvv", "--diff").output + operator.deploy("-vvvv", "--check", "--diff").output
    assert_kept(operator, key, begin, output)


def test_a_deployment_without_pipelining_keeps_the_key(operator: LocalOperator, key: EllipticCurvePrivateKey) -> None:
    begin = time.time() - 1
    operator.environment["ANSIBLE_PIPELINING"] = "0"
    assert_kept(operator, key, begin, operator.deploy("-vvvv", "--diff").output)


def test_a_key_given_inline_is_kept(operator: LocalOperator, key: EllipticCurvePrivateKey) -> None:
    begin = time.time() - 1
    site = operator.site | {"private_key_content": key_pem(key).decode()}
    del site["private_key"]
    output = operator.deploy("-vvvv", "--diff", mutual_tls_sites=[site]).output
    assert_kept(operator, key, begin, output)


def test_a_renewal_keeps_the_old_key_and_the_new(operator: LocalOperator, key: EllipticCurvePrivateKey) -> None:
    operator.deploy()
    begin = time.time() - 1
    renewed = operator.material.public.issue(operator.material.domain)
    operator.material.put(renewed)
    output = operator.deploy("-vvvv", "--diff").output
    assert_kept(operator, key, begin, output)
    assert_kept(operator, renewed.key, begin, output)


def test_a_refused_run_keeps_the_key(operator: LocalOperator, key: EllipticCurvePrivateKey) -> None:
    begin = time.time() - 1
    write(operator.material.folder, "other.key", key_pem(new_key()))
    mismatched = operator.site | {"private_key": f"{operator.material.folder}/other.key"}
    opened = operator.site | {"extra_directives": "SSLVerifyClient none"}
    for site in (mismatched, opened):
        assert_kept(operator, key, begin, operator.refused("-vvvv", "--diff", mutual_tls_sites=[site]).output)


# Where a hurried operator could paste a key: misspelt, under an option of a site, or under a variable of the role.
# fmt: off
SITE_OPTIONS = (
    "private_key_contents", "certificate", "certificate_content", "private_key", "chain",
    "client_ca", "client_ca_content", "client_ca_sha256", "domain", "aliases", "port", "listen", "verify_client",
    "verify_depth", "extra_directives", "proxy_pass", "document_root", "issued_by", "template", "state",
)
ROLE_VARIABLES = (
    "mutual_tls_sites", "mutual_tls_httpd_binary", "mutual_tls_httpd_config", "mutual_tls_service_state",
    "mutual_tls_warn_days", "mutual_tls_install", "mutual_tls_confirm", "mutual_tls_confirm_address",
    "mutual_tls_confirm_certificate", "mutual_tls_confirm_key",
)
# fmt: on


@pytest.mark.parametrize("option", SITE_OPTIONS)
def test_a_key_under_the_wrong_option_of_a_site_is_refused_and_kept(
    operator: LocalOperator, key: EllipticCurvePrivateKey, option: str
) -> None:
    begin = time.time() - 1
    sites = [operator.site | {option: key_pem(key).decode()}]
    output = operator.refused("-vvvv", "--diff", mutual_tls_sites=sites).output
    assert_kept(operator, key, begin, output)
    assert option.removesuffix("s") in output


@pytest.mark.parametrize("variable", ROLE_VARIABLES)
def test_a_key_under_the_wrong_variable_of_the_role_is_kept(
    operator: LocalOperator, key: EllipticCurvePrivateKey, variable: str
) -> None:
    begin = time.time() - 1
    output = operator.play("-vvvv", "--diff", **{variable: key_pem(key).decode()}).output
    assert_kept(operator, key, begin, output)


def test_a_key_in_the_place_of_a_site_is_refused_and_kept(
    operator: LocalOperator, key: EllipticCurvePrivateKey
) -> None:
    begin = time.time() - 1
    output = operator.refused("-vvvv", "--diff", mutual_tls_sites=[key_pem(key).decode()]).output
    assert_kept(operator, key, begin, output)
