# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""OpenSSL's part in the verdict: what it refuses is an error; what it accepts is a warning at most, but for some rules.

The rules explain. Where OpenSSL refuses what they find no fault with, its words become a finding. Where it accepts what
they refuse, that is a warning; but a weak key, a wrong name, and what a public authority may not do, stay errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import bare_rules, rules, validity
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    CRYPTOGRAPHY,
    ERROR,
    OPENSSL,
    WARNING,
    command,
    finding,
    has_errors,
    some,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.handshakes import (
    MAXIMUM_CLIENT_CAS,
    NoHandshakeError,
    Offer,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import EXTENSIONS
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.refusals import (
    LISTS,
    PATH,
    codes_of,
    explained,
    harmless,
    softened,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.signature import name_key

if HAS_CRYPTOGRAPHY:
    from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import Refusal
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.handshakes import Answer, Entry
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server import ServerMaterial
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server_path import ServerPath
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import MaterialSet

# OpenSSL's numbers (x509_vfy.h).
_NO_LIST, _WRONG_SIGNATURE, _REVOKED, _CRITICAL, _CRITICAL_IN_LIST = 3, 7, 23, 34, 36
_MAXIMUM_SENT = 100 * 1024  # bytes of certificates that its clients take (SSL_MAX_CERT_LIST_DEFAULT)
# What only an authority that everybody trusts is held to.
_OF_PUBLIC_AUTHORITIES = frozenset({"bad-form", "wrong-usage"})
# What on a path it is not held to: that nothing, or too little, was found, which is another thing; and the form of a
# root, which each client has by itself.
_NOT_HELD = frozenset({"chain-incomplete", "untrusted-issuer", "bad-form"})
# The extensions that OpenSSL processes (X509_supported_extension): any other that is critical is refused.
_PROCESSED = frozenset(
    [
        "2.16.840.1.113730.1.1",
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.32",
        "2.5.29.31",
        "2.5.29.37",
        "2.5.29.36",
        "2.5.29.30",
        "2.5.29.33",
        "2.5.29.54",
        "1.3.6.1.5.5.7.1.7",
        "1.3.6.1.5.5.7.1.8",
        "1.3.6.1.5.5.7.1.14",
    ]
)
_CA_ANEW = (
    "Give the certificate as the CA publishes it; if this is that one, ask the CA for one without the fault. See it: "
)


@dataclass(frozen=True)
class Tried:
    """What became of serving the server's material, and the issuers that were sent with its certificate."""

    answer: Answer
    issuers: tuple[Certificate, ...]


# The server


def try_server(
    shared: Shared, given: MaterialSet, server: ServerMaterial, path: ServerPath, key: Secret | None
) -> Tried | None:
    """Serve the material to OpenSSL's clients; return what became of it, or None if there is no asking them.

    The issuers sent are those of the path that was found, and if they are refused, all that may lead to an anchor.
    """
    if path.anchors is None:
        return None
    found = tuple(one for one in path.certificates[1:] if not one.self_signed and one.parsed in server.known)
    first = None
    for issuers in dict.fromkeys((found, path.leading) if len(path.certificates) > 1 else (path.leading,)):
        anchors = path.anchors.above((server.leaf, *issuers))
        if server.leaf.parsed in path.anchors.certificates:
            anchors = (*anchors, server.leaf)
        # Of Chat's own authority, the uppermost that is given may stand for a root that only Chat has.
        of_chat = given.issued_by == "chat" and not given.trust_anchors
        partial = of_chat and not any(one.self_issued for one in anchors)
        offer = Offer(server.leaf, issuers, key, next(iter(server.domains), None), anchors, partial)
        try:
            tried = Tried(shared.handshakes.serve(offer), issuers)
        except NoHandshakeError:
            return None
        if tried.answer.refusal is None:
            return tried
        first = first or tried
    return first


def weigh_server(
    tried: Tried, given: MaterialSet, path: ServerPath, own: Sequence[Finding], of_path: Sequence[Finding]
) -> list[Finding]:
    """Return the findings on the server, its `own` and those on its path, with what OpenSSL's clients make of them."""
    refusal, strict = tried.answer.refusal, tried.answer.strict
    if refusal is not None:
        critical = _unprocessed_in(path) if refusal.number == _CRITICAL else None
        if critical is not None:
            # cryptography says so too, and not of which certificate.
            return [*own, *(one for one in of_path if one.quotes != CRYPTOGRAPHY), critical]
        if path.beyond_library:  # of which cryptography cannot say what is wrong
            of_path = [one for one in of_path if one.quotes != CRYPTOGRAPHY]
        return explained([*own, *of_path], refusal, _refused_server(refusal, path, tried.issuers))
    private = given.issued_by == "chat"
    # An authority whose root is in everybody's store is held to the rules.
    is_public = not private and not given.trust_anchors
    weighed = [softened(one, _OF_PUBLIC_AUTHORITIES) if private else one for one in own]
    leaf = path.certificates[0].source
    objections: list[tuple[str, str, str]] = []  # each with the file that it is about, and what to do
    for one in of_path:
        if one.severity != ERROR or one.code not in PATH:
            weighed.append(one)
        elif is_public and one.code not in _NOT_HELD and not path.beyond_library:
            weighed.append(_said_by_both(one, path))
        elif not path.beyond_library:
            why = path.objection if one.quotes == CRYPTOGRAPHY else one.message.partition(";")[0].rstrip(".")
            objections.append((one.subject, why, one.remedy))
    if not is_public:
        weighed = [replace(one, severity=WARNING) if one.code == "odd-encoding" else one for one in weighed]
    if strict is not None:
        objections.append((leaf, _words(strict), _anew(leaf)))
    if objections and not any(one.code == "outside-profile" for one in weighed) and not has_errors(weighed):
        weighed.append(_outside_profile(path, *objections[0]))
    return weighed


def _outside_profile(path: ServerPath, subject: str, why: str, remedy: str) -> Finding:
    """Return the warning of what OpenSSL's clients accept; on the file of an issuer, where its form is what is odd."""
    for issuer, _use in path.issuers if subject == path.certificates[0].source else ():
        for fault in rules.form(issuer):
            subject, why = issuer.source, f"of '{issuer.label}', {fault.message.partition(';')[0]}"
            remedy = _anew(subject)
    message = f"OpenSSL's clients accept the path, and strict ones, or other libraries, do not: {why}."
    return finding("outside-profile", subject, message, remedy)


def _anew(source: str) -> str:
    look = command(source, "x509", "-noout -text")
    return f"Ask the authority for a certificate and chain that follow RFC 5280. To see this one: {look}"


def _said_by_both(one: Finding, path: ServerPath) -> Finding:
    """Return an error on a path that OpenSSL's clients accept as one that says so."""
    if one.quotes != CRYPTOGRAPHY:
        return one
    message = f"OpenSSL's clients accept its path to the trust anchor, and strict ones do not: {path.objection}."
    return replace(one, message=message)


def _unprocessed_in(path: ServerPath) -> Finding | None:
    """Return the finding on the first certificate of a path with a critical extension that OpenSSL does not process."""
    for one in dict.fromkeys((*path.certificates, *(issuer for issuer, _use in path.issuers), *path.leading)):
        odd = _unprocessed(one)
        if odd:
            message = f"OpenSSL's clients refuse the path: they do not process the critical extension {some(odd)} of "
            message += f"'{one.label}' (OpenSSL: unhandled critical extension)."
            look = command(one.source, "x509", "-noout -text")
            remedy = f"Ask the authority for one without it, or in which it is not critical. To see it: {look}"
            return finding("path-refused", one.source, message, remedy)
    return None


def _refused_server(refusal: Refusal, path: ServerPath, issuers: Sequence[Certificate]) -> Finding:
    """Return the finding for what no rule explains, in OpenSSL's words."""
    code, leaf, last = codes_of(refusal)[0], path.certificates[0], path.certificates[-1]
    message, remedy = f"OpenSSL's clients refuse it: {_words(refusal)}.", _anew(leaf.source)
    octets = sum(len(one.der) for one in (leaf, *issuers))
    if code == "key-mismatch":
        message = f"OpenSSL does not take the private key for its own ({_words(refusal)}); httpd would not start again."
        remedy = "Give the certificate and the key that belong together, as they were made."
    elif refusal.number in (2, 20, 21) and path.anchors and last.parsed in path.anchors.certificates:
        message = (
            f"the path ends at the trust anchor '{last.label}', which is no root; clients want a root, unless they are "
            f"told otherwise ({_words(refusal)})."
        )
        remedy = "Give its root as 'trust_anchors'."
    elif code == "name-constraints":
        message = f"a CA on its path may not issue for names that stand there (OpenSSL: {_words(refusal)})."
    elif not refusal.number and octets > _MAXIMUM_SENT:
        message = (
            f"it and its chain have {octets} bytes, and OpenSSL's clients take {_MAXIMUM_SENT} at most "
            f"({_words(refusal)})."
        )
        remedy = "Order one for fewer names, as each site needs those of its own alone."
    elif not refusal.number:
        message = f"OpenSSL cannot serve it, and neither can httpd: {_words(refusal)}."
    return finding(code, leaf.source, message, remedy)


# The client CAs


def try_client_cas(
    shared: Shared, client_cas: Sequence[Certificate], crls: Sequence[RevocationList], *, whole: bool = True
) -> list[Entry] | None:
    """Return for each client CA whether httpd lets its clients in; None instead if that cannot be tried.

    The lists are asked about the `whole` path of a client, or about its own certificate alone, as the site will do it.
    """
    if not client_cas or len(client_cas) > MAXIMUM_CLIENT_CAS:
        return None
    lists = tuple(one.given for one in crls)
    key = (tuple(client_cas), lists, whole)
    if key not in shared.let_in:
        try:
            shared.let_in[key] = shared.handshakes.let_in([one.der for one in client_cas], lists, whole=whole)
        except NoHandshakeError:
            shared.let_in[key] = None
    return shared.let_in[key]


def weigh_client_cas(
    told: Sequence[Refusal | None],
    client_cas: Sequence[Certificate],
    findings: Sequence[Finding],
    crls: Sequence[RevocationList],
    *,
    whole: bool = True,
) -> list[Finding]:
    """Return the findings on the client CAs and the lists, with what OpenSSL makes of clients of theirs.

    The lists were asked about the `whole` path of a client, or about its own certificate alone.
    """
    is_let_in = all(one is None for one in told)
    if not whole:
        told = [
            None if refusal is not None and _issues_to_cas_alone(refusal, one, client_cas, crls) else refusal
            for refusal, one in zip(told, client_cas)
        ]
    weighed = list(findings)
    apart = [one for one in client_cas if _signs_lists_beside(one, client_cas, told)]
    told = [None if one in apart else refusal for one, refusal in zip(client_cas, told)]
    for one in apart:
        own = rules.no_client_ca(one)
        weighed = [bare_rules.key_for_lists(one.source, one.label) if each == own else each for each in weighed]
    for one, refusal in zip(client_cas, told):
        if refusal is not None:
            about = [each for each in weighed if each.subject == one.source or each.code in LISTS]
            added = explained(about, refusal, _refused_client_ca(refusal, one, client_cas, crls))
            weighed = [added[about.index(each)] if each in about else each for each in weighed] + added[len(about) :]
    refused = {one.source for one, refusal in zip(client_cas, told) if refusal is not None}
    accepted = {one.source for one in client_cas} - refused
    deltas = {one.source for one in crls if rules.is_delta(one)}
    names = [(one.subject_key, one.issuer_key) for one in client_cas]
    lets_others_in = validity.lets_others_in(names, [refusal is None for refusal in told])
    for at, each in enumerate(weighed):
        if each.subject in accepted and each.severity == ERROR and each.code in ("expired", "not-yet-valid"):
            weighed[at] = validity.as_of_no_account(each)
        elif each.subject in refused:
            weighed[at] = validity.as_of_no_client(each, lets_others_in=lets_others_in)
        elif each.subject in accepted:
            weighed[at] = softened(each, PATH | {"crl-missing", "crl-wrong-issuer", "weak-key", "weak-signature"})
        elif is_let_in:  # under the lists, so that one which is nobody's does no harm
            weighed[at] = softened(each, ("crl-wrong-issuer",))
            if each.code == "crl-unsupported" and each.subject not in deltas:
                weighed[at] = harmless(each)
    return weighed


def _signs_lists_beside(one: Certificate, client_cas: Sequence[Certificate], told: Sequence[Refusal | None]) -> bool:
    """Return whether a certificate is for the lists of a CA whose clients another one lets in (RFC 5280, 4.2.1.3)."""
    usage = one.extension(x509.KeyUsage)
    if usage is None or usage.key_cert_sign or not usage.crl_sign:
        return False
    return any(other.subject_key == one.subject_key for other, refusal in zip(client_cas, told) if refusal is None)


def _issues_to_cas_alone(
    refusal: Refusal, one: Certificate, client_cas: Sequence[Certificate], crls: Sequence[RevocationList]
) -> bool:
    """Return whether a CA without a list is above another, so that it may have no clients of its own to keep out."""
    is_without_list = refusal.number == _NO_LIST and not rules.names_as_issuer(crls, one)
    return is_without_list and bool(rules.issued_by(one, client_cas))


def too_deep(client_cas: Sequence[Certificate], told: Sequence[Entry], depth: int | None) -> Iterator[Finding]:
    """A client CA whose clients have no more above them than `SSLVerifyDepth` allows: mod_ssl counts up to the root.

    It counts the path that OpenSSL followed, which the names of issuers alone do not tell where a CA has two of them.
    """
    for one, entry in zip(client_cas, told) if depth is not None else ():
        above = entry.above or _counted_by_name(one, client_cas)
        if entry.refusal is None and depth is not None and above > depth:
            counted = f"{above} certificate{'s' if above > 1 else ''}"
            message = (
                f"clients of '{one.label}' have {counted} above their own up to the root, and 'verify_depth' is "
                f"{depth}; httpd would refuse them."
            )
            yield finding("clients-refused", one.source, message, f"Set 'verify_depth: {above}'.")


def _counted_by_name(one: Certificate, client_cas: Sequence[Certificate]) -> int:
    """Return how many certificates clients of a CA have above their own, by the names of issuers."""
    above, last = 1, one
    while not last.self_issued and above <= len(client_cas):
        issuer = next((each for each in client_cas if each.subject_key == last.issuer_key), None)
        if issuer is None:
            break
        above, last = above + 1, issuer
    return above


def _refused_client_ca(
    refusal: Refusal,
    one: Certificate,
    together: Sequence[Certificate],
    crls: Sequence[RevocationList],
) -> Finding:
    """Return the finding for what no rule explains: what it is, as far as it can be seen, and OpenSSL's words."""
    code = codes_of(refusal)[1]
    why, remedy = "", _CA_ANEW + command(one.source, "x509", "-noout -text")
    if refusal.number == _CRITICAL:
        odd = {each: _unprocessed(each) for each in (one, *together)}
        which = next((each for each in odd if odd[each]), None)
        if which is not None:
            why = f"OpenSSL does not process the critical extension {some(odd[which])} of '{which.label}'"
    elif refusal.number == 26:
        why = "its extended key usage is not for clients, as OpenSSL wants clientAuth by name, where there is any"
    elif refusal.number == 25:
        why = "a CA above it allows for no such path (path length of the basic constraints)"
    elif refusal.number in (2, 20, 21):
        why = f"its issuer is not found among the client CAs{_odd_link(one, together)}"
    elif refusal.number == _WRONG_SIGNATURE and any(_is_namesake(one, each) for each in together):
        code, (why, remedy) = "clients-refused", bare_rules.TAKEN_FOR_ANOTHER
    elif refusal.number == _WRONG_SIGNATURE and rules.has_long_exponent(one):
        why = "the exponent of its key is longer than OpenSSL takes of a key of RSA of that size"
    elif refusal.number == _REVOKED:
        why = f"it is, or a CA above it is, on the CRL of its issuer{_listed(together, crls)}"
        remedy = bare_rules.REVOKED_CA
    elif refusal.number == _NO_LIST:
        why = f"no CRL that is given is taken for its own{_odd_list(one, crls)}"
        look = command(crls[0].source if crls else "FILE", "crl", "-noout -text")
        remedy = f"Give the present CRL of the client CA, or none. To see this one: {look}"
    elif refusal.number == _CRITICAL_IN_LIST:
        own = [each.source for each in crls if name_key(each.parsed.issuer) == one.subject_key]
        why = f"OpenSSL does not process a critical extension of {some(own)}, or of an entry of it"
        look = command(own[0] if own else "FILE", "crl", "-noout -text")
        remedy = f"Ask the CA for a CRL without it, or give none. To see it: {look}"
    words = f"{why} (OpenSSL: {_words(refusal)})" if why else _words(refusal)
    refused = finding(code, one.source, f"httpd would let no client of '{one.label}' in: {words}.", remedy)
    # With OpenSSL's words alone, a later refusal may be told beside this one.
    return replace(refused, quotes=OPENSSL) if why else refused


def _is_namesake(one: Certificate, other: Certificate) -> bool:
    return one.subject_key == other.subject_key and one.fields.public != other.fields.public


def _odd_link(one: Certificate, together: Sequence[Certificate]) -> str:
    """Return what keeps an issuer of a client CA from being found, as far as it can be seen."""
    link = next((link for each in together for link in rules.wrong_links(one, each)), "")
    if link:
        return f", as its authority key identifier {link}"
    if one.self_issued and not one.algorithm.is_known:
        return ", as its own signature is by an algorithm that OpenSSL does not know, so that it takes it for no root"
    return ""


def _listed(together: Sequence[Certificate], crls: Sequence[RevocationList]) -> str:
    """Return which of the client CAs are on the lists of their issuers, each with its list."""
    found = [
        f"'{one.label}' on {crl.source}"
        for one in together
        for crl in crls
        if one.serial in crl.revoked and name_key(crl.parsed.issuer) == one.issuer_key
    ]
    return f" ({some(found)})" if found else ""


def _odd_list(one: Certificate, crls: Sequence[RevocationList]) -> str:
    """Return what keeps a list of the CA's name from being the CA's."""
    own = one.extension(x509.SubjectKeyIdentifier)
    for crl in crls:
        for each in crl.parsed.extensions:
            named = each.value.key_identifier if isinstance(each.value, x509.AuthorityKeyIdentifier) else None
            if name_key(crl.parsed.issuer) == one.subject_key and own is not None and named not in (None, own.digest):
                return ", as the one of its name is of another key (authority key identifier)"
    return ""


def _unprocessed(one: Certificate) -> list[str]:
    """Return the critical extensions that OpenSSL does not process, by the names of RFC 5280 where they have one."""
    found = []
    for each in one.fields.critical():
        if each not in _PROCESSED:
            name = EXTENSIONS.get(each)
            found.append(f"{name} ({each})" if name else each)
    return found


# Both


def _words(refusal: Refusal) -> str:
    return refusal.words.rstrip(".")
