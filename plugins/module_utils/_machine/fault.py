# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Faults of a host: every code with its meaning and what to do, and how they are told to people.

What a verdict's findings are on the controller: what is decided is decided by the code and the domain, never by words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# What each code means, and what to do. docs/messages.md is made of it (`make generate`).
CODES: dict[str, tuple[str, str]] = {
    # -- what is asked for
    "bad-request": (
        "The module on the host was called by something else than `mtls.httpd.sites`, or by another version of it.",
        "Call `mtls.httpd.sites`. If you did, install the collection anew on the controller.",
    ),
    "bad-option": (
        "An option of a task, or a file that one names, is not what is documented. Seen before anything is sent.",
        "Correct the option that the message names.",
    ),
    "bad-value": (
        "A value cannot stand in httpd's configuration, or in the name of a file.",
        "Give another value: no quoting makes this one safe.",
    ),
    "no-such-site": (
        "There is no site of this name on the host, so there is nothing to go back to.",
        "Correct the name, or deploy the site.",
    ),
    "no-previous-release": ("The site has no release to go back to.", "Deploy it with its material instead."),
    "no-such-release": (
        "The site keeps no release of this name on the host.",
        "Name one of those that the message lists, or deploy with its material.",
    ),
    "untimely": (
        "By the host's clock a certificate has ended, or has not begun, or a CRL is out of date.",
        "Set the host's clock, or give a valid one.",
    ),
    "unusable-source": (
        "With `remote_src`: a file on the host is missing, not PEM, damaged, too large, or of no use for its site.",
        "Put a good file there, or correct the path.",
    ),
    "not-renewed": (
        "With `remote_src`: the certificate at its path on the host is not the one that is served. `status` tells it.",
        "Run the program of `renewal_hook` on the host, which says why it fails; without one, deploy.",
    ),
    "wrong-client-ca-pin": (
        "With `remote_src`: a client CA on the host has none of the fingerprints in `client_ca_sha256`.",
        "See where the file came from before anything else.",
    ),
    # -- the server
    "httpd-not-found": (
        "There is no httpd, or none where `httpd_binary` or `httpd_config` says.",
        "Correct the path; or install httpd, as the role does unless `mutual_tls_install` is false.",
    ),
    "httpd-ambiguous": (
        "Several httpd run on the host, and nothing says which is meant.",
        "Set `httpd_binary` and `httpd_config`.",
    ),
    "httpd-odd": (
        "The program that was found does not answer as httpd does, or its unit of systemd does not tell its command.",
        "Name httpd's own program, no script around it, by `httpd_binary`; or start httpd; then run again.",
    ),
    "module-missing": ("This httpd lacks a module.", "Install the package that brings it."),
    "unsound": (
        "httpd does not take its configuration, or does not start with it.",
        "Mend the line that httpd complains of. The message has httpd's words, and the line of the site's own text.",
    ),
    "broken-before": (
        "The configuration is broken already, without the change: a reload would have ended httpd.",
        "Mend what the message names. Until then, do not reload or restart httpd: it would not come back.",
    ),
    "service-refuses": (
        "The service manager, or whoever keeps httpd, does not start, reload or stop it.",
        "Do what the message says with `systemctl`, or at the container's manager.",
    ),
    "not-running": (
        "httpd does not run where it must.",
        "Read on the host why: `systemctl status apache2` (or `httpd`), and its error log. Mend that, and run again.",
    ),
    "not-reloaded": (
        "httpd took no reload, or ended at it.",
        "The old state is back. Read httpd's error log for the reason.",
    ),
    "not-as-before": (
        "After going back, httpd does not serve as it did before.",
        "See on the host whether httpd runs, and what its error log says. Then run again, which first goes back.",
    ),
    "secluded": (
        "By its unit, httpd has mounts or a network of its own, and does not see, or may not write, what it must.",
        "Change the unit as the message says (`systemctl edit`) and restart httpd; or name another path.",
    ),
    "mpm-changed": (
        "The files load another MPM (prefork, worker, event) than the one that runs: a reload would end httpd.",
        "Restart httpd (`systemctl restart apache2`, or `httpd`), then run again.",
    ),
    "upgraded": (
        "The program that runs was replaced on the disk, and would end at a reload, as it does not take what is there.",
        "Restart httpd (`systemctl restart apache2`, or `httpd`), then run again.",
    ),
    "no-room": (
        "Each process that httpd may have serves somebody, so that a reload would leave it without workers.",
        "Run again when it is less busy, or raise `ServerLimit` (or `MaxRequestWorkers`, too) and restart httpd.",
    ),
    "rehearsal-failed": ("The rehearsal itself could not be finished.", "Run again; if it happens again, report it."),
    "rehearsal-needed": (
        "httpd is process 1 of its container, or what that waits for, and a full rehearsal cannot be had there.",
        'See "In a container" in docs/transaction.md.',
    ),
    "not-tried": ("There was no time left to try or ask the rest.", "Mend what is named, then run again."),
    "callers-locked-out": (
        "Clients that got in recently would not get in any more. An error with `protect_callers`, else a warning.",
        "Correct the pins or the client CAs; or leave `protect_callers` out, if you mean it.",
    ),
    "log-unread": (
        "A log that tells who called is missing, goes to a program, cannot be read, or was not read to its end.",
        "Do what the message says; nothing else of the run depends on it.",
    ),
    "log-format": (
        "The lines of the log of a site do not tell who called.",
        "Give its virtual host a log of the format that the message names.",
    ),
    # -- the disk
    "disk-refuses": (
        "The kernel refuses to read or write a path: no space, read-only, not permitted, or something in the way.",
        "Do what the message says for the path that it names.",
    ),
    "in-the-way": (
        "Something that is not this collection's is where it puts a file or a link.",
        "Move it away; or set `adopt`, which keeps a plain file under another name.",
    ),
    "untrusted-path": (
        "Somebody other than root or the server's user could change what is at a path.",
        "Look at what is there; then correct the owner (`chown`) and mode (`chmod go-w`) of what the message names.",
    ),
    "hook-refused": (
        "The option `renewal_hook` names a file in a folder that the system itself reads, such as /etc or /etc/cron.d.",
        "Name a file in a folder of programs, such as certbot's /etc/letsencrypt/renewal-hooks/deploy.",
    ),
    "metrics-refused": (
        "There is no such folder as `metrics_folder`, others can change it, or its watchman does not run.",
        "Do what the message says, or make `metrics_folder` an empty text for the host; all else goes without it.",
    ),
    "metrics-unread": (
        "Only root gets to the folder of `metrics_folder`, or to one above it: a warning.",
        "Make it readable for the user of node_exporter, or see that node_exporter is root's.",
    ),
    "watchman-dead": (
        "The watchman of `metrics_folder` has not looked for 15 minutes, so that no alert can be trusted.",
        "See why nothing runs it: its timer may be stopped, or its service may fail.",
    ),
    "metrics-untimed": (
        "The watchman of `metrics_folder` is in place, and there is no systemd to run it: a warning.",
        "Have cron run the command that the message names, every five minutes.",
    ),
    "not-labelled": (
        "SELinux's labels could not be given.",
        "See by `ausearch -m avc -ts recent` what SELinux refused, mend its policy, then run again.",
    ),
    "locked": ("Another run holds the lock of this server.", "Run again when it has ended."),
    "changed-meanwhile": ("Somebody changed a path while the run was under way.", "Run again."),
    "killed-run": (
        "A run was killed, and what it left is to be undone first; but check mode changes nothing.",
        "Run without `--check`: that undoes it first.",
    ),
    "release-damaged": (
        "A release on the disk is not as it was written.",
        "Deploy the site with its material, which makes it good.",
    ),
    "not-kept": (
        "The new state is in place and serves, but its journal could not be removed.",
        "Mend the disk, and run again: that undoes it and begins anew.",
    ),
    "way-back-failed": (
        "The change failed, and going back failed too.",
        "See on the host whether httpd runs, and mend what the message names. Then run again, which first goes back.",
    ),
    "log-refused": (
        "A site's log would be where root reads or runs files, where anybody may put a link, or over another file.",
        "Name a new file in a folder of logs, or set `access_log` and `error_log` to `server`.",
    ),
    "no-log-folder": (
        "The server has no log that is a file, and so no folder for the sites' own.",
        "Give `access_log` and `error_log`.",
    ),
    # -- ports, addresses and names
    "port-taken": (
        "Another program, or httpd's own way of listening, holds a port.",
        "End what `ss -ltnp` shows there, or take another port.",
    ),
    "port-forbidden": (
        "SELinux does not let httpd listen on a port, or httpd's unit takes the right to do so from it.",
        "Take another, or allow it: `semanage port -a -t http_port_t -p tcp 8443`, with your port for 8443.",
    ),
    "address-missing": ("An address in `listen` is none of the host's.", "Correct `listen`, or add the address."),
    "listen-conflict": (
        "Two Listen directives, or two sites of one port, exclude each other.",
        "Give both the same addresses, or ports of their own.",
    ),
    "name-taken": (
        "Another virtual host, site or mod_md has a name of the site.",
        "Take the name out of one of them.",
    ),
    "proxy-protocol-conflict": (
        "httpd expects the PROXY header by address and port, and not all that is served there is to have it.",
        "Give all sites and virtual hosts there the same: `proxy_protocol`, or none. Or take another port.",
    ),
    "takes-the-default": (
        "The site would take the place of another virtual host on its address and port.",
        "Have the other's file included before, leave `listen` out, or take another port.",
    ),
    "takes-the-port": ("The main server's own pages would vanish from a port.", "Take another port."),
    # -- a site's place in the configuration
    "not-included": (
        "No virtual host of yours includes the site's directives.",
        "Put the line that is named into the virtual host.",
    ),
    "still-included": (
        "A virtual host of yours still includes the directives of a site that is to go.",
        "Take out the Include that the message names, then run again.",
    ),
    "not-in-force": (
        "The site's virtual host is not read, or another one of its name stands before it.",
        "Do what the message says: ServerName, port, or the order of files.",
    ),
    "others-get-in": (
        "A directive has the site ask for less than its options say, so that others would get in.",
        "Take out the line that the message names.",
    ),
    "sessions-outlast": (
        "TLS sessions would outlive the removal of a client CA.",
        "Take out what the message names, so that a reload ends them.",
    ),
    "bypass": (
        "Something else serves a protected site's content without a client certificate.",
        "Take it out, protect it alike, or accept it by `allow_bypass`.",
    ),
    "reaches-beyond": (
        "The option `extra_directives` changes more than the site's one virtual host.",
        "Put such lines into the server's own configuration, not into `extra_directives`.",
    ),
    "include-refused": (
        "A site's text has code that would run as soon as httpd reads it, or includes a file that cannot be judged.",
        "Load code in the server's own configuration; include files by their paths, where root alone can change them.",
    ),
    "older-material": (
        "A certificate or client CA is older than the one that is served: a warning, as it may be meant.",
        "See whether it comes from an old checkout.",
    ),
    "backend-unheard": (
        "Nobody listens at a backend of the site: a warning, as it may be started later.",
        "Start the backend, or correct the option.",
    ),
    "starts-program": (
        "A site would have httpd start a program.",
        "Take it out, or set `allow_programs` for the site.",
    ),
    "client-ca-unreadable": ("httpd cannot read the client CA file.", "Give another client CA file."),
    "client-ca-weak": ("OpenSSL on the host refuses a CA by its security level.", "Have a stronger one issued."),
    # -- what handshakes show
    "not-offered": (
        "TLS, a version of it, or HTTP/2 is not offered as wished.",
        "Look for what else sets the protocol, such as the address's default virtual host.",
    ),
    "no-clear-answer": (
        "A client was neither let in nor refused in a way that tells which.",
        "Read httpd's error log: it may crash, or something before it cuts the connection.",
    ),
    "unclear-admission": (
        "A client that is to be let in got an answer that does not tell whether it was.",
        "Read httpd's error log. If what decides answers only on the live server, accept it by `accept`.",
    ),
    "locked-out": (
        "A client that is to be let in is refused.",
        "Look for rules of the server that hold for it too. If only the live server lets it in, accept it by `accept`.",
    ),
    "stranger-let-in": (
        "A client that is to be refused got in.",
        "Look for what else decides at that path, such as Require, Satisfy, RewriteRule or ErrorDocument.",
    ),
    "refused-otherwise": (
        "A client was refused at a path where the handshake should have been refused, or the other way round.",
        "Look for what else sets SSLVerifyClient, or rules by path.",
    ),
    "wrong-certificate": (
        "Another certificate than the site's is served.",
        "Look for another virtual host on its address and port.",
    ),
    "wrong-client-ca": (
        "Clients of other CAs than the site's are asked for.",
        "Look for what else sets SSLCACertificateFile.",
    ),
    "detour": (
        "A client got in by way of another virtual host on the address and port (CVE-2025-23048).",
        "Update httpd, and take SSLVHostSNIPolicy out.",
    ),
}

