"""What one layer does to a variance, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fanin import schemes
from fanin.errors import InputError
from fanin.fans import Layout
from fanin.guide.checks import Check, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars
from fanin.picture import Picture

# Of measured over predicted. A depthwise layer of 512 channels has 4,608 weights, whose mean
# square strays by sqrt(2 / 4608) = 2 percent, and it is the layer with the fewest.
_LOW, _HIGH = 0.95, 1.05
_CORE = ("linear 64 to 512", "linear 512 to 64", "conv 3x3", "depthwise conv 3x3")
_STRIDED = "conv 4x4, stride 2"
_AFTER_RELU = "linear 512 to 64 after ReLU"


@dataclass(frozen=True, slots=True)
class Settings:
    """Variance of a weight, where fans are read from (layout or shape), how borders are padded."""

    variance: float = 0.04
    fans: str = "layout"
    padding: str = "circular"


def _layers(padding: str) -> dict[str, nn.Linear | nn.Conv2d]:
    conv = {"padding_mode": padding, "bias": False}
    return {
        "linear 64 to 512": nn.Linear(64, 512, bias=False),
        "linear 512 to 64": nn.Linear(512, 64, bias=False),
        "conv 3x3": nn.Conv2d(32, 64, 3, padding=1, **conv),  # type: ignore[arg-type]
        "depthwise conv 3x3": nn.Conv2d(512, 512, 3, padding=1, groups=512, **conv),  # type: ignore[arg-type]
        _STRIDED: nn.Conv2d(32, 64, 4, stride=2, padding=1, **conv),  # type: ignore[arg-type]
        _AFTER_RELU: nn.Linear(512, 64, bias=False),
    }


def measure(settings: Settings, effort: Effort) -> Numbers:
    if settings.fans not in ("layout", "shape"):
        raise InputError(f"fans are read from 'layout' or 'shape', got {settings.fans!r}")
    scheme = schemes.normal(std=math.sqrt(settings.variance))
    forward: dict[str, list[float]] = {}
    backward: dict[str, list[float]] = {}
    for name, layer in _layers(settings.padding).items():
        fan_in, fan_out = _fans(layer, settings.fans)
        forward[name], backward[name] = [], []
        for seed in effort.seeds(12, 6):
            scheme.init_(layer.weight, seed=seed, name=name)
            generator = torch.Generator().manual_seed(seed)
            up, down = _factors(layer, generator, relu=name == _AFTER_RELU)
            forward[name].append(up / (fan_in * settings.variance))
            backward[name].append(down / (fan_out * settings.variance))
    return {"forward": forward, "backward": backward}


def _fans(layer: nn.Linear | nn.Conv2d, source: str) -> tuple[float, float]:
    """As the operation has them, or as a bare shape (out, in, kernel) suggests."""
    if source == "layout":
        layout = Layout.of(layer)
        return layout.fan_in, layout.fan_out
    taps = math.prod(layer.weight.shape[2:])
    return layer.weight.shape[1] * taps, layer.weight.shape[0] * taps


def _factors(
    layer: nn.Linear | nn.Conv2d, generator: torch.Generator, *, relu: bool
) -> tuple[float, float]:
    """Variance of the output over the input's, and of the input's gradient over the output's."""
    shape = (layer.in_channels, 8, 8) if isinstance(layer, nn.Conv2d) else (layer.in_features,)
    x = torch.randn(64 if len(shape) == 1 else 8, *shape, generator=generator)
    x = (x.relu() if relu else x).requires_grad_()
    out: Tensor = layer(x)
    sent_back = torch.randn(out.shape, generator=generator)
    (gradient,) = torch.autograd.grad(out, x, sent_back)
    return (out.var() / x.var()).item(), (gradient.var() / sent_back.var()).item()


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return tuple(
        within(f"{what}, measured over predicted: {name}", values, _LOW, _HIGH,
               scope=name not in _CORE)
        for key, what in (("forward", "signal"), ("backward", "gradient"))
        for name, values in numbers[key].items()
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    groups = {
        name: {"signal": numbers["forward"][name], "gradient": numbers["backward"][name]}
        for name in numbers["forward"]
    }
    return bars(
        groups,
        "Factor of the variance of signal and gradient, measured over predicted, by layer",
        y="measured / predicted",
        limit=1.0,
        size=(7.6, 4.0),
    )


CLAIM = Claim(
    name="layer_variance",
    part="understanding",
    title="A layer multiplies the variance by fan times Var(w)",
    statement=(
        "A layer with random weights multiplies the variance of its input by fan_in Var(w), and "
        "the variance of the gradient, on its way back, by fan_out Var(w)."
    ),
    experiment=(
        "Layers of six kinds get weights of variance {variance}. An input and an output gradient "
        "of independent normal numbers go through. Each variance that comes out is divided by "
        "the one that went in and by fan Var(w), fans as the {fans} says, borders "
        "{padding}. One more input has gone through ReLU, and so has a mean."
    ),
    why=(
        "An output is a sum of fan_in products of independent factors, and the weights have mean "
        "0, so the variances of the products add up. The gradient of an input is a sum of fan_out "
        "products with the same weights. The exact form is about the mean square of the input: "
        "$\\mathrm{Var}(w x) = \\mathrm{Var}(w)\\,E[x^2]$, and $E[x^2]$ is the variance "
        "only where the mean is 0."
    ),
    formula=(
        r"\mathrm{Var}(y) = n_\mathrm{in}\,\mathrm{Var}(w)\,E[x^2], \quad "
        r"E\left[\left(\frac{\partial L}{\partial x}\right)^2\right] = n_\mathrm{out}\,"
        r"\mathrm{Var}(w)\,E\left[\left(\frac{\partial L}{\partial y}\right)^2\right]"
    ),
    instead=(
        "It holds for the second moment $E[x^2]$, whatever the input's mean: after ReLU the "
        "variance alone would say too little, by $E[x^2] / \\mathrm{Var}(x) = \\pi/(\\pi-1)$. "
        "And a fan counts the products that are really summed: a stride of $s$ along each of two "
        "axes leaves each input with $1/s^2$ of them, and a depthwise layer has those of one "
        "channel, not of all."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"padding": "zeros"},
        "on 8x8 images the zeros at the border take a sixth of the variance of a 3x3 layer.",
    ),
    flip={"fans": "shape"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 5 and 6"
        ),
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 7",
    ),
)
