"""``fanin gain``."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import click


@click.command("gain")
@click.argument("activations", nargs=-1, metavar="[ACTIVATION]...")
@click.option("--html", type=click.Path(), help="Write a page to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(activations: tuple[str, ...], html: str | None, as_json: bool) -> None:
    """Gain of activations: the factor of the weights' std that keeps a second moment of 1.

    ACTIVATION is a name (relu, gelu, ...) or a lambda of torch, numpy (np), math or
    torch.nn.functional (F), which is run: "lambda x: x * torch.sigmoid(1.7 * x)". Without one
    all known are listed, beside what torch.nn.init.calculate_gain says.
    """
    if html is not None:
        from fanin.report.files import require_writable

        require_writable(html)
    rows = [_row(text) for text in activations]
    if html is not None:
        from fanin.report.theories import write_gains

        shown = [(row["activation"], row["gain"]) for row in rows]
        write_gains(shown, html, command=shlex.join(["fanin", *sys.argv[1:]]))
    _show(rows, as_json=as_json)
    if html is not None:
        click.echo(f"\nPage: {html}", err=as_json)


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """The gains that were asked for, or all known."""
    from rich.console import Console

    from fanin import theory

    if as_json:
        asked = {"gains": rows} if rows else theory.gains().to_dict()
        click.echo(json.dumps({"schema": "fanin.gain/1", **asked}, indent=1))
    elif rows:
        _print(Console(), rows)
    else:
        Console().print(theory.gains())


def _row(text: str) -> dict[str, Any]:
    from fanin import theory
    from fanin.cli.activations import activation

    known = activation(text)
    gain = theory.gain(known)
    return {"activation": text, "gain": gain, "mean_square": gain**-2}


def _print(console: Any, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("activation", overflow="fold")
    table.add_column("gain", justify="right", no_wrap=True)
    table.add_column("E phi(z)^2", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row["activation"]), f"{row['gain']:.10f}", f"{row['mean_square']:.10f}")
    console.print(table)
