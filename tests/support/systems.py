# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The systems that are deployed to, and what a run found on each: docs/systems.md is made of it.

Each test of tests/faults that boots a host compares what it finds with `systems.json`. With RECORD=1 it writes that
down instead. Called as a program, this prints the page.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playing import Operator

RECORDED = Path(__file__).with_suffix(".json")
# What tests/faults calls a host, and what it is. What is set up alike has the layout alone of what is named.
SYSTEMS = {
    "debian11": "Debian 11, with its own httpd",
    "debian12": "Debian 12, with its own httpd",
    "debian13": "Debian 13, with its own httpd, installed by the role",
    "testing": "what Debian has next, with its own httpd",
    "rhel9-httpd": "RHEL 9 and its derivatives: the package's own files and units, `httpd@` instances",
    "redhat": "Fedora's and RHEL's layout, set up alike",
    "opensuse-apache2": "openSUSE and SLES: the package's own files",
    "suse": "SUSE's layout, set up alike, with `start_apache2`",
    "cpanel-ea4": "cPanel's EasyApache 4: the package's own files, and the main file that its templates make",
    "source": "httpd built from source in `/usr/local/apache2`, without a service manager",
    "process 1": "the same as process 1 of a container",
    "official image": "the layout of Docker's `httpd:2.4`: the workers own the prefix, logs on the container's output",
}

PAGE = """\
<!--
Copyright (c) 2026, mtls.httpd contributors
GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

<!-- Made by `make generate` of tests/support/systems.json, which the tests write and hold to. -->

# Systems that are deployed to

Each row is a host on which the tests deploy sites and remove them without a trace. The row says what a run found there.
**Only Debian itself is tested as it is.** The other rows have the file layout of another system, on Debian, with httpd
built from source. They do not have that system's own build of httpd, its package manager, or SELinux in force.

Ubuntu, RHEL and its derivatives, Amazon Linux, openSUSE and SLES themselves were not tried. The collection asks httpd
itself, its processes and its service manager there as well. The name of the distribution decides only which packages
the role installs.

{systems}

- *Rehearsal*: `full` if the kernel allows private namespaces, in which the whole configuration is started; otherwise,
  as in a container that may have none, `reduced` ([the transaction](transaction.md#when-the-rehearsal-is-reduced)).
- *Not to be had there*: what `limits` says for a site with `http2` and `ocsp_stapling`. The site works without them.
  The httpd that the tests build from source has no mod_http2; a build with it serves HTTP/2.
- In the layout of Docker's `httpd:2.4`, a site's logs go where the server's do (`access_log: server`, `error_log:
  server`). For logs of its own, root must own `/usr/local/apache2`.
- Ansible's controller: ansible-core 2.19 to 2.21, on Python 3.11 to 3.13. A host: Python 3.9 or newer.
  Tried by hand: a controller with Python 3.14, OpenSSL 3.6 and ansible-core 2.21, by unit tests and half of the others.
"""
_BY = {"pid-file": "nobody", "container": "the container"}
_HEAD = ("host", "on", "httpd", "OpenSSL", "Python", "supervised by", "rehearsal", "not to be had there")


def find_facts(operator: Operator, **variables: Any) -> dict[str, Any]:
    """Deploy the operator's one site, and return what is found of its host, as `systems.json` has it."""
    site = operator.site | {"http2": True, "ocsp_stapling": True}
    told = "{{ {'sites': done, 'info': info.server, 'system': system.stdout_lines} | to_json | b64encode }}"
    asking = ". /etc/os-release; echo \"$PRETTY_NAME\"; python3 -c 'import platform; print(platform.python_version())'"
    tasks = [
        {"mtls.httpd.sites": {"sites": [site], **variables}, "register": "done"},
        {"mtls.httpd.server_info": variables, "register": "info"},
        {"ansible.builtin.command": {"argv": ["sh", "-c", asking]}, "register": "system"},
        {"ansible.builtin.debug": {"msg": f"TOLD:{told}:"}},
    ]
    output = operator.deploy(plays=[{"tasks": tasks}]).output
    found = re.search(r"TOLD:([\w+/=]+):", output)
    assert found, output
    answer = json.loads(base64.b64decode(found[1]))
    sites, info, (system, python) = answer["sites"], answer["info"], answer["system"]
    return {
        "system": re.sub(r" \(.*", "", system).replace("GNU/Linux ", ""),
        "httpd": _series(info["version"]),
        "openssl": _series(info["openssl"]),
        "python": _series(python),
        "supervised_by": info["supervised_by"],
        "unit": info["unit"],
        "rehearsal": sites["rehearsal"],
        "reason": sites["rehearsal_reason"],
        # The reason of each names versions; what is of one site alone begins with its name.
        "limits": [each for each in (limit.partition(":")[0] for limit in sites["limits"]) if each != site["domain"]],
    }


def hold(name: str, facts: dict[str, Any]) -> None:
    """See that a host is as recorded; with RECORD set, record it."""
    recorded = json.loads(RECORDED.read_text())
    if os.environ.get("RECORD"):
        path = Path(os.environ["RECORD"])
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: facts}, indent=2, sort_keys=True) + "\n")
    else:
        assert facts == recorded[name], "record it anew by RECORD=tests/support/systems.json, then `make generate`"


def page() -> str:
    """Return the page."""
    recorded = json.loads(RECORDED.read_text())
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for name, title in SYSTEMS.items():
        facts = recorded[name]
        by = f"systemd, `{facts['unit']}`" if facts["unit"] else _BY[facts["supervised_by"]]
        limits = "; ".join(facts["limits"]) or "nothing"
        rehearsal = ": ".join(filter(None, (facts["rehearsal"], facts["reason"])))
        rows.append((title, facts["system"], facts["httpd"], facts["openssl"], facts["python"], by, rehearsal, limits))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return PAGE.format(systems=table)


def _series(version: str) -> str:
    """Return the first two numbers of a version: the third comes with each update."""
    found = re.search(r"\d+\.\d+", version)
    return found[0] if found else "?"


if __name__ == "__main__":
    sys.stdout.write(page())
