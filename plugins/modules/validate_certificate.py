# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What runs is plugins/action/validate_certificate.py, on the controller.

DOCUMENTATION = r"""
module: validate_certificate
short_description: Judge certificate, private key, chain, client CA and CRL together
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Names everything that would keep an httpd with mutual TLS from starting, or its clients from connecting, before
    anything leaves the controller. Fails when there is an error, and names all of them at once. Warnings do not fail.
  - Every option is optional. The rules that need what is not given are left out, and nothing else is.
  - Material is recognised by its content, never by its name. PEM with text around it, line ends of Windows or a byte
    order mark; DER; PKCS#7; PKCS#12; keys in PKCS#8, PKCS#1 or SEC1, encrypted or not; and zips of these, as the
    console and the page of C(TencentQQAuthCA.crt) offer them for download. A file may have 1 MiB, and so may what a
    zip unpacks to.
  - Files are found as M(ansible.builtin.copy) finds them, in C(files) of the role or playbook. Vaulted files are
    decrypted in memory.
  - OpenSSL has the last word, where there can be a handshake in memory; see RV(decided_by). The rules explain it.
  - The codes of all findings are in C(docs/verdict.md).
notes:
  - Works in the controller's process. C(become) means nothing to it, and C(delegate_to) is an error.
  - No message, and nothing returned, ever holds a private key, a passphrase or the value of an option that may hold
    one.
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
  diff_mode:
    support: none
    description: Changes nothing.
  platform:
    platforms: posix
    support: full
    description: The target is not looked at.
extends_documentation_fragment: [mtls.httpd.attributes]
requirements:
  - Python library C(cryptography), 45.0 or newer, on the controller
options:
  domain: &domain
    description:
      - The name that clients call. It must be among the certificate's subject alternative names.
    type: str
  aliases: &aliases
    description:
      - Further names that the certificate must cover.
    type: list
    elements: str
    default: []
  certificate: &certificate
    description:
      - Path on the controller to the server's certificate, alone or with its chain before or after it.
      - The key that a PKCS#12 file holds is taken too, where no other is given.
    type: path
  certificate_content: &certificate_content
    description:
      - The certificate itself, as PEM text, or base64 of DER or PKCS#12. Set it where the certificate comes from a
        lookup.
    type: str
  private_key: &private_key
    description:
      - Path on the controller to the private key of O(certificate). Keep the file vaulted.
    type: path
  private_key_content: &private_key_content
    description:
      - The private key itself, as PEM text, or base64 of DER. Set it where the key comes from a vaulted variable or a
        lookup.
    type: str
  private_key_passphrase: &private_key_passphrase
    description:
      - Passphrase of the private key, or of the PKCS#12 file.
    type: str
  chain: &chain
    description:
      - Path on the controller to the intermediate certificates. Set it where the certificate's file does not hold
        them.
    type: path
  chain_content: &chain_content
    description:
      - The intermediate certificates themselves, as PEM text, or base64 of DER or PKCS#7.
    type: str
  bundle: &bundle
    description:
      - Path on the controller to one file of certificate and private key, such as the zip that the console offers for
        download. Takes the place of O(certificate) and O(private_key).
    type: path
  bundle_content: &bundle_content
    description:
      - The same file as base64.
    type: str
  client_ca: &client_ca
    description:
      - Paths on the controller to the CA certificates that clients must be issued by. For Chat,
        C(TencentQQAuthCA.crt.zip) as it is downloaded, or the file in it. Two while a CA is being replaced.
    type: list
    elements: path
  client_ca_content: &client_ca_content
    description:
      - The client CA certificates themselves, as PEM text, or base64 of DER or zip.
    type: list
    elements: str
  client_ca_sha256: &client_ca_sha256
    description:
      - SHA-256 fingerprints (hexadecimal, colons allowed). Where given, every client CA must have one of them. Set it
        so that a wrong download never becomes a trust anchor.
      - A public root as client CA lets in everybody who buys a certificate of it. That is an error, unless it is
        pinned here.
    type: list
    elements: str
    default: []
  crl: &crl
    description:
      - Paths on the controller to certificate revocation lists of the client CA.
    type: list
    elements: path
  crl_content: &crl_content
    description:
      - The revocation lists themselves, as PEM text, or base64 of DER.
    type: list
    elements: str
  issued_by: &issued_by
    description:
      - Who issued the certificate. V(public) for an authority that everybody trusts (case 1 of the reference page).
        V(chat) for a certificate that Chat issued for the domain (case 2), which no public client trusts.
      - With V(chat) the path ends at O(trust_anchors) where given, else at the last issuer that was supplied.
    type: str
    choices: [public, chat]
    default: public
  trust_anchors: &trust_anchors
    description:
      - Paths on the controller to the roots that the certificate's path must end at. Set it for a private authority.
      - The default for O(issued_by=public) is the controller's own store, which is the file that Python's OpenSSL is
        set to (C(SSL_CERT_FILE) where that is set), such as C(/etc/ssl/certs/ca-certificates.crt) on Debian or
        C(/etc/pki/tls/certs/ca-bundle.crt) on RHEL. RV(notes) says which file it was.
    type: list
    elements: path
  trust_anchors_content: &trust_anchors_content
    description:
      - The roots themselves, as PEM text, or base64 of DER.
    type: list
    elements: str
  certificates:
    description:
      - Several such sets, judged in one call. It takes the place of all options above. Far faster than a loop.
    type: list
    elements: dict
    suboptions:
      domain: *domain
      aliases: *aliases
      certificate: *certificate
      certificate_content: *certificate_content
      private_key: *private_key
      private_key_content: *private_key_content
      private_key_passphrase: *private_key_passphrase
      chain: *chain
      chain_content: *chain_content
      bundle: *bundle
      bundle_content: *bundle_content
      client_ca: *client_ca
      client_ca_content: *client_ca_content
      client_ca_sha256: *client_ca_sha256
      crl: *crl
      crl_content: *crl_content
      issued_by: *issued_by
      trust_anchors: *trust_anchors
      trust_anchors_content: *trust_anchors_content
  at:
    description:
      - The moment to judge by, as ISO 8601 (V(2027-01-31T12:00:00Z), or V(2027-01-31)). UTC where no zone is given.
        Now by default. Set it to learn what will have ended by then.
    type: str
  warn_days:
    description:
      - Days before the end of a certificate from which the verdict warns.
    type: int
    default: 30
seealso:
  - module: mtls.httpd.validate_domain
  - module: mtls.httpd.sites
  - plugin: mtls.httpd.certificate
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Judge all material of a site (case 1 of the reference page)
  mtls.httpd.validate_certificate:
    domain: www.example.com
    certificate: www.example.com.crt
    chain: www.example.com.chain.crt
    private_key: www.example.com.key
    client_ca: TencentQQAuthCA.crt.zip

- name: Judge what Chat issued, as the console's zip (case 2)
  mtls.httpd.validate_certificate:
    domain: www.example.com
    bundle: www.example.com.zip
    client_ca: TencentQQAuthCA.crt.zip
    client_ca_sha256: "{{ chat_ca_sha256 }}"
    issued_by: chat

- name: Learn what of all sites will have ended in three months
  mtls.httpd.validate_certificate:
    certificates:
      - domain: www.example.com
        certificate: www.example.com.crt
      - domain: www.example.org
        certificate: www.example.org.crt
    at: "{{ '%Y-%m-%d' | ansible.builtin.strftime(now().timestamp() + 90 * 86400) }}"
  register: verdict
  failed_when: verdict.results is not defined
"""

