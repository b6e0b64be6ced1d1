# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that the transaction is tried on: an embedded httpd, what its sites are made of, what can be seen of it."""

from __future__ import annotations

import os
import re
import textwrap
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509
from demo_material import CHAT_CA_NAME, Authority, Issued
from identities import identity

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers, wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import (
    BACKEND_CA,
    CLIENT_CA,
    CRL,
    FACTS,
    SITE,
    SiteFacts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import HISTORY, read_history
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
from ansible_collections.mtls.httpd.plugins.plugin_utils._site import rendering, variables
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import modules
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import pins_of
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import read_site
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ansible.plugins.action import ActionBase
    from embedded_httpd import EmbeddedHttpd

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Answer, Probes
    from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site

DOMAIN = "www.example.com"
OTHER = "shop.example.com"
COLLECTION = Path(__file__).resolve().parents[2]
VERSIONS = ("TLSv1.2", "TLSv1.3")
FINDER = Finder(cast("ActionBase", None))  # reads no file


class LateDisk(Disk):
    """Has somebody write a file as soon as a site is switched, so that no rehearsal has seen what stands in it."""

    def __init__(self, late: Path, text: str) -> None:
        super().__init__()
        self._late, self._text = late, text

    def put(self, path: str, entry: Entry) -> None:
        """Write as ever, and then the late file."""
        super().put(path, entry)
        if path.endswith("/current"):
            self._late.write_text(self._text)


@dataclass(frozen=True)
class Host:
    """An httpd, and what its sites are made of."""

    httpd: EmbeddedHttpd
    public: Authority
    chat: Authority
    port: int
    probes: Probes

    @property
    def conf(self) -> Path:
        return self.httpd.conf.parent

    @property
    def store(self) -> Path:
        return self.conf / "mtls"

    def wish(
        self,
        domain: str = DOMAIN,
        *,
        issued: Issued | None = None,
        client_ca: bytes | None = None,
        port: int = 0,
        **options: Any,
    ) -> SiteWish:
        """Wish for a site of this host's authorities."""
        issued = issued or self.public.issue(domain)
        return wished(domain, issued, self.chat.pem if client_ca is None else client_ca, port or self.port, **options)

    def apply(self, *wishes: SiteWish, **options: Any) -> Report:
        """Carry the wishes out."""
        pins = [pin for wish in wishes if wish.release for pin in wish.release.facts.pins]
        probes = make_probes(pins=pins) if pins else self.probes
        carrying = {name: options.pop(name) for name in ("check", "disk") if name in options}
        request = Request(wishes, probes, str(self.httpd.binary), str(self.httpd.conf), **{"start": True, **options})
        return run.carry_out(request, **carrying)

    def refused(self, *wishes: SiteWish, times: bool = True, **options: Any) -> str:
        """Return why the wishes are refused, with files, parent and workers the same before and after."""
        before = self.state(times=times)
        with pytest.raises(Refused) as caught:
            self.apply(*wishes, **options)
        assert self.state(times=times) == before
        message = str(caught.value)
        assert "\n" not in message
        assert "PRIVATE KEY" not in message
        return message

    def state(self, *, times: bool = True) -> tuple[dict[str, tuple[object, ...]], int | None, int]:
        """Return all that a run could change: files but for the logs, the server's process, how often it (re)loaded."""
        return tree(self.httpd.root, times=times), self.httpd.pid, loads(self.httpd)

    def answers(
        self,
        client: Issued | None = None,
        *,
        domain: str = DOMAIN,
        port: int = 0,
        address: str = "127.0.0.1",
        path: str = "/",
    ) -> dict[str, Answer]:
        """Return what a client (default: none) is answered, by protocol version."""
        shown = identity(client) if client else None
        kind = "trusted" if client else "none"
        return {
            version: ask(
                answers.Door(address, port or self.port),
                answers.Question(domain, version, kind, shown, path=path),
                timeout=5,
            )
            for version in VERSIONS
        }

    def served(self, domain: str = DOMAIN, **where: Any) -> str | None:
        """Return the fingerprint of the certificate that is served, None where nothing answers."""
        found = {answer.certificate_sha256 for answer in self.answers(domain=domain, **where).values()}
        assert len(found) == 1
        return found.pop()

    def enforces(self, domain: str = DOMAIN, **where: Any) -> bool:
        """Whether strangers are refused and Chat is let in, over both protocol versions."""
        chat = self.chat.issue(client=True, common_name="Chat")
        stranger = Authority(CHAT_CA_NAME).issue(client=True, common_name="Chat")
        return all(
            answer.result == wanted
            for client, wanted in ((None, "refused"), (stranger, "refused"), (chat, "accepted"))
            for answer in self.answers(client, domain=domain, **where).values()
        )

    def add(self, text: str) -> None:
        """Append the user's own text to httpd.conf."""
        with self.httpd.conf.open("a") as stream:
            stream.write(textwrap.dedent(text))

    def load(self, *modules: str) -> None:
        """Load modules that the live server has not, by their names without C(_module)."""
        self.add("".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in modules))
        self.restart()

    def restart(self) -> None:
        self.httpd.stop()
        self.httpd.start()


