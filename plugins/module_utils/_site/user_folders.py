# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The folders of users that httpd serves (UserDir), as mod_userdir finds them."""

from __future__ import annotations

import glob
import os
import pwd
import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Made

if TYPE_CHECKING:
    from collections.abc import Iterator

_USERS = 256  # whose folders are looked at


def find_requests_of_users(word: str, path: str) -> Iterator[Made]:
    """By UserDir: whose folder holds a file, as mod_userdir finds it."""
    if word.startswith("/"):
        pattern = re.escape(word.rstrip("/")).replace(r"\*", "([^/]+)") + ("" if "*" in word else "/([^/]+)")
        found = re.match(f"{pattern}/(.+)", path)
        if found:
            yield Made(path=f"/~{found[1]}/{found[found.re.groups]}")
    elif word.lower() not in ("disabled", "enabled") and "://" not in word:
        for name, home in _homes():
            folder = os.path.realpath(os.path.join(home, word))
            if trusted_paths.lies_below(path, folder):
                yield Made(path=f"/~{name}/{os.path.relpath(path, folder)}")


def find_user_folders(word: str) -> Iterator[str]:
    """Yield the folders of users that there are, by a word of UserDir."""
    if word.startswith("/"):
        yield from islice(glob.iglob(word if "*" in word else f"{word.rstrip('/')}/*"), _USERS)
    else:
        yield from (os.path.join(home, word) for _name, home in _homes())


@lru_cache(maxsize=1)
def _homes() -> list[tuple[str, str]]:
    return [(each.pw_name, each.pw_dir) for each in pwd.getpwall() if each.pw_dir not in ("/", "/nonexistent")]


def forget() -> None:
    """Read the folders of users anew when they are asked for next."""
    _homes.cache_clear()
