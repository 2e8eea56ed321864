"""Gated units: a sigma(b), where a and b are the two halves of the input."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import attrs
import numpy as np

from fanin.errors import InputError
from fanin.theory.activations import as_activation, callable_of, first_that_works, name_of
from fanin.theory.callables import Call
from fanin.theory.elementwise import Activation, Array
from fanin.theory.fingerprints import fingerprint
from fanin.theory.names import GATES, NAMED, plain
from fanin.theory.randomness import undisturbed

_A: Final = np.array([-2.3, -0.7, 0.4, 1.9, 3.1])
_B: Final = np.array([0.6, -1.4, 2.2, -0.3, 1.1])

_MOST_REMEMBERED: Final = 256
_probed: dict[Hashable, Activation] = {}


def known_gate(subject: object) -> Activation | None:
    """The sigma of a gated unit that is known: by name, torch's, or probed before."""
    if isinstance(subject, str):
        gate = GATES.get(plain(subject))
        return None if gate is None else NAMED[gate]
    name = getattr(subject, "__name__", type(subject).__name__)
    home = getattr(subject, "__module__", None) or ""
    if home.startswith("torch.nn.") and name in {"GLU", "glu"}:
        return NAMED["sigmoid"]
    return _probed.get(fingerprint(subject)) if _probed else None


def gate_by_probing(subject: object) -> Activation:
    """The sigma of a function that halves the last axis and is linear in one of the halves.

    Raises:
        InputError: it is linear in neither.
    """
    function = callable_of(subject)
    with undisturbed():
        call, values = first_that_works(function, np.stack([_A, _B], axis=1))
        if values.size == _A.size:
            for swapped in (False, True):
                gate = _Gate(call, swapped)
                expected = (_B if swapped else _A) * gate(_A if swapped else _B)
                if np.allclose(values.ravel(), expected, rtol=1e-9, atol=1e-12):
                    return _remember(fingerprint(function), as_activation(gate))
    raise InputError(
        f"{name_of(function)} returns half as many numbers as it takes, but is no product a "
        "sigma(b) of the halves of its last axis, so its gain is not known"
    )


def _remember(key: Hashable | None, gate: Activation) -> Activation:
    if key is not None:
        if len(_probed) >= _MOST_REMEMBERED:
            _probed.clear()
        _probed[key] = gate
    return gate


@attrs.frozen
class _Gate:
    """What multiplies the linear half."""

    call: Call
    swapped: bool

    def __call__(self, z: Array) -> Array:
        ones = np.ones_like(z)
        pair = (z, ones) if self.swapped else (ones, z)
        return self.call(np.stack(pair, axis=1)).ravel()
