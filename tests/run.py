#!/usr/bin/env python3
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the steps of `make test` that are named as arguments, then say what was left out and why, and the sum of it all.

Parts that leave processors idle run beside each other: see `BESIDE`. Items that count: linters, sanity tests, tests of
pytest, molecule scenarios and the tests of their verifiers. What passes at a second try only is named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
LONG = bool(os.environ.get("LONG"))
SUPPORT = ROOT / "tests" / "support"
COLLECTIONS = ROOT / "build" / "collections"
INSTALLED = COLLECTIONS / "ansible_collections" / "mtls" / "httpd"
RESULTS = ROOT / "build" / "results"
FORGE = ROOT / ".github"
# What tests/integration/test_other_modules_a.py and test_other_modules_b.py try.
OTHER_MODULES = (
    "libapache2-mod-auth-mellon",
    "libapache2-mod-auth-openidc",
    "libapache2-mod-fcgid",
    "libapache2-mod-geoip",
    "libapache2-mod-jk",
    "libapache2-mod-perl2",
    "libapache2-mod-php",
    "libapache2-mod-qos",
    "libapache2-mod-uwsgi",
    "libapache2-mod-wsgi-py3",
    "libapache2-mod-xsendfile",
    "libapache2-mpm-itk",
    "modsecurity-crs",
)
SCHEMAS = {  # the files of FORGE that each describes
    "dependabot": "dependabot.yml",
    "github-issue-config": "ISSUE_TEMPLATE/config.yml",
    "github-issue-forms": "ISSUE_TEMPLATE/[!c]*.yml",
    "github-workflows": "workflows/*.yml",
}
# Whether what a command prints is to be shown when it ends, as others run beside it.
HELD_BACK: ContextVar[bool] = ContextVar("HELD_BACK", default=False)


@dataclass
class Tally:
    """What ran so far."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    def note(self, name: str, ok: bool) -> None:
        """Count one item."""
        if ok:
            self.passed += 1
        else:
            self.failed.append(name)

    def add(self, other: Tally) -> None:
        """Count what another has counted."""
        self.passed += other.passed
        self.failed += other.failed
        self.left_out += other.left_out
        self.again += other.again

    def read(self, step: str, reports: list[Path], *, ok: bool, again: bool = False) -> None:
        """Count the cases of JUnit `reports`; where a run that was not `ok` names no culprit, it is one itself.

        `again`: what failed in them has passed when it was run again by itself. It is named in the end.
        """
        before = len(self.failed)
        for case in (case for report in reports for case in ElementTree.parse(report).iter("testcase")):
            name = f"{step}: {case.get('name')}"
            skipped = case.find("skipped")
            if skipped is None:
                sound = case.find("failure") is None and case.find("error") is None
                self.note(name, ok=sound or again)
                self.again.extend([] if sound else [name] if again else [])
            elif skipped.text != "No tests applicable.":  # what ansible-test says of rules about files that nobody has
                self.left_out.append(f"{step}: {skipped.get('message') or skipped.text}")
        if not ok and not again and len(self.failed) == before:
            self.failed.append(step)


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> bool:
    """Run `command` with its output as ours and more `environment`; return whether it succeeded."""
    title = f"\n=== {' '.join(map(str, command))}\n"
    environment = {**os.environ, **environment}
    with tempfile.TemporaryFile("w+", errors="replace") as kept:
        output = kept if HELD_BACK.get() else None
        if not output:
            print(title, end="", flush=True)
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        if output:
            output.seek(0)
            print(title + output.read(), end="", flush=True)
    return done.returncode == 0


def lint(tally: Tally) -> None:
    """Run the linters; ansible-lint and mypy find the collection by its name in the installed tree."""
    scripts = [path for path in [*SUPPORT.iterdir(), ROOT / ".ci" / "run"] if b"sh\n" in path.read_bytes()[:20]]
    environment = {"MYPYPATH": str(COLLECTIONS), "MYPY_CACHE_DIR": str(ROOT / "build" / "mypy")}
    rooms = [f"--package=ansible_collections.mtls.httpd.plugins.{room}" for room in ("module_utils", "plugin_utils")]
    tools: list[tuple[str | Path, ...]] = [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy", *rooms),
        ("yamllint", "--strict", "."),
        ("pymarkdown", "--strict-config", "scan", "--respect-gitignore", "--recurse", "."),
        ("ansible-lint", "--strict"),
        ("antsibull-changelog", "lint"),
        ("reuse", "lint", "--lines"),
        ("zizmor", "--offline", "--quiet", "--min-severity=medium", FORGE),
        *(
            ("check-jsonschema", f"--builtin-schema=vendor.{schema}", *sorted(FORGE.glob(pattern)))
            for schema, pattern in SCHEMAS.items()
        ),
    ]
    if run(SUPPORT / "packages", "shellcheck"):
        tools.append(("shellcheck", "--severity", "warning", *scripts))
    else:
        tally.left_out.append("lint: shellcheck is not installed")
    if shutil.which("actionlint"):
        tools.append(("actionlint", *sorted(FORGE.glob("workflows/*.yml"))))
    else:
        tally.left_out.append("lint: actionlint, which no registry of Python has, is not installed")
    # In an environment without other collections, which it would all read.
    documentation = ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all")
    with tempfile.TemporaryDirectory() as scratch:
        copy = as_documented(Path(scratch))
        tools.append((SUPPORT / "environment", "site", *documentation, "--skip-rstcheck", copy))
        tools.append((SUPPORT / "environment", "nox", "nox", "--session", "extra-checks"))
        for tool in tools:
            name = " ".join(str(word) for word in tool[2 if tool[0] == SUPPORT / "environment" else 0 :][:2])
            tally.note(f"lint: {name}", run(*tool, **environment))


def as_documented(folder: Path) -> Path:
    """Copy the installed tree into `folder`, with the types of the role's options as its documentation has them.

    Within a work tree, antsibull-docs sees what Git tracks. Of build/ that is nothing, and it would find all well.
    """
    copy = folder / INSTALLED.relative_to(COLLECTIONS)
    shutil.copytree(INSTALLED, copy)
    command = (SUPPORT / "environment", "run", "python", SUPPORT / "argument_specs.py", "--true-types")
    with (copy / "roles" / "mutual_tls" / "meta" / "argument_specs.yml").open("w") as file:
        subprocess.run(command, stdout=file, check=True)
    return copy


def sanity(tally: Tally, step: str = "sanity", within: tuple[str | Path, ...] = ()) -> None:
    """Run the sanity tests on a copy of the installed tree: within a work tree, ansible-test sees what Git tracks."""
    for name in ("get_pip_24_2.py", "get_pip_25_2.py"):  # as ansible-core 2.19 calls it, and as 2.21 does
        bootstrap = Path.home() / ".ansible" / "test" / "cache" / name
        if not bootstrap.exists():
            bootstrap.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SUPPORT / "get_pip.py", bootstrap)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / INSTALLED.relative_to(COLLECTIONS)
        shutil.copytree(INSTALLED, tree)
        interpreters = Path(scratch) / "python"
        offer_interpreters(interpreters)
        path = [folder for folder in os.environ["PATH"].split(":") if not folder.endswith("/shims")]
        path.insert(1, str(interpreters))
        command = (*within, "ansible-test", "sanity", "--local", "--junit", "--color", "no")
        ok = run(*command, cwd=tree, PATH=":".join(path))
        tally.read(step, sorted((tree / "tests" / "output" / "junit").glob("*.xml")), ok=ok)


def offer_interpreters(folder: Path) -> None:
    """Link the Pythons 3.9 to 3.13 that work here into `folder`; a version manager's shims need not work."""
    folder.mkdir()
    for name in (f"python3.{minor}" for minor in range(9, 14)):
        managed = Path.home().glob(f".pyenv/versions/{name[6:]}.*/bin/{name}")
        for candidate in [*managed, *filter(None, [shutil.which(name)])]:
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                (folder / name).symlink_to(candidate)
                break


