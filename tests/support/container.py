# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host in a container, of an image that tests/support/containers makes: booted, looked into, cut off, taken away."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

SYSTEMD = ("debian11", "debian12", "debian13", "redhat", "suse")
_BOOTED = "until systemctl is-system-running --wait; do sleep 0.2; done"


@dataclass(frozen=True)
class Container:
    """A host. image: debian12, say, as tests/support/image knows them."""

    name: str
    image: str

    def boot(self, *options: str) -> None:
        """Make the host anew, with more `options` of `podman run`, and wait until it has booted."""
        self.remove()
        systemd = ("--systemd", "always") if self.image in SYSTEMD else ()
        image = os.environ[f"IMAGE_{self.image.upper()}"]
        podman("run", "--detach", "--name", self.name, "--hostname", self.name, *systemd, *options, image)
        self._await_boot()

    def cut_off(self) -> None:
        """End all of its processes at once, as a power failure does. Its disk stays."""
        podman("kill", "--signal", "KILL", self.name)
        podman("wait", self.name)

    def power_on(self) -> None:
        """Boot it again after `cut_off`."""
        podman("start", self.name)
        self._await_boot()

    def remove(self) -> None:
        podman("rm", "--force", "--ignore", "--time", "1", "--volumes", self.name)

    @property
    def address(self) -> str:
        """The address at which clients elsewhere find it."""
        return podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.name)

    def run(self, *command: str, text: str | None = None) -> str:
        """Run a command in it, with `text` as its input; return what it prints. Raises CalledProcessError."""
        return podman("exec", "--interactive", self.name, *command, text=text)

    def shell(self, script: str) -> str:
        """Run a script of sh(1) in it that must succeed; return what it prints."""
        return self.run("sh", "-euc", script)

    def let_in(self, key: str) -> None:
        """Let root log in over SSH with a public key."""
        self.run("sh", "-c", "install -d -m 700 /root/.ssh && cat >/root/.ssh/authorized_keys", text=key)

    def _await_boot(self) -> None:
        if self.image in SYSTEMD:
            self.run("timeout", "60", "sh", "-c", _BOOTED)


def podman(*arguments: str, text: str | None = None) -> str:
    """Run podman with `text` as its input; return what it prints. Raises CalledProcessError with what it said."""
    done = subprocess.run(["podman", *arguments], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        error = subprocess.CalledProcessError(done.returncode, ["podman", *arguments], done.stdout, done.stderr)
        error.add_note(done.stdout + done.stderr)
        raise error
    return done.stdout.strip()
