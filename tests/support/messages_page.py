# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print docs/messages.md, made of the tables of codes in the source: those of faults, and those of findings."""

from __future__ import annotations

import runpy
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

PAGE = """\
<!--
Copyright (c) 2026, mtls.httpd contributors
GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

<!-- Made by `make generate` of the tables of codes in the source. -->

# What a code means, and what to do

If a run of the role or of `mtls.httpd.sites` fails, its result says why as data. Reasons on the host are in `faults`,
each with `code`, `domain` (empty for the host as a whole), `message` and `remedy`. What is wrong with the material is
in `findings`. The codes stay the same and the words may change, so decide by codes:

```yaml
- name: Deploy, and go on where only a port is taken
  hosts: webhooks
  tasks:
    - name: Deploy
      block:
        - name: Serve the sites
          ansible.builtin.include_role:
            name: mtls.httpd.mutual_tls
      rescue:
        - name: Stop for any other reason
          ansible.builtin.assert:
            that: >-
              ansible_failed_result.faults | default([]) | map(attribute='code') | unique == ['port-taken']
```

The `remedy` of a fault or finding says what to do in its own case. This page says what each code means in general.

## Faults of a host

The end of the task's message says whether anything was touched: "Nothing was touched", "The old state is back", or what
you have to see to.

{faults}

## Findings on the material

An error fails the task before anything is sent; a warning does not. [The verdict](verdict.md) says what is judged.

{findings}

## Findings on a site

{site_findings}

## What a look at a fleet shows

{fleet_words}

{fleet}
"""

FLEET = (
    "`mtls.httpd.status` reports these and the faults above, each as critical or as a warning. Every fault is critical "
    "there except {minor}: these cost no callback and let nobody in."
)


def page() -> str:
    """Return the page."""
    faults = _read("module_utils/_machine/fault.py")["CODES"]
    findings = _read("module_utils/_verdict/findings.py")
    remedies = _read("module_utils/_verdict/code_remedies.py")["REMEDIES"]
    fleet = _read("plugin_utils/_fleet/codes.py")
    return PAGE.format(
        faults=_table(("code", "what is wrong", "what to do"), ((f"`{code}`", *told) for code, told in faults.items())),
        fleet_words=textwrap.fill(FLEET.format(minor=", ".join(f"`{code}`" for code in sorted(fleet["MINOR"]))), 120),
        fleet=_table(
            ("code", "severity", "what is wrong", "what to do"),
            ((f"`{code}`", *told) for code, told in fleet["CODES"].items()),
        ),
        **{
            name: _table(
                ("code", "severity", "what is wrong", "what to do"),
                ((f"`{code}`", *told, remedies[code]) for code, told in findings[table].items()),
            )
            for name, table in (("findings", "CODES"), ("site_findings", "SITE_CODES"))
        },
    )


def _read(path: str) -> dict[str, Any]:
    """Return the names of a file that imports nothing of the collection."""
    return runpy.run_path(str(PLUGINS / path))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *map(tuple, rows)]
    lines.insert(1, ("---",) * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
