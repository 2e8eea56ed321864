"""``fanin guide``: list, run, show, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.cells import cell_len

from fanin import guide

WIDTH = 80


def test_the_list_has_every_claim_with_its_verdict_in_80_columns(fanin_here):
    shown = fanin_here("guide")
    assert shown.returncode == 0, shown.stderr
    assert max(map(cell_len, shown.stdout.splitlines())) <= WIDTH
    for claim in guide.all_claims():
        (line,) = (
            row for row in shown.stdout.splitlines() if f" {claim.name} " in f"{row} "
            and row.split()[2:3] == [claim.name]
        )  # fmt: skip
        assert line.split()[1] in {"supported", "qualified", "refuted"}
    assert f"{len(guide.all_claims())} claims:" in shown.stdout


def test_the_list_as_json(fanin_here):
    listed = json.loads(fanin_here("guide", "--json").stdout)
    assert listed["schema"] == "fanin.guide/1"
    assert [one["claim"] for one in listed["claims"]] == [one.name for one in guide.all_claims()]
    assert {one["verdict"] for one in listed["claims"]} <= {"supported", "qualified", "refuted"}
    assert not any(one["own"] for one in listed["claims"])


def test_a_quick_run_writes_pages_and_is_then_the_user_s_verdict(fanin_here, folder: Path):
    shown = fanin_here("guide", "run", "he_keeps_relu", "symmetry", "--quick")
    assert shown.returncode == 0, shown.stderr
    assert "2 of 2 claims: 2 supported" in shown.stdout
    assert "Page: fanin-guide/symmetry.html" in shown.stdout
    pages = {path.name for path in (folder / "fanin-guide").glob("*.html")}
    assert pages == {"he_keeps_relu.html", "symmetry.html"}
    assert "✓ supported" in (folder / "fanin-guide" / "symmetry.html").read_text()
    listed = json.loads(fanin_here("guide", "--json").stdout)["claims"]
    assert {one["claim"] for one in listed if one["own"]} == {"he_keeps_relu", "symmetry"}
    assert all(one["quick"] for one in listed if one["own"])
    told = fanin_here("guide", "show", "symmetry").stdout
    assert "quick: fewer seeds" in told


def test_a_guide_that_is_there_is_kept_true(fanin_here, folder: Path):
    (folder / "fanin-guide").mkdir()
    (folder / "fanin-guide" / "index.html").write_text("of an earlier run")
    assert fanin_here("guide", "run", "he_keeps_relu", "--quick").returncode == 0
    assert "✓ supported?" in (folder / "fanin-guide" / "index.html").read_text()
    pages = {path.name for path in (folder / "fanin-guide").glob("*.html")}
    assert pages == {"he_keeps_relu.html", "index.html", "07-he.html"}


def test_a_changed_setting_changes_the_verdict_and_is_kept_apart(fanin_here, folder: Path):
    shown = fanin_here("guide", "run", "symmetry", "--quick", "--set", "start=he_normal")
    assert shown.returncode == 0, shown.stderr
    assert "✗ refuted?  Equal units stay equal" in shown.stdout
    assert "with start=he_normal" in shown.stdout
    assert (folder / "fanin-guide" / "symmetry-changed.html").is_file()
    listed = json.loads(fanin_here("guide", "--json").stdout)["claims"]
    assert not any(one["own"] for one in listed)


def test_run_as_json_prints_nothing_else(fanin_here):
    shown = fanin_here("guide", "run", "he_keeps_relu", "--quick", "--json")
    (one,) = json.loads(shown.stdout)["results"]
    assert one["result"]["verdict"] == "supported"
    assert one["result"]["quick"]
    assert "Page:" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "symetry"), "no claim is called 'symetry'. Did you mean symmetry"),
        (("run", "--set", "start=zeros"), "--set changes one claim"),
        (("run", "symmetry", "--set", "start"), "'start' is not NAME=VALUE"),
        (("run", "symmetry", "--set", "strat=zeros"), "Did you mean start?"),
        (("run", "symmetry", "--set", "depth=two"), "setting 'depth' must be of type int"),
        (("run", "symmetry", "--set", "start=zerso", "--quick"), "Did you mean zeros"),
        (("show", "11"), "there is no chapter 11; the guide has 10"),
        (("show", "nothing"), "no claim is called 'nothing'"),
        (("--json", "run", "symmetry"), "--json goes behind the command"),
        (("rnu",), "No such command 'rnu'"),
    ],
)
def test_a_slip_is_one_message(fanin_here, arguments, message):
    shown = fanin_here("guide", *arguments)
    assert shown.returncode == 2
    assert message in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr


def test_every_claim_and_chapter_is_shown_in_80_columns(fanin_here):
    for name in (*(claim.name for claim in guide.all_claims()), *map(str, range(1, 11))):
        shown = fanin_here("guide", "show", name)
        assert shown.returncode == 0, (name, shown.stderr)
        wide = [line for line in shown.stdout.splitlines() if cell_len(line) > WIDTH]
        assert not wide, (name, wide)
        assert "{{" not in shown.stdout, name


def test_a_claim_as_json(fanin_here):
    shown = json.loads(fanin_here("guide", "show", "symmetry", "--json").stdout)
    assert shown["claim"] == "symmetry"
    assert shown["result"]["verdict"] in {"supported", "qualified", "refuted"}
    assert shown["sources"]


def test_ctrl_c_keeps_what_was_finished_and_the_same_call_goes_on(folder: Path):
    arguments = [sys.executable, "-m", "fanin", "guide", "run", "--quick", "--out", "there"]
    running = subprocess.Popen(
        arguments, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    results = folder / "there" / "results"
    until = time.monotonic() + 120
    while not list(results.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    printed, errors = running.communicate(timeout=120)
    assert running.returncode == 130, errors
    assert "Interrupted. The same call goes on with the rest." in printed
    kept = {path.stem for path in results.glob("*.json")}
    assert kept
    assert len(kept) < len(guide.all_claims())
    pages = {path.name for path in (folder / "there").glob("*.html")}
    assert len(pages) == 1 + len(guide.all_chapters())
    assert "Traceback" not in errors
