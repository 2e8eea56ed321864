"""What recipes for vision transformers share: patches and tokens."""

from __future__ import annotations

from fanin.errors import ModelError
from fanin.observation.records import Use
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.schemes import normal


def require_vision(anatomy: Anatomy, name: str) -> None:
    """Raise where a model is no vision transformer.

    Raises:
        ModelError: it has no attention, or no weight reads the input.
    """
    model = type(anatomy.model).__name__
    if not any(use.attention for use in anatomy.weights):
        raise ModelError(
            f"recipe {name!r} is for vision transformers, and {model} has no attention. For "
            "convolutional networks take 'he_normal' or 'zero_gamma'"
        )
    if not patch_embeddings(anatomy):
        tables = [
            use.parameter
            for use in anatomy.observation.uses
            if use.role == "table" and use.source is not None and use.source.kind == "input"
        ]
        reads = f"; {tables[0]!r} looks up tokens. Take 'gpt2' or 'bert'" if tables else ""
        raise ModelError(
            f"recipe {name!r} is for vision transformers, and no weight of {model} reads the "
            f"input as patches{reads}"
        )


def patch_embeddings(anatomy: Anatomy) -> frozenset[str]:
    """The weights that read the model's input and make no part of an attention."""
    return frozenset(
        use.parameter
        for use in anatomy.weights
        if use.source is not None and use.source.kind == "input" and use.attention is None
        and use.branch is None
    )  # fmt: skip


def token(use: Use) -> Choice:
    """Tokens that stand beside the patches start at almost 0, positions at N(0, 0.02)."""
    if use.role == "input":
        return normal(std=1e-6), "N(0, 1e-6) for a token of its own, as timm has it"
    return normal(std=0.02), "N(0, 0.02) for positions"
