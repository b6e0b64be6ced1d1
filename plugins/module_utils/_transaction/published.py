# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The reference page's own paths, and the programs for renewals."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read_bytes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    Entry,
    File,
    Link,
    StoreError,
    change_to,
    entry_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import FOLDER, Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import renewal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

# Behind the name of a file that was adopted: what was there before us.
KEPT = ".before-mtls"


def plan_renewal_programs(
    before: Mapping[str, SiteFacts], after: Mapping[str, SiteFacts], programs: Mapping[str, Entry]
) -> list[Change]:
    """The changes by which the programs for renewals come, and go with their sites."""
    kept = {site.renewal_hook for site in after.values()}
    gone = {site.renewal_hook for site in before.values()} - kept - {""}
    gone = {path for path in gone if renewal.is_ours(entry_of(path))}  # Another program there is the operator's.
    return [
        change
        for path, entry in [
            *((path, None) for path in sorted(gone)),
            *((after[domain].renewal_hook, entry) for domain, entry in programs.items()),
        ]
        for change in change_to(path, entry)
    ]


def is_tampered(program: Change) -> bool:
    """Whether somebody took a program for renewals away, or changed its mode or owner."""
    found, wanted = program.before, program.after
    return found is None or (isinstance(found, File) and isinstance(wanted, File) and found.content == wanted.content)


def plan_published(
    store: Store, domains: Iterable[str], releases: Mapping[str, Release], present: Iterable[str], adopt: bool
) -> list[Change]:
    """The links by which people and tools find the files where the reference page puts them.

    C(domains): all that are, or were, there. C(present): those that will be, C(releases) with a new release.
    """
    changes = []
    present = sorted(present)
    for domain in sorted(domains):
        for kind in ("crt", "key"):
            target = f"{FOLDER}/{domain}/current/{domain}.{kind}" if domain in present else None
            changes += _link(os.path.join(store.conf, f"{domain}.{kind}"), target, adopt)
    cas = {
        releases[each].public[CLIENT_CA] if each in releases else read_bytes(store.path(each, "current", CLIENT_CA))
        for each in present
    }
    shared = f"{FOLDER}/{present[0]}/current/{CLIENT_CA}" if len(cas) == 1 else None
    return changes + _link(os.path.join(store.conf, CLIENT_CA), shared, adopt)


def _link(path: str, target: str | None, adopt: bool) -> list[Change]:
    """The changes that publish C(target) at C(path), or, for None, give back what was there before us.

    A plain file of a manual installation is kept beside, where C(adopt) allows it, and never overwritten.
    """
    found, kept = entry_of(path), path + KEPT
    ours = is_ours(found)
    if target is None:
        return [Change(path, found, entry_of(kept)), *change_to(kept, None)] if ours else []
    if found is None or ours:
        return change_to(path, Link(target))
    if not adopt or not isinstance(found, File):
        way = ", or set adopt (in the role mutual_tls_adopt), which keeps it beside" if isinstance(found, File) else ""
        words = f"{path} is not this collection's, and stands where it publishes its own"
        raise StoreError(Fault("in-the-way", "", words, f"move it away{way}, then run again"))
    if entry_of(kept) is not None:
        words = f"{kept} keeps a file that was adopted before"
        raise StoreError(Fault("in-the-way", "", words, "move it away, then run again"))
    return [Change(kept, None, found), Change(path, found, Link(target))]


def is_ours(entry: Entry) -> bool:
    """Whether it is a link by which we publish a file."""
    return isinstance(entry, Link) and entry.target.startswith(FOLDER + "/")
