"""Pages of the site and of reports as people meet them: on a phone, in the dark, by keyboard, and
with a reader of the screen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from fanin.ensembles import Comparison
from fanin.report import checks, observations, plans
from tests.report import checks as reports
from tests.report import guides
from tests.report import observations as observed
from tests.report import plans as planned
from tests.report.conftest import comparison
from tests.report.test_page import opened

__all__ = ["comparison"]

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
DESKTOP, PHONE = (1200, 900), (390, 844)
PAGES = (
    "index", "tutorial", "findings/vanishing", "schemes/he_normal", "recipes/gpt2",
    "reference/fanin.fans", "check", "guide/index", "guide/03-variance", "guide/choosing",
)  # fmt: skip
# What is unlike all others; the rest has their colours.
FOUR_TIMES = ("index", "03-variance", "choosing", "check", "recommend", "observe", "compare")
WRITERS: dict[str, Callable[[Path, Comparison], Any]] = {
    "check": lambda path, _: checks.write_page(reports.broken(), path),
    "recommend": lambda path, _: plans.write_page(planned.measured(), path),
    "observe": lambda path, _: observations.write_page(observed.transformer(3), path),
    "compare": lambda path, compared: compared.to_html(path),
    "guide": lambda path, _: guides.write_index(path),
    "chapter": lambda path, _: guides.write_chapter(path),
    "choose": lambda path, _: guides.write_choices(path),
}
HOSTILE: dict[str, Callable[[Path, Comparison], Any]] = {
    "check": lambda path, _: checks.write_page(reports.hostile(), path),
    "recommend": lambda path, _: plans.write_page(planned.hostile(), path),
    "observe": lambda path, _: observations.write_page(observed.hostile(), path),
    "compare": WRITERS["compare"],
    "claim": lambda path, _: guides.write_hostile(path),
}


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, comparison: Comparison
) -> Callable[[str], Path]:
    """The page of a report, small and real in all its parts."""

    def write(kind: str, writers: dict[str, Callable[[Path, Comparison], Any]] = WRITERS) -> Path:
        path = tmp_path_factory.mktemp("reports") / f"{kind}.html"
        writers[kind](path, comparison)
        return path

    return write


@pytest.fixture
def screen(browser: WebDriver) -> Iterator[Callable[[tuple[int, int]], None]]:
    def set_size(size: tuple[int, int]) -> None:
        width, height = size
        browser.execute_cdp_cmd(  # type: ignore[attr-defined]
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    yield set_size
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[attr-defined]


def violations(browser: WebDriver, *, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe finds, with the first element of each."""
    browser.execute_script(AXE)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    browser.set_script_timeout(60)
    found = browser.execute_async_script(
        "const [options, done] = arguments;"
        "axe.run(document, options).then(r => done(JSON.stringify(r.violations)),"
        " e => done(JSON.stringify([{id: 'axe', help: String(e), nodes: []}])));",
        options,
    )
    return [
        f"{one['id']}: {one['help']}: "
        + "; ".join(f"{node['target']} {node['html'][:120]}" for node in one["nodes"][:3])
        for one in json.loads(found)
    ]


def sideways(browser: WebDriver) -> int:
    """By how many pixels the page as a whole scrolls to the side."""
    wide, seen = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    return int(wide - seen)


def looked_at(browser: WebDriver, path: Path, screen: Callable[[tuple[int, int]], None]) -> None:
    """Wide and narrow, light and dark; of pages of one kind the first in each pair of both."""
    looks: list[tuple[tuple[int, int], str, tuple[str, ...]]] = [
        (DESKTOP, "light", ()),
        (PHONE, "dark", ()),
    ]
    if path.stem in FOUR_TIMES:
        contrast = ("color-contrast",)
        looks += [(DESKTOP, "dark", contrast), (PHONE, "light", contrast)]
    for size, scheme, rules in looks:
        screen(size)
        opened(browser, path, scheme)
        assert sideways(browser) <= 0, f"scrolls sideways at {size[0]}"
        assert violations(browser, rules=rules) == [], f"at {size[0]}, {scheme}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_site_can_be_used_by_all(
    browser: WebDriver, site: Path, name: str, screen: Callable[[tuple[int, int]], None]
) -> None:
    looked_at(browser, site / f"{name}.html", screen)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_report_can_be_used_by_all(
    browser: WebDriver,
    written: Callable[[str], Path],
    kind: str,
    screen: Callable[[tuple[int, int]], None],
) -> None:
    path = written(kind)
    looked_at(browser, path, screen)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


FOCUS = """
const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
return [at.tagName, at.getAttribute('href') || at.name || at.className, style.outlineStyle,
        parseFloat(style.outlineWidth), box.width * box.height];
"""


def tabbed(browser: WebDriver, count: int) -> list[tuple[str, str]]:
    """What the tab key reaches; each is to be seen where it is."""
    reached = []
    body = browser.find_element(By.TAG_NAME, "body")
    for _ in range(count):
        (browser.switch_to.active_element or body).send_keys(Keys.TAB)
        tag, name, style, width, area = browser.execute_script(FOCUS)
        if tag == "BODY":
            break
        assert area > 0, f"{tag} {name} has the focus and no place"
        assert style != "none", f"{tag} {name} has the focus and does not show it"
        assert width >= 1, f"{tag} {name} has an outline of {width}"
        reached.append((tag, str(name)))
    return reached


def test_the_keyboard_reaches_skip_link_search_and_pages(browser: WebDriver, site: Path) -> None:
    opened(browser, site / "index.html")
    reached = tabbed(browser, 12)
    names = [name for _, name in reached]
    assert names[0] == "#furo-main-content"
    assert "q" in names, f"no search among {reached}"
    assert "tutorial.html" in names, f"no tutorial among {reached}"


@pytest.mark.parametrize("kind", ["check", "recommend", "observe", "compare"])
def test_the_keyboard_reaches_what_scrolls_in_a_report(
    browser: WebDriver, written: Callable[[str], Path], kind: str
) -> None:
    opened(browser, written(kind))
    scrolling = browser.execute_script("return [...document.querySelectorAll('.scroll')].length")
    assert len(tabbed(browser, scrolling)) == scrolling


def test_search_works_from_a_file(browser: WebDriver, site: Path) -> None:
    opened(browser, site / "index.html")
    box = browser.find_element(By.NAME, "q")
    box.send_keys("orthogonal", Keys.ENTER)
    wait = WebDriverWait(browser, 20)
    wait.until(lambda one: one.find_elements(By.CSS_SELECTOR, "#search-results li a"))
    targets = [
        link.get_attribute("href")
        for link in browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
    ]
    wait.until(lambda one: "finished" in one.find_element(By.ID, "search-results").text)
    assert any("schemes/orthogonal.html" in str(target) for target in targets)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert violations(browser) == []


def test_the_site_asks_no_other_host(browser: WebDriver, site: Path) -> None:
    for name in ("index", "schemes/orthogonal", "search"):
        opened(browser, site / f"{name}.html")
        asked = [
            message["params"]["request"]["url"]
            for entry in browser.get_log("performance")  # type: ignore[no-untyped-call]
            if (message := json.loads(entry["message"])["message"])["method"]
            == "Network.requestWillBeSent"
        ]
        assert asked
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", HOSTILE)
def test_markup_in_names_and_labels_is_text(
    browser: WebDriver, written: Callable[..., Path], kind: str
) -> None:
    opened(browser, written(kind, HOSTILE))
    assert "<script>" in browser.find_element(By.TAG_NAME, "body").text
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
