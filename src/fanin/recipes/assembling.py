"""One plan out of several recipes, each of which decides on some of the parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import attrs
from torch import nn

from fanin.errors import FanError, InputError, ModelError
from fanin.observation import observe
from fanin.recipes.one_scheme import OneScheme
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.roles import Role, own_parameters, uses
from fanin.recipes.recipe import Batch, Recipe, planned


@attrs.frozen
class Choice:
    """What decides on some parameters.

    Args:
        who: it, in an error or a reason, e.g. "pattern '*.bias'".
        recipe: that plans them; None: they stay as they are.
        names: the parameters.
        seen: those by which a scheme tells whether it is meant for weights; never empty.
        whole: a scheme acts as on a whole model, whatever it sees.
    """

    who: str
    recipe: Recipe | None
    names: tuple[str, ...]
    seen: tuple[str, ...]
    whole: bool = False


def assembled(
    title: str,
    choices: Sequence[Choice],
    model: nn.Module,
    batch: Batch,
    *,
    seed: int,
    notes: Iterable[str] = (),
) -> Plan:
    """The plan in which every parameter has what decides on it.

    Raises:
        ModelError: a scheme that cannot draw a parameter, or what a recipe raises.
        InputError: a recipe needs inputs and there are none.
    """
    parts = _Parts(model, batch, seed)
    plans = [(choice, parts.of(choice)) for choice in choices]
    order = {name: place for place, (name, _) in enumerate(model.named_parameters())}
    rows: list[Row] = []
    kept: list[str] = []
    unmatched: list[str] = []
    told = list(notes)
    measured = None
    for choice, plan in plans:
        names = set(choice.names)
        rows += [
            replace(row, source=row.source or plan.source)
            for row in plan.rows
            if row.parameter in names
        ]
        kept += names.intersection(plan.kept)
        unmatched += names.intersection(plan.unmatched)
        told += plan.notes
        if plan.seed is not None:
            measured = plan.seed
            others = len(order) - len(names)
            if others:
                told.append(
                    f"{plan.recipe} measured its weights in the model as it draws the whole of "
                    f"it; {others} of {len(order)} parameters are drawn otherwise here"
                )
    return Plan(
        title,
        tuple(sorted(rows, key=lambda row: order[row.parameter])),
        tuple(sorted(kept, key=order.__getitem__)),
        tuple(sorted(unmatched, key=order.__getitem__)),
        tuple(dict.fromkeys(told)),
        seed=measured,
    ).of(model)


def with_rest_kept(plan: Plan, model: nn.Module) -> Plan:
    """A plan that leaves every parameter without a row as it is."""
    drawn = {row.parameter for row in plan.rows}
    kept = tuple(name for name, _ in model.named_parameters() if name not in drawn)
    return replace(plan, kept=kept, unmatched=())


@attrs.define(slots=False)
class _Parts:
    """The plans of single choices, from one pass where schemes need one."""

    model: nn.Module
    batch: Batch
    seed: int

    @cached_property
    def anatomy(self) -> Anatomy | None:
        given = self.batch
        if given.inputs is None:
            list(own_parameters(self.model))  # a lazy one is an error
            return None
        seen = observe(self.model, given.inputs, given.targets, loss=given.loss)
        return Anatomy(self.model, seen)

    def of(self, choice: Choice) -> Plan:
        recipe = choice.recipe
        if recipe is None:
            return Plan("keep", (), choice.names)
        if not isinstance(recipe, OneScheme):
            return planned(recipe, self.model, self.batch, seed=self.seed)
        if not (choice.whole or any(map(self._is_weight, choice.seen))):
            return Plan(str(recipe), tuple(self._direct(name, choice) for name in choice.names))
        if self.anatomy is not None:
            return recipe.observed(self.anatomy, choice.names)
        return Plan(str(recipe), recipe.by_modules(self.model, choice.names))

    def _is_weight(self, name: str) -> bool:
        if self.anatomy is not None:
            return self.anatomy.part(name) in {Part.WEIGHT, Part.TABLE}
        try:
            return any(use.role is Role.WEIGHT for use in uses(self.model, {name}))
        except ModelError:  # of a module that is not torch.nn's: nothing is known of it
            return False

    def _direct(self, name: str, choice: Choice) -> Row:
        assert isinstance(choice.recipe, OneScheme)  # noqa: S101 - asked before
        scheme = choice.recipe.scheme
        reason = f"{choice.who} puts it on this parameter directly"
        shape = tuple(self.model.get_parameter(name).shape)
        row = Row(name, shape, scheme, reason)
        if self.anatomy is not None:
            row = self.anatomy.row(name, scheme, reason)
        try:
            row.std  # noqa: B018 - a scheme without the fans that it needs says so here
        except (FanError, InputError) as error:
            raise ModelError(
                f"{choice.who} matches no weight, and puts {scheme!r} on {name!r}, which it cannot "
                f"draw: {error}. Take a scheme without fans, e.g. 'zeros', or a pattern that "
                "matches the weights too"
            ) from None
        return row
