# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at a fleet may show beside the faults of its hosts."""

from __future__ import annotations

# How bad each code is, what it means, and what to do. docs/messages.md is made of it (`make generate`).
CODES: dict[str, tuple[str, str, str]] = {
    "unreachable": (
        "critical",
        "Ansible did not reach the host.",
        "See that it is up, and that Ansible may connect.",
    ),
    "not-looked-at": (
        "critical",
        "The host was reached, and told nothing: no Python, several httpd, another run that holds the lock.",
        "Do what the message says.",
    ),
    "not-asked": (
        "warning",
        "The play was not run for the host.",
        "Run without the tags that left it out.",
    ),
    "httpd-not-found": ("critical", "There is no httpd on the host.", "Deploy, or take the host out of the group."),
    "not-running": (
        "critical",
        "httpd does not run, on a host that has sites.",
        "Deploy, which starts it or says why it cannot. On the host, `systemctl status apache2` (or `httpd`) says why.",
    ),
    "reload-fails": (
        "critical",
        "httpd would end at its next reload, such as that of logrotate, or not start again.",
        "Mend what is named before anything reloads it.",
    ),
    "not-enforced": (
        "critical",
        "Strangers are asked for less than the site is to ask for, by handshakes on the host or from the controller.",
        "Look for what else answers there, and deploy.",
    ),
    "not-shown-outside": (
        "warning",
        "From the controller, it could not be seen what is asked of strangers.",
        "See what is between the controller and the host's port.",
    ),
    "expired": (
        "critical",
        "A certificate, client CA, revocation list or the last certificate of a client has ended.",
        "Renew it, and deploy.",
    ),
    "expires-soon": (
        "warning, or critical near its end",
        "A certificate, client CA, revocation list or the last certificate of a client ends soon.",
        "Renew it, and deploy.",
    ),
    "not-deployed": ("critical", "The inventory lists a site that is not on the host.", "Deploy it."),
    "not-listed": (
        "warning",
        "The host serves a site that the inventory does not list, so that nobody renews it.",
        "List it, or take it away by `mtls.httpd.remove`.",
    ),
    "not-as-listed": (
        "warning",
        "The inventory says otherwise than what the host serves, by the options that are named.",
        "Deploy, or correct the inventory.",
    ),
    "differs-between-hosts": (
        "warning",
        "Hosts serve one site with different certificates, client CAs, pins or paths.",
        "Deploy to those that are behind.",
    ),
    "same-httpd": (
        "warning",
        "Several names of the inventory mean one httpd, so that it is deployed to, and counted, once for each.",
        "Take all but one out of the group, and give that one the sites of each.",
    ),
    "old-report": (
        "warning",
        "A report in `status_reports` is of more than twelve hours ago, and so is what it tells of its hosts.",
        "Look at them again; or see why the job of their slice wrote no new report.",
    ),
    "clock-off": (
        "warning",
        "The host's clock differs from the controller's by a minute or more.",
        "Set it: httpd judges certificates and revocation lists by it.",
    ),
    "drift": (
        "warning",
        "A file is not as an earlier run left it, or is left over from one.",
        "Deploy, which makes it good, and see who changes it.",
    ),
}

# The faults of hosts (module_utils/_machine/fault.py) that cost nobody a callback, and let nobody in.
MINOR = frozenset(
    {
        *("backend-unheard", "in-the-way", "killed-run", "not-included", "not-renewed", "not-tried"),
        *("release-damaged", "watchman-dead"),
    }
)

# What comes first among what is equally bad: others get in; nobody does, or soon will not; the rest.
WORST_FIRST = (
    *("stranger-let-in", "not-enforced", "bypass", "others-get-in", "detour"),
    *("expired", "not-running", "not-deployed", "reload-fails", "expires-soon"),
)