def pytest(tally: Tally, step: str, *arguments: str | Path, within: tuple[str | Path, ...] = ()) -> None:
    """Run pytest with `arguments` in the installed tree."""
    report = RESULTS / f"{step.replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    # What failed is remembered by step, as others may run beside it. Bytecode spares each worker the half of its start.
    command = (*within, "pytest", "--quiet", f"--override-ini=cache_dir={RESULTS / 'cache' / report.stem}")
    environment = {"PYTHONPATH": str(COLLECTIONS), "PYTHONDONTWRITEBYTECODE": ""}
    ok = run(*command, f"--junitxml={report}", *arguments, cwd=INSTALLED, **environment)
    # Real servers on a busy machine: what failed gets a second try, alone, and is named if it needed that.
    alone = [each for each in arguments if each != "--numprocesses=auto"]
    failed = ("--last-failed", "--last-failed-no-failures=none")
    again = not ok and run(*command, *failed, *alone, cwd=INSTALLED, **environment)
    tally.read(step, [report] if report.exists() else [], ok=ok, again=again)


def unit(tally: Tally) -> None:
    """Run the unit tests, the verdict's on the oldest cryptography, and a target's on the oldest Python there."""
    run(SUPPORT / "packages", "openssl", "unzip")
    pytest(tally, "unit", "--numprocesses=auto", "tests/unit")
    oldest = (SUPPORT / "environment", "oldest")
    verdict = [f"tests/unit/plugins/module_utils/test_{name}.py" for name in ("judge", "odd_forms")]
    pytest(tally, "unit on the oldest cryptography", "--numprocesses=auto", *verdict, within=oldest)
    old = (SUPPORT / "environment", "target")
    if run(*old, "true"):
        pytest(tally, "unit on 3.9", "--numprocesses=auto", "tests/unit/plugins/module_utils", within=old)
    else:
        tally.left_out.append("unit on 3.9: there is no Python 3.9 here")


