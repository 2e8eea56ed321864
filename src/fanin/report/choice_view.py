"""Which initialization for which network: on a terminal, and as a page or a part of one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from markupsafe import Markup
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fanin.guide.chooser.cases import Case
from fanin.guide.chooser.parts import Part, span
from fanin.guide.choosing import ARCHITECTURES, RECIPE, Choice, Judged
from fanin.report import wording
from fanin.report.files import replacing
from fanin.report.page import rendered

PLAIN: Final = "Not shown: biases of 0, scales of norms of 1 and their shifts of 0."
BATCH: Final = "the batch it was read with: random numbers, classes of equal frequency"
_TASKS: Final = {
    "classes": "class scores",
    "regression": "regression",
    "rare": "two classes, one seldom",
}
_TUNINGS: Final = {"head": "new head on a frozen network", "lora": "adapters (LoRA)"}
_NORMS: Final = {
    "none": "no norm",
    "batch": "batch norm",
    "group": "group norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "post": "layer norm after each sum",
}
_LEFT = 22
_COLUMNS = 80


def answers(case: Case) -> list[str]:
    """What a case answers, in few words each."""
    count = f"{case.depth} {case.family.counts}"
    said = [case.activation, count if case.depth > 1 else count.removesuffix("s")]
    if len(case.family.norms) > 1:
        said.append(_NORMS[case.norm])
    if case.residual and len(case.family.residual) > 1:
        said.append("residual branches")
    if case.length is not None:
        said.append(f"{case.length} steps" if case.architecture in _STEPS else "")
    said.append(_TASKS[case.task] if case.task != "classes" and len(case.family.tasks) > 1 else "")
    said.append("head tied to tokens" if case.tied else "")
    said.append(_TUNINGS.get(case.tuning, ""))
    return [one for one in said if one]


_STEPS: Final = frozenset({"rnn", "lstm", "gru"})


def reasons(choices: Sequence[Choice]) -> list[str]:
    """Why, each once, in the order of the table."""
    return list(dict.fromkeys(part.reason for one in choices for part in one.telling))


def table_view(choices: Sequence[Choice], options: ConsoleOptions) -> Iterator[RenderableType]:
    """The rows of the table by architecture, for rich.

    Args:
        choices: as ``fanin.guide.choosing.choose`` gives them.
        options: of the console; lines fit its width.
    """
    if not choices:
        yield Text("No network of the table fits these answers. Name an --architecture, and the")
        yield Text("network is built.")
        return
    numbered = reasons(choices)
    left = min(_LEFT, options.max_width // 3)
    for name, own in groupby(choices, key=lambda one: one.case.architecture):
        yield Text(f"{name}: {ARCHITECTURES[name].about}", style="bold")
        table = Table(box=None, show_header=False, padding=(0, 1, 1, 0), pad_edge=False)
        table.add_column(width=left, overflow="fold")
        table.add_column(overflow="fold")
        for choice in own:
            lines = [_line(part, numbered) for part in choice.telling]
            table.add_row(Text("\n".join(answers(choice.case)), style="dim"), Group(*lines))
        yield table
    yield Text("Why", style="bold")
    yield _numbered(numbered)
    yield Text("")
    yield Text(PLAIN)
    yield Text("One network with trade-offs and code: fanin guide choose --architecture NAME ...")


def _line(part: Part, numbered: Sequence[str]) -> Text:
    number = numbered.index(part.reason) + 1
    return Text.assemble((f"{part.role}: ", "bold"), part.law, (f" [{number}]", "dim"))


def _numbered(texts: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for number, text in enumerate(texts, 1):
        table.add_row(str(number), Text(wording.visible(text)))
    return table


def choice_view(
    choice: Choice, compared: Sequence[Judged], options: ConsoleOptions
) -> Iterator[RenderableType]:
    """One network: prescription, reasons, trade-offs, alternatives and code, for rich.

    Args:
        choice: as ``fanin.guide.choosing.prescribe`` gives it.
        compared: as ``judged`` gives it.
        options: of the console; lines fit its width.
    """
    yield Text(heading(choice), style="bold")
    yield Text(f"recipe {RECIPE}; {BATCH}", style="dim")
    for part in choice.telling:
        yield Text("")
        yield Text.assemble((part.role, "bold"), f"  {part.law}", (counted(part), "dim"))
        yield Padding(Text(wording.visible(_why(part))), (0, 0, 0, 2))
        if part.source:
            yield Padding(
                Text(wording.visible(part.source), style="dim"), (0, 0, 0, 2), expand=False
            )
    if len(choice.telling) < len(choice.parts):
        yield Text(f"\n{PLAIN}")
    if choice.plan.kept:
        count = wording.counted(len(choice.plan.kept), "frozen parameter")
        yield Text(f"\nKept as it is: {count}.")
    for note in choice.plan.notes:
        yield Text(f"\nNote: {wording.visible(note)}", style="yellow")
    yield Text("\nWhat it gives up", style="bold")
    for one in choice.trade_offs:
        item = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
        item.add_row(Text(" -"), Group(Text(one.text), Text(one.source, style="dim")))
        yield item
    yield Text("\nBeside it, before training, by fanin check", style="bold")
    yield _compared(compared)
    for other in choice.alternatives:
        text = Text.assemble((f"{other.name}: ", "bold"), other.prefer)
        yield Padding(text, (0, 0, 0, 1), expand=False)
    yield Text("\nApply it", style="bold")
    for line in apply():
        yield Padding(Text(line), (0, 0, 0, 1), expand=False)
    yield Text("\nIn plain torch, one parameter of each kind", style="bold")
    yield Text("\n".join(_wrapped(choice.code().rstrip(), options.max_width)))


def _wrapped(code: str, width: int) -> Iterator[str]:
    """Lines of code, those of comments no wider than some columns."""
    for line in code.split("\n"):
        indent, mark, _ = line.partition("# ")
        if mark and not indent.strip() and len(line) > width:
            yield from wrap(line, width, subsequent_indent=f"{indent}{mark}")
        else:
            yield line


def _why(part: Part) -> str:
    factor = f"; times {span(*part.measured)}, as measured" if part.measured else ""
    return f"{part.reason}{factor}"


def counted(part: Part) -> str:
    """How many parameters a part has: " x12"; "" for one."""
    return f"  x{len(part.rows)}" if len(part.rows) > 1 else ""


def heading(choice: Choice) -> str:
    """The network in one line."""
    said = ", ".join([*answers(choice.case), f"width {choice.case.width}"])
    return f"{choice.case.architecture}: {said}"


def apply() -> list[str]:
    """Calls that initialise a model of one's own like this."""
    return [
        f'fanin.init_(model, "{RECIPE}", inputs=x, targets=y, loss=loss)',
        f"fanin init package.module:model --recipe {RECIPE} --batch package.module:batch \\",
        "    --out weights.safetensors",
    ]


