"""Several recipes for one model, each for the parameters whose names match a pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from torch import nn

from fanin.errors import InputError, ModelError
from fanin.recipes.assembling import Choice, assembled
from fanin.recipes.catalogue import RecipeLike, as_recipe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.reading.matched import listed, matched, require_matches, require_pattern
from fanin.recipes.recipe import Batch, Recipe, needed_by

Patterns = tuple[tuple[str, Recipe | None], ...]
"""Patterns and what they ask for; None: the parameters stay as they are."""


def as_patterns(mapping: Mapping[str, RecipeLike | None]) -> Patterns:
    """Patterns with what a mapping gives them, in its order.

    Raises:
        InputError: it is no mapping or empty, a key is no text, or a value no recipe.
        UnknownNameError: a name that is misspelt.
    """
    if not isinstance(mapping, Mapping) or not mapping:
        raise InputError(
            "patterns are a mapping such as {'head.*': 'zeros', '*': 'he_normal'}, got "
            f"{mapping!r}"
        )
    made = []
    for pattern, value in mapping.items():
        require_pattern(pattern)
        try:
            keeps = value is None or value == "keep"
            made.append((pattern, None if keeps else as_recipe(value)))  # type: ignore[arg-type]
        except InputError as error:
            error.add_note(f"as the value of pattern {pattern!r}")
            raise
    return tuple(made)


def as_text(patterns: Patterns) -> str:
    """As one writes them."""
    return ", ".join(
        f"{pattern!r}: {'keep' if recipe is None else recipe}" for pattern, recipe in patterns
    )


@attrs.frozen
class ByPattern:
    """For each parameter what the first pattern asks for that matches its name.

    A scheme whose pattern matches a weight acts as it does on a whole model: biases 0, norms 1
    and 0. One whose pattern matches none is put directly on what it matches. A recipe plans the
    whole model, and of this plan its parameters' rows are taken. None or "keep" leaves
    parameters as they are.

    Args:
        mapping: patterns of names, as ``fnmatch`` reads them, to schemes, recipes, names of
            either, or "keep".

    Raises:
        InputError: it is empty, a pattern is no text, or a value is no recipe.
        UnknownNameError: a name is misspelt.

    Example:
        >>> import fanin
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> plan = ByPattern({"2.*": "zeros", "*": "he_normal"}).plan(net)
        >>> [(row.parameter, row.scheme) for row in plan.rows if "weight" in row.parameter]
        [('0.weight', he_normal()), ('2.weight', zeros())]
    """

    patterns: Patterns = attrs.field(alias="mapping", converter=as_patterns)

    @property
    def needs(self) -> str:
        """What a plan is made from: "model", "inputs" or "targets"."""
        return needed_by(*(recipe for _, recipe in self.patterns))

    def __str__(self) -> str:
        return f"{{{as_text(self.patterns)}}}"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        """One row per parameter that is drawn; the model is only read.

        Args:
            model: any ``torch.nn.Module``.
            inputs: a batch, as ``fanin.observe`` takes it, for the recipes that read one;
                without it a scheme knows the parameters of torch.nn's modules.
            targets: for the loss.
            loss: ``loss(outputs, targets)`` of one number.
            seed: of the weights that a recipe measures.

        Raises:
            ModelError: a parameter that no pattern matches, a pattern that matches none, or
                what a recipe in it raises.
            InputError: a recipe in it needs inputs and there are none.
        """
        require_matches("the recipe by patterns", (one for one, _ in self.patterns), model)
        choices, notes = taken(self.patterns, model)
        names = {name for choice in choices for name in choice.names}
        missed = [name for name, _ in model.named_parameters() if name not in names]
        if missed:
            raise ModelError(
                f"no pattern matches {listed(missed)}. Add patterns that do, or a last one "
                "{..., '*': 'he_normal'}, or {..., '*': 'keep'} to leave the rest as it is"
            )
        batch = Batch(inputs, targets, loss)
        return assembled(str(self), choices, model, batch, seed=seed, notes=notes)


def taken(patterns: Patterns, model: nn.Module) -> tuple[Sequence[Choice], Sequence[str]]:
    """What each pattern decides, the first that matches a parameter, and notes on idle ones."""
    left = {name for name, _ in model.named_parameters()}
    choices, notes = [], []
    for pattern, recipe in patterns:
        every = matched(pattern, model)
        names = tuple(name for name in every if name in left)
        left -= set(names)
        if names:
            choices.append(Choice(f"pattern {pattern!r}", recipe, names, every))
        else:
            notes.append(
                f"pattern {pattern!r} decides nothing: patterns before it take all "
                f"{len(every)} parameters that it matches"
            )
    return choices, notes