def integration(tally: Tally) -> None:
    """Run the tests with a real httpd of their own."""
    if run(SUPPORT / "packages", "apache2-bin", "curl", "libapache2-mod-security2"):
        run(SUPPORT / "packages", "chromium")  # the pages of reports; their tests say if they lack it
        run(SUPPORT / "packages", "gcc", "libc6-dev")  # tests/support/mod_ssl_without; its tests say if they lack them
        run(SUPPORT / "packages", "authbind")
        for name in OTHER_MODULES:  # Each for itself, as not every Debian has them all; their tests say if one lacks.
            run(SUPPORT / "packages", name)
        pytest(tally, "integration", "--numprocesses=auto", "tests/integration")
    else:
        tally.left_out.append("integration: apache2-bin, curl or libapache2-mod-security2 is missing here")


def molecule(tally: Tally) -> None:
    """Run each scenario from nothing to nothing."""
    scenarios = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    if os.geteuid() != 0:
        tally.left_out.extend(f"molecule {name}: containers are made as root only" for name in scenarios)
        return
    for name in scenarios:
        report = RESULTS / f"molecule-{name}.xml"
        report.unlink(missing_ok=True)
        command = (SUPPORT / "containers", "molecule", "test", "--scenario-name", name)
        ok = run(*command, REPORT=str(report), NO_COLOR="1")
        tally.note(f"molecule {name}", ok)
        tally.read(f"molecule {name}", [report] if report.exists() else [], ok=True)
    pytest(tally, "molecule pages", "tests/scenarios", within=(SUPPORT / "containers",))


def faults(tally: Tally) -> None:
    """Run the tests that break hosts: containers of their own, one at a time beside those of other workers."""
    if os.geteuid() == 0:
        # A host is booted once a file, unless its tests are so long that the other workers should take some of them.
        dist = "--dist=worksteal" if LONG else "--dist=loadfile"
        run(SUPPORT / "packages", "gcc", "libc6-dev")  # for test_given_sockets.py, which says if they lack
        pytest(tally, "faults", "--numprocesses=auto", dist, "tests/faults", within=(SUPPORT / "containers",))
    else:
        tally.left_out.append("faults: containers are made as root only")


def newest(tally: Tally) -> None:
    """Run unit tests and plays on the newest ansible-core that is supported; if LONG, all with httpd, and sanity."""
    environment = (SUPPORT / "environment", "newest")
    if run(*environment, "true"):
        folder = Path("tests/integration")
        some = ("test_role.py", "test_playbooks.py", "test_calls.py", "test_reached.py")
        plays = [folder] if LONG else [folder / name for name in some]
        pytest(tally, "newest", "--numprocesses=auto", "tests/unit", *plays, within=environment)
        if LONG:
            sanity(tally, "newest sanity", within=environment)
        else:
            tally.left_out.append("newest: its sanity tests, which make test-long runs")
    else:
        tally.left_out.append("newest: there is no Python 3.12 here, which ansible-core 2.21 needs")


STEPS = {step.__name__: step for step in (lint, sanity, unit, integration, molecule, faults, newest)}
# Neighbours of which each leaves a processor idle: one works on one file after the other, one waits for its hosts.
BESIDE = (("lint", "sanity"), ("molecule", "faults"))


def timed(name: str) -> tuple[Tally, float]:
    """Run a step; return what it counted, and for how many seconds it ran."""
    tally, start = Tally(), time.monotonic()
    STEPS[name](tally)
    return tally, time.monotonic() - start


def together(names: list[str]) -> list[tuple[Tally, float]]:
    """Run steps, beside each other if they are several; return what `timed` tells of each."""
    if len(names) == 1:
        return [timed(names[0])]
    with ThreadPoolExecutor(len(names), initializer=HELD_BACK.set, initargs=(True,)) as threads:
        return list(threads.map(timed, names))


def grouped(names: list[str]) -> list[list[str]]:
    """Return the steps by those that are to run beside each other."""
    groups: list[list[str]] = []
    for name in names:
        if groups and any({*groups[-1], name} <= {*beside} for beside in BESIDE):
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def main() -> int:
    """Run the steps, print the sum, and return the exit code."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    tally, start = Tally(), time.monotonic()
    times = []
    for names in grouped(sys.argv[1:]):
        ran = together(names)
        for counted, _seconds in ran:
            tally.add(counted)
        times.append(" beside ".join(f"{name} {seconds:.0f} s" for name, (_, seconds) in zip(names, ran, strict=True)))
    print("\nTook:", ", ".join(times), f"- {time.monotonic() - start:.0f} s in all")
    titles = ("Failed", tally.failed), ("Passed at the second try", tally.again), ("Left out", tally.left_out)
    for title, names in titles:
        print(f"{title}:", "" if names else "nothing")
        for name, count in Counter(" ".join(name.split()) for name in names).items():
            print(f"    {name}", f"({count} times)" if count > 1 else "")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.left_out)} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
