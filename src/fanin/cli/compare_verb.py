"""``fanin compare``."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import click

_RECIPES = ("zeros", "normal:0.01", "xavier_normal", "xavier_uniform", "he_normal", "he_uniform")
_INTERRUPTED = 130


@click.command("compare")
@click.argument("target", required=False)
@click.option("--model", help="Built-in architecture instead of a TARGET: mlp.")
@click.option("--depth", default=10, show_default=True, help="Hidden layers of mlp.")
@click.option("--width", default=64, show_default=True, help="Units of each hidden layer.")
@click.option("--activation", default="relu", show_default=True, help="Activation of mlp.")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=_RECIPES,
    metavar="NAME[:NUMBER]",
    help=f"A recipe, e.g. he_normal or normal:0.01; repeat it. [default: {', '.join(_RECIPES)}]",
)
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="digits, fashion-mnist, fashion-mnist:FOLDER, or package.module:callable "
    "that returns (x, y).",
)
@click.option("--seeds", default=8, show_default=True, help="How many seeds.")
@click.option(
    "--learning-rate", "rates", multiple=True, type=float,
    help="A rate to try for each recipe; repeat it. [default: four that suit the optimizer]",
)  # fmt: skip
@click.option("--steps", default=300, show_default=True, help="Optimizer steps of each run.")
@click.option("--batch-size", default=64, show_default=True, help="Samples a step.")
@click.option("--optimizer", default="sgd", show_default=True, help="sgd, momentum, adam, adamw.")
@click.option("--html", type=click.Path(), help="Write a page with pictures to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    target: str | None,
    model: str | None,
    recipes: tuple[str, ...],
    data: str,
    rates: tuple[float, ...],
    html: str | None,
    as_json: bool,
    **numbers: Any,
) -> None:
    """Train one model from many recipes, seeds and rates, and say which recipe is better.

    The model is TARGET (package.module:callable, which returns a new model) or --model mlp.
    Every recipe is judged at its best learning rate, on held-out data, over the same seeds.
    Ctrl-C reports the seeds that were finished.
    """
    from fanin.ensembles import compare
    from fanin.report.files import require_writable

    if html is not None:
        require_writable(html)
    result = compare(
        _architecture(target, model),
        recipes,
        data=_data(data),
        learning_rates=rates or None,
        **numbers,
    )
    if html is not None:
        result.to_html(html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=1))
    else:
        from rich.console import Console

        Console().print(result)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)
    if result.interrupted:
        sys.exit(_INTERRUPTED)


def _architecture(target: str | None, model: str | None) -> Any:
    if (target is None) == (model is None):
        raise click.UsageError("name one model: a TARGET (package.module:callable) or --model mlp")
    if target is None:
        return model
    from fanin.cli.targets import load_target

    return load_target(target)


def _data(text: str) -> Any:
    if ":" not in text or text.startswith("fashion-mnist:"):
        return text
    from fanin.cli.targets import call_target

    return call_target(text)
