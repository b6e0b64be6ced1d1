# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the documentation site of the installed collection, into build/site/html.

Its pages are those of docs/ as they are, in the order of docs/README.md, and what antsibull-docs makes of plugins and
role. That is made of a copy in which each variable of the role has its true type (tests/support/argument_specs.py
says why the original has not), and the module that is not for playbooks is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from argument_specs import argument_specs

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "build" / "collections" / "ansible_collections" / "mtls" / "httpd"
SITE = ROOT / "build" / "site"
COPY = SITE / "collections" / "ansible_collections" / "mtls" / "httpd"
SOURCE = SITE / "source"
TITLE = "mtls.httpd"

SETTINGS = f"""\
project = "{TITLE}"
copyright = "mtls.httpd contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "furo"
html_title = "{TITLE}"
html_show_sphinx = False
html_theme_options = {{"navigation_with_keys": True}}
myst_heading_anchors = 4
myst_enable_extensions = []
highlight_language = "none"
pygments_style = "ansible"
# What core's documentation has and this site has not: it is named, and leads nowhere.
ELSEWHERE = (
    "action_plugins",
    "ansible_collections.ansible.",
    "ansible_collections.community.",
    "ansible_configuration_settings",
    "common_return_values",
    "list_of_collections",
)


def setup(app):
    from docutils import nodes

    def elsewhere(app, env, node, content):
        if str(node.get("reftarget", "")).startswith(ELSEWHERE):
            return nodes.inline("", content.astext())
        return None

    app.connect("missing-reference", elsewhere)
"""


def copied() -> None:
    """Make the copy that the documentation of plugins and role is made of."""
    shutil.copytree(INSTALLED, COPY)
    (COPY / "plugins" / "modules" / "transaction.py").unlink()
    specification = COPY / "roles" / "mutual_tls" / "meta" / "argument_specs.yml"
    specification.write_text(yaml.safe_dump(argument_specs(true_types=True)))
    if not yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]:
        (COPY / "docs" / "docsite" / "config.yml").unlink()  # before the first release there is no changelog to show
    metadata = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    if repository := metadata["repository"]:
        links = COPY / "docs" / "docsite" / "links.yml"
        told: dict[str, Any] = yaml.safe_load(links.read_text())
        told["extra_links"] = [{"description": "Report an issue", "url": f"{repository.rstrip('/')}/issues/new/choose"}]
        links.write_text(yaml.safe_dump(told))
    else:  # else its button would lead nowhere
        path = COPY / "MANIFEST.json"
        manifest = json.loads(path.read_text())
        del manifest["collection_info"]["repository"]
        path.write_text(json.dumps(manifest))


def index() -> str:
    """Return the first page: docs/README.md's lists, by reader, and what is generated."""
    parts = re.split(r"^## ", (ROOT / "docs" / "README.md").read_text(), flags=re.MULTILINE)[1:]
    trees = []
    for part in parts:
        caption, _end, text = part.partition("\n")
        pages = [f"/docs/{page}" for page in re.findall(r"\]\(([\w/.-]+)\.md\)", text)]
        pages = [page.replace("/docs/../", "/") for page in dict.fromkeys(pages)]
        trees.append((caption, pages))
    trees.append(("Reference", ["/collections/mtls/httpd/index"]))
    seen: set[str] = set()
    toctrees = []
    for caption, pages in trees:
        fresh = [page for page in pages if page not in seen]
        seen.update(fresh)
        toctrees.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *fresh, "```"]))
    lead = (ROOT / "README.md").read_text().partition("\n## ")[0].replace("](docs/", "](/docs/")
    lists = re.sub(r"\]\((?!\.\./)", "](/docs/", "## " + "## ".join(parts)).replace("](../", "](/")
    reference = "## Reference\n\n- [Role, modules, filters and tests](/collections/mtls/httpd/index.rst)\n"
    return "\n\n".join([lead, "![One run](/docs/pictures/transaction.svg)", lists, reference, *toctrees, ""])


def main() -> int:
    """Make the site, and return the exit code of the first step that fails."""
    if SITE.exists():
        shutil.rmtree(SITE)
    copied()
    SOURCE.mkdir()
    shutil.copytree(ROOT / "docs", SOURCE / "docs", ignore=shutil.ignore_patterns("docsite", "README.md"))
    for page in ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md"):
        text = (ROOT / page).read_text().replace("(docs/README.md)", "(index.md)")
        (SOURCE / page).write_text(("---\norphan: true\n---\n\n" if page != "CONTRIBUTING.md" else "") + text)
    (SOURCE / "index.md").write_text(index())
    (SOURCE / "conf.py").write_text(SETTINGS)
    plugins = ["antsibull-docs", "collection", "--use-current", "--fail-on-error", "--no-indexes", "--cleanup=no"]
    html = ["sphinx-build", "--builder=html", "--fail-on-warning", "--keep-going", "--quiet", SOURCE, SITE / "html"]
    environment = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(SITE / "collections")}
    for command in ([*plugins, f"--dest-dir={SOURCE}", "mtls.httpd"], html):
        done = subprocess.run(list(map(str, command)), env=environment, check=False)
        if done.returncode:
            return done.returncode
        for page in SOURCE.glob("collections/**/*.rst"):  # the theme has a table of contents beside each page
            page.write_text(re.sub(r"^\.\. contents::\n(?: +.*\n)*", "", page.read_text(), flags=re.MULTILINE))
    sys.stdout.write(f"The site is {SITE / 'html' / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
