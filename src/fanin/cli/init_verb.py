"""``fanin init``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table
    from torch import nn

    from fanin.recipes import Plan


@click.command("init")
@click.argument("target")
@click.option("--recipe", required=True, metavar="NAME[:NUMBER]", help="E.g. he_normal.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other weights.")
@click.option("--output", type=click.Path(), help="Write the weights here, as safetensors.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(target: str, recipe: str, seed: int, output: str | None, as_json: bool) -> None:
    """Initialise the model that TARGET returns, show the plan, and write the weights.

    The weights are a function of the recipe, the seed and the parameters' names alone: the
    same on every machine.
    """
    from fanin.recipes import as_recipe
    from fanin.report.files import require_writable

    if output is not None:
        require_writable(output)
    model = _model(target)
    plan = as_recipe(recipe).plan(model)
    plan.init_(model, seed)
    if output is not None:
        _save(model, output)
    if as_json:
        click.echo(json.dumps(_plan_to_dict(plan, seed, output), indent=1))
        return
    from rich.console import Console

    Console().print(_table(plan))
    if output is None:
        click.echo("\nNothing was written; --output FILE writes the weights.")
    else:
        click.echo(f"\nWeights: {output}")


def _model(target: str) -> nn.Module:
    from torch import nn

    from fanin.cli.targets import call_target
    from fanin.errors import ModelError

    model = call_target(target)
    if not isinstance(model, nn.Module):
        raise ModelError(f"{target!r} must return a torch.nn.Module, got {type(model).__name__}")
    return model


def _save(model: nn.Module, output: str) -> None:
    from safetensors.torch import save_model

    from fanin.report.files import replacing

    with replacing(output) as temporary:
        save_model(model, str(temporary))


def _plan_to_dict(plan: Plan, seed: int, output: str | None) -> dict[str, object]:
    return {
        "schema": "fanin.plan/1",
        "recipe": plan.recipe,
        "seed": seed,
        "output": output,
        "rows": [
            {
                "parameter": row.parameter,
                "shape": list(row.shape),
                "scheme": repr(row.scheme),
                "std": row.std,
                "fan_in": row.layout.fan_in if row.layout else None,
                "fan_out": row.layout.fan_out if row.layout else None,
                "reason": row.reason,
            }
            for row in plan.rows
        ],
    }


def _table(plan: Plan) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("parameter", overflow="fold")
    table.add_column("shape", overflow="fold")
    table.add_column("scheme", overflow="fold")
    for name in ("fan_in", "fan_out", "std"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in plan.rows:
        fans = (row.layout.fan_in, row.layout.fan_out) if row.layout else (None, None)
        table.add_row(
            Text(row.parameter),
            " x ".join(map(str, row.shape)),
            Text(repr(row.scheme)),
            *("-" if fan is None else f"{fan:g}" for fan in fans),
            f"{row.std:.3g}",
        )
    return table
