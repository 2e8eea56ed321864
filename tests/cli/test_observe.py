"""``fanin observe``, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fanin.cli.batches import batch_of, called_batch, drawn_input
from fanin.errors import InputError
from tests.cli.conftest import Fanin

BATCHES = """
import torch
from torch import nn

def stack():
    layers = [nn.Linear(8, 32)]
    for _ in range(9):
        layers += [nn.Linear(32, 32), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(32, 4))

def words():
    return nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 4))

class Adding(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(5, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x, y):
        return self.dropout(self.one(x) + self.two(y))

def adding():
    return Adding()

def inputs():
    return torch.ones(6, 64)

def named():
    return {"x": torch.ones(2, 4), "y": torch.ones(2, 5)}

def with_targets():
    return torch.ones(6, 64), torch.zeros(6, dtype=torch.long)

def with_loss():
    return (*with_targets(), nn.CrossEntropyLoss())

def four():
    return 1, 2, 3, 4

def no_loss():
    return 1, 2, 3

def infinite():
    return torch.full((2, 64), float("inf"))
"""


@pytest.fixture(autouse=True)
def batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "batches.py").write_text(BATCHES)
    monkeypatch.delitem(__import__("sys").modules, "batches", raising=False)


def test_shows_every_weight_with_fans_and_scale_in_80_columns(fanin: Fanin) -> None:
    done = fanin("observe", "models:net", "--input", "8,64", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    assert "0.weight linear 64 16 relu 1.41" in words
    assert "2.weight linear 16 10 output" in words
    assert "beside them 2 biases" in words
    assert "\x1b" not in done.stdout


def test_prints_json(fanin_here: Fanin) -> None:
    done = fanin_here("observe", "models:net", "--batch", "batches:with_loss", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["schema"] == "fanin.observation/1"
    assert said["objective"]["kind"] == "given"
    assert said["objective"]["op"] == "cross_entropy"
    weights = [use for use in said["uses"] if use["role"] == "weight"]
    assert [(use["parameter"], use["fan_in"]) for use in weights] == [
        ("0.weight", 64),
        ("2.weight", 16),
    ]


def test_writes_a_page_that_says_how_to_get_it_again(fanin_here: Fanin, folder: Path) -> None:
    done = fanin_here("observe", "models:net", "--input", "8,64", "--html", "net.html")
    assert done.returncode == 0, done.stderr
    assert "Page: net.html" in done.stdout
    page = (folder / "net.html").read_text()
    assert "fanin observe models:net --input 8,64 --html net.html" in page
    assert "<script" not in page


def test_folds_equal_layers_unless_all_are_wanted(fanin_here: Fanin) -> None:
    folded = fanin_here("observe", "batches:stack", "--input", "4,8").stdout
    assert "{1..17}.weight x9" in folded
    assert "11.weight" not in folded
    every = fanin_here("observe", "batches:stack", "--input", "4,8", "--all").stdout
    assert all(f"\n{2 * layer + 1}.weight " in every for layer in range(9))


def test_several_inputs_are_positional_and_a_dict_is_keywords(fanin_here: Fanin) -> None:
    for arguments in (
        ("--input", "2,4", "--input", "2,5"),
        ("--batch", "batches:named"),
    ):
        done = fanin_here("observe", "batches:adding", *arguments)
        assert done.returncode == 0, done.stderr
        assert "two.weight" in done.stdout


def test_evaluation_mode_and_mode_as_returned(fanin_here: Fanin) -> None:
    arguments = ("observe", "batches:adding", "--batch", "batches:named")
    assert "in training mode" in fanin_here(*arguments).stdout
    assert "in evaluation mode" in fanin_here(*arguments, "--eval").stdout


def test_a_seed_gives_the_same_again(fanin_here: Fanin) -> None:
    arguments = ("observe", "batches:words", "--input", "4,3:int50", "--json", "--seed")
    first, again, other = (fanin_here(*arguments, seed).stdout for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models:net"], "give either --input"),
        (["models:net", "--input", "8,64", "--batch", "batches:inputs"], "give either --input"),
        (["models:net", "--input", "8;64"], "expected a shape such as 8,3,32,32"),
        (["models:net", "--input", "8,64:int"], "expected a shape"),
        (["models:net", "--input", "8,64:float8"], "expected a shape"),
        (["models:net", "--input", "8,0"], "a shape of 0 elements"),
        (["models:net", "--input", "8,63"], "failed: RuntimeError: mat1 and mat2"),
        (["batches:words", "--input", "8,3:int60"], "IndexError"),
        (["models:nte", "--input", "8,64"], "Did you mean 'net'?"),
        (["models:no_model", "--input", "8,64"], "must return a torch.nn.Module, got int"),
        (["models:net", "--batch", "batches:four"], "returned 4 values"),
        (["models:net", "--batch", "batches:no_loss"], "the loss, a function, got int"),
        (["models:net", "--batch", "models:number"], "not a function that returns a batch"),
        (["models:net", "--batch", "models"], "--batch: it must be package.module:callable"),
        (["models:net", "--batch", "models:broken"], "no weights today"),
        (["models:net", "--batch", "batches:infinite"], "finite"),
        (["models:net", "--input", "8,64", "--html", "no/folder/a.html"], "no/folder"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    fanin_here: Fanin, arguments: list[str], message: str
) -> None:
    done = fanin_here("observe", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_floats_of_any_width(kind: str) -> None:
    drawn = drawn_input(f"3,4:{kind}", 0, 0)
    assert drawn.dtype == getattr(torch, kind)
    assert drawn.shape == (3, 4)


def test_numbers_are_normal_and_differ_by_seed_and_place() -> None:
    drawn = drawn_input("1000,20", 0, 0)
    # Standard errors: 0.007 of the mean, 0.005 of the std; six of them.
    assert abs(float(drawn.mean())) < 0.043
    assert abs(float(drawn.std()) - 1) < 0.03
    assert not torch.equal(drawn, drawn_input("1000,20", 1, 0))
    assert not torch.equal(drawn, drawn_input("1000,20", 0, 1))
    assert torch.equal(drawn, drawn_input("1000,20", 0, 0))


def test_integers_lie_below_and_reach_all() -> None:
    drawn = drawn_input("1000:int7", 0, 0)
    assert drawn.dtype == torch.int64
    assert sorted(set(drawn.tolist())) == list(range(7))
    assert not drawn_input("5:zeros", 0, 0).any()
    assert drawn_input("5:ones", 0, 0).all()


def test_the_rule_of_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    assert called_batch("batches:inputs").targets is None
    assert set(called_batch("batches:named").inputs) == {"x", "y"}
    assert called_batch("batches:with_targets").targets.shape == (6,)
    assert isinstance(called_batch("batches:with_loss").loss, torch.nn.Module)
    with pytest.raises(InputError, match="give either"):
        batch_of((), None, 0)
    one, two = batch_of(("2,3", "4:int9"), None, 0).inputs
    assert one.shape == (2, 3)
    assert two.shape == (4,)
