"""``fanin theory``."""

from __future__ import annotations

import json
import shlex
import sys

import click


@click.command("theory")
@click.argument("activation")
@click.option("--sigma-w", type=float, help="Weights N(0, sigma_w^2 / fan_in). [default: the gain]")
@click.option("--sigma-b", type=float, default=0.0, show_default=True, help="Std of the biases.")
@click.option("--html", type=click.Path(), help="Write a page with pictures to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(
    activation: str, sigma_w: float | None, sigma_b: float, html: str | None, as_json: bool
) -> None:
    """What mean-field theory predicts for deep networks of an activation, at one scale.

    ACTIVATION is a name (tanh, gelu, ...) or a lambda of torch, numpy (np), math or
    torch.nn.functional (F), which is run.
    """
    from fanin.cli import activations
    from fanin.report.files import require_writable
    from fanin.report.theories import describe, write_page

    if html is not None:
        require_writable(html)
    known = activations.activation(activation)
    described = describe(known, sigma_w, sigma_b)
    if html is not None:
        write_page(described, known, html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if as_json:
        click.echo(json.dumps(described.to_dict(), indent=1))
    else:
        from rich.console import Console

        Console().print(described)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)
