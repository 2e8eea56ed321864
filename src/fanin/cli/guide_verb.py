"""``fanin guide``: the textbook, every claim an experiment."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fanin.guide import Claim, Result

_OUT = "fanin-guide"
_RESULTS = "results"
_INTERRUPTED = 130
# Commands with a module of their own, imported when they are called.
_ELSEWHERE = {"choose": "fanin.cli.guide_choose", "exercise": "fanin.cli.guide_exercise"}

_out = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(_OUT),
    show_default=True,
    help="Folder of your results and pages.",
)


class _Guide(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["run", "show", "choose", "exercise"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            command = getattr(import_module(_ELSEWHERE[cmd_name]), cmd_name)
            assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
            return command
        return super().get_command(ctx, cmd_name)


@click.group("guide", cls=_Guide, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@_out
@click.pass_context
def command(context: click.Context, as_json: bool, out: Path) -> None:
    """The textbook on weight initialization, every claim an experiment with a verdict.

    Without a command: the claims by chapter, with the verdicts of your own runs in --out, and
    for the others those that ship with fanin.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json goes behind the command: fanin guide run --json")
        return
    from fanin.guide import all_chapters
    from fanin.report import guide_terminal, guide_wording

    claims, results = _claims(), {}
    own = set()
    for name, claim in claims.items():
        result, is_own = _known(claim, out)
        if result is not None:
            results[name] = result
            own.update([name] if is_own else [])
    if as_json:
        listed = [
            {
                "claim": name,
                "title": claim.title,
                "part": claim.part,
                "statement": claim.statement,
                "verdict": results[name].verdict if name in results else None,
                "quick": results[name].quick if name in results else None,
                "own": name in own,
            }
            for name, claim in claims.items()
        ]
        click.echo(json.dumps({"schema": "fanin.guide/1", "claims": listed}, indent=1))
        return
    _print(guide_terminal.listing(all_chapters(), claims, results))
    click.echo(
        f"{len(claims)} claims: {guide_wording.count(results.values())}.\n"
        f"{len(own)} verdicts are from {out}, the others came with fanin.\n"
        "Read one: fanin guide show symmetry. Run it here: fanin guide run symmetry."
    )


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@_out
def show(name: str, as_json: bool, out: Path) -> None:
    """Show a claim by name, or a chapter by number.

    A claim: the statement, the experiment, what was measured, the verdict, why.
    """
    from fanin.errors import InputError
    from fanin.guide import all_chapters, claim_by_name
    from fanin.report import guide_terminal

    if name.isdecimal():
        chapters = {chapter.number: chapter for chapter in all_chapters()}
        if int(name) not in chapters:
            raise InputError(f"there is no chapter {name}; the guide has {len(chapters)}")
        if as_json:
            raise InputError("a chapter is text: --json shows claims, fanin guide show NAME --json")
        claims = _claims()
        found = {key: _known(claim, out)[0] for key, claim in claims.items()}
        results = {key: result for key, result in found.items() if result is not None}
        _print(guide_terminal.chapter_view(chapters[int(name)], claims, results))
        return
    claim = claim_by_name(name)
    result, own = _known(claim, out)
    if as_json:
        click.echo(json.dumps(_plain(claim, result, own=own), indent=1))
        return
    _print(guide_terminal.claim_view(claim, result))


