# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The rules that Chat's console applies to the domain of a webhook URL."""

from __future__ import annotations

import ipaddress
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAXIMUM_LENGTH = 63
_ALLOWED = frozenset(string.ascii_letters + string.digits + "-.")


@dataclass(frozen=True)
class Problem:
    """One rule that a domain breaks: a stable name of the rule, and a sentence for people."""

    domain: str
    rule: str
    message: str


def printable(domain: str) -> str:
    """Return the domain on one line. What cannot be meant as one may be a key or passphrase, and is described instead.

    A domain has dots and no blanks, or is a single name. No key is short, and none has a dot: base64 knows none.
    """
    meant = not re.search(r"\s", domain.strip()) if "." in domain else re.fullmatch("[A-Za-z0-9-]*", domain)
    if "PRIVATE KEY" in domain or not meant or len(domain) > (4 if "." in domain else 1) * MAXIMUM_LENGTH:
        return f"a text of {len(domain)} characters"
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in domain)


def broken_rules(domain: str) -> list[Problem]:
    """Return every rule of the reference page that the domain breaks; none for a good domain.

    Either case is accepted. Positions in messages count characters from 1.
    """
    return [Problem(domain, rule, f"'{printable(domain)}': {message}") for rule, message in _broken(domain)]


def _broken(domain: str) -> Iterator[tuple[str, str]]:
    if not domain:
        yield "empty", "is empty; name the domain of the webhook URL, such as 'www.example.com'."
        return
    if len(domain) > MAXIMUM_LENGTH:
        yield "too-long", f"has {len(domain)} characters; a domain has at most {MAXIMUM_LENGTH}, dots included."
    if "://" in domain:
        yield "special-character", "is a URL; give the domain in it alone, such as 'www.example.com'."
        return
    if _is_address(domain):
        yield "ip-address", "is an IP address; certificates and Chat's console want a domain name."
        return
    yield from _broken_by_characters(domain)
    position = 1
    for label in domain.split("."):
        yield from _broken_by_label(label, position, last=position + len(label) > len(domain))
        position += len(label) + 1


def _is_address(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain.strip("[]"))
    except ValueError:
        return False
    return True


def _broken_by_characters(domain: str) -> Iterator[tuple[str, str]]:
    spaces = [at for at, c in enumerate(domain, 1) if c.isspace()]
    if spaces:
        yield "space", f"has a space, tab or line break at {_positions(spaces)}; a domain has none."
    special: dict[str, list[int]] = {}
    for at, character in enumerate(domain, 1):
        if character not in _ALLOWED and not character.isspace():
            special.setdefault(character, []).append(at)
    for character, found in list(special.items())[:8]:
        name = f"'{character}'" if character.isascii() and character.isprintable() else f"U+{ord(character):04X}"
        yield (
            "special-character",
            f"has {name} at {_positions(found)}; only letters a-z, digits, hyphens and dots between them are allowed.",
        )
    if len(special) > 8:
        yield "special-character", f"has {len(special) - 8} more characters that are not allowed."


def _broken_by_label(label: str, start: int, *, last: bool) -> Iterator[tuple[str, str]]:
    if not label:
        where = "ends with a dot" if last and start > 1 else f"has nothing before the dot at position {start}"
        yield "empty-label", f"{where}; every dot stands between two names."
    elif label == "-":
        yield "lone-hyphen", f"has a hyphen on its own at position {start}; put letters or digits around it."
    else:
        if label.startswith("-"):
            yield "leading-hyphen", f"has a name that starts with a hyphen at position {start}; start it with another."
        if label.endswith("-"):
            yield (
                "trailing-hyphen",
                f"has a name that ends with a hyphen at position {start + len(label) - 1}; end it with another.",
            )
    double = label.find("--")
    if double >= 0:
        hint = " Names of the form 'xn--' cannot be registered with Chat." if label[:4].lower() == "xn--" else ""
        yield "consecutive-hyphens", f"has two hyphens in a row at position {start + double}; leave one.{hint}"


def _positions(found: list[int]) -> str:
    """Return 'position 3' or 'positions 3, 5 and 9'; at most eight of them."""
    if len(found) == 1:
        return f"position {found[0]}"
    if len(found) > 8:
        return f"positions {', '.join(map(str, found[:8]))} and {len(found) - 8} more"
    return f"positions {', '.join(map(str, found[:-1]))} and {found[-1]}"
