# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Made by Ansible (mtls.httpd.sites): knocks at each site as strangers do, and tells node_exporter what it met.

It stands alone on the host, as it is run every five minutes: with the modules of this collection each run would take
twice the time. What it needs to know of sites and logs lies beside it, as data (watchman.json). What it has to remember
is a comment in the file of metrics that it writes.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import socket
import ssl
import stat
import sys
import time

TYPE_CHECKING = False  # Python's own is in a module that takes as long to import as a handshake.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Samples = dict[str, list[str]]

_STATE = "# mtls.httpd remembers "
_SECONDS, _LEAST_SECONDS = 5.0, 0.05  # for each knock: where the last one was answered, and where none is for long
_ALL_SECONDS = 90.0  # for all of them at one go, however many sites: systemd ends a check after four minutes
_AGAIN = 5.0  # seconds until what is amiss is asked again, as a run may be between its switch and its reload
_MOST = 1 << 20  # bytes of a log that are read at a time; of more, the end
_MOST_ANSWER = 1 << 16  # bytes of the head of an answer
_NEAR = 15  # seconds between a knock without a certificate and its twin with one
_MESSAGE_CALLBACK = "_msg_callback"  # private to the ssl module
_HANDSHAKE, _CERTIFICATE, _CERTIFICATE_REQUEST = 22, 11, 13  # RFC 8446, sections 5.1 and 4
_AUTHORITIES = b"\0\x2f"  # RFC 8446, section 4.2
_FAR = ("192.0.2.1", "2001:db8::1")  # nobody's: RFC 5737 and RFC 3849
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def main(path: str) -> None:
    """Look at everything that the file at C(path) names, and write what was found."""
    with open(path, encoding="utf-8") as stream:
        wanted = json.load(stream)
    state = _read_state(wanted["path"])
    samples: Samples = {}
    unread = read_logs(wanted, state)  # before our own knocks, which then stand together in what is read next
    _add(samples, "unread_logs", {"server": wanted["server"]}, unread)
    _tell_calls(wanted, state, samples)
    stranger = _Stranger(os.path.join(os.path.dirname(path), wanted["stranger"]))
    visits = [stranger.visit(site) for site in wanted["sites"]]
    amiss = [number for number, visit in enumerate(visits) if visit.enforced is False or visit.asks is False]
    if amiss:
        time.sleep(_AGAIN)
        stranger.rest()
        for number in amiss:
            visits[number] = stranger.visit(wanted["sites"][number])
    for site, visit in zip(wanted["sites"], visits):
        _tell_site(site, visit, samples, wanted["server"])
    state["knocks"] = stranger.knocks
    _add(samples, "last_check_timestamp_seconds", {"server": wanted["server"]}, int(time.time()))
    _write(wanted["path"], _render(samples, wanted["metrics"], state))


# -- knocking


class _Answer:
    """What a knock met: C(alert), C(none) for nothing that tells, or a status; what was asked for and served.

    names: of the authorities of which certificates were asked for (DER, hexadecimal); None where that is not known.
    told: what each request met. at_once: what was met was the handshake's, whatever was asked for.
    """

    def __init__(self) -> None:
        self.met = "none"
        self.told: list[str] = []
        self.at_once = False
        self.asked = False
        self.names: set[str] | None = None
        self.served = b""

    def tell(self, met: str, *, even_after: bool = False) -> None:
        """Note what a request met. After others it may be the connection's end alone, so that it is asked again."""
        if met.isdigit() or even_after or not self.told:
            self.at_once = self.at_once and met == "alert"
            self.met = met
            self.told.append(met)


class _Visit:
    """What the knocks at a site showed; None for what they did not.

    answers: it shook hands at each door. enforced: it asks for at least what it is to ask for. asks: for certificates
    of each of its client CAs. served: the certificates.
    C(pairs): for each door, the answers to both strangers. C(nearby): to the second, at other addresses.
    """

    def __init__(self, site: dict[str, Any], pairs: list[list[_Answer]], nearby: list[_Answer]) -> None:
        known = set(site["client_cas"])
        answers = [answer for pair in pairs for answer in pair]
        self.served = list(dict.fromkeys(answer.served for answer in answers if answer.served))
        self.answers = bool(pairs) and all(any(answer.served for answer in pair) for pair in pairs)
        asked = [answer.names for answer in answers if known and answer.names is not None]
        self.asks = all(names >= known for names in asked) if asked else None
        found = [_enforces(site["by"], *pair) for pair in pairs]
        closed = [_enforces(site["by"], answer, answer) for answer in nearby]
        self.enforced: bool | None = None
        if False in found or False in closed or any(names - known for names in asked):
            self.enforced = False
        elif found and None not in found:
            self.enforced = True


