"""Zero gamma: residual branches that end in a norm start at 0."""

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
from fanin.recipes.reading.residual import described, heads, last_factors, some
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import he_normal, normal, zeros


@attrs.frozen(repr=False)
class zero_gamma(ObservedRecipe):
    """He normal with fan_out; the scale of the last norm of each residual branch 0.

    Every block then starts as its skip path. Other norms 1 and 0, biases 0, the classifier
    N(0, 0.01). A branch that does not end in a norm is left as He normal draws it, and named in
    the notes.

    Args:
        head_std: of the weight that puts out the model's output.

    Raises:
        ModelError: from ``plan``: no residual branch ends in a norm.

    References:
        Goyal et al., Accurate, large minibatch SGD, 2017, arXiv:1706.02677, section 5.1.
    """

    head_std: float = 0.01

    name = "zero_gamma"
    rule = "He normal (fan_out), scale of the last norm of each residual branch 0, head N(0, 0.01)"
    use = "ResNets whose branches end in a norm, with large batches"
    citation = (
        "Goyal, Dollar, Girshick, Noordhuis, Wesolowski, Kyrola, Tulloch, Jia, He. Accurate, large "
        "minibatch SGD: training ImageNet in 1 hour. 2017. arXiv:1706.02677. 5.1"
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
        rows, without = self._rows(anatomy)
        notes = []
        if without:
            notes.append(
                f"{len(without)} of {len(anatomy.branches)} residual branches do not end in a "
                f"norm and do not start at 0: {some(described(anatomy, one) for one in without)}"
            )
        return anatomy.planned(str(self), rows, self.citation, notes)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        return self._rows(anatomy)[0]

    def _rows(self, anatomy: Anatomy) -> tuple[list[Row], list[Branch]]:
        gammas: dict[str, Branch] = {}
        without = []
        for branch in anatomy.branches:
            found = last_factors(anatomy, branch, Part.NORM_SCALE)
            gammas.update(dict.fromkeys(found, branch))
            if not found:
                without.append(branch)
        if not gammas:
            raise ModelError(self._refusal(anatomy, without))

        classifiers = heads(anatomy)

        def weight(use: Use) -> Choice:
            if use.parameter in classifiers:
                return (
                    normal(std=self.head_std),
                    f"the classifier starts at N(0, {self.head_std:g})",
                )
            return he_normal(mode="fan_out"), f"He normal, fan_out {use.fan_out:g}"

        rows = list(anatomy.rows(weight, source=self.citation))
        rows += [
            anatomy.row(
                name, zeros(), f"the last norm of {described(anatomy, branch)}: 0, so that the "
                "block starts as its skip path", self.citation,
            )
            for name, branch in gammas.items()
        ]  # fmt: skip
        return rows, without

    def _refusal(self, anatomy: Anatomy, without: list[Branch]) -> str:
        kind = type(anatomy.model).__name__
        if not without:
            return (
                "recipe 'zero_gamma' starts residual branches at 0, and the pass of "
                f"{kind} showed none. Take 'he_normal'"
            )
        return (
            "recipe 'zero_gamma' starts a residual branch at 0 by the trainable scale of the norm "
            f"that it ends in, and {described(anatomy, without[0])} does not end in one, nor "
            f"does another of {kind}. Take 'fixup' for branches without norms, or 'gpt2' for "
            "pre-norm transformers"
        )
