# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the tables of docs/verdict.md anew: the codes from the code, the rest from what the tests are made of.

PYTHONPATH must lead to the collection; tests/unit/test_verdict_page.py says when this is due, and how it is run.
"""

from __future__ import annotations

import importlib
import re
import runpy
import sys
from pathlib import Path

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import CODES, SITE_CODES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "verdict.md"
_HEAD = "| code | severity | meaning |\n| --- | --- | --- |"


def tables() -> dict[str, str]:
    """Return each table by the name of its marker in the page."""
    codes, site_codes = (
        "\n".join([_HEAD, *[f"| `{code}` | {severity} | {meaning} |" for code, (severity, meaning) in table.items()]])
        for table in (CODES, SITE_CODES)
    )
    cases = runpy.run_path(str(ROOT / "tests/unit/plugins/module_utils/test_domain.py"))["CASES"]
    domains = [f"| {name} | `{_shown(domain)}` | {_verdict(rules)} |" for name, domain, rules in cases]
    sys.path[:0] = [str(ROOT / "playbooks" / "files"), str(ROOT / "tests" / "support")]
    odd = [
        f"| {case.name} | {case.source} | {_word(case.sound)} | {_word(case.accepted)} | {case.differs} |"
        for case in importlib.import_module("odd_certificates").CASES
        if case.differs
    ]
    return {
        "differences": "\n".join(
            ["| case | source | there | here | because |", "| --- | --- | --- | --- | --- |", *odd]
        ),
        "codes": codes,
        "site-codes": site_codes,
        "domains": "\n".join(["| case | domain | verdict |", "| --- | --- | --- |", *domains]),
    }


def renewed(page: str) -> str:
    """Return the page with its tables made anew."""
    for name, table in tables().items():
        marks = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page = marks.sub(lambda found, table=table: found[1] + table + "\n" + found[2], page)
    return page


def _word(sound: bool) -> str:
    return "sound" if sound else "refused"


def _shown(domain: str) -> str:
    text = "".join(c if c.isascii() and c.isprintable() else f"<U+{ord(c):04X}>" for c in domain)
    return text if len(text) < 60 else f"{text[:10]}… ({len(domain)} characters)"


def _verdict(rules: list[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in dict.fromkeys(rules)) or "fine"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