def _compared(compared: Sequence[Judged]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    table.add_column(compared[0].role if compared else "draws", overflow="fold")
    for one in compared:
        table.add_row(Text(one.recipe), Text(verdict(one)), Text(one.law))
    return table


def verdict(one: Judged) -> str:
    """The verdict with the kinds of its findings."""
    return f"{one.verdict}: {', '.join(one.findings)}" if one.findings else one.verdict


def plain_view(view: Iterator[RenderableType], width: int = _COLUMNS) -> str:
    """A view as text of some columns, without colour."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, force_terminal=False)
    console.print(Group(*view))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def fragment(choices: Sequence[Choice]) -> Markup:
    """The table as a part of a page."""
    return Markup(rendered("choice.html", None, **_values(choices)))  # noqa: S704 - a template's


def page(
    choices: Sequence[Choice], compared: Sequence[Judged] | None = None, *, command: str | None
) -> str:
    """The page as text.

    Args:
        choices: rows of the table; with ``compared`` the one network that it is of.
        compared: as ``judged`` gives it.
        command: how to get the same again.
    """
    values = _values(choices) if compared is None else _values(choices, compared)
    return rendered("choice_page.html", command, **values)


def write_page(
    choices: Sequence[Choice],
    path: str | Path,
    compared: Sequence[Judged] | None = None,
    *,
    command: str | None = None,
) -> Path:
    """Write the page, and return its path.

    Raises:
        OutputError: the file cannot be written.
    """
    text = page(choices, compared, command=command)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def _values(choices: Sequence[Choice], compared: Sequence[Judged] | None = None) -> dict[str, Any]:
    is_one = compared is not None
    groups = [
        {"name": name, "about": ARCHITECTURES[name].about, "rows": [_row(one) for one in own]}
        for name, own in groupby(choices, key=lambda one: one.case.architecture)
    ]
    return {
        "title": heading(choices[0]) if is_one else "Which initialization for which network?",
        "groups": [] if is_one else groups,
        "one": _row(choices[0]) if is_one else None,
        "compared": [
            {"recipe": one.recipe, "verdict": verdict(one), "law": one.law}
            for one in compared or ()
        ],
        "role": compared[0].role if compared else "",
        "code": choices[0].code() if is_one else "",
        "apply": "\n".join(apply()) if is_one else "",
        "plain": PLAIN,
    }


def _row(choice: Choice) -> dict[str, Any]:
    return {
        "answers": answers(choice.case),
        "recipe": RECIPE,
        "options": choice.case.options(),
        "parts": [
            {
                "role": part.role, "law": part.law, "count": counted(part).strip(),
                "why": wording.visible(_why(part)), "source": wording.visible(part.source),
            }
            for part in choice.telling
        ],
        "sources": list(dict.fromkeys(wording.visible(one.source) for one in choice.telling)),
        "kept": len(choice.plan.kept),
        "notes": [wording.visible(note) for note in choice.plan.notes],
        "trade_offs": choice.trade_offs,
        "alternatives": choice.alternatives,
    }  # fmt: skip
