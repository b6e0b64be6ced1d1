# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Texts of mod_rewrite that a request fills in, and requests by which they become what is wanted.

C($1) of the pattern, C(%1) of the last condition, C(%{HTTP_HOST}) and its like, and C(${map:key|default}).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import compile_pattern, find_example

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PART = re.compile(
    r"\\(.)|\$(\d)|%(\d)|%\{([^}]*)\}|\$\{([^:}]*):((?:[^{}]|[$%]\{[^}]*\})*)\}|([^\\$%]+|[$%])", re.DOTALL
)
# What a request says itself, and by which field; what stands in none is left empty, as an unset variable is.
_FIELDS = {"HTTP_COOKIE": "Cookie", "HTTP_REFERER": "Referer", "HTTP_ACCEPT": "Accept", "HTTP_FORWARDED": "Forwarded"}
_FIELDS["HTTP_USER_AGENT"] = "User-Agent"
_HOSTS = ("HTTP_HOST", "SERVER_NAME", "HTTP:HOST")
_PATHS = ("REQUEST_URI", "REQUEST_FILENAME", "SCRIPT_FILENAME")
# What no request says, and what may be so at another time, or for another client.
_OUTSIDE = re.compile(r"%\{(?:CONN_REMOTE_|REMOTE_|TIME|ENV:|SSL:)")
_BY_CLIENT = re.compile(r"%\{(?:CONN_REMOTE_|REMOTE_|TIME)|(?:^|\s)-R\s")
# With what a part that does not matter is filled.
_FILLERS = ("mtls-httpd", "", "0")
_MOST = 8  # ways to fill one text that are tried
_KEYS = 256  # of a map that are tried


class Part(NamedTuple):
    """A piece of a text: as it is, or filled in (C(path), C(condition), C(request), C(map))."""

    kind: str
    text: str
    more: str = ""


@dataclass(frozen=True)
class Made:
    """A request: what of it is decided. Empty is what may be anything.

    C(query): without its question mark; of CONNECT, the path that is asked for through it.
    """

    path: str = ""
    host: str = ""
    query: str = ""
    method: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Condition:
    """A RewriteCond: what it looks at, and what that is to be like; or that another is (OR)."""

    tested: str
    pattern: str
    nocase: bool = False
    has_other: bool = False


