"""How rates and residual branches shrink with the number of branches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fanin.errors import InputError, ModelError
from fanin.observation.records import Branch
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.rules.widths import folded


def as_depth(value: object) -> int:
    """A number of branches as it is.

    Raises:
        InputError: it is no positive whole number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1 or value % 1:
        raise InputError(
            "base_depth must be the number of residual branches of the base model (two for each "
            f"layer of a transformer), got {value!r}"
        )
    return int(value)


def deepened(
    recipe: str, anatomy: Anatomy, rows: list[Row], base_depth: int, alpha: float
) -> list[Row]:
    """Rows with the factors of depth: r^-alpha on branches, r^(alpha - 1) on rates inside them.

    r is the number of branches of the stream over ``base_depth``. The factor of a branch is
    folded into its last weights, with their biases.

    Raises:
        ModelError: there is no branch, or a norm would undo the factor of one.
    """
    if not anatomy.branches:
        raise ModelError(
            f"recipe {recipe!r} scales residual branches, and the pass of "
            f"{type(anatomy.model).__name__} showed none. Take 'mup', which goes by width alone"
        )
    _require_no_norm_behind(recipe, anatomy)
    ratio = {branch.index: anatomy.depth_of(branch) / base_depth for branch in anatomy.branches}
    inside, last = _inside(anatomy), _last(anatomy)
    made = []
    for row in rows:
        branch = inside.get(row.parameter)
        if branch is None:
            made.append(row)
            continue
        depth = ratio[branch]
        grown = replace(row, learning_rate=row.learning_rate * depth ** (alpha - 1))
        if row.parameter in last:
            factor = depth**-alpha
            why = f"times {factor:.3g}, as the stream has {depth:g} times the branches of the base"
            grown = folded(grown, factor, why)
        made.append(grown)
    return made


def _inside(anatomy: Anatomy) -> Mapping[str, int]:
    """The parameters that belong to a branch, with its index."""
    known = {branch.index for branch in anatomy.branches}
    found: dict[str, int] = {}
    for use in anatomy.observation.uses:
        if use.branch in known and use.branch is not None:
            found.setdefault(use.parameter, use.branch)
    return found


def _last(anatomy: Anatomy) -> set[str]:
    """The last weights of branches, and the biases beside them."""
    return {
        use.parameter
        for use in anatomy.observation.uses
        if use.last_of_branch and use.role in {"weight", "bias"}
    }


def _require_no_norm_behind(recipe: str, anatomy: Anatomy) -> None:
    last: Mapping[str, Branch] = anatomy.last_weights()
    for name in last:
        use = anatomy.main_use(name)
        if use is not None and use.norm_after is not None:
            raise ModelError(
                f"recipe {recipe!r} makes residual branches smaller by their last weight, and the "
                f"norm {use.norm_after.module!r} behind {name!r} undoes that. Multiply the branch "
                "in forward instead, or take 'zero_gamma' for networks with such norms"
            )
