"""MetaInit: norms of weights at which the gradient changes least along itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.errors import InputError
from fanin.observation import observe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.recipe import AbstractRecipe
from fanin.recipes.rules.descending import Objective, descending, require_finite, slopes
from fanin.schemes import Scheme, he_normal, scaled

# A norm that would cross 0 stops at this share of what it was.
_LEAST = 1e-3
_BASE = he_normal()


@attrs.frozen(repr=False)
class metainit(AbstractRecipe):
    """Norms of the weights by descent of the gradient quotient, on a batch.

    The quotient, mean |(g - H g) / (g + eps sign g) - 1| over all parameters, is 0 where a step
    along the gradient g leaves it as it is. It is descended by the signs of its derivatives
    with respect to the norms of the weights, with momentum; directions stay. Biases 0. As in
    the authors' code the model runs in evaluation mode and sign(0) = 1; they draw new random
    inputs for each step, here the given batch is taken.

    Args:
        base: of the weights before.
        steps: of the descent.
        learning_rate: what one step adds to a norm.
        momentum: of the descent.
        eps: of the quotient.

    Raises:
        InputError: from ``plan``: no inputs or no loss; or of a setting.
        ModelError: from ``plan``: an operation has no second derivative, or the quotient is not
            finite.

    References:
        Dauphin, Schoenholz, MetaInit: initializing learning by learning to initialize, 2019,
        algorithm 1 and appendix A.
    """

    base: Scheme = _BASE
    steps: int = 500
    learning_rate: float = 0.1
    momentum: float = 0.9
    eps: float = 1e-5

    name = "metainit"
    rule = "norms of weights by signed descent of mean |(g - Hg) / (g + eps sign g) - 1|"
    use = "plain networks of any activation, where seconds for a descent do not matter"
    citation = (
        "Dauphin, Schoenholz. MetaInit: initializing learning by learning to initialize. NeurIPS "
        "2019. Algorithm 1"
    )
    needs = "targets"
    argument = "steps"

    def __attrs_post_init__(self) -> None:
        if self.steps != int(self.steps) or self.steps < 0:
            raise InputError(f"steps must be an integer of 0 or more, got {self.steps!r}")
        object.__setattr__(self, "steps", int(self.steps))

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
        start = anatomy.planned(str(self), anatomy.rows(lambda _: (self.base, repr(self.base))))
        names = [
            name for name in anatomy.of(Part.WEIGHT, Part.TABLE)
            if anatomy.parameters[name].dim() > 1
        ]  # fmt: skip
        objective = Objective(self.name, model, inputs, targets, loss)
        with descending(model, start, seed):
            factors, quotients = self._descend(anatomy, names, objective)
        rows = [
            replace(
                row, scheme=scaled(row.scheme, factors[row.parameter]), source=self.citation,
                reason=f"{row.reason} times {factors[row.parameter]:.4g}, found by descent of the "
                "gradient quotient",
            )
            if row.parameter in factors else row
            for row in start.rows
        ]  # fmt: skip
        note = (
            f"gradient quotient {quotients[0]:.4g} before {self.steps} steps, "
            f"{quotients[-1]:.4g} after"
        )
        return replace(anatomy.planned(str(self), rows, self.citation, (note,)), seed=seed)

    def _descend(
        self, anatomy: Anatomy, names: Sequence[str], objective: Objective
    ) -> tuple[dict[str, float], list[float]]:
        everything = [one for one in anatomy.parameters.values() if one.requires_grad]
        weights = [anatomy.parameters[name] for name in names]
        first = [float(weight.detach().norm()) for weight in weights]
        velocity = [0.0] * len(weights)
        quotients: list[float] = []
        for step in range(self.steps + 1):
            quotient = self._quotient(objective(), everything)
            quotients.append(
                require_finite(self.name, quotient, "the gradient quotient", step)
            )  # fmt: skip
            if step == self.steps:
                break
            ways = slopes(self.name, quotient, weights)
            with torch.no_grad():
                for place, (weight, way) in enumerate(zip(weights, ways, strict=True)):
                    norm = float(weight.norm())
                    if norm == 0.0:
                        continue
                    sign = float(torch.sign((weight * way).sum()))
                    velocity[place] = self.momentum * velocity[place] - self.learning_rate * sign
                    weight.mul_(max(norm + velocity[place], _LEAST * first[place]) / norm)
        return {
            name: float(weight.detach().norm()) / norm if norm else 1.0
            for name, weight, norm in zip(names, weights, first, strict=True)
        }, quotients

    def _quotient(self, loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        gradient = slopes(self.name, loss, parameters, create_graph=True)
        half = torch.stack([it.square().sum() / 2 for it in gradient]).sum()
        product = slopes(self.name, half, parameters, create_graph=True)
        total = torch.stack(
            [
                ((g - p) / (g + self.eps * (2 * (g >= 0).to(g.dtype) - 1)) - 1).abs().sum()
                for g, p in zip(gradient, product, strict=True)
            ]
        ).sum()
        return total / sum(one.numel() for one in parameters)
