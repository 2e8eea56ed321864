"""Write the golden bits: what every scheme draws, and the noise below, as hashes.

    .venv/bin/python scripts/golden.py             # writes tests/golden/bits.json
    .venv/bin/python scripts/golden.py other.json

That the same seed and name give the same bits, on every machine and in every version, is part
of the public promise. A change of this file is a breaking change: say so in CHANGELOG.md.

A hash is BLAKE2b (128 bits) of the raw bytes in little-endian order. Of a scheme there is one
for each type and seed; of the noise, which is float32, one for each window.

``mimetic`` is left out: it rests on LAPACK's singular value decomposition, which differs from
machine to machine in its last bits. ``tests/schemes/test_attention.py`` holds it to 1e-10.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fanin import noise, schemes
from fanin.fans import (
    Layout,
    bilinear,
    conv,
    conv_transpose,
    einsum,
    embedding,
    experts,
    linear,
    packed,
    recurrent,
    transposed_linear,
)
from fanin.noise import kernels

SCHEMA = "fanin.golden/1"
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "bits.json"

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
SEEDS = (0, 1, -(2**126) + 7)
NAME = "blocks.0.weight"

LINEAR = linear((65, 130))
TALL = linear((130, 65))
CONV = conv((24, 10, 3, 3))
GROUPED = conv((12, 2, 3, 3), groups=4)
TRANSPOSED = conv_transpose((10, 24, 4, 4), stride=2)
PACKED = packed(linear((96, 64)), (64, 16, 16))
GATES = recurrent((128, 20), gates=4)
CONV1D = transposed_linear((30, 50))
EXPERTS = experts((3, 24, 40))
EINSUM = einsum("bthd,hde->bte", (4, 8, 20))
TABLE = embedding((100, 24))
BILINEAR = bilinear((7, 5, 3))

MASK = torch.arange(65 * 130).reshape(65, 130) % 7 < 4

# A scheme, and the layouts of weights that it draws.
SCHEMES: list[tuple[schemes.AbstractScheme, tuple[Layout, ...]]] = [
    (schemes.zeros(), (LINEAR,)),
    (schemes.ones(), (LINEAR,)),
    (schemes.constant(0.1), (LINEAR,)),
    (schemes.constant(-1e-3), (LINEAR,)),
    (schemes.normal(), (LINEAR, CONV)),
    (schemes.normal(mean=0.3, std=0.02), (LINEAR, PACKED)),
    (schemes.uniform(), (LINEAR,)),
    (schemes.uniform(-0.1, 0.3), (LINEAR, CONV)),
    (schemes.truncated_normal(std=0.02), (LINEAR, CONV)),
    (schemes.truncated_normal(std=0.02, corrected=False), (LINEAR,)),
    (schemes.truncated_normal(mean=1.0, low=-3.0, high=float("inf")), (LINEAR,)),
    (schemes.truncated_normal(low=5.0, high=6.0), (LINEAR,)),
    (schemes.variance_scaling(), (LINEAR, GROUPED)),
    (schemes.variance_scaling(2.0, "fan_out", "normal"), (LINEAR, TRANSPOSED)),
    (schemes.variance_scaling(0.5, "fan_geo_avg", "uniform"), (LINEAR, EXPERTS)),
    (schemes.xavier_normal(), (LINEAR, PACKED)),
    (schemes.xavier_normal(gain=5 / 3), (LINEAR,)),
    (schemes.xavier_uniform(), (LINEAR, PACKED, GATES)),
    (schemes.he_normal(), (LINEAR, CONV, TRANSPOSED, BILINEAR)),
    (schemes.he_normal(0.2, "fan_out"), (LINEAR, GROUPED)),
    (schemes.he_uniform(), (LINEAR, CONV1D)),
    (schemes.lecun_normal(), (LINEAR, EINSUM)),
    (schemes.lecun_uniform(), (LINEAR, TABLE)),
    (schemes.orthogonal(), (LINEAR, TALL, CONV, GROUPED, TRANSPOSED, PACKED, EXPERTS, EINSUM)),
    (schemes.orthogonal(gain=2**0.5), (LINEAR, GATES)),
    (schemes.delta_orthogonal(), (CONV, GROUPED)),
    (schemes.delta_orthogonal(gain=1.5), (CONV, TRANSPOSED)),
    (schemes.identity(), (LINEAR, CONV1D, PACKED)),
    (schemes.identity(gain=0.1), (TALL,)),
    (schemes.dirac(), (CONV, TRANSPOSED, GROUPED)),
    (schemes.dirac(groups=2), (CONV,)),
    (schemes.zero_hadamard(), (LINEAR, TALL, CONV)),
    (schemes.sparse(), (LINEAR, CONV, PACKED)),
    (schemes.sparse(fraction=0.1, std=0.3), (LINEAR, EXPERTS)),
    (schemes.siren(), (LINEAR,)),
    (schemes.siren(w0=5.0, first=True), (LINEAR,)),
    (schemes.spectral(), (LINEAR, CONV)),
    (schemes.spectral(gain=2.0), (PACKED,)),
    (schemes.torch_default(), (LINEAR, CONV, TRANSPOSED, BILINEAR, TABLE, GATES)),
    (schemes.torch_default("attention"), (packed(linear((96, 32)), 3),)),
    (schemes.looks_linear("first"), (TALL, CONV)),
    (schemes.looks_linear("hidden"), (linear((64, 130)), EXPERTS)),
    (schemes.looks_linear("last", schemes.he_normal()), (LINEAR,)),
    (schemes.icnr(schemes.he_normal()), (CONV, TRANSPOSED)),
    (schemes.icnr(schemes.orthogonal(), 2), (CONV,)),
    (schemes.scaled(schemes.he_normal(), 0.1), (LINEAR, PACKED)),
    (schemes.scaled(schemes.orthogonal(), 0.1), (LINEAR, CONV)),
    (schemes.masked(schemes.normal(std=0.02), MASK), (LINEAR,)),
    (schemes.masked(schemes.orthogonal(), MASK), (LINEAR,)),
    (schemes.blocks(schemes.he_normal(), schemes.orthogonal(), schemes.zeros()), (PACKED,)),
    (schemes.blocks(schemes.normal(), schemes.ones(), sizes=(5, 19)), (CONV,)),
    (schemes.per_unit(schemes.xavier_normal(), [i / 8 - 1 for i in range(65)]), (LINEAR,)),
    (schemes.given(MASK[:, :130] / 8), (LINEAR,)),
    (schemes.chrono_bias(784), (GATES,)),
    (schemes.chrono_bias(20.5, "gru"), (CONV,)),
]

# First element and number of elements; the last ones lie where counters carry.
WINDOWS = ((0, 1000), (12_345, 200_000), (2**32 - 300, 700), (2**40 + 123, 700))
LAWS: dict[str, Callable[[int, str, int, int], np.ndarray]] = {
    "words": lambda *window: words(*window),
    "uniform": noise.uniform,
    "normal": noise.normal,
    "truncated_normal": noise.truncated_normal,
    "truncated_normal from 5 to 6": lambda *window: noise.truncated_normal(*window, 5.0, 6.0),
}


def words(seed: int, name: str, start: int, count: int) -> np.ndarray:
    out = np.empty(count, np.uint32)
    kernels.fill_words(out, start, noise.Stream(seed, name).words)
    return out


def hash_of(values: np.ndarray) -> str:
    """Of the bytes of an array, in row-major and little-endian order."""
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    return hashlib.blake2b(little.tobytes(), digest_size=16).hexdigest()


def hash_of_tensor(tensor: torch.Tensor) -> str:
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return hash_of(tensor.contiguous().view(integers).numpy())


def said(layout: Layout) -> str:
    """A layout in a few words."""
    groups = f" groups {layout.groups}" if layout.groups > 1 else ""
    blocks = f" blocks {layout.blocks}" if layout.blocks else ""
    return f"{layout.op} {layout.shape}{groups}{blocks}"


def of_schemes() -> Iterator[tuple[str, dict[str, dict[str, str]]]]:
    for scheme, layouts in SCHEMES:
        for layout in layouts:
            hashes = {
                str(dtype).removeprefix("torch."): {
                    str(seed): hash_of_tensor(
                        scheme.init_(
                            torch.empty(layout.shape, dtype=dtype),
                            seed=seed,
                            name=NAME,
                            layout=layout,
                        )
                    )
                    for seed in SEEDS
                }
                for dtype in DTYPES
            }
            yield f"{scheme!r} on {said(layout)}", hashes


def of_noise() -> Iterator[tuple[str, dict[str, dict[str, str]]]]:
    for law, draw in LAWS.items():
        hashes = {
            f"{start} to {start + count}": {
                str(seed): hash_of(draw(seed, NAME, start, count)) for seed in SEEDS
            }
            for start, count in WINDOWS
        }
        yield law, hashes


def golden() -> dict[str, Any]:
    return {"schema": SCHEMA, "noise": dict(of_noise()), "schemes": dict(of_schemes())}


def main() -> None:
    if len(sys.argv) > 2 or sys.argv[1:2] == ["--help"]:
        sys.exit(__doc__)
    path = Path(sys.argv[1]) if len(sys.argv) == 2 else GOLDEN
    path.write_text(json.dumps(golden(), indent=1) + "\n")


if __name__ == "__main__":
    main()
