"""A model and its batch, as the command line names them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from fanin.cli.targets import call_target
from fanin.errors import InputError, ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

INPUT_HELP = (
    "An input of this shape: N(0, 1), or after a colon int1000 (integers below 1000), zeros, "
    "ones, float16, bfloat16 or float64. Repeat it for more positional arguments."
)
BATCH_HELP = "Instead of --input: a function that returns inputs or (inputs, targets[, loss])."

_INPUT = re.compile(r"(?P<shape>\d+(,\d+)*)(:(?P<kind>[a-z]+)(?P<number>\d*))?")
_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_MOST = 1 << 32


@attrs.frozen
class Batch:
    """What a model is run on.

    Args:
        inputs: a tensor, a tuple (positional arguments), a dict (keyword arguments) or one object
            of another kind.
        targets: for the loss.
        loss: a function of outputs and targets.
    """

    inputs: Any
    targets: Any = None
    loss: Callable[..., Any] | None = None


def call_model(target: str) -> nn.Module:
    """The model that a TARGET returns.

    Raises:
        InputError: as ``call_target``.
        ModelError: it returns no module.
    """
    from torch import nn

    model = call_target(target)
    if not isinstance(model, nn.Module):
        raise ModelError(f"{target!r} must return a torch.nn.Module, got {type(model).__name__}")
    return model


def batch_of(inputs: tuple[str, ...], target: str | None, seed: int) -> Batch:
    """The batch of ``--input`` or ``--batch``.

    Args:
        inputs: shapes with a suffix, one a positional argument.
        target: names a function that returns a batch.
        seed: of the numbers of ``inputs``.

    Raises:
        InputError: neither or both, or one that cannot be used.
    """
    if bool(inputs) == (target is not None):
        raise InputError("give either --input, e.g. --input 8,3,32,32, or --batch")
    if target is not None:
        return called_batch(target)
    drawn = tuple(drawn_input(text, seed, place) for place, text in enumerate(inputs))
    return Batch(drawn[0] if len(drawn) == 1 else drawn)


def called_batch(target: str) -> Batch:
    """The batch that a function returns: a tuple is (inputs, targets[, loss]), all else inputs.

    Raises:
        InputError: as ``call_target``, a tuple of another length, or a loss that is no function.
    """
    try:
        found = call_target(target)
    except InputError as error:
        said = str(error).replace("TARGET must be", "it must be")
        raise InputError(f"--batch: {said.replace('returns a model', 'returns a batch')}") from None
    if not isinstance(found, tuple):
        return Batch(found)
    if len(found) not in {2, 3}:
        raise InputError(
            f"--batch: a tuple must be (inputs, targets) or (inputs, targets, loss), {target!r} "
            f"returned {len(found)} values; several inputs are a tuple or dict in first place"
        )
    if len(found) == 3 and not (found[2] is None or callable(found[2])):
        kind = type(found[2]).__name__
        raise InputError(f"--batch: the third value is the loss, a function, got {kind}")
    return Batch(*found)


def drawn_input(text: str, seed: int, place: int) -> Tensor:
    """An input such as ``8,3,32,32`` or ``8,16:int1000``; the same numbers on every machine.

    Args:
        text: shape and kind.
        seed: another seed gives other numbers.
        place: of the input among all.

    Raises:
        InputError: no such shape or kind.

    Example:
        >>> drawn_input("2,3", 0, 0).shape
        torch.Size([2, 3])
        >>> bool((drawn_input("64:int5", 0, 0) < 5).all())
        True
    """
    import torch

    found = _INPUT.fullmatch(text.strip())
    if found is None:
        raise _no_input(text)
    shape = tuple(map(int, found["shape"].split(",")))
    size = math.prod(shape)
    if not 0 < size < _MOST:
        raise InputError(f"--input {text}: a shape of {size} elements")
    kind, number = found["kind"] or "float", found["number"] or ""
    full = f"{kind}{number}"
    if full in _FLOATS or full == "float":
        dtype = getattr(torch, full)
        return _normal(seed, place, size).reshape(shape).to(dtype)
    if kind == "int" and number and 0 < int(number) < _MOST:
        return _integers(seed, place, size, int(number)).reshape(shape)
    if full == "zeros":
        return torch.zeros(shape)
    if full == "ones":
        return torch.ones(shape)
    raise _no_input(text)


def _no_input(text: str) -> InputError:
    return InputError(
        f"--input {text}: expected a shape such as 8,3,32,32, and after a colon int and a number "
        "(8,16:int1000), zeros, ones, float16, bfloat16 or float64"
    )


def _normal(seed: int, place: int, size: int) -> Tensor:
    import torch

    from fanin.noise import normal

    return torch.from_numpy(normal(seed, f"input.{place}", 0, size))


def _integers(seed: int, place: int, size: int, below: int) -> Tensor:
    import numpy as np
    import torch

    from fanin.noise import uniform

    shares = uniform(seed, f"input.{place}", 0, size).astype(np.float64)
    return torch.from_numpy(np.floor(shares * below).astype(np.int64))
