from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import fanin as package
from fanin.cli.batches import drawn_input
from tests.cli.conftest import Fanin

MODELS = """
import torch
from torch import nn


def net():
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def batch():
    drawn = torch.Generator().manual_seed(0)
    return torch.randn(32, 64, generator=drawn), torch.arange(32) % 10, nn.CrossEntropyLoss()


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.odd = nn.Linear(64, 10), nn.Parameter(torch.rand(3))

    def forward(self, x):
        print("running")
        return self.layer(x)


def odd():
    return Odd()


def wrong_input():
    return nn.Linear(63, 2)
"""


@pytest.fixture(autouse=True)
def shown(folder: Path) -> None:
    (folder / "shown.py").write_text(MODELS)


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))


def assert_written(path: Path, model: torch.nn.Module) -> None:
    written = load_file(path)
    assert written.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(written[name], tensor), name


@pytest.mark.parametrize("option", ["--out", "--output"])
def test_writes_the_weights_that_init_gives(fanin_here: Fanin, tmp_path: Path, option: str) -> None:
    done = fanin_here("init", "models:net", "--recipe", "he_normal", "--seed", "3", option, "w.st")
    assert done.returncode == 0, done.stderr
    assert "Weights: w.st" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert_written(tmp_path / "w.st", package.init_(net(), "he_normal", seed=3))


def test_as_a_program_of_its_own(fanin: Fanin, tmp_path: Path) -> None:
    done = fanin("init", "models:net", "--recipe", "he_normal", "--out", "w.safetensors")
    assert done.returncode == 0, done.stderr
    assert_written(tmp_path / "w.safetensors", package.init_(net(), "he_normal"))


def test_shows_the_plan_and_says_that_nothing_was_written(
    fanin_here: Fanin, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    done = fanin_here("init", "models:net", "--recipe", "xavier_uniform")
    assert done.returncode == 0, done.stderr
    assert "recipe xavier_uniform(): 4 parameters drawn, 0 kept, 0 unmatched" in done.stdout
    assert "Nothing was written; --out FILE writes the weights." in done.stdout
    assert "0.weight" in done.stdout
    assert [p for p in sorted(tmp_path.iterdir()) if p.name != "__pycache__"] == before


def test_with_inputs_the_recipe_is_auto(fanin_here: Fanin, tmp_path: Path) -> None:
    done = fanin_here("init", "models:net", "--input", "8,64", "--seed", "2", "--out", "w.st")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("recipe auto: 4 parameters drawn")
    torch.manual_seed(2)
    expected = package.init_(net(), "auto", inputs=drawn_input("8,64", 2, 0), seed=2)
    assert_written(tmp_path / "w.st", expected)


def test_a_recipe_gets_the_batch_with_targets_and_loss(fanin_here: Fanin, tmp_path: Path) -> None:
    done = fanin_here("init", "shown:net", "--batch", "shown:batch", "--out", "w.st")
    assert done.returncode == 0, done.stderr
    drawn = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 64, generator=drawn), torch.arange(32) % 10
    expected = package.init_(net(), inputs=x, targets=y, loss=torch.nn.CrossEntropyLoss())
    assert_written(tmp_path / "w.st", expected)


def test_a_measured_recipe_holds_for_the_seed(fanin_here: Fanin, tmp_path: Path) -> None:
    options = ("--recipe", "lsuv", "--batch", "shown:batch", "--seed", "5")
    done = fanin_here("init", "shown:net", *options, "--out", "w.st")
    assert done.returncode == 0, done.stderr
    assert "measured on the weights of seed 5" in done.stdout
    assert fanin_here("init", "shown:net", *options, "--out", "v.st").returncode == 0
    assert (tmp_path / "w.st").read_bytes() == (tmp_path / "v.st").read_bytes()


def test_unmatched_parameters_are_an_error_or_kept(fanin_here: Fanin, tmp_path: Path) -> None:
    options = ("init", "shown:odd", "--input", "8,64", "--out", "w.st")
    done = fanin_here(*options)
    assert done.returncode == 2
    assert "'odd'" in done.stderr
    assert not (tmp_path / "w.st").exists()
    done = fanin_here(*options, "--unmatched", "keep", "--seed", "4")
    assert done.returncode == 0, done.stderr
    assert "! UNMATCHED: odd" in done.stdout
    torch.manual_seed(4)
    torch.nn.Linear(64, 10)  # made before it
    assert torch.equal(load_file(tmp_path / "w.st")["odd"], torch.rand(3))


def test_tied_weights_are_written_once(fanin_here: Fanin, tmp_path: Path) -> None:
    done = fanin_here("init", "models:tied", "--recipe", "normal:0.02", "--out", "t.st")
    assert done.returncode == 0, done.stderr
    assert len(load_file(tmp_path / "t.st")) == 1


def test_the_plan_as_json(fanin_here: Fanin) -> None:
    done = fanin_here("init", "models:net", "--recipe", "he_normal", "--seed", "3", "--json")
    said = json.loads(done.stdout)
    assert said["seed"] == 3
    assert said["output"] is None
    assert said["schema"] == "fanin.plan/2"
    rows = said["rows"]
    assert [row["parameter"] for row in rows] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_what_the_model_prints_does_not_spoil_the_json(fanin_here: Fanin) -> None:
    done = fanin_here("init", "shown:odd", "--input", "8,64", "--unmatched", "keep", "--json")
    assert json.loads(done.stdout)["unmatched"] == ["odd"]
    assert "running" in done.stderr


def test_the_page(fanin_here: Fanin, tmp_path: Path) -> None:
    done = fanin_here("init", "models:net", "--recipe", "he_normal", "--html", "p.html")
    assert done.returncode == 0, done.stderr
    assert "Page: p.html" in done.stdout
    text = (tmp_path / "p.html").read_text()
    assert "fanin init models:net --recipe he_normal --html p.html" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models:net",), "name a recipe, e.g. --recipe he_normal, or give inputs"),
        (("models:net", "--recipe", "hee"), "no recipe is called 'hee'"),
        (("models:net", "--recipe", "gpt2"), "give --input, e.g. --input 8,3,32,32, or --batch"),
        (("models:net", "--recipe", "gpt2", "--input", "2,64"), "recipe 'gpt2' scales residual"),
        (("models:no_model", "--recipe", "zeros"), "must return a torch.nn.Module, got int"),
        (("models:broken", "--recipe", "zeros"), "failed: RuntimeError: no weights today"),
        (("models:net", "--recipe", "zeros", "--out", "/no/w.st"), "there is no folder /no"),
        (("shown:wrong_input", "--input", "8,64"), "the pass of 'shown:wrong_input' failed"),
        (("models:net", "--recipe", "zeros", "--input", "8,64", "--batch", "a:b"), "give either"),
    ],
)
def test_mistakes(fanin_here: Fanin, arguments: tuple[str, ...], message: str) -> None:
    done = fanin_here("init", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
