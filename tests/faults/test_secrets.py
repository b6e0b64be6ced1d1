# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, passphrases and vaulted text, over SSH: searched for in all that a run says, writes and starts, on both ends.

Under each documented option of a site and variable of the role, right and wrong. Also while the run is under way, so
that a file that is gone a moment later is found.
"""

from __future__ import annotations

import base64
import itertools
import os
import secrets
import shutil
import signal
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from container import podman
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from demo_material import key_pem, new_key, write, zipped
from host import COLLECTION
from searching import Secret, processes, secret_key, secret_text, written_since
from watching import keeping

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from conftest import Remote
    from demo_material import Issued
    from playing import Run

LONG = "LONG" in os.environ
# Its logs are a journal and a file.
pytestmark = pytest.mark.parametrize(
    "machine", ["debian12", *(["source"] if LONG else [])], indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--cap-add=SYS_PTRACE",)  # Root of a machine sees what its sudo has open; that of a container does not.


PASSWORD = " ".join(secrets.token_hex(12) for _word in range(2))
_vault = VaultLib([("default", VaultSecret(PASSWORD.encode()))])


class Sealed(str):
    """Vaulted text, as a variable in a playbook."""


yaml.SafeDumper.add_representer(Sealed, lambda dumper, text: dumper.represent_scalar("!vault", str(text), style="|"))


def sealed(text: str | bytes) -> Sealed:
    """Return the text in the vault."""
    return Sealed(_vault.encrypt(text).decode())


def put(folder: Path, name: str, content: str | bytes) -> str:
    """Write a file of the operator's; return its path."""
    write(folder, name, content.encode() if isinstance(content, str) else content)
    return f"{folder}/{name}"


def words(number: int = 3) -> str:
    """Return a passphrase of random words."""
    return " ".join(secrets.token_hex(12) for _word in range(number))


# -- what is searched

# The outputs of a run that are files, all of them in the operator's folder.
EVERYWHERE = {
    "ANSIBLE_LOG_PATH": "ansible.log",
    "ANSIBLE_CACHE_PLUGIN": "jsonfile",
    "ANSIBLE_CACHE_PLUGIN_CONNECTION": "facts",
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit,ansible.builtin.tree",
    "ANSIBLE_CALLBACK_TREE_DIR": "tree",
    "JUNIT_OUTPUT_DIR": "junit",
    "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
    "ANSIBLE_RETRY_FILES_ENABLED": "1",
}
ROLE = {"roles": [{"role": "mtls.httpd.mutual_tls"}]}
TARGET = ("tmp", "var/tmp", "root", "run", "var/log", "etc", "usr/local/apache2", "dev/shm")


