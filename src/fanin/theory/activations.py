"""From a name, a module or any function to the activation that it computes."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final, cast

import attrs
import numpy as np

from fanin.errors import InputError
from fanin.theory.callables import Call, NumpyCall, ScalarCall, TorchCall
from fanin.theory.elementwise import Activation as Activation
from fanin.theory.elementwise import Array, Function
from fanin.theory.fingerprints import fingerprint
from fanin.theory.known_modules import is_module, known
from fanin.theory.names import named
from fanin.theory.randomness import undisturbed
from fanin.theory.smoothness import Interpolant, central_difference, find_breaks

if TYPE_CHECKING:
    from torch import nn

_PROBES: Final = 3.1 * np.sin(1.7 * np.arange(1.0, 39.0))
"""An even number of points without order, none at a place where functions are cut."""

_REPLACED: Final = np.arange(_PROBES.size) % 3 == 0
_MOST_REMEMBERED: Final = 512
_remembered: dict[Hashable, Activation] = {}


class HalvedError(InputError):
    """A function returned half as many numbers as it took, as gated units do."""


def as_activation(activation: object) -> Activation:
    """The activation that something computes: its values, derivative and breaks.

    A function is called with float64 arrays of numpy, then with tensors of torch, then with
    single numbers, until one of them works. That it acts on each number alone, and always in the
    same way, is tested, and where it is not smooth is searched for between -64 and 64. Derivatives
    are torch's where those agree with differences, otherwise they come from Chebyshev
    polynomials between the breaks.

    Args:
        activation: a name (``"gelu"``, ``"LeakyReLU"``, ``"gelu_new"``), a ``torch.nn`` module
            or a class of one that needs no arguments, a function of torch, numpy or math, a
            lambda of any of them, or an Activation. A module is copied, with its mode.

    Raises:
        UnknownNameError: a name that nothing bears; the nearest are offered.
        InputError: it is no function of one real number; the message says why.

    Example:
        >>> as_activation("tanh")(np.array([0.0, 1.0]))
        array([0.        , 0.76159416])
        >>> as_activation(lambda z: np.maximum(z, 0.1 * z)).breaks
        (0.0,)
        >>> as_activation("leaky_relu").slopes
        (0.01, 1.0)
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        return named(activation)
    subject = callable_of(activation)
    key = fingerprint(subject)
    if key is not None and key in _remembered:
        return _remembered[key]
    name = name_of(subject)
    with undisturbed():
        made = known(subject)
        if made is None:
            try:
                made = _probed(subject, name, object() if key is None else key)
            except HalvedError as error:
                raise HalvedError(f"{name} is no activation: {error}") from error
            except InputError as error:
                raise InputError(f"{name} is no activation: {error}") from error.__cause__
    if key is not None:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = made
    return made


def callable_of(subject: object) -> Callable[..., object]:
    """What to call: classes of modules are made instances."""
    if isinstance(subject, type):
        return _instance(subject)
    if not callable(subject):
        raise InputError(
            "an activation is a name such as 'gelu', a torch.nn module or a function, got "
            f"{_short(subject)}"
        )
    return subject


def _instance(cls: type) -> Callable[..., object]:
    torch = sys.modules.get("torch")
    if torch is None or not issubclass(cls, torch.nn.Module):
        raise InputError(
            f"the class {cls.__name__} is no activation: give an instance, or a function"
        )
    with undisturbed():
        try:
            return cast("Callable[..., object]", cls())
        except TypeError as error:
            raise InputError(
                f"{cls.__name__} needs arguments: give an instance of it, made with those that "
                f"are meant ({error})"
            ) from error


def name_of(subject: object) -> str:
    """What messages call it."""
    if is_module(subject):
        text = repr(subject)
        return text if len(text) <= 60 and "\n" not in text else type(subject).__name__
    if isinstance(subject, functools.partial):
        return f"partial of {name_of(subject.func)}"
    name = getattr(subject, "__name__", None)
    if isinstance(name, str):
        return "the lambda" if name == "<lambda>" else name
    return type(subject).__name__


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def calls_of(subject: Callable[..., object]) -> tuple[Call, ...]:
    """The ways to call something, to be tried in turn."""
    if is_module(subject):
        return (TorchCall(_twin(cast("nn.Module", subject))),)
    torch = (TorchCall(subject),) if "torch" in sys.modules else ()
    return (NumpyCall(subject), *torch, ScalarCall(subject))


def _twin(module: nn.Module) -> nn.Module:
    """A copy in float64 on the processor, in the mode of the original."""
    try:
        return copy.deepcopy(module).double().cpu().requires_grad_(requires_grad=False)
    except Exception as error:
        raise InputError(f"it cannot be copied: {error}") from error


