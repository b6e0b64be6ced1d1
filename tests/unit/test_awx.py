# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/awx/ has to import asks for variables that the playbooks have, in forms that AWX takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AWX = ROOT / "docs" / "awx"
SURVEYS = {path.stem: json.loads(path.read_text()) for path in sorted(AWX.glob("surveys/*.json"))}
QUESTIONS = [(name, question) for name, survey in SURVEYS.items() for question in survey["spec"]]
CREDENTIAL: dict[str, Any] = json.loads((AWX / "credential_type.json").read_text())


def told_by(playbook: str) -> dict[str, str]:
    """Return the variables that the head of a playbook tells of, each with what it says."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text()
    return dict(re.findall(rf"^#   ({playbook}_\w+) +(.+)$", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("playbook", "question"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else value["variable"]
)
def test_a_survey_asks_for_what_its_playbook_has(playbook: str, question: dict[str, Any]) -> None:
    assert question["variable"] in told_by(playbook)


@pytest.mark.parametrize(
    ("playbook", "question"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else value["variable"]
)
def test_a_question_is_one_that_awx_takes(playbook: str, question: dict[str, Any]) -> None:
    assert question.keys() == {
        *("question_name", "question_description", "required", "type", "variable", "min", "max", "default", "choices")
    }
    assert question["type"] in {"text", "textarea", "integer", "multiplechoice"}
    assert isinstance(question["default"], int if question["type"] == "integer" else str)
    if question["type"] == "multiplechoice":
        assert question["default"] in question["choices"]
    assert "required" not in told_by(playbook)[question["variable"]].rpartition(";")[2] or question["required"]


def test_a_default_of_a_survey_is_that_of_the_playbook() -> None:
    shown = [(name, question) for name, question in QUESTIONS if question["default"] != ""]
    assert shown
    for name, question in shown:
        assert told_by(name)[question["variable"]].endswith(f"({question['default']})")


def test_the_credential_hides_the_key_and_gives_all_that_it_is_given() -> None:
    fields = {field["id"]: field for field in CREDENTIAL["inputs"]["fields"]}
    assert [name for name, field in fields.items() if field.get("secret")] == ["private_key", "passphrase"]
    assert set(CREDENTIAL["inputs"]["required"]) <= fields.keys()
    injected = json.dumps(CREDENTIAL["injectors"])
    used = set(re.findall(r"{{ (?:tower\.filename\.)?(\w+) }}", injected))
    assert used == fields.keys()
    files = {name.removeprefix("template.") for name in CREDENTIAL["injectors"]["file"]}
    assert set(re.findall(r"tower\.filename\.(\w+)", injected)) == files


def test_the_page_uses_each_variable_of_the_credential_and_names_each_file() -> None:
    page = (ROOT / "docs" / "awx.md").read_text()
    for name in CREDENTIAL["injectors"]["extra_vars"]:
        assert name in page
    for path in AWX.glob("**/*.*"):
        assert f"(awx/{path.relative_to(AWX).as_posix()})" in page
