"""The exercises: broken networks fail, model solutions pass, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

import fanin
from fanin.errors import InputError, UnknownNameError
from fanin.guide.exercises import Exercise, exercises
from fanin.guide.exercises.answer import Answer, Asking, starter
from fanin.guide.exercises.answering import main as answering
from fanin.guide.exercises.catalogue import NAMES, number_of
from fanin.guide.exercises.causes import CAUSES, Cause
from fanin.guide.exercises.marking import Marking, judge, mark, train_broken
from fanin.guide.exercises.permitted import first_difference
from fanin.guide.exercises.training import Trained

BY_NAME = {one.name: one for one in exercises()}
Ask = Callable[..., Answer]


@lru_cache
def broken(name: str) -> tuple[Trained, ...]:
    exercise = BY_NAME[name]
    return tuple(train_broken(exercise, seed) for seed in exercise.training.seeds)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """What an answer comes to, run in this process: torch is there already."""
    from safetensors.torch import load_file

    def asked(name: str, text: str) -> Answer:
        file = tmp_path / "answer.py"
        file.write_text(text)
        threads = torch.get_num_threads()
        try:
            answering(name, str(file), str(tmp_path))
        finally:
            torch.set_num_threads(threads)
        said = json.loads((tmp_path / "answer.json").read_text())
        if "error" in said:
            raise InputError(said["error"])
        values = load_file(tmp_path / "values.safetensors")
        return Answer(said["cause"], said["made"], said["refusal"], values, "")

    return asked


@pytest.fixture
def marked(ask: Ask) -> Callable[[str, str], Marking]:
    return lambda name, text: judge(BY_NAME[name], ask(name, text), broken(name))


def batch(exercise: Exercise) -> tuple[torch.Tensor, torch.Tensor]:
    examples = exercise.task.examples()
    return examples.x_train[:128], examples.y_train[:128]


def test_they_are_numbered_by_level_and_bear_the_names_of_their_modules() -> None:
    assert [one.name for one in exercises()] == list(NAMES)
    assert len({one.title for one in exercises()}) == len(NAMES)
    order = [("easy", "medium", "hard").index(one.level) for one in exercises()]
    assert order == sorted(order)
    assert number_of("1") == number_of("zeros") == number_of(" Zeros ") == 1
    assert set(get_args(Cause)) == set(CAUSES)


def test_an_exercise_that_is_not_there() -> None:
    with pytest.raises(InputError, match="no exercise 99; they are numbered 1 to"):
        number_of("99")
    with pytest.raises(UnknownNameError, match="Did you mean zeros"):
        number_of("zero")


@pytest.mark.parametrize("name", NAMES)
def test_the_broken_network_fails_on_every_seed(name: str) -> None:
    exercise = BY_NAME[name]
    assert len(broken(name)) >= 3
    for one in broken(name):
        assert not exercise.reached(one.score), (one.seed, one.score)


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes_on_every_seed_and_a_wrong_cause_does_not(
    name: str, marked: Callable[[str, str], Marking]
) -> None:
    exercise = BY_NAME[name]
    marking = marked(name, exercise.solution)
    assert marking.refusal is None
    for one in marking.fixed:
        assert exercise.reached(one.score), (one.seed, one.score)
    assert marking.passed
    assert marking.report is not None
    assert marking.report.verdict != "broken"
    for cause in CAUSES.keys() - {exercise.cause}:
        wrong = replace(marking, answer=replace(marking.answer, cause=cause))
        assert wrong.trains
        assert not wrong.passed
        assert wrong.on_the_cause.startswith(f"{cause} is not the cause")
    # A mark that chance could move a network across would be no mark.
    sign = 1 if exercise.task.higher_is_better else -1
    worst = min(sign * one.score for one in marking.fixed)
    best = max(sign * one.score for one in broken(name))
    assert worst - best >= 0.1
    margin = 0.1 * (worst - best)
    assert best + margin <= sign * exercise.mark <= worst - margin


@pytest.mark.parametrize("name", NAMES)
def test_check_names_the_cause_where_the_exercise_says_so(name: str) -> None:
    exercise = BY_NAME[name]
    for seed in exercise.training.seeds:
        x, y = batch(exercise)
        report = fanin.check(exercise.draw(seed), x, y, loss=exercise.task.loss)
        kinds = {finding.kind for finding in report.findings}
        assert (exercise.finding in kinds) if exercise.finding else not kinds
    assert exercise.cause not in exercise.effects


@pytest.mark.parametrize("name", NAMES)
def test_the_code_shown_is_the_network(name: str) -> None:
    exercise = BY_NAME[name]
    assert max(map(len, exercise.code.splitlines())) <= 76
    assert max(map(len, exercise.solution.splitlines())) <= 76
    space: dict[str, Callable[[], nn.Module]] = {}
    exec(compile(exercise.code, "shown", "exec", dont_inherit=True), space)
    from fanin.ensembles.isolation import borrowed

    with borrowed(1, exercise.name):
        shown = space["build"]()
    drawn = exercise.draw(1)
    pairs = zip(shown.state_dict().items(), drawn.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(v, w) for (a, v), (b, w) in pairs)
    assert str(shown) == str(drawn)


@pytest.mark.parametrize("name", NAMES)
def test_the_story_takes_its_numbers_from_a_training(name: str) -> None:
    exercise = BY_NAME[name]
    told = exercise.told(broken(name)[0])
    assert "{" not in told
    assert told != exercise.told(replace(broken(name)[0], start=7.0, end=7.0, score=7.0))


def test_the_claims_to_read_are_in_the_guide() -> None:
    folder = Path(fanin.__file__).parent / "guide" / "claims"
    claims = {file.stem for file in folder.glob("*.py")}
    for exercise in exercises():
        assert exercise.reads
        assert set(exercise.reads) <= claims, exercise.name


def test_training_is_repeatable_and_leaves_the_generators_alone() -> None:
    state = torch.get_rng_state()
    assert train_broken(BY_NAME["head"]) == broken("head")[0]
    assert torch.equal(torch.get_rng_state(), state)


def test_float32_holds_what_float16_does_not() -> None:
    exercise = BY_NAME["half"]
    x, y = batch(exercise)
    model = exercise.draw(0)
    assert not torch.isfinite(exercise.task.loss(model(x), y))
    assert torch.isfinite(exercise.task.loss(model.float()(x.float()), y))


def test_a_fix_that_mends_nothing_does_not_pass(marked: Callable[[str, str], Marking]) -> None:
    marking = marked("head", 'CAUSE = "output_scale"\ndef fix(model):\n    pass\n')
    assert marking.cause_is_right
    assert not marking.trains
    assert not marking.passed
    assert marking.on_the_fix == "The fixed network falls short: 0 of 3 seeds pass."
    # Nothing was changed: the same weights, batches and bits.
    assert marking.fixed == marking.broken


FIX = 'import torch\nfrom torch import nn\nCAUSE = "symmetry"\ndef fix(model):\n'


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("model[2] = nn.Linear(128, 64)", "out_features of module '2' is 64, not 128"),
        ("model[1] = nn.Tanh()", "module '1' is a Tanh that is not the ReLU of the exercise"),
        ("model.append(nn.ReLU())", "module '5' was added"),
        ("model[1].forward = torch.tanh", "forward was replaced or hooked"),
        ("model[1].register_forward_hook(lambda *a: None)", "forward was replaced or hooked"),
        ("model[0].weight.requires_grad_(False)", "requires_grad of '0.weight' is False"),
        ("model.double()", "'0.weight' is float64, not float32"),
        ("model[0].weight.data = torch.ones(3, 64)", "'0.weight' has shape (3, 64)"),
        ("model[0].bias = None", "the tensor '0.bias' was taken out"),
        ("model[0].weight.data.fill_(float('nan'))", "'0.weight' holds Inf or NaN"),
        ("torch.nn.utils.parametrizations.weight_norm(model[0])", "module '0"),
    ],
)
def test_a_fix_may_change_values_only(ask: Ask, body: str, refusal: str) -> None:
    said = ask("zeros", f"{FIX}    {body}\n").refusal
    assert said is not None
    assert refusal in said


def test_what_is_frozen_and_what_is_tied_stays_so(ask: Ask) -> None:
    said = ask("lora", f"{FIX}    model[0].layer.weight.data.zero_()\n").refusal
    assert said == "'0.layer.weight' is frozen, and its values were changed"
    said = ask("tied", f"{FIX}    model.head.weight = nn.Parameter(torch.randn(17, 64))\n").refusal
    assert said is not None
    assert "not one tensor any more" in said


def test_weights_that_were_trained_are_refused(marked: Callable[[str, str], Marking]) -> None:
    text = f"""{FIX}    from fanin.ensembles import load
    digits = load("digits")
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight)
    steps = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        steps.zero_grad()
        nn.functional.cross_entropy(model(digits.x_train), digits.y_train).backward()
        steps.step()
