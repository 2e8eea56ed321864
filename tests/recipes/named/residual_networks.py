"""Small residual networks with norms, factors and standardised weights, and how plans are held."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.errors import ModelError
from fanin.recipes import as_recipe
from fanin.recipes.plans.plan import Plan
from tests.observation.snapshot import differences, snapshot
from tests.recipes.state import parameter_bits

IMAGES = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(5))
VECTORS = torch.randn(64, 6, generator=torch.Generator().manual_seed(6)) * 2 + 0.5


class Block(nn.Module):
    """x + after(alpha f(x)) with f = conv, norm, relu, conv, norm, then relu."""

    def __init__(
        self, width: int, *, norms: bool = True, factor: tuple[int, ...] | None = None,
        after: Callable[[Tensor], Tensor] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width) if norms else nn.Identity()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width) if norms else nn.Identity()
        if factor is not None:
            self.alpha = nn.Parameter(torch.full(factor, 0.5))
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if hasattr(self, "alpha"):
            y = y * self.alpha
        return F.relu(x + (y if self.after is None else self.after(y)))


class FixupBlock(nn.Module):
    """Fixup's basic block with the multiplier and the biases of rule 3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bias1a, self.bias1b, self.bias2a, self.bias2b = (
            nn.Parameter(torch.ones(1)) for _ in range(4)
        )
        self.scale = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(x + self.bias1a) + self.bias1b)
        return F.relu(x + (self.conv2(y + self.bias2a) * self.scale + self.bias2b))


class Standardised(nn.Conv2d):
    """A convolution with scaled weight standardisation and a gain per unit."""

    def __init__(self, *args: int, padding: int = 1) -> None:
        super().__init__(*args, padding=padding)
        self.gain = nn.Parameter(torch.full((self.weight.shape[0], 1, 1, 1), 2.0))

    def standardised(self) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        scale = torch.rsqrt(variance * self.weight[0].numel() + 1e-6) * self.gain
        return (self.weight - mean) * scale

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.standardised(), self.bias, padding=self.padding)


class StandardisedByNorm(Standardised):
    """As timm does it: batch norm of the weight."""

    def standardised(self) -> Tensor:
        fan_in = self.weight[0].numel()
        return F.batch_norm(
            self.weight.reshape(1, self.out_channels, -1), None, None,
            weight=(self.gain * fan_in**-0.5).view(-1), training=True, momentum=0.0, eps=1e-6,
        ).reshape_as(self.weight)  # fmt: skip


class FreeBlock(nn.Module):
    """A block of a normalizer-free network."""

    def __init__(self, conv: type[nn.Conv2d], width: int, *, skip_gain: bool = True) -> None:
        super().__init__()
        self.conv1 = conv(width, width, 3, padding=1)
        self.conv2 = conv(width, width, 3, padding=1)
        if skip_gain:
            self.skip_gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + y * getattr(self, "skip_gain", 1.0) * 0.2


def network(make: Callable[[], nn.Module], blocks: int = 2, stem: nn.Module | None = None,
            width: int = 8) -> nn.Sequential:  # fmt: skip
    """Stem, blocks, pool, head."""
    torch.manual_seed(0)
    stem = stem or nn.Conv2d(3, width, 3, padding=1)
    return nn.Sequential(
        stem, *(make() for _ in range(blocks)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, 5),
    )  # fmt: skip


def assert_only_reads(recipe: object, model: nn.Module, inputs: object, **more: object) -> Plan:
    """A plan leaves the model alone and is the same every time."""
    before = snapshot(model)
    with torch.random.fork_rng():
        plan = as_recipe(recipe).plan(model, inputs=inputs, **more)
        assert not differences(before, snapshot(model))
        torch.rand(7)
        assert as_recipe(recipe).plan(model, inputs=inputs, **more) == plan
    return plan


def assert_refuses(
    recipe: object, model: nn.Module, inputs: object, *words: str, **more: object
) -> None:
    """The plan is refused by a message with these words, and the model is as before."""
    before, whole = parameter_bits(model), snapshot(model)
    with pytest.raises(ModelError) as refused:
        fanin.init_(model, recipe, inputs=inputs, **more)
    for word in words:
        assert word in str(refused.value), str(refused.value)
    assert parameter_bits(model) == before
    assert not differences(whole, snapshot(model))


def outputs(model: nn.Module, inputs: Tensor, *kinds: type[nn.Module]) -> dict[str, Tensor]:
    """What modules of these kinds put out, by name."""
    shown: dict[str, Tensor] = {}
    names = {module: name for name, module in model.named_modules()}
    hooks = [
        module.register_forward_hook(lambda m, _, out: shown.update({names[m]: out.detach()}))
        for module in model.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        model(inputs)
    for hook in hooks:
        hook.remove()
    return shown
