"""Run PyTorch's own tests of ``torch.nn.init`` on ``fanin.nn_init``.

    python scripts/check_nn_init.py PATH/TO/test_init.py [arguments of pytest]
    python scripts/check_nn_init.py --fetch [arguments of pytest]

The file is ``test/nn/test_init.py`` of a PyTorch checkout; ``--fetch`` takes it from GitHub at
the tag below. Its import of ``torch.nn.init`` is replaced, and nothing else. Needs ``pytest``,
``scipy`` and ``expecttest``, which PyTorch's test support imports. Ends with 0 if every test
passed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from xml.etree import ElementTree as ET

TAG = "v2.13.0"
URL = f"https://raw.githubusercontent.com/pytorch/pytorch/{TAG}/test/nn/test_init.py"
NEEDED = ("torch", "pytest", "scipy", "expecttest")
IMPORT = re.compile(r"^(import torch\.nn\.init as init|from torch\.nn import init)$", re.MULTILINE)


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    source, *for_pytest = sys.argv[1:]
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)} (pip install {' '.join(missing)})")
    text = fetched() if source == "--fetch" else read(Path(source))
    text, replaced = IMPORT.subn("import fanin.nn_init as init", text)
    if not replaced:
        raise SystemExit("the file does not import torch.nn.init: is it test/nn/test_init.py?")
    counts = run(text, for_pytest)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 0 if counts["passed"] and not counts["failed"] else 1


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"cannot read {path}: {error.strerror}") from None


def fetched() -> str:
    try:
        with urllib.request.urlopen(URL, timeout=30) as answer:
            return str(answer.read().decode("utf-8"))
    except (urllib.error.URLError, TimeoutError) as error:
        raise SystemExit(
            f"cannot fetch {URL}: {getattr(error, 'reason', error)}. "
            "Give the path of the file in a PyTorch checkout instead."
        ) from None


def run(text: str, for_pytest: list[str]) -> dict[str, int]:
    """Outcome -> number of tests."""
    with tempfile.TemporaryDirectory() as folder:
        test, results = Path(folder, "test_init.py"), Path(folder, "results.xml")
        test.write_text(text, encoding="utf-8")
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("-c", os.devnull, "--rootdir", folder, f"--junitxml={results}"),
                *(str(test), *for_pytest),
            ],
            check=False,
            # Without it PyTorch skips the tests that it calls slow.
            env={**os.environ, "PYTORCH_TEST_WITH_SLOW": "1"},
        )
        if not results.exists():
            raise SystemExit("pytest ended without results")
        suite = ET.parse(results).getroot().find("testsuite")
    if suite is None:
        raise SystemExit("pytest ended without results")
    tests, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    return {"passed": tests - failed - skipped, "failed": failed, "skipped": skipped}


if __name__ == "__main__":
    sys.exit(main())
