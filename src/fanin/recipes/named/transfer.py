"""A fresh head on a trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation.records import Use
from fanin.recipes.assembling import with_rest_kept
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.heads import is_called, require_heads
from fanin.recipes.reading.matched import listed
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import he_normal, normal, zeros
from fanin.schemes.scheme import a_number, as_float


@attrs.frozen(repr=False)
class transfer(ObservedRecipe):
    """Everything as it is but the head: its weight 0, or N(0, std), and its bias 0.

    The head is what feeds the output with no other weight between. A head that starts at 0
    gives equal scores, so that the first steps train it and send no noise into the network.

    Args:
        head: a pattern of parameters, or the path of a module: everything under it is new. In a
            head of several layers the last starts as above and the others He normal. None: the
            output layers that the pass shows.
        std: of the head's weight.

    Raises:
        InputError: the std is negative or no number.
        ModelError: from ``plan``: no head, one that is tied to another weight, or a frozen one.

    References:
        He, Girshick, Dollar, 2019, arXiv:1811.08883 (transfer); Goyal et al., 2017,
        arXiv:1706.02677, section 5.1 (a last layer of N(0, 0.01)).
    """

    head: str | None = None
    std: float = attrs.field(default=0.0, converter=as_float, validator=a_number)

    name = "transfer"
    rule = "the head's weight 0 or N(0, std), its bias 0; everything else is kept"
    use = "a trained network with a new output layer"
    citation = (
        "Goyal et al. Accurate, large minibatch SGD. 2017. arXiv:1706.02677. Section 5.1 "
        "(the last layer N(0, 0.01))"
    )
    argument = "std"

    def __attrs_post_init__(self) -> None:
        normal(std=self.std)  # refuses what is no std

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        made = super().plan(model, inputs, targets, loss=loss, seed=seed)
        return with_rest_kept(made, model)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        pattern = self.head
        heads = require_heads(self.name, anatomy, pattern)
        outputs = {head.weight.parameter for head in heads}
        if pattern is None:
            biases = {head.bias for head in heads if head.bias is not None}
            names = [name for name in anatomy.parameters if name in outputs | biases]
        else:
            names = [name for name in anatomy.parameters if is_called(name, pattern)]
        self._require_own(anatomy, names)

        def weight(use: Use) -> Choice:
            if use.parameter not in outputs:
                return he_normal(), "a new layer of the head"
            if self.std:
                return normal(std=self.std), f"the head starts small: N(0, {self.std:g})"
            return zeros(), "the head starts at 0: equal scores, no noise into what is trained"

        return [row for row in anatomy.rows(weight, source=self.citation) if row.parameter in names]

    def _require_own(self, anatomy: Anatomy, names: list[str]) -> None:
        for name in names:
            known = anatomy.uses_of(name)
            roles = {use.role for use in known}
            tied = next((use.names for use in known if len(use.names) > 1), None)
            if tied or {"weight", "table"} <= roles:
                others = f" ({listed(tied)})" if tied else ""
                raise ModelError(
                    f"recipe 'transfer': the head {name!r} is tied to a weight of the network"
                    f"{others}, which a new start would destroy. Give the model a head of its own"
                )
        frozen = [name for name in names if name in anatomy.frozen]
        if frozen:
            raise ModelError(
                f"recipe 'transfer': the head {listed(frozen)} requires no gradient, so it would "
                "stay as it starts. Set requires_grad to True"
            )
