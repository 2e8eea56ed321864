"""One exercise: a broken network, what is asked, and how an answer is judged."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from fanin.errors import InputError
from fanin.guide.exercises.causes import Cause
from fanin.guide.exercises.tasks import Task

if TYPE_CHECKING:
    from fanin.diagnosis.finding import Kind
    from fanin.guide.exercises.training import Trained

_FOR_TOOLS = re.compile(r"  # (fmt|type): .*$", re.MULTILINE)  # no concern of the reader

Level = Literal["easy", "medium", "hard"]


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained before it is judged; the same with a fix and without.

    Args:
        steps: of the optimizer.
        learning_rate: of all steps.
        optimizer: Adam, or plain SGD.
        batch_size: examples a step, drawn with replacement.
        seeds: one training each, of the weights and of the batches.
    """

    steps: int
    learning_rate: float
    optimizer: Literal["Adam", "SGD"] = "Adam"
    batch_size: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)

    def __str__(self) -> str:
        return (
            f"{self.optimizer} at {self.learning_rate:g}, {self.steps} steps of "
            f"{self.batch_size} examples, {len(self.seeds)} seeds"
        )


@dataclass(frozen=True, slots=True)
class Exercise:
    """A broken network whose cause and fix are asked for.

    Args:
        name: short, for the command line; the module's name.
        title: a heading that does not tell the cause.
        level: how hard it is.
        story: what is told of it. ``{start}``, ``{end}`` and ``{score}`` stand for the losses
            before and after training and for what the broken network reaches, as measured.
        build: draws the broken network from torch's global generator.
        parts: classes that ``build`` uses, shown with it.
        task: the data, the loss and the score.
        training: how it is trained.
        mark: the score that each seed must reach.
        cause: the right answer.
        hint: a nudge.
        solution: a file that passes, whole.
        why: what happens, and why the fix mends it.
        reads: claims of the guide to read.
        finding: the kind by which ``fanin.check`` names it on the broken network; None where
            one pass does not show it.
        effects: causes that are seen here, too, but follow from the right one; what to say.
        inputs_too: whether a function of the inputs may be handed in, instead of weights.
    """

    name: str
    title: str
    level: Level
    story: str
    build: Callable[[], nn.Module]
    task: Task
    training: Training
    mark: float
    cause: Cause
    hint: str
    solution: str
    why: str
    reads: tuple[str, ...]
    finding: Kind | None
    parts: tuple[Callable[..., Any], ...] = ()
    effects: Mapping[Cause, str] = field(default_factory=lambda: MappingProxyType({}))
    inputs_too: bool = False

    @property
    def code(self) -> str:
        """The broken network as Python that runs."""
        sources = [inspect.getsource(part).rstrip() for part in (*self.parts, self.build)]
        body = _FOR_TOOLS.sub("", "\n\n\n".join(sources))
        return f"{_imports(inspect.getmodule(self.build), body)}\n\n\n{body}\n"

    @property
    def handed_in(self) -> tuple[str, ...]:
        """The functions of which an answer has one."""
        return ("fix(model)", "build()", *(["prepare(x)"] if self.inputs_too else []))

    def reached(self, score: float) -> bool:
        """Whether a score is as good as the mark; NaN is not."""
        return score >= self.mark if self.task.higher_is_better else score <= self.mark

    def told(self, broken: Trained) -> str:
        """The story, with the numbers that a training of the broken network came to."""
        return self.story.format(
            start=broken.start, end=broken.end, score=broken.score, guess=self.task.guess
        )

    def draw(self, seed: int) -> nn.Module:
        """The broken network of a seed; global generators are as before afterwards."""
        from fanin.ensembles.isolation import borrowed

        with borrowed(seed, self.name):
            return self.build()


def _imports(module: ModuleType | None, body: str) -> str:
    """Those imports of a module that the code uses."""
    assert module is not None  # noqa: S101 - build is written in one
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    kept = []
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            statement.names = [one for one in statement.names if (one.asname or one.name) in used]
            if statement.names:
                kept.append(ast.unparse(statement))
    return "\n".join(kept)


def require_known(exercises: tuple[Exercise, ...], which: str) -> int:
    """The number of an exercise, from 1, by number or name.

    Raises:
        InputError: there is none.
    """
    from fanin.errors import UnknownNameError

    names = [one.name for one in exercises]
    text = which.strip().lower()
    if text in names:
        return names.index(text) + 1
    try:
        number = int(text)
    except ValueError:
        raise UnknownNameError("exercise", which, names) from None
    if not 1 <= number <= len(names):
        raise InputError(f"there is no exercise {number}; they are numbered 1 to {len(names)}")
    return number
