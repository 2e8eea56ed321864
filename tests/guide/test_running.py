"""Running: settings, what is kept, what is run again, and what an interrupt leaves."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fanin import guide
from fanin.errors import InputError, OutputError, UnknownNameError
from fanin.guide import Change, Claim, Effort
from fanin.guide.checks import Check, below
from fanin.guide.claim import Numbers
from fanin.guide.laboratory import bars
from fanin.guide.result import plain
from fanin.guide.running import load, save


@dataclass(frozen=True)
class Settings:
    value: float = 1.0
    count: int = 2
    word: str = "he_normal"
    yes: bool = True


def made(name: str, calls: list[str]) -> Claim[Settings]:
    def measure(settings: Settings, effort: Effort) -> Numbers:
        calls.append(name)
        if settings.value == 13:
            raise KeyboardInterrupt
        return {"x": [settings.value] * effort.pick(4, 2), "far": math.inf, "none": float("nan")}

    def judge(numbers: Numbers) -> tuple[Check, ...]:
        return (below("x", numbers["x"], 2.0),)

    return Claim(
        name=name, part="techniques", title=name, statement=name, experiment="{value} {count}",
        why="w", settings=Settings(), measure=measure, judge=judge,
        draw=lambda numbers: bars({"x": numbers["x"]}, "x", y="x"),
        try_it=Change({"value": 3.0}, "look"), flip={"value": 3.0}, sources=("s",),
    )  # fmt: skip


def test_settings_are_read_as_their_own_type() -> None:
    claim = made("a", [])
    changed = claim.changed({"value": "0.5", "count": "7", "word": "3", "yes": "no"})
    assert changed == Settings(0.5, 7, "3", yes=False)
    assert claim.changed({"count": 3, "value": 2}) == Settings(2.0, 3)
    assert claim.described(Settings(0.25)) == "0.25 2"


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "2.5"), ("count", 2.5), ("value", "much"), ("yes", "perhaps"), ("word", 3)],
)
def test_a_value_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"setting {name!r} must be of type"):
        made("a", []).changed({name: value})


def test_an_unknown_setting_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean count"):
        made("a", []).changed({"cuont": 3})


def test_what_was_finished_is_not_run_again(tmp_path: Path) -> None:
    calls: list[str] = []
    claims = [made("a", calls), made("b", calls)]
    first = list(guide.run_all(claims, folder=tmp_path))
    again = list(guide.run_all(claims, folder=tmp_path))
    assert calls == ["a", "b"]
    assert [one.checks for one in again] == [one.checks for one in first]
    assert again[0].numbers["far"] == math.inf
    assert math.isnan(again[0].numbers["none"])
    list(guide.run_all(claims, folder=tmp_path, again=True))
    assert calls == ["a", "b", "a", "b"]


def test_another_effort_or_setting_is_run(tmp_path: Path) -> None:
    calls: list[str] = []
    claim = made("a", calls)
    list(guide.run_all([claim], folder=tmp_path, quick=True))
    (full,) = guide.run_all([claim], folder=tmp_path)
    (changed,) = guide.run_all([claim], folder=tmp_path, settings={"value": "3"})
    assert calls == ["a", "a", "a"]
    assert (full.verdict, changed.verdict) == ("supported", "refuted")
    assert changed.changed == {"value": 3.0}


def test_an_interrupt_leaves_what_was_finished(tmp_path: Path) -> None:
    calls: list[str] = []
    stopping = dataclasses.replace(made("b", calls), settings=Settings(13.0))
    results = guide.run_all([made("a", calls), stopping], folder=tmp_path)
    assert next(results).claim.name == "a"
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert load(made("a", calls), tmp_path) is not None
    assert load(stopping, tmp_path) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1}', "\x00"])
def test_a_damaged_file_is_run_anew(tmp_path: Path, content: str) -> None:
    calls: list[str] = []
    (tmp_path / "a.json").write_text(content)
    list(guide.run_all([made("a", calls)], folder=tmp_path))
    assert calls == ["a"]
    assert json.loads((tmp_path / "a.json").read_text())["verdict"] == "supported"


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = guide.run(made("a", []))
    with pytest.raises(OutputError, match="cannot keep the result"):
        save(result, tmp_path / "file")


def test_numbers_become_plain() -> None:
    got = plain({"a": np.array([1.0, 2.0]), "b": (1, np.float32(0.5)), "c": np.int64(3)})
    assert got == {"a": [1.0, 2.0], "b": [1, 0.5], "c": 3}
    with pytest.raises(TypeError, match="set"):
        plain({"a": {1}})


def test_a_name_with_a_hyphen_or_a_slip_finds_its_claim() -> None:
    assert guide.claim_by_name("He-keeps-ReLU").name == "he_keeps_relu"
    with pytest.raises(UnknownNameError, match="Did you mean symmetry"):
        guide.claim_by_name("symetry")
