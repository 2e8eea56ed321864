"""The gain of an activation: 1/sqrt(E phi(z)^2)."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

from fanin.errors import InputError
from fanin.theory.activations import HalvedError, as_activation
from fanin.theory.elementwise import Activation
from fanin.theory.gated import gate_by_probing, known_gate
from fanin.theory.quadrature import expect
from fanin.theory.randomness import undisturbed

_MOST_REMEMBERED: Final = 512
_remembered: dict[Hashable, float] = {}


def gain(activation: object) -> float:
    """The factor by which weights make up for what an activation does to the second moment.

    gain = 1 / sqrt(E phi(z)^2), z ~ N(0, 1). Weights of variance gain^2 / fan_in then keep the
    second moment of the signal through weights and activation. It is exact to 1e-9 and better
    for every function that is analytic but for kinks and steps between -64 and 64.

    - A gated unit, a sigma(b) of the two halves of its input, has the gain of sigma: the halves
      are independent, so E (a sigma(b))^2 = E sigma(b)^2. The names glu, swiglu, geglu, reglu and
      bilinear, torch.nn.GLU, and functions that compute such a product are known.
    - For dropout, and for RReLU in training, phi(z)^2 is its mean over what they draw.
    - A gain says what happens from a second moment of 1. Where that is no stable fixed point,
      as for GELU and SiLU, the signal of a deep plain network still drifts.
    - The input of a network is no activation: the gain of its first layer is 1.

    Args:
        activation: a name, a ``torch.nn`` module or class, or a function of torch, numpy or
            math, as ``fanin.theory.as_activation`` takes it.

    Raises:
        UnknownNameError: a name that nothing bears; the nearest are offered.
        InputError: it is no activation, returns only 0, or E phi^2 is infinite.

    Example:
        >>> round(gain("relu") ** 2, 12)
        2.0
        >>> round(gain("gelu"), 10)
        1.5335304412
        >>> import math
        >>> round(gain(math.tanh), 10)
        1.5925374197

    References:
        He, Zhang, Ren, Sun. Delving deep into rectifiers. 2015. Section 2.2, for any activation.
        Shazeer. GLU variants improve transformer. 2020, for the gated units.
    """
    gate = known_gate(activation)
    if gate is not None:
        return _gain(gate)
    try:
        known = as_activation(activation)
    except HalvedError:
        known = gate_by_probing(activation)
    return _gain(known)


def _gain(activation: Activation) -> float:
    if activation.identity in _remembered:
        return _remembered[activation.identity]
    value = _computed(activation)
    if len(_remembered) >= _MOST_REMEMBERED:
        _remembered.clear()
    _remembered[activation.identity] = value
    return value


def _computed(activation: Activation) -> float:
    if activation.slopes is not None:
        square = (activation.slopes[0] ** 2 + activation.slopes[1] ** 2) / 2
    else:
        try:
            with undisturbed():
                square = expect(activation.second_moment, activation.breaks)
        except InputError as error:
            raise InputError(f"{activation.name} has no gain: of its square, {error}") from error
    if square == 0.0:
        raise InputError(f"{activation.name} has no gain: it returns 0 for every number")
    return 1.0 / math.sqrt(square)
