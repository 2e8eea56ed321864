"""Data-dependent initialisation: every unit starts with mean 0 and variance 1 on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, cast, get_args

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.intervening import intervene
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.recipe import AbstractRecipe
from fanin.recipes.rules.balancing import Batch, balance
from fanin.recipes.rules.measuring import biases, drawn
from fanin.recipes.rules.standardizing import Units
from fanin.schemes import Scheme, given, normal, per_unit
from fanin.schemes.scheme import one_of

Form = Literal["salimans", "krahenbuhl"]

_SALIMANS = (
    "Salimans, Kingma. Weight normalization: a simple reparameterization to accelerate "
    "training of deep neural networks. NIPS 2016. arXiv:1602.07868. Section 3"
)
_KRAHENBUHL = (
    "Krahenbuhl, Doersch, Donahue, Darrell. Data-dependent initializations of convolutional "
    "neural networks. ICLR 2016. arXiv:1511.06856. Algorithm 2"
)


@attrs.frozen(repr=False)
class data_dependent(AbstractRecipe):
    """Per unit g = 1/std and b = -mean/std: pre-activations have mean 0 and variance 1.

    Layer by layer in the order of execution, in one forward pass. A unit's weights are
    N(0, 0.05) times its g; of weight norm, g is the unit's length. A layer without a bias has
    variance 1 and keeps its mean. Tables N(0, 0.05), and what is no linear layer or convolution
    is drawn so too.

    The form of Krahenbuhl then scales weight against weight, so that the model computes the
    same and |gradient| / |weight| is one number for all that can be scaled: those with another
    weight before or after them and only f(c x) = c f(x) in between (ReLU, pools, dropout,
    sums). Others stay, and ``Plan.notes`` says why. The gradient is the loss's on the batch, or
    that of a random projection of the output where there is no loss. The paper repeats damped
    steps; here the scales that these tend to are solved for.

    Args:
        std: of the weights before they are scaled; it sets nothing but the length of weight
            norm's directions.
        form: "salimans", or "krahenbuhl", which balances the layers after that.

    Raises:
        InputError: from ``plan``: no inputs; or of the form.
        ModelError: from ``plan``: a unit is constant on the batch or not finite, or a frozen
            bias is not 0; of the form of Krahenbuhl: no two weights can be balanced.

    Example:
        >>> import torch
        >>> net = torch.nn.Sequential(
        ...     torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
        >>> plan = data_dependent(form="krahenbuhl").plan(net, x)
        >>> "over smallest" in plan.notes[0]
        True

    References:
        Salimans, Kingma, Weight normalization, 2016, arXiv:1602.07868, section 3, equation 6.
        Krahenbuhl, Doersch, Donahue, Darrell, Data-dependent initializations of convolutional
        neural networks, 2016, arXiv:1511.06856, algorithms 1 and 2; the authors' magic_init.py.
    """

    std: float = 0.05
    form: Form = "salimans"

    name = "data_dependent"
    rule = (
        "per unit g = 1/std and b = -mean/std of its pre-activation on a batch; of form "
        "krahenbuhl, then |gradient| / |weight| equal over layers"
    )
    use = (
        "weight-normalised and plain networks without norms, with a batch at hand; form "
        "krahenbuhl for convolutional networks with ReLU"
    )
    citation = f"{_SALIMANS}. Form krahenbuhl: {_KRAHENBUHL}"
    needs = "inputs"
    argument = "form"

    @classmethod
    def from_text(cls, text: str) -> data_dependent:
        """Of ``"data_dependent:krahenbuhl"`` what stands behind the colon."""
        return cls(form=cast("Form", text.strip().lower()))

    def __attrs_post_init__(self) -> None:
        one_of("form", self.form, get_args(Form))

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
        kept = biases(anatomy)
        if kept:
            raise ModelError(
                f"recipe 'data_dependent' sets biases, and {next(iter(kept))!r} is frozen and not "
                "0. Let it require a gradient, or set it to 0"
            )
        base = normal(std=self.std)
        start = anatomy.planned(
            str(self), anatomy.rows(lambda _: (base, f"N(0, {self.std:g})"))
        )  # fmt: skip
        measured = Units(anatomy)
        with drawn(model, start, seed):
            intervene(model, inputs, measured)
        rows = [self._row(anatomy, row, measured) for row in start.rows]
        made = replace(
            anatomy.planned(str(self), rows, _SALIMANS, measured.notes()), seed=seed
        )  # fmt: skip
        if self.form == "salimans":
            return made
        return self._balanced(anatomy, made, Batch(inputs, targets, loss), seed)

    def _balanced(self, anatomy: Anatomy, start: Plan, batch: Batch, seed: int) -> Plan:
        found = balance(anatomy, start, batch, seed)
        rows = [found.scales.of(row, _KRAHENBUHL) for row in start.rows]
        notes = (*found.notes(), *start.notes)
        citation = f"{_SALIMANS}. {_KRAHENBUHL}"
        return replace(anatomy.planned(str(self), rows, citation, notes), seed=seed)

    def _row(self, anatomy: Anatomy, row: Row, measured: Units) -> Row:
        name = row.parameter
        if name in measured.factors:
            factors = measured.factors[name]
            where = f"{float(factors.min()):.4g} to {float(factors.max()):.4g}"
            if anatomy.part(name) is Part.MAGNITUDE:
                scheme: Scheme = given(measured.lengths[name])
                reason = f"{row.reason}, over its std: times {where}"
            else:
                scheme = per_unit(row.scheme, factors)
                reason = f"{row.reason}, each unit over its std: times {where}"
            return replace(row, scheme=scheme, reason=reason, source=_SALIMANS)
        if name in measured.shifts:
            return replace(
                row, scheme=given(measured.shifts[name]), source=_SALIMANS,
                reason="minus the mean of each unit over its std",
            )  # fmt: skip
        if name in measured.left:
            reason = f"{row.reason}, not scaled: {measured.left[name]}"
            return replace(row, reason=reason, source=_SALIMANS)
        return row
