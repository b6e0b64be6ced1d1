# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw the pictures of docs/pictures/ into a folder: the transaction, the store on a host, and the fleet's report.

Each has a background of its own, light or dark as its reader's, so that it can be read on any page.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

STYLE = """\
text { font: 15px system-ui, sans-serif; fill: #1d2733; }
.small { font-size: 13px; fill: #4b5968; }
.code { font-family: ui-monospace, monospace; font-size: 13px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.bold { font-weight: 600; }
.ground { fill: #ffffff; stroke: #d5dce4; }
.box { fill: #eef3f8; stroke: #7d90a5; }
.good { fill: #e2f3e6; stroke: #3f8a55; }
.bad { fill: #fbe7e4; stroke: #b5473a; }
.line { fill: none; stroke: #55677a; stroke-width: 1.6; }
.tip { fill: #55677a; }
.grid { fill: none; stroke: #d5dce4; }
.series0 { stroke: #5b6b7a; stroke-width: 2.2; }
.series1 { stroke: #2364aa; stroke-width: 2.2; }
.series2 { stroke: #b35309; stroke-width: 2.2; }
.series3 { stroke: #2f7d4f; stroke-width: 2.2; }
.dot0 { fill: #5b6b7a; }
.dot1 { fill: #2364aa; }
.dot2 { fill: #b35309; }
.dot3 { fill: #2f7d4f; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #a9b7c4; }
.ground { fill: #14191f; stroke: #333d47; }
.box { fill: #202a34; stroke: #6f8397; }
.good { fill: #173423; stroke: #57a871; }
.bad { fill: #42211d; stroke: #d2685b; }
.line { stroke: #93a5b6; }
.tip { fill: #93a5b6; }
.grid { stroke: #333d47; }
.series0 { stroke: #a9b7c4; }
.series1 { stroke: #6cb0f5; }
.series2 { stroke: #f0a45d; }
.series3 { stroke: #6fce93; }
.dot0 { fill: #a9b7c4; }
.dot1 { fill: #6cb0f5; }
.dot2 { fill: #f0a45d; }
.dot3 { fill: #6fce93; }
}"""
TIP = (
    '<marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
    '<path class="tip" d="M0 0 L9 4 L0 8 z"/></marker>'
)


