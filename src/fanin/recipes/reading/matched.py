"""Patterns of parameter names: what they match, and what is wrong where they match nothing."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn

from fanin.errors import InputError, ModelError
from fanin.recipes.plans.writer import noise_names


def require_pattern(pattern: object) -> str:
    """A pattern as it is.

    Raises:
        InputError: it is no text, or empty.
    """
    if not isinstance(pattern, str) or not pattern:
        raise InputError(
            f"a pattern of parameter names is a text such as '*.bias', got {pattern!r}"
        )
    return pattern


def matched(pattern: str, model: nn.Module) -> tuple[str, ...]:
    """The parameters that a pattern matches, in the model's order.

    The prefix that ``torch.compile`` puts into a name may be left out of the pattern.
    """
    plain = noise_names(name for name, _ in model.named_parameters())
    return tuple(
        name for name in plain if fnmatchcase(name, pattern) or fnmatchcase(plain[name], pattern)
    )


def require_matches(recipe: str, patterns: Iterable[str], model: nn.Module) -> None:
    """Check that each pattern matches a parameter.

    Raises:
        ModelError: naming those that match none, and what they may have meant.
    """
    idle = [pattern for pattern in patterns if not matched(pattern, model)]
    if not idle:
        return
    whose = "s match" if len(idle) > 1 else " matches"
    raise ModelError(
        f"{recipe}: the pattern{whose} no parameter of {type(model).__name__}: {listed(idle)}. "
        f"{_offer(idle, model)}Names are those of model.named_parameters(), and '*' stands for "
        "any text"
    )


def _offer(idle: Iterable[str], model: nn.Module) -> str:
    """Other names of tied parameters, which are easily taken for names of their own."""
    names = {id(one): name for name, one in model.named_parameters()}
    for name, one in model.named_parameters(remove_duplicate=False):
        if name != names[id(one)] and any(fnmatchcase(name, pattern) for pattern in idle):
            return f"{name!r} is tied to {names[id(one)]!r}, the name to use. "
    return ""


def listed(names: Iterable[str]) -> str:
    """Up to five names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - 5} more" if len(every) > 5 else ""
    return ", ".join(map(repr, every[:5])) + more
