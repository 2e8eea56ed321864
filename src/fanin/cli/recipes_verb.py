"""``fanin recipes`` and ``fanin recipes show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fanin.report.recipe_facts import Facts

_OPTIONS = {
    "model": "",
    "inputs": " --input 8,3,32,32",
    "targets": " --batch package.module:batch",
}


@click.group("recipes", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the recipes for whole models: what each needs and does, and when to take it.

    Every scheme of fanin schemes is a recipe, too: it goes on every weight.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json goes behind the name: fanin recipes show NAME --json")
        return
    from fanin.report.recipe_facts import NEEDS, all_facts

    known = all_facts()
    if as_json:
        listed = [_plain(one) for one in known]
        click.echo(json.dumps({"schema": "fanin.recipes/1", "recipes": listed}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in known:
        names = Text(_text(one), style="bold")
        for alias in one.aliases:
            names.append(f"\n{alias}", style="dim")
        lines = Text(one.rule)
        if one.use:
            lines.append(f"\n{one.use}")
        lines.append(f"\nneeds {NEEDS.get(one.needs, one.needs)}", style="dim")
        table.add_row(names, lines)
    Console(highlight=False).print(table)
    click.echo("Show one: fanin recipes show gpt2. Schemes are recipes too: fanin schemes.")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show a recipe: its rule, when to use it, what it needs, its arguments, where it is from."""
    from fanin.report.recipe_facts import facts

    one = facts(_known(name))
    if as_json:
        click.echo(json.dumps({"schema": "fanin.recipe/1", **_plain(one)}, indent=1))
        return
    _print(one)


def _print(one: Facts) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from fanin.report.recipe_facts import NEEDS

    console = Console(highlight=False)
    console.print(Text(", ".join((one.name, *one.aliases)), style="bold"))
    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for label, text in (
        ("rule", one.rule),
        ("use", one.use),
        ("needs", NEEDS.get(one.needs, one.needs)),
        ("source", one.citation),
        ("Python", one.example),
        ("shell", f"fanin init TARGET --recipe {_text(one)}{_OPTIONS.get(one.needs, '')}"),
    ):
        if text:
            rows.add_row(label, Text(text))
    console.print(Padding(rows, (0, 0, 0, 2)))
    if one.arguments:
        console.print(Text("\narguments", style="dim"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for argument in one.arguments:
            default = "must be given" if argument.default is None else f"= {argument.default}"
            table.add_row(Text(argument.name), Text(f"{default}; {argument.about}".rstrip("; ")))
        console.print(Padding(table, (0, 0, 0, 2)))


def _text(one: Facts) -> str:
    """As it stands behind --recipe."""
    return one.name if one.argument is None else f"{one.name}[:{one.argument.upper()}]"


def _plain(one: Facts) -> dict[str, Any]:
    import attrs

    return attrs.asdict(one)


def _known(text: str) -> str:
    """The recipe that a name or alias means.

    Raises:
        InputError: it is a scheme.
        UnknownNameError: it is misspelt; the nearest are offered.
    """
    from fanin.errors import InputError, UnknownNameError
    from fanin.recipes import recipe_names
    from fanin.recipes.named import ALIASES
    from fanin.schemes import ALIASES as SCHEME_ALIASES
    from fanin.schemes import names

    key = text.partition(":")[0].strip().lower().replace("-", "_")
    key = ALIASES.get(key, key).partition(":")[0]
    if key in recipe_names():
        return key
    if key in names() or key in SCHEME_ALIASES:
        raise InputError(
            f"{key!r} is a scheme; as a recipe it goes on every weight, with biases 0 and norms 1 "
            f"and 0. See fanin schemes show {key}"
        )
    raise UnknownNameError("recipe", text, [*recipe_names(), *ALIASES])
