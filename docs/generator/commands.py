"""The command line, as its own help says."""

from __future__ import annotations

from collections.abc import Iterator

import click

from fanin.cli.program import program
from generator import markdown as md

_COLUMNS = 80


def pages() -> dict[str, str]:
    """Name and text of the page."""
    parts = [
        "# Command line",
        "Written from the help of the commands: `fanin VERB --help` prints the same.",
    ]
    for path, command in _commands(("fanin",), program):
        context = click.Context(
            command, info_name=" ".join(path), terminal_width=_COLUMNS, max_content_width=_COLUMNS,
            help_option_names=["-h", "--help"],
        )  # fmt: skip
        marks = "#" * min(len(path) + 1, 3)
        parts += [f"{marks} {' '.join(path)}", md.fence("text", command.get_help(context))]
    return {"reference/commands.md": "\n\n".join(parts)}


def _commands(
    path: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _commands((*path, name), below)
