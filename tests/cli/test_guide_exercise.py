"""``fanin guide exercise`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from fanin.cli.guide_exercise import exercise
from fanin.errors import FaninError
from fanin.guide.exercises import exercises

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ZEROS = exercises()[0]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        code: object = 0
        message = ""
        try:
            exercise(list(arguments), standalone_mode=False)
        except SystemExit as ended:
            code = ended.code
        except FaninError as error:
            code, message = error.exit_code, str(error)
        except click.ClickException as error:
            code, message = error.exit_code, error.format_message()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(
            arguments, int(str(code or 0)), printed.out, printed.err + message
        )

    return called


def test_the_list_has_number_title_and_level(run: Run) -> None:
    done = run()
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for number, one in enumerate(exercises(), 1):
        words = lines[number - 1].split()
        assert words[0] == str(number)
        assert words[-2:] == [one.level, one.name]
        assert one.title in lines[number - 1]
    listed = json.loads(run("--json").stdout)["exercises"]
    assert [one["name"] for one in listed] == [one.name for one in exercises()]
    assert "cause" not in listed[0]


def test_an_exercise_tells_its_story_with_measured_numbers(run: Run) -> None:
    done = run("zeros")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    assert "loss is 2.303 before training" in words
    assert "nn.init.zeros_(parameter)" in words
    assert f"at least {ZEROS.mark:.0%} of the held-out examples right" in words
    assert "zero_product two factors are zero" in words
    assert "fanin guide exercise 1 --write answer.py" in words
    said = json.loads(run("1", "--json").stdout)
    assert said["code"] == ZEROS.code
    assert f"{said['broken']['start']:.3f}" in said["story"]
    assert "cause" not in said


def test_hint_and_solution(run: Run) -> None:
    assert "Compare any two units" in run("1", "--hint").stdout
    solved = run("1", "--solution").stdout
    assert solved.startswith("symmetry: units are equal")
    assert "kaiming_normal_" in solved
    assert "Read: fanin guide show" in solved
    for number in range(1, len(exercises()) + 1):
        for what in ("--hint", "--solution"):
            lines = run(str(number), what).stdout.splitlines()
            assert max(map(len, lines)) <= 80
    said = json.loads(run("1", "--solution", "--json").stdout)
    assert said["cause"] == "symmetry"
    assert said["solution"] == ZEROS.solution


def test_write_and_check(run: Run, tmp_path: Path) -> None:
    done = run("1", "--write", "answer.py")
    assert done.returncode == 0
    assert "--check answer.py" in done.stdout
    written = (tmp_path / "answer.py").read_text()
    again = run("1", "--write", "answer.py")
    assert again.returncode == 2
    assert "answer.py exists and is not overwritten" in again.stderr
    assert (tmp_path / "answer.py").read_text() == written
    assert [file.name for file in tmp_path.iterdir()] == ["answer.py"]
    empty = run("1", "--check", "answer.py")
    assert empty.returncode == 2
    assert "set CAUSE to one of symmetry" in empty.stderr

    (tmp_path / "answer.py").write_text(ZEROS.solution)
    passed = run("1", "--check", "answer.py")
    assert passed.returncode == 0
    assert passed.stdout.startswith("PASSED\n✓ symmetry is the cause.\n")
    assert "3 of 3 seeds pass" in passed.stdout
    assert "fanin.check of the fixed network, untrained: healthy" in passed.stdout
    assert max(map(len, passed.stdout.splitlines())) <= 80

    (tmp_path / "answer.py").write_text(
        'print("hello")\n' + ZEROS.solution.replace('"symmetry"', '"vanishing"')
    )
    wrong = run("1", "--check", "answer.py", "--json")
    assert wrong.returncode == 1
    said = json.loads(wrong.stdout)
    assert (said["passed"], said["cause_is_right"], said["trains"]) == (False, False, True)
    assert [one["seed"] for one in said["fixed"]] == [0, 1, 2]
    assert said["check"]["verdict"] == "healthy"
    assert wrong.stderr == "hello\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("99",), "no exercise 99"),
        (("zeroes",), "Did you mean zeros"),
        (("--hint",), "--hint needs the NUMBER of an exercise"),
        (("1", "--hint", "--solution"), "--hint and --solution exclude each other"),
        (("1", "--check", "absent.py"), "there is no file absent.py"),
        (("1", "--write", "answer.txt"), "ends in .py"),
        (("1", "--write", "no/folder/answer.py"), "there is no folder"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
