"""``fanin check``."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.cli.subject import Subject, clean_output, subject_options
from fanin.cli.targets import load_target
from fanin.errors import EXIT_FINDINGS

if TYPE_CHECKING:
    from fanin.diagnosis import Report
    from fanin.report.check_formats import FailOn, Place

_FORMATS = ("text", "json", "github", "sarif", "junit")


@click.command("check")
@subject_options
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "never")),
    default="error",
    show_default=True,
    help="The least severity of a finding that makes the exit status 1.",
)
@click.option(
    "--all", "every", is_flag=True, help="A table with a row for every use of a weight, too."
)
@click.option("--html", type=click.Path(), help="Write a page with findings and signals here.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), help="Of what is printed. [default: text]"
)
@click.option(
    "--output", type=click.Path(), help="Write the format to this file, and the text to stdout."
)
def command(
    subject: Subject,
    *,
    fail_on: FailOn,
    every: bool,
    html: str | None,
    as_json: bool,
    form: str | None,
    output: str | None,
) -> None:
    """Say whether the model that TARGET returns can train, from one forward and backward pass.

    What is wrong, where, by which numbers, and what to do. The loss is that of --batch, else the
    model's own, else a fixed random projection of the output.

    \b
    --batch names a function that returns
      a tensor, dict, list, ...    the inputs; a dict holds keyword arguments
      (inputs, targets)            a tuple; inputs may be a tuple or dict again
      (inputs, targets, loss)      loss(outputs, targets) returns one number

    \b
    The exit status is
      0    healthy, or nothing as severe as --fail-on
      1    a finding as severe as --fail-on
      2    a mistake: no such TARGET, a model that raises, a file not writable
    """  # noqa: D301 - click reads the backspace
    from fanin import diagnosis
    from fanin.report.check_formats import fails
    from fanin.report.files import require_writable

    form = _chosen(form, as_json=as_json)
    for path in (html, output):
        if path is not None:
            require_writable(path)
    machine = form != "text" and output is None
    with clean_output(machine):
        report = subject.given_to(diagnosis.check)
    if html is not None:
        report.to_html(html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if output is not None:
        _write(_document(report, form, subject, fail_on), output)
    if machine:
        click.echo(_document(report, form, subject, fail_on), nl=False)
    else:
        _print(report, every=every)
    for what, path in (("Page", html), (f"As {form}", output)):
        if path is not None:
            click.echo(f"\n{what}: {path}", err=machine)
    if fails(report.findings, fail_on):
        sys.exit(EXIT_FINDINGS)


def _chosen(form: str | None, *, as_json: bool) -> str:
    if as_json and form not in {None, "json"}:
        raise click.UsageError(f"--json and --format {form} exclude each other")
    return "json" if as_json else form or "text"


def _document(report: Report, form: str, subject: Subject, fail_on: FailOn) -> bytes:
    """The report in a format; UTF-8 wherever it is read."""
    from fanin.report.check_formats import github_commands, junit_suite, sarif_log
    from fanin.report.checks import plain_view

    made = {
        "text": lambda: f"{plain_view(report).rstrip()}\n",
        "json": lambda: f"{json.dumps(report.to_dict(), indent=1)}\n",
        "github": lambda: github_commands(report, source=_place(subject.target)),
        "sarif": lambda: sarif_log(report, source=_place(subject.target)),
        "junit": lambda: junit_suite(report, fail_on=fail_on),
    }[form]()
    return made.encode(errors="backslashreplace")


def _write(document: bytes, path: str) -> None:
    from fanin.report.files import replacing

    with replacing(path) as temporary:
        temporary.write_bytes(document)


def _place(target: str) -> Place | None:
    """Where the callable of a TARGET is written, if it is written in Python."""
    from fanin.report.check_formats import Place

    found: object = load_target(target)
    while isinstance(found, partial):
        found = found.func
    known = (inspect.isclass, inspect.isfunction, inspect.ismethod)
    subject = inspect.unwrap(found) if callable(found) else found
    subject = subject if any(is_it(subject) for is_it in known) else type(subject)
    try:
        file = inspect.getsourcefile(subject)  # type: ignore[arg-type]
        _, line = inspect.getsourcelines(subject)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None
    if file is None:
        return None
    return Place(_within_repository(Path(file).resolve()), max(line, 1))


def _within_repository(file: Path) -> str:
    """Relative to the checkout of GitHub Actions, else to the current folder, where it can be."""
    for root in (os.environ.get("GITHUB_WORKSPACE"), Path.cwd()):
        if root and file.is_relative_to(Path(root).resolve()):
            return file.relative_to(Path(root).resolve()).as_posix()
    return file.as_posix()


def _print(report: Report, *, every: bool) -> None:
    from rich.console import Console, Group

    from fanin.report.checks import terminal_view

    console = Console()
    console.print(Group(*terminal_view(report, console.options, every=every)))