def first_that_works(subject: Callable[..., object], z: Array) -> tuple[Call, Array]:
    """The first way to call that returns numbers, and what it returned.

    Raises:
        InputError: none works, with what each way said.
    """
    said: dict[str, list[str]] = {}
    cause: Exception | None = None
    for call in calls_of(subject):
        try:
            return call, call(z)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001  (other people's code may raise anything)
            kind = {NumpyCall: "an array", TorchCall: "a tensor"}.get(type(call), "a number")
            first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
            said.setdefault(f"{type(error).__name__}: {first}", []).append(kind)
            cause = error
    raise InputError(
        "it could not be called with "
        + "; nor with ".join(f"{' or '.join(kinds)} ({text})" for text, kinds in said.items())
        + ". It must take one argument; bind others with functools.partial or a lambda"
    ) from cause  # fmt: skip


@attrs.frozen
class _Elementwise:
    """A call whose results have the shape of the input; a constant may come as one number."""

    call: Call

    def __call__(self, z: Array) -> Array:
        with np.errstate(all="ignore"):
            values = self.call(z)
        return values if values.shape == z.shape else np.broadcast_to(values, z.shape).copy()


def _probed(subject: Callable[..., object], name: str, key: Hashable) -> Activation:
    call, values = first_that_works(subject, _PROBES)
    _require_shape(values)
    function = _Elementwise(call)
    values = function(_PROBES)
    _require_elementwise(function, values)
    _require_finite(values)
    breaks = find_breaks(function)
    return Activation(
        name, function, _Slope(function, breaks), breaks,
        _slopes(function) if not breaks or breaks == (0.0,) else None, identity=key,
    )  # fmt: skip


def _require_shape(values: Array) -> None:
    if values.shape == _PROBES.shape or values.ndim == 0:
        return
    if 2 * values.size == _PROBES.size:
        raise HalvedError(
            "it returns half as many numbers as it takes, as gated units and maxout do, so it is "
            "no function of one number"
        )
    raise InputError(
        f"it returned the shape {values.shape} for the shape {_PROBES.shape}: an activation "
        "returns one number for each that it takes"
    )


def _require_elementwise(function: Function, values: Array) -> None:
    if not np.array_equal(function(_PROBES), values, equal_nan=True):
        raise InputError(
            "it is random: two calls with one input differ. Give it in evaluation mode; of the "
            "random ones, torch's dropouts and RReLU are known"
        )
    # Vector code may round the last numbers of an array in another way than the first.
    turned = function(_PROBES[::-1].copy())[::-1]
    other = function(np.where(_REPLACED, 0.7 - 1.3 * _PROBES, _PROBES))
    if not _agree(turned, values) or not _agree(other[~_REPLACED], values[~_REPLACED]):
        raise InputError(
            "what it returns for one number depends on the other numbers or on their order, as "
            "with softmax and normalization, so it has no gain"
        )


def _agree(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True))


def _require_finite(values: Array) -> None:
    bad = np.isnan(values)
    if np.any(bad):
        raise InputError(
            f"it is nan at z = {_PROBES[bad][0]:.4g}: an activation is defined for every number"
        )


def _slopes(function: Function) -> tuple[float, float] | None:
    """The slopes of a function that is homogeneous of degree 1, tested over eight decades."""
    sizes = np.geomspace(1.3e-4, 2.9e4, 33)
    below, zero, above = np.split(function(np.concatenate([-sizes, [0.0], sizes])), [33, 34])
    negative, positive = float(below[0] / -sizes[0]), float(above[0] / sizes[0])
    straight = (
        zero[0] == 0.0
        and np.allclose(below, -negative * sizes, rtol=1e-14, atol=0.0)
        and np.allclose(above, positive * sizes, rtol=1e-14, atol=0.0)
    )
    if not straight:
        return None
    ends = function(np.array([-1.0, 1.0]))
    return float(0.0 - ends[0]), float(ends[1])


class _Slope:
    """The derivative: torch's where it is right, otherwise a polynomial's. Made when asked for."""

    def __init__(self, function: _Elementwise, breaks: tuple[float, ...]) -> None:
        self._function = function
        self._breaks = breaks

    def __call__(self, z: Array) -> Array:
        return self._best(z)

    @functools.cached_property
    def _best(self) -> Function:
        call = self._function.call
        if isinstance(call, TorchCall) and self._is_right(call):
            return lambda z: np.zeros_like(z) if (d := call.derivative(z)) is None else d
        with undisturbed():
            return Interpolant.of(self._function, self._breaks)

    def _is_right(self, call: TorchCall) -> bool:
        """Autograd agrees with differences, which it does not for straight-through estimators."""
        far = np.min(np.abs(np.subtract.outer(_PROBES, (*self._breaks, np.inf))), axis=1)
        z = _PROBES[far > 0.01]
        with undisturbed():
            try:
                slopes = call.derivative(z)
            except Exception:  # noqa: BLE001  (a function without a backward pass)
                return False
            if slopes is None or slopes.shape != z.shape:
                return False
            expected = central_difference(self._function, z)
        wrong = ~(np.abs(slopes - expected) <= 1e-6 * (1.0 + np.abs(expected)))
        # Differences are wrong where the function is steep; that is on few of the points.
        return bool(np.count_nonzero(wrong) <= z.size // 8)
