"""``outline`` and ``measure`` show what ``observe`` shows, without what they leave out."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest
import torch
from torch import Tensor, nn

from fanin.errors import InputError, ModelError
from fanin.observation import Observation, observe
from fanin.observation.outlining import measure, outline
from tests.observation.snapshot import differences, snapshot
from tests.zoo import Subject, subjects

NAMES = (
    "nn/Transformer", "nn/LSTM", "plain/experts listed", "plain/resnet", "hf/gpt2", "hf/swinv2",
    "hf/t5",
)  # fmt: skip
CHOSEN = [subject for subject in subjects() if subject.name in NAMES]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def structure(seen: Observation) -> tuple[object, ...]:
    steps = [attrs.evolve(step, gradient_rms=None) for step in seen.steps]
    return seen.uses, steps, seen.edges, seen.branches, seen.losses, seen.unmatched, seen.unused


@pytest.mark.parametrize("subject", CHOSEN, ids=str)
def test_both_read_the_structure_that_observe_reads(subject: Subject) -> None:
    torch.manual_seed(0)
    model, inputs = subject.build()
    whole = structure(observe(model, inputs))
    assert structure(outline(model, inputs)) == whole
    assert structure(measure(model, inputs)) == whole


@pytest.mark.parametrize("subject", CHOSEN, ids=str)
def test_measure_shows_the_signals_and_their_gradients_that_observe_shows(
    subject: Subject,
) -> None:
    torch.manual_seed(0)
    model, inputs = subject.build()
    seen = measure(model, inputs)
    assert seen.signals == observe(model, inputs).signals
    assert any(signal.gradient is not None for signal in seen.signals)


def test_gradients_reach_a_first_weight_whose_output_is_a_view_that_is_written_to() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.Linear(8, 2))
    inputs = torch.randn(3, 5, 4)  # of three axes: linear gives a view of a matrix
    assert measure(model, inputs).signals == observe(model, inputs).signals
    assert measure(model, inputs).signal("2.weight").gradient is not None


def test_outline_runs_no_backward_pass() -> None:
    class Loud(torch.autograd.Function):
        @staticmethod
        def forward(_: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(_: object, *__: Tensor) -> Tensor:
            raise RuntimeError("backward ran")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.last(Loud.apply(self.first(x)))
            return made

    seen = outline(Model(), torch.randn(3, 4))
    assert [use.parameter for use in seen.uses if use.role == "weight"] == [
        "first.weight", "last.weight",
    ]  # fmt: skip
    assert all(signal.gradient is None for signal in seen.signals)
    with pytest.raises(RuntimeError, match="backward ran") as caught:
        measure(Model(), torch.randn(3, 4))
    assert "the model's own backward pass" in "".join(caught.value.__notes__)


def test_measure_asks_for_no_gradient_of_a_later_parameter() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2))
    asked: list[str] = []
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda gradient, name=name: asked.append(name) or gradient)
    measure(model, torch.randn(3, 4))
    assert asked == []


@pytest.mark.parametrize("verb", [outline, measure])
def test_the_model_is_as_before(verb: object) -> None:
    assert callable(verb)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2))
    x = torch.randn(6, 4)
    before = snapshot(model)
    verb(model, x)
    assert not differences(before, snapshot(model))


@pytest.mark.parametrize("verb", [outline, measure])
def test_what_cannot_be_observed_is_refused(verb: object) -> None:
    assert callable(verb)
    with pytest.raises(ModelError, match="no parameters"):
        verb(nn.ReLU(), torch.ones(2))
    with pytest.raises(InputError, match="NaN or infinite"):
        verb(nn.Linear(2, 2), torch.full((1, 2), torch.nan))
