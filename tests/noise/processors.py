"""Programs whose kernels numba compiles afresh for a processor of the test's choice."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import fanin

IS_X86 = platform.machine() in ("x86_64", "AMD64")

# What each target's code may use, as /proc/cpuinfo spells it: other code would not run here.
NEEDED_FLAGS = {
    "x86-64": set(),
    "haswell": {"avx2", "fma", "bmi1", "bmi2", "movbe", "abm", "f16c"},
    "skylake-avx512": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def runnable_targets() -> list[str]:
    if not IS_X86:
        return ["generic"]
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    return [target for target, needed in NEEDED_FLAGS.items() if needed <= flags]


def run_for_target(target: str, arguments: Sequence[str], cache: Path) -> str:
    """What Python prints, run with these arguments, its kernels compiled for one processor."""
    package = str(Path(fanin.__file__).parents[1])
    environment = os.environ | {
        "NUMBA_CPU_NAME": target,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
