from __future__ import annotations

import json

import fanin as package
from fanin.schemes import SCHEMES
from tests.cli.conftest import Fanin


def test_help_and_version(fanin: Fanin) -> None:
    for arguments in (("--help",), ("-h",), ("compare", "--help"), ("init", "-h")):
        done = fanin(*arguments)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: fanin")
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert package.__version__ in fanin("--version").stdout


def test_an_unknown_verb(fanin: Fanin) -> None:
    done = fanin("comare")
    assert done.returncode == 2
    assert "No such command 'comare'. Did you mean compare?" in done.stderr
    assert "No such command 'xyz'" in fanin("xyz").stderr


def test_schemes_lists_all_with_formula_use_and_source(fanin: Fanin) -> None:
    done = fanin("schemes")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    for name, scheme in SCHEMES.items():
        assert name in words
        assert scheme.use.split(",")[0].split(";")[0] in words
    assert "kaiming_normal" in words


def test_schemes_as_json(fanin: Fanin) -> None:
    rows = json.loads(fanin("schemes", "--json").stdout)["schemes"]
    assert [row["name"] for row in rows] == list(SCHEMES)
    assert all(row["formula"] and row["use"] and row["citation"] for row in rows)
