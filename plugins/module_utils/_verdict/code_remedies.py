# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What to do about each code of a finding, in general. A finding itself says it for its own file and option."""

from __future__ import annotations

REMEDIES = {
    "unreadable": "Correct the path, or give a file that holds what its option wants.",
    "unknown-form": "Turn it into another form by the command that the message names.",
    "member-unreadable": "Nothing, where the others are enough. To be rid of the warning, mend it or leave it out.",
    "odd-encoding": "Have the certificate issued anew by a CA that keeps to DER.",
    "store-unreadable": "Give `trust_anchors` in PEM, or mend the controller's store.",
    "chain-swapped": "Give each file in the other's place.",
    "encrypted-key": "Give `private_key_passphrase`, vaulted, or a key without a passphrase.",
    "ambiguous": "Give one of the two.",
    "invalid-domain": "Give a name of letters, digits and hyphens that a public CA issues for.",
    "key-mismatch": "Give the key that the certificate was requested with, or have a certificate issued for this key.",
    "expired": "Renew the certificate.",
    "not-yet-valid": "Wait, or see that the controller's clock is right.",
    "expires-soon": "Renew the certificate.",
    "name-mismatch": "Have a certificate issued for all names of the site, or correct `domain` or `aliases`.",
    "weak-key": "Make a new key, RSA with 2048 bits or ECDSA with P-256, and have a certificate issued for it.",
    "weak-signature": "Have the certificate issued anew, signed with SHA-256.",
    "wrong-usage": "Have a certificate issued for TLS servers, or give the right file.",
    "bad-form": "Have the certificate issued anew by a CA that keeps to RFC 5280.",
    "long-lifetime": "Have a certificate issued for a shorter time before clients refuse this one.",
    "must-staple": "Set `ocsp_stapling`, or have a certificate issued without the demand.",
    "chain-incomplete": "Give the missing certificate as `chain`.",
    "untrusted-issuer": "Give the chain that came with it; for a CA of your own, set `issued_by`.",
    "name-constraints": "Have the certificate issued by a CA that may issue for these names.",
    "path-refused": "Read the message for the rule, and have the certificate issued anew.",
    "outside-profile": "Have the certificate issued anew if strict clients are to connect.",
    "chain-order": "Nothing. To be rid of the warning, put the server's certificate first, then each one's issuer.",
    "chain-superfluous": "Nothing. To be rid of the warning, leave the certificates that it names out of `chain`.",
    "not-a-ca": "Give the CA's own certificate, not a client's or a server's.",
    "clients-refused": "Give the certificate as the CA publishes it; if this is that one, ask the CA for another.",
    "client-ca-incomplete": "Give its root too, as one more file of `client_ca`.",
    "public-client-ca": "Give the CA that issues certificates to your clients and to nobody else.",
    "wrong-fingerprint": "See where the file came from, then correct the file or the pin.",
    "crl-expired": "Get a new CRL from the CA, and deploy it. Without `crl`, revoked clients get in too.",
    "crl-expires-soon": "Get a new CRL from the CA before the old one ends.",
    "crl-not-yet-valid": "Wait, or see that the controller's clock is right.",
    "crl-wrong-issuer": "Give the CRL of the client CA.",
    "crl-missing": "Give a CRL of each client CA, or none.",
    "crl-unsupported": "Get the CA's full CRL.",
    "revoked": "Have a new certificate issued, with a new key; take a client CA that is revoked out.",
    "client-not-pinned": "Set `allowed_clients`. See docs/clients.md.",
    "not-enforced": "Leave these two options out if all callers have certificates.",
    "nothing-served": "Give `proxy_pass` or `document_root`.",
    "no-responder": "Leave `ocsp_stapling` out.",
    "outside-guideline": "Have a certificate issued as the guideline wants, or take another `tls_profile`.",
}
