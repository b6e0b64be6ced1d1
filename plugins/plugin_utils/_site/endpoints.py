# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where each site that was put in place is to be confirmed, and where from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import is_loopback
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import LEGACY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def find_endpoints(result: Mapping[str, Any], reached: str | None, *, itself: bool) -> list[dict[str, Any]]:
    """Return the RV(endpoints) of the target's result: those of its sites at which handshakes can show mutual TLS.

    By OPTIONS, so that no backend is called. Where a rule decides by path, what is protected is asked for, and the
    answer is a status: that it is a refusal, the handshakes on the host have shown.

    C(reached) is the address at which others reach the host, None where there is none; C(itself) says whether the
    controller is the host.
    """
    return [
        {
            "server_name": each["domain"],
            "port": each["port"],
            "certificate_sha256": each["certificate_sha256"],
            "method": "OPTIONS",
            "path": [*each["protected_paths"], "/"][0],
            "expect": "enforced" if each["protected_paths"] else each["mutual_tls"],
            "status_suffices": bool(each["open_paths"]) or each["mutual_tls"] == "optional",
            "brief": not (each["changed"] or result.get("reloaded")),
            "note": _note(each),
            "proxy_protocol": each["proxy_protocol"],
            **_asked_at(each["listen"], reached, itself=itself),
        }
        for each in result.get("sites", ())
        if each["mutual_tls"] in ("enforced", "optional")
        # handshake_info speaks TLS 1.2 and 1.3 alone.
        and not (each["versions"] and set(each["versions"]) <= set(LEGACY))
    ]


def _note(site: Mapping[str, Any]) -> str:
    """Return what handshakes of strangers do not show of a site: who may call, what is open, and what was changed."""
    said = {
        "May call": site.get("pins"),
        "Open without a certificate": site["open_paths"],
        "Protected": site["protected_paths"],
        "Changed": site.get("changes"),
    }
    return " ".join(f"{what}: {'; '.join(several)}." for what, several in said.items() if several)


def _asked_at(listen: Sequence[str], reached: str | None, *, itself: bool) -> dict[str, str]:
    """Return the address at which to confirm a site, and where from.

    Where the controller has no way in over the network, or the site none but the host's loopback, the host asks itself.
    """
    outside = [address for address in listen if not is_loopback(address)]
    address = [*outside, *listen, reached or "127.0.0.1"][0]
    inside = not itself and (reached is None or is_loopback(address))
    return {"address": address, "run_on": "target" if inside else "controller"}
