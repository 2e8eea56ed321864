"""How a person sees an observation: on a terminal, and as a page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console, Group
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from fanin.errors import OutputError
from fanin.fans import linear
from fanin.observation.observed import Observation
from fanin.report import wording
from fanin.report.dataflow import chart
from fanin.report.lanes import layout
from fanin.report.observations import framed_page, page, terminal_view, write_page
from fanin.report.scale import scale_class
from fanin.report.stacks import folded, pattern, runs
from tests.report import observations as built
from tests.report.test_page import browser, opened  # noqa: F401 - a fixture

ALL = [
    built.mlp,
    lambda: built.mlp(30),
    built.transformer,
    built.resnet,
    built.hostile,
    built.bare,
    built.empty,
]
IDS = ["mlp", "deep", "transformer", "resnet", "hostile", "bare", "empty"]

Make = Callable[[], Observation]


def shown(observation: Observation, width: int = 80, *, every: bool = False, **options) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, **options)
    console.print(Group(*terminal_view(observation, console.options, every=every)))
    return stream.getvalue()


@pytest.mark.parametrize("make", ALL, ids=IDS)
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("every", [False, True])
def test_fits_the_width(make: Make, width: int, every: bool) -> None:
    text = shown(make(), width, every=every)
    assert max(map(cell_len, text.splitlines())) <= width


def test_a_row_of_a_plain_network() -> None:
    words = " ".join(shown(built.mlp(), every=True).split())
    assert "0.weight linear 64 64 relu 1.41 1 1.3e-4" in words
    assert "6.weight linear 64 10 output 0.125 0.001" in words
    assert "loss 2.31 (cross_entropy, as given, 10 classes)" in words
    assert "output RMS 0.8" in words
    assert "beside them 4 biases" in words


def test_blocks_of_a_stack_share_rows_with_the_range_of_their_scales() -> None:
    text = shown(built.transformer())
    words = " ".join(text.split())
    assert "transformer.h.{0..11}.mlp.c_fc.weight x12 addmm 64 256 gelu 1.53 1..23" in words
    assert "addmm qkv 64 192 product 0..22 0.9..1 1e-5..1e-4" in words
    assert "1..23*" in words
    assert text.count("c_fc.weight") == 1
    assert "25 scales, 25 shifts, 48 biases" in words


def test_all_rows_are_shown_where_they_are_wanted() -> None:
    text = shown(built.transformer(), 120, every=True)
    for block in range(12):
        assert f"transformer.h.{block}.mlp.c_fc.weight" in text


def test_two_blocks_are_no_stack() -> None:
    text = shown(built.resnet())
    assert "layer1.0.conv1.weight" in text
    assert "layer1.1.conv1.weight" in text


def test_findings_are_said_only_where_there_are_any() -> None:
    plain, odd = shown(built.mlp()), " ".join(shown(built.hostile(), 400).split())
    for title in ("Not understood", "Unused", "Identical copies", "First Inf or NaN", "Note"):
        assert f"{title}:" in odd
        assert f"{title}:" not in plain


def test_names_are_neither_markup_nor_control_codes() -> None:
    text = shown(built.hostile(), 400)
    assert "[red]" in text
    assert "<script>" in text
    assert "\x1b" not in text
    assert r"\x1b[31m\n" in text


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[33m" in shown(built.hostile(), force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in shown(built.hostile(), force_terminal=True)


def test_an_observation_prints_itself() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(built.mlp())
    assert "6.weight" in stream.getvalue()


@pytest.mark.parametrize("make", ALL, ids=IDS)
def test_the_page_names_every_parameter_and_has_no_script(make: Make) -> None:
    observation = make()
    text = page(observation, command="fanin observe models:net <&>")
    assert "<script" not in text
    assert "http:" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>', "", text)
    assert "fanin observe models:net &lt;&amp;&gt;" in text
    assert "\x1b" not in text
    for parameter in observation.parameters:
        assert wording.visible(parameter.name).replace("&", "&amp;").replace("<", "&lt;").replace(
            ">", "&gt;"
        ) in text  # fmt: skip


def test_the_page_shows_what_was_found() -> None:
    text = page(built.hostile())
    for title in ("Not understood", "Unused", "Identical copies", "First Inf or NaN", "Note"):
        assert f"<strong>{title}:</strong>" in text
    assert "loss nan" in text
    assert "Along depth" in text
    assert "Along depth" not in page(built.bare())
    assert "Dataflow" not in page(built.empty())


def test_the_picture_draws_each_step_of_a_small_network() -> None:
    text = page(built.mlp())
    for name in ("0.weight", "2.weight", "4.weight", "6.weight", "relu", "linear 64 &gt; 64"):
        assert f">{name}</text>" in text


def test_the_picture_draws_equal_blocks_once() -> None:
    text = page(built.transformer())
    assert text.count(">mlp.c_fc.weight</text>") == 1
    assert ">transformer.h.{0..11}</text>" in text
    assert ">\u00d7 12</text>" in text


def test_a_folded_stack_keeps_its_wires() -> None:
    drawn = chart(built.transformer())
    (stack,) = drawn.stacks
    assert (stack.count, stack.label) == (12, "transformer.h.{0..11}")
    names = [node.name for node in drawn.nodes]
    wires = {(names[wire.source], names[wire.target]) for wire in drawn.wires}
    first, last = "transformer.h.{0..11}:add#0", "transformer.h.{0..11}:add#1"
    assert ("transformer:add", first) in wires
    assert (first, last) in wires
    assert (last, "transformer.ln_f:layer_norm") in wires
    assert (last, first) not in wires
    steps = [step.name for node in drawn.nodes for step in node.steps]
    assert sorted(steps) == sorted(step.name for step in built.transformer().steps)


def test_blocks_that_are_wired_in_another_way_are_drawn_by_themselves() -> None:
    made = built.transformer()
    cut = [
        edge
        for edge in made.edges
        if (edge.source, edge.target) != ("transformer.h.5:add#0", "transformer.h.5:add#1")
    ]
    drawn = chart(built.transformer_with(tuple(cut)))
    assert [stack.count for stack in drawn.stacks] == [5, 6]
    assert any(node.name == "transformer.h.5:add#1" for node in drawn.nodes)


@pytest.mark.parametrize("make", ALL, ids=IDS)
def test_nodes_do_not_overlap_and_wires_go_down(make: Make) -> None:
    drawn = chart(make())
    made = layout(drawn)
    assert len(set(made.places)) == len(drawn.nodes)
    assert [way.wire for way in made.ways].sort(key=repr) == list(drawn.wires).sort(key=repr)
    for wire in drawn.wires:
        assert made.places[wire.source].row < made.places[wire.target].row


def test_the_skip_of_a_residual_block_runs_beside_it() -> None:
    drawn = chart(built.resnet())
    made = layout(drawn)
    names = [node.name for node in drawn.nodes]
    by = {(names[w.wire.source], names[w.wire.target]): w.by for w in made.ways}
    assert by["layer1.0:add", "layer1.1:add"] == "left"
    assert by["layer1.0:add", "layer1.1.conv1.weight"] == "direct"
    assert by["layer1.1:add", "layer2.0.downsample.0.weight"] == "target"
    shortcut = made.places[names.index("layer2.0.downsample.0.weight")]
    assert shortcut.column == 1


def test_layers_of_other_fans_are_drawn_by_themselves() -> None:
    made = built.Builder()
    at = made.step("input", "input", "input")
    for layer in range(60):
        width = 64 if layer < 30 else 32
        at = made.weight(f"net.{layer}", at, layout=linear((width, width)))
    drawn = chart(made.done())
    assert [(stack.label, stack.count) for stack in drawn.stacks] == [
        ("net.{0..29}", 30),
        ("net.{30..59}", 30),
    ]


@pytest.mark.parametrize("make", [built.mlp, built.transformer, built.hostile])
def test_only_tables_and_picture_scroll_sideways_on_a_phone(
    browser: WebDriver,  # noqa: F811
    make: Make,
    tmp_path: Path,
) -> None:
    opened(browser, write_page(make(), tmp_path / "page.html"))
    browser.set_window_size(500, 900)
    try:
        wide, seen = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= seen
    finally:
        browser.set_window_size(1100, 900)
    assert browser.get_log("browser") == []
    assert browser.find_elements(By.TAG_NAME, "script") == []


def test_pages_are_the_same_for_the_same_observation() -> None:
    assert page(built.resnet()) == page(built.resnet())


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_page(built.hostile(), tmp_path / "page.html", command="again")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert built.mlp().to_html(tmp_path / "mlp.html").exists()
    with pytest.raises(OutputError):
        write_page(built.mlp(), tmp_path / "none" / "page.html")


def test_a_notebook_gets_the_page_in_a_frame() -> None:
    frame = framed_page(built.hostile())
    assert frame.startswith("<iframe srcdoc=")
    assert frame.count("<") == 2
    assert built.mlp()._repr_html_().startswith("<iframe")


@pytest.mark.parametrize(
    ("rms", "name"),
    [
        (None, "none"), (math.nan, "odd"), (math.inf, "odd"), (0.0, "zero"), (1e-30, "s0"),
        (0.1, "s2"), (1.4, "s3"), (9.0, "s4"), (1e30, "s6"),
    ],
)  # fmt: skip
def test_colours_are_decades_about_one(rms: float | None, name: str) -> None:
    assert scale_class(rms) == name


def test_names_of_a_stack() -> None:
    assert pattern("h.3.fc1.weight#12") == "h.*.fc1.weight#*"
    assert folded(["h.0.a.1", "h.1.a.1", "h.2.a.1"]) == "h.{0..2}.a.1"


def test_repeats_keep_to_one_stack() -> None:
    names = [f"stage.{stage}.block.{block}" for stage in range(2) for block in range(4)]
    found = runs([pattern(name) for name in names], names, least=2)
    assert [(run.start, run.period, run.count) for run in found] == [(0, 1, 4), (4, 1, 4)]
    names = ["a.0", "b.0", "a.1", "b.1", "a.2", "b.2", "head"]
    (run,) = runs([pattern(name) for name in names], names, least=3)
    assert (run.start, run.period, run.count) == (0, 2, 3)
    assert list(run.copies_of(1)) == [1, 3, 5]
    assert runs([pattern(name) for name in names], names, least=4) == []


def test_a_run_begins_where_a_block_does() -> None:
    names = ["top", "join.0"]
    for block in range(1, 4):
        names += [f"w.{block}", f"join.{block}"]
    names += ["end"]
    tokens = [pattern(name) for name in names]
    assert names[runs(tokens, names, least=3)[0].start] == "w.1"
    names = [name.replace("join.", "join#") for name in names]
    joins = [place for place, name in enumerate(names) if "join" in name]
    assert names[runs(tokens, names, least=3, closing=joins)[0].start] == "w.1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (0.0, "0"), (1.0, "1"), (0.12345, "0.123"), (12345.6, "12346"),
        (1e-5, "1e-5"), (1.26e-5, "1.3e-5"), (-3e7, "-3e7"), (math.inf, "inf"), (math.nan, "nan"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert wording.number(value) == text


def test_a_range_says_what_is_no_number() -> None:
    assert wording.extent([]) == "-"
    assert wording.extent([0.5, 2.0, None]) == "0.5..2"
    assert wording.extent([1.0, 1.001]) == "1"
    assert wording.extent([1.0, math.nan]) == "1, nan"


@pytest.mark.parametrize("width", [4, 7, 12, 30])
def test_long_names_are_cut_to_a_width(width: int) -> None:
    for text in ("encoder.layer.11.attention.self.query.weight", "名前" * 20, "short"):
        assert cell_len(wording.shortened(text, width)) <= width
        assert cell_len(wording.tail(text, width)) <= width
