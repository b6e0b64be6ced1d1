# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What travels from the controller's half of C(sites) to the target's.

One line of base64, as one argument that is never logged.

A single line, since Ansible masks a secret only where it stands in one piece.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity, Probes
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import ACCEPTABLE, Fault, OperatorError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import BACKEND_CA, CLIENT_CA, CRL, FACTS, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import KEEP_RELEASES
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding

MOST_RELEASES = 100
# Modules of httpd that a site may ask for, beside mod_ssl.
MODULES = ("proxy", "proxy_http", "alias", "headers", "remoteip")
WELCOME = ("http2",)
_VERIFY = ("require", "optional", "optional_no_ca")
_PIN = r"(subject|dns|email):.+|certificate:client-\d{1,4}\.crt"
_CRL_CHECKS = ("chain", "leaf")
_RELEASE = r"[0-9a-f]{16}"
# What a unit of systemd names as it is, without rules for quoting.
METRICS_FOLDER = re.compile(r"(/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*)+")
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class NotARequest(OperatorError, ValueError):
    """The payload is not one of this version's controller half. The message never holds a value of it."""

    def __init__(self, message: str) -> None:
        super().__init__(Fault("bad-request", "", message, ""))


@dataclass(frozen=True)
class Sources:
    """Absolute paths on the host, all PEM. No client_ca where that came from the controller.

    client_ca_sha256: fingerprints (lower-case hexadecimal) of which each client CA on the host must have one, if any.
    trust_anchors: certificates (PEM) that the server's path must end at; empty where that is not to be judged.
    issued_by: public, or chat where Chat issued the server's certificate for itself.
    """

    certificate: str
    private_key: str
    chain: str | None = None
    client_ca: tuple[str, ...] = ()
    client_ca_sha256: tuple[str, ...] = ()
    trust_anchors: str = ""
    issued_by: str = "public"

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(path for path in (self.certificate, self.private_key, self.chain, *self.client_ca) if path)


@dataclass(frozen=True)
class SiteWish:
    """One site as wished: a release for a present one, none for an absent one.

    C(previous): the release before the current one, which is on the host already; C(back_to): the one of this name,
    instead; C(force): although it has ended.
    C(sources): where on the host the rest of the release's material lies; without a release, where it is renewed.
    C(renewal_program): the
    program at its facts' renewal_hook. C(allow_bypass): files, or places in them, of accepted ways past the site.
    C(without_extra): the release's site.conf as it is without extra_directives; empty where the site has none.
    C(findings): what the host's own verdict on the material of C(sources) warns of.
    """

    domain: str
    release: Release | None = None
    previous: bool = False
    back_to: str = ""
    force: bool = False
    sources: Sources | None = None
    renewal_program: Entry = None
    allow_bypass: tuple[str, ...] = ()
    allow_programs: bool = False
    without_extra: bytes = field(default=b"", repr=False)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Watch:
    """Where a watchman of all sites is to write its metrics, and who it is to knock as.

    folder: absolute path, empty for no watchman; None for the one that is there, if any, as it is.
    """

    folder: str | None = None
    stranger: Identity | None = None


@dataclass(frozen=True)
class Request:
    """What is asked of the target.

    clock: the controller's time, in seconds since 1970, if it is known. accepted: codes of faults, of ACCEPTABLE, that
    a rehearsal may show without the change being refused. warn_days: how long before the end of a certificate of the
    host's own it is warned of. keep_releases: how many releases of a site are kept beside its current one.
    protect_callers: a change is refused that would lock callers of late out. ending_within: only the sites are meant of
    which a certificate ends within so many days on the host; None for all. metrics_folder: where a watchman of all
    sites is to write its metrics, an absolute path; empty for no watchman, None for the one that is there, if any.
    """

    wishes: tuple[SiteWish, ...]
    probes: Probes
    binary: str | None = None
    config: str | None = None
    start: bool = False
    required: bool = True
    adopt: bool = False
    clock: float | None = None
    accepted: tuple[str, ...] = ()
    warn_days: int = 30
    keep_releases: int = KEEP_RELEASES
    protect_callers: bool = False
    ending_within: int | None = None
    metrics_folder: str | None = None

    @property
    def watch(self) -> Watch:
        """The watchman that is asked for."""
        return Watch(self.metrics_folder, self.probes.stranger)

    @property
    def holds_keys(self) -> bool:
        """Whether a site's private key travels along."""
        return any(wish.release and wish.release.private_key for wish in self.wishes)