@dataclass(frozen=True)
class Filling:
    """What is known of a text's surroundings.

    pattern: what the path has to match, from which C($1) comes. conditions: those of a RewriteRule. maps: the keys and
    values of maps, by name, where they can be read; a function of httpd's own that keeps lower case has none.
    prefix: what comes before the path that the pattern is tried on, as in a section of a folder. above: what is put
    before that path, in the place of the prefix, where the section is of a folder above.
    """

    pattern: str
    nocase: bool = False
    conditions: Sequence[Condition] = ()
    maps: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    prefix: str = ""
    above: str = ""

    def find_requests(self, template: str, wanted: str, *, exactly: bool = False) -> Iterator[Made]:
        """Yield requests by which a template becomes what begins with C(wanted), and goes on as a path does."""
        parts = parse(template)
        begin = parts[0].text if parts and parts[0].kind == "text" else ""
        if not (begin.startswith(wanted) or wanted.startswith(begin)):
            return
        for values in islice(self._fit(parts, wanted, exactly=exactly), _MOST):
            made = self._make(parts, values)
            if made:
                yield made

    def may_become(self, template: str, wanted: str) -> bool:
        """Whether a template may become what begins with C(wanted) by what no request fills in."""
        known = parse(template)
        parts = [each if each.kind == "text" or self._can_fill(each) else Part("request", "HTTP:any") for each in known]
        return parts != known and next(self._fit(parts, wanted, exactly=False), None) is not None

    def is_conditional(self) -> bool:
        """Whether a condition asks for what no request says."""
        return any(map(self._asks_outside, self.conditions))

    def _asks_outside(self, each: Condition) -> bool:
        if each.tested.lower() == "expr":
            return bool(_BY_CLIENT.search(each.pattern))
        if not _is_pattern(each):
            return bool(_BY_CLIENT.search(each.tested))
        return bool(_OUTSIDE.search(each.tested)) and self._satisfy(Made(), each, {}) is None

    def _fit(self, parts: Sequence[Part], wanted: str, *, exactly: bool) -> Iterator[list[str]]:
        """Yield what the parts have to be."""
        head = ""
        for part in parts:
            if part.kind == "text":
                for length in range(len(part.text), 0, -1) if not exactly else ():
                    if wanted.endswith(part.text[:length]):
                        found = re.fullmatch(head, wanted[: len(wanted) - length], re.DOTALL)
                        if found:
                            yield from self._go_on(parts, [*found.groups(), part.text], part.text[length:])
                head += f"({re.escape(part.text)})"
            else:
                pattern = f"{head}(.+?)" if self._can_fill(part) else f"{head}()"
                if not exactly and self._can_fill(part):
                    found = re.fullmatch(pattern, wanted, re.DOTALL)
                    if found:
                        *before, last = found.groups()
                        yield from self._go_on(parts, [*before, last], "")
                        yield from self._go_on(parts, [*before, f"{last}/"], "/")
                head += "(.*?)" if self._can_fill(part) else "()"
        found = re.fullmatch(head, wanted, re.DOTALL)
        if found:
            yield list(found.groups())

    def _go_on(self, parts: Sequence[Part], values: list[str], rest: str) -> Iterator[list[str]]:
        """Fill the parts behind what is wanted, which have to go on as a path does. C(rest): what stands there."""
        for filler in _FILLERS:
            found, text = list(values), rest
            for part in parts[len(values) :]:
                value = part.text if part.kind == "text" else ""
                if part.kind != "text" and self._can_fill(part):
                    value = filler if text else f"/{filler}"
                found.append(value)
                text += value
            if text[:1] in ("", "/", "?"):
                yield found

    def _can_fill(self, part: Part) -> bool:
        name = part.text.upper()
        if part.kind == "request":
            return name in (*_HOSTS, *_PATHS, *_FIELDS, "QUERY_STRING", "REQUEST_METHOD") or name.startswith("HTTP:")
        return part.kind in ("path", "condition") or (part.kind == "map" and part.text in self.maps)

    def _make(self, parts: Sequence[Part], values: Sequence[str]) -> Made | None:
        """Return a request by which the parts have these values, if one was found."""
        groups: dict[str, dict[int, str]] = {"path": {}, "condition": {}}
        made: Made | None = Made()
        for part, value in zip(parts, values):
            if part.kind in groups:
                if groups[part.kind].setdefault(int(part.text), value) != value:
                    return None
            elif part.kind == "request" and value:
                made = _say(made, part.text.upper(), value)
            elif part.kind == "map":
                made = self._by_key(made, part, value, groups["path"])
            if made is None:
                return None
        return self._match(made, groups["path"], groups["condition"]) if made else None

    def _by_key(self, made: Made | None, part: Part, value: str, groups: dict[int, str]) -> Made | None:
        """Say the key by which a map has a value, where the key is a text with a part of the path or of the request."""
        key, _bar, default = part.more.partition("|")
        known = self.maps[part.text]
        keys = [name for name, told in known[:_KEYS] if told == value] if known else [value]
        keys += ["mtls-httpd"] if default == value else []
        parts = parse(key)
        for each in keys:
            for values in self._fit(parts, each, exactly=True):
                fresh, after = dict(groups), made
                for inner, said in zip(parts, values):
                    if inner.kind == "path":
                        after = after if fresh.setdefault(int(inner.text), said) == said else None
                    elif inner.kind == "request" and said:
                        after = _say(after, inner.text.upper(), said)
                    elif inner.kind not in ("text", "request"):
                        after = None
                if after:
                    groups.update(fresh)
                    return after
        return None

    def _match(self, made: Made, groups: Mapping[int, str], conditions: Mapping[int, str]) -> Made | None:
        """Have the path match the pattern, and the rest the conditions, as far as that can be."""
        if made.path:
            if not made.path.startswith(self.prefix):
                return None
            found = _search(self.pattern, self.above + made.path[len(self.prefix) :], nocase=self.nocase)
            if found is None or any(found[number : number + 1] != [value] for number, value in groups.items()):
                return None
        else:
            before = self.above if self.prefix else "/"
            example = find_example(self.pattern, groups, nocase=self.nocase, before=before)
            if example is None:
                return None
            made = replace(made, path=self.prefix + example[0][len(self.above) :])
        wanted = [each for each in self.conditions if _is_pattern(each)]
        for each in wanted:
            after = self._satisfy(made, each, conditions if each is wanted[-1] else {})
            if after is None and each is wanted[-1] and conditions:
                return None
            made = after or made
        if any(_keeps_away(made, each) for each in wanted):
            return None
        return made if wanted or not conditions else None

    def _satisfy(self, made: Made, condition: Condition, groups: Mapping[int, str]) -> Made | None:
        pattern = condition.pattern
        pattern = f"^{re.escape(pattern[1:])}$" if pattern.startswith("=") else pattern
        example = find_example(pattern, groups, nocase=condition.nocase)
        if example is None:
            return None
        parts = parse(condition.tested)
        for values in islice(self._fit(parts, example[0], exactly=True), _MOST):
            after: Made | None = made
            for part, value in zip(parts, values):
                if part.kind == "request" and value:
                    after = _say(after, part.text.upper(), value)
                elif part.kind not in ("text", "request"):
                    after = None
            if after:
                return after
        return None


