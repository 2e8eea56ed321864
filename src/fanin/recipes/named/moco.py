"""MoCo v3's start of vision transformers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

from fanin.errors import ModelError
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.vision import patch_embeddings, require_vision, token
from fanin.schemes import normal, uniform, xavier_uniform


@attrs.frozen(repr=False)
class moco(ObservedRecipe):
    """Xavier's uniform on every weight, query, key and value each by itself.

    Where they are packed in one weight of 3 d rows, its elements are U(-b, b) with
    b = sqrt(6 / (d + rows / 3)). The embedding of patches is drawn as the matrix that it is for
    a flattened patch. Class tokens N(0, 1e-6), learned positions N(0, 0.02) (MoCo v3 has fixed
    ones), biases 0, norms 1 and 0.

    Raises:
        ModelError: from ``plan``: no weight with attention, or none that reads the image.

    References:
        Chen, Xie, He, 2021, arXiv:2104.02057, section 4.1 and the code, vits.py.
    """

    name = "moco"
    rule = "Xavier's uniform on every weight, query, key and value each by itself"
    use = "vision transformers, as MoCo v3 starts them"
    citation = (
        "Chen, Xie, He. An empirical study of training self-supervised vision transformers. ICCV "
        "2021. arXiv:2104.02057. Code, vits.py"
    )

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        require_vision(anatomy, self.name)
        patches = patch_embeddings(anatomy)

        def weight(use: Use) -> Choice:
            if use.layout is None:
                raise ModelError(f"recipe 'moco' does not know the fans of {use.parameter!r}")
            if use.parameter in patches:
                outputs = math.prod(use.layout.shape[axis] for axis in use.layout.out_axes)
                bound = math.sqrt(6 / (use.layout.fan_in + outputs))
                return uniform(-bound, bound), (
                    f"the matrix of a flattened patch of {use.fan_in:g} numbers, Xavier"
                )
            return xavier_uniform(), f"Xavier, fans {use.fan_in:g} and {use.fan_out:g}"

        def table(_: Use) -> Choice:
            return normal(std=0.02), "N(0, 0.02) for positions"

        return anatomy.rows(weight, table=table, signal=token, source=self.citation)
