"""Run the code of an answer: ``python -m fanin.guide.exercises.answering NAME FILE FOLDER``.

In a process of its own, so that nothing that the code does to torch, to fanin or to Python can
touch the marking. What comes back is numbers: ``FOLDER/answer.json`` and
``FOLDER/values.safetensors``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fanin.ensembles.isolation import borrowed
from fanin.errors import InputError, UnknownNameError
from fanin.guide.exercises.catalogue import exercises, number_of
from fanin.guide.exercises.causes import CAUSES
from fanin.guide.exercises.exercise import Exercise
from fanin.guide.exercises.permitted import first_difference

JSON = "answer.json"
VALUES = "values.safetensors"


def main(name: str, file: str, folder: str) -> None:
    """Write what the answer says and does, or what is wrong with it."""
    torch.set_num_threads(1)
    exercise = exercises()[number_of(name) - 1]
    said: dict[str, Any]
    values: dict[str, Tensor] = {}
    try:
        said = _answered(exercise, Path(file), values)
    except InputError as error:
        said = {"error": str(error)}
    save_file(values, Path(folder, VALUES))
    Path(folder, JSON).write_text(json.dumps(said))


def _answered(exercise: Exercise, file: Path, values: dict[str, Tensor]) -> dict[str, Any]:
    module = _loaded(file)
    cause = _cause(module, file)
    function, made = _function(module, file, exercise)
    refusal = None
    if made == "prepare":
        examples = exercise.task.examples()
        for part in ("x_train", "x_test"):
            inputs: Tensor = getattr(examples, part)
            prepared = _called(partial(function, inputs.clone()), file)
            if not isinstance(prepared, Tensor):
                raise InputError(f"{file}: prepare(x) must return a tensor, got {_type(prepared)}")
            values[part] = prepared.detach().clone().contiguous()
    else:
        for seed in exercise.training.seeds:
            model, refusal = _fixed(exercise, function, made, seed, file)
            if refusal is not None:
                break
            for name, tensor in model.state_dict().items():
                values[f"{seed}/{name}"] = tensor.detach().clone().contiguous()
    return {"cause": cause, "made": made, "refusal": refusal}


def _fixed(
    exercise: Exercise, function: Callable[..., object], made: str, seed: int, file: Path
) -> tuple[nn.Module, str | None]:
    """The network of an answer, and what it changed that it may not."""
    broken = exercise.draw(seed)
    given = exercise.draw(seed)
    with borrowed(seed, "answer"):
        result = _called(function if made == "build" else partial(function, given), file)
    if result is None and made == "fix":
        result = given
    if not isinstance(result, nn.Module):
        raise InputError(f"{file}: {made} must return the model, got {_type(result)}")
    return result, first_difference(broken, result)


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("answer", file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} is not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["answer"] = module
    sys.path.insert(0, str(file.resolve().parent))
    sys.dont_write_bytecode = True
    loader = spec.loader
    with borrowed(0, "answer"):
        _called(lambda: loader.exec_module(module), file)
    return module


def _cause(module: ModuleType, file: Path) -> str:
    cause = getattr(module, "CAUSE", None)
    if not isinstance(cause, str) or not cause:
        raise InputError(f"{file}: set CAUSE to one of {', '.join(CAUSES)}")
    if cause not in CAUSES:
        raise InputError(f"{file}: CAUSE: {UnknownNameError('cause', cause, CAUSES)}")
    return cause


def _function(
    module: ModuleType, file: Path, exercise: Exercise
) -> tuple[Callable[..., object], str]:
    """The one function that is handed in, and its name."""
    names = [form.partition("(")[0] for form in exercise.handed_in]
    there = [name for name in names if callable(getattr(module, name, None))]
    if len(there) != 1:
        wanted = " or ".join(exercise.handed_in)
        got = f"it has {' and '.join(there)}" if there else "it has none"
        raise InputError(f"{file}: an answer has one function, {wanted}; {got}")
    return getattr(module, there[0]), there[0]


def _called(function: Callable[[], object], file: Path) -> object:
    """The result of the answer's code.

    Raises:
        InputError: it raises; with the line of the file.
    """
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit, too, is the answer's mistake
        raise InputError(_told(error, file)) from None


def _told(error: BaseException, file: Path) -> str:
    """An error of the answer's code in one message: line, what it says, the line's text."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError) and error.lineno is not None:
        number = error.lineno
        said = f"{type(error).__name__}: {error.msg}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
        if not own or own[-1] is None:
            return f"{file}: {said}"
        number = own[-1]
    lines = file.read_text(errors="replace").splitlines()
    text = lines[number - 1].strip() if number <= len(lines) else ""
    return f"{file}, line {number}: {said}\n  {text}".rstrip()


def _type(value: object) -> str:
    return type(value).__name__


if __name__ == "__main__":
    main(*sys.argv[1:])