@command.command("run")
@click.argument("names", metavar="[CLAIM]...", nargs=-1)
@click.option("--quick", is_flag=True, help="Fewer seeds and steps; verdicts then say so.")
@click.option(
    "--set",
    "changes",
    metavar="NAME=VALUE",
    multiple=True,
    help="Change a setting of the one claim that is run.",
)
@click.option("--again", is_flag=True, help="Run also what --out holds already.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@_out
def run(
    names: tuple[str, ...],
    quick: bool,
    changes: tuple[str, ...],
    again: bool,
    as_json: bool,
    out: Path,
) -> None:
    """Run claims and write what came of them as pages: without a name all, and the whole guide.

    What was finished is kept: after Ctrl-C the same call goes on. With --set, the claim's page is
    written beside the guide, whose own verdict stays.
    """
    from fanin.guide import claim_by_name, run_all
    from fanin.report import guide_terminal

    settings = _settings(changes)
    if settings and len(names) != 1:
        raise click.UsageError("--set changes one claim: fanin guide run CLAIM --set NAME=VALUE")
    every = _claims()
    chosen = list(dict.fromkeys(claim_by_name(name) for name in names)) or list(every.values())
    for claim in chosen:
        claim.changed(settings)
    finished: list[Result] = []
    interrupted = False
    with _Progress(len(chosen), quiet=as_json) as progress:
        try:
            for result in run_all(
                chosen,
                quick=quick,
                settings=settings,
                folder=None if settings else out / _RESULTS,
                again=again,
                began=progress.began,
            ):
                finished.append(result)
                progress.line(guide_terminal.finished(result))
        except KeyboardInterrupt:
            interrupted = True
    page = _pages(finished, settings, out, whole=not names) if finished else None
    if as_json:
        results = [_plain(result.claim, result, own=True) for result in finished]
        click.echo(json.dumps({"schema": "fanin.guide/1", "results": results}, indent=1))
    else:
        _summary(finished, len(chosen), interrupted=interrupted)
    if page is not None:
        click.echo(f"\nPage: {page}", err=as_json)
    if interrupted:
        sys.exit(_INTERRUPTED)


class _Progress:
    """A bar on a terminal, nothing elsewhere; lines go above it."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._console = Console(highlight=False)
        self._quiet = quiet
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            console=self._console, transient=True,
            disable=quiet or not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def began(self, claim: Claim[Any], place: int, _total: int) -> None:
        self._bar.update(self._task, completed=place, description=claim.name)

    def line(self, text: RenderableType) -> None:
        if not self._quiet:
            self._bar.console.print(text)


def _pages(finished: list[Result], settings: dict[str, str], out: Path, *, whole: bool) -> Path:
    """The guide, or a page for each claim that was named; a guide that is there is kept true."""
    from fanin.guide import all_chapters
    from fanin.report import guide_pages
    from fanin.report.files import made

    call = shlex.join(["fanin", *sys.argv[1:]])
    page = made(out) / guide_pages.INDEX
    if whole or (page.exists() and not settings):
        claims = _claims()
        results = {
            name: known for name, claim in claims.items() if (known := _known(claim, out)[0])
        }
        ran = {result.claim.name for result in finished}
        chapters = [one for one in all_chapters() if whole or ran & {*one.claims}]
        guide_pages.write_pages(chapters, claims, results, out, command=call)
    if not whole:
        for result in finished:
            page = out / f"{result.claim.name}{'-changed' if settings else ''}.html"
            guide_pages.write_claim(result, page, command=call)
    return page


def _summary(finished: list[Result], total: int, *, interrupted: bool) -> None:
    from fanin.guide.recorded import recorded
    from fanin.report import guide_terminal, guide_wording

    if total == 1 and finished:
        click.echo()
        _print(guide_terminal.claim_view(finished[0].claim, finished[0]))
        return
    click.echo(
        f"\n{len(finished)} of {total} claims: {guide_wording.count(finished)}; "
        f"{sum(result.seconds for result in finished):.0f} s of experiments"
    )
    for result in finished:
        before = recorded(result.claim)
        if before is not None and before.verdict != result.verdict:
            click.echo(
                f"{result.claim.name}: {before.verdict} when recorded, {result.verdict} here"
            )
    if interrupted:
        click.echo("Interrupted. The same call goes on with the rest.")


def _settings(changes: Iterable[str]) -> dict[str, str]:
    read = {}
    for change in changes:
        name, sign, value = change.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{change!r} is not NAME=VALUE", param_hint="--set")
        read[name.strip()] = value.strip()
    return read


def _claims() -> dict[str, Claim[Any]]:
    from fanin.guide import all_claims

    return {claim.name: claim for claim in all_claims()}


def _known(claim: Claim[Any], out: Path) -> tuple[Result | None, bool]:
    """The user's own result, else that which ships with fanin; and whether it is the user's."""
    from fanin.guide.recorded import recorded
    from fanin.guide.running import load

    own = load(claim, out / _RESULTS)
    return (own, True) if own is not None else (recorded(claim), False)


def _plain(claim: Claim[Any], result: Result | None, *, own: bool) -> dict[str, Any]:
    return {
        "claim": claim.name,
        "title": claim.title,
        "part": claim.part,
        "statement": claim.statement,
        "experiment": claim.experiment,
        "formula": claim.formula,
        "sources": list(claim.sources),
        "own": own,
        "result": None if result is None else result.to_dict(),
    }


def _print(parts: Iterable[RenderableType]) -> None:
    from rich.console import Console, Group

    Console(highlight=False).print(Group(*parts))
