# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print docs/options.md, the options of a site and of a run, made of what argument_specs.yml is made of."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from argument_specs import PREFIX, documented_options

PAGE = """\
<!-- Made by `make generate` of the documentation of mtls.httpd.sites and of tests/support/argument_specs.py. -->

# The options

`ansible-doc -t role mtls.httpd.mutual_tls` shows the same. The variables of a run begin with `mutual_tls_`; the options
of the module `mtls.httpd.sites` have the same names without it.

## Of a site

Each entry of `mutual_tls_sites` takes these. Only `domain` is always needed.

{site}

## Of a run

If a host has several httpd, `module_defaults` says for all tasks of a play which one is meant. The group
`mtls.httpd.server` has the modules `sites`, `site_info`, `server_info`, `release_info` and `caller_info`:

```yaml
- name: Look at the httpd of the application, not at the distribution's
  hosts: webhooks
  module_defaults:
    group/mtls.httpd.server:
      httpd_binary: /opt/application/bin/httpd
  tasks:
    - name: Ask it
      mtls.httpd.server_info:
```

{run}
"""
_MARKUP = re.compile(r"(O|V|C|RV|M|B|I|P|U|E)\(((?:\\.|[^()\\]|\([^()]*\))*)\)")


def page() -> str:
    """Return the page."""
    options = documented_options()
    sites = options.pop("sites")["suboptions"]
    return PAGE.format(
        site="\n\n".join(_told(name, option) for name, option in sites.items()),
        run="\n\n".join(_told(PREFIX + name, option) for name, option in options.items()),
    )


def _told(name: str, option: dict[str, Any]) -> str:
    """Return the part of the page on one option."""
    kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
    facts = [kind + (", required" if option.get("required") else "")]
    if "choices" in option:
        facts.append("one of " + ", ".join(f"`{choice}`" for choice in option["choices"]))
    if option.get("default") not in (None, [], {}):
        shown = option["default"]
        facts.append(f"default `{str(shown).lower() if isinstance(shown, bool) else shown}`")
    if "aliases" in option:
        facts.append("also called " + ", ".join(f"`{alias}`" for alias in option["aliases"]))
    lines = [f"### `{name}`", "", f"Type: {'; '.join(facts)}", "", *map(_item, option["description"])]
    for suboption, about in option.get("suboptions", {}).items():
        lines.append(_item(f"C({suboption}) ({about['type']}): " + " ".join(about["description"])))
    return "\n".join(lines)


def _item(text: str) -> str:
    words = " ".join(_plain(text).split())
    return textwrap.fill(
        words, 120, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _plain(text: str) -> str:
    """Return Ansible's markup as Markdown."""
    return _MARKUP.sub(_as_markdown, text).replace("\\)", ")").replace("\\\\", "\\")


def _as_markdown(markup: re.Match[str]) -> str:
    kind, words = markup[1], markup[2].replace("\\", "")
    if kind in "BI":
        return f"**{words}**" if kind == "B" else f"*{words}*"
    if kind == "U":
        return f"<{words}>"
    name = words.rpartition("#module:")[2] if kind == "RV" else words
    if kind == "O":
        name = PREFIX + name if name == "sites" else re.sub(rf"^({PREFIX})?sites\[\]\.", "", name)
    return f"`{name}`"


if __name__ == "__main__":
    sys.stdout.write(page())
