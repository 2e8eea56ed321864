"""ReZero."""

from __future__ import annotations

import attrs

from fanin.observation.records import Use
from fanin.recipes.reading.anatomy import Choice
from fanin.recipes.rules.gated import GatedRecipe
from fanin.schemes import xavier_normal


@attrs.frozen(repr=False)
class rezero(GatedRecipe):
    """The learned factor of each residual branch 0, weights Xavier normal, biases 0.

    Raises:
        ModelError: from ``plan``: there is no residual branch, or one has no learned factor
            that multiplies its output.

    References:
        Bachlechner et al., ReZero is all you need, 2020, arXiv:2003.04887, section 3.
    """

    name = "rezero"
    rule = "x + a f(x) with a = 0 for each residual branch, weights Xavier normal"
    use = "deep transformers and residual networks whose branches have a learned factor"
    citation = (
        "Bachlechner, Majumder, Mao, Cottrell, McAuley. ReZero is all you need: fast convergence "
        "at large depth. 2020. arXiv:2003.04887. Section 3"
    )

    def choice(self, use: Use) -> Choice:
        return xavier_normal(), f"Xavier normal, fans {use.fan_in:g} and {use.fan_out:g}"