def loads(httpd: EmbeddedHttpd) -> int:
    """Return how often a server read its configuration, by its log.

    Its workers may answer before it says so: that is waited for.
    """

    def said() -> list[str]:
        words = httpd.error_log.read_text() if httpd.error_log.exists() else ""
        return re.findall("SIGUSR1 received|caught SIGTERM|resuming normal operations", words)

    until(lambda: not httpd.running() or said()[-1:] == ["resuming normal operations"], 5)
    return said().count("resuming normal operations")


def wished(
    domain: str,
    issued: Issued,
    client_ca: bytes,
    port: int,
    *,
    key: bytes | None = None,
    extra: str = "",
    access_log: str = "",
    protected: Mapping[str, str] | None = None,
    allowed: Sequence[Mapping[str, str]] = (),
    proxy_ca: bytes = b"",
    forwarded: Mapping[str, object] | None = None,
    begins: str = "2000-01-01T00:00:00Z",
    ends: str = "2999-12-31T23:59:59Z",
    crl: bytes = b"",
    crl_ends: str = "",
    **options: Any,
) -> SiteWish:
    """Wish for a site, rendered by the role's own template. `options` are those of `sites`."""
    paths = [{"path": path, "proxy_pass": url} for path, url in (protected or {}).items()]
    site = read_site(
        {
            "domain": domain,
            "port": port,
            "extra_directives": extra or None,
            "access_log": access_log or None,
            "protected_paths": paths or None,
            "allowed_clients": allowed or None,
            "forward_client_identity": forwarded,
            "crl_content": "given" if crl else None,
            **options,
        }
    )
    pins, files = pins_of(FINDER, site.allowed_clients or (), [], datetime.now(timezone.utc), timedelta())
    logs = variables.log_files(site)
    facts = SiteFacts(
        domain=domain,
        port=port,
        listen=site.listen,
        aliases=site.aliases,
        modules=modules(site),
        welcome=("http2",) if site.http2 else (),
        versions=() if site.is_included else protocol(site).versions,
        certificate_sha256=issued.sha256,
        client_ca_names=tuple(sorted(subjects(client_ca))),
        verify_client=variables.asked_of_clients(site),
        open_paths=site.open_paths,
        protected_paths=tuple(each["path"] for each in paths),
        pins=pins,
        backend_ca=bool(proxy_ca),
        access_log=logs["access_log"],
        error_log=logs["error_log"],
        included=site.is_included,
        begins=begins,
        ends=ends,
        crl_check=variables.crl_check(site),
        crl_ends=crl_ends,
        stapling=site.ocsp_stapling,
        callback_paths=site.callback_paths,
    )
    public = {
        f"{domain}.crt": issued.full_pem,
        CLIENT_CA: client_ca,
        **files,
        **({BACKEND_CA: proxy_ca} if proxy_ca else {}),
        FACTS: facts.content,
        SITE: _rendered(site, pins),
        **({CRL: crl} if crl else {}),
    }
    return SiteWish(
        domain,
        Release(domain, public, Secret(key or issued.key_pem)),
        allow_bypass=site.allow_bypass,
        allow_programs=site.allow_programs,
        without_extra=_rendered(replace(site, extra_directives=None), pins) if extra else b"",
    )


def _rendered(site: Site, pins: Sequence[str]) -> bytes:
    return rendering.TEMPLATES[site.manage].render(variables.template_variables(site, pins)).encode()


def tree(root: Path, *, times: bool = False) -> dict[str, tuple[object, ...]]:
    """Return type, mode, owner, content and, if wanted, time of every path below `root`, but for the logs.

    Of a site's history the order alone, unless times are wanted, as the moments in it are those of the runs.
    """
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders.remove("logs")
        for path in (Path(folder, name) for name in (*folders, *files, ".")):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            if path.name == HISTORY and isinstance(content, bytes) and not times:
                content = tuple(each.folder for each in read_history(content))
            time_ = status.st_mtime_ns if times else None
            found[str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_gid, content, time_)
    return found


def children(parent: int) -> list[str]:
    """Return the child processes of `parent`, with their start times: another set after each reload."""
    return [f"{pid} {stat.started}" for pid, stat in processes.processes() if stat.parent == parent]


def subjects(client_ca: bytes) -> set[str]:
    """Return the names that a server asks clients for, none where the file is no CA's."""
    with suppress(ValueError):
        return {wire.rfc4514(each.subject.public_bytes()) for each in x509.load_pem_x509_certificates(client_ca)}
    return set()


def fingerprint(wish: SiteWish) -> str | None:
    """Return that of the certificate which a wish asks for, None for an absent site."""
    return wish.release.facts.certificate_sha256 if wish.release else None


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Wait until the condition holds; return whether it did in the time, in seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def forked(act: Callable[[], object]) -> int:
    """Call `act` in a child process, which then ends; return its exit code: 1 where it raised, -9 if killed."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def in_a_child(act: Callable[[], None]) -> None:
    """Call `act` in a process of its own; fail as it does."""
    assert forked(act) == 0, "see the traceback on standard error"


def processes_in(*folders: str | Path) -> set[int]:
    """Return the processes that name one of `folders` on their command line."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = entry.read_bytes()
            if any(os.fsencode(folder) in words for folder in folders):
                found.add(int(entry.parent.name))
    return found
