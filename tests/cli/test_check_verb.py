"""``fanin check``, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import pytest

from fanin import diagnosis
from fanin.diagnosis import Finding, Report
from tests.cli.conftest import Fanin

MODELS = """
import functools
import torch
from torch import nn

print("loading models")


def net():
    print("building")
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def batch():
    drawn = torch.Generator().manual_seed(0)
    targets = torch.randint(10, (32,), generator=drawn)
    return torch.randn(32, 64, generator=drawn), targets, nn.CrossEntropyLoss()


def dropout():
    return nn.Sequential(net(), nn.Dropout())


class Talking(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 4)

    def forward(self, x):
        print("running")
        return self.layer(x)


class Leaving(Talking):
    def forward(self, x):
        raise SystemExit(0)


class Builder:
    def __call__(self):
        return net()


def decorated(function):
    @functools.wraps(function)
    def wrapped():
        return function()
    return wrapped


@decorated
def wrapped():
    return net()


partial = functools.partial(net)
builder = Builder()
exec("def unwritten(): return net()")
"""

PATCHED = """
import sys
import attrs
from fanin import diagnosis
from fanin.cli import main

judged = diagnosis.check
severity = sys.argv.pop()


def check(*arguments, **others):
    finding = diagnosis.Finding("dead", severity, ("0.weight",), "All \u00e4re dead.", "Mend it.")
    return attrs.evolve(judged(*arguments, **others), findings=(finding,))


