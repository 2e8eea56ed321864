"""Normalizer-free networks with scaled weight standardisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.errors import InputError, ModelError
from fanin.observation import observe
from fanin.observation.intervening import Site, intervene
from fanin.observation.records import Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.reading.anatomy import Anatomy, Choice, Part
from fanin.recipes.reading.residual import described, heads, last_factors, some
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.measuring import drawn
from fanin.schemes import he_normal, normal, ones, variance_scaling, zeros
from fanin.theory import gain
from fanin.theory.mean_field import moments

_CLOSE = 1e-2


@attrs.frozen(repr=False)
class nf(ObservedRecipe):
    """For weights that forward standardises: N(0, g^2 / fan_in), gains 1, skip gains 0.

    g = 1 / sqrt(Var phi), the variance gain of the activation before (a standardised row has
    mean 0, so the mean of its input does not count). Forward undoes the scale of such a weight;
    it sets how fast the weight turns. Whether a weight is standardised is measured: adding a
    number to it and doubling it leaves its output alone. Others are He normal, the classifier
    N(0, 0.01), biases 0, and the learned factor that a residual branch ends in is 0.

    Args:
        head_std: of the weight that puts out the model's output.

    Raises:
        ModelError: from ``plan``: the model has a norm, or standardises no weight.

    References:
        Brock, De, Smith, Characterizing signal propagation to close the performance gap in
        unnormalized ResNets, 2021, arXiv:2101.08692, section 4.
    """

    head_std: float = 0.01

    name = "nf"
    rule = "standardised weights N(0, 1 / (fan_in Var phi)), their gains 1, skip gains 0"
    use = "normalizer-free networks (NF-ResNet, NFNet)"
    citation = (
        "Brock, De, Smith. Characterizing signal propagation to close the performance gap in "
        "unnormalized ResNets. ICLR 2021. arXiv:2101.08692. Section 4"
    )

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
        kind = type(model).__name__
        norm = next((step for step in anatomy.observation.steps if step.kind == "norm"), None)
        if norm is not None:
            raise ModelError(
                f"recipe 'nf' is for networks without norms of signals, and {norm.module!r} "
                f"({norm.op}) normalises. Take the norms out of {kind}, or 'zero_gamma'"
            )
        standard = _standardised(anatomy, inputs)
        if not standard:
            raise ModelError(
                f"recipe 'nf' is for weights that forward standardises, and {kind} standardises "
                f"none: {some(repr(use.parameter) for use in anatomy.weights)}. Subtract the mean "
                "of each row in forward and divide by its std sqrt(fan_in), or take 'skipinit' or "
                "'fixup'"
            )

        classifiers = heads(anatomy)

        def weight(use: Use) -> Choice:
            if use.parameter in standard:
                factor, name = _variance_gain(use)
                return (
                    variance_scaling(factor**2, "fan_in", "normal"),
                    f"standardised in forward; variance gain {factor:.5g} after {name}",
                )
            if use.parameter in classifiers:
                return (
                    normal(std=self.head_std),
                    f"the classifier starts at N(0, {self.head_std:g})",
                )
            return he_normal(), "not standardised in forward: He normal"

        rows = list(anatomy.rows(weight, source=self.citation))
        rows += [
            anatomy.row(name, ones(), "the gain of a standardised unit starts at 1", self.citation)
            for name in anatomy.of(Part.MAGNITUDE)
        ]
        open_ends = []
        for branch in anatomy.branches:
            gates = last_factors(anatomy, branch, Part.GATE)
            where = described(anatomy, branch)
            if not gates:
                open_ends.append(where)
                continue
            reason = f"the skip gain of {where}: 0, so that its block starts as the identity"
            rows.append(anatomy.row(gates[-1], zeros(), reason, self.citation))
        notes = []
        if open_ends:
            notes.append(
                f"{len(open_ends)} of {len(anatomy.branches)} residual branches have no learned "
                f"factor at their end and do not start at 0: {some(open_ends)}"
            )
        plain = [
            use.parameter for use in anatomy.weights
            if use.parameter not in standard and use.op.startswith("conv")
        ]  # fmt: skip
        if plain:
            notes.append(f"not standardised in forward: {some(map(repr, plain))}")
        return anatomy.planned(str(self), rows, self.citation, notes)


def _variance_gain(use: Use) -> tuple[float, str]:
    """1 / sqrt(Var phi) of what precedes a weight, and its name."""
    source = use.source
    if source is None or source.gain is None or not source.ops:
        return 1.0, "no activation"
    for op in source.ops:
        try:
            own, phi = gain(op), moments(op)
        except InputError:
            continue
        # Numbers that forward multiplies by are in the gain of the whole.
        return source.gain / own / phi.variance**0.5, " and ".join(source.ops)
    return source.gain, " and ".join(source.ops)


def _standardised(anatomy: Anatomy, inputs: object) -> frozenset[str]:
    """The weights that may be doubled and shifted with no effect on their operation."""
    probe = anatomy.planned(
        "", [
            *anatomy.rows(lambda _: (he_normal(), "")),
            *(anatomy.row(name, ones(), "") for name in anatomy.of(Part.MAGNITUDE, Part.GATE)),
        ],
    )  # fmt: skip
    names = [use.parameter for use in anatomy.weights if use.through]
    if not names:
        return frozenset()
    shown: list[Tensor] = []
    same: dict[str, bool] = {}
    place = iter(range(1 << 30))

    def remember(_: Sequence[Site], output: Tensor) -> None:
        shown.append(output.clone())

    def compare(sites: Sequence[Site], output: Tensor) -> None:
        before = shown[next(place)]
        close = bool((output - before).norm() <= _CLOSE * before.norm())
        for site in sites:
            if site.role == "weight":
                same[site.parameter] = same.get(site.parameter, True) and close
        output.copy_(before)

    with drawn(anatomy.model, probe, 0):
        intervene(anatomy.model, inputs, remember)
        with torch.no_grad():
            for name in names:
                anatomy.parameters[name].mul_(2).add_(0.5)
        intervene(anatomy.model, inputs, compare)
    return frozenset(name for name in names if same.get(name, False))
