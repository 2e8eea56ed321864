from __future__ import annotations

import io

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from fanin.ensembles import Comparison
from fanin.report.terminal import sparkline
from tests.report.conftest import HOSTILE


def shown(comparison: Comparison, **options: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=80, **options).print(comparison)  # type: ignore[arg-type]
    return stream.getvalue()


def test_fits_80_columns_and_shows_every_recipe_once_in_each_table(comparison: Comparison) -> None:
    text = shown(comparison)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    tables, _, _ = text.partition("before training")
    for name in ("zeros", "normal:5", "xavier_uniform", "he_normal"):
        assert sum(line.startswith(f"{name} ") for line in tables.splitlines()) == 2


def test_markup_in_a_name_is_shown_as_it_is(comparison: Comparison) -> None:
    joined = "".join(shown(comparison).split())
    assert "".join(HOSTILE.split()[0:1]) in joined or "<script>" in joined
    assert "[red]x[/red]" in joined


def test_colour_goes_only_to_terminals_and_respects_no_color(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" not in shown(comparison)
    assert "\x1b[" in shown(comparison, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = shown(comparison, force_terminal=True)
    assert "\x1b[33m" not in coloured
    assert "\x1b[31m" not in coloured


def test_says_conclusion_level_and_settings(comparison: Comparison) -> None:
    words = " ".join(shown(comparison).split())
    assert comparison.conclusion in words
    assert "training loss of 1.15" in words
    assert "digits, sgd, 12 steps of 64, 2 seeds" in words
    assert "100%" in words


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([1.0], "▅"),
        ([1e-9, 1e9], "▁█"),
        ([1e-30, 1e30], "▁█"),
        ([0.0, np.nan, np.inf], ".xx"),
        ([1e-6, 1e-3, 1.0, 1e3, 1e6], "▂▃▅▆▇"),
    ],
)
def test_a_sparkline_is_logarithmic_about_one(values: list[float], bars: str) -> None:
    assert sparkline(np.array(values)) == bars


def test_a_long_sparkline_keeps_first_and_last() -> None:
    values = np.ones(1000)
    values[0], values[-1] = 1e-9, 1e9
    bars = sparkline(values)
    assert len(bars) == 14
    assert bars[0] == "▁"
    assert bars[-1] == "█"


def test_a_sparkline_has_a_form_for_terminals_without_unicode() -> None:
    assert sparkline(np.array([1e-9, 1.0, 1e9, 0.0]), ascii_only=True).isascii()
