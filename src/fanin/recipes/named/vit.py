"""Vision transformers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, get_args

import attrs

from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice, Part
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.vision import patch_embeddings, require_vision, token
from fanin.schemes import lecun_normal, normal, torch_default, xavier_uniform, zeros
from fanin.schemes.scheme import one_of

Form = Literal["timm", "jax"]


@attrs.frozen(repr=False)
class vit(ObservedRecipe):
    """As timm starts vision transformers, or as the original code in JAX.

    "timm": weights N(0, 0.02), biases 0; the embedding of patches, weight and bias, as torch has
    it, U(-b, b) with b = 1 / sqrt(fan_in). "jax": Xavier's uniform, biases of the MLP
    N(0, 1e-6), others 0; the embedding of patches LeCun's normal (whose tails JAX cuts), the
    head 0. Both: positions N(0, 0.02), class tokens N(0, 1e-6), norms 1 and 0.

    Args:
        form: "timm" or "jax".

    Raises:
        UnknownNameError: no such form.
        ModelError: from ``plan``: no weight with attention, or none that reads the image.

    References:
        Dosovitskiy et al., 2020, arXiv:2010.11929; timm, vision_transformer.py,
        init_weights_vit_timm and init_weights_vit_jax.
    """

    form: Form = "timm"

    name = "vit"
    rule = "N(0, 0.02), the embedding of patches as torch has it; form='jax': Xavier, head 0"
    use = "vision transformers"
    citation = (
        "Dosovitskiy et al. An image is worth 16x16 words. ICLR 2021. arXiv:2010.11929; timm, "
        "vision_transformer.py"
    )

    def __attrs_post_init__(self) -> None:
        one_of("form", self.form, get_args(Form))

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        require_vision(anatomy, self.name)
        patches = patch_embeddings(anatomy)
        choose = _timm if self.form == "timm" else _jax

        def weight(use: Use) -> Choice:
            return choose(use, use.parameter in patches)

        def table(_: Use) -> Choice:
            return normal(std=0.02), "N(0, 0.02) for positions"

        rows = anatomy.rows(weight, table=table, signal=token, source=self.citation)
        return [self._with_bias(anatomy, row, patches) for row in rows]

    def _with_bias(self, anatomy: Anatomy, row: Row, patches: frozenset[str]) -> Row:
        use = anatomy.main_use(row.parameter)
        if use is None or anatomy.part(row.parameter) is not Part.BIAS:
            return row
        beside = next((one for one in anatomy.weights if one.signal == use.signal), None)
        if beside is None or beside.layout is None:
            return row
        if self.form == "timm" and beside.parameter in patches:
            return replace(
                row, scheme=torch_default(), layout=beside.layout, source=self.citation,
                reason="as torch has it beside the embedding of patches",
            )  # fmt: skip
        in_mlp = beside.branch is not None and beside.attention is None
        if self.form == "jax" and in_mlp:
            small = "N(0, 1e-6) for biases of the MLP, as in the original code"
            return replace(row, scheme=normal(std=1e-6), reason=small, source=self.citation)
        return row


def _timm(_: Use, reads_patches: bool) -> Choice:
    if reads_patches:
        return torch_default(), "the embedding of patches as torch has it"
    return normal(std=0.02), "N(0, 0.02) as in timm"


def _jax(use: Use, reads_patches: bool) -> Choice:
    if reads_patches:
        return lecun_normal(), "the embedding of patches, LeCun's normal"
    if use.feeds_output and use.branch is None:
        return zeros(), "the head: the first predictions are equal for all classes"
    return xavier_uniform(), f"Xavier, fans {use.fan_in:g} and {use.fan_out:g}"
