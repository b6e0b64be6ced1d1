# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the README shows is run."""

from __future__ import annotations

import fnmatch
import io
import json
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from demo_material import CHAT_CA_FILE, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LocalOperator

README = Path(__file__).resolve().parents[2] / "README.md"
PLAYBOOKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)]
ANSWER = {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""}
CALLBACK = (
    "/?SdkAppid=1400000000&CallbackCommand=Group.CallbackAfterSendMsg&contenttype=json"
    "&ClientIP=192.0.2.1&OptPlatform=RESTAPI"
)


class Backend(BaseHTTPRequestHandler):
    """Answers as Chat wants it, if it was called as Chat calls."""

    def do_POST(self) -> None:
        """Answer with OK, or with 400 where path or body did not get through as they were sent."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sound = self.path == CALLBACK and body["CallbackCommand"] == "Group.CallbackAfterSendMsg"
        self.send_response(200 if sound else 400)
        self.end_headers()
        self.wfile.write(json.dumps(ANSWER).encode())

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def backend() -> Iterator[int]:
    """Run the backend, and return its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def lay_files_beside_the_playbook(operator: LocalOperator) -> None:
    """Put what the README tells one to put into files/."""
    material = operator.material
    files = operator.folder / "files"
    for path in material.folder.iterdir():
        write(files, path.name, path.read_bytes())
    issued = material.chat.issue(material.domain)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{material.domain}.crt", issued.pem)
        archive.writestr(f"{material.domain}.key", issued.key_pem)
    write(files, f"{material.domain}.zip", packed.getvalue())
    assert (files / f"{CHAT_CA_FILE}.zip").exists()


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=["certificate of one's own", "issued by Chat"])
def test_a_playbook_of_the_readme_brings_chats_webhooks_to_the_backend(
    operator: LocalOperator, backend: int, playbook: list[dict[str, Any]]
) -> None:
    lay_files_beside_the_playbook(operator)
    [play] = playbook
    [role] = play["roles"]
    [site] = role["mutual_tls_sites"]
    # What the scratch server is different in from a host: its place, its ports, and a root that nobody else trusts.
    site |= {"port": operator.port, "listen": ["127.0.0.1"], "proxy_pass": f"http://127.0.0.1:{backend}/"}
    if site.get("issued_by") != "chat":
        site["trust_anchors"] = ["files/root-ca.crt"]
    variables = {key: value for key, value in operator.variables.items() if key != "mutual_tls_sites"}
    operator.deploy(plays=[play | {"hosts": "webhook", "become": False, "vars": variables}])
    body = json.dumps({"CallbackCommand": "Group.CallbackAfterSendMsg"})
    assert operator.post(operator.material.client, CALLBACK, body) == ANSWER


def test_the_artifact_of_the_readme_is_what_is_built_whatever_its_version() -> None:
    manifest = README.with_name("MANIFEST.json")  # where the collection is installed
    about = (
        json.loads(manifest.read_text())["collection_info"]
        if manifest.exists()
        else yaml.safe_load(README.with_name("galaxy.yml").read_text())
    )
    name = "{namespace}-{name}-{version}.tar.gz".format(**about)
    found = re.search(r"ansible-galaxy collection install build/artifact/(\S+)", README.read_text())
    assert found
    assert fnmatch.fnmatch(name, found[1])