class _Stranger:
    """Who knocks: without a certificate, and with one of an unknown authority.

    C(identity): the path of the latter. knocks: where each came from, as an error log has it.
    """

    def __init__(self, identity: str) -> None:
        self.knocks: list[str] = []
        self._contexts = (_context(""), _context(identity))
        self._own = [address for address in map(_find_own_address, _FAR) if address]
        self.rest()

    def rest(self) -> None:
        """Have patience again."""
        self._until = time.monotonic() + _ALL_SECONDS
        self._patience: dict[str, float] = {}

    def visit(self, site: dict[str, Any]) -> _Visit:
        """Knock at each door of a site; and at this machine's own address, as a virtual host of that alone would win.

        There, only who shows a certificate of the site's name is meant.
        """
        knock = self._knock_at_path if site["by"] == "path" else self._knock
        pairs = [[knock(site, door, context) for context in self._contexts] for door in site["doors"]]
        known = [address for address, _port, _proxied in site["doors"]]
        up = any(answer.served for pair in pairs for answer in pair)
        own = [address for address in self._own if up and site["everywhere"] and address not in known]
        names = [site["domain"].encode(), b"*." + site["domain"].partition(".")[2].encode()]
        # By the one knock that is known as ours in each log: one without a certificate would need its twin.
        nearby = [knock(site, [address, site["doors"][0][1], False], self._contexts[1]) for address in own]
        return _Visit(site, pairs, [answer for answer in nearby if any(name in answer.served for name in names)])

    def _knock_at_path(self, site: dict[str, Any], door: list[Any], context: ssl.SSLContext) -> _Answer:
        """Ask where paths are to refuse, until one does not: over one connection, where httpd keeps it.

        To be sent away may be the refusal (an ErrorDocument with a URL), or what an open site does. Where all but some
        paths are closed, a path that nobody has is asked for too, which an open site has not.
        """
        answer, rest = _Answer(), site["requests"]
        away = "" if site["elsewhere"] else "403"
        while rest:
            answer = self._knock(site, door, context, rest)
            rest = [] if answer.at_once else rest[len(answer.told) :]
            if not away and any(each.startswith("3") for each in answer.told):
                away = self._knock(site, door, context, [site["elsewhere"]]).met
                away = "403" if away.startswith("3") else away
            told = [away if each.startswith("3") else each for each in answer.told]
            amiss = [each for each in told if each not in ("alert", "403")]
            answer.met = (amiss or told)[0]
            if amiss:
                break
        return answer

    def _knock(
        self, site: dict[str, Any], door: list[Any], context: ssl.SSLContext, requests: list[str] | None = None
    ) -> _Answer:
        """Ask at one address, where each knock that nobody answers in time has the next one wait half as long.

        C(requests): until one lets us in, or the connection ends; none for that of the first path.
        """
        answer = _Answer()

        def overhear(_connection: object, direction: str, _version: int, kind: int, _type: int, data: bytes) -> None:
            if direction == "read" and kind == _HANDSHAKE and data:
                if data[0] == _CERTIFICATE and not answer.served:
                    answer.served = _leaf(data)
                if data[0] == _CERTIFICATE_REQUEST and not answer.asked:
                    answer.asked, answer.names = True, _read_names(data)

        setattr(context, _MESSAGE_CALLBACK, overhear)
        address, port, proxied = door
        patience = self._patience.get(address, _SECONDS)
        try:
            seconds = max(min(patience, self._until - time.monotonic()), _LEAST_SECONDS)
            with socket.create_connection((address, port), seconds) as plain:
                self.knocks.append("{}:{}".format(*plain.getsockname()[:2]))
                if proxied:
                    plain.sendall(_proxy_header(plain))
                answer.at_once = True
                with context.wrap_socket(plain, server_hostname=site["domain"]) as connection:
                    answer.at_once = connection.version() == "TLSv1.3"  # which asks no more later
                    for request in requests or site["requests"][:1]:
                        connection.sendall(request.encode())
                        status, is_kept = _read_status(connection)
                        answer.tell(status)
                        if not is_kept or (status != "403" and not status.startswith("3")):
                            break
        except socket.timeout:
            self._patience[address] = patience / 2
            answer.tell("none", even_after=True)
            return answer
        except ssl.SSLError as error:
            if "ALERT" in (error.reason or str(error)).upper() and answer.asked:
                answer.tell("alert")
        except (OSError, ValueError, IndexError):  # the last two of messages that are none
            pass
        answer.tell("none")
        self._patience[address] = _SECONDS
        return answer


