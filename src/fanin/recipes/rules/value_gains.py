"""Rows for transformers that scale values, outputs and MLPs, and not queries and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from fanin.observation.records import Branch, Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.packed_values import Law, are_packed, packed_row, roles, xavier


@attrs.frozen
class Gains:
    """What is scaled by how much.

    Args:
        recipe: its name.
        of_branch: Xavier's gain of value, output and MLP weights of a branch, and its reason.
        law: of one element.
        source: of the rule.
    """

    recipe: str
    of_branch: Callable[[Branch], tuple[float, str]]
    law: Law
    source: str


def value_rows(
    anatomy: Anatomy,
    values: Mapping[str, frozenset[int]],
    gains: Gains,
    table: Callable[[Use], Choice],
    signal: Callable[[Use], Choice],
) -> tuple[Row, ...]:
    """A row for each parameter that is understood: Xavier, with gains inside branches.

    Queries, keys, routers, gates and all outside of branches have gain 1.

    Args:
        anatomy: of the model.
        values: for each weight of attention, which of its outputs are values.
        gains: inside branches.
        table: chooses for tables.
        signal: chooses for learned signals.

    Raises:
        ModelError: a weight packs values with others, and it is not known where.
    """

    def weight(use: Use) -> Choice:
        gain, reason = _gain(anatomy, use, gains)
        return xavier(gain, gains.law), reason

    packed: dict[str, Row] = {}
    for use in anatomy.weights:
        branch = anatomy.branch_of(use)
        if branch is None or not are_packed(anatomy, use.parameter):
            continue
        gain, reason = gains.of_branch(branch)

        def of(is_value: bool, gain: float = gain) -> float:
            return gain if is_value else 1.0

        packed[use.parameter] = packed_row(
            anatomy, use, values.get(use.parameter), of, law=gains.law, recipe=gains.recipe,
            reason=f"Xavier, the values with {reason}, queries and keys with 1",
            source=gains.source,
        )  # fmt: skip
    rows = anatomy.rows(weight, table=table, signal=signal, source=gains.source)
    return tuple(packed.get(row.parameter, row) for row in rows)


def _gain(anatomy: Anatomy, use: Use, gains: Gains) -> tuple[float, str]:
    plays = roles(anatomy, use.parameter)
    branch = anatomy.branch_of(use)
    if branch is None:
        return 1.0, "Xavier, outside of branches"
    if plays and not plays & {"value", "output"}:
        return 1.0, f"Xavier, {' and '.join(sorted(plays))} not scaled"
    only_weighs = use.last_of_branch and use.parameter not in anatomy.last_weights()
    if only_weighs and not plays:
        return 1.0, "Xavier, it only weighs the signal"
    gain, reason = gains.of_branch(branch)
    return gain, f"Xavier with {reason}"
