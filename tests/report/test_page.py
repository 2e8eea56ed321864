"""The page in a real browser: seen, silent, and alone."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from fanin.ensembles import Comparison
from fanin.report.page import page, write_page
from tests.report.conftest import HOSTILE

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1100,900",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    assert binary, "the page is tested in Chromium: apt-get install chromium chromium-driver"
    assert driver, "Chromium is driven by chromedriver: apt-get install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
        yield opened
        opened.quit()


def opened(browser: WebDriver, path: Path, scheme: str = "light") -> WebDriver:
    for log in ("browser", "performance"):
        browser.get_log(log)  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd(  # type: ignore[attr-defined]
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.get(path.as_uri())
    return browser


def pixels(browser: WebDriver) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"))


@pytest.fixture
def path(comparison: Comparison, tmp_path: Path) -> Path:
    return comparison.to_html(tmp_path / "page.html", command="fanin compare --model mlp")


def test_it_asks_the_network_for_nothing_and_reports_no_error(
    browser: WebDriver, path: Path
) -> None:
    opened(browser, path)
    asked = [
        message["params"]["request"]["url"]
        for entry in browser.get_log("performance")  # type: ignore[no-untyped-call]
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("scheme", "paper"), [("light", 255), ("dark", 20)])
def test_it_is_drawn_in_light_and_in_dark(
    browser: WebDriver, path: Path, scheme: str, paper: int
) -> None:
    opened(browser, path, scheme)
    for element in browser.find_elements(By.CSS_SELECTOR, "figure"):
        browser.execute_script("arguments[0].scrollIntoView()", element)
        seen = pixels(browser)
        assert abs(int(seen[0, 0, 0]) - paper) < 3
        colours = np.unique(seen.reshape(-1, 3), axis=0)
        assert len(colours) > 200, f"{len(colours)} colours: the figure is not drawn"
        contrast = np.abs(seen.astype(int) - seen[0, 0].astype(int)).max()
        assert contrast > 150, f"text differs from the paper by {contrast} of 255"


def test_it_shows_ranking_conclusion_command_and_versions(
    browser: WebDriver, path: Path, comparison: Comparison
) -> None:
    opened(browser, path)
    rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr")
    names = [row.find_elements(By.TAG_NAME, "td")[1].text for row in rows]
    assert names == [row.name for row in comparison.ranking]
    assert browser.find_element(By.CSS_SELECTOR, ".conclusion").text == comparison.conclusion
    footer = browser.find_element(By.TAG_NAME, "footer").text
    assert "fanin compare --model mlp" in footer
    assert "torch 2." in footer
    assert len(browser.find_elements(By.CSS_SELECTOR, "figure svg")) == 3


def test_markup_in_a_name_is_text(browser: WebDriver, path: Path) -> None:
    opened(browser, path)
    assert HOSTILE in [cell.text for cell in browser.find_elements(By.TAG_NAME, "td")]
    assert browser.find_elements(By.TAG_NAME, "script") == []
    legend = [text.text for text in browser.find_elements(By.CSS_SELECTOR, "svg text")]
    assert HOSTILE in legend


def test_powers_of_ten_are_drawn_as_powers(browser: WebDriver, path: Path) -> None:
    opened(browser, path)
    texts = [text.text for text in browser.find_elements(By.CSS_SELECTOR, "svg text")]
    texts += [text.text for text in browser.find_elements(By.CSS_SELECTOR, "svg g[id^=text]")]
    assert not [text for text in texts if "mathdefault" in text]
    drawn = "".join(browser.find_elements(By.CSS_SELECTOR, "figure")[0].text.split())
    assert "10" in drawn


def test_it_scrolls_sideways_only_inside_its_table_on_a_phone(
    browser: WebDriver, path: Path
) -> None:
    opened(browser, path)
    browser.set_window_size(500, 900)
    try:
        wide, seen = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= seen
    finally:
        browser.set_window_size(1100, 900)


def test_several_comparisons_share_one_page(comparison: Comparison, tmp_path: Path) -> None:
    text = write_page([comparison, comparison], tmp_path / "both.html").read_text()
    assert text.count('class="conclusion"') == 2
    assert "Get the same again" not in text


def test_a_notebook_shows_the_page_in_a_frame(
    browser: WebDriver, comparison: Comparison, tmp_path: Path
) -> None:
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><p>above</p>{comparison._repr_html_()}<p>below</p>")
    opened(browser, notebook)
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    assert browser.find_element(By.CSS_SELECTOR, ".conclusion").text == comparison.conclusion
    browser.switch_to.default_content()
    assert [p.text for p in browser.find_elements(By.TAG_NAME, "p")] == ["above", "below"]


def test_its_repr_is_a_line_and_not_all_runs(comparison: Comparison) -> None:
    assert repr(comparison).startswith("<Comparison: mlp, 24 hidden layers of 16, relu, 20 runs.")
    assert len(repr(comparison)) < 600


def test_the_same_comparison_gives_the_same_page(comparison: Comparison) -> None:
    assert page([comparison]) == page([comparison])
