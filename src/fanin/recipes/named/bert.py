"""BERT."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import normal


@attrs.frozen(repr=False)
class bert(ObservedRecipe):
    """N(0, 0.02) on every weight, table and learned signal, whatever the depth.

    Biases 0, norms 1 and 0, the row of the padding token 0. So Hugging Face starts BERT, ViT,
    Llama and most others. Google's code cuts the normal at two standard deviations and does
    not correct for it: its weights have a standard deviation of 0.0176.

    Args:
        std: of all weights and tables.

    References:
        Devlin et al., 2018, arXiv:1810.04805; the number is in the authors' code.
    """

    std: float = 0.02

    name = "bert"
    rule = "N(0, 0.02) on every weight and table, whatever the depth"
    use = "post-norm transformers of BERT's kind; what Hugging Face gives most models"
    citation = (
        "Devlin, Chang, Lee, Toutanova. BERT. NAACL 2019. arXiv:1810.04805. The authors' code, "
        "modeling.py, initializer_range"
    )
    argument = "std"

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        def drawn(_: Use) -> Choice:
            return normal(std=self.std), f"N(0, {self.std:g}) as in BERT"

        return anatomy.rows(drawn, signal=drawn, source=self.citation)
