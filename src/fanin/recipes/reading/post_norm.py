"""Post-norm transformers: norm(skip + branch), and which stream reads which."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from fanin.errors import ModelError
from fanin.observation.records import Branch
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.residual import described


@attrs.frozen
class Reading:
    """A stream, with the streams that attend to it and whether it attends to another.

    Args:
        stream: its branches.
        sublayers: how many signals are added to it.
        readers: signals that are added to each stream that attends to it.
        crosses: it attends to another signal, as a decoder to its encoder.
    """

    stream: tuple[Branch, ...]
    sublayers: int
    readers: tuple[int, ...]
    crosses: bool

    @property
    def is_encoder(self) -> bool:
        """Another stream attends to it."""
        return bool(self.readers)


def readings(anatomy: Anatomy) -> tuple[Reading, ...]:
    """The streams of a model, in order."""
    streams = anatomy.residual
    readers: dict[int, set[int]] = {}
    for use in anatomy.weights:
        if use.attention is None or use.signal is None:
            continue
        for one in anatomy.uses_of(use.parameter):
            branch = anatomy.branch_of(one)
            if branch is None or one.branch == branch.index or one.signal is None:
                continue
            source = streams.stream_before(one.signal)
            if source is not None and branch not in source:
                place = anatomy.streams.index(source)
                readers.setdefault(place, set()).add(anatomy.streams.index(streams.of(branch)))
    sizes = [streams.outputs(stream) for stream in anatomy.streams]
    return tuple(
        Reading(
            stream,
            sizes[place],
            tuple(sizes[reader] for reader in sorted(readers.get(place, ()))),
            any(streams.crosses(branch) for branch in stream),
        )
        for place, stream in enumerate(anatomy.streams)
    )


def require_branches(anatomy: Anatomy, name: str) -> None:
    """Raise where a recipe for transformers has nothing to scale.

    Raises:
        ModelError: there is no residual branch, or none with attention.
    """
    model = type(anatomy.model).__name__
    if not anatomy.branches:
        raise ModelError(
            f"recipe {name!r} scales the residual branches of transformers, and the pass of "
            f"{model} showed none. Take a recipe for plain networks such as 'he_normal'"
        )
    if not any(use.attention for use in anatomy.weights):
        raise ModelError(
            f"recipe {name!r} is for transformers, and {model} has residual branches without "
            f"attention, first {described(anatomy, anatomy.branches[0])}. Take a recipe for "
            "residual networks, such as 'zero_gamma' with norms or 'fixup' without"
        )


def require_post_norm(anatomy: Anatomy, name: str, instead: Sequence[str]) -> None:
    """Raise where the sum of skip and branch does not go through a norm at once.

    Raises:
        ModelError: naming the first such branch.
    """
    ways = anatomy.residual.ways
    for branch in anatomy.branches:
        kinds = {ways.steps[step].kind for step in anatomy.residual.after(branch.join)}
        normed = kinds - {"output", "loss"} == {"norm"}
        before = any(
            ways.steps[step].kind == "norm" and _leads_in(anatomy, step, branch)
            for step in anatomy.residual.after(branch.start)
        )
        if before or not normed:
            why = "a norm inside it comes first" if before else "no norm follows its sum directly"
            raise ModelError(
                f"recipe {name!r} is for post-norm transformers, x = norm(skip + branch), and "
                f"{described(anatomy, branch)} is pre-norm: {why}. Put the norm behind the sum "
                f"(norm_first=False in torch.nn), or take {' or '.join(map(repr, instead))}"
            )


def _leads_in(anatomy: Anatomy, step: str, branch: Branch) -> bool:
    ways = anatomy.residual.ways
    return bool(ways.first_weights(step, ways.after, branch.join) & set(branch.weights))