def _context(identity: str) -> ssl.SSLContext:
    """A client that takes whatever is served, as it is compared, and shows what lies at C(identity), if anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:!aNULL:@SECLEVEL=0")
    if identity:
        context.load_cert_chain(identity)
    return context


def _read_status(connection: ssl.SSLSocket) -> tuple[str, bool]:
    """The status of an answer, and whether another request may follow. Source: RFC 9112, sections 6.3 and 9.3."""
    said, until = b"", time.monotonic() + _SECONDS
    while b"\r\n\r\n" not in said and len(said) < _MOST_ANSWER and time.monotonic() < until:
        more = connection.recv(4096)
        if not more:
            break
        said += more
    found = re.match(rb"HTTP/1\.([01]) (\d{3})", said)
    if not found:
        return "none", False
    head, end, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length:[ \t]*(\d{1,4})[ \t]*(?=\r\n|$)", head)
    is_kept = bool(end and length) and found[1] == b"1" and not re.search(rb"(?i)\r\nConnection:[^\r]*close", head)
    left = int(length[1]) - len(body) if is_kept and length else 0
    while left > 0 and time.monotonic() < until:
        more = connection.recv(min(left, 4096))
        if not more:
            break
        left -= len(more)
    return found[2].decode(), is_kept and left == 0


def _find_own_address(far: str) -> str:
    """The address from which this machine would connect to another, so that others know it by it. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in far else socket.AF_INET, socket.SOCK_DGRAM) as unsent:
            unsent.connect((far, 9))
            return str(unsent.getsockname()[0])
    except OSError:
        return ""


def _proxy_header(connection: socket.socket) -> bytes:
    """The header that tells the connection's own ends (PROXY protocol, section 2.1: version 1)."""
    (source, source_port), (address, port) = connection.getsockname()[:2], connection.getpeername()[:2]
    family = "TCP6" if connection.family == socket.AF_INET6 else "TCP4"
    return f"PROXY {family} {source} {address} {source_port} {port}\r\n".encode("ascii")


def _leaf(message: bytes) -> bytes:
    """The first certificate of a message (RFC 5246, section 7.4.2; RFC 8446, section 4.4.2); empty for none."""
    at = 4
    if int.from_bytes(message[at : at + 3], "big") != len(message) - 7:
        at += 1 + message[at]  # TLS 1.3 has a context before it.
    length = int.from_bytes(message[at + 3 : at + 6], "big")
    return message[at + 6 : at + 6 + length]


def _read_names(message: bytes) -> set[str] | None:
    """The authorities that a CertificateRequest lists (RFC 5246, section 7.4.4; RFC 8446, section 4.3.2).

    None for one of another form, as before TLS 1.2.
    """
    types, at = _vector(message, 4, 1)
    content, at = _vector(message, at, 2)  # TLS 1.2: of signatures. 1.3, which has no types: of extensions.
    names = b""
    if types:
        names, at = _vector(message, at, 2)
    else:
        place = 0
        while place < len(content):
            extension, behind = _vector(content, place + 2, 2)
            if content[place : place + 2] == _AUTHORITIES:
                names = _vector(extension, 0, 2)[0]
            place = behind
    found, place = set(), 0
    while place < len(names):
        name, place = _vector(names, place, 2)
        found.add(name.hex())
    return found if at == len(message) else None


