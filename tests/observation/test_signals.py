"""Signals, gradients, units, and where numbers stop being finite, against plain runs with hooks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin.observation import Statistics, observe
from tests.observation.bodies import Body

INF = float("inf")


def classifier(width: int = 16) -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 4))


def images() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3),
        nn.Flatten(), nn.Linear(100, 4),
    )  # fmt: skip


def by_hooks(
    model: nn.Sequential, x: Tensor, targets: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    forward: dict[str, Tensor] = {}
    backward: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, y: Tensor) -> None:
            forward[name] = y.detach().clone()
            y.register_hook(lambda g: backward.update({name: g.clone()}))

        return hook

    handles = [part.register_forward_hook(keep(name)) for name, part in model.named_children()]
    F.cross_entropy(model(x), targets).backward()
    for handle in handles:
        handle.remove()
    return forward, backward


def rms(tensor: Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt())


def is_largest(found: Statistics, true: Tensor) -> None:
    """Of the sample, which is all of a small tensor."""
    largest = float(true.abs().max())
    assert 0 < found.largest <= largest * (1 + 1e-5)
    if found.sampled == found.size:
        assert found.largest == pytest.approx(largest, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "shape"),
    [(classifier, (32, 8)), (lambda: classifier(700), (200, 8)), (images, (8, 3, 9, 9))],
    ids=["mlp", "larger than the sample", "images"],
)
def test_forward_and_backward(make: Callable[[], nn.Sequential], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model, x, targets = make(), torch.randn(shape), torch.randint(4, shape[:1])
    with torch.random.fork_rng():
        forward, backward = by_hooks(model, x, targets)
    gradients = {name: rms(p.grad) for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    seen = observe(model, x, targets, loss=F.cross_entropy)
    checked = 0
    for signal in seen.signals:
        name = signal.name.removesuffix(".weight")
        true, gradient = forward[name], backward[name]
        assert signal.shape == tuple(true.shape)
        assert signal.forward.rms == pytest.approx(rms(true), rel=1e-5)
        is_largest(signal.forward, true)
        assert signal.forward.mean == pytest.approx(float(true.mean()), abs=5 / 4 / 8192**0.5)
        assert (signal.forward.nonfinite, signal.forward.size) == (0, true.numel())
        assert signal.gradient is not None
        assert signal.gradient.rms == pytest.approx(rms(gradient), rel=1e-5)
        is_largest(signal.gradient, gradient)
        checked += 1
    assert checked == sum(isinstance(m, nn.Linear | nn.Conv2d | nn.BatchNorm2d) for m in model)
    for parameter in seen.parameters:
        expected = gradients[parameter.name]
        assert parameter.gradient_rms == pytest.approx(expected, rel=1e-4, abs=1e-8)
        assert parameter.rms == pytest.approx(
            rms(model.get_parameter(parameter.name)), rel=1e-5, abs=1e-12
        )
    assert seen.output.rms == pytest.approx(rms(forward[str(len(model) - 1)]), rel=1e-5)
    assert seen.loss == pytest.approx(float(F.cross_entropy(list(forward.values())[-1], targets)))


def test_in_place_functions_do_not_change_what_was_before() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    written = nn.Sequential(plain[0], nn.ReLU(inplace=True), plain[2])
    x = torch.randn(32, 8)
    before, after = observe(plain, x), observe(written, x)
    for name in ("0.weight", "2.weight"):
        assert after.signal(name) == before.signal(name)


def test_the_largest_of_the_output_is_exact() -> None:
    model = nn.Linear(8, 600)
    x = torch.randn(200, 8)
    x[-1] *= 1000
    with torch.no_grad():
        largest = float(model(x).abs().max())
    assert observe(model, x).output.largest == pytest.approx(largest, rel=1e-6)


class TestUnits:
    def test_dead_and_duplicated(self) -> None:
        torch.manual_seed(0)
        model = classifier()
        with torch.no_grad():
            model[0].bias[3:6] = -100.0
            model[0].weight[8:10] = model[0].weight[7]
            model[0].bias[8:10] = model[0].bias[7]
        x = torch.randn(64, 8)
        units = observe(model, x).signal("0.weight").units
        assert units is not None
        with torch.no_grad():
            z = model[0](x)
        assert (units.count, units.dead, units.duplicated) == (16, 3, 3)
        assert units.observations == 64
        assert units.flat == pytest.approx(float((z <= 0).float().mean()), abs=0.01)

    def test_saturated(self) -> None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
        with torch.no_grad():
            model[0].bias[3:6] = 100.0
        units = observe(model, torch.randn(64, 8)).signal("0.weight").units
        assert units is not None
        assert units.dead == 3
        assert units.flat == pytest.approx(3 / 16, abs=0.01)

    @pytest.mark.parametrize("batched", [True, False], ids=["batched", "one image without batch"])
    def test_channels(self, batched: bool) -> None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        with torch.no_grad():
            model[0].bias[3:6] = -100.0
            model[0].weight[1], model[0].bias[1] = model[0].weight[0], model[0].bias[0]
        x = torch.randn(4, 3, 9, 9) if batched else torch.randn(3, 9, 9)
        units = observe(model, x).signal("0.weight").units
        assert units is not None
        assert (units.count, units.dead, units.duplicated) == (8, 3, 2)

    def test_after_a_norm(self) -> None:
        model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
        with torch.no_grad():
            model[1].bias[2:4] = -100.0
        seen = observe(model, torch.randn(64, 8))
        norm, before = seen.signal("1").units, seen.signal("0.weight").units
        assert norm is not None
        assert before is not None
        assert (norm.dead, before.dead) == (2, 0)

    def test_zeros(self) -> None:
        model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))
        with torch.no_grad():
            model[0].weight[:4], model[0].bias[:4] = 0.0, 0.0
        signal = observe(model, torch.randn(32, 8)).signal("0.weight")
        assert signal.forward.zeros == 0.25
        assert signal.units is not None
        assert signal.units.duplicated == 4


class TestCorrelation:
    def test_of_equal_examples(self) -> None:
        seen = observe(classifier(), torch.randn(1, 8).expand(32, 8))
        assert seen.signal("0.weight").correlation == pytest.approx(1.0, abs=1e-5)

    def test_of_opposite_examples(self) -> None:
        x = torch.randn(1, 8)
        seen = observe(nn.Linear(8, 16, bias=False), torch.cat([x, -x]))
        assert seen.signal("weight").correlation == pytest.approx(-1.0, abs=1e-5)

    def test_is_the_mean_cosine(self) -> None:
        torch.manual_seed(0)
        model, x = nn.Linear(8, 16), torch.randn(10, 8)
        with torch.no_grad():
            y = F.normalize(model(x))
            cosines = (y @ y.T)[~torch.eye(10, dtype=torch.bool)]
        found = observe(model, x).signal("weight").correlation
        assert found == pytest.approx(float(cosines.mean()), abs=1e-5)

    def test_of_one_example_is_unknown(self) -> None:
        seen = observe(classifier(), torch.randn(1, 8))
        assert seen.signal("0.weight").correlation is None
        assert any("batch of one" in note for note in seen.notes)


def spread(model: nn.Module, x: Tensor, targets: Tensor, last: nn.Linear) -> float:
    """By a loop over examples."""
    found = []
    for k in range(len(x)):
        loss = F.cross_entropy(model(x[k : k + 1]), targets[k : k + 1])
        (gradient,) = torch.autograd.grad(loss, [last.weight])
        found.append(gradient)
    each = torch.stack(found)
    mean = each.mean(0)
    return float((each - mean).square().sum() / len(x) / mean.square().sum())


class TestGradientNoise:
    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    def test_of_a_classifier(self, reduction: str) -> None:
        torch.manual_seed(0)
        model, x, targets = classifier(), torch.randn(32, 8), torch.randint(4, (32,))

        def loss(output: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(output, labels, reduction=reduction)

        seen = observe(model, x, targets, loss=loss)
        last = model[2]
        assert isinstance(last, nn.Linear)
        assert seen.gradient_noise == pytest.approx(spread(model, x, targets, last), rel=1e-4)

    def test_of_equal_examples_is_none_at_all(self) -> None:
        x, targets = torch.randn(1, 8).repeat(8, 1), torch.zeros(8, dtype=torch.long)
        seen = observe(classifier(), x, targets, loss=F.cross_entropy)
        assert seen.gradient_noise == pytest.approx(0.0, abs=1e-5)

    def test_of_a_larger_batch(self) -> None:
        torch.manual_seed(0)
        model, x, targets = classifier(), torch.randn(128, 8), torch.randint(4, (128,))
        seen = observe(model, x, targets, loss=F.cross_entropy)
        last = model[2]
        assert isinstance(last, nn.Linear)
        assert seen.gradient_noise == pytest.approx(spread(model, x, targets, last), rel=1e-4)


def first(function: Callable[[Any, Tensor], Tensor]) -> Body:
    return Body(lambda m, x: m.b(function(m, m.a(x))), a=nn.Linear(8, 8), b=nn.Linear(8, 2))


MASK = torch.ones(6, 8).triu(1).bool()

WRONG: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "logarithm": (lambda m, z: torch.log(z - z.max() - 1), "log"),
    "in place": (lambda m, z: (z - z.max() - 1).log_(), "log"),
    "in place afterwards": (lambda m, z: torch.log(z - z.max() - 1).mul_(2).add_(1), "log"),
    "square root": (lambda m, z: (-z.abs() - 1).sqrt(), "sqrt"),
    "division by zeros": (lambda m, z: z / torch.zeros(8), "div"),
    "division by zero": (lambda m, z: z / 0, "div"),
    "overflow": (lambda m, z: torch.exp((z.abs() + 1) * 1e4), "exp"),
    "overflow in float16": (lambda m, z: ((z.abs() + 1).half() * 6e4 * 10).float(), "mul"),
    "nothing left by a mask": (
        lambda m, z: torch.softmax(z.masked_fill(torch.ones(6, 8).bool(), -INF), -1), "softmax"),
    "a mask times zero": (lambda m, z: z.masked_fill(MASK, -INF) * 0, "mul"),
    "a logarithm after a mask": (
        lambda m, z: torch.log(-1 - torch.softmax(z.masked_fill(MASK, -INF), -1)), "log"),
}  # fmt: skip


class TestNonFinite:
    @pytest.mark.parametrize("name", WRONG)
    def test_the_first_operation_is_named(self, name: str) -> None:
        function, op = WRONG[name]
        seen = observe(first(function), torch.randn(6, 8))
        assert seen.output.nonfinite
        assert seen.nonfinite is not None
        assert (seen.nonfinite.op, seen.nonfinite.gradient) == (op, False)
        assert seen.nonfinite.count > 0

    @pytest.mark.parametrize(
        "mask",
        [
            lambda z: z.masked_fill(MASK, -INF),
            lambda z: z.clone().masked_fill_(MASK, -INF),
            lambda z: z + torch.full((6, 8), -INF).triu(1),
            lambda z: z + torch.zeros(6, 8).masked_fill(MASK, -INF),
            lambda z: torch.where(MASK, -INF, z),
            lambda z: torch.where(MASK, torch.tensor(-INF), z),
            lambda z: F.pad(z[:, :-1], (0, 1), value=-INF),
        ],
        ids=["fill", "fill in place", "add", "add made", "where", "where tensor", "pad"],
    )
    def test_a_mask_is_meant(self, mask: Callable[[Tensor], Tensor]) -> None:
        seen = observe(first(lambda m, z: torch.softmax(mask(z), -1)), torch.randn(6, 8))
        assert seen.nonfinite is None
        assert seen.output.nonfinite == 0

    def test_a_large_mask_that_is_added(self) -> None:
        model = Body(
            lambda m, x: torch.softmax(m.a(x) + torch.full((80, 80), -INF).triu(1), -1),
            a=nn.Linear(8, 80),
        )
        assert observe(model, torch.randn(80, 8)).nonfinite is None

    @pytest.mark.parametrize("value", [INF, math.nan], ids=["inf", "nan"])
    def test_a_parameter_that_is_not_finite(self, value: float) -> None:
        model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
        with torch.no_grad():
            model[0].weight[0, 0] = value
        seen = observe(model, torch.randn(6, 8))
        assert seen.signal("0.weight").forward.nonfinite == 6
        assert seen.output.nonfinite == 12
        assert seen.nonfinite is not None
        assert seen.nonfinite.module == "0"

    def test_in_the_loss(self) -> None:
        def loss(output: Tensor, _: object) -> Tensor:
            return torch.log(-output.abs() - 1).sum()

        seen = observe(classifier(), torch.randn(6, 8), loss=loss)
        assert seen.output.nonfinite == 0
        assert seen.nonfinite is not None
        assert (seen.nonfinite.op, seen.nonfinite.module) == ("log", "")
        assert seen.to_dict()["loss"] == "nan"

    def test_in_the_gradient_alone(self) -> None:
        model = Body(lambda m, x: m.a(x * 0).sqrt(), a=nn.Linear(8, 8, bias=False))
        seen = observe(model, torch.randn(6, 8))
        assert seen.output.nonfinite == 0
        assert seen.nonfinite is not None
        assert seen.nonfinite.gradient

    def test_the_module_is_named(self) -> None:
        model = nn.Sequential(nn.Linear(8, 8), first(WRONG["logarithm"][0]), nn.Linear(2, 2))
        found = observe(model, torch.randn(6, 8)).nonfinite
        assert found is not None
        assert (found.op, found.module) == ("log", "1")

    def test_counts_are_exact(self) -> None:
        model = nn.Linear(8, 700)
        with torch.no_grad():
            model.bias[-3:] = INF
        seen = observe(model, torch.randn(100, 8))
        assert seen.output.nonfinite == seen.signal("weight").forward.nonfinite == 300


class TestObjective:
    def test_given(self) -> None:
        x, labels = torch.randn(6, 8), torch.randint(4, (6,))
        for loss in (F.cross_entropy, nn.CrossEntropyLoss()):
            found = observe(classifier(), x, labels, loss=loss).objective
            assert (found.kind, found.op, found.classes) == ("given", "cross_entropy", 4)

    def test_of_pixels(self) -> None:
        labels = torch.randint(5, (2, 4, 4))
        seen = observe(nn.Conv2d(3, 5, 1), torch.randn(2, 3, 4, 4), labels, loss=F.cross_entropy)
        assert seen.objective.classes == 5

    def test_in_two_steps(self) -> None:
        def loss(output: Tensor, labels: Tensor) -> Tensor:
            return F.nll_loss(F.log_softmax(output, -1), labels)

        found = observe(classifier(), torch.randn(6, 8), torch.randint(4, (6,)), loss=loss)
        assert (found.objective.op, found.objective.classes) == ("nll_loss", 4)

    def test_with_a_second_term_the_classes_are_known(self) -> None:
        def loss(output: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(output, labels) + 0.1 * F.mse_loss(output, output * 0)

        found = observe(classifier(), torch.randn(6, 8), torch.randint(4, (6,)), loss=loss)
        assert found.objective.classes == 4

    def test_of_the_model(self) -> None:
        def body(m: Any, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = m.l(x)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

        model = Body(body, l=nn.Linear(8, 3))
        seen = observe(model, {"x": torch.randn(6, 8), "labels": torch.randint(3, (6,))})
        assert (seen.objective.kind, seen.objective.classes) == ("model", 3)
        assert seen.output.size == 18
        assert not any("projection" in note for note in seen.notes)

    def test_a_projection_stands_in_and_says_so(self) -> None:
        seen = observe(classifier(), torch.randn(6, 8))
        assert seen.objective.kind == "projection"
        assert any("projection" in note for note in seen.notes)

    def test_of_one_argument(self) -> None:
        seen = observe(classifier(), torch.randn(6, 8), loss=lambda output: output.square().mean())
        assert seen.objective.kind == "given"
        assert seen.objective.classes is None


@pytest.mark.parametrize("scale", [1e-12, 1e-18, 1e-22, 1e-30])
def test_scales_whose_squares_single_precision_does_not_hold_are_measured(scale: float) -> None:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.Linear(16, 4, bias=False))
    x = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model[0].weight.mul_(scale)
    seen = observe(model, x)
    expected = float(model[0](x).detach().double().square().mean().sqrt())
    assert seen.signal("0.weight").forward.rms == pytest.approx(expected, rel=1e-5)
    gradients = {one.name: one.gradient_rms for one in seen.parameters}
    assert 0 < gradients["1.weight"] < 1e3 * scale
