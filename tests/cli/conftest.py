"""The command line as a user runs it: a process of its own, in a folder with a module."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fanin.cli import main

MODELS = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))

def wrong_input():
    return nn.Sequential(nn.Linear(63, 10))

def few_outputs():
    return nn.Sequential(nn.Linear(64, 3))

def changing(sizes=iter(range(8, 1000))):
    return nn.Sequential(nn.Linear(64, next(sizes)), nn.ReLU(), nn.LazyLinear(10))

def growing(sizes=iter(range(8, 1000))):
    width = next(sizes)
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

def broken():
    raise RuntimeError("no weights today")

def leaving():
    raise SystemExit(5)

def no_model():
    return 3

def tied():
    table = nn.Embedding(5, 4)
    head = nn.Linear(4, 5, bias=False)
    head.weight = table.weight
    return nn.Sequential(table, head)

def data():
    x = torch.randn(200, 64, generator=torch.Generator().manual_seed(0))
    return x.numpy(), (x[:, 0] > 0).long().numpy()

model = net()
number = 3
"""

Fanin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "raises.py").write_text("raise RuntimeError('not today')")
    return tmp_path


@pytest.fixture
def fanin_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Fanin:
    """The same program in this process: without seconds of imports for each message."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["fanin", *arguments])
        monkeypatch.setattr("sys.path", [*sys.path])
        for module in ("models", "raises"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        before = set(sys.modules)
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        for module in sys.modules.keys() - before:  # of this folder: the next test has its own
            if str(getattr(sys.modules[module], "__file__", "")).startswith(str(folder)):
                del sys.modules[module]
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(str(code or 0)), printed.out, printed.err)

    return run


@pytest.fixture
def fanin(folder: Path) -> Fanin:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "fanin", *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
