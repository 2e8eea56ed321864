"""How a person sees a plan: on a terminal, as plain text, and as a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console, Group
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

import fanin
from fanin.errors import OutputError
from fanin.recipes import Plan
from fanin.report import wording
from fanin.report.plan_rows import names_folded, plan_rows, spanned
from fanin.report.plans import framed_page, page, plain_view, terminal_view, write_page
from tests.report import plans as built
from tests.report.observations import HOSTILE
from tests.report.test_checks import INK_AND_PAPER, escaped, ratio, words
from tests.report.test_page import browser, opened  # noqa: F401 - a fixture

ALL = [
    built.stacked, built.measured, built.factors, built.partial, built.hostile, built.empty,
]  # fmt: skip
Make = Callable[[], Plan]
every_plan = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


@cache
def page_of(make: Make) -> str:
    return page(make(), command="fanin recommend models:net <&>")


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Make], Path]:
    def write(make: Make) -> Path:
        path = tmp_path / "page.html"
        path.write_text(page_of(make), encoding="utf-8")
        return path

    return write


def shown(plan: Plan, width: int = 80, *, every: bool = False, **options) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, **options)
    console.print(Group(*terminal_view(plan, console.options, every=every)))
    return stream.getvalue()


# On a terminal


@every_plan
@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize("every", [False, True])
def test_fits_the_width(make: Make, width: int, every: bool) -> None:
    text = shown(make(), width, every=every)
    assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (built.stacked, "recipe gpt2: 49 parameters drawn, 0 kept, 0 unmatched"),
        (built.partial, "recipe he_normal(): 1 parameter drawn, 12 kept, 31 unmatched"),
        (built.empty, "recipe remedy: 0 parameters drawn, 1 kept, 0 unmatched"),
    ],
)
def test_the_first_line_counts(make: Make, line: str) -> None:
    assert shown(make()).splitlines()[0] == line


def test_equal_blocks_share_a_row() -> None:
    lines = shown(built.stacked(), 100).splitlines()
    assert len(lines) < 20
    (up,) = (line for line in lines if "up.weight" in line)
    assert up.split() == [
        "h.{0..11}.up.weight", "64x32", "normal(std=0.02)", "0.02", "1", "->", "1..1.1", "3",
    ]  # fmt: skip
    (down,) = (line for line in lines if "down.weight" in line)
    assert "normal(std=0.004082)" in down
    assert shown(built.stacked(), 100, every=True).count("down.weight") == 12


def test_every_parameter_has_a_row_and_each_row_a_reason() -> None:
    plan = built.stacked()
    folded, every = plan_rows(plan), plan_rows(plan, every=True)
    assert [row.rows[0] for row in every] == list(plan.rows)
    covered = [row.parameter for one in folded for row in one.rows]
    assert sorted(covered) == sorted(row.parameter for row in plan.rows)
    text = shown(plan)
    for row in folded:
        assert row.reason in words(text)
    number = re.search(r"(\d+) +one of 12 branches", text)
    assert number is not None
    (down,) = (line for line in shown(plan, 120).splitlines() if "down.weight" in line)
    assert down.split()[-1] == number[1]


def test_blocks_that_differ_in_numbers_alone_say_from_which_to_which() -> None:
    text = words(shown(built.measured(), 120))
    assert "layers.{0..4}.weight 64x64 orthogonal() x 1..1.571 0.12..0.2 -> 1 1" in text
    assert "1 orthogonal times 1..1.571, as measured" in text


def test_a_block_that_was_corrected_shares_the_row_of_those_that_were_not() -> None:
    plan = built.stacked(4)
    row = plan.row("h.2.up.weight")
    corrected = replace(
        row, scheme=fanin.schemes.scaled(row.scheme, 1.25),
        reason=f"{row.reason}; times 1.25, as measured",
    )  # fmt: skip
    text = words(shown(plan.replaced([corrected]), 120))
    assert "h.{0..3}.up.weight 64x32 normal(std=0.02) x 1..1.25 0.02..0.025 " in text
    assert "N(0, 0.02) as in GPT-2; times 1..1.25, as measured" in text


def test_blocks_of_another_scheme_or_reason_do_not_share_a_row() -> None:
    plan = built.stacked(4)
    odd = replace(plan.row("h.2.up.weight"), scheme=fanin.schemes.he_normal())
    names = [row.name for row in plan_rows(plan.replaced([odd]))]
    assert "h.2.up.weight" in names
    told = replace(plan.row("h.2.up.weight"), reason="another one")
    assert "h.2.up.weight" in [row.name for row in plan_rows(plan.replaced([told]))]


def test_what_is_unmatched_stands_before_the_rows_with_what_to_do() -> None:
    text = shown(built.partial())
    assert words(text).index("! UNMATCHED: h.{0..29}.odd, strange.weight") < text.index("head")
    assert "unmatched='keep'" in text
    assert "UNMATCHED" not in shown(built.stacked())


def test_what_is_kept_and_noted_is_said() -> None:
    text = words(shown(built.partial()))
    assert "kept as they are: frozen.a, frozen.b" in text
    assert "and 4 more" in text
    assert "frozen.l" in words(shown(built.partial(), every=True))
    assert "Note: The multiplier of the skip is 1, and the recipe asks for 1.86." in text


def test_the_seed_that_a_plan_holds_for_is_said() -> None:
    assert "measured on the weights of seed 3, and for that seed alone" in shown(built.measured())
    assert "seed" not in shown(built.stacked())


def test_factors_of_rates_have_columns_where_there_are_any() -> None:
    text = shown(built.factors(), 120)
    assert "lr" in text
    (hidden,) = (line for line in text.splitlines() if line.startswith("hidden.weight"))
    assert "x 0.25" in hidden
    assert "x 4" in hidden
    assert " lr " not in shown(built.stacked(), 120)


def test_a_row_of_padding_is_told() -> None:
    assert "row 0 of it stays 0" in words(shown(built.stacked()))


def test_names_are_neither_markup_nor_control_codes() -> None:
    for text in (shown(built.hostile(), 2000, every=True), plain_view(built.hostile())):
        assert "[red]" in text
        assert "<script>" in text
        assert "\x1b" not in text


@every_plan
def test_plain_text_fits_80_columns_and_has_no_codes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "200"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    text = plain_view(make())
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_a_terminal_without_unicode_shows_it() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=80).print(built.stacked())
    stream.flush()
    assert b"h.{0..11}.up" in stream.buffer.getvalue()


def test_a_plan_prints_itself_and_its_repr_is_short() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(built.stacked())
    assert stream.getvalue().startswith("recipe gpt2: 49 parameters drawn")
    assert repr(built.stacked()) == "<Plan of recipe 'gpt2': 49 rows, 0 kept, 0 unmatched>"
    assert repr(built.partial()) == "<Plan of recipe 'he_normal()': 1 row, 12 kept, 31 unmatched>"


@pytest.mark.parametrize(
    ("texts", "one"),
    [
        (["a(0.5)", "a(0.5)"], "a(0.5)"),
        (["a(0.5)", "a(2)", "a(1e-05)"], "a(1e-05..2)"),
        (["of 12 in h.0.attn", "of 12 in h.3.attn"], "of 12 in h.{0..3}.attn"),
        (["x1 is 3", "x1 is 4"], "x1 is 3..4"),
        (["-0.5 to 1", "-2 to 1"], "-2..-0.5 to 1"),
    ],
)
def test_texts_that_differ_in_numbers_become_one(texts: list[str], one: str) -> None:
    assert spanned(texts) == one


def test_names_are_folded_where_blocks_are_alike() -> None:
    assert names_folded(["a.0.w", "a.1.w", "b"]) == ["a.{0..1}.w", "b"]
    assert names_folded([]) == []


# As a page


@every_plan
def test_the_page_names_every_parameter_and_has_no_script(make: Make) -> None:
    plan = make()
    text = page_of(make)
    assert "<script" not in text
    assert "http:" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>', "", text)
    assert "default-src 'none'" in text
    assert "fanin recommend models:net &lt;&amp;&gt;" in text
    assert "\x1b" not in text
    for name in (*(row.parameter for row in plan.rows), *plan.unmatched):
        assert escaped(name) in text
    for row in plan.rows:
        assert escaped(row.reason) in text or make is built.stacked
    for line in plan.citation().splitlines():
        assert escaped(line) in text


def test_the_page_is_the_same_for_the_same_plan() -> None:
    assert page_of(built.stacked) == page(built.stacked(), command="fanin recommend models:net <&>")


def test_the_page_has_the_parts_that_there_is_something_for() -> None:
    heads = {make: re.findall("<h2>(.*?)</h2>", page_of(make)) for make in ALL}
    assert heads[built.empty] == ["Kept as they are"]
    assert heads[built.stacked] == ["Along depth", "Parameters", "Without fanin", "Sources"]
    assert heads[built.partial] == [
        "! 31 unmatched", "Notes", "Parameters", "Kept as they are", "Without fanin", "Sources",
    ]  # fmt: skip


def test_the_page_has_the_code_of_to_python() -> None:
    for make in (built.stacked, built.factors):
        assert escaped_text(make().to_python()) in page_of(make)


def escaped_text(text: str) -> str:
    for character, entity in (
        ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;"),
    ):  # fmt: skip
        text = text.replace(character, entity)
    return text


@pytest.mark.parametrize("make", [built.stacked, built.measured, built.hostile])
def test_pictures_are_there_for_what_is_known(make: Make) -> None:
    plan = make()
    titles = re.findall(r'aria-label="(\w+) RMS along depth', page_of(make))
    wanted = ["Output"]
    if any(row.gradient is not None for row in plan.rows):
        wanted.append("Gradient")
    assert titles == wanted
    assert ('id="predicted"' in page_of(make)) == any(r.predicted is not None for r in plan.rows)


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_page(built.hostile(), tmp_path / "page.html", command="again")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert built.stacked().to_html(tmp_path / "stacked.html").exists()
    with pytest.raises(OutputError):
        write_page(built.stacked(), tmp_path / "none" / "page.html")


def test_a_notebook_gets_the_page_in_a_frame() -> None:
    frame = framed_page(built.hostile())
    assert frame.startswith("<iframe srcdoc=")
    assert frame.count("<") == 2
    assert built.stacked()._repr_html_().startswith("<iframe")


def test_the_page_of_a_real_plan(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    plan = fanin.recommend(model, torch.randn(16, 8))
    text = plan.to_html(tmp_path / "page.html").read_text()
    assert "Along depth" in text
    assert all(row.parameter in text for row in plan.rows)


@pytest.fixture
def phone(browser: WebDriver) -> Iterator[WebDriver]:  # noqa: F811
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@every_plan
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [built.stacked, built.partial])
def test_its_text_can_be_read(
    browser: WebDriver,  # noqa: F811
    make: Make,
    scheme: str,
    written: Callable[[Make], Path],
) -> None:
    opened(browser, written(make), scheme)
    for selector in (
        ".soft",
        "summary",
        "tr.why td",
        ".unmatched p",
        ".notice",
        "pre",
        "td.scheme",
    ):
        for element in browser.find_elements(By.CSS_SELECTOR, selector):
            if element.is_displayed() and element.text:
                ink, paper = browser.execute_script(INK_AND_PAPER, element)
                contrast = ratio(ink, paper)
                assert contrast >= 4.5, f"{selector}: {contrast:.2f}"


def test_it_shows_the_numbers_of_the_plan_with_reasons_and_sources(
    browser: WebDriver,  # noqa: F811
    written: Callable[[Make], Path],
) -> None:
    plan = built.stacked()
    opened(browser, written(built.stacked))
    browser.execute_script("document.querySelector('details:has(.every)').open = true")
    rows = browser.find_elements(By.CSS_SELECTOR, ".every tbody")
    cited = plan.citation().splitlines()
    for row, body in zip(plan.rows, rows, strict=True):
        cells = {
            cell.get_attribute("class"): cell.text
            for cell in body.find_elements(By.CSS_SELECTOR, "tr:first-child td")
        }
        assert cells["name"] == row.parameter
        assert cells["scheme"] == repr(row.scheme)
        assert cells["std"] == wording.number(row.std)
        assert cells["predicted"] == wording.number(row.predicted)
        assert cells["measured"] == wording.number(row.measured)
        why = body.find_element(By.CSS_SELECTOR, "tr.why").text
        assert why.startswith(row.reason)
        numbers = {int(number) for number in re.findall(r"\[(\d+)\]", why)}
        wanted = {text for text in (row.source, row.scheme.citation) if text}
        assert {cited[number - 1] for number in numbers} == wanted
    listed = [item.text for item in browser.find_elements(By.CSS_SELECTOR, ".sources li")]
    assert listed == cited


def test_markup_in_a_name_is_text(
    browser: WebDriver,  # noqa: F811
    written: Callable[[Make], Path],
) -> None:
    opened(browser, written(built.hostile))
    assert browser.find_element(By.TAG_NAME, "h1").text == wording.visible(HOSTILE)
    names = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "td.name")]
    assert wording.visible(f"a{HOSTILE}") in names
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert browser.get_log("browser") == []
