# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An httpd of its own in a scratch folder, laid out like the reference page's, for the demo and the tests.

The folder is what /usr/local/apache2 is to the page: conf/httpd.conf, htdocs/, logs/, modules/. In
site/ lie files for a site of one's own. It loads the modules of a stock httpd.conf, so not mod_ssl. Standard library
only. From the command line:

    embedded_httpd.py start FOLDER [--port PORT] [--binary BINARY]
    embedded_httpd.py status FOLDER
    embedded_httpd.py stop FOLDER
    embedded_httpd.py free-port
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

# What the httpd.conf of httpd 2.4 loads as it comes, but for the MPM. Those that a build has linked in are left out.
# fmt: off
STOCK_MODULES = (
    "authn_file", "authn_core", "authz_host", "authz_groupfile", "authz_user", "authz_core", "access_compat",
    "auth_basic", "reqtimeout", "filter", "mime", "log_config", "env", "headers", "setenvif", "version", "unixd",
    "status", "autoindex", "dir", "alias",
)
# fmt: on
BINARIES = ("/usr/sbin/apache2", "/usr/sbin/httpd", "/usr/local/apache2/bin/httpd")
WORKER = "www-data"
READY_SECONDS = 10.0

CONFIGURATION = """\
ServerRoot "{root}"
Listen 127.0.0.1:{port}

{modules}

{user}ServerAdmin you@example.com
ServerName localhost
PidFile logs/httpd.pid
DefaultRuntimeDir logs

<Directory />
    AllowOverride none
    Require all denied
</Directory>

DocumentRoot "{root}/htdocs"
<Directory "{root}/htdocs">
    Options Indexes FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>

DirectoryIndex index.html
TypesConfig conf/mime.types

ErrorLog "logs/error_log"
LogLevel warn
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog "logs/access_log" common
"""


class HttpdError(Exception):
    """The embedded httpd did not do as told; the message has its own words."""


# Below the range of outgoing connections. Each process has ports of its own, so that parallel tests take no other's.
_PORTS_EACH = 20
_FIRST_PORT = 10000 + os.getpid() % 1100 * _PORTS_EACH
_PORTS = itertools.cycle(range(_FIRST_PORT, _FIRST_PORT + _PORTS_EACH))


def free_port() -> int:
    """Return a TCP port that nobody holds on the loopback address, another one each time. Raises HttpdError."""
    for port in itertools.islice(_PORTS, _PORTS_EACH):
        with socket.socket() as probe:
            # As httpd does, so that connections in TIME_WAIT are no reason to pass.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise HttpdError(f"ports {_FIRST_PORT} to {_FIRST_PORT + _PORTS_EACH - 1} are all held")