"""
    marking = marked("zeros", text)
    assert marking.refusal is not None
    assert "it does not train them" in marking.refusal
    assert not marking.passed


def test_the_whole_network_may_be_built_from_the_code_shown(
    marked: Callable[[str, str], Marking],
) -> None:
    code = BY_NAME["residual"].code
    zeros = "    for block in model[1:-1]:\n        nn.init.zeros_(block.second.weight)\n"
    mended = code.replace("    return model\n", f"{zeros}    return model\n")
    assert marked("residual", f'{mended}\nCAUSE = "exploding"\n').passed
    other = mended.replace("return x + branch", "return x + branch / 5")
    refusal = marked("residual", f'{other}\nCAUSE = "exploding"\n').refusal
    assert refusal == "module '1' is a Block that is not the Block of the exercise"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("(x > 100).float()", "must shift and scale each pixel"),
        ("x - x.mean(1, keepdim=True)", "must shift and scale each pixel"),
        ("x[:, :32]", "shape and type have to stay"),
        ("x.double()", "shape and type have to stay"),
        ("x / 0", "Inf or NaN"),
    ],
)
def test_inputs_may_be_shifted_and_scaled_only(
    marked: Callable[[str, str], Marking], body: str, refusal: str
) -> None:
    said = marked("inputs", f'CAUSE = "inputs"\ndef prepare(x):\n    return {body}\n').refusal
    assert said is not None
    assert refusal in said


def test_inputs_may_be_standardised_and_smaller_weights_do_not_replace_it(
    marked: Callable[[str, str], Marking],
) -> None:
    each = "x = x / 255\n    return (x - 0.3) * 2.5"
    assert marked("inputs", f'CAUSE = "inputs"\ndef prepare(x):\n    {each}\n').passed
    scaled = f"{FIX}    model[0].weight.data /= 120\n".replace("symmetry", "inputs")
    marking = marked("inputs", scaled)
    assert marking.cause_is_right
    assert not any(BY_NAME["inputs"].reached(one.score) for one in marking.fixed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def fix(model):\n    pass\n", r"answer.py: set CAUSE to one of symmetry, dead"),
        ("CAUSE = ''\ndef fix(model):\n    pass\n", "set CAUSE to one of"),
        ("CAUSE = 'symetry'\ndef fix(model): ...\n", "Did you mean symmetry"),
        ("CAUSE = 'dead'\n", r"one function, fix\(model\) or build\(\); it has none"),
        ("CAUSE = 'dead'\ndef fix(m): ...\ndef build(): ...\n", "it has fix and build"),
        ("CAUSE = 'dead'\ndef fix(m):\n    return 3\n", "must return the model, got int"),
        ("CAUSE = 'dead'\ndef build(): ...\n", "must return the model, got NoneType"),
        (
            "CAUSE = 'dead'\ndef fix(m):\n    m[0].wieght\n",
            r"line 3: AttributeError: 'Linear' object has no attribute 'wieght'\n  m\[0\].wieght",
        ),
        ("CAUSE = 'dead'\ndef fix(m)\n    pass\n", r"line 2: SyntaxError: expected ':'"),
        ("\nimport nothing_like_it\n", "line 2: ModuleNotFoundError: No module named"),
        ("raise SystemExit(0)\n", "line 1: SystemExit: 0"),
        ("CAUSE = 'dead'\ndef fix(): ...\n", r"answer.py: TypeError: fix\(\) takes 0"),
    ],
)
def test_a_mistake_in_the_file_is_one_message_with_its_line(
    ask: Ask, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ask("zeros", text)


def test_nothing_is_different_between_two_draws_and_seeds() -> None:
    for exercise in exercises():
        assert first_difference(exercise.draw(0), exercise.draw(0)) is None


def test_the_code_of_an_answer_cannot_touch_the_marking(tmp_path: Path) -> None:
    file = tmp_path / "answer.py"
    file.write_text(
        'import os, torch\nfrom fanin.guide.exercises import marking\nCAUSE = "symmetry"\n'
        "marking.Marking.passed = True\ntorch.nn.functional.cross_entropy = None\n"
        'print("printed")\ndef fix(model):\n    pass\n'
    )
    marking = mark(BY_NAME["zeros"], file)
    assert not marking.passed
    assert marking.answer.printed == "printed\n"
    assert json.loads(json.dumps(marking.to_dict()))["passed"] is False
    file.write_text("import os\nos._exit(3)\n")
    with pytest.raises(InputError, match="ended Python, status 3: it said nothing"):
        mark(BY_NAME["zeros"], file)


def test_an_answer_that_does_not_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanin.guide.exercises.answer._SECONDS", 0.5)
    file = tmp_path / "answer.py"
    file.write_text("while True: pass\n")
    with Asking(BY_NAME["zeros"], file) as asking:
        with pytest.raises(InputError, match=r"ran for more than 0\.5 s and was stopped"):
            asking.answer()
        assert not asking.ended
    assert asking.ended


def test_a_starter_runs_and_says_what_is_missing(ask: Ask) -> None:
    for exercise in exercises():
        text = starter(exercise)
        assert all(cause in text for cause in CAUSES)
        with pytest.raises(InputError, match="set CAUSE to one of"):
            ask(exercise.name, text)
    assert (
        ask("zeros", starter(BY_NAME["zeros"]).replace('CAUSE = ""', 'CAUSE = "dead"')).refusal
        is None
    )
