"""``fanin guide exercise``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.errors import EXIT_FINDINGS, OutputError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from fanin.guide.exercises import Exercise
    from fanin.guide.exercises.marking import Marking
    from fanin.guide.exercises.training import Trained

_LIST_SCHEMA = "fanin.exercises/1"
_SCHEMA = "fanin.exercise/1"


@click.command("exercise")
@click.argument("which", required=False, metavar="[NUMBER]")
@click.option("--write", type=click.Path(), help="Write a file to start your answer from.")
@click.option("--check", type=click.Path(), help="Mark the answer in this file: runs its code.")
@click.option("--hint", is_flag=True, help="A nudge.")
@click.option("--solution", is_flag=True, help="The cause, a fix that passes, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def exercise(
    which: str | None,
    write: str | None,
    check: str | None,
    hint: bool,
    solution: bool,
    as_json: bool,
) -> None:
    """Find out why a network does not train, and mend it. Without NUMBER, the list.

    NUMBER or a name shows the exercise, with what its network comes to when it is trained here.
    An answer is a Python file that names the cause and changes the weights; it is marked by
    training the network with it, on real data and several seeds. No progress is kept.

    \b
    The exit status of --check is
      0    passed: the cause is right, and the fixed network trains
      1    not passed
      2    a mistake: no such file, its code raises, no CAUSE
    """  # noqa: D301 - click reads the backspace
    asked = [name for name, given in _given(write, check, hint, solution) if given]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} exclude each other")
    if which is None:
        if asked:
            raise click.UsageError(f"{asked[0]} needs the NUMBER of an exercise")
        _list(as_json=as_json)
        return
    from fanin.guide.exercises import exercises
    from fanin.guide.exercises.catalogue import number_of

    number = number_of(which)
    chosen = exercises()[number - 1]
    if write is not None:
        _write(chosen, write, as_json=as_json)
    elif check is not None:
        _check(chosen, check, as_json=as_json)
    elif hint:
        _say(as_json, {"hint": chosen.hint}, [_text(chosen.hint)], chosen)
    elif solution:
        _say(as_json, _solution(chosen), _solution_view(chosen), chosen)
    else:
        _show(chosen, as_json=as_json)


def _given(
    write: str | None, check: str | None, hint: bool, solution: bool
) -> Iterator[tuple[str, bool]]:
    yield "--write", write is not None
    yield "--check", check is not None
    yield "--hint", hint
    yield "--solution", solution


def _list(*, as_json: bool) -> None:
    from fanin.guide.exercises import exercises

    if as_json:
        rows = [_about(one) for one in exercises()]
        click.echo(json.dumps({"schema": _LIST_SCHEMA, "exercises": rows}, indent=1))
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for column in ("right", "left", "left", "left"):
        table.add_column(justify=column, overflow="fold")
    for number, one in enumerate(exercises(), 1):
        table.add_row(str(number), _text(one.title, "bold"), _text(one.level, "dim"), one.name)
    console = _console()
    console.print(table)
    console.print(_text("\nShow one: fanin guide exercise 1. No progress is kept.", "dim"))


def _show(chosen: Exercise, *, as_json: bool) -> None:
    from fanin.guide.exercises.causes import CAUSES
    from fanin.guide.exercises.marking import train_broken, trained_to_dict

    broken = train_broken(chosen)
    if as_json:
        more = {
            "story": chosen.told(broken),
            "code": chosen.code,
            "causes": dict(CAUSES),
            "hand_in": list(chosen.handed_in),
            "broken": trained_to_dict(broken),
        }
        click.echo(json.dumps({"schema": _SCHEMA, **_about(chosen), **more}, indent=1))
        return
    console = _console()
    for part in _task_view(chosen, broken, console):
        console.print(part)


def _task_view(chosen: Exercise, broken: Trained, console: Console) -> Iterator[RenderableType]:
    from rich.table import Table

    from fanin.guide.exercises import exercises
    from fanin.guide.exercises.causes import CAUSES

    number = exercises().index(chosen) + 1
    yield _text(f"{number}. {chosen.title} ({chosen.level})", "bold")
    yield _text("")
    yield _text(chosen.told(broken))
    yield _text("")
    yield _code(chosen.code)
    yield _curve("loss by step, seed 0:", broken, console)
    yield _text("")
    facts = _facts()
    facts.add_row("task", _text(chosen.task.about))
    facts.add_row("training", _text(str(chosen.training)))
    facts.add_row("to pass", _text(f"name the cause, and {_mark(chosen)} on every seed"))
    yield facts
    yield _text("\nHand in a file that has")
    yield _text("  CAUSE = one of", "bold")
    causes = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    causes.add_column(no_wrap=True)
    causes.add_column(overflow="fold")
    for name, meaning in CAUSES.items():
        causes.add_row(f"    {name}", _text(meaning, "dim"))
    yield causes
    yield _text(f"  {' or '.join(chosen.handed_in)}", "bold")
    yield _text("    that changes the values of weights and biases, and nothing else", "dim")
    if chosen.inputs_too:
        yield _text("    (prepare: that shifts and scales the inputs)", "dim")
    command = f"fanin guide exercise {number}"
    yield _text(f"\n{command} --write answer.py   writes one to start from")
    yield _text(f"{command} --check answer.py   marks it by training the network")
    yield _text(f"{command} --hint, --solution")


def _check(chosen: Exercise, path: str, *, as_json: bool) -> None:
    from fanin.guide.exercises.marking import mark

    marking = mark(chosen, path)
    if marking.answer.printed:
        click.echo(marking.answer.printed, nl=False, err=True)
    if as_json:
        click.echo(json.dumps(marking.to_dict(), indent=1))
    else:
        console = _console()
        for part in _marking_view(marking, console):
            console.print(part)
    if not marking.passed:
        sys.exit(EXIT_FINDINGS)


def _marking_view(marking: Marking, console: Console) -> Iterator[RenderableType]:
    chosen = marking.exercise
    style = "bold green" if marking.passed else "bold red"
    yield _text("PASSED" if marking.passed else "NOT PASSED", style)
    yield _text(f"{_sign(marking.cause_is_right, console)} {marking.on_the_cause}")
    yield _text(f"{_sign(marking.trains, console)} {marking.on_the_fix}")
    yield _text("")
    yield _runs(marking)
    yield _text(f"to pass: {_mark(chosen)} on every seed\n", "dim")
    yield _curve("broken", marking.broken[0], console)
    if marking.fixed:
        yield _curve("fixed ", marking.fixed[0], console)
    if marking.report is not None:
        found = [f"{one.kind} ({one.severity}): {one.evidence}" for one in marking.report.findings]
        yield _text(f"\nfanin.check of the fixed network, untrained: {marking.report.verdict}")
        for line in found:
            yield _text(f"  {line}", "dim")
    if not marking.passed:
        number = _number(chosen)
        yield _text(f"\nA nudge: fanin guide exercise {number} --hint", "dim")


def _runs(marking: Marking) -> RenderableType:
    """Both networks seed by seed."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    score = marking.exercise.task.score
    table.add_column("seed", justify="right")
    for name in ("broken: loss", score, *(("fixed: loss", score) if marking.fixed else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for place, broken in enumerate(marking.broken):
        cells = [str(broken.seed), _losses(broken), _score(marking.exercise, broken)]
        if marking.fixed:
            fixed = marking.fixed[place]
            cells += [_losses(fixed), _score(marking.exercise, fixed)]
        table.add_row(*cells)
    return table


def _losses(trained: Trained) -> str:
    return f"{trained.start:.4g} to {trained.end:.4g}"


def _score(chosen: Exercise, trained: Trained) -> str:
    return f"{trained.score:.1%}" if chosen.task.higher_is_better else f"{trained.score:.4g}"


def _mark(chosen: Exercise) -> str:
    if chosen.task.higher_is_better:
        return f"at least {chosen.mark:.0%} of the held-out examples right"
    return f"a held-out loss of at most {chosen.mark:g}"


def _sign(good: bool, console: Console) -> str:
    if console.options.ascii_only:
        return "+" if good else "x"
    return "✓" if good else "✗"


def _curve(name: str, trained: Trained, console: Console) -> RenderableType:
    """The losses as bars from zero, those beyond twice the first cut off."""
    import numpy as np

    losses = np.asarray(trained.losses)
    width = max(10, min(48, console.width - 44))
    groups = [float(part.mean()) for part in np.array_split(losses, min(width, losses.size))]
    top = max([one for one in groups if np.isfinite(one)], default=0.0)
    bars = "_.-=+*%#" if console.options.ascii_only else "▁▂▃▄▅▆▇█"
    drawn = "".join(
        bars[min(7, round(one / top * 7))] if np.isfinite(one) and top else "?" for one in groups
    )
    ends = f"{groups[0]:.3g} to {groups[-1]:.3g}"
    return _text(f"{name} {drawn} {ends}")


def _write(chosen: Exercise, path: str, *, as_json: bool) -> None:
    """The starter file, whole or not at all; a file that is there stays as it is."""
    import tempfile

    from fanin.guide.exercises.answer import starter
    from fanin.report.files import require_writable

    target = Path(path)
    if target.suffix != ".py":
        raise click.BadParameter(f"name a file that ends in .py, got {path!r}")
    taken = OutputError(f"{target} exists and is not overwritten; name another file")
    if target.is_file():
        raise taken
    require_writable(target)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fanin-") as folder:
            temporary = Path(folder, target.name)
            temporary.write_text(starter(chosen), encoding="utf-8")
            os.link(temporary, target)  # fails where the target has come to be since
    except FileExistsError:
        raise taken from None
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
    if as_json:
        click.echo(json.dumps({"schema": _SCHEMA, **_about(chosen), "written": str(target)}))
        return
    number = _number(chosen)
    click.echo(f"Written: {target}")
    click.echo(f"Mark it: fanin guide exercise {number} --check {target}")


def _solution(chosen: Exercise) -> dict[str, Any]:
    return {
        "cause": chosen.cause,
        "solution": chosen.solution,
        "why": chosen.why,
        "finding": chosen.finding,
        "reads": list(chosen.reads),
    }


def _solution_view(chosen: Exercise) -> list[RenderableType]:
    from fanin.guide.exercises.causes import CAUSES

    seen = (
        f"fanin.check names it: {chosen.finding}."
        if chosen.finding
        else "One pass does not show it: fanin.check does not name it."
    )
    return [
        _text(f"{chosen.cause}: {CAUSES[chosen.cause]}", "bold"),
        _text(""),
        _text(chosen.why),
        _text(f"{seen}\n"),
        _code(chosen.solution),
        _text(f"Read: {', '.join(f'fanin guide show {name}' for name in chosen.reads)}", "dim"),
    ]


def _say(
    as_json: bool, values: dict[str, Any], view: list[RenderableType], chosen: Exercise
) -> None:
    if as_json:
        click.echo(json.dumps({"schema": _SCHEMA, **_about(chosen), **values}, indent=1))
        return
    console = _console()
    for part in view:
        console.print(part)


def _about(chosen: Exercise) -> dict[str, Any]:
    """What can be said without training anything, and without telling the cause."""
    return {
        "number": _number(chosen),
        "name": chosen.name,
        "title": chosen.title,
        "level": chosen.level,
        "task": chosen.task.about,
        "training": str(chosen.training),
        "score": chosen.task.score,
        "mark": chosen.mark,
    }


def _number(chosen: Exercise) -> int:
    from fanin.guide.exercises import exercises

    return exercises().index(chosen) + 1


def _facts() -> Table:
    from rich.table import Table

    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    return facts


def _code(text: str) -> RenderableType:
    from rich.padding import Padding
    from rich.syntax import Syntax

    code = Syntax(text, "python", theme="ansi_dark", background_color="default", word_wrap=True)
    return Padding(code, (0, 0, 0, 2))


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)