class EmbeddedHttpd:
    """An httpd whose server root is `root`.

    `port` is the plain one that it listens on (default: a free one), `binary` an httpd (default: the first found),
    `mpm` its processing module, `extra` text for the end of httpd.conf. A root that is laid out already stays as it is.
    """

    def __init__(
        self,
        root: Path,
        *,
        port: int | None = None,
        binary: str | Path | None = None,
        mpm: str = "event",
        extra: str = "",
    ) -> None:
        self.root = root.absolute()
        self.conf = self.root / "conf" / "httpd.conf"
        self.error_log = self.root / "logs" / "error_log"
        self.binary = Path(binary) if binary else _found_binary()
        self.mpm = mpm
        self.extra = extra
        self._port = port

    @property
    def port(self) -> int:
        """Return the plain port of its httpd.conf."""
        listen = re.search(r"(?m)^Listen \S+:(\d+)$", self.conf.read_text())
        if listen is None:
            raise HttpdError(f"{self.conf} has no Listen line of the embedded httpd's form")
        return int(listen[1])

    @property
    def pid(self) -> int | None:
        """Return the process id of the running parent, None where it does not run."""
        try:
            pid = int((self.root / "logs" / "httpd.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if self._lives(pid) else None

    def _lives(self, pid: int) -> bool:
        try:
            # One that ended but was not waited for has an empty command line; another's does not name our root.
            return os.fsencode(self.root) in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def running(self) -> bool:
        """Return whether its parent process lives."""
        return self.pid is not None

    def lay_out(self) -> None:
        """Write the server root, unless it is there."""
        if self.conf.exists():
            return
        for folder in (self.root, *(self.root / name for name in ("conf", "htdocs", "logs", "site"))):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            folder.chmod(0o755)
        modules = _modules_folder(self.binary)
        (self.root / "modules").symlink_to(modules)
        loaded = [name for name in (f"mpm_{self.mpm}", *STOCK_MODULES) if (modules / f"mod_{name}.so").exists()]
        for folder in ("htdocs", "site"):
            (self.root / folder / "index.html").write_text("<html><body><h1>It works!</h1></body></html>\n")
        (self.root / "conf" / "mime.types").write_text("text/html html\ntext/plain txt\napplication/json json\n")
        text = CONFIGURATION.format(
            root=self.root,
            port=self._port or free_port(),
            modules="\n".join(f"LoadModule {name}_module modules/mod_{name}.so" for name in loaded),
            user=f"User {WORKER}\nGroup {WORKER}\n" if os.geteuid() == 0 else "",
        )
        self.conf.write_text(text + self.extra)

    def start(self) -> None:
        """Start it, and return once it answers. Raises HttpdError with httpd's own words."""
        if self.running():
            return
        self.lay_out()
        if os.geteuid() == 0:
            self._let_workers_in()
        self.run("-k", "start")
        self.wait_until_answers()

    def stop(self) -> None:
        """Stop it, and return once its parent has ended."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        # Its PID file goes before it does, and a worker that is only just starting outlives it with the socket in hand.
        self._wait(lambda: not self._lives(pid) and not self._listens(), "did not stop")

    def run(self, *arguments: str) -> str:
        """Run its binary on its configuration with `arguments`, and return what it says. Raises HttpdError."""
        command = [str(self.binary), "-d", str(self.root), "-f", str(self.conf), *arguments]
        # Into a file: the server that a start leaves behind keeps its standard output for good.
        with tempfile.TemporaryFile("w+") as said:
            status = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
            said.seek(0)
            words = said.read()
        if status != 0:
            raise HttpdError(f"{' '.join(command)}: exit status {status}: {words.strip() or self._last_words()}")
        return words

    def wait_until_answers(self) -> None:
        """Wait until its parent runs and a worker answers on the plain port. Raises HttpdError after READY_SECONDS."""
        self._wait(lambda: self.running() and self._answers(), "does not answer")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _answers(self) -> bool:
        # A connection proves little: the kernel takes it before there is a worker, or a parent that minds signals.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
                return probe.recv(1) != b""
        except OSError:
            return False

    def _wait(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise HttpdError(f"httpd in {self.root} {failure} in {READY_SECONDS:.0f} s: {self._last_words()}")
            time.sleep(0.002)

    def _last_words(self) -> str:
        try:
            return " / ".join(self.error_log.read_text().splitlines()[-3:])
        except OSError:
            return "it has no error_log"

    def _let_workers_in(self) -> None:
        """Refuse a root that the workers, another user's than the parent's, cannot reach."""
        for folder in (self.root, *self.root.parents):
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise HttpdError(f"{folder} keeps httpd's workers ({WORKER}) out: choose another folder")


def _found_binary() -> Path:
    for candidate in (*BINARIES, shutil.which("httpd"), shutil.which("apache2")):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise HttpdError("no httpd found: install it (on Debian: apache2-bin), or name a binary")


def _modules_folder(binary: Path) -> Path:
    """Return the folder of the loadable modules that belong to `binary`, by the places where builds put them."""
    said = subprocess.run([binary, "-V"], capture_output=True, text=True, check=False).stdout
    prefix = re.search(r'HTTPD_ROOT="([^"]*)"', said)
    roots = [Path(prefix[1])] if prefix else []
    for folder in (
        *(root / "modules" for root in roots),
        *(Path(lib) / name / "modules" for lib in ("/usr/lib", "/usr/lib64") for name in ("apache2", "httpd")),
    ):
        if (folder / "mod_ssl.so").exists():
            return folder.resolve()
    raise HttpdError(f"found no folder of modules with mod_ssl.so for {binary}")


def main() -> int:
    """Carry out one command; return the exit status (of status where it does not run: 3, as LSB has it)."""
    parser = argparse.ArgumentParser(description="An httpd of its own in a scratch folder.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("start", "status", "stop"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("--port", type=int, help="plain port of a new folder (default: a free one)")
        command.add_argument("--binary", type=Path, help="the httpd to use (default: the one found)")
    commands.add_parser("free-port", help="print a port that nobody holds")
    given = parser.parse_args()
    if given.command == "free-port":
        print(free_port())
        return 0
    try:
        httpd = EmbeddedHttpd(given.folder, port=given.port, binary=given.binary)
        if given.command == "stop":
            words = "is stopped" if httpd.running() else "did not run, so there was nothing to stop"
            httpd.stop()
            print(f"httpd in {httpd.root} {words}")
            return 0
        if given.command == "start":
            httpd.start()
        pid = httpd.pid
        print(f"httpd in {httpd.root} " + (f"runs as process {pid} on port {httpd.port}" if pid else "does not run"))
        return 3 if given.command == "status" and not pid else 0
    except (HttpdError, OSError) as error:
        print(f"embedded_httpd: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
