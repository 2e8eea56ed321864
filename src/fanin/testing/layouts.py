"""The layouts on which a scheme is tried when none is given."""

from __future__ import annotations

from typing import Final

from fanin.fans import (
    conv,
    conv_transpose,
    embedding,
    experts,
    linear,
    packed,
    recurrent,
    transposed_linear,
)

USUAL: Final = (
    linear((32, 32)),
    linear((16, 64)),
    linear((64, 16)),
    conv((16, 12, 3, 3)),
    conv((24, 4, 3, 3), groups=3),
    conv((12, 1, 5, 5), groups=12),
    conv_transpose((8, 12, 4, 4), stride=2),
    transposed_linear((24, 48)),
    experts((3, 16, 24)),
    packed(linear((72, 24)), 3),
    packed(linear((48, 24)), (24, 16, 8)),
    embedding((60, 16)),
    recurrent((80, 20), gates=4),
)

# Work is cut for threads from some size on. Elements by themselves are cheap, matrices are not.
LARGE_OF_ELEMENTS: Final = (linear((512, 1056)),)
LARGE_OF_MATRICES: Final = (linear((192, 256)), conv((64, 64, 3, 3)))

_MANY = 10**12
HUGE: Final = (
    linear((_MANY, 10**6)),
    linear((10**6, _MANY)),
    conv((10**6, 10**6, 10**6)),
    conv_transpose((10**6, 10**6, 10**6)),
    embedding((_MANY, 10**6)),
)
"""Fans of 10^12 and more. No memory holds such a weight; its scale is a number all the same."""

EMPTY: Final = (
    (linear((4, 5)), linear((0, 5))),
    (linear((4, 5)), linear((4, 0))),
    (conv((4, 3, 3, 3)), conv((0, 3, 3, 3))),
)
"""A layout, and one of its kind without elements."""
