# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which paths of a site need a client certificate, and which backends they lead to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import ProtectedPath, Site

_URL = re.compile(r"(?:(unix:/[^\s|\\]+)\|)?(https?)://([^\s/|\\]+)/[^\s|\\]*")


def wrong_paths(site: Site) -> Iterator[str]:
    """Yield what is wrong with C(open_paths) and C(protected_paths) beside their types. No message repeats a value."""
    protected = site.protected_paths
    if protected is not None and not protected:
        yield "the option 'protected_paths' is an empty list, so that nothing would be protected. Leave it out."
    yield from _wrong_callbacks(site)
    if not (site.open_paths or protected):
        return
    if site.open_paths and protected:
        yield "both 'open_paths' and 'protected_paths' are given. Give one: all else is the contrary."
    if site.verify_client != "require":
        yield "the option 'verify_client' asks no path for a certificate. Leave it out beside paths that differ."
    named = [(f"open_paths[{index}]", path) for index, path in enumerate(site.open_paths)]
    named += [(f"protected_paths[{index}]", each.path) for index, each in enumerate(protected or ())]
    for name, path in named:
        if path == "/" or not answers.PATH.match(path):
            yield (
                f"the option '{name}' is no path below / of letters, digits, dots, hyphens, '_' and '~'. "
                "Give one such as /healthz."
            )
    yield from _wrong_protected(site, protected or ())


def _wrong_callbacks(site: Site) -> Iterator[str]:
    protected = [each.path for each in site.protected_paths or ()]
    for index, path in enumerate(site.callback_paths):
        where = f"the option 'callback_paths[{index}]'"
        if not answers.PATH.match(path):
            yield (
                f"{where} is no path of letters, digits, dots, hyphens, '_' and '~' behind a slash. "
                "Give one such as /callback, without the query."
            )
        elif path in site.open_paths:
            yield f"{where} is among 'open_paths' too, where Chat would not be told from others. Leave it out there."
        elif protected and not any(f"{path}/".startswith(f"{each}/") for each in protected):
            yield f"{where} lies below none of 'protected_paths', where nobody is asked who calls. Protect it."


def _wrong_protected(site: Site, protected: Sequence[ProtectedPath]) -> Iterator[str]:
    paths = [each.path for each in protected]
    for index, each in enumerate(protected):
        where = f"the option 'protected_paths[{index}]'"
        if each.path.endswith("/"):
            yield f"{where} ends in a slash, without which the path would be open. Leave the slash out."
        if any(each.path.startswith(f"{path}/") for path in paths) or paths.count(each.path) > 1:
            yield f"{where} lies at or below another. Give the upper one alone."
        yield from wrong_backend(f"protected_paths[{index}].proxy_pass", each.proxy_pass)
        if site.proxy_pass and backends.backend(each.proxy_pass)[0] == backends.backend(site.proxy_pass)[0]:
            yield (
                f"{where} has the backend of the site's own 'proxy_pass', which another spelling of the path would "
                "reach without a certificate. Give it a backend of its own, or leave 'protected_paths' out."
            )


def wrong_backend(name: str, url: str) -> Iterator[str]:
    """Yield what is wrong with the URL of a backend."""
    try:
        quoting.directive(url)
    except quoting.NotQuotable as error:
        yield f"the option '{name}' cannot be used: {error}."
        return
    if quoting.RELEASE in url:
        yield f"the option '{name}' holds {quoting.RELEASE}, which stands for the release's folder."
    elif not _URL.fullmatch(url) and _URL.fullmatch(f"{url}/"):
        yield f"the option '{name}' has no path. Put a slash at its end."
    elif not _URL.fullmatch(url):
        yield (
            f"the option '{name}' is not the URL of a backend. It is like http://127.0.0.1:8080/, or "
            "unix:/run/app.sock|http://localhost/."
        )
