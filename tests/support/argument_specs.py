# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the role's meta/argument_specs.yml, made of the documentation of the module `sites`.

The role's own variables stand here, and nowhere else. Most are `raw`, with the type in words: Ansible's validator
prints a value that has the wrong type, and that may be a key in the wrong place, and all of this file with it. It does
not look into what is `raw`, so the options of a site have their types. The action plugin checks them, in one sentence.
With --true-types, each has its type: that is for the documentation site, where no validator reads it.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml

MODULE = Path(__file__).resolve().parents[2] / "plugins" / "modules" / "sites.py"
PREFIX = "mutual_tls_"

ROLE = r"""
short_description: Serve sites over mutual TLS with Apache httpd
description:
  - Makes the host's httpd serve the sites over mutual TLS, so that only clients of their client CA get in.
  - Its steps are C(apply), C(install) if there is no httpd, and C(confirm). Each step has a tag of the same name, so
    that C(--skip-tags confirm) applies without confirming. C(apply) judges on the controller before anything is sent. A
    host that is as wished is reached in one trip.
  - The tag C(judge) only judges, and says what was found good. C(install) and C(confirm) need what C(apply) returns in
    the same use of the role, and fail without it. So give C(--tags apply,confirm). To look only, use C(--check).
  - The sites of a host are one transaction. If it fails, the host stays as it was.
author: mtls.httpd contributors
options: {}
examples: |
  - name: Serve Chat's webhooks over mutual TLS
    hosts: webhooks
    become: true
    roles:
      - role: mtls.httpd.mutual_tls
        mutual_tls_sites:
          - domain: www.example.com
            certificate: files/www.example.com.crt
            private_key: files/www.example.com.key
            chain: files/www.example.com.chain.crt
            client_ca: files/TencentQQAuthCA.crt.zip
            proxy_pass: http://127.0.0.1:8080/
"""

OWN = r"""
install:
  description:
    - Whether to install httpd on a host that has none, from the distribution's packages.
  type: bool
  default: true
packages:
  description:
    - The packages to install then. Set it where the distribution's own are not wanted.
    - V([apache2]) on Debian and SUSE, V([httpd, mod_ssl]) on Red Hat and its kin, where nothing is given.
  type: list
  elements: str
confirm:
  description:
    - Whether to confirm the result by handshakes from the controller. Set it to V(false) where the controller cannot
      reach the sites.
    - If Ansible reaches the host by no network address (a container by its name, a forwarded port of the controller),
      or a site listens on loopback alone, the handshakes are made on the host itself, and the last line says so.
    - By then, the handshakes on the host have decided that the new state stays. A failure here fails the run, and keeps
      the new state.
  type: bool
  default: true
confirm_address:
  description:
    - The address to confirm at, such as that of a load balancer, which is sent no PROXY header.
    - Without it, the first address of O(mutual_tls_sites[].listen) that is no loopback address, else the address at
      which Ansible reached the changed host (with C(delegate_to), the host that the task was delegated to). Never what
      a site's name resolves to.
  type: str
confirm_certificate:
  description:
    - Path on the controller to the certificate of a client of the client CA. Set it, with O(mutual_tls_confirm_key), if
      you have one, to see that it gets in.
    - Its key does not leave the controller. If the handshakes would be made on the host itself, set
      O(mutual_tls_confirm_address) too.
  type: path
confirm_key:
  description:
    - Path on the controller to the private key of O(mutual_tls_confirm_certificate).
  type: path
"""


def argument_specs(*, true_types: bool = False) -> dict[str, Any]:
    """Return the content of the role's meta/argument_specs.yml; `true_types` is for who only reads it."""
    role = yaml.safe_load(ROLE)
    as_told = _option if true_types else _variable
    role["options"] = {PREFIX + name: as_told(option) for name, option in documented_options().items()}
    return {"argument_specs": {"main": role}}


def documented_options() -> dict[str, Any]:
    """Return the documentation of all that the role takes, by name without its prefix."""
    documented = yaml.safe_load(runpy.run_path(str(MODULE))["DOCUMENTATION"])["options"]
    steps = {"judge_only", "summary", "require_httpd"}  # what the role itself says of its steps
    options = {name: option for name, option in documented.items() if name not in steps}
    return options | dict(yaml.safe_load(OWN))


def _variable(option: dict[str, Any]) -> dict[str, Any]:
    """Return a variable of the role. Any value is a text or a path to the validator, and none of these is printed."""
    variable = _option(option)
    if option["type"] not in {"str", "path"} or "choices" in option:
        variable["description"].append(_type(option))
        variable["type"] = "raw"
    return {key: value for key, value in variable.items() if key not in {"choices", "elements", "required"}}


def _option(option: dict[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in option.items() if key != "suboptions"}
    result["description"] = [re.sub(r"\b(O|RV)\(([^)]+)\)", _own_name, text) for text in option["description"]]
    if "suboptions" in option:
        result["options"] = {name: _option(suboption) for name, suboption in option["suboptions"].items()}
    return result


def _own_name(reference: re.Match[str]) -> str:
    """Return the markup O(…) with the role's name of a module's option, or RV(…) with the module that returns it."""
    kind, name = reference.groups()
    if name.startswith(PREFIX) or "#" in name:
        return reference[0]
    return f"O({PREFIX}{name})" if kind == "O" else f"RV(mtls.httpd.sites#module:{name})"


def _type(option: dict[str, Any]) -> str:
    if "choices" in option:
        return "One of " + ", ".join(f"V({choice})" for choice in option["choices"]) + "."
    needed = ", required." if option.get("required") else "."
    return f"Type C({option['type']})" + (f" of C({option['elements']})" if "elements" in option else "") + needed


class _Dumper(yaml.SafeDumper):
    """Indents lists below their keys, as the repository's other YAML files do, and writes long texts as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


if __name__ == "__main__":
    sys.stdout.write("---\n# Made by `make generate` of the module sites and of tests/support/argument_specs.py.\n")
    yaml.dump(
        argument_specs(true_types=sys.argv[1:] == ["--true-types"]),
        sys.stdout,
        _Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
