"""Networks, each with a batch and a loss, and ways of breaking one place in them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from tests.observation.bodies import Body

FEATURES, WIDTH, CLASSES, EXAMPLES = 16, 64, 5, 64
Loss = Callable[..., Any]


@dataclass
class Trial:
    """What a check takes."""

    model: nn.Module
    inputs: Any
    targets: Any = None
    loss: Loss | None = F.cross_entropy

    def check(self) -> fanin.Report:
        return fanin.check(self.model, self.inputs, self.targets, loss=self.loss)

    def half(self) -> Trial:
        return Trial(self.model.half(), self.inputs.half(), self.targets, self.loss)


def built(make: Callable[[], Trial], seed: int = 0) -> Trial:
    torch.manual_seed(seed)
    return make()


def checked(make: Callable[[], Trial], seed: int = 0) -> fanin.Report:
    return built(make, seed).check()


# Networks


def rows(count: int = EXAMPLES, features: int = FEATURES) -> Tensor:
    return torch.randn(count, features)


def labels(count: int = EXAMPLES, classes: int = CLASSES) -> Tensor:
    return torch.arange(count) % classes


def classified(model: nn.Module, count: int = EXAMPLES) -> Trial:
    return Trial(model, rows(count), labels(count))


def fitted(model: nn.Module, *, mean: float = 0.0, scale: float = 1.0) -> Trial:
    return Trial(model, rows(), mean + scale * torch.randn(EXAMPLES, 1), F.mse_loss)


def mlp(
    depth: int = 3,
    act: Callable[[], nn.Module] = nn.ReLU,
    *,
    width: int = WIDTH,
    norm: Callable[[int], nn.Module] | None = None,
    draw: Callable[[Tensor], Any] | None = None,
    inputs: int = FEATURES,
    outputs: int = CLASSES,
) -> nn.Sequential:
    """Weights are 0, 2, 4 ... or with norms 0, 3, 6 ...; with ``draw`` biases are zero."""
    layers: list[nn.Module] = []
    for number in range(depth):
        layers.append(nn.Linear(width if number else inputs, width))
        if norm is not None:
            layers.append(norm(width))
        layers.append(act())
    layers.append(nn.Linear(width, outputs))
    if draw is not None:
        for layer in layers:
            if isinstance(layer, nn.Linear):
                draw(layer.weight)
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def he(tensor: Tensor) -> Tensor:
    return nn.init.kaiming_normal_(tensor, nonlinearity="relu")


def constant(value: float) -> Callable[[Tensor], Tensor]:
    return lambda tensor: nn.init.constant_(tensor, value)


def gaussian(std: float) -> Callable[[Tensor], Tensor]:
    return lambda tensor: nn.init.normal_(tensor, std=std)


def cnn(
    norm: Callable[[int], nn.Module] | None = None,
    act: Callable[[], nn.Module] = nn.ReLU,
    channels: int = 16,
) -> nn.Sequential:
    """Convolutions are 0 and 2, or with norms 0 and 3."""
    layers: list[nn.Module] = []
    for number in range(2):
        layers.append(nn.Conv2d(channels if number else 3, channels, 3))
        if norm is not None:
            layers.append(norm(channels))
        layers.append(act())
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)
    )


def pictured(model: nn.Module, count: int = 16) -> Trial:
    return Trial(model, torch.randn(count, 3, 10, 10), labels(count))


def told(model: nn.Module, features: int = FEATURES, length: int = 6, count: int = 16) -> Trial:
    return Trial(model, torch.randn(count, length, features), labels(count))


def recurrent(kind: Callable[..., nn.Module], spoil: Callable[[Any], Any] | None = None) -> Trial:
    """``g``, whose last state ``h`` reads; 32 units."""
    model = Body(
        lambda m, x: m.h(m.g(x)[0][:, -1]),
        g=kind(FEATURES, 32, batch_first=True), h=nn.Linear(32, CLASSES),
    )  # fmt: skip
    if spoil is not None:
        with torch.no_grad():
            spoil(model.g)
    return told(model)


def encoder(depth: int, **options: Any) -> Trial:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, **options)
    model = Body(
        lambda m, x: m.h(m.e(x).mean(1)),
        e=nn.TransformerEncoder(layer, depth, enable_nested_tensor=False),
        h=nn.Linear(32, CLASSES),
    )
    return told(model, features=32, count=8)


class Residual(nn.Module):
    """x + b(relu(a(norm(x))))."""

    def __init__(
        self, width: int = 32, norm: Callable[[int], nn.Module] = nn.LayerNorm, draw: Any = None
    ) -> None:
        super().__init__()
        self.n, self.a, self.b = norm(width), nn.Linear(width, width), nn.Linear(width, width)
        if draw is not None:
            for layer in (self.a, self.b):
                draw(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(torch.relu(self.a(self.n(x))))


def stream(*blocks: nn.Module, norm: Callable[[int], nn.Module] = nn.LayerNorm) -> nn.Sequential:
    return nn.Sequential(nn.Linear(FEATURES, 32), *blocks, norm(32), nn.Linear(32, CLASSES))


def zeroed(module: nn.Module) -> Any:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class Through(nn.Module):
    """Any function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


# Faults


@torch.no_grad()
def scaled(model: Any, name: str, factor: float) -> Any:
    model.get_parameter(name).mul_(factor)
    return model


@torch.no_grad()
def filled(model: Any, name: str, value: float | Tensor) -> Any:
    parameter = model.get_parameter(name)
    parameter.copy_(torch.as_tensor(value, dtype=parameter.dtype).expand_as(parameter))
    return model


@torch.no_grad()
def duplicated(model: nn.Sequential, layer: int, then: int) -> nn.Sequential:
    """Half of the units of ``layer`` are copies, seen alike by ``then``."""
    own, after = model[layer], model[then]
    half = len(own.weight) // 2
    own.weight[half:] = own.weight[:half]
    own.bias[half:] = own.bias[:half]
    after.weight[:, half:] = after.weight[:, :half]
    return model


def copies(*, alike: bool) -> Body:
    """Two equal layers side by side; the head tells them apart unless it is ``alike``."""
    first = nn.Linear(FEATURES, 32)
    head = nn.Linear(64, CLASSES)
    if alike:
        with torch.no_grad():
            head.weight[:, 32:] = head.weight[:, :32]
    return Body(
        lambda m, x: m.h(torch.cat([m.a(x).relu(), m.b(x).relu()], 1)),
        a=first, b=copy.deepcopy(first), h=head,
    )  # fmt: skip


def lora(a: Tensor, b: Tensor) -> Body:
    return Body(
        lambda m, x: m.l(x) + x @ m.a @ m.b,
        l=nn.Linear(FEATURES, CLASSES).requires_grad_(False), a=a, b=b,
    )  # fmt: skip


# Sayings


def kinds(report: fanin.Report) -> list[str]:
    return [finding.kind for finding in report.findings]


def first(report: fanin.Report, kind: str, severity: str) -> fanin.diagnosis.Finding:
    """The first finding, which has to be of this kind and severity."""
    assert report.findings, f"nothing found, {kind} expected\n{report}"
    found = report.findings[0]
    assert (found.kind, found.severity) == (kind, severity), str(report)
    assert report.verdict == ("broken" if severity == "error" else "warning")
    return found
