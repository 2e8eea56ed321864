"""Write the noise as raw bytes for a battery of randomness tests; or run dieharder on it.

    .venv/bin/python scripts/randomness.py words   | dieharder -a -g 200
    .venv/bin/python scripts/randomness.py normals | dieharder -a -g 200
    .venv/bin/python scripts/randomness.py words   | RNG_test stdin32

``words`` are the raw 32-bit words behind every number. ``normals`` are normal numbers mapped
back to uniform ones by the normal distribution function, 16 bits of each, so that a flaw of the
quantile would show. Both take 2^16 numbers of one name after another ("layer.0.weight",
"layer.1.weight", ... of seeds 0, 1, 2 in turn), as a model does: a flaw of the naming, such as
two streams that overlap or resemble each other, would show too.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fanin import noise
from fanin.noise import kernels
from fanin.noise.streams import Stream

A_NAME = 1 << 16


def words(seed: int, name: str) -> NDArray[np.uint32]:
    out = np.empty(A_NAME, np.uint32)
    kernels.fill_words(out, 0, Stream(seed, name).words)
    return out


def uniforms_of_normals(seed: int, name: str) -> NDArray[np.uint16]:
    below = special.ndtr(noise.normal(seed, name, 0, A_NAME).astype(np.float64))
    return (below * 2.0**16).astype(np.uint16)


def main() -> None:
    kinds = {"words": words, "normals": uniforms_of_normals}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    make = kinds[sys.argv[1]]
    try:
        for layer in itertools.count():
            for seed in range(3):
                sys.stdout.buffer.write(make(seed, f"layer.{layer}.weight").tobytes())
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough


if __name__ == "__main__":
    main()
