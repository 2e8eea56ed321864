"""The README's commands run as they stand; its Python runs as doctests."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_commands_run(tmp_path: Path) -> None:
    assert len(commands()) >= 2
    for command in commands():
        program, *arguments = shlex.split(command)
        assert program == "fanin"
        done = subprocess.run(
            [sys.executable, "-m", "fanin", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (tmp_path / "out.html").exists()


def test_the_python_is_run_by_pytest() -> None:
    assert README.read_text().count("```python\n>>> ") >= 5


def test_the_verdicts_shown_are_those_of_the_guide(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "fanin", "guide"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    printed = [line.rstrip() for line in shown.splitlines()]
    (block,) = (
        found
        for found in re.findall(r"```text\n(.*?)```", README.read_text(), flags=re.DOTALL)
        if "3. Variance" in found
    )
    assert [line for line in block.splitlines() if line not in printed] == []
    (count,) = (line.rstrip(".") for line in printed if " claims: " in line)
    assert count in README.read_text()
