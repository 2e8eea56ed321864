"""``fanin guide choose``, as a user runs it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fanin.cli.guide_choose import choose
from fanin.errors import FaninError


def run(*arguments: str, columns: int = 80) -> Result:
    return CliRunner().invoke(choose, arguments, env={"COLUMNS": str(columns), "NO_COLOR": "1"})


def test_the_table_fits_80_columns_and_is_grouped_by_architecture():
    shown = run()
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.partition(":")[0] for line in lines if ": " in line and line[0].isalpha()]
    assert heads[0] == "mlp"
    assert "\x1b" not in shown.stdout
    assert "hidden weight: orthogonal, std = sqrt(2 / fan_in) [2]" in shown.stdout


def test_answers_without_an_architecture_choose_rows():
    shown = json.loads(run("--activation", "tanh", "--depth", "5", "--json").stdout)
    assert shown["schema"] == "fanin.choices/1"
    assert {row["case"]["architecture"] for row in shown["rows"]} == {
        "mlp", "cnn", "rnn", "lstm", "gru", "autoencoder",
    }  # fmt: skip
    assert "No network of the table" in run("--activation", "tanh", "--norm", "batch").stdout


def test_an_architecture_builds_that_very_network():
    arguments = ("--architecture", "transformer", "--depth", "6", "--width", "32", "--norm", "none")
    shown = json.loads(run(*arguments, "--json").stdout)
    assert shown["schema"] == "fanin.choice/1"
    assert shown["case"]["depth"] == 6
    output = next(one for one in shown["parts"] if one["role"] == "attention output")
    assert len(output["parameters"]) == 6
    assert output["gain"] == pytest.approx([1 / math.sqrt(12)] * 2)
    assert [one["recipe"] for one in shown["judged"]] == ["auto", "default", "t_fixup"]
    compile(shown["python"], "init_weights.py", "exec")


def test_one_network_says_why_what_it_costs_and_how_to_apply_it():
    shown = run("--architecture", "mlp", "--residual", "--depth", "6", "--width", "16")
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80
    call = 'fanin.init_(model, "auto", inputs=x, targets=y, loss=loss)'
    for text in ("What it gives up", "by fanin check", "fixup", "def init_weights(", "Zhang", call):
        assert text in shown.stdout, text


def test_the_page_holds_the_network_and_its_command(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["fanin", "guide", "choose", "--architecture", "gru"])
    page = tmp_path / "page.html"
    shown = run("--architecture", "gru", "--length", "128", "--html", str(page))
    assert shown.exit_code == 0, shown.output
    assert f"Page: {page}" in shown.stdout.replace("\n", "")
    text = page.read_text()
    assert "chrono_bias of 128 steps" in text
    assert "fanin guide choose --architecture gru" in text
    table = tmp_path / "table.html"
    assert run("--html", str(table)).exit_code == 0
    assert table.read_text().count("<details>") > 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--architecture", "resnett"], "Did you mean resnet"),
        (["--activation", "gleu"], "Did you mean gelu"),
        (["--architecture", "cnn", "--residual"], "'resnet' has them"),
        (["--architecture", "mlp", "--depth", "0"], "from 1 to 200"),
        (["--width", "64"], "knows no width"),
        (["--html", "no/folder/a.html"], "no/folder"),
    ],
)
def test_a_mistake_is_one_error(arguments, message):
    shown = run(*arguments)
    assert isinstance(shown.exception, FaninError)
    assert message in str(shown.exception)
    assert shown.stdout == ""
