"""``fanin``: the group of verbs, and the way an error reaches the user."""

from __future__ import annotations

import difflib
import sys
import traceback
from importlib import import_module

import click

from fanin import __version__
from fanin.errors import EXIT_USAGE, FaninError

# Verb -> its line in the list of commands; the module of the same name has ``command``.
_VERBS = {
    "check": "Say whether a model can train, and what to do where it cannot.",
    "compare": "Train one model from many recipes and say which is better.",
    "gain": "Gain of any activation: the scale that keeps its signal.",
    "guide": "The textbook by experiment: claims, verdicts, exercises.",
    "init": "Initialise a model and write its weights.",
    "observe": "Show how a model uses each parameter, and its signals' scale.",
    "recipes": "List the recipes: rule, use, needs, source. Show one.",
    "recommend": "Say how each parameter of a model should start, and why.",
    "schemes": "List the schemes: formula, use, source. Show one: what it draws.",
    "theory": "Predict deep signals: variance, correlation, the edge of chaos.",
}
_INTERRUPTED = 130


class _Verbs(click.Group):
    """Knows the verbs by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = import_module(f"fanin.cli.{cmd_name}_verb").command
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], _VERBS, n=1)
        if args[0] not in _VERBS and near:
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fanin")
def program() -> None:
    """Weight initialization for neural networks.

    A TARGET is package.module:callable, a function without arguments that returns a model;
    it is imported from the current folder or the installed packages, and its code runs.
    """


def main() -> None:
    """Run the command line; a mistake of the user's is one message and status 2."""
    try:
        program(prog_name="fanin", standalone_mode=False)
    except FaninError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(_INTERRUPTED)
    except Exception:  # noqa: BLE001 - Python's own status 1 would say that a check found something
        traceback.print_exc()
        sys.exit(EXIT_USAGE)
