"""Promises about drawing: what a plan does to a model, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import attrs
import torch
from torch import Tensor, nn

import fanin
from fanin.errors import InputError, ModelError
from fanin.fans import Layout
from fanin.recipes import Batch
from fanin.testing.case import Complaints, difference, set_threads
from fanin.testing.recipe_case import RecipeCase, changes, parameter_bits, state, unlike
from fanin.testing.recipe_planning import uncovered


def drawn_as_init(case: RecipeCase) -> Complaints:
    by_init = case.model()
    batch = case.batch
    fanin.init_(
        by_init, case.recipe, inputs=batch.inputs, targets=batch.targets, loss=batch.loss,
        seed=case.seed, unmatched="keep",
    )  # fmt: skip
    for name in unlike(parameter_bits(case.drawn()), parameter_bits(by_init)):
        yield f"{name!r} differs between fanin.init_ and plan(...).init_"


def drawn_by_any_threads(case: RecipeCase) -> Complaints:
    drawn = []
    for ours, torchs in ((1, 1), (2, 3)):
        set_threads(ours, torchs)
        drawn.append(parameter_bits(case.drawn()))
    set_threads(1, 1)
    for name in unlike(*drawn):
        yield f"{name!r} differs between one thread and several"


def by_seed(case: RecipeCase) -> Complaints:
    plan = case.plan
    other = case.seed + 1
    if plan.seed is not None:
        if plan.seed != case.seed:
            yield f"a plan that is made for seed {case.seed} says that it is for {plan.seed}"
        model = case.model()
        before = parameter_bits(model)
        try:
            plan.init_(model, other, unmatched="keep")
        except InputError:
            pass
        else:
            yield f"a plan for seed {plan.seed} draws for seed {other}"
        if unlike(before, parameter_bits(model)):
            yield "what it refuses changes the model"
        return
    drawn = [parameter_bits(case.drawn(seed=seed)) for seed in (case.seed, other)]
    differing = set(unlike(*drawn))
    for row in plan.rows:
        if row.parameter not in differing and _is_random(row.scheme, row.shape, row.layout):
            yield f"{row.parameter!r} is the same for seeds {case.seed} and {other}"


def _is_random(scheme: Any, shape: tuple[int, ...], layout: Layout | None) -> bool:
    drawn = [
        scheme.init_(torch.zeros(shape), seed=seed, name="weight", layout=layout) for seed in (0, 1)
    ]
    return bool(difference(*drawn))


@attrs.frozen
class _Failing:
    """Writes, then raises: what a scheme of others may do."""

    citation = "none"

    def std(self, layout: Layout | None = None) -> float:
        return 1.0

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        with torch.no_grad():
            tensor.detach().fill_(3.0)
        raise RuntimeError


def all_or_nothing(case: RecipeCase) -> Complaints:
    plan = case.plan
    if not plan.rows:
        return
    *others, last = plan.rows
    broken = replace(plan, rows=(*others, replace(last, scheme=_Failing())))
    model = case.model()
    before = state(model)
    try:
        broken.init_(model, case.seed, unmatched="keep")
    except RuntimeError:
        pass
    else:
        yield "a scheme that raises goes unnoticed"
    for what in changes(before, state(model)):
        yield f"{what} has changed although the draw failed"


def frozen_as_they_are(case: RecipeCase) -> Complaints:
    if getattr(case.recipe, "needs", "model") == "model":
        return  # it draws whole models, and what is frozen for the training afterwards too
    names = [row.parameter for row in case.plan.rows]
    for name, parameter in case.model().named_parameters():
        if not parameter.requires_grad and name in names:
            yield f"it draws {name!r}, which requires no gradient"
    for freeze in dict.fromkeys([*names[:1], *names[-1:]]):
        model = case.model()
        dict(model.named_parameters())[freeze].requires_grad_(False)
        before = parameter_bits(model)
        try:
            plan = case.planned(model)
        except ModelError:
            continue  # it needs that one
        if freeze in {row.parameter for row in plan.rows}:
            yield f"it draws {freeze!r} where that requires no gradient"
        plan.init_(model, case.seed, unmatched="keep")
        kept = {*plan.kept, *plan.unmatched}
        for name in unlike(before, parameter_bits(model)):
            if name in kept:
                yield f"{name!r} is to keep its values and does not"


def only_parameters_in_place(case: RecipeCase) -> Complaints:
    model = case.model()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    before = state(model, case.example.inputs)
    identities = {name: (id(one), one.requires_grad) for name, one in model.named_parameters()}
    if case.plan.init_(model, case.seed, unmatched="keep") is not model:
        yield "plan.init_ returns another object than the model"
    after = {name: (id(one), one.requires_grad) for name, one in model.named_parameters()}
    if identities != after:
        yield "parameters become other objects, or change requires_grad"
    for what in changes(before, state(model, case.example.inputs)):
        if not what.startswith("parameter "):
            yield f"init_ changes {what}"


def padding_rows_zero(case: RecipeCase) -> Complaints:
    model = case.drawn()
    drawn = {row.parameter for row in case.plan.rows}
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.padding_idx is not None:
            name = f"{path}.weight".lstrip(".")
            if name in drawn and module.weight[module.padding_idx].any():
                yield f"row {module.padding_idx} of {name!r} is padding and is not zero"


def finite(case: RecipeCase) -> Complaints:
    yield from _not_finite(case.drawn(), "")


def _not_finite(model: nn.Module, where: str) -> Complaints:
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            yield f"{name!r} has Inf or NaN{where}"


def in_half_precision(case: RecipeCase) -> Complaints:
    model = case.model().bfloat16()
    batch = Batch(_halved(case.example.inputs), case.example.targets, case.example.loss)
    plan = case.planned(model, batch)
    yield from uncovered(plan, model)
    plan.init_(model, case.seed, unmatched="keep")
    for name, parameter in model.named_parameters():
        if parameter.dtype is not torch.bfloat16:
            yield f"{name!r} of bfloat16 becomes {parameter.dtype}"
    yield from _not_finite(model, " in bfloat16")


def _halved(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.bfloat16() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _halved(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_halved, value))
    return value
