# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/options.md and docs/pictures are made, not written, and each page is found from the index."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
OPTIONS = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
SPECIFICATION = yaml.safe_load((ROOT / "roles" / "mutual_tls" / "meta" / "argument_specs.yml").read_text())
ROLE = SPECIFICATION["argument_specs"]["main"]["options"]
INDEX = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


def test_the_options_are_what_the_generator_makes_of_the_modules_documentation() -> None:
    program = [sys.executable, SUPPORT / "options_page.py"]
    made = subprocess.run(program, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    assert made == OPTIONS, "run `make generate`"


def test_every_option_of_a_site_and_of_the_role_is_on_the_page() -> None:
    told = re.findall(r"^### `(\w+)`$", OPTIONS, re.MULTILINE)
    assert told == [*ROLE["mutual_tls_sites"]["options"], *(name for name in ROLE if name != "mutual_tls_sites")]


def test_no_markup_of_ansible_is_left_on_the_page() -> None:
    assert re.findall(r"\b(?:O|V|C|RV|M|B|I|P|U|E)\([^)]*\)", OPTIONS) == []


def test_what_is_true_of_a_types_validator_is_not_told_to_who_only_reads() -> None:
    true = runpy.run_path(str(SUPPORT / "argument_specs.py"))["argument_specs"](true_types=True)
    options = true["argument_specs"]["main"]["options"]
    assert options.keys() == ROLE.keys()
    assert (options["mutual_tls_sites"]["type"], options["mutual_tls_sites"]["elements"]) == ("list", "dict")
    assert "raw" not in {option["type"] for option in options.values()}


def test_the_pictures_are_what_the_script_draws(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SUPPORT / "pictures.py", tmp_path / "pictures"], check=True)
    for each in ("fleet_costs.py", "growth_costs.py"):
        subprocess.run([sys.executable, SUPPORT / each, tmp_path], check=True)
    pages = {path.name: path.read_text() for path in tmp_path.glob("*.md")}
    assert pages == {name: (ROOT / "docs" / name).read_text() for name in pages}, "run `make generate`"
    made = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    kept = {path.name: path.read_bytes() for path in (ROOT / "docs" / "pictures").iterdir()}
    assert made == kept, "run `make generate`"


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_says_what_it_shows_and_is_on_a_page(picture: Path) -> None:
    drawn = ElementTree.parse(picture).getroot()
    assert [len(drawn.findtext(f"{{*}}{name}", "")) > 5 for name in ("title", "desc")] == [True, True]
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    assert any(f"(pictures/{picture.name})" in page for page in pages)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("**/*.md")), ids=lambda path: path.stem)
def test_each_page_is_found_from_the_index(page: Path) -> None:
    name = page.relative_to(ROOT / "docs").as_posix()
    assert name == "README.md" or f"]({name})" in INDEX


def links() -> list[tuple[str, str]]:
    """Return each page, and where it leads within the repository."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")]
    return [
        (page.relative_to(ROOT).as_posix(), target)
        for page in sorted(pages)
        for target in re.findall(
            r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
        )
        if not re.match(r"[a-z]+:", target)
    ]


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_to_a_page_and_a_heading_that_are_there(page: str, target: str) -> None:
    name, _hash, heading = target.partition("#")
    there = (ROOT / page).parent / name if name else ROOT / page
    assert there.exists()
    if heading:
        headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        assert heading in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