# What a rehearsal may show, and the live server not, because what decides is not in there: a directory service, a
# firewall of requests, a map. No stranger is among them, not even one who is refused by such a rule alone
# ("refused-otherwise"), as it may let in where it is asked in earnest.
ACCEPTABLE = ("locked-out", "unclear-admission")


@dataclass(frozen=True)
class Fault:
    """Why a host is not changed: a stable code, the site (empty for the host), what is so, and what to do.

    The message names its site and its place, so that it is understood alone. An empty remedy: the message says all.
    """

    code: str
    domain: str
    message: str
    remedy: str


class OperatorError(Exception):
    """What an operator is to read. The faults say it as data, the text in one line; no secret is in either."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(tell_faults(faults))
        self.faults = faults


def list_faults(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """Return the faults for a module's result. A fault without a remedy of its own has that of its code."""
    told = ({**asdict(each), "remedy": each.remedy or CODES[each.code][1]} for each in dict.fromkeys(faults))
    return [{name: plain(text) for name, text in each.items()} for each in told]


def tell_fault(fault: Fault) -> str:
    """Return the sentence that an operator reads."""
    return f"{fault.message}: {fault.remedy}" if fault.remedy else fault.message


def tell_faults(faults: Iterable[Fault]) -> str:
    """Return the sentences in one line, each of them once."""
    return "; ".join(dict.fromkeys(map(tell_fault, faults)))


def plain(text: str) -> str:
    """The text on one line, with nothing that a terminal obeys: others on the machine have a say in names and logs."""
    return "".join(character if character.isprintable() else "?" for character in text)
