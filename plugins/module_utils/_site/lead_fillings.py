# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How a request fills in what a directive says, so that it becomes the path or the backend of a site's content."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._site import backends
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import as_backend
from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import find_example
from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Filling, Made, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Directive
    from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal

_DOTS = re.compile(r"/\.\.?(?:/|$)")


def pattern_of(section: str) -> str:
    """The pattern of URLs that a section is for; empty for any other section."""
    name, _space, said = section.partition(" ")
    said = said.strip().strip("\"'")
    if name.lower() == "locationmatch" or (name.lower() == "location" and said.startswith("~")):
        return said.lstrip("~ ").strip("\"'")
    return ""


def fill_below(written: str, rest: str) -> Iterator[Made]:
    """Requests for what lies below a URL that is written as its beginning, with a star, or as a pattern of httpd's."""
    if re.search(r"[\^$()\[\]\\+?|]|\.\*", written):
        examples = [find_example(written, {1: each}, before="/") for each in (rest, f"/{rest}")]
        examples += [find_example(written, {}, before="/")] if not any(examples) else []
        yield from (Made(path=example[0]) for example in examples if example)
    elif "*" in written:
        yield Made(path=re.sub("//+", "/", written.replace("*", rest, 1)))
    else:
        yield Made(path=join(written, rest))


def fill_for_file(rule: Filling, template: str, path: str) -> Iterator[Made]:
    """Requests by which a template becomes a path, also by way of the folders above: httpd resolves C(..) after that.

    In the path of a request it does so before.
    """
    yield from rule.find_requests(template, path, exactly=True)
    first = next(iter(parse(template)), None)
    begin = first.text if first and first.kind == "text" else "/"
    above = f"{begin.rstrip('/')}/{os.path.relpath(path, begin)}"
    if "/../" in above:
        unescapes = () in rule.maps.values()  # a function of httpd's own
        for made in rule.find_requests(template, above, exactly=True):
            if not _DOTS.search(made.path):
                yield made
            elif unescapes:
                yield replace(made, path=made.path.replace("/..", "/%2e%2e"))


def fill_for_backend(rule: Filling, template: str, goal: Goal) -> Iterator[Made]:
    """Requests by which a template becomes the URL of one of the goal's backends.

    What is filled in right behind a host and port may make them a user and password (RFC 3986, section 3.2.1).
    """
    for wanted in find_wanted(template, goal):
        yield from rule.find_requests(template, wanted)
    found = re.match(r"(?:unix:[^|]*\|)?\w+://[^/$%]+(?=[$%])", template)
    for place, below in goal.listening if found else ():
        if found and not place.startswith("/"):
            made = rule.find_requests(template, f"{found[0]}@{place}{below.rstrip('/')}")
            yield from (each for each in made if not each.path.startswith("@"))


def find_wanted(template: str, goal: Goal) -> Iterator[str]:
    """With what a URL has to begin that leads to a backend of the goal, as it may be written in a template."""
    found = re.match(r"(\w+)://([^/$%]*)", template)
    scheme, written = (found[1], found[2]) if found else ("http", "")
    for place, below in goal.listening:
        if place.startswith("/"):
            yield f"unix:{place}|"
            continue
        spelled = [place]
        if place.endswith(f":{backends.PORTS.get(scheme.lower(), 0)}"):
            spelled.append(place.rpartition(":")[0])
        if written and backends.same(backends.backend(f"{scheme}://{written}")[0], as_backend(place)):
            spelled.append(written)
        yield from (f"{scheme}://{each}{below.rstrip('/')}" for each in dict.fromkeys(spelled))


def fit_handled(each: Directive, made: Made) -> Made:
    """A request whose last word is one that a handler is for, by its section of files or its words."""
    if each.name.lower() not in ("sethandler", "addhandler"):
        return made
    folder, _slash, last = made.path.rpartition("/")
    for section in each.sections:
        name, _space, said = section.partition(" ")
        said = said.strip()
        if name.lower() == "filesmatch" or (name.lower() == "files" and said.startswith("~")):
            example = find_example(said.lstrip("~ ").strip("\"'"), {})
            last = example[0] if example else last
        elif name.lower() == "files":
            last = re.sub(r"[*?]", "x", said.strip("\"'"))
    if each.name.lower() == "addhandler" and each.words[1:]:
        last += "." + each.words[1].lstrip(".")
    return replace(made, path=f"{folder}/{last}")


def fill_in_section(each: Directive, expression: str, base: str) -> tuple[Filling, str]:
    """What an expression may be filled with, and it as a template: named groups of a section's pattern too."""
    for section in reversed(each.sections):
        pattern = pattern_of(section)
        try:
            numbers = re.compile(re.sub(r"\(\?<(\w+)>", r"(?P<\1>", pattern)).groupindex
        except re.error:
            continue
        template = expression
        for name, number in numbers.items():
            template = re.sub(rf"(?i)%\{{(?:req)?env:MATCH_{name}\}}", f"${number}", template)
        if template != expression:
            return Filling(re.sub(r"\(\?P?<\w+>", "(", pattern)), template
    return Filling("", prefix=base), expression


def as_variables(expression: str) -> str:
    """An expression, with the variables that mod_rewrite has for the fields of a request."""
    return re.sub(r"(?i)%\{(?:req|http|req_novary):", "%{HTTP:", expression)


def fill_name(template: str, path: str) -> Iterator[Made]:
    """By VirtualDocumentRoot: names by which a folder becomes one that holds a file (mod_vhost_alias)."""
    holes = re.findall(r"%(-?\d+)(\+?)", template)
    if re.search(r"%-?\d+\+?\.|%p", template) or not holes:
        return
    pattern = "".join(
        re.escape(piece) if number % 3 == 0 else "([^/]+)" if number % 3 == 1 else ""
        for number, piece in enumerate(re.split(r"%(-?\d+)(\+?)", template))
    )
    above = os.path.dirname(path)
    while above != "/":
        found = re.fullmatch(pattern, above)
        parts: dict[int, str] = {}
        for (number, _plus), value in zip(holes, found.groups() if found else ()):
            parts[int(number)] = value
        if found:
            whole = parts.pop(0, "")
            first = [parts.get(number, "x") for number in range(1, max([0, *parts]) + 1)]
            last = [parts.get(number, "x") for number in range(min([0, *parts]), 0)]
            yield Made(path="/" + os.path.relpath(path, above), host=whole or ".".join([*first, *last]))
            return
        above = os.path.dirname(above)


def join(base: str, rest: str) -> str:
    """A path below a URL."""
    return f"{base.rstrip('/')}/{rest}"
