# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests share: the collection where Python and Ansible find it, a site's material, a running httpd."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# They stand beside the demo, which must do without the tests. Tests import them by these names too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "playbooks" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from demo_material import CHAT_CA_FILE, CHAT_CA_NAME, Authority, Issued, write, zipped
from embedded_httpd import EmbeddedHttpd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLLECTION = Path(__file__).resolve().parents[1]
DOMAIN = "www.example.com"

_scratch = tempfile.TemporaryDirectory(prefix="mtls-")


def _collections_path() -> Path:
    """Return the folder that has this tree as ansible_collections/mtls/httpd, by a link where it lies elsewhere."""
    if COLLECTION.parts[-3:] == ("ansible_collections", "mtls", "httpd"):
        return COLLECTION.parents[2]
    link = Path(_scratch.name) / "ansible_collections" / "mtls" / "httpd"
    link.parent.mkdir(parents=True)
    link.symlink_to(COLLECTION)
    return Path(_scratch.name)


COLLECTIONS_PATH = _collections_path()
sys.path.insert(0, str(COLLECTIONS_PATH))


@dataclass(frozen=True)
class SiteMaterial:
    """The files of one site in `folder`, and who made them."""

    folder: Path
    domain: str
    public: Authority  # the intermediate that issued the server's certificate
    root: Authority
    chat: Authority  # the client CA
    server: Issued
    client: Issued  # of the client CA
    stranger: Issued  # of another CA with the same name

    @property
    def site(self) -> dict[str, object]:
        """The site as an operator would write it for the role, with the paths in it."""
        return {
            "domain": self.domain,
            "certificate": f"{self.folder}/{self.domain}.crt",
            "private_key": f"{self.folder}/{self.domain}.key",
            "chain": f"{self.folder}/{self.domain}.chain.crt",
            "client_ca": [f"{self.folder}/{CHAT_CA_FILE}.zip"],
            "trust_anchors": [f"{self.folder}/root-ca.crt"],
        }

    def put(self, server: Issued) -> None:
        """Write another certificate and key of the server's over the present ones, as a renewal does."""
        write(self.folder, f"{self.domain}.crt", server.pem)
        write(self.folder, f"{self.domain}.key", server.key_pem)
        write(self.folder, f"{self.domain}.chain.crt", server.chain_pem)


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """Return the folder to set as ANSIBLE_COLLECTIONS_PATH."""
    return COLLECTIONS_PATH


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Make a scratch folder with a short path that other users may enter: pytest's own is long and private."""
    with tempfile.TemporaryDirectory(prefix="m") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def embedded(short_path: Path) -> Iterator[EmbeddedHttpd]:
    """Start an httpd of its own, on a free port."""
    httpd = EmbeddedHttpd(short_path / "httpd")
    try:
        httpd.start()
        yield httpd
    finally:
        httpd.stop()


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Make a root authority."""
    return Authority("Test Root CA")


@pytest.fixture(scope="session")
def make_material() -> Callable[[Path], SiteMaterial]:
    """Return what makes sound material in a folder, for fixtures that last longer than a test."""
    return _made


@pytest.fixture
def site_material(tmp_path: Path) -> SiteMaterial:
    """Make sound material of www.example.com."""
    return _made(tmp_path / "files")


def _made(folder: Path) -> SiteMaterial:
    """Make sound material in `folder`: case 1 of the reference page, with an intermediate and a private root."""
    root = Authority("Test Root CA")
    public = Authority("Test Issuing CA", issuer=root, path_length=0)
    chat = Authority(CHAT_CA_NAME)
    material = SiteMaterial(
        folder=folder,
        domain=DOMAIN,
        public=public,
        root=root,
        chat=chat,
        server=public.issue(DOMAIN),
        client=chat.issue(client=True, common_name="Chat"),
        stranger=Authority(CHAT_CA_NAME).issue(client=True, common_name="Chat"),
    )
    material.put(material.server)
    write(material.folder, "root-ca.crt", root.pem)
    write(material.folder, f"{CHAT_CA_FILE}.zip", zipped(CHAT_CA_FILE, chat.pem))
    return material
