"""GPT-2."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

from fanin.errors import ModelError
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import normal


@attrs.frozen(repr=False)
class gpt2(ObservedRecipe):
    """N(0, 0.02); the last weight of each residual branch divided by sqrt(branches).

    GPT-2 counts N = 2 x layers residual branches and scales by 1 / sqrt(N). The number is read
    from the dataflow, as the signals that are added to one stream, so that a renamed layer
    changes nothing: encoder and decoder have depths of their own, and attention and MLP in
    parallel count as two. Routers of experts and gates only weigh a signal and are not scaled.
    Biases 0, norms 1 and 0, positions N(0, 0.02) as in Hugging Face's code (OpenAI's has 0.01).

    Args:
        std: of all weights and tables.

    Raises:
        ModelError: from ``plan``: the model has no residual branch.

    References:
        Radford et al., Language models are unsupervised multitask learners, 2019, section 2.3.
    """

    std: float = 0.02

    name = "gpt2"
    rule = "N(0, 0.02), last weight of each residual branch N(0, 0.02 / sqrt(branches))"
    use = "pre-norm transformers of GPT-2's kind"
    citation = "Radford et al. Language models are unsupervised multitask learners. 2019. 2.3"
    argument = "std"

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        if not anatomy.branches:
            raise ModelError(
                "recipe 'gpt2' scales residual branches, and the pass of "
                f"{type(anatomy.model).__name__} showed none. Take 'normal:0.02', or a recipe "
                "for plain networks such as 'he_normal'"
            )
        last = anatomy.last_weights()

        def weight(use: Use) -> Choice:
            branch = last.get(use.parameter)
            if branch is None:
                return normal(std=self.std), f"N(0, {self.std:g}) as in GPT-2"
            number = anatomy.depth_of(branch)
            return (
                normal(std=self.std / math.sqrt(number)),
                f"{number} signals are added to its stream: divided by sqrt({number})",
            )

        return anatomy.rows(
            weight,
            signal=lambda _: (normal(std=self.std), f"N(0, {self.std:g}) as in GPT-2"),
            source=self.citation,
        )
