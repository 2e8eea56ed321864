"""``fanin schemes``."""

from __future__ import annotations

import json

import click


@click.command("schemes")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the schemes: name, formula, when to use it, source."""
    from fanin.schemes import ALIASES, SCHEMES

    also = {name: [a for a, b in ALIASES.items() if b == name] for name in SCHEMES}
    if as_json:
        rows = [
            {
                "name": name,
                "aliases": also[name],
                "argument": scheme.argument,
                "formula": scheme.formula,
                "use": scheme.use,
                "citation": scheme.citation,
            }
            for name, scheme in SCHEMES.items()
        ]
        click.echo(json.dumps({"schema": "fanin.schemes/1", "schemes": rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, scheme in SCHEMES.items():
        about = Text(scheme.formula)
        about.append(f"\n{scheme.use}")
        about.append(f"\n{scheme.citation}", style="dim")
        names = Text(name, style="bold")
        for alias in also[name]:
            names.append(f"\n{alias}", style="dim")
        if scheme.argument is not None:
            names.append(f"\n{name}:{scheme.argument.upper()}", style="dim")
        table.add_row(names, about)
    Console().print(table)