@dataclass(frozen=True)
class Searched:
    """An operator whose runs are searched for secrets, as they run and afterwards.

    known: what the operator's own files hold in the clear. hidden: what is nowhere in the clear.
    """

    remote: Remote
    arguments: tuple[str, ...]
    known: tuple[Secret, ...]
    hidden: tuple[Secret, ...]
    variables: dict[str, Any] = field(default_factory=dict)

    def play(self, *arguments: str, **options: Any) -> Run:
        """Run a playbook; see that no secret is where none belongs. Its output is `Run.output`."""
        time.sleep(0.05)  # The operator's own files are older than what is searched.
        remote, begin = self.remote, time.time()
        root = self.root
        elsewhere = tuple(Path(folder) for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run"))
        with ExitStack() as stack:
            there = [root / folder for folder in TARGET if (root / folder).is_dir()]
            seen = stack.enter_context(processes())
            appeared = stack.enter_context(keeping(remote.folder.parent, *there, shallow=elsewhere))
            remote.host.shell("true >/tmp/watched; sleep 0.1; rm /tmp/watched")
            run = remote.play(*self.arguments, "-vvvv", "--diff", *arguments, **{**self.variables, **options})
        assert root / "tmp/watched" in dict(appeared), "the host is watched"
        assert any(b"ansible-playbook" in each for each in seen), "processes are"
        found = self.found(begin, run.output, [("a process", b"\n".join(seen)), *appeared])
        assert not found, "\n".join(found)
        return run

    @property
    def root(self) -> Path:
        """The host's files, seen from here."""
        return Path("/proc", podman("inspect", "--format", "{{.State.Pid}}", self.remote.host.name), "root")

    def found(self, begin: float, output: str, seen: Sequence[tuple[str | Path, bytes]] = ()) -> list[str]:
        """Return which secrets are where none belongs: in an output, in what was `seen`, on disks since `begin`."""
        root = self.root
        folders = [root, *(root / folder for folder in TARGET if (root / folder).is_dir())]
        # The first folder of each file system: those below it are walked with it.
        roots = {os.stat(folder).st_dev: folder for folder in reversed(folders)}
        places = (
            ("the output", output.encode()),
            ("the journal", self.journal().encode()),
            *seen,
            *written_since(begin - 0.01, self.remote.folder.parent, *roots.values()),
        )
        return [
            f"{secret.name} in {place}"
            for place, content in places
            for secret in (*self.known, *self.hidden)
            if not self._belongs(place, secret, root) and secret.within(content)
        ]

    def _belongs(self, place: str | Path, secret: Secret, root: Path) -> bool:
        if not isinstance(place, Path):
            return False
        if place.is_relative_to(root):
            return place.name.endswith(".key") and place.is_relative_to(f"{root}{self.remote.store}")
        return place == self.remote.folder / "site.yml" and secret in self.known

    def journal(self) -> str:
        """Return the host's journal, where it has one."""
        if self.remote.host.image == "source":
            return ""
        return self.remote.host.shell("journalctl --sync; journalctl --output export --no-pager")


@pytest.fixture
def searched(remote: Remote, over_ssh: tuple[str, str]) -> Searched:
    """Return an operator over SSH, without pipelining, whose runs write all that Ansible can write."""
    remote.environment.update(EVERYWHERE, ANSIBLE_PIPELINING="0")
    password = put(remote.material.folder, "password", PASSWORD)
    arguments = (*over_ssh, "--vault-password-file", password)
    server = secret_key("the site's key", remote.material.server.key)
    return Searched(remote, arguments, (server,), (secret_text("the vault's password", PASSWORD),))


# -- in the right places


@pytest.fixture
def sites(searched: Searched) -> Searched:
    """Return the same with sites whose keys come in each way that there is, and a key for the confirmation."""
    material = searched.remote.material
    folder, common = material.folder, {"trust_anchors": material.site["trust_anchors"]}
    common |= {name: material.site[name] for name in ("client_ca", "chain")}
    known, hidden = [*searched.known], [*searched.hidden]

    def issued(name: str, where: list[Secret]) -> Issued:
        issued = material.public.issue(f"{name}.example.com")
        put(folder, f"{name}.crt", issued.pem)
        where.append(secret_key(f"the key of {name}", issued.key))
        return issued

    def site(name: str, **options: Any) -> dict[str, Any]:
        return {"domain": f"{name}.example.com", "certificate": f"{folder}/{name}.crt", **common, **options}

    inline, encrypted = issued("inline", known), issued("encrypted", hidden)
    vaulted, in_vault = issued("vaulted-file", hidden), issued("vaulted", hidden)
    bundled, packed = issued("bundle", hidden), issued("pkcs12", hidden)
    confirming = material.chat.issue(client=True, common_name="Ourselves")
    passphrase, sealed_passphrase = words(), words()
    lying, host = issued("lying-there", hidden), searched.remote.host
    host.run("sh", "-c", "umask 077 && cat >/root/lying-there.pem", text=lying.key_pem.decode())
    host.run("sh", "-c", "cat >/root/lying-there.crt", text=lying.full_pem.decode())
    known.append(secret_text("the passphrase", passphrase))
    hidden.append(secret_text("the vaulted passphrase", sealed_passphrase))
    hidden.append(secret_key("the confirmation's key", confirming.key))
    archive = zipped("bundle.pem", bundled.full_pem + bundled.key_pem)
    protection = BestAvailableEncryption(sealed_passphrase.encode())
    container = pkcs12.serialize_key_and_certificates(b"", packed.key, packed.certificate, None, protection)
    variables = {
        "mutual_tls_sites": [
            material.site,
            # The passphrase is not needed.
            site("inline", private_key_content=inline.key_pem.decode(), private_key_passphrase=passphrase),
            site(
                "encrypted",
                private_key=put(folder, "encrypted.key", key_pem(encrypted.key, passphrase.encode())),
                private_key_passphrase=passphrase,
            ),
            site("vaulted-file", private_key=put(folder, "vaulted.key", sealed(vaulted.key_pem))),
            site("vaulted", private_key_content=sealed(in_vault.key_pem)),
            site("bundle", certificate=None, bundle_content=sealed(base64.b64encode(archive))),
            site(
                "pkcs12",
                certificate=put(folder, "packed.p12", container),
                private_key_passphrase=sealed(sealed_passphrase),
            ),
            site(
                "lying-there",
                remote_src=True,
                certificate="/root/lying-there.crt",
                private_key="/root/lying-there.pem",
                client_ca=None,
                client_ca_content=[material.chat.pem.decode()],
                chain=None,
                trust_anchors=None,
                renewal_hook="/usr/local/sbin/lying-there",
            ),
        ],
        "mutual_tls_confirm_certificate": put(folder, "confirm.crt", confirming.pem),
        "mutual_tls_confirm_key": put(folder, "confirm.key", sealed(confirming.key_pem)),
    }
    return replace(searched, known=tuple(known), hidden=tuple(hidden), variables=variables)


def test_a_deployment_shows_no_secret(sites: Searched) -> None:
    run = sites.play()
    assert run.status == 0, run.output
    assert run.recap["changed"] == 1
    assert "temporary files of Ansible's" not in run.output
    assert sites.remote.host.image == "source" or "payload=NOT_LOGGING_PARAMETER" in sites.journal()
    material, names = sites.remote.material, [site["domain"] for site in sites.variables["mutual_tls_sites"]]
    assert all(sites.remote.ask(material.client, domain=name).said.startswith("HTTP/1.1 ") for name in names)
    sites.remote.environment["ANSIBLE_PIPELINING"] = "1"
    sites.remote.environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.posix.json"
    assert sites.play("--check").status == 0


def test_a_refused_run_shows_no_secret(sites: Searched) -> None:
    other = new_key()
    wrong = put(sites.remote.material.folder, "other.key", sealed(key_pem(other)))
    sites = replace(sites, hidden=(*sites.hidden, secret_key("another key", other)))
    first, *others = sites.variables["mutual_tls_sites"]
    # By the verdict on the controller, and by the rehearsal on the host.
    for amiss in ({"private_key": wrong}, {"extra_directives": "SSLVerifyClient none"}):
        assert sites.play(mutual_tls_sites=[first | amiss, *others]).status == 2


CRASHES = (
    "def carry_out(wishes, *others, **options):\n    return wishes[0].release.public['nothing']\n",
    "def carry_out(*others, **options):\n    import os\n    os.kill(os.getpid(), 9)\n",
    "def carry_out(*others, **options):\n    import ctypes\n    ctypes.string_at(0)\n",
)


@pytest.mark.parametrize(
    "crash", CRASHES if LONG else CRASHES[:1], ids=["raised", "killed", "fault"][: 3 if LONG else 1]
)
def test_a_module_that_crashes_shows_no_secret(
    sites: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    tree = tmp_path / "broken"
    copy = tree / "ansible_collections" / "mtls" / "httpd"
    ignored = shutil.ignore_patterns(".git", "build", "tests", "__pycache__", ".*_cache")
    shutil.copytree(COLLECTION, copy, ignore=ignored)
    with (copy / "plugins/module_utils/_transaction/run.py").open("a") as file:
        file.write(f"\n\n{crash}")
    monkeypatch.setitem(sites.remote.environment, "ANSIBLE_COLLECTIONS_PATH", str(tree))
    assert sites.play().status == 2


def test_ansibles_own_wrapper_that_crashes_shows_no_secret(sites: Searched) -> None:
    # It says where, by the lines around the module's arguments.
    script = '#!/bin/sh\nulimit -f 8\nexec /usr/bin/python3 "$@"\n'
    sites.remote.host.run("sh", "-c", "cat >/usr/local/bin/limited && chmod +x /usr/local/bin/limited", text=script)
    run = sites.play("-e", "ansible_python_interpreter=/usr/local/bin/limited")
    assert run.status == 2
    assert "File too large" in run.output


# -- in the wrong places


def everywhere(value: str, option: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the value as each kind of thing that could stand under the option, first as the option wants it."""
    within = option.get("suboptions")
    plain = [{inner: value} for inner in within] if within else [value]
    listed = [[each] for each in plain]
    yield from (*listed, *plain) if option.get("type") == "list" else (*plain, *listed)
    if not isinstance(value, Sealed):  # which Ansible takes for no key of a dictionary
        yield {value: value}


@pytest.fixture
def pasted(searched: Searched) -> tuple[Searched, dict[str, str]]:
    """Return the operator and what a hurried one pastes, by its kind: keys, passphrases, the same in the vault."""
    key, encrypted, in_vault = new_key(), new_key(), new_key()
    texts = {
        "key": key_pem(key).decode(),
        "words": words(),
        "sealed key": sealed(key_pem(in_vault)),
        "encrypted key": key_pem(encrypted, b"a passphrase").decode(),
        "sealed words": sealed(hidden_words := words()),
        "base64": f"a/{secrets.token_urlsafe(24)}/b+c=",
        "key in one line": "".join(key_pem(key).decode().splitlines()[1:-1]),
        "wrapped key": base64.b64encode(key_pem(key)).decode(),
    }
    known = (
        secret_key("the key", key),
        *(secret_text(kind, texts[kind]) for kind in ("words", "encrypted key", "base64", "key in one line")),
    )
    hidden = (secret_key("the sealed key", in_vault), secret_text("the sealed words", hidden_words))
    return replace(searched, known=searched.known + known, hidden=searched.hidden + hidden), texts


def test_a_secret_under_any_option_of_a_site_is_not_shown(pasted: tuple[Searched, dict[str, str]]) -> None:
    searched, texts = pasted
    site, options = searched.remote.site, documented_options("sites")["sites"]["suboptions"]
    kinds = itertools.cycle(texts.items())
    cases: list[Any] = [texts["words"], {**site, "private_key_contents": texts["sealed words"]}, {texts["words"]: "a"}]
    for name, option in options.items():
        for kind, text in texts.items() if LONG else [next(kinds)]:
            # Raw text for httpd, whose words about it are shown.
            if name != "extra_directives" or kind in ("key", "sealed key", "encrypted key"):
                shapes = list(everywhere(text, option))
                few = shapes[: len(option.get("suboptions", "1"))]
                cases += [{**site, name: value} for value in (shapes if LONG else few)]
    tasks = [
        # Of a task that fails, Ansible shows the lines above it in the operator's file.
        {"ansible.builtin.debug": {"msg": "{{ cases | length }} cases"}},
        {
            "mtls.httpd.sites": {"sites": ["{{ cases[item] }}"]},
            "loop": "{{ range(cases | length) | list }}",
            "register": "tried",
            "ignore_errors": True,
        },
        {"ansible.builtin.debug": {"var": "tried"}},
        {"ansible.builtin.set_fact": {"dumped": "{{ tried }}", "cacheable": True}},
    ]
    run = searched.play(plays=[{"tasks": tasks}], cases=cases)
    assert run.status == 0, run.output[-3000:]
    assert f"item={len(cases) - 1})" in run.output
    assert (searched.remote.folder / "facts").is_dir()


def test_a_secret_under_any_variable_of_the_role_is_not_shown(pasted: tuple[Searched, dict[str, str]]) -> None:
    searched, texts = pasted
    specification = yaml.safe_load((COLLECTION / "roles/mutual_tls/meta/argument_specs.yml").read_text())
    kinds = itertools.cycle(texts.values())
    tasks = [
        {
            "block": [{"ansible.builtin.include_role": {"name": "mtls.httpd.mutual_tls", **steps}}],
            "vars": {name: text},
            "rescue": [{"ansible.builtin.debug": {"msg": "{{ ansible_failed_result }}"}}],
        }
        for name in specification["argument_specs"]["main"]["options"]
        # A host that has httpd needs no packages.
        for steps in ({"tasks_from": "install.yml"} if name == "mutual_tls_packages" else {},)
        for text in (texts.values() if LONG else [next(kinds)])
    ]
    run = searched.play(plays=[{"tasks": tasks}])
    assert run.status == 0, run.output[-3000:]


# -- ended in the midst


def test_a_module_that_is_killed_leaves_no_secret(sites: Searched, meanwhile: Callable[..., None]) -> None:
    host = sites.remote.host
    meanwhile(host, f"[ -e {sites.remote.store}/journal ]", "pkill -KILL python3")
    assert sites.play().status == 2


def test_a_controller_that_is_killed_leaves_no_secret(sites: Searched) -> None:
    remote = sites.remote

    def kill() -> None:
        script = f"until [ -e {remote.store}/journal ]; do :; done"
        remote.host.run("timeout", "60", "sh", "-c", script)
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "cwd").readlink() == remote.folder:
                    os.kill(int(entry.name), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert sites.play().status == -signal.SIGKILL
    killer.join()
    while remote.host.shell(f"ls -d {remote.store}/journal /run/mtls-httpd.* 2>/dev/null || true"):
        time.sleep(0.1)


# -- without pipelining


def test_where_keys_go_through_files_that_is_said_and_the_files_go(sites: Searched) -> None:
    remote, begin = sites.remote, time.time()
    run = remote.play(
        *sites.arguments, "-vvvv", plays=[ROLE | {"become": True, "become_method": "su"}], **sites.variables
    )
    assert run.status == 0, run.output
    assert "the private keys went through temporary files of Ansible's" in " ".join(run.output.split())
    assert not sites.found(begin, run.output)


@pytest.mark.skipif(not LONG, reason="sudo is to be installed on the host: make test-long tries it")
def test_sudo_takes_keys_through_memory_and_one_that_wants_a_terminal_is_said(sites: Searched) -> None:
    sites.remote.host.shell(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y sudo"
        " && useradd --create-home someone && cp -r /root/.ssh /home/someone && chown -R someone /home/someone"
        " && echo 'someone ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/someone"
    )
    by_sudo = ("-e", '{"ansible_user": "someone", "ansible_become": true}')
    run = sites.play(*by_sudo)
    assert run.status == 0, run.output
    assert "temporary files" not in run.output
    assert "sudo on this host records" not in run.output
    sites.remote.host.shell("echo 'Defaults log_input' >>/etc/sudoers.d/someone")
    run = sites.remote.play(*sites.arguments, *by_sudo, **sites.variables)
    assert run.status == 0, run.output
    assert "sudo on this host records what it is sent, and so the private keys, in /var/log/sudo-io/00/00/01/stdin" in (
        " ".join(run.output.split())
    )
    sites.remote.host.shell("rm -r /var/log/sudo-io; sed -i '$d' /etc/sudoers.d/someone")
    sites.remote.host.shell("echo 'Defaults requiretty' >>/etc/sudoers.d/someone")
    run = sites.play(*by_sudo)
    assert run.status == 2
    assert "sudo on this host wants a terminal (requiretty)" in " ".join(run.output.split())
