"""What ``compare`` refuses, and in which words; what it leaves as it was."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin.ensembles import Comparison
from fanin.errors import DataError, InputError, ModelError, UnknownNameError
from tests.ensembles import models
from tests.ensembles.models import Written
from tests.recipes.state import assert_same_parameters, parameter_bits, untouched_generators

Build = Callable[[], nn.Module]


def _compare(build: object = models.linear, recipes: object = ("he_normal",), **options: object):
    settings = {"seeds": 2, "learning_rates": [0.05], "steps": 3, "progress": False, **options}
    return fanin.compare(build, recipes, **settings)  # type: ignore[arg-type]


def _assert_refused(kind: type[InputError], parts: tuple[str, ...], **call: object) -> None:
    """Exactly this kind of error, with all these parts in its message; no trace is left."""
    threads = torch.get_num_threads()
    with untouched_generators(), pytest.raises(InputError) as caught:
        _compare(**call)
    message = str(caught.value)
    assert type(caught.value) is kind, f"{type(caught.value).__name__}: {message}"
    for part in parts:
        assert part in message, f"no {part!r} in: {message}"
    assert torch.get_num_threads() == threads


# numpy's integers are integers.
GOOD_NUMBERS = [{"seeds": np.int64(2)}, {"seeds": [np.int32(0), np.int64(1)]}]


@pytest.mark.parametrize("given", GOOD_NUMBERS, ids=str)
def test_integers_of_numpy_are_integers(given: dict[str, object]) -> None:
    assert _compare(**given).seeds == (0, 1)


BAD_NUMBERS: list[tuple[dict[str, object], tuple[str, ...]]] = [
    ({"steps": 0}, ("steps", "positive integer", "0")),
    ({"steps": -5}, ("steps", "positive integer", "-5")),
    ({"steps": 2.5}, ("steps", "positive integer", "2.5")),
    ({"steps": True}, ("steps", "positive integer", "True")),
    ({"steps": "10"}, ("steps", "positive integer", "'10'")),
    ({"batch_size": 0}, ("batch_size", "positive integer", "0")),
    ({"batch_size": None}, ("batch_size", "positive integer", "None")),
    ({"seeds": 0}, ("seeds", "at least one")),
    ({"seeds": -1}, ("seeds", "at least one")),
    ({"seeds": []}, ("seeds", "at least one")),
    ({"seeds": True}, ("seed", "integer", "True")),
    ({"seeds": 1.5}, ("seeds", "1.5")),
    ({"seeds": None}, ("seeds", "None")),
    ({"seeds": "3"}, ("seed", "'3'")),
    ({"seeds": [0, 0.5]}, ("seed", "integer", "0.5")),
    ({"seeds": [1 << 200]}, ("seed", "127")),
    ({"learning_rates": []}, ("learning_rates", "empty", "(0.1,)")),
    ({"learning_rates": [0.0]}, ("learning rate", "positive", "0.0")),
    ({"learning_rates": [-0.1]}, ("learning rate", "positive", "-0.1")),
    ({"learning_rates": [float("nan")]}, ("learning rate", "finite", "nan")),
    ({"learning_rates": [float("inf")]}, ("learning rate", "finite", "inf")),
    ({"learning_rates": 0.1}, ("learning_rates", "0.1")),
    ({"learning_rates": ["fast"]}, ("learning", "fast")),
    ({"learning_rates": "0.1"}, ("learning_rates", "0.1")),
    ({"level": "low"}, ("level", "low")),
]
BAD_SIZES: list[tuple[dict[str, object], tuple[str, ...]]] = [
    ({"depth": 0}, ("depth", "0")),
    ({"depth": 2.5}, ("depth", "integer", "2.5")),
    ({"width": -3}, ("width", "-3")),
    ({"width": "wide"}, ("width", "wide")),
]


@pytest.mark.parametrize(("given", "parts"), BAD_NUMBERS, ids=[str(g) for g, _ in BAD_NUMBERS])
def test_a_number_out_of_range_is_refused(given: dict[str, object], parts: tuple[str, ...]) -> None:
    _assert_refused(InputError, parts, **given)


@pytest.mark.parametrize(("given", "parts"), BAD_SIZES, ids=[str(g) for g, _ in BAD_SIZES])
def test_a_size_of_the_mlp_out_of_range_is_refused(
    given: dict[str, object], parts: tuple[str, ...]
) -> None:
    _assert_refused(InputError, parts, build="mlp", **given)


MISSPELT: list[tuple[dict[str, object], tuple[str, ...]]] = [
    ({"recipes": ["he_norml"]}, ("recipe", "'he_norml'", "he_normal")),
    ({"recipes": ["he_normal", "xaver_normal"]}, ("recipe", "'xaver_normal'", "xavier_normal")),
    ({"optimizer": "adm"}, ("optimizer", "'adm'", "adam")),
    ({"optimizer": "lbfgs"}, ("optimizer", "'lbfgs'")),
    ({"build": "mpl"}, ("architecture", "'mpl'", "mlp")),
    ({"build": "mlp", "activation": "rellu"}, ("activation", "'rellu'", "relu")),
    ({"data": "digit"}, ("data set", "'digit'", "digits")),
]


@pytest.mark.parametrize(("given", "parts"), MISSPELT, ids=[str(g) for g, _ in MISSPELT])
def test_a_misspelt_name_is_refused_with_the_nearest(
    given: dict[str, object], parts: tuple[str, ...]
) -> None:
    _assert_refused(UnknownNameError, parts, **given)


RECIPES: list[tuple[object, tuple[str, ...]]] = [
    ([], ("recipes", "empty", "'he_normal'")),
    ("he_normal", ("recipes", "list", "'he_normal'")),
    ({"he_normal": 1}, ("recipes", "list")),
    (None, ("recipes", "list", "None")),
    (["he_normal", "zeros", "he_normal"], ("'he_normal'", "twice")),
    ([fanin.schemes.ones(), fanin.schemes.ones()], ("'ones()'", "twice")),
    ([0.1], ("recipe", "float")),
    (["normal:x"], ("std", "number", "'x'")),
    (["zeros:1"], ("zeros", "no argument")),
]


@pytest.mark.parametrize(("recipes", "parts"), RECIPES)
def test_a_list_of_recipes_that_cannot_be_used_is_refused(
    recipes: object, parts: tuple[str, ...]
) -> None:
    _assert_refused(InputError, parts, recipes=recipes)


def _changing(*makers: Build) -> Build:
    """A build that returns another model at each call."""
    models_ = itertools.cycle(makers)
    return lambda: next(models_)()


def _with_activation(kind: type[nn.Module]) -> Build:
    return lambda: nn.Sequential(nn.Linear(64, 8), kind(), nn.Linear(8, 10))


def _frozen() -> nn.Module:
    return models.linear().requires_grad_(requires_grad=False)


def _failing() -> nn.Module:
    raise ZeroDivisionError("no width")


def _many_outputs() -> nn.Module:
    return Written(lambda self, x: (self.layer(x), x))


def _sequences() -> nn.Module:
    return Written(lambda self, x: self.layer(x).unsqueeze(1))


MODELS: list[tuple[object, type[InputError], tuple[str, ...]]] = [
    (
        lambda: nn.Linear(100, 10),
        ModelError,
        ("cannot take a batch of digits", "(64, 64)", "(64, 1, 8, 8)", "RuntimeError"),
    ),
    (
        lambda: nn.Linear(64, 5),
        DataError,
        ("labels of digits go up to 9", "5 outputs", "labels 0 to 4"),
    ),
    (_many_outputs, ModelError, ("returns tuple", "tensor")),
    (_sequences, ModelError, ("(64, 1, 10)", "(batch, classes)", "(64, 10)")),
    (
        _changing(lambda: nn.Linear(64, 10), lambda: nn.Linear(64, 11)),
        ModelError,
        ("another architecture at each call", "'weight'", "(10, 64)", "(11, 64)"),
    ),
    (
        _changing(lambda: nn.Linear(64, 10), lambda: nn.Linear(64, 10, bias=False)),
        ModelError,
        ("another architecture at each call", "'bias'", "none"),
    ),
    (
        _changing(_with_activation(nn.ReLU), _with_activation(nn.Tanh)),
        ModelError,
        ("another architecture at each call", "ReLU", "Tanh"),
    ),
    (nn.Linear(64, 10), InputError, ("function that returns a new model", "lambda: Linear(...)")),
    (lambda: None, ModelError, ("must return a torch.nn.Module", "NoneType")),
    (lambda: nn.Linear, ModelError, ("must return a torch.nn.Module", "type")),
    (42, InputError, ("function or a name", "int")),
    (nn.Flatten, ModelError, ("no parameter that trains",)),
    (_frozen, ModelError, ("no parameter that trains",)),
    (_failing, ModelError, ("build", "ZeroDivisionError", "no width")),
    (lambda: nn.LazyLinear(10), ModelError, ("'weight'", "lazy")),
    (lambda: nn.Linear(64, 10, device="meta"), ModelError, ("'weight'", "meta", "CPU")),
    (models.Scaled, ModelError, ("'he_normal'", "'scale'", "Scaled")),
]


@pytest.mark.parametrize(("build", "kind", "parts"), MODELS)
def test_a_model_that_cannot_be_compared_is_refused(
    build: object, kind: type[InputError], parts: tuple[str, ...]
) -> None:
    _assert_refused(kind, parts, build=build)


def test_targets_of_another_shape_than_the_outputs_are_refused() -> None:
    x = np.zeros((40, 3), np.float32)
    y = np.linspace(0, 1, 40)
    _assert_refused(
        ModelError, ("output", "(30, 2)", "(30, 1)"), build=lambda: nn.Linear(3, 2), data=(x, y)
    )


def test_data_that_do_not_fit_are_refused() -> None:
    _assert_refused(DataError, ("(40, 3)", "(39,)"), data=(np.zeros((40, 3)), np.zeros(39, int)))


def test_a_build_that_returns_one_model_finds_it_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)).eval()
    before, buffers = parameter_bits(model), [b.clone() for b in model.buffers()]
    try:
        result = _compare(lambda: model)
    except ModelError as error:
        assert "build" in str(error)  # noqa: PT017 - it may as well be refused
    else:
        starts = result.curves.loss[:, 0]
        assert len(set(starts.tolist())) == 2, f"seeds that start alike: {starts}"
    assert_same_parameters(model, before, "the caller's model")
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), buffers, strict=True))
    training = [type(m).__name__ for m in model.modules() if m.training]
    assert not training, f"modules that were set to train: {training}"


def test_default_is_what_build_does_under_each_seed() -> None:
    built: list[Tensor] = []

    def build() -> nn.Module:
        model = models.linear()
        built.append(model.weight.detach().clone())
        return model

    with untouched_generators():
        first = _compare(build, ["default"], seeds=3)
    again = _compare(build, ["default"], seeds=[2, 0, 1])
    starts = first.curves.loss[:, 0]
    assert len(set(starts.tolist())) == 3, f"seeds that start alike: {starts}"
    assert np.array_equal(again.curves.loss, first.curves.loss[[2, 0, 1]])
    assert len({w.numpy().tobytes() for w in built}) == 3, "build saw other generators"


def test_the_callers_generators_are_untouched_and_without_influence() -> None:
    curves = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - the global one is what is tested
            with untouched_generators():
                curves.append(_compare(models.mlp, ["default", "he_normal"]).curves.loss)
    assert np.array_equal(*curves)


def test_the_first_comparison_of_a_process_leaves_the_generators_alone() -> None:
    program = """
        import random
        import numpy as np
        import torch
        import fanin
        from torch import nn

        def states():
            words = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
            return {"python": random.getstate(), "numpy": words[0], "torch": words[1]}

        before = states()
        fanin.compare(lambda: nn.Linear(64, 10), ["he_normal"], seeds=1, steps=1)
        after = states()
        moved = [name for name in before if before[name] != after[name]]
        assert not moved, f"generators that moved: {moved}"
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_every_kind_of_model_and_recipe_leaves_the_generators_alone() -> None:
    with untouched_generators():
        _compare(models.with_batch_norm, ["default", fanin.schemes.he_normal()])
        _compare("mlp", ["zeros"], depth=1, width=4)


