"""``fanin observe``."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import click

from fanin.cli.subject import Subject, clean_output, subject_options

if TYPE_CHECKING:
    from fanin.observation import Observation


@click.command("observe")
@subject_options
@click.option("--all", "every", is_flag=True, help="A row for every use: fold no equal blocks.")
@click.option("--html", type=click.Path(), help="Write a page with the dataflow to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(subject: Subject, *, every: bool, html: str | None, as_json: bool) -> None:
    """Run the model that TARGET returns once, forward and backward, and show what it does.

    Which operation uses each parameter, its fans, what follows it, and the scale of its output
    and gradient. The loss is that of --batch, else the model's own, else a fixed random projection
    of the output.

    \b
    --batch names a function that returns
      a tensor, dict, list, ...    the inputs; a dict holds keyword arguments
      (inputs, targets)            a tuple; inputs may be a tuple or dict again
      (inputs, targets, loss)      loss(outputs, targets) returns one number
    """  # noqa: D301 - click reads the backspace
    from fanin.observation import observe
    from fanin.report.files import require_writable

    if html is not None:
        require_writable(html)
    with clean_output(as_json):
        observation = subject.given_to(observe)
    if html is not None:
        observation.to_html(html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if as_json:
        click.echo(json.dumps(observation.to_dict(), indent=1))
    else:
        _print(observation, every=every)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)


def _print(observation: Observation, *, every: bool) -> None:
    from rich.console import Console, Group

    from fanin.report.observations import terminal_view

    console = Console()
    console.print(Group(*terminal_view(observation, console.options, every=every)))
