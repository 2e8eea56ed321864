"""What a recipe says of itself: for its page, the command line, and the table of all."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any, Final

import attrs

from fanin.errors import InputError
from fanin.recipes import recipe_factory, recipe_names
from fanin.recipes.named import ALIASES

NEEDS: Final = {
    "model": "the model alone",
    "inputs": "inputs",
    "targets": "inputs, targets and loss",
}
_CALLS: Final = {
    "model": "",
    "inputs": ", inputs=x",
    "targets": ", inputs=x, targets=y, loss=loss",
}


@attrs.frozen
class Argument:
    """One argument of a recipe.

    Args:
        name: of the keyword.
        default: as Python text; None where it must be given.
        about: what it is.
    """

    name: str
    default: str | None
    about: str


@attrs.frozen
class Facts:
    """What a recipe says of itself; another package's may say little.

    Args:
        name: as in ``fanin.recipes``.
        aliases: other names that it is known by.
        needs: what a plan is made from: "model", "inputs" or "targets".
        rule: what it does.
        use: when to take it.
        citation: where the rule comes from.
        argument: the argument that a text such as ``"chrono:784"`` sets.
        arguments: all, in order.
        example: a call.
    """

    name: str
    aliases: tuple[str, ...]
    needs: str
    rule: str
    use: str
    citation: str
    argument: str | None
    arguments: tuple[Argument, ...]
    example: str


def facts(name: str) -> Facts:
    """Of the recipe that bears a name of ``recipe_names()``.

    Raises:
        InputError: a package's recipe cannot be loaded.
    """
    factory: Any = recipe_factory(name)

    def said(what: str) -> str:
        text = getattr(factory, what, "")
        return text if isinstance(text, str) else ""

    arguments = _arguments(factory)
    needs = said("needs") or "model"
    argument = said("argument") or None
    return Facts(
        name,
        tuple(alias for alias, known in ALIASES.items() if known.partition(":")[0] == name),
        needs,
        said("rule") or _first_line(factory),
        said("use"),
        said("citation"),
        argument,
        arguments,
        _example(name, needs, argument, arguments),
    )


def all_facts() -> list[Facts]:
    """Of every recipe; one that cannot be loaded says so as its rule."""
    made = []
    for name in recipe_names():
        try:
            made.append(facts(name))
        except InputError as error:
            made.append(Facts(name, (), "model", str(error), "", "", None, (), ""))
    return made


def markdown_table() -> str:
    """All recipes of fanin as a table, as ``docs/recipes.md`` has it."""
    lines = ["| recipe | needs | rule | use | source |", "| --- | --- | --- | --- | --- |"]
    for one in all_facts():
        names = ", ".join(f"`{name}`" for name in (one.name, *one.aliases))
        cells = (names, NEEDS.get(one.needs, one.needs), one.rule, one.use, one.citation)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _arguments(factory: Any) -> tuple[Argument, ...]:
    about = _documented(inspect.getdoc(factory) or "")
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        Argument(
            one.name,
            None if one.default is one.empty else _default(factory, one),
            about.get(one.name, ""),
        )
        for one in parameters
        if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}
    )


def _default(factory: Any, parameter: inspect.Parameter) -> str:
    if parameter.default is not attrs.NOTHING:
        return repr(parameter.default)
    for field in attrs.fields(factory):
        if field.alias == parameter.name and isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
            made = field.default.factory
            return repr(made()) if not field.default.takes_self else "..."
    return "..."


def _documented(text: str) -> dict[str, str]:
    """Names and texts of the section "Args:" of a docstring."""
    found = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", text, re.MULTILINE)
    made: dict[str, str] = {}
    names: list[str] = []
    for line in textwrap.dedent(found[1] if found else "").splitlines():
        start = re.match(r"(\w+(?:, \w+)*): (.*)", line)
        if start is not None:
            names = start[1].split(", ")
            made |= dict.fromkeys(names, start[2])
        elif line.strip():
            made |= {name: f"{made[name]} {line.strip()}" for name in names}
    return made


def _first_line(factory: Any) -> str:
    return (inspect.getdoc(factory) or "").partition("\n")[0]


def _example(name: str, needs: str, argument: str | None, arguments: tuple[Argument, ...]) -> str:
    required = [one.name for one in arguments if one.default is None]
    if required and required != [argument]:
        given = ", ".join(f"{one}=..." for one in required)
        recipe = f"fanin.recipes.{name}({given})"
    elif required:
        recipe = f'"{name}:NUMBER"'
    else:
        recipe = f'"{name}"'
    return f"fanin.init_(model, {recipe}{_CALLS.get(needs, '')})"
