"""No scheme but the orthogonal ones needs more than 1 MiB beside the tensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
import torch
from fanin import fans, schemes

def kilobytes(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key))

def peak(work):
    # 5: begin to count the peak of this process anew.
    with open("/proc/self/clear_refs", "w") as peak_counter:
        peak_counter.write("5")
    before = kilobytes("VmRSS")
    work()
    return kilobytes("VmHWM") - before

square, conv = fans.linear((1024, 1024)), fans.conv((256, 256, 3, 3))
mask = torch.ones(1024, 1024, dtype=torch.bool)
he = schemes.he_normal()
cases = [
    (schemes.zeros(), square),
    (schemes.normal(), square),
    (schemes.uniform(), square),
    (schemes.truncated_normal(), square),
    (he, fans.packed(square, (512, 256, 256))),
    (schemes.identity(), square),
    (schemes.dirac(), conv),
    (schemes.zero_hadamard(), fans.linear((1024, 1000))),
    (schemes.sparse(), square),
    (schemes.sparse(fraction=0.3), square),
    (schemes.siren(), square),
    (schemes.icnr(he, 2), conv),
    (schemes.scaled(he, 0.5), square),
    (schemes.masked(he, mask), square),
    (schemes.looks_linear("hidden", base=he), square),
]
found = {}
for scheme, layout in cases:
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        plain = torch.ones(layout.shape, dtype=dtype)
        axes = tuple(reversed(range(plain.ndim)))
        turned = torch.ones(tuple(reversed(layout.shape)), dtype=dtype).permute(axes)
        for weight in (plain, turned):
            scheme.init_(weight, layout=layout)  # compiled, imported
            used = min(peak(lambda: scheme.init_(weight, layout=layout)) for _ in range(2))
            found[f"{scheme!r}, {dtype}, contiguous: {weight.is_contiguous()}"] = used
# A check of the method itself: a copy of the tensor must be seen.
found["a copy"] = peak(lambda: torch.ones(1024, 1024).clone())
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory needs Linux")
def test_extra_memory_is_below_one_mebibyte():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        # What is freed goes back at once, so that the next peak shows.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    found = json.loads(done.stdout)
    assert found.pop("a copy") > 4_000
    assert len(found) == 15 * 4 * 2
    too_much = {case: used for case, used in found.items() if used >= 1024}
    assert not too_much, f"KiB: {too_much}"
