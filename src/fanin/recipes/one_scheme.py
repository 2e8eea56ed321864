"""One scheme on every weight, zeros on biases, ones and zeros on norms."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import attrs
from torch import Tensor, nn

from fanin.errors import FanError, ModelError
from fanin.fans import Layout
from fanin.observation import observe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.roles import Role, Use, uses
from fanin.schemes import AbstractScheme, Scheme, constant, normal, ones, zeros

_OTHERS: dict[Role, tuple[AbstractScheme, str]] = {
    Role.BIAS: (zeros(), "a bias needs no random start: the weights tell the units apart"),
    Role.NORM_SCALE: (ones(), "a norm starts as plain normalisation"),
    Role.NORM_SHIFT: (zeros(), "a norm starts as plain normalisation"),
}


@attrs.frozen
class OneScheme:
    """One scheme on every weight; biases 0, norms 1 and 0, slopes of PReLU as torch has them.

    Args:
        scheme: for the weights: of linear, convolution, embedding, bilinear and recurrent
            layers and of attention, where each packed weight counts by itself.

    Example:
        >>> import torch, fanin
        >>> model = torch.nn.Sequential(torch.nn.Linear(100, 50), torch.nn.ReLU())
        >>> plan = OneScheme(fanin.schemes.he_normal()).plan(model)
        >>> [(row.parameter, row.scheme, round(row.std, 3)) for row in plan.rows]
        [('0.weight', he_normal(), 0.141), ('0.bias', zeros(), 0.0)]
    """

    scheme: Scheme

    def __str__(self) -> str:
        return repr(self.scheme)

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
    ) -> Plan:
        """One row per parameter; the model is only read.

        Args:
            model: any ``torch.nn.Module`` without inputs as long as its parameters belong to
                modules of torch.nn.
            inputs: a batch, as ``fanin.observe`` takes it: then the pass says what every
                parameter is for, whatever module it belongs to.
            targets: for the loss.
            loss: ``loss(outputs, targets)`` of one number.

        Raises:
            ModelError: a parameter of unknown role, or one weight used in two ways that ask
                for different scales.
        """
        if inputs is not None:
            return self.observed(Anatomy(model, observe(model, inputs, targets, loss=loss)))
        return Plan(str(self), self.by_modules(model))

    def by_modules(self, model: nn.Module, names: Collection[str] | None = None) -> tuple[Row, ...]:
        """The rows that need no pass; of ``names`` alone where they are given.

        Raises:
            ModelError: as ``plan``.
        """
        rows: dict[Tensor, Row] = {}
        for use in uses(model, names):
            row = self._row(use)
            known = rows.setdefault(use.parameter, row)
            if known.padding_index is None and row.padding_index is not None:
                rows[use.parameter] = replace(known, padding_index=row.padding_index)
            if known.layout is not None and row.layout is not None:
                self._require_agreement(known, known.layout, row, row.layout)
        return tuple(rows.values())

    def observed(self, anatomy: Anatomy, names: Collection[str] | None = None) -> Plan:
        """The plan from a pass; of ``names`` alone where they are given, the rest unmatched.

        Raises:
            ModelError: as ``plan``.
        """
        wanted = anatomy.parameters.keys() if names is None else names
        for name in anatomy.of(Part.WEIGHT, Part.TABLE):
            if name not in wanted:
                continue
            first, *others = (
                anatomy.row(name, self.scheme, "") if use.layout is None
                else replace(anatomy.row(name, self.scheme, ""), layout=use.layout)
                for use in anatomy.uses_of(name) if use.role in {"weight", "table"}
            )  # fmt: skip
            for other in others:
                if first.layout is not None and other.layout is not None:
                    self._require_agreement(first, first.layout, other, other.layout)
        rows = anatomy.rows(lambda use: (self.scheme, _reason(use.layout)))
        return anatomy.planned(str(self), [row for row in rows if row.parameter in wanted])

    def _row(self, use: Use) -> Row:
        shape = tuple(use.parameter.shape)
        if use.layout is not None:
            reason = _reason(use.layout)
            return Row(use.name, shape, self.scheme, reason, use.layout, use.padding_index)
        if isinstance(use.module, nn.PReLU):
            return Row(use.name, shape, constant(use.module.init), "PReLU's own start")
        if use.role is Role.LEARNED_INPUT:
            drawn = normal(std=1 / math.sqrt(use.parameter.shape[-1]))
            return Row(use.name, shape, drawn, "a learned key or value, as torch draws it (Xavier)")
        scheme, reason = _OTHERS[use.role]
        return Row(use.name, shape, scheme, reason)

    def _require_agreement(self, first: Row, one: Layout, second: Row, other: Layout) -> None:
        """Raise where a tied weight would get another scale at its other place."""
        try:
            stds = self.scheme.std(one), self.scheme.std(other)
        except FanError:
            return  # the writer reports it with the parameter's name
        if stds[0] != stds[1]:
            raise ModelError(
                f"{first.parameter!r} and {second.parameter!r} are one parameter, used as "
                f"{one.op} (fan_in {one.fan_in:g}) and as {other.op} "
                f"(fan_in {other.fan_in:g}): {self.scheme!r} would give it std "
                f"{stds[0]:.3g} or {stds[1]:.3g}. Take a scheme of one scale, e.g. 'normal:0.02'"
            )


def _reason(layout: Layout | None) -> str:
    if layout is None:
        return "a weight"
    fans = f"fan_in {layout.fan_in:g}, fan_out {layout.fan_out:g}"
    if not layout.blocks:
        return f"a weight of {fans}"
    mean = " in the mean" if len(set(layout.blocks)) > 1 else ""
    return f"{len(layout.blocks)} weights in one tensor, each of {fans}{mean}"
