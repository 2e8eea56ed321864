"""What differs between two plans."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
from torch import nn

from fanin import schemes as s
from fanin.fans import linear
from fanin.recipes import Plan, Row, as_recipe
from tests.testing.others import Slotted


def rows(*names: str, scheme: s.Scheme | None = None) -> tuple[Row, ...]:
    layout = linear((20, 50))
    return tuple(Row(n, (20, 50), scheme or s.he_normal(), "a reason", layout) for n in names)


def test_equal_plans_do_not_differ():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    plan = as_recipe("he_normal").plan(model)
    found = plan.diff(as_recipe("he_normal").plan(model))
    assert not found
    assert (found.changed, found.only_left, found.only_right) == ((), (), ())
    assert str(found) == "he_normal() -> he_normal(): no difference"


def test_rows_with_another_scheme_are_paired():
    model = nn.Sequential(nn.Linear(50, 20), nn.ReLU(), nn.Linear(20, 2))
    left, right = (as_recipe(r).plan(model) for r in ("he_normal", "lecun_normal"))
    found = left.diff(right)
    assert found
    assert found.changed == tuple(
        (left.row(name), right.row(name)) for name in ("0.weight", "2.weight")
    )
    assert str(found).splitlines() == [
        "he_normal() -> lecun_normal(): 2 parameters differ",
        "0.weight",
        "  he_normal() -> lecun_normal()",
        "  std 0.2 -> 0.141",
        "2.weight",
        "  he_normal() -> lecun_normal()",
        "  std 0.316 -> 0.224",
    ]


def test_parameters_of_one_plan_only_are_named():
    found = Plan("one", rows("a", "b")).diff(Plan("other", rows("b", "c", "d")))
    assert (found.only_left, found.only_right) == (("a",), ("c", "d"))
    assert found.changed == ()
    assert str(found).splitlines() == [
        "one -> other: 3 parameters differ",
        "drawn by one only:",
        "  a",
        "drawn by other only:",
        "  c",
        "  d",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": s.he_normal(0.1)},
        {"layout": linear((50, 20))},
        {"layout": None},
        {"shape": (50, 20)},
        {"padding_index": 3},
    ],
    ids=str,
)
def test_what_changes_the_draw_is_a_difference(change):
    plan = Plan("r", rows("a", "b", scheme=s.normal()))
    other = plan.replaced([replace(plan.row("b"), **change)])
    assert [new.parameter for _, new in plan.diff(other).changed] == ["b"]
    for key in ("shape", "padding_index"):
        if key in change:
            assert str(change[key]) in str(plan.diff(other))


def test_words_and_measurements_are_no_difference():
    plan = Plan("r", rows("a"))
    other = plan.replaced([replace(plan.row("a"), reason="x", measured=1.0, source="y")])
    assert not plan.diff(replace(other, notes=("z",)))


def test_lines_fit_in_80_columns():
    long = "transformer.layers.11." * 6 + "weight"
    left = Plan("first recipe " * 9, rows(long, "only." * 30))
    many = s.blocks(*(s.scaled(s.he_normal(), 1 / n) for n in range(2, 6)))
    right = Plan("second recipe " * 9, rows(long, "other", scheme=many))
    text = str(left.diff(right))
    assert max(map(len, text.splitlines())) <= 80
    joined = "".join(text.split())
    for part in (long, "he_normal()", repr(many), "std0.2->"):
        assert "".join(part.split()) in joined


def test_a_scheme_without_a_std_is_shown_all_the_same():
    left, right = (Plan("r", (Row("a", (3,), Slotted(v), "x"),)) for v in (0.5, 0.25))
    assert "std unknown -> unknown" in str(left.diff(right))


def test_a_difference_is_a_frozen_value():
    one, other = (Plan("r", rows("a")).diff(Plan("q", rows("b"))) for _ in range(2))
    assert one == other
    with pytest.raises(FrozenInstanceError):
        one.left = "x"
