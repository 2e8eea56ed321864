from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

import fanin as package
from tests.cli.conftest import Fanin


def test_writes_the_weights_that_init_gives(fanin: Fanin, tmp_path: Path) -> None:
    done = fanin("init", "models:net", "--recipe", "he_normal", "--seed", "3", "--output", "w.st")
    assert done.returncode == 0, done.stderr
    assert "Weights: w.st" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    written = load_file(tmp_path / "w.st")
    model = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    package.init_(model, "he_normal", seed=3)
    assert written.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(written[name], tensor), name


def test_shows_the_plan_and_says_that_nothing_was_written(fanin: Fanin, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    done = fanin("init", "models:net", "--recipe", "xavier_uniform")
    assert done.returncode == 0, done.stderr
    assert "Nothing was written" in done.stdout
    assert "0.weight" in done.stdout
    assert [p for p in sorted(tmp_path.iterdir()) if p.name != "__pycache__"] == before


def test_tied_weights_are_written_once(fanin: Fanin, tmp_path: Path) -> None:
    done = fanin("init", "models:tied", "--recipe", "normal:0.02", "--output", "t.st")
    assert done.returncode == 0, done.stderr
    assert len(load_file(tmp_path / "t.st")) == 1


def test_the_plan_as_json(fanin: Fanin) -> None:
    done = fanin("init", "models:net", "--recipe", "he_normal", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [row["parameter"] for row in rows] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert rows[0]["std"] == (2 / 64) ** 0.5
    assert rows[0]["fan_in"] == 64
    assert rows[1]["fan_in"] is None


def test_mistakes(fanin_here: Fanin) -> None:
    for arguments, message in (
        (("models:net",), "Missing option '--recipe'"),
        (("models:net", "--recipe", "hee"), "no recipe is called 'hee'"),
        (("models:no_model", "--recipe", "zeros"), "must return a torch.nn.Module, got int"),
        (("models:broken", "--recipe", "zeros"), "failed: RuntimeError: no weights today"),
        (("models:net", "--recipe", "zeros", "--output", "/no/w.st"), "there is no folder /no"),
    ):
        done = fanin_here("init", *arguments)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
