"""Every block of code in the docs and the README is run, or there is a reason why not.

Blocks with ``>>>`` are doctests already.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fanin.cli.program import program
from tests.site.conftest import ROOT

MODULES = Path(__file__).parent / "modules"
PAGES = [
    ROOT / "README.md",
    *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "guide" not in p.parts),
]
# What a command begins with -> why it is not run here.
NOT_RUN = {
    "make demo": "trains for a minute; run by people and before a release",
    "make test": "runs this test",
    "pip install": "changes the environment",
    ".venv/bin/python scripts/randomness.py words | ": "feeds a program that is not installed",
    ".venv/bin/python scripts/randomness.py normals | ": "feeds a program that is not installed",
    "fanin guide run": "trains for minutes; tested with the guide",
}
# A command in a block or in a sentence, and the block of text behind it.
SHOWN = re.compile(
    r"(?:```(?:sh|console)\n([^\n`]+)\n```|`(fanin [^`]+)`[^`]*?)\n\n```text\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    made = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 1
            if found[1] in languages:
                made.append(Block(page, line, found[1], found[2]))
    return made


def commands(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    lines = [line.removeprefix("$ ").strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user of the docs stands: beside the modules that the pages name."""
    shutil.copytree(MODULES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("package", "package.module", "models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(command: str) -> str:
    """What a command of fanin prints; a finding is no failure of ``fanin check``."""
    name, *arguments = shlex.split(command, comments=True)
    assert name == "fanin", f"{command!r} is not run and no reason stands in NOT_RUN"
    done = CliRunner().invoke(program, arguments, prog_name="fanin", standalone_mode=False)
    allowed = {0, 1} if arguments[0] == "check" else {0}
    if isinstance(done.exception, SystemExit) or done.exception is None:
        assert done.exit_code in allowed, f"{command}: {done.exit_code}\n{done.output}"
    else:
        raise AssertionError(f"{command}: {done.exception}") from done.exception
    return done.stdout


# The README's commands are run as a user does, in processes of their own, by tests/test_readme.py.
@pytest.mark.parametrize(
    "block", [one for one in blocks("sh", "console") if one.page.name != "README.md"], ids=str
)
def test_commands_run(block: Block, folder: Path) -> None:
    for command in commands(block.text):
        if not any(command.startswith(known) for known in NOT_RUN):
            run(command)


def shown() -> list[tuple[str, str, str]]:
    """Command and output, of each block of text that says what a command prints."""
    made = []
    for page in PAGES:
        made += [
            (page.name, found[1] or found[2], found[3])
            for found in SHOWN.finditer(page.read_text(encoding="utf-8"))
        ]
    return made


@pytest.mark.parametrize(("page", "command", "text"), shown())
def test_a_command_prints_what_the_page_shows(
    page: str, command: str, text: str, folder: Path
) -> None:
    """Words are the same; numbers may differ, for they depend on the processor."""

    def words(printed: str) -> str:
        bare = NUMBER.sub("N", re.sub(r"[▁▂▃▄▅▆▇█░]+", "", printed))
        return " ".join(bare.split())

    pattern = re.escape(words(text)).replace(r"\.\.\.", ".*")
    assert re.fullmatch(pattern, words(run(command))), f"{page}: {command}"


def test_there_is_output_to_compare() -> None:
    assert shown()


@pytest.mark.parametrize("block", blocks("yaml", "toml"), ids=str)
def test_configurations_can_be_read(block: Block) -> None:
    text = textwrap.dedent(block.text)
    assert tomllib.loads(text) if block.language == "toml" else yaml.safe_load(text)


@pytest.mark.parametrize(
    "block", [one for one in blocks("python") if ">>>" not in one.text], ids=str
)
def test_modules_are_tests_that_pass(block: Block, folder: Path) -> None:
    (folder / "test_page.py").write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_reason_is_still_needed() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (*PAGES, ROOT / "CONTRIBUTING.md"))
    assert [one for one in NOT_RUN if one not in text and "guide" not in one] == []
