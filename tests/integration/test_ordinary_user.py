# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ordinary user's own httpd, with the rights of that user alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from demo_material import Authority, key_pem, new_key
from embedded_httpd import EmbeddedHttpd, free_port
from host import COLLECTION, Host, fingerprint

from ansible_collections.mtls.httpd.plugins.module_utils._transaction import request

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes

AS_NOBODY = """\
import json, subprocess, sys
from dataclasses import replace
root, binary, port = sys.argv[1:4]
sys.path[:0] = [root, root + "/files"]
from pathlib import Path
from embedded_httpd import EmbeddedHttpd
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import unpacked
from ansible_collections.mtls.httpd.plugins.module_utils._handshake import client
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Question
requests = [unpacked(line.strip()) for line in sys.stdin]
httpd = EmbeddedHttpd(Path(root, "own"), binary=binary)
httpd.start()
told = []
try:
    for request in requests:
        try:
            report = run.carry_out(replace(request, binary=binary, config=str(httpd.conf), start=True))
            told.append([report.changed, report.rehearsal, report.rehearsal_reason])
        except run.Refused as refusal:
            told.append([str(refusal)])
        answers = [
            client.ask(Door("127.0.0.1", int(port)), Question("www.example.com", version, "none"), timeout=5)
            for version in ("TLSv1.2", "TLSv1.3")
        ]
        told[-1] += [[answer.result, answer.certificate_sha256] for answer in answers]
finally:
    httpd.stop()
print(json.dumps(told))
"""


# A network of its own, in which an ordinary user may listen on each port, as in many containers.
EACH_PORT = "ip link set lo up; sysctl -qw net.ipv4.ip_unprivileged_port_start=0; "
EACH_PORT += 'exec setpriv --reuid nobody --regid nogroup --clear-groups "$@"'


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
@pytest.mark.parametrize("port", [0, 443])
def test_an_ordinary_user_deploys_to_his_own_httpd(
    short_path: Path, authority: Authority, chat: Authority, probes: Probes, port: int
) -> None:
    shutil.copytree(
        COLLECTION / "plugins/module_utils", short_path / "ansible_collections/mtls/httpd/plugins/module_utils"
    )
    (short_path / "files").mkdir()
    shutil.copy(COLLECTION / "playbooks/files/embedded_httpd.py", short_path / "files")
    (short_path / "script.py").write_text(AS_NOBODY)
    (short_path / "roots").mkdir(mode=0o755)
    shutil.chown(short_path, "nobody")
    host = Host(EmbeddedHttpd(short_path / "own"), authority, chat, port or free_port(), probes)
    wish, bad = host.wish(), host.wish(key=key_pem(new_key()))
    unwritable = host.wish(access_log=str(short_path / "roots" / "site.log"))
    requests = [
        request.packed(request.Request((each,), probes, None, None, start=True, required=True, adopt=False, clock=0.0))
        for each in (wish, wish, bad, unwritable)
    ]
    words = ["/usr/bin/python3", "-B", short_path / "script.py", short_path, host.httpd.binary, str(host.port)]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", EACH_PORT, "sh", *words],
        input="\n".join(requests),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    served = ["refused", fingerprint(wish)]
    first, second, third, fourth = json.loads(done.stdout)
    assert first[0] is True
    assert first[1] == "full", first
    assert second[0] is False
    assert "do not match" in third[0]
    assert "roots/site.log could not be written by httpd" in fourth[0]
    assert first[-2:] == second[-2:] == third[-2:] == fourth[-2:] == [served, served]
