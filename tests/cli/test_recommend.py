"""``fanin recommend``, as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

import fanin as package
from fanin.cli.batches import drawn_input
from fanin.recipes import Plan
from tests.cli.conftest import Fanin

MODELS = """
import torch
from torch import nn

print("loading")


def net():
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def batch():
    drawn = torch.Generator().manual_seed(0)
    return torch.randn(32, 64, generator=drawn), torch.arange(32) % 10, nn.CrossEntropyLoss()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


def deep():
    return nn.Sequential(nn.Linear(64, 16), *(Block() for _ in range(6)), nn.Linear(16, 10))


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.odd = nn.Linear(64, 10), nn.Parameter(torch.rand(3))

    def forward(self, x):
        return self.layer(x)


def odd():
    return Odd()


def raising():
    class Raising(nn.Linear):
        def forward(self, x):
            raise RuntimeError("not today")
    return Raising(64, 2)
"""
HERE = ("recommend", "shown:net", "--input", "8,64")


@pytest.fixture(autouse=True)
def shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shown.py").write_text(MODELS)
    monkeypatch.delitem(sys.modules, "shown", raising=False)


def expected() -> Plan:
    model = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    return package.recommend(model, drawn_input("8,64", 0, 0))


def test_it_shows_every_parameter_with_its_reason(fanin_here: Fanin) -> None:
    done = fanin_here(*HERE)
    assert done.returncode == 0, done.stderr
    assert "recipe auto: 4 parameters drawn, 0 kept, 0 unmatched" in done.stdout
    words = " ".join(done.stdout.split())
    for row in expected().rows:
        assert row.parameter in words
        assert row.reason in words
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_as_a_program_of_its_own(fanin: Fanin) -> None:
    done = fanin(*HERE)
    assert done.returncode == 0, done.stderr
    assert "recipe auto: 4 parameters drawn" in done.stdout


def test_the_batch_brings_targets_and_loss(fanin_here: Fanin) -> None:
    without = json.loads(fanin_here(*HERE, "--json").stdout)
    done = fanin_here("recommend", "shown:net", "--batch", "shown:batch", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] != without["rows"]


def test_json_is_the_plan_and_stdout_holds_nothing_else(fanin_here: Fanin) -> None:
    done = fanin_here(*HERE, "--json", "--html", "p.html")
    assert "loading" in done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(expected().to_dict()))
    assert "Page: p.html" in done.stderr


def test_equal_blocks_share_a_row_unless_all_are_wanted(fanin_here: Fanin) -> None:
    deep = ("recommend", "shown:deep", "--input", "8,64")
    folded, every = fanin_here(*deep), fanin_here(*deep, "--all")
    assert folded.returncode == every.returncode == 0, folded.stderr
    assert "{1..6}.up.weight" in folded.stdout or "{2..6}.up.weight" in folded.stdout
    assert all(f"{i}.up.weight" in every.stdout for i in range(1, 7))
    assert len(folded.stdout.splitlines()) < len(every.stdout.splitlines())


def test_python_is_code_that_runs_without_fanin(fanin_here: Fanin, tmp_path: Path) -> None:
    done = fanin_here(*HERE, "--python", "-")
    assert done.returncode == 0, done.stderr
    assert "loading" in done.stderr
    assert "import fanin" not in done.stdout
    assert done.stdout.rstrip() == expected().to_python().rstrip()
    compile(done.stdout, "printed", "exec")
    done = fanin_here(*HERE, "--python", "weights.py")
    assert "Python: weights.py" in done.stdout
    assert (tmp_path / "weights.py").read_text().rstrip() == expected().to_python().rstrip()


def test_the_page(fanin_here: Fanin, tmp_path: Path) -> None:
    done = fanin_here(*HERE, "--html", "p.html")
    assert done.returncode == 0, done.stderr
    assert "Page: p.html" in done.stdout
    text = (tmp_path / "p.html").read_text()
    assert "fanin recommend shown:net --input 8,64 --html p.html" in text
    assert "Along depth" in text


def test_unmatched_parameters_are_listed_and_make_the_status_1(fanin_here: Fanin) -> None:
    done = fanin_here("recommend", "shown:odd", "--input", "8,64")
    assert done.returncode == 1, done.stderr
    assert "! UNMATCHED: odd" in done.stdout
    done = fanin_here("recommend", "shown:odd", "--input", "8,64", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["unmatched"] == ["odd"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shown:net",), "give either --input"),
        (("shown:nett", "--input", "8,64"), "Did you mean 'net'?"),
        (("shown:net", "--input", "8,63"), "the pass of 'shown:net' failed"),
        (("shown:raising", "--input", "8,64"), "RuntimeError: not today"),
        (("shown:net", "--input", "8,64", "--html", "/no/p.html"), "there is no folder /no"),
        (("shown:net", "--input", "8,64", "--python", "/no/p.py"), "there is no folder /no"),
        (("shown:net", "--input", "8,64", "--python", "-", "--json"), "both print to stdout"),
    ],
)
def test_mistakes(fanin_here: Fanin, arguments: tuple[str, ...], message: str) -> None:
    done = fanin_here("recommend", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
