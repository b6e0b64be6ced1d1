# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Subjects as httpd writes them, made into the names that they stand for (DER).

httpd writes RFC 4514, with OpenSSL's short names of attributes. A value whose attribute has no name there is written as
its encoding, behind a '#'. Names may be longer than RFC 5280 allows, as OpenSSL does not mind.
"""

from __future__ import annotations

import re

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

# OpenSSL's short names of attributes, by the last number of each: of X.520, directories (RFC 4524), PKCS #9, extended
# validation, persons (RFC 3739), and Russia's taxpayers. httpd writes all others as numbers.
_ARCS = {
    "2.5.4": (
        "CN=3 SN=4 serialNumber=5 C=6 L=7 ST=8 street=9 O=10 OU=11 title=12 description=13 searchGuide=14 "
        "businessCategory=15 postalAddress=16 postalCode=17 postOfficeBox=18 physicalDeliveryOfficeName=19 "
        "telephoneNumber=20 telexNumber=21 teletexTerminalIdentifier=22 facsimileTelephoneNumber=23 x121Address=24 "
        "internationaliSDNNumber=25 registeredAddress=26 destinationIndicator=27 preferredDeliveryMethod=28 "
        "presentationAddress=29 supportedApplicationContext=30 member=31 owner=32 roleOccupant=33 seeAlso=34 "
        "userPassword=35 userCertificate=36 cACertificate=37 authorityRevocationList=38 "
        "certificateRevocationList=39 crossCertificatePair=40 name=41 GN=42 initials=43 generationQualifier=44 "
        "x500UniqueIdentifier=45 dnQualifier=46 enhancedSearchGuide=47 protocolInformation=48 distinguishedName=49 "
        "uniqueMember=50 houseIdentifier=51 supportedAlgorithms=52 deltaRevocationList=53 dmdName=54 pseudonym=65 "
        "role=72 organizationIdentifier=97 c3=98 n3=99 dnsName=100"
    ),
    "0.9.2342.19200300.100.1": (
        "UID=1 textEncodedORAddress=2 mail=3 info=4 favouriteDrink=5 roomNumber=6 photo=7 userClass=8 host=9 "
        "manager=10 documentIdentifier=11 documentTitle=12 documentVersion=13 documentAuthor=14 "
        "documentLocation=15 homeTelephoneNumber=20 secretary=21 otherMailbox=22 lastModifiedTime=23 "
        "lastModifiedBy=24 DC=25 aRecord=26 pilotAttributeType27=27 mXRecord=28 nSRecord=29 sOARecord=30 "
        "cNAMERecord=31 associatedDomain=37 associatedName=38 homePostalAddress=39 personalTitle=40 "
        "mobileTelephoneNumber=41 pagerTelephoneNumber=42 friendlyCountryName=43 uid=44 organizationalStatus=45 "
        "janetMailbox=46 mailPreferenceOption=47 buildingName=48 dSAQuality=49 singleLevelQuality=50 "
        "subtreeMinimumQuality=51 subtreeMaximumQuality=52 personalSignature=53 dITRedirect=54 audio=55 "
        "documentPublisher=56"
    ),
    "1.2.840.113549.1.9": (
        "emailAddress=1 unstructuredName=2 contentType=3 messageDigest=4 signingTime=5 countersignature=6 "
        "challengePassword=7 unstructuredAddress=8 extendedCertificateAttributes=9 extReq=14 SMIME-CAPS=15 "
        "friendlyName=20 localKeyID=21"
    ),
    "1.3.6.1.4.1.311.60.2.1": "jurisdictionL=1 jurisdictionST=2 jurisdictionC=3",
    "1.3.6.1.5.5.7.9": (
        "id-pda-dateOfBirth=1 id-pda-placeOfBirth=2 id-pda-gender=3 id-pda-countryOfCitizenship=4 "
        "id-pda-countryOfResidence=5"
    ),
    "1.2.643.3.131.1": "INN=1",
    "1.2.643.100": "OGRN=1 SNILS=3 OGRNIP=5",
}
_NUMBERS = {
    name: f"{arc}.{last}"
    for arc, text in _ARCS.items()
    for name, _equals, last in (word.partition("=") for word in text.split())
}
_UTF8_STRING = 0x0C
_KIND = re.compile(r"([0-9]+(?:\.[0-9]+)+|[A-Za-z][A-Za-z0-9-]*)=")
_ENCODED = re.compile(r"#((?:[0-9A-Fa-f]{2})+)")
# What has to be escaped: NUL, '"', '+', ',', ';', '<', '>', the backslash; a blank at one end, a '#' at the beginning.
_TEXT = re.compile(r'(?![ #])(?:[^\x00"+,;<>\\]|\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\])*(?<!(?<!\\) )')
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


def encoded_subject(text: str) -> bytes:
    """Return the name that httpd writes as the text; raises ValueError for what it never writes."""
    relatives: list[list[bytes]] = [[]]
    at = 0
    while True:
        kind = _KIND.match(text, at)
        if kind is None:
            raise ValueError("no attribute where one belongs")
        value = _ENCODED.match(text, kind.end()) or _TEXT.match(text, kind.end())
        if value is None:
            raise ValueError("a value that cannot be")
        relatives[-1].append(der.sequence(der.oid(_number_of(kind[1])), _encoded_value(value[0])))
        at = value.end()
        if at == len(text):
            break
        if text[at] == ",":
            relatives.append([])
        elif text[at] != "+":
            raise ValueError("something behind a value")
        at += 1
    return der.sequence(*(der.element(der.SET, *sorted(pairs)) for pairs in reversed(relatives)))


def _number_of(kind: str) -> str:
    """Return the number of a kind of attribute, by its number or OpenSSL's short name for it."""
    if "." not in kind and kind not in _NUMBERS:
        raise ValueError("no attribute that has such a short name")
    return _NUMBERS.get(kind, kind)


def _encoded_value(value: str) -> bytes:
    if value.startswith("#"):
        whole = bytes.fromhex(value[1:])
        der.content(whole)  # raises ValueError for what is none
        return whole
    plain = _ESCAPED.sub(lambda one: bytes.fromhex(one[1].decode()) if len(one[1]) == 2 else one[1], value.encode())
    return der.element(_UTF8_STRING, plain.decode().encode())
