"""``fanin recommend``."""

from __future__ import annotations

import json
import shlex
import sys

import click

from fanin.cli.subject import Subject, clean_output, subject_options
from fanin.errors import EXIT_FINDINGS


@click.command("recommend")
@subject_options
@click.option("--all", "every", is_flag=True, help="A row for every parameter: fold no blocks.")
@click.option(
    "--python", type=click.Path(allow_dash=True), metavar="FILE",
    help="Write the plan as plain torch code without fanin here; - prints it, and nothing else.",
)  # fmt: skip
@click.option("--html", type=click.Path(), help="Write a page with all reasons and sources here.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(
    subject: Subject, *, every: bool, python: str | None, html: str | None, as_json: bool
) -> None:
    """Say how each parameter of the model that TARGET returns should start, and why.

    One pass shows how every parameter is used; what it is to be drawn from follows by rules
    whose sources are named. Nothing is written into a model: fanin init does that.

    \b
    --batch names a function that returns
      a tensor, dict, list, ...    the inputs; a dict holds keyword arguments
      (inputs, targets)            a tuple; inputs may be a tuple or dict again
      (inputs, targets, loss)      loss(outputs, targets) returns one number

    \b
    The exit status is
      0    every parameter has a row, or keeps its value by design
      1    parameters are unmatched: the pass did not show how they are used
      2    a mistake: no such TARGET, a model that raises, a file not writable
    """  # noqa: D301 - click reads the backspace
    from fanin.cli.plan_output import show, write_text
    from fanin.recipes import recommend
    from fanin.report.files import require_writable

    prints_code = python == "-"
    if prints_code and as_json:
        raise click.UsageError("--python - and --json both print to stdout; name a file for one")
    for path in (html, None if prints_code else python):
        if path is not None:
            require_writable(path)
    with clean_output(as_json or prints_code):
        plan = subject.given_to(recommend)
    code = plan.to_python() if python is not None else ""
    if html is not None:
        plan.to_html(html, command=shlex.join(["fanin", *sys.argv[1:]]))
    if python is not None and not prints_code:
        write_text(code, python)
    if as_json:
        click.echo(json.dumps(plan.to_dict(), indent=1))
    elif prints_code:
        click.echo(code, nl=not code.endswith("\n"))
    else:
        show(plan, every=every)
    written = (("Page", html), ("Python", None if prints_code else python))
    for what, path in written:
        if path is not None:
            click.echo(f"\n{what}: {path}", err=as_json or prints_code)
    if plan.unmatched:
        sys.exit(EXIT_FINDINGS)