def packed(request: Request) -> str:
    """The request as one line."""
    return _text(json.dumps(request_to_json(request)).encode())


def request_to_json(request: Request) -> dict[str, Any]:
    """The request as JSON can hold it."""
    return {
        "wishes": [
            {
                "domain": wish.domain,
                "public": {name: _text(content) for name, content in wish.release.public.items()}
                if wish.release
                else None,
                "private_key": _text(wish.release.private_key.reveal())
                if wish.release and wish.release.private_key
                else None,
                "previous": wish.previous,
                "back_to": wish.back_to,
                "force": wish.force,
                "allow_bypass": wish.allow_bypass,
                "allow_programs": wish.allow_programs,
                "without_extra": _text(wish.without_extra),
                "sources": asdict(wish.sources) if wish.sources else None,
            }
            for wish in request.wishes
        ],
        "probes": [
            _text(part)
            for part in (
                request.probes.ca,
                request.probes.crl,
                *(
                    part
                    for identity in (request.probes.trusted, request.probes.stranger, request.probes.revoked)
                    for part in (identity.certificate, identity.private_key)
                ),
            )
        ],
        "pinned": {
            pin: [_text(identity.certificate), _text(identity.private_key)]
            for pin, identity in request.probes.pinned.items()
        },
        "binary": request.binary,
        "config": request.config,
        "start": request.start,
        "required": request.required,
        "adopt": request.adopt,
        "accepted": request.accepted,
        "clock": request.clock,
        "warn_days": request.warn_days,
        "keep_releases": request.keep_releases,
        "protect_callers": request.protect_callers,
        "ending_within": request.ending_within,
        "metrics_folder": request.metrics_folder,
    }


def unpacked(text: str) -> Request:
    """The request that travelled as C(text).

    Every name and value that reaches a path or a configuration file is checked again.

    Raises NotARequest.
    """
    try:
        data = json.loads(_decoded(text))
    except ValueError:
        data = None
    return request_from_json(data)


