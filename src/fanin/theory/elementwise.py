"""An activation: one function of one number, with what the theory asks of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


@attrs.frozen(eq=False, repr=False)
class Activation:
    """An elementwise function, its derivative, and where it is not smooth.

    Two activations are equal if they are known to compute the same: they bear one name, or
    their functions have the same code and see the same values. An activation made from a
    Python function reads what that function reads, now and later; one made from a module has
    a copy of it.

    Args:
        name: for messages.
        function: takes float64 arrays. For an activation that is random in training, its mean.
        slope: the derivative of ``function``, likewise.
        breaks: sorted, where the function or a derivative of it jumps.
        slopes: (negative, positive) if the function is homogeneous of degree 1 and not random.
        square: the expected square, if the activation is random in training.
        identity: what it computes, as a key.

    Example:
        >>> from fanin.theory import as_activation
        >>> relu6 = as_activation("relu6")
        >>> relu6(np.array([-1.0, 2.0, 7.0]))
        array([0., 2., 6.])
        >>> relu6.breaks
        (0.0, 6.0)
    """

    name: str
    function: Function
    slope: Function
    breaks: tuple[float, ...] = ()
    slopes: tuple[float, float] | None = None
    square: Function | None = None
    identity: Hashable = attrs.field(factory=object)

    def __call__(self, z: Array) -> Array:
        return _on(self.function, z)

    def derivative(self, z: Array) -> Array:
        """The derivative at z; at a break, that of one side."""
        return _on(self.slope, z)

    def second_moment(self, z: Array) -> Array:
        """The expected square at z: the square itself, unless the activation is random."""
        if self.square is not None:
            return _on(self.square, z)
        with np.errstate(all="ignore"):
            square: Array = np.square(_on(self.function, z))
        return square

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Activation) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return f"<Activation {self.name}>"


def _on(function: Function, z: Array) -> Array:
    values = np.asarray(z, dtype=np.float64)
    with np.errstate(all="ignore"):
        return function(values.ravel()).reshape(values.shape)
