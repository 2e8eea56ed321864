"""What cannot be observed is refused in one sentence; what a model raises passes as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin.errors import InputError, ModelError
from fanin.observation import observe
from tests.observation.bodies import Body
from tests.observation.snapshot import differences, snapshot


def rows() -> Tensor:
    return torch.randn(6, 8)


def linear() -> nn.Linear:
    return nn.Linear(8, 3)


class OfItsOwnError(Exception):
    pass


class Raising(nn.Module):
    def __init__(self, kind: type[Exception]) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.norm = nn.BatchNorm1d(8)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        self.norm(self.inner(x))
        raise self.kind("broken")


class TestAModelThatRaises:
    @pytest.mark.parametrize("kind", [OfItsOwnError, KeyError, ValueError, StopIteration])
    def test_its_exception_passes_with_one_note(self, kind: type[Exception]) -> None:
        model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(Raising(kind)))
        x = rows()
        before = snapshot(model)
        with pytest.raises(kind, match="broken") as caught:
            observe(model, x)
        assert type(caught.value) is kind
        (note,) = caught.value.__notes__
        assert "1.0" in note
        assert "Raising" in note
        assert "model's own" in note
        assert differences(before, snapshot(model)) == []
        observe(nn.Linear(8, 3), rows())  # and nothing is left behind

    def test_shapes_that_do_not_fit(self) -> None:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
            observe(nn.Sequential(nn.Linear(8, 8), nn.Linear(7, 3)), rows())
        (note,) = caught.value.__notes__
        assert "'1' (Linear)" in note

    def test_integers_where_numbers_are_needed(self) -> None:
        with pytest.raises(RuntimeError, match="dtype") as caught:
            observe(linear(), torch.ones(6, 8, dtype=torch.long))
        assert len(caught.value.__notes__) == 1

    def test_arguments_that_are_missing(self) -> None:
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            observe(linear(), ())

    def test_a_loss_that_raises(self) -> None:
        def loss(output: Tensor, _: object) -> Tensor:
            raise OfItsOwnError("broken")

        model, x = linear(), rows()
        before = snapshot(model)
        with pytest.raises(OfItsOwnError) as caught:
            observe(model, x, loss=loss)
        (note,) = caught.value.__notes__
        assert "the loss" in note
        assert differences(before, snapshot(model)) == []

    def test_a_backward_that_raises(self) -> None:
        class Broken(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                return x.clone()

            @staticmethod
            def backward(ctx: Any, gradient: Tensor) -> Tensor:
                raise OfItsOwnError("broken")

        model = Body(lambda m, x: Broken.apply(m.l(x)), l=linear())
        with pytest.raises(OfItsOwnError) as caught:
            observe(model, rows())
        (note,) = caught.value.__notes__
        assert "backward" in note


class TestModels:
    @pytest.mark.parametrize("model", [len, "model", None, nn.Linear], ids=repr)
    def test_no_module(self, model: Any) -> None:
        with pytest.raises(ModelError, match=r"takes a torch\.nn\.Module"):
            observe(model, rows())

    def test_no_parameters(self) -> None:
        with pytest.raises(ModelError, match="ReLU has no parameters"):
            observe(nn.ReLU(), rows())

    def test_lazy(self) -> None:
        model = nn.Sequential(nn.Linear(8, 8), nn.LazyLinear(3))
        with pytest.raises(ModelError, match=r"'1\.weight' is lazy"):
            observe(model, rows())
        assert isinstance(model[1].weight, nn.UninitializedParameter)

    def test_in_evaluation_mode_is_noted(self) -> None:
        model = linear().eval()
        seen = observe(model, rows())
        assert not seen.training
        assert any("evaluation mode" in note for note in seen.notes)

    def test_all_frozen(self) -> None:
        seen = observe(linear().requires_grad_(False), rows())
        assert seen.signal("weight").gradient is None
        assert any("carries no gradient" in note for note in seen.notes)
        assert [use.parameter for use in seen.uses] == ["weight", "bias"]

    def test_under_no_grad_and_inference_mode(self) -> None:
        model, x = linear(), rows()
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                seen = observe(model, x)
                assert not torch.is_grad_enabled()
            assert seen.signal("weight").gradient is not None


class TestInputs:
    def test_none(self) -> None:
        with pytest.raises(InputError, match="needs inputs"):
            observe(linear(), None)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
    def test_not_finite(self, value: float) -> None:
        x = rows()
        x[0, :2] = value
        with pytest.raises(InputError, match="'input' has 2 of 48 elements"):
            observe(linear(), x)

    def test_not_finite_far_inside(self) -> None:
        model = Body(lambda m, batch: m.l(batch["a"][0]), l=linear())
        with pytest.raises(InputError, match="6 of 6"):
            observe(model, ({"a": [rows(), torch.full((6,), float("nan"))]},))

    def test_another_device(self) -> None:
        with pytest.raises(InputError, match=r"on meta, the model on cpu.*\.to\('cpu'\)"):
            observe(linear(), torch.empty(6, 8, device="meta"))
        with pytest.raises(InputError, match="on cpu, the model on meta"):
            observe(nn.Linear(8, 3, device="meta"), rows())

    def test_all_on_meta_is_observed_or_refused(self) -> None:
        model = nn.Sequential(nn.Linear(8, 4, device="meta"), nn.ReLU())
        try:
            seen = observe(model, torch.empty(6, 8, device="meta"))
        except InputError:
            return
        assert [(use.parameter, use.fan_in) for use in seen.uses[:1]] == [("0.weight", 8)]

    def test_a_batch_of_one_is_noted(self) -> None:
        seen = observe(linear(), torch.randn(1, 8))
        assert any("batch of one" in note for note in seen.notes)
        assert seen.gradient_noise is None

    def test_an_empty_batch(self) -> None:
        seen = observe(linear(), torch.randn(0, 8))
        assert [use.fan_in for use in seen.uses[:1]] == [8]

    @pytest.mark.parametrize("kind", [tuple, dict, object], ids=["tuple", "dict", "tensor"])
    def test_ways_of_giving_them(self, kind: type) -> None:
        x = rows()
        inputs: object = (x,) if kind is tuple else {"input": x} if kind is dict else x
        (use, _) = observe(linear(), inputs).uses
        assert use.source is not None
        assert (use.source.kind, use.source.name) == ("input", "input")


class TestOutputs:
    @pytest.mark.parametrize(
        "body",
        [lambda m, x: None, lambda m, x: "text", lambda m, x: m.l(x).argmax(-1), lambda m, x: {}],
        ids=["none", "text", "integers", "empty"],
    )
    def test_nothing_to_differentiate(self, body: Callable[..., Any]) -> None:
        with pytest.raises(InputError, match="nothing to differentiate"):
            observe(Body(body, l=linear()), rows())

    def test_no_gradient_is_noted(self) -> None:
        seen = observe(Body(lambda m, x: m.l(x).detach(), l=linear()), rows())
        assert any("carries no gradient" in note for note in seen.notes)

    def test_complex_numbers(self) -> None:
        seen = observe(Body(lambda m, x: torch.fft.rfft(m.l(x)), l=linear()), rows())
        assert seen.signal("l.weight").gradient is not None
        seen = observe(Body(lambda m, x: m.l(x).to(torch.cfloat), l=linear()), rows())
        assert seen.signal("l.weight").gradient is not None


class TestLosses:
    @pytest.mark.parametrize(
        ("loss", "message"),
        [
            (lambda o, t: o.sum(1), r"tensor of shape \(6,\)"),
            (lambda o, t: F.mse_loss(o, o * 0, reduction="none"), r"shape \(6, 3\)"),
            (lambda o, t: 1.0, "got float"),
            (lambda o, t: None, "got NoneType"),
            (lambda o, t: o.argmax(), "int64"),
            (lambda o, t: o.sum().to(torch.cfloat), "complex64"),
        ],
        ids=["rows", "no reduction", "float", "none", "integer", "complex"],
    )
    def test_no_scalar(self, loss: Callable[..., Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            observe(linear(), rows(), loss=loss)

    def test_no_function(self) -> None:
        with pytest.raises(InputError, match="loss"):
            observe(linear(), rows(), loss="mse")  # type: ignore[arg-type]

    def test_one_number_of_any_shape(self) -> None:
        seen = observe(linear(), rows(), loss=lambda o, t: o.square().mean().reshape(1, 1))
        assert seen.signal("weight").gradient is not None

    def test_without_a_gradient(self) -> None:
        seen = observe(linear(), rows(), loss=lambda o, t: o.detach().sum())
        assert any("carries no gradient" in note for note in seen.notes)

    def test_targets_that_nothing_reads(self) -> None:
        seen = observe(linear(), rows(), torch.zeros(6))
        assert any("targets were given without a loss" in note for note in seen.notes)

    def test_a_vector_of_the_model_counts_by_its_mean(self) -> None:
        model = Body(lambda m, x: {"loss": m.l(x).sum(1), "logits": m.l(x)}, l=linear())
        seen = observe(model, rows())
        assert seen.objective.kind == "model"
        assert any("its mean was taken" in note for note in seen.notes)