def _vector(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """What lies at a place behind its length of so many bytes, and the place behind it (RFC 8446, section 3.4)."""
    start = at + size
    end = start + int.from_bytes(data[at:start], "big")
    return data[start:end], end


def _tell_site(site: dict[str, Any], visit: _Visit, samples: Samples, server: str) -> None:
    labels = {"site": site["domain"], "server": server}
    _add(samples, "answers", labels, int(visit.answers))
    if visit.enforced is not None:
        _add(samples, "enforced", labels, int(visit.enforced))
    if visit.asks is not None:
        _add(samples, "client_ca_asked", labels, int(visit.asks))
    ends = [_ends(certificate, site) for certificate in visit.served]
    if ends and all(ends):
        _add(samples, "certificate_not_after_timestamp_seconds", labels, min(ends))
    for name, moment in site["told"].items():
        if moment:
            _add(samples, name, labels, moment)
    _add(samples, "release_info", {**labels, "release": site["release"]}, 1)


def _enforces(by: str, without: _Answer, untrusted: _Answer) -> bool | None:
    """Whether a door asks for at least what its site is to ask for; None where that was not shown.

    C(by): where strangers are to be refused: in the C(handshake), or at a C(path); C(asked): one without a certificate
    gets in, and is asked for one; C(unchecked): so does everybody.
    """
    if not untrusted.asked:
        return False if untrusted.served else None
    if by == "unchecked":
        return True
    refused = ("alert", "403") if by == "path" else ("alert",)
    met = [untrusted.met] if by == "asked" else [without.met, untrusted.met]
    if all(each in refused for each in met):
        return True
    return False if any(each.isdigit() and each not in refused for each in met) else None


def _ends(certificate: bytes, site: dict[str, Any]) -> int:
    """When what is served ends, with its chain where that is known; 0 where it does not tell."""
    try:
        end = _not_after(certificate)
    except (IndexError, ValueError):
        return 0
    return int(site["ends"]) if end == site["leaf_ends"] else end


def _not_after(certificate: bytes) -> int:
    """When a certificate (DER) ends. Source: RFC 5280, section 4.1."""
    _tag, at, _end = _element(certificate, _element(certificate, 0)[1])
    if certificate[at] == 0xA0:  # the version
        at = _element(certificate, at)[2]
    for _field in ("serial", "signature", "issuer"):
        at = _element(certificate, at)[2]
    at = _element(certificate, _element(certificate, at)[1])[2]  # behind when it begins
    tag, start, end = _element(certificate, at)
    text = certificate[start:end].decode("ascii")
    if tag == 0x17:  # UTCTime, RFC 5280, section 4.1.2.5.1
        text = ("19" if text[:2] >= "50" else "20") + text
    return _moment(int(text[:4]), [int(text[place : place + 2]) for place in range(4, 14, 2)])


def _moment(year: int, rest: list[int], offset: datetime.timedelta = datetime.timedelta()) -> int:
    """Seconds since 1970 for a year, and month, day, hour, minute and second in it, so far east of UTC."""
    month, day, hour, minute, second = rest
    return int(datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone(offset)).timestamp())


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """The tag of a DER element, where its content begins, and where it ends."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[at + 2 : start], "big")
    return tag, start, start + length


# -- reading logs


def read_logs(wanted: dict[str, Any], state: dict[str, Any]) -> int:
    """Take what is new in the logs into what is remembered. Returns how many could not be read."""
    unread: set[str] = set()
    now = int(time.time())  # What is remembered of later is of a clock that was wrong.
    places = state.setdefault("logs", {})
    known = {site["access_log"] for site in wanted["sites"]} | set(wanted["error_logs"])
    state["logs"] = {path: place for path, place in places.items() if path in known}
    accepted, domains = state.setdefault("accepted", {}), {site["domain"] for site in wanted["sites"]}
    forbidden = state.setdefault("forbidden", {})
    for site in wanted["sites"]:
        if site["access_log"]:
            is_new = site["access_log"] not in state["logs"]  # What was before there was a watchman is not counted.
            lines = _read_new(site["access_log"], state["logs"], unread)
            last, number = _read_calls(lines, site["formats"], wanted["rules"])
            accepted[site["domain"]] = min(max(last, accepted.get(site["domain"], 0)), now)
            forbidden[site["domain"]] = forbidden.get(site["domain"], 0) + (0 if is_new else number)
    refused = state.setdefault("refused", {})
    logs = []
    for path, default in wanted["error_logs"].items():
        is_new = path not in state["logs"]
        lines = _read_new(path, state["logs"], unread)
        logs.append((default, [] if is_new else lines))
    for domain, reason in _refusals(logs, wanted["rules"], frozenset(state.get("knocks", ()))):
        if domain in domains:
            counts = refused.setdefault(domain, {})
            counts[reason] = counts.get(reason, 0) + 1
    for remembered in (accepted, forbidden, refused):
        for domain in set(remembered) - domains:
            del remembered[domain]
    return len(unread)


def _read_new(path: str, places: dict[str, list[int]], unread: set[str]) -> list[str]:
    """The whole lines that a log got since its place was noted, and of what it was before its rotation."""
    lines: list[str] = []
    try:
        inode, offset = places.get(path, (0, 0))
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return []
        if inode and inode != status.st_ino:
            before = [each.path for each in _beside(path) if each.inode() == inode]
            lines += _read_from(before[0], offset)[0] if before else []
        if inode != status.st_ino or status.st_size < offset:
            offset = 0
        new, offset = _read_from(path, offset)
        places[path] = [status.st_ino, offset]
        lines += new
    except OSError as error:
        sys.stderr.write(f"mtls.httpd: {path}: {error.strerror}\n")
        unread.add(path)
    return lines


def _beside(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(os.path.dirname(path)) as entries:
        return [each for each in entries if each.name.startswith(os.path.basename(path))]


def _read_from(path: str, offset: int) -> tuple[list[str], int]:
    """The whole lines of a file from a place on, the last of them where there are many; and the place behind them."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        begin = max(offset, os.fstat(descriptor).st_size - _MOST)
        content = os.pread(descriptor, _MOST, begin)
    finally:
        os.close(descriptor)
    content = content[: content.rfind(b"\n") + 1]
    lines = content.decode("utf-8", "replace").splitlines()
    return lines[1 if begin > offset else 0 :], begin + len(content)


