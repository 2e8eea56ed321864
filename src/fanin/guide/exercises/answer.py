"""A student's answer: the file to start from, and what its code comes to when it is run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from safetensors.torch import load_file
from torch import Tensor

from fanin.errors import InputError
from fanin.guide.exercises.catalogue import number_of
from fanin.guide.exercises.causes import CAUSES, Cause
from fanin.guide.exercises.exercise import Exercise

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says and does.

    Args:
        cause: as it names it.
        made: the function that it hands in.
        refusal: what it changed and may not, as the end of a sentence; None if nothing.
        values: of the fixed networks, by seed and name; or of the inputs.
        printed: what its code printed.
    """

    cause: Cause
    made: Literal["fix", "build", "prepare"]
    refusal: str | None
    values: dict[str, Tensor]
    printed: str

    def of_seed(self, seed: int) -> dict[str, Tensor]:
        """The values of one fixed network by their names."""
        start = f"{seed}/"
        return {
            name.removeprefix(start): value
            for name, value in self.values.items()
            if name.startswith(start)
        }


def starter(exercise: Exercise) -> str:
    """The text of a file to start an answer from."""
    number = number_of(exercise.name)
    causes = "\n".join(f"#   {name:<14}{meaning}" for name, meaning in CAUSES.items())
    other = (
        "\n\n# Or, instead of fix:\n# def prepare(x):\n#     return x\n"
        if exercise.inputs_too
        else ""
    )
    return f'''\
"""Exercise {number}: {exercise.title}.

Mark it: fanin guide exercise {number} --check THIS_FILE
"""

import torch
from torch import nn

# One of
{causes}
CAUSE = ""


def fix(model):
    """Change weights and biases in place; nothing else."""
    return model
{other}'''


class Asking:
    """The code of an answer, running in a process of its own until the block is left.

    Args:
        exercise: which.
        file: the answer.

    Raises:
        InputError: there is no such file.
    """

    def __init__(self, exercise: Exercise, file: Path) -> None:
        if not file.is_file():
            raise InputError(
                f"there is no file {file}; write one with "
                f"fanin guide exercise {number_of(exercise.name)} --write {file}"
            )
        self._exercise = exercise
        self._file = file
        self._left = ExitStack()
        self._until = time.monotonic() + _SECONDS

    def __enter__(self) -> Asking:
        self._folder = Path(self._left.enter_context(TemporaryDirectory(prefix="fanin-")))
        printed = self._left.enter_context(Path(self._folder, "printed").open("wb"))
        command = (sys.executable, "-m", "fanin.guide.exercises.answering")
        self._process = subprocess.Popen(  # noqa: S603 - their own file, run because they ask
            (*command, self._exercise.name, str(self._file), str(self._folder)),
            stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._left.callback(self._stop)
        return self

    def __exit__(self, *raised: object) -> None:
        self._left.close()

    @property
    def ended(self) -> bool:
        """Whether the code came to its end, so that ``answer`` does not wait."""
        return self._process.poll() is not None

    def answer(self) -> Answer:
        """What the code came to, when it has.

        Raises:
            InputError: it cannot be run, raises or does not end; the message has the line.
        """
        try:
            status = self._process.wait(max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise InputError(
                f"{self._file}: its code ran for more than {_SECONDS} s and was stopped; a fix "
                "draws weights, which takes less than one"
            ) from None
        printed = Path(self._folder, "printed").read_text(errors="replace")
        result = Path(self._folder, "answer.json")
        if not result.is_file():
            last = (printed.strip().splitlines() or ["it said nothing"])[-1]
            raise InputError(f"{self._file}: its code ended Python, status {status}: {last}")
        said = json.loads(result.read_text())
        if "error" in said:
            raise InputError(said["error"])
        values = load_file(Path(self._folder, "values.safetensors"))
        return Answer(said["cause"], said["made"], said["refusal"], values, printed)

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
