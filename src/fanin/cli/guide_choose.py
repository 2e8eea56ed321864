"""``fanin guide choose``."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import click


@click.command("choose")
@click.option(
    "--architecture",
    metavar="NAME",
    help="mlp, cnn, resnet, rnn, lstm, gru, decoder, "
    "encoder, vit or autoencoder; transformer is a decoder.",
)
@click.option("--activation", metavar="NAME", help="relu, gelu, tanh, ...")
@click.option("--depth", type=int, help="Layers or blocks.")
@click.option("--width", type=int, help="Units or channels; with --architecture alone.")
@click.option(
    "--norm",
    metavar="NAME",
    help="none, batch, group, layer, rms, or post: a layer norm after each sum.",
)
@click.option("--residual/--no-residual", default=None, help="Signals are added to a stream.")
@click.option(
    "--task", metavar="NAME", help="classes, regression, or rare: two classes, one seldom."
)
@click.option("--tuning", metavar="NAME", help="What is trained: all, head, lora.")
@click.option("--tied", is_flag=True, default=None, help="The table of tokens is the head, too.")
@click.option("--length", type=int, help="Steps of a sequence.")
@click.option("--html", type=click.Path(), help="Write a page to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def choose(html: str | None, *, as_json: bool, **answers: Any) -> None:
    """Say which initialization is for which network, why, and what it gives up.

    Without --architecture: the rows of the decision table that fit the answers. With it that
    very network is built, read by fanin.recommend, and its prescription shown beside others.
    """
    from fanin.report.files import require_writable

    if html is not None:
        require_writable(html)
    given = {name: value for name, value in answers.items() if value is not None}
    command = shlex.join(["fanin", *sys.argv[1:]])
    if "architecture" in given:
        _one(given, html, command, as_json=as_json)
    else:
        _table(given, html, command, as_json=as_json)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)


def _table(given: dict[str, Any], html: str | None, command: str, *, as_json: bool) -> None:
    from fanin.guide import choosing
    from fanin.report import choice_view

    rows = choosing.choose(**given)
    if html is not None:
        choice_view.write_page(rows, html, command=command)
    if as_json:
        listed = [one.to_dict() for one in rows]
        click.echo(json.dumps({"schema": "fanin.choices/1", "rows": listed}, indent=1))
        return
    from rich.console import Console, Group

    console = Console(highlight=False)
    console.print(Group(*choice_view.table_view(rows, console.options)))


def _one(given: dict[str, Any], html: str | None, command: str, *, as_json: bool) -> None:
    from fanin.guide import choosing
    from fanin.report import choice_view

    choice = choosing.prescribe(**given)
    compared = choosing.judged(choice)
    if html is not None:
        choice_view.write_page([choice], html, compared, command=command)
    if as_json:
        said = {
            "schema": "fanin.choice/1",
            **choice.to_dict(),
            "judged": [one.to_dict() for one in compared],
            "python": choice.code(),
        }
        click.echo(json.dumps(said, indent=1))
        return
    from rich.console import Console, Group

    console = Console(highlight=False)
    console.print(Group(*choice_view.choice_view(choice, compared, console.options)))
