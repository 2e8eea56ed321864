"""``fanin init``."""

from __future__ import annotations

import json
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from fanin.cli.subject import Subject, clean_output, subject_options

if TYPE_CHECKING:
    from torch import nn

    from fanin.recipes import Plan, Recipe

_SEED = "Another seed gives other weights. Of --input, and of torch for TARGET and the pass, too."


@click.command("init")
@partial(subject_options, seed_help=_SEED)
@click.option(
    "--recipe", metavar="NAME[:NUMBER]",
    help="E.g. he_normal or gpt2; fanin recipes lists them. [default with inputs: auto]",
)  # fmt: skip
@click.option(
    "--out", "--output", "output", type=click.Path(), help="Write the weights here, as safetensors."
)
@click.option(
    "--unmatched", type=click.Choice(("error", "keep")), default="error", show_default=True,
    help="keep: leave parameters of which nothing is known as TARGET made them.",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="A row for every parameter: fold no blocks.")
@click.option("--html", type=click.Path(), help="Write a page with all reasons and sources here.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(
    subject: Subject,
    *,
    recipe: str | None,
    output: str | None,
    unmatched: str,
    every: bool,
    html: str | None,
    as_json: bool,
) -> None:
    """Initialise the model that TARGET returns, show the plan, and write the weights.

    The weights are a function of the plan, the seed and the parameters' names alone: the same on
    every machine. Recipes that read how a model uses its parameters need --input or --batch.
    """
    from fanin.report.files import require_writable

    chosen = _chosen(recipe, subject)
    for path in (output, html):
        if path is not None:
            require_writable(path)
    with clean_output(as_json):
        model, plan = subject.given_to(
            partial(_planned, recipe=chosen, seed=subject.seed), batch_needed=False
        )
        plan.init_(model, subject.seed, unmatched=unmatched)
    if output is not None:
        _save(model, output)
    if html is not None:
        plan.to_html(html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if as_json:
        said = {**plan.to_dict(), "seed": subject.seed, "output": output}
        click.echo(json.dumps(said, indent=1))
    else:
        _print(plan, every=every, output=output)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)


def _chosen(name: str | None, subject: Subject) -> Recipe:
    from fanin.recipes import as_recipe

    if name is None and not subject.has_batch:
        raise click.UsageError(
            "name a recipe, e.g. --recipe he_normal, or give inputs, e.g. --input 8,3,32,32, by "
            "which recipe auto chooses"
        )
    recipe = as_recipe("auto" if name is None else name)
    if getattr(recipe, "needs", "model") != "model" and not subject.has_batch:
        raise click.UsageError(
            f"recipe {name} reads how the model uses its parameters: give --input, e.g. "
            "--input 8,3,32,32, or --batch"
        )
    return recipe


def _planned(
    model: nn.Module, inputs: object, targets: object, *, loss: Any, recipe: Recipe, seed: int
) -> tuple[nn.Module, Plan]:
    from fanin.recipes import Batch, planned

    return model, planned(recipe, model, Batch(inputs, targets, loss), seed=seed)


def _save(model: nn.Module, output: str) -> None:
    from safetensors.torch import save_model

    from fanin.report.files import replacing

    with replacing(output) as temporary:
        save_model(model, str(temporary))


def _print(plan: Plan, *, every: bool, output: str | None) -> None:
    from fanin.cli.plan_output import show

    show(plan, every=every)
    if output is None:
        click.echo("\nNothing was written; --out FILE writes the weights.")
    else:
        click.echo(f"\nWeights: {output}")
