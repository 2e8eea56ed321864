"""The compiled quantile on words of the test's choice."""

from __future__ import annotations

import numpy as np

from fanin.noise import kernels


def normals_of(words: np.ndarray) -> np.ndarray:
    """z of each word; groups are filled up with zeros for the kernel and cut off again."""
    padded = np.zeros(-(-words.size // kernels.GROUP) * kernels.GROUP, np.uint32)
    padded[: words.size] = words
    out = np.empty(padded.size, np.float32)
    room = np.empty(kernels.GROUP, np.float32)
    for start in range(0, padded.size, kernels.GROUP):
        part = slice(start, start + kernels.GROUP)
        kernels.normals(padded[part], room, out[part], np.float32(0), np.float32(1))
    return out[: words.size]
