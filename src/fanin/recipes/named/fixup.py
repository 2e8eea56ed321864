"""Fixup: residual networks without normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.records import Branch, Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice, Part
from fanin.recipes.reading.residual import described, heads, last_factors, layers, own_weights
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import he_normal, ones, scaled, zeros
from fanin.schemes.variance import Mode


@attrs.frozen(repr=False)
class fixup(ObservedRecipe):
    """He normal times L^(-1/(2m - 2)) inside branches, the last weight of each 0, the head 0.

    L is the number of residual branches of the stream, m that of the layers of the branch, both
    read from the dataflow; layers side by side, as query, key and value, count once. Biases 0
    and scalar multipliers 1. Rule 3 asks for a scalar multiplier in each branch and a scalar
    bias before each layer and activation: where the model has none, the plan's notes say so.

    Args:
        mode: of He's scheme; the authors' code takes "fan_out".

    Raises:
        ModelError: from ``plan``: the model has a norm or no residual branch, the last weight
            of a branch is frozen, or the classifier shares its weight with another use.

    References:
        Zhang, Dauphin, Ma, Fixup initialization, 2019, arXiv:1901.09321, section 3.
    """

    mode: Mode = "fan_in"

    name = "fixup"
    rule = "He normal times L^(-1/(2m-2)) in branches, last weight of each and the head 0"
    use = "residual networks without normalisation"
    citation = "Zhang, Dauphin, Ma. Fixup initialization. ICLR 2019. arXiv:1901.09321. Section 3"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        self.require_inputs(inputs)
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        rows = self.rows(anatomy)
        return anatomy.planned(str(self), rows, self.citation, _notes(anatomy))

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        self._require_that_it_applies(anatomy)
        last = anatomy.last_weights()
        classifiers = heads(anatomy)
        inside = {branch.index: branch for branch in anatomy.branches}
        base = he_normal(mode=self.mode)

        def weight(use: Use) -> Choice:
            if use.parameter in last:
                where = described(anatomy, last[use.parameter])
                return zeros(), f"the last weight of {where}: its block starts as the identity"
            branch = inside.get(-1 if use.branch is None else use.branch)
            if branch is not None:
                depth, m = anatomy.depth_of(branch), layers(anatomy, branch)
                factor = depth ** (-1 / (2 * m - 2)) if m > 1 else 1.0
                power = f"{depth}^(-1/{2 * m - 2})" if m > 1 else "1"
                where = f"one of {m} layers in one of {depth} branches"
                return scaled(base, factor), f"{where}: He times {power} = {factor:.5f}"
            if use.parameter in classifiers:
                self._require_own(anatomy, use)
                return zeros(), "the classifier starts at 0"
            return base, "outside the branches: He normal"

        rows = list(anatomy.rows(weight, source=self.citation))
        rows += [
            anatomy.row(name, ones(), "a multiplier starts at 1", self.citation)
            for name in anatomy.of(Part.GATE)
        ]
        return rows

    def _require_that_it_applies(self, anatomy: Anatomy) -> None:
        kind = type(anatomy.model).__name__
        norm = next((step for step in anatomy.observation.steps if step.kind == "norm"), None)
        if norm is not None:
            raise ModelError(
                f"recipe 'fixup' is for networks without normalisation, and {norm.module!r} "
                f"({norm.op}) normalises. Take the norms out of {kind}, or 'zero_gamma', which "
                "is for branches that end in one"
            )
        if not anatomy.branches:
            raise ModelError(
                f"recipe 'fixup' scales residual branches, and the pass of {kind} showed none. "
                "Take 'he_normal', or 'lsuv' for a deep plain network"
            )
        for branch in anatomy.branches:
            kept = sorted({*branch.last} & {*anatomy.frozen} & {*own_weights(anatomy, branch)})
            if kept:
                raise ModelError(
                    f"recipe 'fixup' sets the last weight of each branch to 0, and {kept[0]!r} "
                    "is frozen. Let it require a gradient, or set it yourself"
                )

    def _require_own(self, anatomy: Anatomy, use: Use) -> None:
        other = next(
            (one for one in anatomy.uses_of(use.parameter) if one.role != "weight" or
             not one.feeds_output), None,
        )  # fmt: skip
        if other is not None:
            raise ModelError(
                f"recipe 'fixup' sets the classifier to 0, and its weight {use.parameter!r} is "
                f"also used as {other.role} by {other.module or 'the model'!r} ({other.op}). "
                "Untie the two, or take another recipe"
            )


def _notes(anatomy: Anatomy) -> tuple[str, ...]:
    """What rule 3 asks for and the model has not."""

    def lacks(branch: Branch, names: Iterable[str]) -> bool:
        return not any(
            use.branch == branch.index and use.role in {"scale", "shift", "bias"}
            for name in names
            for use in anatomy.uses_of(name)
        )

    scalars = [name for name in anatomy.of(Part.BIAS) if anatomy.parameters[name].numel() == 1]
    single = [
        branch for branch in anatomy.branches
        if not any(
            anatomy.parameters[name].numel() == 1
            for name in last_factors(anatomy, branch, Part.GATE)
        )
    ]  # fmt: skip
    shiftless = [branch for branch in anatomy.branches if lacks(branch, scalars)]
    notes = []
    for missing, what in ((single, "scalar multiplier"), (shiftless, "scalar bias")):
        if missing:
            notes.append(
                f"rule 3 of Fixup asks for a {what} in each branch, which forward must have: "
                f"{len(missing)} of {len(anatomy.branches)} have none, e.g. "
                f"{described(anatomy, missing[0])}"
            )
    return tuple(notes)
