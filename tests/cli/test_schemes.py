"""``fanin schemes`` and ``fanin schemes show``, as a user runs them."""

from __future__ import annotations

import json

import pytest

from fanin.schemes import ALIASES, SCHEMES


def test_the_list_names_every_scheme_with_formula_and_source(fanin_here):
    listed = json.loads(fanin_here("schemes", "--json").stdout)["schemes"]
    assert [row["name"] for row in listed] == list(SCHEMES)
    for row in listed:
        assert row["formula"]
        assert row["use"]
        assert row["citation"]
        assert all(ALIASES[alias] == row["name"] for alias in row["aliases"])


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_can_be_shown_in_80_columns(fanin_here, name):
    shown = fanin_here("schemes", "show", name)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert name in lines[0]
    assert "promised" in shown.stdout
    assert "%" in lines[-1]
    assert max(len(line) for line in lines) <= 80


def test_the_histogram_counts_every_element_and_the_std_is_near_the_promise(fanin_here):
    shown = json.loads(fanin_here("schemes", "show", "he_normal", "--json").stdout)
    drawn = shown["drawn"]
    assert shown["formula"] == SCHEMES["he_normal"].formula
    assert sum(drawn["counts"]) == 256 * 512
    assert len(drawn["edges"]) == len(drawn["counts"]) + 1
    # 131,072 numbers: five standard errors are one percent.
    assert abs(drawn["std"] / float(drawn["promised"]) - 1) < 0.01


def test_zeros_are_counted_apart_where_they_would_hide_the_rest(fanin_here):
    drawn = json.loads(fanin_here("schemes", "show", "sparse:4", "--json").stdout)["drawn"]
    assert drawn["zeros"] == 1 - 4 / 512
    assert sum(drawn["counts"]) == 256 * 4


def test_shape_and_seed(fanin_here):
    def edges(*options: str) -> list[float]:
        return json.loads(fanin_here("schemes", "show", "normal", "--json", *options).stdout)[
            "drawn"
        ]["edges"]

    assert edges() == edges("--seed", "0")
    assert edges() != edges("--seed", "1")
    assert (
        "conv (8, 4, 3): fan_in 12"
        in fanin_here("schemes", "show", "he_normal", "--shape", "8,4,3").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["he_norml"], "Did you mean he_normal"),
        (["he_normal", "--shape", "8,x"], "expected sizes such as 256,512"),
        (["he_normal", "--shape", "8"], "no fan_in for shape (8,)"),
        (["delta_orthogonal", "--shape", "4,8"], "has no kernel. Take orthogonal"),
        (["zeros:1"], "takes no argument"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(fanin_here, arguments, message):
    shown = fanin_here("schemes", "show", *arguments)
    assert shown.returncode == 2
    assert message in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr


def test_json_before_the_name_says_where_it_belongs(fanin_here):
    shown = fanin_here("schemes", "--json", "show", "zeros")
    assert shown.returncode == 2
    assert "fanin schemes show NAME --json" in " ".join(shown.stderr.split())


def test_a_terminal_without_unicode_gets_plain_bars(fanin):
    shown = fanin("schemes", "show", "uniform", PYTHONIOENCODING="ascii")
    assert shown.returncode == 0, shown.stderr
    assert "####" in shown.stdout