@dataclass
class Picture:
    """What is drawn, from the back to the front."""

    title: str
    words: str
    width: int
    height: int
    shapes: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, width: int, lines: list[str], *, kind: str = "box") -> None:
        """Draw a box with its first line in bold, as high as its lines ask for."""
        height = 20 + 20 * len(lines)
        self.shapes.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>')
        for number, line in enumerate(lines):
            self.text(x + width // 2, y + 24 + 20 * number, line, kind="middle small" if number else "middle bold")

    def text(self, x: int, y: int, words: str, *, kind: str = "") -> None:
        """Write `words`, whose base line begins at x and y."""
        self.shapes.append(f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>')

    def arrow(self, *points: tuple[int, int]) -> None:
        """Draw an arrow from the first point by way of the others to the last."""
        way = " L".join(f"{x} {y}" for x, y in points)
        self.shapes.append(f'<path class="line" d="M{way}" marker-end="url(#tip)"/>')

    def svg(self) -> str:
        """Return the picture as SVG that needs nothing else."""
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title words">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="words">{escape(self.words)}</desc>',
            f"<style>\n{STYLE}\n</style>",
            f"<defs>{TIP}</defs>",
            f'<rect class="ground" x="1" y="1" width="{self.width - 2}" height="{self.height - 2}" rx="12"/>',
        ]
        return "\n".join([*head, *self.shapes, "</svg>", ""])


def transaction() -> Picture:
    """Return the steps of a run, and what becomes of a host where one of them fails."""
    picture = Picture(
        "One run",
        "The controller judges. The host looks, rehearses, stages, switches, reloads and confirms. A failure before "
        "the switch leaves the host as it was; a failure after it goes back.",
        880,
        420,
    )
    picture.text(30, 40, "On the controller", kind="bold")
    picture.box(30, 60, 240, ["Judge", "domains, certificates, keys,", "client CAs, lists"])
    picture.box(30, 300, 240, ["Confirm from outside", "handshakes from where", "the network is"])
    picture.text(320, 40, "On the host, in one trip", kind="bold")
    steps = [
        (320, ["Look", "is it as wished?"]),
        (510, ["Rehearse", "its own httpd, in a", "private world"]),
        (700, ["Stage", "releases, whole", "and durable"]),
    ]
    for x, lines in steps:
        picture.box(x, 60, 150, lines)
    for x, lines in ((700, ["Switch", "one rename", "for each site"]), (510, ["Reload", "gracefully"])):
        picture.box(x, 210, 150, lines)
    picture.box(320, 210, 150, ["Confirm", "handshakes"], kind="good")
    picture.arrow((270, 100), (318, 100))
    picture.arrow((470, 100), (508, 100))
    picture.arrow((660, 100), (698, 100))
    picture.arrow((775, 140), (775, 208))
    picture.arrow((700, 240), (662, 240))
    picture.arrow((510, 240), (472, 240))
    picture.arrow((395, 270), (395, 330), (272, 330))
    picture.text(395, 152, "already: done", kind="small middle")
    picture.text(585, 172, "refused: nothing", kind="small middle")
    picture.text(585, 190, "was touched", kind="small middle")
    picture.box(
        510,
        310,
        340,
        ["Go back", "a failure after the switch, or a killed run:", "the old state, by the journal"],
        kind="bad",
    )
    picture.arrow((585, 270), (585, 308))
    picture.arrow((775, 290), (775, 308))
    return picture


def store() -> Picture:
    """Return the folders of a site on a host, and who reads which."""
    picture = Picture(
        "What lies on a host",
        "httpd reads one line of its own that includes site.conf of the current release. The link current names one of "
        "the releases, which never change. Names beside httpd's configuration lead through current, for people.",
        880,
        400,
    )
    picture.box(30, 40, 240, ["httpd", "one included file", "or one marked line"])
    picture.box(30, 190, 240, ["people and tools", "www.example.com.crt", "www.example.com.key"])
    picture.text(330, 60, "mtls/www.example.com/", kind="code bold")
    picture.box(330, 90, 200, ["current", "a link: one rename", "switches the site"], kind="good")
    picture.box(
        600,
        40,
        250,
        ["releases/3f9c…", "site.conf, certificate, chain,", "key (0600), client CA, site.json"],
        kind="good",
    )
    picture.box(600, 160, 250, ["releases/81aa…", "the one before,", "for going back"])
    picture.box(600, 280, 250, ["releases/0c4e…", "older ones, kept by", "mutual_tls_keep_releases"])
    picture.arrow((270, 80), (300, 80), (300, 125), (328, 125))
    picture.arrow((270, 230), (300, 230), (300, 140), (328, 140))
    picture.arrow((530, 130), (565, 130), (565, 85), (598, 85))
    picture.text(330, 200, "journal, lock", kind="code")
    picture.text(330, 222, "how to go back; one run at a time", kind="small")
    picture.text(30, 330, "A release never changes. Directives name its files by its own path,", kind="small")
    picture.text(30, 350, "so a start at any moment reads all of one release.", kind="small")
    return picture


def report() -> Picture:
    """Return where the report of a fleet comes from, and where it goes."""
    picture = Picture(
        "The report of a fleet",
        "Each host is looked at in one trip and asked from the controller. The table shows the worst first, and the "
        "same is written as HTML, JSON, CSV, Markdown and Prometheus' text. The exit code tells cron or AWX.",
        880,
        360,
    )
    for number, (name, kind) in enumerate((("host d1", "good"), ("host d2", "good"), ("host n1", "bad"))):
        picture.box(30, 40 + 95 * number, 170, [name, "site_info, one trip"], kind=kind)
        picture.arrow((200, 70 + 95 * number), (240, 70 + 95 * number), (240, 165), (278, 165))
    picture.box(
        280,
        105,
        230,
        ["mtls.httpd.status", "what is served, until when,", "what strangers meet,", "what is not as deployed"],
    )
    endings = [
        ("the table", "the worst first"),
        ("fleet.html", "to read, to sort, to print"),
        ("fleet.json, .csv, .md", "for programs and tickets"),
        ("fleet.prom", "for Prometheus"),
        ("exit code 2", "for cron, a monitor, AWX"),
    ]
    for number, (name, use) in enumerate(endings):
        y = 62 + 60 * number
        picture.arrow((510, 155), (550, 155), (550, y - 5), (588, y - 5))
        picture.text(600, y, name, kind="bold")
        picture.text(600, y + 19, use, kind="small")
    return picture


PICTURES = {each.__name__: each for each in (transaction, store, report)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
