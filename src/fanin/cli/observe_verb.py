"""``fanin observe``."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import click

from fanin.cli.batches import BATCH_HELP, INPUT_HELP

if TYPE_CHECKING:
    from fanin.observation import Observation


@click.command("observe")
@click.argument("target")
@click.option("--input", "inputs", multiple=True, metavar="SHAPE[:KIND]", help=INPUT_HELP)
@click.option("--batch", metavar="PACKAGE.MODULE:CALLABLE", help=BATCH_HELP)
@click.option("--eval", "evaluation", is_flag=True, help="In evaluation mode, not as returned.")
@click.option(
    "--seed", default=0, show_default=True, help="Of --input, and of torch for TARGET and the pass."
)
@click.option("--all", "every", is_flag=True, help="A row for every use: fold no equal blocks.")
@click.option("--html", type=click.Path(), help="Write a page with the dataflow to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    target: str,
    inputs: tuple[str, ...],
    batch: str | None,
    evaluation: bool,
    seed: int,
    every: bool,
    html: str | None,
    as_json: bool,
) -> None:
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
    from fanin.report.files import require_writable

    if html is not None:
        require_writable(html)
    observation = observed(target, inputs, batch, seed=seed, evaluation=evaluation)
    if html is not None:
        observation.to_html(html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if as_json:
        click.echo(json.dumps(observation.to_dict(), indent=1))
    else:
        _print(observation, every=every)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)


def observed(
    target: str, inputs: tuple[str, ...], batch: str | None, *, seed: int, evaluation: bool
) -> Observation:
    """Observe the model that a TARGET returns on the batch of ``--input`` or ``--batch``.

    Raises:
        InputError: model or batch cannot be had, or the pass raises.
    """
    import torch

    from fanin.cli.batches import batch_of, call_model
    from fanin.errors import FaninError, InputError
    from fanin.observation import observe

    torch.manual_seed(seed)
    given = batch_of(inputs, batch, seed)
    torch.manual_seed(seed)
    model = call_model(target)
    if evaluation:
        model.eval()
    try:
        return observe(model, given.inputs, given.targets, loss=given.loss)
    except FaninError:
        raise
    except Exception as error:
        said = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        raise InputError(f"the pass of {target!r} failed: {said}") from error


def _print(observation: Observation, *, every: bool) -> None:
    from rich.console import Console, Group

    from fanin.report.observations import terminal_view

    console = Console()
    console.print(Group(*terminal_view(observation, console.options, every=every)))
