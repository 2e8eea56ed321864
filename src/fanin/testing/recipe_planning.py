"""Promises about planning: what a plan says, and that making one only reads."""

from __future__ import annotations

import json
import pickle
import random
from collections import Counter
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import nn

from fanin.errors import InputError
from fanin.recipes import Batch, Plan
from fanin.testing.case import Complaints
from fanin.testing.recipe_case import RecipeCase, changes, parameter_bits, state, unlike


def every_parameter_once(case: RecipeCase) -> Complaints:
    yield from uncovered(case.plan, case.model())


def uncovered(plan: object, model: nn.Module) -> Complaints:
    """What a plan says of the model's parameters too often or not at all."""
    if not isinstance(plan, Plan):
        yield f"plan returned a {type(plan).__name__}"
        return
    named = Counter([*(row.parameter for row in plan.rows), *plan.kept, *plan.unmatched])
    shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    for name in shapes:
        if named[name] != 1:
            yield f"{name!r} is in it {named[name]} times"
    for name in named:
        if name not in shapes:
            yield f"it names {name!r}, which the model has not"
    for row in plan.rows:
        if row.shape != shapes[row.parameter]:
            yield f"{row.parameter!r} has shape {shapes[row.parameter]}, in it {row.shape}"


def reasons_and_citations(case: RecipeCase) -> Complaints:
    plan = case.plan
    for row in plan.rows:
        if not row.reason.strip() or len(row.reason.splitlines()) != 1:
            yield f"the reason of {row.parameter!r} is {row.reason!r}"
        if not (row.source or row.scheme.citation or plan.source).strip():
            yield f"nothing is cited for {row.parameter!r}"
    if plan.rows and not plan.citation().strip():
        yield "its citation is empty"


def only_reading(case: RecipeCase) -> Complaints:
    model = case.model().eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    before = state(model, case.example.inputs)
    case.planned(model)
    for what in changes(before, state(model, case.example.inputs)):
        yield f"plan changes {what}"


def only_reading_when_it_raises(case: RecipeCase) -> Complaints:
    def failing(*_: Any) -> Any:
        raise _LossError

    model = case.model()
    before = state(model, case.example.inputs)
    try:
        case.planned(model, Batch(case.example.inputs, case.example.targets, failing))
    except _LossError:
        pass  # as it was
    except Exception as error:  # noqa: BLE001 - whatever a recipe may raise
        yield f"a loss that raises becomes {type(error).__name__} ({error})"
    for what in changes(before, state(model, case.example.inputs)):
        yield f"plan changes {what} where the loss raises"


class _LossError(Exception):
    """Of a loss."""


def the_same_twice(case: RecipeCase) -> Complaints:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global one is meant
    random.seed(1)
    again = case.planned(case.model())
    yield from _differing(case.plan, again, "between two plans of the same model")


def _differing(one: Plan, other: Plan, between: str) -> Complaints:
    if one == other:
        return
    for first, second in zip(one.rows, other.rows, strict=False):
        for name in (field.name for field in fields(first)):
            if getattr(first, name) != getattr(second, name):
                values = f"{getattr(first, name)!r} and {getattr(second, name)!r}"
                yield f"{name} of {first.parameter!r} is {values} {between}"
                return
    yield f"something differs {between}"


def as_dict_and_back(case: RecipeCase) -> Complaints:
    plan = case.plan
    said = plan.to_dict()
    read = json.loads(json.dumps(said))
    back = Plan.from_dict(read)
    if back.to_dict() != said:
        yield "from_dict(to_dict()) says something else"
    drawn = [parameter_bits(case.drawn(one)) for one in (plan, back)]
    for name in unlike(*drawn):
        yield f"{name!r} is drawn otherwise after from_dict(to_dict())"


def pickled(case: RecipeCase) -> Complaints:
    plan = case.plan
    if pickle.loads(pickle.dumps(plan)) != plan:  # noqa: S301 - of our own making
        yield "the pickled plan is not equal to it"
    kind = type(case.recipe)
    if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
        return
    twin = pickle.loads(pickle.dumps(case.recipe))  # noqa: S301 - of our own making
    if (str(twin), repr(twin)) != (str(case.recipe), repr(case.recipe)):
        yield f"the pickled recipe is {twin!r}"


def without_inputs(case: RecipeCase) -> Complaints:
    model = case.model()
    before = state(model)
    try:
        plan = case.planned(model, Batch())
    except InputError:
        pass
    else:
        yield from uncovered(plan, model)
    for what in changes(before, state(model)):
        yield f"plan without inputs changes {what}"


def readable(case: RecipeCase) -> Complaints:
    for how, text in (("str", str(case.recipe)), ("repr", repr(case.recipe))):
        if not text.strip() or len(text.splitlines()) != 1:
            yield f"{how} of it is {text!r}"
    if not case.plan.recipe.strip():
        yield "its plan names no recipe"
