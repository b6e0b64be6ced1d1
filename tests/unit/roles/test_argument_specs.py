# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's argument specification is made, not written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

COLLECTION = Path(__file__).resolve().parents[3]
SPECIFICATION = COLLECTION / "roles" / "mutual_tls" / "meta" / "argument_specs.yml"


def types(options: dict[str, Any]) -> set[str]:
    """Return every type that occurs among the options and their suboptions."""
    nested = (types(option.get("options", {})) for option in options.values())
    return {option["type"] for option in options.values()}.union(*nested)


def test_the_specification_is_what_the_generator_makes_of_the_modules_documentation() -> None:
    program = [sys.executable, COLLECTION / "tests" / "support" / "argument_specs.py"]
    made = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert SPECIFICATION.read_text() == made, "run `make generate`"


def test_no_type_is_left_to_the_validator_that_prints_values() -> None:
    options = yaml.safe_load(SPECIFICATION.read_text())["argument_specs"]["main"]["options"]
    assert options.pop("mutual_tls_sites")["type"] == "list"
    assert types(options) == {"raw"}


def test_the_validator_does_not_apply_choices() -> None:
    assert "choices:" not in SPECIFICATION.read_text()
