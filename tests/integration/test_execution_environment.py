# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An execution environment has what the collection needs, from the collection's own metadata."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

COLLECTION = Path(__file__).resolve().parents[2]
NEEDED = (COLLECTION / "meta" / "ee-requirements.txt").read_text().splitlines()[-1]


def test_ansible_builder_finds_what_the_collection_needs(tmp_path: Path) -> None:
    found = tmp_path / "python.txt"
    command = ["ansible-builder", "introspect", COLLECTION.parents[2], "--write-pip", found, "--sanitize"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    lines = found.read_text().splitlines()
    name, _sign, version = NEEDED.partition(" >= ")
    assert [line for line in lines if line.startswith(name) and version in line and "mtls.httpd" in line]


def test_the_definition_of_the_page_makes_a_container_file_with_the_collection(tmp_path: Path) -> None:
    definition = COLLECTION / "docs" / "awx" / "execution-environment.yml"
    command = ["ansible-builder", "create", "--file", definition, "--context", tmp_path / "context"]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    wanted = yaml.safe_load(next((tmp_path / "context" / "_build").glob("requirements.yml")).read_text())
    assert wanted == {"collections": [{"name": "mtls.httpd"}]}
    base = yaml.safe_load(definition.read_text())["images"]["base_image"]["name"]
    assert base in (tmp_path / "context" / "Containerfile").read_text()