diagnosis.check = check
main()
"""

HERE = ("check", "shown:net", "--input", "8,64")
Found = Callable[..., None]


@pytest.fixture(autouse=True)
def shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shown.py").write_text(MODELS)
    monkeypatch.delitem(sys.modules, "shown", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Found:
    """Let the check find what is named, whatever the model."""
    judged = diagnosis.check

    def finds(*severities: Any) -> None:
        findings = tuple(
            Finding("dead", severity, ("0.weight",), "All are dead.", "Lower the bias.")
            for severity in severities
        )

        def check(*arguments: Any, **others: Any) -> Report:
            return attrs.evolve(judged(*arguments, **others), findings=findings)

        monkeypatch.setattr(diagnosis, "check", check)

    return finds


def test_says_of_a_healthy_model_that_it_is_in_80_columns(fanin: Fanin) -> None:
    done = fanin("check", "models:net", "--input", "8,64", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert "HEALTHY" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert max(map(len, fanin("check", "--help").stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("severity", "options", "status"),
    [("error", (), 1), ("error", ("--fail-on", "never"), 0)],
)
def test_exit_status_and_utf_8_whatever_the_terminal_encodes(
    folder: Path, severity: str, options: tuple[str, ...], status: int
) -> None:
    (folder / "patched.py").write_text(PATCHED)
    arguments = ["patched.py", *HERE, "--format", "github", *options, severity]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    assert "All äre dead. Fix: Mend it." in done.stdout
    assert f"::{severity} title=fanin%3A dead,file=shown.py,line=9::0.weight: " in done.stdout


@pytest.mark.parametrize(
    ("severities", "fail_on", "status"),
    [
        ((), "warning", 0),
        (("warning", "error"), "error", 1),
        (("error",), "warning", 1),
        (("warning",), "error", 0),
        (("warning", "error"), "never", 0),
    ],
)
def test_fail_on(
    fanin_here: Fanin, found: Found, severities: tuple[str, ...], fail_on: str, status: int
) -> None:
    found(*severities)
    assert fanin_here(*HERE, "--fail-on", fail_on).returncode == status


def test_text_names_finding_and_remedy(fanin_here: Fanin, found: Found) -> None:
    found("error")
    done = fanin_here(*HERE, "--all")
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    assert "All are dead." in done.stdout
    assert "Lower the bias." in done.stdout


def parsed(form: str, text: str) -> object:
    if form == "junit":
        return ET.fromstring(text).get("name")
    if form == "github":
        return [line.split()[0] for line in text.splitlines()]
    said = json.loads(text)
    return said["schema"] if form == "json" else said["version"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("json", "fanin.report/1"),
        ("sarif", "2.1.0"),
        ("junit", "fanin check"),
        ("github", ["::error", "::notice"]),
    ],
)
def test_machine_output_stands_alone_whatever_the_model_prints(
    fanin_here: Fanin, found: Found, folder: Path, form: str, expected: object
) -> None:
    found("error")
    arguments = ("check", "shown:Talking", "--input", "2,64", "--html", "out.html")
    done = fanin_here(*arguments, "--format", form)
    assert done.returncode == 1
    assert parsed(form, done.stdout) == expected
    assert "running" in done.stderr
    assert "Page: out.html" in done.stderr
    assert "fanin check shown:Talking" in (folder / "out.html").read_text()
    to_file = fanin_here(*arguments, "--format", form, "--output", "out.txt")
    assert to_file.returncode == 1
    assert "BROKEN" in to_file.stdout
    assert "As " + form + ": out.txt" in to_file.stdout
    assert parsed(form, (folder / "out.txt").read_text()) == expected


def test_json_is_short_for_its_format(fanin_here: Fanin) -> None:
    done = fanin_here(*HERE, "--json")
    assert done.stdout == fanin_here(*HERE, "--format", "json", "--json").stdout
    said = json.loads(done.stdout)
    assert said["verdict"] == "healthy"
    assert said["objective"]["kind"] == "projection"
    given = fanin_here("check", "shown:net", "--batch", "shown:batch", "--json")
    assert json.loads(given.stdout)["objective"]["op"] == "cross_entropy"


def test_text_to_a_file_is_plain(fanin_here: Fanin, folder: Path) -> None:
    assert fanin_here(*HERE, "--output", "report.txt").returncode == 0
    text = (folder / "report.txt").read_text()
    assert "HEALTHY" in text
    assert "\x1b" not in text


def test_evaluation_mode_and_seed(fanin_here: Fanin) -> None:
    arguments = ("check", "shown:dropout", "--input", "8,64")
    assert "in training mode" in fanin_here(*arguments).stdout
    assert "in evaluation mode" in fanin_here(*arguments, "--eval").stdout
    first, again, other = (
        fanin_here(*arguments, "--json", "--seed", seed).stdout for seed in ("1", "1", "2")
    )
    assert first == again
    assert json.loads(first)["loss"] != json.loads(other)["loss"]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("net", "file=shown.py,line=9"),
        ("Talking", "file=shown.py,line=24"),
        ("wrapped", "file=shown.py,line=51"),
        ("partial", "file=shown.py,line=9"),
        ("builder", "file=shown.py,line=39"),
        ("unwritten", None),
    ],
)
def test_pins_findings_to_the_code_that_builds_the_model(
    fanin_here: Fanin, target: str, place: str | None
) -> None:
    said = fanin_here("check", f"shown:{target}", "--input", "8,64", "--format", "github").stdout
    assert said.startswith(f"::notice title=fanin check,{place}::" if place else "::notice title=")
    assert ("file=" in said) == (place is not None)


def test_paths_are_relative_to_the_checkout_of_an_action(
    fanin_here: Fanin, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder.parent))
    assert f"file={folder.name}/shown.py" in fanin_here(*HERE, "--format", "github").stdout
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder / "elsewhere"))
    assert "file=shown.py" in fanin_here(*HERE, "--format", "github").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shown:net"], "give either --input"),
        (["shown:net", "--input", "8,63"], "failed: RuntimeError: mat1 and mat2"),
        (["shown:Leaving", "--input", "8,64"], "failed: SystemExit"),
        (["shown:nte", "--input", "8,64"], "Did you mean 'net'?"),
        (["models:no_model", "--input", "8,64"], "must return a torch.nn.Module, got int"),
        (["models:leaving", "--input", "8,64"], "SystemExit: 5"),
        (["shown:net", "--input", "8,64", "--html", "no/folder/a.html"], "no/folder"),
        (["shown:net", "--input", "8,64", "--output", "no/folder/a"], "no/folder"),
        (["shown:net", "--input", "8,64", "--json", "--format", "sarif"], "exclude each other"),
        (["shown:net", "--input", "8,64", "--format", "xml"], "'xml' is not one of"),
        (["shown:net", "--input", "8,64", "--fail-on", "info"], "'info' is not one of"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    fanin_here: Fanin, arguments: list[str], message: str
) -> None:
    done = fanin_here("check", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_mistake_is_status_2_of_the_process(fanin: Fanin) -> None:
    done = fanin("check", "shown:net", "--input", "8,63", "--format", "sarif")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "mat1 and mat2" in done.stderr


def test_the_lines_of_the_docs_run(fanin_here: Fanin, folder: Path) -> None:
    (folder / "models.py").write_text(MODELS)
    text = (Path(__file__).parents[2] / "docs" / "check_in_ci.md").read_text()
    lines = {line.strip() for line in re.findall(r"^.*?(fanin check .*)$", text, re.MULTILINE)}
    assert len(lines) >= 5
    for line in lines:
        done = fanin_here(*shlex.split(line)[1:])
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (folder / "fanin.sarif").exists()
    assert (folder / "fanin.xml").exists()


def test_help_imports_no_torch() -> None:
    script = (
        "import sys, fanin.cli.program as p\n"
        "p.program(['check', '--help'], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'rich', 'jinja2', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
