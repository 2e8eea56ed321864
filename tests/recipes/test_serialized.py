"""Plans as JSON and back."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fanin
from fanin import schemes as s
from fanin.errors import InputError
from fanin.fans import Layout, conv, embedding_bag, linear, packed
from fanin.recipes import Plan, Row, as_recipe
from tests.recipes.state import assert_same_parameters, parameter_bits
from tests.schemes.subjects import SUBJECTS
from tests.schemes.test_entry_points import ENTRY_POINTS, MODULE
from tests.testing.others import Plain

SCHEMES = {
    repr(scheme): scheme
    for scheme in (
        *(subject.scheme for subject in SUBJECTS),
        s.truncated_normal(low=-math.inf, high=math.inf),
        s.scaled(s.masked(s.icnr(s.he_normal(), 4), torch.eye(32)), 3.0),
        s.blocks(s.blocks(s.zeros(), s.ones(), sizes=(1, 2)), s.looks_linear("last")),
        s.per_unit(s.given([[1.0, 1 / 3], [2.0, 0.1]]), [0.5, -1.0]),
        s.masked(s.ones(), torch.ones(0, 3)),
        s.given(torch.tensor(3.0)),
    )
}


def through_json(plan: Plan) -> Plan:
    return Plan.from_dict(json.loads(json.dumps(plan.to_dict(), allow_nan=False)))


def full_plan() -> Plan:
    rows = (
        Row(
            "a.weight", (72, 24), s.xavier_normal(), "one reason", packed(linear((72, 24)), 3),
            None, "Somebody. 2024.", 1.0, 0.5, 0.25, 2.0, 0.0,
        ),
        Row("b", (8, 4), s.normal(std=0.02), "another", padding_index=3),
        Row("c", (0, 4), s.zeros(), "none", embedding_bag((0, 4), "mean", bag=3)),
        Row("d", (4,), s.ones(), "measured too large", measured=math.inf),
    )  # fmt: skip
    return Plan("mine", rows, ("k",), ("u", "v"), ("A note.",), "A source.", 2**100)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_a_plan_with_any_scheme_comes_back_equal(scheme):
    # Without elements no weight is unsuitable.
    plan = Plan("tried", (Row("weight", (0, 4), scheme, "a try", linear((0, 4))),))
    told = plan.to_dict()
    again = through_json(plan)
    assert again == plan
    assert again.to_dict() == told
    assert repr(again.rows[0].scheme) == repr(scheme)


def test_every_scheme_of_the_catalogue_is_tried():
    assert {type(scheme) for scheme in SCHEMES.values()} == set(s.SCHEMES.values())


def test_everything_that_a_plan_says_comes_back():
    plan = full_plan()
    assert through_json(plan) == plan
    assert {field.name for field in fields(Row)} <= plan.to_dict()["rows"][0].keys()
    said = {field.name for field in fields(Plan)} - {"_model"}
    assert said | {"schema"} == plan.to_dict().keys()


def test_the_rows_say_their_numbers():
    told = full_plan().to_dict()
    assert told["schema"] == "fanin.plan/2"
    row = told["rows"][0]
    assert (row["fan_in"], row["fan_out"]) == (24, 24)
    assert row["std"] == pytest.approx(math.sqrt(2 / 48))
    assert row["scheme"] == {
        "name": "xavier_normal", "arguments": {"gain": 1.0}, "text": "xavier_normal()",
    }  # fmt: skip
    assert row["layout"]["blocks"] == [24, 24, 24]
    assert told["rows"][1]["layout"] is None
    assert told["rows"][3]["measured"] == {"float": "inf"}


@pytest.mark.parametrize("recipe", ["default", "he_normal", "orthogonal", "sparse:3"])
def test_a_plan_that_came_back_draws_the_same_bits(recipe):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4), nn.LSTM(4, 4),
        nn.Embedding(5, 4, padding_idx=1),
    )  # fmt: skip
    plan = as_recipe(recipe).plan(model)
    again = through_json(plan)
    assert again == plan
    before = parameter_bits(plan.init_(model, 3))
    fanin.init_(model, "zeros")
    assert_same_parameters(again.init_(model, 3), before)


def broken(change: Any) -> Any:
    told = copy.deepcopy(full_plan().to_dict())
    change(told)
    return told


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "schema 'fanin.plan/2', got 'NoneType'"),
        ([], "got 'list'"),
        ({}, "got None"),
        ({"schema": "fanin.plan/1"}, "got 'fanin.plan/1'"),
        ({"schema": "fanin.plan/2"}, "the plan lacks 'rows'"),
        (broken(lambda d: d.pop("notes")), "the plan lacks 'notes'"),
        (broken(lambda d: d.update(recipe=3)), "expected a text, got 3"),
        (broken(lambda d: d.update(seed="0")), "seed must be an integer or null"),
        (broken(lambda d: d.update(rows=3)), "cannot be read"),
        (broken(lambda d: d["rows"].append(3)), r"rows\[4\] cannot be read"),
        (broken(lambda d: d["rows"][1].pop("scheme")), r"rows\[1\] of 'b' lacks 'scheme'"),
        (
            broken(lambda d: d["rows"][1].update(shape=[8, 4.5])),
            r"rows\[1\] of 'b': expected whole",
        ),
        (broken(lambda d: d["rows"][1].update(padding_index="3")), "padding_index must be"),
        (broken(lambda d: d["rows"][1].update(learning_rate=None)), "learning_rate must be a num"),
        (broken(lambda d: d["rows"][1].update(scheme="zeros()")), "a scheme is a name with"),
        (
            broken(lambda d: d["rows"][1]["scheme"].update(name="their.mine")),
            r"rows\[1\] of 'b': scheme normal\(std=0.02\) \(their.mine\) cannot be rebuilt",
        ),
        (
            broken(lambda d: d["rows"][1]["scheme"]["arguments"].update(std=-1.0)),
            "scheme 'normal': std must not be negative",
        ),
        (
            broken(lambda d: d["rows"][1]["scheme"]["arguments"].update(width=1.0)),
            "does not take these arguments: .*width",
        ),
        (
            broken(lambda d: d["rows"][0]["layout"].update(blocks=[1, 2])),
            r"rows\[0\] of 'a.weight': no layout of linear",
        ),
        (broken(lambda d: d["rows"][0]["layout"].pop("groups")), "lacks 'groups'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data, text):
    with pytest.raises(InputError, match=text):
        Plan.from_dict(data)


def test_a_scheme_of_another_package_is_told_but_not_rebuilt():
    plan = Plan("r", (Row("w", (3,), Plain(0.5), "x"),))
    told = plan.to_dict()
    assert told["rows"][0]["scheme"] == {
        "name": "tests.testing.others.Plain", "arguments": None, "text": "Plain(spread=0.5)",
    }  # fmt: skip
    assert told["rows"][0]["std"] == 0.5
    with pytest.raises(InputError, match=r"rows\[0\] of 'w': scheme Plain.* cannot be rebuilt"):
        Plan.from_dict(told)


def test_a_registered_scheme_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "their_schemes.py").write_text(MODULE)
    described = tmp_path / "their_schemes-1.0.dist-info"
    described.mkdir()
    metadata = "Metadata-Version: 2.1\nName: their-schemes\nVersion: 1.0\n"
    (described / "METADATA").write_text(metadata)
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    plan = Plan("r", (Row("w", (3,), s.scaled(s.mine(0.5), 2.0), "x"),))
    told = plan.to_dict()
    assert Plan.from_dict(told) == plan
    monkeypatch.undo()
    with pytest.raises(InputError, match="no installed package registers it"):
        Plan.from_dict(told)


def test_a_class_that_bears_a_name_of_fanins_is_not_taken_for_it():
    class he_normal(s.he_uniform):
        name = "he_normal"

    told = Plan("r", (Row("w", (3, 3), he_normal(), "x", linear((3, 3))),)).to_dict()
    assert told["rows"][0]["scheme"]["arguments"] is None


def test_layouts_keep_what_is_no_integer():
    layout = Layout("embedding_bag", (4, 3), 1 / 3, 3, (1,), (0,))
    plan = Plan("r", (Row("w", (4, 3), s.he_normal(), "x", layout),))
    assert through_json(plan).rows[0].layout == layout
    grouped = conv((8, 2, 3), groups=4)
    plan = Plan("r", (Row("w", (8, 2, 3), s.he_normal(), "x", grouped),))
    assert through_json(plan) == plan
