# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user's own role, and his own playbook, under molecule with its podman driver, as docs/molecule.md shows it.

The files are those that the page prints. Only the image is another, and the container's name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from container import Container
from host import COLLECTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = (COLLECTION / "docs" / "molecule.md").read_text()
PASSWORD = "of the vault\n"

# What the role does itself, after the one that it depends on.
TASKS = """\
- name: Write down what is served, for whoever logs in
  ansible.builtin.copy:
    content: |
      {% for site in mutual_tls_applied.sites %}
      {{ site.domain }} until {{ site.ends }}
      {% endfor %}
    dest: /etc/motd
    mode: "0644"
"""

# A playbook that did other things before: a virtual host, handlers, plays with and without become.
SITE = """\
- name: Serve the company's own pages
  hosts: webhooks
  become: true
  gather_facts: false
  tasks:
    - name: Write a virtual host
      ansible.builtin.copy:
        content: |
          <VirtualHost *:80>
              ServerName intranet.example.com
              Redirect "/" "https://www.example.net/"
          </VirtualHost>
        dest: /etc/apache2/sites-enabled/intranet.conf
        mode: "0644"
      notify: Reload httpd
  handlers:
    - name: Reload httpd
      ansible.builtin.service:
        name: apache2
        state: reloaded

- name: Serve Chat's webhooks
  hosts: webhooks
  become: true
  gather_facts: false
  tasks:
    - name: Serve the site
      ansible.builtin.import_role:
        name: mtls.httpd.mutual_tls
      vars:
        mutual_tls_sites:
          - domain: www.example.com
            certificate: "{{ webhook_material }}/www.example.com.crt"
            private_key: "{{ webhook_material }}/www.example.com.key"
            chain: "{{ webhook_material }}/www.example.com.chain.crt"
            client_ca: "{{ webhook_material }}/../TencentQQAuthCA.crt.zip"
            trust_anchors: "{{ webhook_material }}/../root-ca.crt"
            proxy_pass: http://127.0.0.1:8080/

    - name: Have it told
      ansible.builtin.command: id -un
      changed_when: mutual_tls_applied is changed
      notify: Tell of it
  handlers:
    - name: Tell of it
      ansible.builtin.debug:
        msg: "Told of {{ mutual_tls_applied.sites[0].domain }}"

- name: Look at what was there before
  hosts: webhooks
  gather_facts: false
  tasks:
    - name: See that the company's pages are served as before
      ansible.builtin.uri:
        url: http://127.0.0.1/
        headers: {Host: intranet.example.com}
        follow_redirects: none
        status_code: 302
"""


def shown(beginning: str) -> str:
    """Return the one file of the page that begins so."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return str(found)


@dataclass(frozen=True)
class Scenario:
    """A scenario of molecule's in the folder of a role or of playbooks."""

    folder: Path
    container: Container
    ephemeral: Path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write_settings(self, text: str) -> None:
        """Write molecule.yml with an image that there is, and a name that no other container has."""
        ours = (
            (r"\bregistry\.example\.com/debian-systemd\b.*", os.environ["IMAGE_DEBIAN12"]),
            (r"(?<=- name: )webhook$", self.container.name),
        )
        for pattern, instead in ours:
            text, count = re.subn(pattern, instead, text, flags=re.MULTILINE)
            assert count == 1, pattern
        self.write("molecule/default/molecule.yml", text)

    def run(self) -> list[tuple[str, str]]:
        """Run `molecule test`; return what was done, each with what it printed, in order."""
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(self.ephemeral),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",  # what molecule says of itself, and what Ansible says, in their order
        }
        command = ["molecule", "test"]
        put = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, cwd=self.folder, env=environment, text=True, check=False, **put)
        assert done.returncode == 0, done.stdout
        parts = re.split(r"\[default > (\w+)\] Executing$", done.stdout, flags=re.MULTILINE)[1:]
        return list(zip(parts[::2], (" ".join(part.split()) for part in parts[1::2])))


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Scenario]:
    container = Container(f"mtls-molecule-page-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", "debian12")
    (tmp_path / "ephemeral").mkdir()
    try:
        yield Scenario(tmp_path / "webhook", container, tmp_path / "ephemeral")
    finally:
        container.remove()


def changed(said: str) -> int:
    """Return how many tasks on the host changed something, by the recaps of a playbook."""
    recaps = re.findall(r"\bmtls-molecule-page\S* +: +ok=\d+ +changed=(\d+)", said)
    assert recaps, said
    return sum(map(int, recaps))


def test_a_role_that_depends_on_ours_is_tested_as_the_page_says(scenario: Scenario) -> None:
    settings = shown("driver:\n")
    scenario.write_settings(settings)
    scenario.write("meta/main.yml", shown("galaxy_info:\n"))
    scenario.write("tasks/main.yml", TASKS)
    scenario.write("molecule/default/prepare.yml", shown("- name: Make certificates"))
    scenario.write("molecule/default/converge.yml", shown("- name: Converge\n  hosts"))
    scenario.write("molecule/default/verify.yml", shown("- name: Verify\n"))
    scenario.write("molecule/default/side_effect.yml", shown("- name: Renew\n"))
    done = scenario.run()
    assert [name for name, _said in done] == yaml.safe_load(settings)["scenario"]["test_sequence"]
    converged, again, renewed = (said for name, said in done if name in {"converge", "idempotence", "side_effect"})
    assert "Asked on the host itself." in converged
    assert [changed(said) for said in (converged, again, renewed)] == [2, 0, 2]


def test_a_playbook_that_imports_ours_is_tested_as_the_page_says(scenario: Scenario) -> None:
    settings: dict[str, Any] = yaml.safe_load(shown("driver:\n")) | yaml.safe_load(shown("platforms:\n"))
    scenario.write_settings(yaml.safe_dump(settings, sort_keys=False))
    scenario.write("site.yml", SITE)
    scenario.write(".vault", PASSWORD)
    scenario.write("molecule/default/prepare.yml", shown("- name: Make certificates"))
    scenario.write("molecule/default/converge.yml", shown("- name: Converge\n  ansible"))
    scenario.write("molecule/default/verify.yml", shown("- name: Verify\n"))
    # Whoever has such a playbook keeps the key vaulted. So it is there before molecule prepares.
    material = scenario.ephemeral / "material"
    subprocess.run([sys.executable, COLLECTION / "playbooks" / "files" / "demo_material.py", material], check=True)
    key = material / "first" / "www.example.com.key"
    vault = ["ansible-vault", "encrypt", "--vault-password-file", scenario.folder / ".vault", key]
    subprocess.run(vault, check=True, capture_output=True)
    assert key.read_text().startswith("$ANSIBLE_VAULT;")
    done = scenario.run()
    assert [name for name, _said in done] == settings["scenario"]["test_sequence"]
    converged, again = (said for name, said in done if name in {"converge", "idempotence"})
    for told in ("RUNNING HANDLER [Reload httpd]", "RUNNING HANDLER [Tell of it]", "Asked on the host itself."):
        assert told in converged
    assert "RUNNING HANDLER" not in again
    assert [changed(said) for said in (converged, again)] == [4, 0]
