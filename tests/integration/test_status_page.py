# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of a fleet in a real browser: laid out, sorted, filtered, by keyboard, accessible, and nobody's script."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from fleets import HOSTILE, after, host, judged, site, varied

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.page import render_page
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

# Of the environment `dev`. That of the newest ansible-core has none, and the page is made of no Ansible.
playwright = pytest.importorskip("playwright.sync_api", reason="the browser's driver is in the environment dev alone")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is in the environment dev alone")
CHROMIUM = shutil.which("chromium")
# As root on Debian, `make integration` installs it; elsewhere its sum counts these tests as left out, by this reason.
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium, which root on Debian gets by `make integration`")

WIDTHS = (360, 800, 1600)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the page of a fleet in which much is amiss."""
    path: Path = tmp_path_factory.mktemp("page") / "fleet.html"
    path.write_text(render_page(varied()))
    return path.as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open the page on a desk's screen; whatever it complains of fails the test."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url != address else None)
    page.goto(address)
    yield page
    context.close()
    assert complaints == []


def rows(page: Page) -> list[list[str]]:
    """Return the text of the cells of each row that is shown."""
    shown = page.locator("#table tbody tr:visible")
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in shown.all()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_screen_and_axe_finds_nothing(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    if folder := os.environ.get("MTLS_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/fleet-{width}-{scheme}.png", full_page=True)


def test_a_hosts_part_is_shown_by_its_link_and_axe_finds_nothing(page: Page) -> None:
    assert page.locator(".host:visible").count() == 0
    page.get_by_role("cell", name="n1").or_(page.locator("#table a", has_text="n1")).first.click()
    assert page.locator(".host:visible h2").all_inner_texts() == ["n1"]
    assert "strangers get in (optional)" in page.locator(".host:visible").inner_text()
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    if folder := os.environ.get("MTLS_SCREENSHOTS"):
        page.locator(".host:visible").screenshot(path=f"{folder}/host.png")


def test_rows_stand_the_worst_first_and_are_sorted_by_a_click(page: Page) -> None:
    states = [row[0] for row in rows(page)]
    assert states == sorted(states, key=["critical", "warning", "ok"].index)
    page.get_by_role("button", name="Days").click()
    days = [row[5] for row in rows(page)]
    assert [day for day in days if day != "\N{EN DASH}"] == sorted(
        (day for day in days if day != "\N{EN DASH}"), key=int
    )
    assert days[-1] == "\N{EN DASH}"
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Days")
    page.get_by_role("button", name="Days").click()
    assert page.locator("th[aria-sort=descending]").count() == 1
    assert [row[5] for row in rows(page)] == days[::-1] or rows(page)[0][5] == "\N{EN DASH}"


def test_rows_are_filtered_by_words_and_by_state(page: Page) -> None:
    page.get_by_label("Host, site or finding").fill("HOOKS")
    assert [row[2] for row in rows(page)] == ["hooks.example.com"]
    assert page.locator("#count").inner_text() == "1 of 11 shown"
    page.get_by_label("Host, site or finding").fill("")
    page.get_by_label("Rows").select_option("critical")
    assert {row[0] for row in rows(page)} == {"critical"}
    shown = len(rows(page))
    assert f"critical ({shown})" in page.get_by_label("Rows").inner_text()
    assert f"critical findings on {shown} rows" in page.locator(".summary").inner_text()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("n3", {"n3"}),
        ("D1 hooks", {"d1"}),
        ("reload fails", {"n4"}),
        ("n4 drift", {"n4"}),
        ("not deployed", {"n2"}),
        ("unreachable", {"down"}),
        ("enforced n1", {"n1"}),
        ("200", set()),
        ("critical", set()),
        ("2027", set()),
        ("chat", set()),
    ],
)
def test_what_is_typed_finds_hosts_sites_and_findings_and_no_other_word_of_a_row(
    page: Page, typed: str, found: set[str]
) -> None:
    page.get_by_label("Host, site or finding").fill(typed)
    assert {row[1] for row in rows(page)} == found


def test_a_listed_site_that_is_not_on_its_host_is_found_by_its_name(page: Page) -> None:
    page.get_by_label("Host, site or finding").fill("www.example.com")
    absent = next(row for row in rows(page) if row[1] == "n2")
    assert absent[:5] == ["critical", "n2", "www.example.com", "not deployed", "not deployed"]


def test_the_last_call_comes_first_by_one_click_and_none_last(page: Page) -> None:
    heading = page.get_by_role("button", name="Last call (UTC)")
    heading.click()
    calls = [row[9] for row in rows(page)]
    told = [call for call in calls if call[0].isdigit()]
    assert told == sorted(told, reverse=True)
    assert calls[: len(told)] == told == ["2026-11-29 11:00", "2026-11-29 10:00"]
    assert set(calls[len(told) :]) == {"none in 30 days", "\N{EN DASH}"}
    heading.click()
    assert [row[9] for row in rows(page)][-2:] == told[::-1]


def test_what_changed_last_comes_first_by_one_click(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "changed.html"
    hosts = [host(name, site(since=after(-days))) for name, days in (("a", 5), ("b", 1), ("c", 9))]
    path.write_text(render_page(judged([*hosts, Host("down", "unreachable", "no route", {})])))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(path.as_uri())
    page.get_by_role("button", name="Release, since").click()
    assert [row[1] for row in rows(page)] == ["b", "a", "c", "down"]
    assert rows(page)[0][10].endswith("2026-11-28")
    page.close()


def test_a_row_says_why_and_where_anybody_may_call(page: Page) -> None:
    by_host = {row[1]: row for row in rows(page)}
    assert by_host["n4"][3] == "reload fails"
    assert by_host["n1"][7] == "anybody"
    assert by_host["d2"][7] == "CN=Chat,O=Tencent"
    assert by_host["snakeless"][3] == "not looked at"


def test_a_narrow_screen_has_a_menu_to_sort_by_and_no_lines_that_are_empty(page: Page) -> None:
    assert not page.get_by_label("Sort by").is_visible()
    page.set_viewport_size({"width": 400, "height": 900})
    before = page.locator("#table tbody tr").all_inner_texts()
    assert "\N{EN DASH}" not in "".join(before)
    page.get_by_label("Sort by").select_option("Days")
    days = [int(text) for text in page.locator("td[data-label=Days]:visible").all_inner_texts()]
    assert days == sorted(days)
    page.get_by_role("button", name="Reverse").click()
    assert [int(text) for text in page.locator("td[data-label=Days]:visible").all_inner_texts()] == days[::-1]
    page.get_by_label("Sort by").select_option("the worst first")
    assert page.locator("#table tbody tr").all_inner_texts() == before


def test_what_ends_in_a_day_two_or_three_has_bars_of_different_lengths(page: Page) -> None:
    widths = [int(drawn.get_attribute("width") or 0) for drawn in page.locator(".timeline rect.bar").all()[:3]]
    assert widths[1] - widths[0] > 40
    assert widths[2] - widths[1] > 40
    assert page.locator(".axis text").all_text_contents() == ["1 day", "7", "30", "90", "365 days"]


def test_the_part_of_a_host_of_which_nothing_is_known_says_so_in_words(page: Page) -> None:
    assert "Choose a host to see its details." in page.locator("#hosts").inner_text()
    page.goto(f"{page.url}#host-snakeless")
    said = page.locator(".host:visible").inner_text()
    assert "Not looked at." in said
    assert "Install Python." in said


def test_a_hosts_part_says_since_when_its_release_is_served_and_what_a_rollback_would_do(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "back.html"
    gone = site()
    ways = {"first": site(), "later": site(previous="81aa04b7c1d2e3f4"), "gone": gone | {"previous": gone["release"]}}
    old = {name: value for name, value in site().items() if name != "since"}
    hosts = [host(name, told) for name, told in [*ways.items(), ("old", old)]]
    path.write_text(render_page(judged(hosts)))
    page = browser.new_page()
    said = {}
    for name in (*ways, "old"):
        page.goto(f"{path.as_uri()}#host-{name}")
        said[name] = page.locator(".host:visible").inner_text()
    assert "since 2026-11-20 12:00 UTC" in said["first"]
    assert "has no release to go back to" in said["first"]
    assert "would go back to 81aa04b7c1d2e3f4" in said["later"]
    assert "would change nothing, as this site has gone back already" in said["gone"]
    assert "since" not in said["old"]
    page.close()


def test_a_hosts_part_names_every_host_of_a_group(page: Page) -> None:
    page.goto(f"{page.url}#host-d2")
    assert "d1, n1, n3, n4: SHA-256 abababab" in page.locator(".host:visible").inner_text()
    page.goto(f"{page.url.partition('#')[0]}#host-n3")
    assert "SHA-256 cdcdcdcd" not in page.locator(".host:visible").inner_text()


def test_it_works_by_keyboard_alone(page: Page) -> None:
    for _key in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "words":
            break
    page.keyboard.type("d2")
    assert [row[1] for row in rows(page)] == ["d2"]
    for _key in range(3):  # the choice of states, the table, its first heading
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "State"
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort]").inner_text().startswith("State")


def test_a_hostile_subject_is_text(page: Page) -> None:
    assert page.title().startswith("Mutual TLS of 9 hosts")
    assert page.locator("script").count() == 1
    assert HOSTILE in page.locator("#sites").inner_text()


def test_no_script_but_its_own_runs_even_where_one_got_in(browser: Browser, tmp_path: Path) -> None:
    """The policy in its head is a second wall: here somebody broke the first."""
    path = tmp_path / "broken.html"
    injected = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    path.write_text(render_page(varied()).replace("<main>", f"<main>{injected}"))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert page.title().startswith("Mutual TLS of 9 hosts")
    page.close()


def test_print_shows_each_host_and_no_controls(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.locator(".host:visible").count() == 9
    assert not page.locator("#filter").is_visible()
    if folder := os.environ.get("MTLS_SCREENSHOTS"):
        page.pdf(path=f"{folder}/fleet.pdf")


def test_without_a_script_all_is_there(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert len(rows(page)) == 11
    assert not page.locator("#filter").is_visible()
    context.close()


def test_a_fleet_in_which_all_is_well_says_so(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "well.html"
    path.write_text(render_page(judged([host("d1", site())])))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(path.as_uri())
    assert "all is well" in page.locator(".summary.well").inner_text()
    assert "Nothing. Every site" in page.locator("#amiss").inner_text()
    page.close()


def test_what_is_amiss_with_many_hosts_is_told_on_one_screen_and_each_of_it_by_one_click(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "alike.html"
    down = [Host(f"down{number}", "unreachable", f"10.0.0.{number} timed out", {}) for number in range(100, 300)]
    open_ = [host(f"open{number}", site(mutual_tls="optional")) for number in range(100, 300)]
    soon = [host(f"soon{number}", site(f"s{number}.example.com", 20)) for number in range(100, 200)]
    path.write_text(render_page(judged([*down, *open_, *soon])))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(path.as_uri())
    assert page.locator("#amiss").bounding_box()["height"] < 600  # type: ignore[index]
    shown = [line.split("\n")[0] for line in page.locator("#amiss > ul > li").all_inner_texts()]
    assert [line.split()[:2] for line in shown] == [
        ["critical", "open100,"],
        ["critical", "down100:"],
        ["warning", "soon100:"],
    ]
    assert "open104 and 195 more: www.example.com lets strangers in" in shown[0]
    every, alike, of_sites = page.locator("#amiss > ul > li > details").all()
    assert every.inner_text() == "All 200 hosts"
    assert alike.inner_text().startswith("And 199 more like it, with 10.0.0.101, 10.0.0.102, 10.0.0.103 and 196 more")
    page.emulate_media(media="print")
    assert alike.locator("summary").is_visible()
    page.emulate_media(media="screen")
    assert of_sites.inner_text() == "And 99 more like it"
    alike.locator("summary").click()
    assert "down299: 10.0.0.299 timed out" in alike.inner_text()
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    of_sites.locator("summary").click()
    of_sites.get_by_text("soon199", exact=True).click()
    assert page.locator(".host:visible h2").all_inner_texts() == ["soon199"]
    page.close()


def test_five_hundred_hosts_are_sorted_within_a_second(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text(render_page(judged([host(f"h{number}", site(), site("b.example.com")) for number in range(500)])))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(path.as_uri())
    spent = page.evaluate(
        "() => { const begun = performance.now(); document.querySelectorAll('th button')[1].click();"
        " document.body.offsetHeight; return performance.now() - begun; }"
    )
    assert spent < 1000
    page.close()
