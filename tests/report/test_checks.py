"""How a person sees a report: on a terminal, as plain text, and as a page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import attrs
import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console, Group
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from fanin.diagnosis import KINDS, Report
from fanin.errors import OutputError, UntrainableError
from fanin.report import check_layers, check_wording, wording
from fanin.report.checks import framed_page, page, plain_view, terminal_view, write_page
from fanin.report.expected_scale import expected_forward, expected_gradient
from fanin.report.unit_map import unit_maps
from tests.report import checks as built
from tests.report.observations import HOSTILE
from tests.report.test_page import browser, opened, pixels  # noqa: F401 - a fixture

ALL = [
    built.healthy, built.warned, built.broken, built.hostile, built.deep, built.normed,
    built.empty, built.without_gradients,
]  # fmt: skip
Make = Callable[[], Report]
every_report = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


@cache
def page_of(make: Make) -> str:
    return page(make(), command="fanin check models:net <&>")


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Make], Path]:
    """Writes the page of a report once more."""

    def write(make: Make) -> Path:
        path = tmp_path / "page.html"
        path.write_text(page_of(make), encoding="utf-8")
        return path

    return write


def shown(report: Report, width: int = 80, *, every: bool = False, **options) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, **options)
    console.print(Group(*terminal_view(report, console.options, every=every)))
    return stream.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


# On a terminal


@every_report
@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize("every", [False, True])
def test_fits_the_width(make: Make, width: int, every: bool) -> None:
    text = shown(make(), width, every=every)
    assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (built.healthy, "✓ HEALTHY: nothing found"),
        (built.warned, "! WARNING: 1 warning"),
        (built.broken, "✗ BROKEN: 2 errors, 1 warning"),
        (built.empty, "✓ HEALTHY: no weight to judge"),
    ],
)
def test_the_first_line_is_the_verdict(make: Make, line: str) -> None:
    assert shown(make()).splitlines()[0] == line


@pytest.mark.parametrize(("make", "code"), [(built.broken, 31), (built.warned, 33)])
def test_no_color_takes_the_colour_and_leaves_the_sign(
    make: Make, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert f"\x1b[1;{code}m" in shown(make(), force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown(make(), force_terminal=True)
    assert not re.search(r"\x1b\[[\d;]*3\d", plain)
    assert check_wording.verdict(make()) in plain


def test_a_terminal_without_unicode_gets_signs_and_bars_of_ascii() -> None:
    for make in (built.healthy, built.warned, built.broken):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        console = Console(file=stream, width=80)
        console.print(Group(*terminal_view(make(), console.options)))
        stream.flush()
        assert check_wording.verdict(make()).encode() in stream.buffer.getvalue()


def test_a_healthy_report_is_short_and_says_how_much_was_looked_at() -> None:
    text = shown(built.healthy())
    assert len(text.splitlines()) <= 10
    assert "97 %" in text
    assert f"looked for {len(KINDS)} kinds of fault in 12 uses of weights and 768" in text
    assert "Fix" not in text
    assert "remedy_plan" not in text


def test_the_loss_stands_beside_that_of_a_guess() -> None:
    report = built.healthy()
    said = "loss 2.31 (cross_entropy, as given, 10 classes); an uninformed guess has 2.303"
    assert said in shown(report)
    observation = report.observation
    others = (
        (),
        observation.losses * 2,
        (attrs.evolve(observation.losses[0], value=1.0),),
        (attrs.evolve(observation.losses[0], uninformed=None),),
    )
    for losses in others:
        other = attrs.evolve(report, observation=attrs.evolve(observation, losses=losses))
        assert "uninformed" not in shown(other)


def test_a_finding_says_where_why_by_what_limit_and_what_to_do() -> None:
    text = words(shown(built.broken()))
    assert "2. ERROR vanishing in 1.weight, 2.weight, 3.weight and 26 more From" in text
    assert "3. WARNING output scale in 29.weight" in text
    for finding in built.broken().findings:
        assert finding.evidence in text
        assert f"Fix: {finding.remedy}" in text
    assert (
        "measured 20.1, limit 12.5 e-foldings from the expected scale "
        "(forward drift, error; benchmarks/limits.py)" in text
    )
    assert text.count("limit ") == 1


def test_what_an_init_can_mend_ends_in_a_line_to_paste() -> None:
    text = shown(built.broken())
    assert "To mend it (draws 29 parameters again, keeps 1):" in text
    (line,) = (line for line in text.splitlines() if "remedy_plan" in line)
    assert line.strip() == "report.remedy_plan().init_(model)"
    unmendable = attrs.evolve(
        built.broken(),
        findings=tuple(attrs.evolve(one, rows=()) for one in built.broken().findings),
    )
    assert "remedy_plan" not in shown(unmendable)


def test_marks_stand_below_the_layers_that_findings_name() -> None:
    lines = shown(built.warned()).splitlines()
    (forward,) = (line for line in lines if line.startswith("forward"))
    (marks,) = (line for line in lines if line.startswith("finding"))
    assert forward.split()[1] == "▅▄▅▅▄▅"
    assert marks.index("1") - forward.index("▅") == 2
    deep = shown(built.deep()).splitlines()
    (marks,) = (line for line in deep if line.startswith("finding"))
    assert len(marks) == 10 + 48
    assert 18 <= marks.count("1") <= 20


def test_one_odd_layer_among_many_is_not_thinned_out() -> None:
    observation, layers = built.chain([1.0] * 500, [1.0] * 500)
    odd = attrs.evolve(layers[251], forward=math.nan, gradient=0.0)
    report = Report(observation, (), 0.5, (*layers[:251], odd, *layers[252:]))
    text = shown(report)
    assert re.search(r"forward +▅+x▅+ ", text)
    assert re.search(r"gradient +▅+\.▅+ ", text)


def test_a_table_of_layers_only_where_it_is_wanted() -> None:
    report = built.warned()
    assert "fans" not in shown(report)
    text = words(shown(report, every=True))
    assert "2.weight linear 64 > 64 1.1 0.002 1.73 of 1.41 34.4 % 0 -" in text
    assert "4.weight linear 64 > 64 0.9 0.002 1.27 of 1.41 0.5 % 30 % -" in text
    wide = shown(built.deep(), 120, every=True)
    assert all(f"blocks.{place}.weight" in wide for place in range(500))


def test_names_are_neither_markup_nor_control_codes() -> None:
    for text in (shown(built.hostile(), 400, every=True), plain_view(built.hostile())):
        assert "[red]" in text
        assert "<script>" in text
        assert "\x1b" not in text
        assert r"\x1b[31m\n" in words(text)


def test_what_is_no_number_is_said_so() -> None:
    text = shown(built.hostile(), 400)
    assert "trainability ░░░░░░░░░░░░░░░░░░░░ nan" in text
    assert "forward   xx.   nan to 0" in text
    assert "measured nan, limit inf" in text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.003, "<1 %"), (0.034, "3 %"), (0.9951, ">99 %"), (1.0, "100 %")],
)
def test_a_share_is_not_rounded_to_none_or_all(share: float, text: str) -> None:
    assert check_wording.percent(share) == text


# As plain text


@every_report
def test_plain_text_fits_80_columns_and_has_no_codes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "200"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    text = plain_view(make())
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert str(make()) == text


def test_a_failing_assertion_shows_the_report() -> None:
    with pytest.raises(UntrainableError, match="BROKEN: 2 errors, 1 warning") as caught:
        built.broken().raise_for_verdict()
    assert "Fix: Draw the weights with he_normal" in str(caught.value)


def test_a_report_prints_itself() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(built.warned())
    assert stream.getvalue().startswith("! WARNING")


# What theory expects


def test_the_band_has_the_numbers_of_finite_width() -> None:
    observation, layers = built.chain([1.0] * 50, [1e-3] * 50, width=256)
    made = check_layers.rows(Report(observation, (), 0.9, layers))
    last = expected_forward(made)[-1]
    first = expected_gradient(made)[0]
    assert last is not None
    assert first is not None
    # log q of a ReLU network of 256 units at depth 50: mean -0.50, variance 0.98.
    assert last.variance == pytest.approx(0.98, rel=0.01)
    assert np.log(last.low * last.high) == pytest.approx(-0.49, abs=0.02)
    assert last.mean == pytest.approx(1.0)
    assert first.mean == pytest.approx(1e-3)
    assert first.variance == pytest.approx(49 * 5 / 256)


def test_the_band_holds_what_drawn_networks_do() -> None:
    """400 draws at seed 0; with 19 of 20 inside, one seed in 30,000 would fail by chance."""
    depth, width, draws = 12, 64, 400
    random = np.random.default_rng(0)
    observation, layers = built.chain([1.0] * depth, [None] * depth, width=width)
    expected = expected_forward(check_layers.rows(Report(observation, (), 0.9, layers)))[-1]
    assert expected is not None
    inside = 0
    for _ in range(draws):
        x = random.standard_normal(width)
        x *= math.sqrt(width) / np.linalg.norm(x)
        for layer in range(depth):
            gain = 1.0 if layer == 0 else math.sqrt(2)
            z = random.standard_normal((width, width)) @ x * gain / math.sqrt(width)
            x = np.maximum(z, 0)
        inside += expected.low <= np.sqrt(np.mean(z**2)) <= expected.high
    assert 0.91 <= inside / draws <= 1.0


def test_the_band_begins_again_behind_a_norm() -> None:
    bands = expected_forward(check_layers.rows(built.normed()))
    assert bands[:2] == [None, None]
    known = [band for band in bands if band is not None]
    assert len({round(band.variance, 9) for band in known}) == 1
    assert {round(band.mean, 9) for band in known} == {1.0}


def test_nothing_is_expected_of_what_is_no_number() -> None:
    assert expected_forward(check_layers.rows(built.hostile()))[2] is None
    assert expected_gradient(check_layers.rows(built.hostile()))[0] is None


def test_a_very_deep_band_stays_a_number() -> None:
    observation, layers = built.chain([1.0] * 2000, [1.0] * 2000, width=1)
    made = check_layers.rows(Report(observation, (), 0.5, layers))
    for band in (*expected_forward(made), *expected_gradient(made)):
        assert band is not None
        assert 0 < band.low <= band.high < math.inf


@pytest.mark.filterwarnings("error")
def test_numbers_at_the_ends_of_double_precision_are_drawn() -> None:
    numbers = [0.0, 5e-324, 1e-300, 1.0, 1e300, 1.7e308, math.inf, math.nan]
    observation, layers = built.chain(numbers, numbers[::-1])
    assert "Along depth" in page(Report(observation, (), 0.0, layers))


# Units


def test_a_unit_map_has_a_cell_for_each_unit() -> None:
    two, four = unit_maps(check_layers.rows(built.warned()))
    assert (two.name, two.summary) == ("2.weight", "22 dead of 64 units")
    assert four.summary == "1 dead, 60 duplicated of 200 units"
    assert 'aria-label="4.weight: 1 dead, 60 duplicated of 200 units"' in four.picture
    cells = {
        kind: path.count("M")
        for kind, path in re.findall(r'class="(\w+)" d="([^"]*)"', four.picture)
    }
    assert cells == {"live": 139, "dead": 1, "duplicated": 60}
    assert two.indices[0].startswith("dead: 0, 3, 6")
    assert (two.named, four.named) == (True, False)


def test_a_wide_layer_has_cells_for_several_units() -> None:
    known = {0: built.units(5000, (0, 4999))}
    observation, layers = built.chain([1.0, 1.0], [1.0, 1.0], known=known)
    (made,) = unit_maps(check_layers.rows(Report(observation, (), 0.5, layers)))
    assert made.summary == "2 dead of 5000 units; a cell is 5 units"
    assert made.picture.count("M") == 1000


# As a page


@every_report
def test_the_page_names_every_layer_and_has_no_script(make: Make) -> None:
    report = make()
    text = page_of(make)
    assert "<script" not in text
    assert "http:" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>', "", text)
    assert "fanin check models:net &lt;&amp;&gt;" in text
    assert "\x1b" not in text
    for layer in report.layers:
        assert escaped(layer.name) in text


def escaped(name: str) -> str:
    text = wording.visible(name)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_the_page_is_the_same_for_the_same_report() -> None:
    assert page_of(built.broken) == page(built.broken(), command="fanin check models:net <&>")


def test_the_page_has_the_parts_that_there_is_something_for() -> None:
    heads = {make: re.findall("<h2>(.*?)</h2>", page_of(make)) for make in ALL}
    assert heads[built.empty] == []
    assert heads[built.healthy] == ["Along depth", "Layers"]
    assert heads[built.warned] == [
        "Findings", "To mend it", "Along depth", "Units", "Layers", "Notes",
    ]  # fmt: skip


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_page(built.hostile(), tmp_path / "page.html", command="again")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert built.healthy().to_html(tmp_path / "healthy.html").exists()
    with pytest.raises(OutputError):
        write_page(built.healthy(), tmp_path / "none" / "page.html")


def test_a_notebook_gets_the_page_in_a_frame() -> None:
    frame = framed_page(built.hostile())
    assert frame.startswith("<iframe srcdoc=")
    assert frame.count("<") == 2
    assert built.healthy()._repr_html_().startswith("<iframe")


@pytest.fixture
def phone(browser: WebDriver) -> Iterator[WebDriver]:  # noqa: F811
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@every_report
def test_it_does_not_scroll_sideways_on_a_phone_and_reports_no_error(
    phone: WebDriver, make: Make, written: Callable[[Make], Path]
) -> None:
    opened(phone, written(make))
    for summary in phone.find_elements(By.TAG_NAME, "summary"):
        phone.execute_script("arguments[0].parentElement.open = true", summary)
    wide, seen = phone.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert seen == 390
    assert wide <= seen
    assert phone.get_log("browser") == []
    assert phone.find_elements(By.TAG_NAME, "script") == []


@pytest.mark.parametrize(("scheme", "paper"), [("light", 255), ("dark", 20)])
@pytest.mark.parametrize("make", [built.healthy, built.warned, built.broken])
def test_it_is_drawn_in_light_and_in_dark(
    browser: WebDriver,  # noqa: F811
    make: Make,
    scheme: str,
    paper: int,
    written: Callable[[Make], Path],
) -> None:
    opened(browser, written(make), scheme)
    for element in browser.find_elements(By.CSS_SELECTOR, ".verdict, figure"):
        browser.execute_script("arguments[0].scrollIntoView()", element)
        seen = pixels(browser)
        assert abs(int(seen[-1, 0, 0]) - paper) < 3
        contrast = np.abs(seen.astype(int) - seen[-1, 0].astype(int)).max()
        assert contrast > 150, f"text differs from the paper by {contrast} of 255"
        colours = np.unique(seen.astype(int) @ [65536, 256, 1])
        assert len(colours) > 100, f"{len(colours)} colours: nothing is drawn"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [built.healthy, built.warned, built.broken])
def test_its_text_can_be_read(
    browser: WebDriver,  # noqa: F811
    make: Make,
    scheme: str,
    written: Callable[[Make], Path],
) -> None:
    opened(browser, written(make), scheme)
    for selector in (".said", ".badge", ".soft", "summary", "td.findings", "pre"):
        for element in browser.find_elements(By.CSS_SELECTOR, selector):
            if element.is_displayed() and element.text:
                ink, paper = browser.execute_script(INK_AND_PAPER, element)
                contrast = ratio(ink, paper)
                assert contrast >= 4.5, f"{selector}: {contrast:.2f}"


INK_AND_PAPER = """
let own = arguments[0], at = own, paper = 'rgba(0, 0, 0, 0)';
while (at && paper === 'rgba(0, 0, 0, 0)') {
  paper = getComputedStyle(at).backgroundColor;
  at = at.parentElement;
}
return [getComputedStyle(own).color, paper];
"""


def ratio(*colours: str) -> float:
    """The contrast of WCAG."""
    made = []
    for colour in colours:
        parts = np.array([float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        made.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(made) + 0.05) / (min(made) + 0.05)


def test_it_shows_the_numbers_of_the_report(
    browser: WebDriver,  # noqa: F811
    written: Callable[[Make], Path],
) -> None:
    report = built.broken()
    opened(browser, written(built.broken))
    assert browser.find_element(By.CSS_SELECTOR, ".said").text.endswith(
        "BROKEN: 2 errors, 1 warning"
    )
    assert browser.find_element(By.CSS_SELECTOR, ".gauge strong").text == "3 %"
    cards = browser.find_elements(By.CSS_SELECTOR, ".card")
    assert len(cards) == 3
    for card, finding in zip(cards, report.findings, strict=True):
        assert finding.evidence in card.text
        assert f"Fix: {finding.remedy}" in card.text
        assert finding.severity.upper() in card.text
    assert "measured 20.1, limit 12.5 e-foldings" in cards[1].text
    assert "report.remedy_plan().init_(model)" in browser.find_element(By.TAG_NAME, "main").text
    browser.execute_script("document.querySelector('details:has(.every)').open = true")
    table = browser.find_elements(By.CSS_SELECTOR, ".every tbody tr")
    for layer, row in zip(report.layers, table, strict=True):
        cells = {
            cell.get_attribute("class"): cell.text for cell in row.find_elements(By.TAG_NAME, "td")
        }
        assert cells["name"] == layer.name
        assert cells["forward"] == wording.number(layer.forward)
        assert cells["gradient"] == wording.number(layer.gradient)
        assert bool(layer.findings) == (row.get_attribute("class") == "error")
    assert cells["findings"] == "error 1, 2, 3"
    assert cells["duplicated"] == "100 %"


def test_details_open_by_the_keyboard(
    browser: WebDriver,  # noqa: F811
    written: Callable[[Make], Path],
) -> None:
    opened(browser, written(built.broken))
    summary = browser.find_element(By.CSS_SELECTOR, "details summary")
    summary.send_keys(Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, "details").get_attribute("open")
    assert browser.switch_to.active_element == summary


def test_markup_in_a_name_is_text(
    browser: WebDriver,  # noqa: F811
    written: Callable[[Make], Path],
) -> None:
    opened(browser, written(built.hostile))
    assert browser.find_element(By.TAG_NAME, "h1").text == wording.visible(HOSTILE)
    names = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "td.name")]
    assert wording.visible(f"a{HOSTILE}.weight") in names
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert browser.get_log("browser") == []


def test_equal_blocks_share_a_row_if_no_finding_tells_them_apart() -> None:
    folded = check_layers.blocks(check_layers.rows(built.deep()))
    names = [check_layers.name(block) for block in folded]
    assert names == ["blocks.{0..299}.weight", "blocks.{300..499}.weight"]
