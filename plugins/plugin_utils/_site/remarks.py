# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator should know of a site that is not refused."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding, some
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.folding import fold
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site


_NAMED = 20  # sites of which the same is said, each by its domain; the result's findings name all
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z")
_TIME = re.compile(rf"{_MOMENT.pattern}|\d+ (?:second|minute|hour|day|year)s?\b")


@dataclass(frozen=True)
class Remark:
    """What is said of a site. code: of the finding that it is of, if it is; subject: the file that this concerns."""

    domain: str
    said: str
    code: str = ""
    subject: str = ""

    @property
    def gist(self) -> tuple[str, ...]:
        """What is said, whichever the site, its file, and the time; of what is no finding, all of it."""
        if not self.code:
            return (self.said,)
        said = self.said.replace(self.subject, "\0") if self.subject else self.said
        return (self.code, _TIME.sub("\0", said.replace(self.domain, "\0")))

    @property
    def moment(self) -> str:
        """The first moment that it tells, such as an end; empty for none."""
        found = _MOMENT.search(self.said)
        return found[0] if found else ""


def say_once(remarks: Iterable[Remark]) -> Iterator[str]:
    """Yield remarks on sites: once for all of which the same is said, and what is alike of many as one.

    Of many, the first to end is told whole, and each other by its file, and its day.
    """
    same: dict[str, list[Remark]] = {}
    for each in remarks:
        same.setdefault(each.said, []).append(each)
    for group in fold(list(same.values()), lambda of: of[0].gist):
        first, *others = sorted(group, key=lambda of: of[0].moment)
        domains = list(dict.fromkeys(each.domain for each in first))
        said = f"{', '.join(domains) if len(domains) <= _NAMED else some(domains)}: {first[0].said}"
        alike = ", ".join(map(_tell_briefly, others))
        yield (
            f"{said} This is of {_tell_briefly(first)}. And {len(others):,} more like it: {alike}." if others else said
        )


def _tell_briefly(same: Sequence[Remark]) -> str:
    """Return the files, or the sites where they are no file's, of which the same is said, and when that is."""
    named = ", ".join(dict.fromkeys(each.subject or each.domain for each in same))
    return f"{named} ({same[0].moment[:10]})" if same[0].moment else named


def legacy_tls(site: Site) -> Iterator[Remark]:
    """Yield what a site gives up by its protocol."""
    legacy = ", ".join(protocol(site).legacy)
    if legacy:
        said = (
            f"it speaks {legacy}, with OpenSSL's security level lowered for it, and anybody who reads the wire may "
            "break that. Leave them out of 'tls_protocols' as soon as their last client is gone."
        )
        yield Remark(site.domain, said)


def find_open_doors(site: Site, pins: Sequence[str]) -> Iterator[Finding]:
    """Yield who else than Chat may call the site, whose clients have these pins."""
    subject = site.domain
    if site.verify_client == "optional_no_ca":
        yield finding(
            "not-enforced",
            subject,
            "clients without a certificate are let in, and those with one that anybody issued: none is verified.",
            "Set 'verify_client' to require, unless the backend decides itself.",
        )
    elif site.verify_client == "optional":
        yield finding(
            "not-enforced",
            subject,
            "clients without a certificate are let in, as 'verify_client' is optional.",
            "Set 'verify_client' to require, unless the backend decides itself.",
        )
    elif site.protected_paths:
        yield finding(
            "not-enforced",
            subject,
            "clients without a certificate are let in, but for the paths of 'protected_paths'.",
            "Leave 'protected_paths' out, and list in 'open_paths' what is to be open, if nothing else is.",
        )
    if site.verify_client == "require" and not pins:
        yield finding(
            "client-not-pinned",
            subject,
            "every client of the client CA may call, not Chat alone.",
            "Read the subject of Chat's first callback in the site's access log, and set 'allowed_clients'.",
        )


def find_nothing_served(site: Site) -> Iterator[Finding]:
    """Yield that the site has nothing to answer Chat with."""
    content = (site.proxy_pass, site.document_root, site.protected_paths, site.extra_directives, site.template)
    if not site.is_included and not any(content):
        yield finding(
            "nothing-served",
            site.domain,
            "it has nothing to serve, so that callbacks get 404, or 403.",
            "Give the backend's URL as 'proxy_pass', or 'document_root'.",
        )


def noteworthy(result: Mapping[str, Any], warn_days: int, anchored: Collection[str] = ()) -> Iterator[str]:
    """Yield what an operator should read of a result without asking for details.

    anchored: domains of the sites that have trust anchors of their own.
    """
    if result.get("failed"):
        return
    # Where nothing was done either, as before an httpd is installed, nothing had to be rehearsed.
    if result.get("rehearsal_reason") and (result["rehearsal"] != "none" or result["changed"]):
        how = "nothing was rehearsed" if result["rehearsal"] == "none" else f"the rehearsal was {result['rehearsal']}"
        yield f"{how}: {result['rehearsal_reason']}."
    for each in result.get("accepted", ()):
        yield f"accepted as {each['code']}, so see whether it is so outside of the rehearsal too: {each['message']}."
    for each in result.get("locked_out", ()):
        yield f"{each['message']}: {each['remedy']}."
    for each in result.get("pending", ()):
        yield f"{each}."
    for each in result.get("healed", ()):
        yield f"found amiss: {each}."
    for each in result.get("broken", ()):
        yield f"httpd would not start again with the configuration as it stands: {each}. Mend that before a reload."
    for each in result.get("limits", ()) if result.get("changed") else ():
        if each not in result.get("unasked_limits", ()):
            yield f"{each}."
    yield from say_once(_remarks_on_sites(result, warn_days, anchored))


def _remarks_on_sites(result: Mapping[str, Any], warn_days: int, anchored: Collection[str]) -> Iterator[Remark]:
    """Yield what C(noteworthy) tells of the sites."""
    for each in result.get("findings", ()):
        said = f"{each['subject']}: {each['message']} {each['remedy']}"
        yield Remark(each["domain"], said, each["code"], each["subject"])
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=warn_days)).isoformat()
    for each in result.get("sites", ()):
        domain = each["domain"]
        if each["remote_src"] and each["changed"]:
            trust = "" if domain in anchored else " Whether public clients trust it was not judged."
            yield Remark(
                domain,
                f"its material lies on the host, so it was judged there by OpenSSL and by handshakes alone.{trust}",
            )
        if each["state"] == "absent" and not each["changed"]:
            yield Remark(domain, "there is no such site on this host, so none was taken away.")
        if each["mutual_tls"] == "optional" and each["previous"]:
            yield Remark(domain, "the release gone back to lets clients without a certificate in.")
        if each["ends"] and each["ends"] < soon and each["previous"]:
            yield Remark(domain, f"the release gone back to serves certificates of which one ends at {each['ends']}.")