def _is_pattern(condition: Condition) -> bool:
    return not re.match(r"!|-[a-zA-Z]|[<>]", condition.pattern)


def _keeps_away(made: Made, condition: Condition) -> bool:
    """Whether a condition looks at what a request says to lead where it does, and that is surely not like it is to be.

    However it is spelled: a host in any case, with a dot or port behind it; elsewhere with a user before it.
    """
    found = re.fullmatch(r"%\{([^{}]*)\}", condition.tested)
    text, is_host = _find_said(made, found[1].upper()) if found else ("", False)
    if not text or condition.has_other:
        return False
    pattern = condition.pattern
    pattern = f"^{re.escape(pattern[1:])}$" if pattern.startswith("=") else pattern
    example = find_example(pattern, {}, nocase=condition.nocase)
    if example is None:
        return False
    name = re.sub(r":\d+$", "", text)
    port = text[len(name) :]
    spelled = [text, name, f"{name}.", f"{name}.{port}"] if is_host else [text, f"{example[0]}@{text}"]
    return not any(_search(pattern, each, nocase=True) for each in spelled)


def _find_said(made: Made, name: str) -> tuple[str, bool]:
    """What a request says of a variable, if that is known, and whether it is the host."""
    if name in _HOSTS:
        return made.host if name != "SERVER_NAME" else "", True
    key = _FIELDS.get(name) or (name[len("HTTP:") :] if name.startswith("HTTP:") else "")
    return made.query if name == "QUERY_STRING" else dict(made.fields).get(key, ""), False


def parse(template: str) -> list[Part]:
    """Take a text apart into what is as it is, and what is filled in."""
    found: list[Part] = []
    for escaped, path, condition, request, name, key, text in _PART.findall(template):
        if path:
            found.append(Part("path", path))
        elif condition:
            found.append(Part("condition", condition))
        elif request:
            found.append(Part("request", request))
        elif name:
            found.append(Part("map", name, key))
        elif found and found[-1].kind == "text":
            found[-1] = Part("text", found[-1].text + (escaped or text))
        else:
            found.append(Part("text", escaped or text))
    return found


def _search(pattern: str, text: str, *, nocase: bool) -> list[str] | None:
    example = find_example(pattern, {}, nocase=nocase)
    compiled = compile_pattern(pattern, nocase=nocase)
    if example is None or compiled is None:
        return None
    found = compiled.search(text)
    return [found[0], *(value or "" for value in found.groups())] if found else None


def _say(made: Made | None, name: str, value: str) -> Made | None:
    """Have a request say what a variable is to be; none where it says something else already."""
    if made is None or re.search(r"[\r\n\0]", value):
        return None
    if name in _PATHS:
        return replace(made, path=value) if made.path in ("", value) and value.startswith("/") else None
    if name in _HOSTS:
        return replace(made, host=value) if made.host in ("", value) else None
    if name == "QUERY_STRING":
        return replace(made, query=value) if made.query in ("", value) else None
    if name == "REQUEST_METHOD":
        return replace(made, method=value) if made.method in ("", value) else None
    known = dict(made.fields)
    key = _FIELDS.get(name) or (name[len("HTTP:") :] if name.startswith("HTTP:") else "")
    if not key or known.setdefault(key, value) != value:
        return None
    return replace(made, fields=tuple(known.items()))