RETURN = r"""
findings:
  description: Everything that is wrong or soon will be, errors first.
  returned: always
  type: list
  elements: dict
  contains: &finding
    code:
      description: Stable name of what was found. C(docs/verdict.md) lists all.
      returned: always
      type: str
      sample: key-mismatch
    severity:
      description: V(error) or V(warning).
      returned: always
      type: str
      sample: error
    subject:
      description: Which file or option.
      returned: always
      type: str
      sample: www.example.com.key
    message:
      description: What is wrong, and why it matters.
      returned: always
      type: str
      sample: the private key is not that of the certificate in www.example.com.crt; httpd would not start again.
    remedy:
      description: What to run or do.
      returned: always
      type: str
      sample: >-
        Give the key with which both of these print the same: openssl x509 -in www.example.com.crt -noout -pubkey;
        openssl pkey -in www.example.com.key -pubout
    domain:
      description: The O(domain) of the set that it concerns, null where none was given.
      returned: always
      type: str
      sample: www.example.com
certificates:
  description: Every certificate that was judged, each once.
  returned: always
  type: list
  elements: dict
  contains:
    use:
      description: What it serves for. One of V(server), V(chain), V(trust_anchor), V(client_ca).
      returned: always
      type: str
      sample: server
    source:
      description: Which file or option it came from.
      returned: always
      type: str
      sample: www.example.com.crt
    subject:
      description: Its subject (RFC 4514).
      returned: always
      type: str
      sample: CN=www.example.com
    issuer:
      description: Its issuer (RFC 4514).
      returned: always
      type: str
      sample: CN=Example Issuing CA
    names:
      description: The DNS names among its subject alternative names, in lower case.
      returned: always
      type: list
      elements: str
      sample: [www.example.com, example.com]
    serial:
      description: Its serial number, in lower-case hexadecimal.
      returned: always
      type: str
      sample: 6e2c9bd1f0a37c55
    sha256:
      description: Its SHA-256 fingerprint, in lower-case hexadecimal.
      returned: always
      type: str
      sample: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    not_before:
      description: From when it is valid, in UTC.
      returned: always
      type: str
      sample: "2026-11-01T00:00:00Z"
    not_after:
      description: Until when it is valid, in UTC.
      returned: always
      type: str
      sample: "2027-01-30T23:59:59Z"
    days_left:
      description: Whole days until then, negative after it.
      returned: always
      type: int
      sample: 68
    lifetime_left_percent:
      description: How much of its lifetime is left, 0 to 100.
      returned: always
      type: int
      sample: 75
notes:
  description: What else is to be known, such as where the path was judged to end.
  returned: always
  type: list
  elements: str
  sample: ["The path was judged to end at the store /etc/ssl/certs/ca-certificates.crt, of 142 roots."]
first_end:
  description: What ends first of all that was judged. Null where no certificate was.
  returned: always
  type: dict
  contains: &first_end
    not_after:
      description: When it ends, in UTC.
      returned: always
      type: str
      sample: "2027-01-30T23:59:59Z"
    subject:
      description: Which certificate, often an intermediate.
      returned: always
      type: str
      sample: "'www.example.com' in www.example.com.crt"
    days_left:
      description: Whole days until then, negative after it.
      returned: always
      type: int
      sample: 68
decided_by:
  description:
    - Who had the last word. V(handshake) means that OpenSSL decided by handshakes in memory. A client was served what
      is given, or a twin of it, and a client of a twin of each client CA called, as C(docs/verdict.md) describes.
      V(rules) means that the rules decided alone, because no such handshake is possible for a part of what is given.
    - Of several O(certificates), V(rules) if that is so of one of them.
  returned: always
  type: str
  sample: handshake
results:
  description: The verdict on each set, in the order of O(certificates).
  returned: when O(certificates) is given
  type: list
  elements: dict
  contains:
    domain:
      description: The domain of the set, null where none was given.
      returned: always
      type: str
      sample: www.example.com
    ok:
      description: Whether there is no error.
      returned: always
      type: bool
      sample: true
    findings:
      description: Its findings.
      returned: always
      type: list
      elements: dict
      contains: *finding
    certificates:
      description: SHA-256 fingerprints of its certificates, to look up in RV(certificates).
      returned: always
      type: list
      elements: str
      sample: [0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0]
    first_end:
      description: What of it ends first.
      returned: always
      type: dict
      contains: *first_end
    decided_by:
      description: Who had the last word on it, as RV(decided_by).
      returned: always
      type: str
      sample: handshake
faults:
  description:
    - What is wrong with the options, each by itself, with the code V(bad-option). The message tells all of it.
    - As in the result of M(mtls.httpd.sites).
  returned: failure, where an option is wrong
  type: list
  elements: dict
  sample:
    - code: bad-option
      domain: ""
      message: "option 'timeout' must be a number, and is text that is none."
      remedy: Correct the option that the message names.
"""
