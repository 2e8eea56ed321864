"""``fanin schemes`` and ``fanin schemes show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fanin.report.histogram import Drawn


@click.group("schemes", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the schemes: name, formula, when to use it, source."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json goes behind the name: fanin schemes show NAME --json")
        return
    about = [_about(name) for name in _names()]
    if as_json:
        click.echo(json.dumps({"schema": "fanin.schemes/1", "schemes": about}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for scheme in about:
        names = Text(scheme["name"], style="bold")
        for alias in scheme["aliases"]:
            names.append(f"\n{alias}", style="dim")
        if scheme["argument"] is not None:
            names.append(f"\n{scheme['name']}:{scheme['argument'].upper()}", style="dim")
        lines = Text(scheme["formula"])
        lines.append(f"\n{scheme['use']}")
        lines.append(f"\n{scheme['citation']}", style="dim")
        table.add_row(names, lines)
    Console().print(table)


@command.command("show")
@click.argument("name")
@click.option(
    "--shape",
    help="Of the weight, e.g. 256,512 (out, in) or 64,32,3,3 (out, in, kernel).",
)
@click.option("--seed", default=0, show_default=True, help="Of the noise.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, shape: str | None, seed: int, as_json: bool) -> None:
    """Draw one weight by a scheme and show what came out, as numbers and as a histogram.

    NAME is a scheme, with its argument or without: he_normal, normal:0.02.
    """
    from fanin.report.histogram import draw

    drawn = draw(_scheme(name), _shape(shape), seed)
    about = _about(_known(name))
    if as_json:
        click.echo(
            json.dumps({"schema": "fanin.scheme/1", **about, "drawn": drawn.to_dict()}, indent=1)
        )
        return
    _print(about, drawn)


def _print(about: dict[str, Any], drawn: Drawn) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(drawn.scheme, style="bold"))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for label in ("formula", "use", "citation"):
        facts.add_row({"citation": "source"}.get(label, label), Text(about[label]))
    facts.add_row("weight", Text(drawn.weight))
    facts.add_row("std", Text(f"promised {drawn.promised}, drawn {drawn.std:.5g}"))
    facts.add_row("range", Text(f"{drawn.least:.5g} to {drawn.greatest:.5g}"))
    if drawn.zeros:
        facts.add_row("zeros", Text(f"{drawn.zeros:.1%} of the elements; the others:"))
    console.print(Padding(facts, (0, 0, 1, 2)))
    for line in drawn.bars(console.width - 2, plain=console.encoding.lower() not in _UNICODE):
        console.print(Text(f"  {line}"))


_UNICODE = ("utf-8", "utf8", "utf-16")


def _names() -> tuple[str, ...]:
    from fanin.schemes import names

    return names()


def _known(name: str) -> str:
    from fanin.schemes.catalogue import known_name

    return known_name(name.partition(":")[0])


def _about(name: str) -> dict[str, Any]:
    """What a scheme says of itself; another package's may say little."""
    from fanin.schemes import ALIASES
    from fanin.schemes.catalogue import factory

    scheme = factory(name)

    def said(what: str) -> str:
        text = getattr(scheme, what, "")
        return text if isinstance(text, str) else ""

    return {
        "name": name,
        "aliases": [alias for alias, known in ALIASES.items() if known == name],
        "argument": getattr(scheme, "argument", None),
        "formula": said("formula"),
        "use": said("use"),
        "citation": said("citation"),
    }


def _scheme(text: str) -> Any:
    """The scheme; an example of one that a text cannot give."""
    import torch

    from fanin import schemes

    examples = {
        "blocks": lambda: schemes.blocks(schemes.orthogonal(), schemes.normal(std=0.02)),
        "chrono_bias": lambda: schemes.chrono_bias(100),
        "constant": lambda: schemes.constant(0.1),
        "given": lambda: schemes.given(torch.linspace(-1, 1, 256 * 512).view(256, 512)),
        "icnr": lambda: schemes.icnr(schemes.he_normal(), 2),
        "masked": lambda: schemes.masked(
            schemes.he_normal(), torch.arange(256 * 512).reshape(256, 512) % 2 == 0
        ),
        "mimetic": lambda: schemes.mimetic("query", pair="attention"),
        "per_unit": lambda: schemes.per_unit(schemes.he_normal(), torch.linspace(0, 2, 256)),
        "scaled": lambda: schemes.scaled(schemes.he_normal(), 0.5),
    }
    return examples.get(text.strip().lower(), lambda: schemes.by_name(text))()


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        sizes = tuple(int(size) for size in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise click.BadParameter(f"expected sizes such as 256,512, got {text!r}")
    return sizes
