# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's template makes of what it is given."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from ansible.errors import AnsibleError
from ansible.parsing.vault import is_encrypted
from ansible.template import trust_as_template

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_beside
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.variables import template_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible.plugins.action import ActionBase
    from jinja2.bccache import Bucket

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.gathering import Gathered

_FOLDER = Path(__file__).parents[3] / "roles" / "mutual_tls" / "templates"


class _Kept(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates; what cannot be written is compiled in each run."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write one of them."""
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


_KEPT = kept_beside(__file__)
# The role's own are rendered without the operator's variables, and compiled here: by Ansible's parent process, so that
# not each host's worker compiles them anew, and once for all runs. Their values are data, and no template once more.
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=jinja2.select_autoescape(default=False),
    bytecode_cache=_Kept(str(_KEPT)) if _KEPT else None,
)
_ENVIRONMENT.filters["mtls.httpd.quoted"] = quoting.directive
for _name in sorted(path.name for path in _FOLDER.glob("*.j2")):
    _ENVIRONMENT.get_template(_name)
# By the option `manage`.
TEMPLATES = {
    "virtual_host": _ENVIRONMENT.get_template("site.conf.j2"),
    "directives": _ENVIRONMENT.get_template("directives.conf.j2"),
}


class Renderer:
    """Renders sites, with RELEASE for the folder of each one's release: an operator's template as Ansible does."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any]) -> None:
        self._action = action
        self._task_vars = task_vars

    def render(self, sites: Sequence[Gathered]) -> dict[str, str]:
        """Return each domain's virtual host. Raises ArgumentsError where a template cannot be had or rendered."""
        found: dict[str, str] = {}
        wrong: list[str] = []
        for site, variables in ((each.site, template_variables(each.site, each.pins)) for each in sites):
            try:
                if site.template:
                    found[site.domain] = self._render_own(self._find_template(site.domain, site.template), variables)
                else:
                    found[site.domain] = TEMPLATES[site.manage].render(variables)
            except ArgumentsError as error:
                wrong += error.messages
            except quoting.NotQuotable as error:
                reason = f"a value cannot stand in httpd's configuration: {error}"
                wrong.append(_cannot_be_rendered(site.domain, str(TEMPLATES[site.manage].name), reason))
        if wrong:
            raise ArgumentsError(wrong)
        return found

    def _find_template(self, domain: str, template: str) -> Path:
        """Return where the operator's own template lies. Raises ArgumentsError where that is nowhere, or is vaulted."""
        try:
            found: str = self._action._find_needle("templates", template)
        except AnsibleError:
            message = f"{domain}: the file that the option 'template' names is not found. Give its path."
            raise ArgumentsError([message]) from None
        with contextlib.suppress(OSError), open(found, "rb") as stream:  # What cannot be read is told when it is.
            if is_encrypted(stream.read(64)):
                message = (
                    f"{domain}: the file that the option 'template' names is vaulted, and what it renders to "
                    "would be readable by all users of the host, in diffs, and in httpd's words. Give one that holds "
                    "no secret, and let its directives name a file on the host that does."
                )
                raise ArgumentsError([message])
        return Path(found)

    def _render_own(self, path: Path, variables: Mapping[str, Any]) -> str:
        """Return the text of an operator's template. Raises ArgumentsError where it cannot be had."""
        try:
            text = self._action._loader.get_text_file_contents(str(path))
            templar = self._action._templar.copy_with_new_env(
                searchpath=[str(path.parent)], available_variables={**self._task_vars, **variables}
            )
            rendered: str = templar.template(
                trust_as_template(text),
                escape_backslashes=False,
                overrides={"trim_blocks": True, "lstrip_blocks": False, "keep_trailing_newline": True},
            )
            return str(rendered)
        except AnsibleError as error:
            reason = str(error.message if hasattr(error, "message") else error).splitlines()[0]
            raise ArgumentsError([_cannot_be_rendered(variables["domain"], path.name, reason)]) from None


def _cannot_be_rendered(domain: str, template: str, reason: str) -> str:
    return f"{domain}: the template {template} cannot be rendered: {reason}"
