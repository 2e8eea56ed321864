"""The recipes of the field, one a file; loaded when named."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Final

from fanin.recipes.recipe import AbstractRecipe

NAMED: Final = (
    "gpt2",
    "bert",
    "t5",
    "megatron",
    "vit",
    "moco",
    "zero_gamma",
    "fixup",
    "skipinit",
    "rezero",
    "nf",
    "deepnorm",
    "t_fixup",
    "admin",
    "lsuv",
    "data_dependent",
    "metainit",
    "gradinit",
    "autoinit",
    "mup",
    "depth_mup",
    "complete_p",
    "chrono",
    "irnn",
    "forget_bias",
    "prior_bias",
    "lora",
    "transfer",
)
"""Each is a class of that name in the module of that name."""

ALIASES: Final = MappingProxyType(
    {
        "depth_scaled": "megatron",
        "completep": "complete_p",
        "mu_p": "mup",
        "salimans": "data_dependent",
        "krahenbuhl": "data_dependent:krahenbuhl",
        "nfnet": "nf",
        "tfixup": "t_fixup",
        "fresh_head": "transfer",
    }
)


def recipe_class(name: str) -> type[AbstractRecipe]:
    """The class of a name of ``NAMED``."""
    found: type[AbstractRecipe] = getattr(import_module(f"fanin.recipes.named.{name}"), name)
    return found
