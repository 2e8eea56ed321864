from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Fanin

QUICK = ("--steps", "12", "--seeds", "2", "--learning-rate", "0.1")
MLP = ("--model", "mlp", "--depth", "2", "--width", "16")


def test_compares_a_built_in_model_and_writes_the_page(fanin: Fanin, folder: Path) -> None:
    done = fanin(
        "compare", *MLP, *QUICK, "--recipe", "zeros", "--recipe", "normal:0.01",
        "--recipe", "he_normal", "--html", "out.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "mlp, 2 hidden layers of 16, relu" in done.stdout
    assert "Page: out.html" in done.stdout
    page = (folder / "out.html").read_text()
    assert "fanin compare --model mlp --depth 2" in page
    assert "he_normal" in page


def test_json_is_all_that_goes_to_stdout(fanin: Fanin) -> None:
    done = fanin(
        "compare", "models:net", *QUICK, "--recipe", "he_normal", "--json", "--html", "p.html"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ranking"][0]["recipe"] == "he_normal"
    assert "p.html" in done.stderr


def test_takes_a_target_and_data_of_ones_own(fanin: Fanin) -> None:
    done = fanin("compare", "models:net", *QUICK, "--data", "models:data", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"] == "arrays"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name one model: a TARGET"),
        (("models:net", "--model", "mlp"), "name one model: a TARGET"),
        (("--model", "mpl"), "no architecture is called 'mpl'. Did you mean mlp?"),
        (("--model", "mlp", "--recipe", "he_norml"), "Did you mean he_normal"),
        (("--model", "mlp", "--recipe", "zeros", "--recipe", "zeros"), "'zeros' is given twice"),
        (("--model", "mlp", "--activation", "rleu"), "Did you mean relu"),
        (("--model", "mlp", "--optimizer", "sdg"), "Did you mean sgd"),
        (("--model", "mlp", "--data", "digit"), "Did you mean digits"),
        (("--model", "mlp", "--data", "fashion-mnist:/nowhere"), "apt-get install dataset-fashion"),
        (("--model", "mlp", "--depth", "0"), "depth must be a positive integer, got 0"),
        (("--model", "mlp", "--steps", "0"), "steps must be a positive integer, got 0"),
        (("--model", "mlp", "--seeds", "0"), "seeds must name at least one seed"),
        (("--model", "mlp", "--seeds", "-2"), "seeds must"),
        (("--model", "mlp", "--learning-rate", "-1"), "must be positive and finite, got -1.0"),
        (("--model", "mlp", "--learning-rate", "fast"), "'fast' is not a valid float"),
        (("--model", "mlp", "--html", "/no/such/page.html"), "there is no folder /no/such"),
        (
            ("models:wrong_input",),
            "cannot take a batch of digits:\n  (64, 64) float32: RuntimeError",
        ),
        (("models:few_outputs",), "labels of digits go up to 9, but the model has 3 outputs"),
        (("models:changing",), "lazy"),
        (("models:growing",), "another architecture at each call: '0.weight'"),
        (("models:broken",), "build failed: RuntimeError: no weights today"),
        (("models:leaving",), "build failed: SystemExit"),
        (("--model", "mlp", "--data", "models:broken"), "calling 'models:broken' failed: Runtime"),
        (("models:no_model",), "build must return a torch.nn.Module, got int"),
        (("models:model",), "build must be a function that returns a new model"),
        (("models:number",), "'models:number' is int, not a function"),
        (("models:nett",), "'models' has no 'nett'. Did you mean 'net'?"),
        (("models",), "TARGET must be package.module:callable, got 'models'"),
        (("model:net",), "there is no module 'model'"),
        (("raises:net",), "importing 'raises' failed: RuntimeError: not today"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    fanin_here: Fanin, arguments: tuple[str, ...], message: str
) -> None:
    done = fanin_here("compare", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_mistake_shows_no_traceback_in_a_process_of_its_own(fanin: Fanin) -> None:
    done = fanin("compare", "models:few_outputs")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: labels of digits go up to 9")
    assert "Traceback" not in done.stderr


def test_ctrl_c_reports_the_seeds_that_were_finished(folder: Path) -> None:
    """Its bar is watched on a terminal; the signal comes when the first chunks are through."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "fanin", "compare", *MLP, "--recipe", "he_normal"),
            *("--recipe", "zeros", "--steps", "150", "--seeds", "200", "--json"),
        ],
        cwd=folder,
        env={**os.environ, "FANIN_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    bar = ""
    # A chunk of 64 of the 1,600 runs is 4 %.
    while not re.search(r"\b(9|[1-4]\d)%", bar):
        bar += os.read(ours, 4096).decode(errors="replace")
    assert "mlp, 2 hidden layers of 16, relu" in bar
    assert re.search(r"\d:\d\d:\d\d", bar), "the bar shows no time left"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 130
    result = json.loads(out)
    assert result["interrupted"]
    assert 8 <= len(result["seeds"]) < 200
    assert len(result["runs"]) == len(result["seeds"]) * 2 * 4