@pytest.mark.parametrize("data", ["digits", "arrays"])
def test_a_comparison_describes_what_was_run(data: str) -> None:
    arrays = (np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3)
    result: Comparison = fanin.compare(
        "mlp", ["zeros", "he_normal"], data=data if data == "digits" else arrays,
        seeds=[4, 2], learning_rates=[0.1, 0.01, 0.1], steps=5, depth=2, width=8, progress=False,
    )  # fmt: skip
    assert (result.seeds, result.learning_rates) == ((4, 2), (0.1, 0.01))
    assert result.title == "mlp, 2 hidden layers of 8, relu"
    assert result.data == data
    assert (result.settings.steps, result.settings.batch_size) == (5, 64)
    assert (result.loss_name, result.metric_name) == ("cross entropy", "accuracy")
    assert not result.interrupted
    assert result.seconds > 0
    assert [(r.seed, r.recipe, r.learning_rate) for r in result.runs] == [
        (seed, recipe, rate)
        for seed in (4, 2)
        for recipe in ("zeros", "he_normal")
        for rate in (0.1, 0.01)
    ]
    assert result.curves.loss.shape == (8, 5)
    assert {(s.recipe, s.seed) for s in result.signals} == {
        (recipe, seed) for recipe in ("zeros", "he_normal") for seed in (4, 2)
    }


def test_progress_is_told_all_run_steps_in_order() -> None:
    told: list[tuple[int, int]] = []
    _compare(models.linear, seeds=70, steps=4, progress=lambda *seen: told.append(seen))
    done = [d for d, _ in told]
    assert done == sorted(set(done)), "progress went back or stood still"
    assert {total for _, total in told} == {280}
    assert done[-1] == 280


def test_an_error_in_the_callers_progress_is_the_callers() -> None:
    def fail(done: int, total: int) -> None:
        raise LookupError("mine")

    threads = torch.get_num_threads()
    with pytest.raises(LookupError, match="mine"):
        _compare(progress=fail)
    assert torch.get_num_threads() == threads
