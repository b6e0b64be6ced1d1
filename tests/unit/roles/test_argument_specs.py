# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's argument specification is made, not written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

COLLECTION = Path(__file__).resolve().parents[3]
SPECIFICATION = COLLECTION / "roles" / "mutual_tls" / "meta" / "argument_specs.yml"


def test_the_specification_is_what_the_generator_makes_of_the_modules_documentation() -> None:
    program = [sys.executable, COLLECTION / "tests" / "support" / "argument_specs.py"]
    made = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert SPECIFICATION.read_text() == made, "run `make generate`"


def options() -> dict[str, Any]:
    """Return the variables of the role."""
    found: dict[str, Any] = yaml.safe_load(SPECIFICATION.read_text())["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("value", ["PRIVATE", ["PRIVATE"], {"PRIVATE": "PRIVATE"}, 5, None])
def test_whatever_stands_in_a_variable_ansibles_validator_says_nothing(value: Any) -> None:
    for given in (dict.fromkeys(options(), value), {"mutual_tls_sites": [dict.fromkeys(SITE, value)]}, {}):
        found = ArgumentSpecValidator(options()).validate(given, validate_role_argument_spec=True)
        assert found.error_messages == []


SITE = options()["mutual_tls_sites"]["options"]


def test_the_documentation_of_the_role_shows_the_types_of_a_sites_options() -> None:
    shown = {name: (option["type"], option.get("choices")) for name, option in SITE.items()}
    assert shown["port"] == ("int", None)
    assert shown["verify_client"] == ("str", ["require", "optional", "optional_no_ca"])
    assert "raw" not in {kind for kind, _choices in shown.values()}