def _read_calls(lines: list[str], formats: list[Any], rules: dict[str, Any]) -> tuple[int, int]:
    """When a client with a certificate got another answer than 403 last (seconds since 1970; 0 for never).

    And how many calls by one that the client CA issued were answered with 403, by which who is not allowed is refused.
    Our own are left out, by the rules of C(mtls.httpd.caller_info).
    """
    last, forbidden, now = 0, 0, time.time()
    for line in lines:
        match, groups = next(
            ((found, groups) for expression, groups in formats if (found := re.match(expression, line))), (None, ())
        )
        if not match:
            continue
        told = dict(zip(groups, match.groups()))
        verify = told.get("verify", "SUCCESS")
        named = told.get("agent") == rules["agent"] and (verify != "SUCCESS" or told.get("method") == "OPTIONS")
        known = told["subject"] not in ("", "-") and verify not in ("NONE", "-")
        if not known or named or told.get("issuer") in rules["own_issuers"]:
            continue
        if told["status"] == "403":
            forbidden += verify == "SUCCESS"
        elif told["status"] != "-":
            moment = _access_time(told["time"])
            last = max(last, moment if moment <= now + 60 else 0)
    return last, forbidden


def _refusals(
    logs: list[tuple[str, list[str]]], rules: dict[str, Any], knocks: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Yield site and reason of each handshake that was refused, but for our own.

    C(logs): lines, each with the site that they are of where they do not tell it. C(knocks): where those of the last
    check came from, as a log below the level C(info) does not tell who was refused. Those of a run are known by their
    issuer, or by the knock beside them that has it.
    """
    events: dict[str, _Event] = {}
    ends: dict[str, str] = {}
    for default, lines in logs:
        of_process: dict[str, _Event] = {}
        for line in lines:
            match = "ssl:" in line and re.match(rules["line"], line)
            if not match:
                continue
            client, words = match["client"] or "", match["words"]
            if not client:
                event = of_process.get(match["process"])
                library = event and not event.reason and re.search(rules["library"], words)
                if event and library:
                    event.reason = next((why for said, why in rules["by_words"] if said in library["detail"]), "other")
                continue
            closed = re.match(rules["closed"], words)
            if closed:
                ends[client] = closed["name"]
                continue
            verification = re.match(rules["verification"], words)
            known = next((why for said, why in rules["known"] if re.match(said, words)), None)
            if not verification and known is None:
                continue
            event = of_process[match["process"]] = events.setdefault(client, _Event(default, match["time"]))
            if verification:
                event.reason = rules["by_number"].get(verification["number"], "other")
                event.issuer = verification["issuer"] or ""
            event.reason = known or event.reason
    ours = [
        (client.rpartition(":")[0], event.moment())
        for client, event in events.items()
        if event.issuer in rules["own_issuers"]
    ]
    for client, event in events.items():
        own = (
            client in knocks
            or event.issuer in rules["own_issuers"]
            or (
                event.reason == "no-certificate"
                and any(
                    address == client.rpartition(":")[0] and abs(moment - event.moment()) <= _NEAR
                    for address, moment in ours
                )
            )
        )
        if not own:
            yield ends.get(client, event.site), event.reason or "other"


class _Event:
    """A handshake that came to no good."""

    def __init__(self, site: str, at: str) -> None:
        self.site, self.reason, self.issuer, self._at = site, "", "", at

    def moment(self) -> float:
        """Seconds since 1970; an error log has this machine's time."""
        try:
            _weekday, month, day, clock, year = self._at.split()
            parts = (int(year), _MONTHS.index(month) + 1, int(day), int(clock[:2]), int(clock[3:5]), int(clock[6:8]))
            return time.mktime((*parts, 0, 0, -1))
        except (ValueError, OverflowError):  # of a line that httpd has not written
            return 0


def _access_time(text: str) -> int:
    """Seconds since 1970 for a moment as httpd's %t has it."""
    try:
        offset = datetime.timedelta(hours=int(text[22:24]), minutes=int(text[24:26])) * (-1 if text[21] == "-" else 1)
        clock = [int(text[place : place + 2]) for place in (12, 15, 18)]
        return _moment(int(text[7:11]), [_MONTHS.index(text[3:6]) + 1, int(text[:2]), *clock], offset)
    except (ValueError, IndexError, OverflowError):  # of a line that httpd has not written
        return 0


def _tell_calls(wanted: dict[str, Any], state: dict[str, Any], samples: Samples) -> None:
    for site in wanted["sites"]:
        labels = {"site": site["domain"], "server": wanted["server"]}
        last = state["accepted"].get(site["domain"], 0)
        if last:
            _add(samples, "last_accepted_call_timestamp_seconds", labels, last)
        if site["access_log"]:
            number = state["forbidden"].get(site["domain"], 0)
            _add(samples, "forbidden_calls_total", labels, number)
        for reason in wanted["rules"]["reasons"]:  # each from 0 on, as a rate needs two samples
            count = state["refused"].get(site["domain"], {}).get(reason, 0)
            _add(samples, "refused_calls_total", {**labels, "reason": reason}, count)


# -- writing


def _add(samples: Samples, name: str, labels: dict[str, str], value: int) -> None:
    written = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
    samples.setdefault(f"mtls_httpd_{name}", []).append(f"mtls_httpd_{name}{{{written}}} {value}")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _render(samples: Samples, metrics: dict[str, Any], state: dict[str, Any]) -> str:
    lines = [_STATE + json.dumps(state, sort_keys=True)]
    for name, (kind, words) in metrics.items():
        if name in samples:
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *samples[name]]
    return "\n".join(lines) + "\n"


def _read_state(path: str) -> dict[str, Any]:
    """What the last check remembered; nothing where there was none."""
    try:
        with open(path, encoding="utf-8") as stream:
            first = stream.readline()
        state = json.loads(first[len(_STATE) :]) if first.startswith(_STATE) else {}
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _write(path: str, text: str) -> None:
    """Have the file hold the text, at once. It is made in its folder, so that it gets the label of what lies there."""
    new = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, 0o644)
        stream.write(text)
    os.rename(new, path)


if __name__ == "__main__":
    main(sys.argv[1])