def request_from_json(data: Any) -> Request:
    """The request that C(data) tells, checked as by `unpacked`. Raises NotARequest."""
    try:
        ca, crl, *pairs = (_decoded(each) for each in data["probes"])
        trusted, stranger, revoked = map(Identity, pairs[::2], pairs[1::2])
        return Request(
            wishes=tuple(
                replace(
                    _wish(each),
                    allow_bypass=_places(each["allow_bypass"]),
                    allow_programs=bool(each["allow_programs"]),
                )
                for each in data["wishes"]
            ),
            probes=Probes(
                ca,
                trusted,
                stranger,
                crl,
                revoked,
                {pin: Identity(_decoded(leaf), _decoded(key)) for pin, (leaf, key) in data["pinned"].items()},
            ),
            binary=data["binary"],
            config=data["config"],
            start=bool(data["start"]),
            required=bool(data["required"]),
            adopt=bool(data["adopt"]),
            accepted=_accepted(data["accepted"]),
            clock=data["clock"] and float(data["clock"]),
            warn_days=int(data["warn_days"]),
            keep_releases=_number_to_keep(data["keep_releases"]),
            # A program for renewals that an earlier version has left on a host does not say it.
            protect_callers=bool(data.get("protect_callers", False)),
            ending_within=None if data.get("ending_within") is None else int(data["ending_within"]),
            metrics_folder=_metrics_folder(data.get("metrics_folder")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = str(error) if isinstance(error, NotARequest) else type(error).__name__
        raise NotARequest(
            f"the payload is not what mtls.httpd.sites sends ({reason}): call mtls.httpd.sites instead"
        ) from None


def _places(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(place, str) for place in data):
        raise NotARequest("an accepted bypass is no text")
    return tuple(data)


def _number_to_keep(data: Any) -> int:
    if isinstance(data, bool) or not isinstance(data, int) or not 1 <= data <= MOST_RELEASES:
        raise NotARequest("the number of releases to keep is none")
    return data


def _metrics_folder(data: Any) -> str | None:
    if data is None:
        return None
    if not isinstance(data, str) or not (data == "" or METRICS_FOLDER.fullmatch(data)):
        raise NotARequest("the folder for metrics is no path that a unit can name")
    return data


def _accepted(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(code in ACCEPTABLE for code in data):
        raise NotARequest("an accepted fault is none that may be")
    return tuple(data)


def _sources(data: Any) -> Sources | None:
    if not data:
        return None
    sources = Sources(
        data["certificate"],
        data["private_key"],
        data["chain"],
        tuple(data["client_ca"]),
        tuple(data["client_ca_sha256"]),
        data["trust_anchors"],
        data["issued_by"],
    )
    if not all(isinstance(path, str) and re.fullmatch(r"/[^\0\n]*", path) for path in sources.paths):
        raise NotARequest("a source is no absolute path")
    if not isinstance(sources.trust_anchors, str):
        raise NotARequest("trust anchors are no text")
    if sources.issued_by not in ("public", "chat"):
        raise NotARequest("material is issued by nobody who is known")
    return sources


def _wish(data: Any) -> SiteWish:
    domain = data["domain"]
    if broken_rules(domain) or domain != domain.lower():
        raise NotARequest("a domain breaks the rules")
    quoting.name(domain)
    sources = _sources(data["sources"])
    if data["public"] is None:
        back_to = data["back_to"]
        if not re.fullmatch(f"({_RELEASE})?", back_to):
            raise NotARequest("the name of a release is none")
        previous, force = bool(data["previous"]), bool(data["force"])
        return SiteWish(domain, previous=previous, back_to=back_to, force=force, sources=sources)
    material = set() if sources else {f"{domain}.crt"}
    if not (sources and sources.client_ca):
        material.add(CLIENT_CA)
    private_key = None if data["private_key"] is None else Secret(_decoded(data["private_key"]))
    release = Release(domain, {name: _decoded(content) for name, content in data["public"].items()}, private_key)
    facts = release.facts
    if facts.crl_check in _CRL_CHECKS:
        material.add(CRL)
    if facts.backend_ca:
        material.add(BACKEND_CA)
    named = material | {SITE, FACTS, *facts.pinned_files.values()}
    if set(release.public) != named or (private_key is None) is not bool(sources):
        raise NotARequest("a release has other files than those of a site")
    if not re.fullmatch(f"({_MOMENT})?", facts.crl_ends):
        raise NotARequest("a release's facts hold a moment that is none")
    if facts.domain != domain or any(broken_rules(alias) for alias in facts.aliases):
        raise NotARequest("a release's facts are not those of its site")
    if (
        isinstance(facts.port, bool)
        or not isinstance(facts.port, int)
        or not 0 < facts.port < 65536
        or not set(facts.modules) <= set(MODULES)
        or not set(facts.welcome) <= set(WELCOME)
        or bool(facts.versions) is facts.included
        or not set(facts.versions) <= set(answers.LEGACY_VERSIONS) | set(answers.VERSIONS)
        or not isinstance(facts.included, bool)
    ):
        raise NotARequest("a release's facts hold an impossible value")
    if (
        facts.verify_client not in _VERIFY
        or not all(
            answers.PATH.match(path) for path in (*facts.open_paths, *facts.protected_paths, *facts.callback_paths)
        )
        or not all(re.fullmatch(_PIN, pin) for pin in facts.pins)
    ):
        raise NotARequest("a release's facts hold a rule for clients that is none")
    for log in facts.logs:
        quoting.path(log if log.startswith("/") else f"/{quoting.name(log)}")
    hook = facts.renewal_hook
    if hook and not (sources and re.fullmatch(r"/[^\0\n]*", hook)):
        raise NotARequest("a release's facts name a hook that cannot be")
    for address in facts.listen:
        ipaddress.ip_address(address)
        if not re.fullmatch(r"[0-9a-f:.]+", address):  # A scope (fe80::1%…) may be any text.
            raise NotARequest("a release's facts hold an address with a scope")
    known = not sources  # what is told of material that lies on the host is found out there
    if known and (
        not re.fullmatch(r"[0-9a-f]{64}", facts.certificate_sha256)
        or not all(re.fullmatch(_MOMENT, moment) for moment in (facts.begins, facts.ends))
    ):
        raise NotARequest("a release's facts hold a fingerprint or a moment that is none")
    anchors = sources.trust_anchors if sources else ""
    if b"PRIVATE KEY" in b"".join([*release.public.values(), anchors.encode()]):
        raise NotARequest("a private key stands where none belongs")
    return SiteWish(domain, release, sources=sources, without_extra=_decoded(data["without_extra"]))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
