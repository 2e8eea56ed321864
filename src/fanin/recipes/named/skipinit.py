"""SkipInit."""

from __future__ import annotations

import attrs

from fanin.observation.records import Use
from fanin.recipes.reading.anatomy import Choice
from fanin.recipes.rules.gated import GatedRecipe
from fanin.schemes import he_normal


@attrs.frozen(repr=False)
class skipinit(GatedRecipe):
    """The learned factor of each residual branch 0, weights He normal, biases 0.

    Raises:
        ModelError: from ``plan``: there is no residual branch, or one has no learned factor
            that multiplies its output.

    References:
        De, Smith, Batch normalization biases residual blocks towards the identity function in
        deep networks, 2020, arXiv:2002.10444, section 4.
    """

    name = "skipinit"
    rule = "x + a f(x) with a = 0 for each residual branch, weights He normal"
    use = "residual networks without normalisation whose branches have a learned factor"
    citation = (
        "De, Smith. Batch normalization biases residual blocks towards the identity function in "
        "deep networks. NeurIPS 2020. arXiv:2002.10444. Section 4"
    )

    def choice(self, use: Use) -> Choice:
        return he_normal(), f"He normal, fan_in {use.fan_in:g}"
