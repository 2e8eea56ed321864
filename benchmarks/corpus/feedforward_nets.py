"""Feed-forward networks of the corpus: perceptrons, convolutions, residual and branched ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils import parametrizations

Activation = Callable[[Tensor], Tensor]
Init = Callable[[Tensor], object]


def he(w: Tensor) -> Tensor:
    return init.kaiming_normal_(w, nonlinearity="relu")


def he_out(w: Tensor) -> Tensor:
    return init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")


def xavier(w: Tensor) -> Tensor:
    return init.xavier_uniform_(w)


def lecun(w: Tensor) -> Tensor:
    return init.kaiming_normal_(w, nonlinearity="linear")


def orthogonal(gain: float = 1.0) -> Init:
    return lambda w: init.orthogonal_(w, gain)


def std(value: float) -> Init:
    return lambda w: init.normal_(w, 0.0, value)


def truncated(value: float) -> Init:
    return lambda w: init.trunc_normal_(w, 0.0, value, -2 * value, 2 * value)


def fan_in(gain: float) -> Init:
    """Normal with std = gain / sqrt(fan_in)."""
    return lambda w: init.normal_(w, 0.0, gain / math.sqrt(w[0].numel()))


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Activation) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def initialised(model: nn.Module, weights: Init | None, biases: float | None = 0.0) -> nn.Module:
    """Weights of linear and convolutional layers by one rule; biases constant, or as they are."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):  # noqa: SLF001
            if weights is not None:
                weights(module.weight)
            if weights is not None and module.bias is not None and biases is not None:
                init.constant_(module.bias, biases)
    return model


class MLP(nn.Module):
    """Hand written; ``layers`` and ``head``, with a function between."""

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation = F.relu,
        weights: Init | None = None,
        *,
        outputs: int = 10,
        biases: float | None = 0.0,
        norm: Callable[[int], nn.Module] | None = None,
        first: Activation | None = None,
        twist: Activation | None = None,
        fold: int = 1,
    ) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(sizes))
        self.layers = nn.ModuleList(nn.Linear(i, o * fold, bias=norm is None) for i, o in pairs)
        self.norms = nn.ModuleList(norm(o) for _, o in pairs) if norm else None
        self.first = Apply(first) if first else nn.Identity()
        self.twist = Apply(twist) if twist else nn.Identity()
        self.head = nn.Linear(sizes[-1], outputs)
        self.activation = activation
        initialised(self, weights, biases)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if self.norms is not None:
                x = self.norms[index](x)
            x = self.activation(x)
        return self.head(self.twist(x))


def sequential(
    sizes: Sequence[int], activation: type[nn.Module], weights: Init | None = None
) -> nn.Module:
    """Linear layers and modules between them, in one nn.Sequential."""
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(sizes):
        layers += [nn.Linear(i, o), activation()]
    return initialised(nn.Sequential(*layers[:-1]), weights)


class Raw(nn.Module):
    """Weights as parameters, in by out."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        pairs = itertools.pairwise(sizes)
        self.w = nn.ParameterList(init.xavier_normal_(torch.empty(i, o)) for i, o in pairs)
        self.b = nn.ParameterList(torch.zeros(o) for o in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.w) - 1
        for index, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = x @ w + b
            if index < last:
                x = x.relu()
        return x


def maxout(x: Tensor) -> Tensor:
    return x.unflatten(-1, (-1, 2)).amax(-1)


class Residual(nn.Module):
    """x + scale * branch(x), then perhaps something after the sum."""

    def __init__(
        self,
        branch: nn.Module,
        *,
        scale: float = 1.0,
        gate: float | None = None,
        skip: nn.Module | None = None,
        after: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.scale = scale
        self.gate = None if gate is None else nn.Parameter(torch.tensor(gate))
        self.skip = skip or nn.Identity()
        self.after = after or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        new = self.branch(x) * self.scale
        if self.gate is not None:
            new = new * self.gate
        return self.after(self.skip(x) + new)


def residual_mlp(
    depth: int,
    width: int = 64,
    *,
    norm: Callable[[int], nn.Module] | None = None,
    weights: Init = he,
    scale: float = 1.0,
    gate: float | None = None,
    zero_last: bool = False,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Module:
    """Stem, blocks of two layers, head; with a norm it is pre-activation with a norm at the end."""

    def block() -> nn.Module:
        layers = [nn.Linear(width, width), activation(), nn.Linear(width, width)]
        if norm is not None:
            layers.insert(0, norm(width))
        return nn.Sequential(*layers)

    model = nn.Sequential()
    model.add_module("stem", nn.Linear(64, width))
    blocks = [Residual(block(), scale=scale, gate=gate) for _ in range(depth)]
    model.add_module("blocks", nn.Sequential(*blocks))
    model.add_module("final", norm(width) if norm else nn.Identity())
    model.add_module("head", nn.Linear(width, 10))
    initialised(model, weights)
    lecun(model.head.weight)  # type: ignore[arg-type]
    if zero_last:
        for made in blocks:
            init.zeros_(made.branch[-1].weight)  # type: ignore[index]
    return model


def conv(
    i: int,
    o: int,
    size: int = 3,
    *,
    norm: Callable[[int], nn.Module] | None = None,
    act: Callable[[], nn.Module] | None = nn.ReLU,
    **options: int,
) -> nn.Sequential:
    """Convolution, norm, activation."""
    dilation = options.get("dilation", 1)
    options.setdefault("padding", dilation * (size // 2))
    layers: list[nn.Module] = [nn.Conv2d(i, o, size, bias=norm is None, **options)]  # type: ignore[arg-type]
    if norm is not None:
        layers.append(norm(o))
    if act is not None:
        layers.append(act())
    return nn.Sequential(*layers)


class Pooled(nn.Module):
    """Features, mean over positions, dropout, head."""

    def __init__(self, features: nn.Module, width: int, outputs: int = 10, drop: float = 0) -> None:
        super().__init__()
        self.features = features
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.features(x).flatten(2).mean(2)))


class Flat(nn.Module):
    """Features, all positions, head."""

    def __init__(self, features: nn.Module, width: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def group(width: int) -> nn.Module:
    return nn.GroupNorm(4, width)


def layer2d(width: int) -> nn.Module:
    return nn.GroupNorm(1, width)


def plain_cnn(
    *widths: int,
    norm: Callable[[int], nn.Module] | None = None,
    act: Callable[[], nn.Module] = nn.ReLU,
    weights: Init | None = he,
    drop: float = 0,
    **options: int,
) -> nn.Module:
    """Convolutions of size 3 from one channel on, then the mean."""
    pairs = zip((1, *widths[:-1]), widths, strict=True)
    features = nn.Sequential(*(conv(i, o, norm=norm, act=act, **options) for i, o in pairs))
    model = Pooled(features, widths[-1], drop=drop)
    return initialised(model, weights)


def vgg(norm: Callable[[int], nn.Module] | None = None, weights: Init | None = he) -> nn.Module:
    """Pairs of convolutions and pooling, and two linear layers in the end."""
    features = nn.Sequential(
        conv(1, 16, norm=norm), conv(16, 16, norm=norm), nn.MaxPool2d(2),
        conv(16, 32, norm=norm), conv(32, 32, norm=norm), nn.MaxPool2d(2),
        nn.Flatten(),
    )  # fmt: skip
    tail = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    return initialised(nn.Sequential(features, tail), weights)


def resnet(
    depth: int,
    width: int = 8,
    *,
    style: str = "post",
    norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
    zero_gamma: bool = False,
    squeeze: bool = False,
    weights: Init | None = he_out,
) -> nn.Module:
    """Blocks of two convolutions; "post" or "pre" activation."""

    def block(i: int, o: int, stride: int) -> nn.Module:
        skip = conv(i, o, 1, norm=norm, act=None, stride=stride) if i != o else None
        if style == "post":
            body = [conv(i, o, norm=norm, stride=stride), conv(o, o, norm=norm, act=None)]
            if squeeze:
                body.append(Squeeze(o))
            return Residual(nn.Sequential(*body), skip=skip, after=nn.ReLU())
        if norm is None:
            raise ValueError("pre-activation needs a norm")
        return Residual(
            nn.Sequential(
                norm(i), nn.ReLU(), nn.Conv2d(i, o, 3, stride, 1, bias=False),
                norm(o), nn.ReLU(), nn.Conv2d(o, o, 3, 1, 1, bias=False),
            ),
            skip=skip,
        )  # fmt: skip

    half = depth // 2
    blocks = [block(width, width, 1) for _ in range(half)]
    blocks += [block(width, 2 * width, 2)]
    blocks += [block(2 * width, 2 * width, 1) for _ in range(depth - half - 1)]
    parts: list[nn.Module] = [conv(1, width, norm=norm, stride=2), *blocks]
    if style == "pre" and norm is not None:
        parts += [norm(2 * width), nn.ReLU()]
    model = Pooled(nn.Sequential(*parts), 2 * width)
    initialised(model, weights)
    if zero_gamma:
        for made in blocks:
            init.zeros_(made.branch[1][1].weight)  # type: ignore[index, union-attr]
    return model


class Squeeze(nn.Module):
    """Channels weighed by their own means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, width // 4)
        self.up = nn.Linear(width // 4, width)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.up(self.down(x.mean((2, 3))).relu()).sigmoid()
        return x * weight[:, :, None, None]


class Fixup(nn.Module):
    """Two convolutions with scalar biases and a scale; the last convolution starts at zero."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.two = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shifts = nn.Parameter(torch.zeros(4))
        self.scale = nn.Parameter(torch.ones(()))
        he(self.one.weight)
        with torch.no_grad():
            self.one.weight.mul_(depth**-0.5)
        init.zeros_(self.two.weight)

    def forward(self, x: Tensor) -> Tensor:
        new = (self.one(x + self.shifts[0]) + self.shifts[1]).relu()
        new = self.two(new + self.shifts[2]) * self.scale + self.shifts[3]
        return (x + new).relu()


def fixup(depth: int, width: int = 12) -> nn.Module:
    stem = conv(1, width, stride=2)
    he(stem[0].weight)
    model = Pooled(nn.Sequential(stem, *(Fixup(width, depth) for _ in range(depth))), width)
    init.zeros_(model.head.weight)
    init.zeros_(model.head.bias)
    return model


def gated_cnn(depth: int, width: int = 12, **options: float | None) -> nn.Module:
    """Residual convolutions without a norm; branches scaled, gated, or neither."""
    blocks = [
        Residual(nn.Sequential(nn.ReLU(), *conv(width, width), conv(width, width, act=None)[0]),
                 **options)  # type: ignore[arg-type]
        for _ in range(depth)
    ]  # fmt: skip
    features = nn.Sequential(conv(1, width, stride=2), *blocks, nn.ReLU())
    return initialised(Pooled(features, width), he)


class Dense(nn.Module):
    """New channels beside the old ones."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(self.norm(x).relu())], 1)


def densenet(depth: int, growth: int = 6) -> nn.Module:
    layers = [Dense(8 + growth * index, growth) for index in range(depth)]
    width = 8 + growth * depth
    features = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), *layers, nn.BatchNorm2d(width))
    return initialised(Pooled(features, width), he)


class Inception(nn.Module):
    """Convolutions of several sizes, side by side."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d
        self.small = conv(i, o, 1, norm=norm)
        self.middle = nn.Sequential(conv(i, o // 2, 1, norm=norm), conv(o // 2, o, norm=norm))
        self.large = conv(i, o, 5, norm=norm)
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(i, o, 1, norm=norm))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.small(x), self.middle(x), self.large(x), self.pooled(x)], 1)


class UNet(nn.Module):
    """Down, across and up again."""

    def __init__(self, width: int = 8, norm: Callable[[int], nn.Module] | None = None) -> None:
        super().__init__()
        self.enter = conv(1, width, norm=norm)
        self.down = conv(width, 2 * width, norm=norm, stride=2)
        self.deep = conv(2 * width, 2 * width, norm=norm)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.leave = conv(2 * width, width, norm=norm)
        self.head = nn.Conv2d(width, 1, 1)
        initialised(self, he)

    def forward(self, x: Tensor) -> Tensor:
        top = self.enter(x)
        low = self.deep(self.down(top))
        return self.head(self.leave(torch.cat([top, self.up(low)], 1)))


class Last(nn.Module):
    """LayerNorm over the channels of an image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ConvNext(nn.Module):
    """Depthwise convolution, norm, two layers, and a tiny scale for each channel."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        new = self.norm(self.depthwise(x).movedim(1, -1))
        return x + (self.scale * self.down(F.gelu(self.up(new)))).movedim(-1, 1)


def convnext(depth: int = 4, width: int = 16, scale: float = 1e-6) -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(1, width, 2, 2), Last(width))
    blocks = [ConvNext(width, scale) for _ in range(depth)]
    model = Pooled(nn.Sequential(stem, *blocks, Last(width)), width)
    return initialised(model, truncated(0.02))


class Mixer(nn.Module):
    """Layers across patches, then across channels."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.across = nn.Sequential(nn.Linear(patches, 32), nn.GELU(), nn.Linear(32, patches))
        self.within = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.within(self.norms[1](x))


class MixerNet(nn.Module):
    """Patches of 2 x 2 and blocks that mix them."""

    def __init__(self, depth: int = 3, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 2, 2)
        self.blocks = nn.Sequential(*(Mixer(16, width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)
        init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))


class Highway(nn.Module):
    """Layers that carry most of their input on at first."""

    def __init__(self, depth: int, width: int = 64, carry: float = -2.0) -> None:
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        initialised(self, xavier)
        for gate in self.gates:
            init.constant_(gate.bias, carry)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for layer, gate in zip(self.layers, self.gates, strict=True):
            share = gate(x).sigmoid()
            x = share * layer(x).relu() + (1 - share) * x
        return self.head(x)


class Standardised(nn.Conv2d):
    """Convolution by weights of mean 0 and variance 1 / fan_in, with a gain."""

    def __init__(self, i: int, o: int, stride: int = 1) -> None:
        super().__init__(i, o, 3, stride, 1)
        self.gain = nn.Parameter(torch.ones(o, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        size = w[0].numel()
        mean, var = w.mean((1, 2, 3), keepdim=True), w.var((1, 2, 3), keepdim=True)
        w = (w - mean) * torch.rsqrt(var * size + 1e-4) * self.gain
        return F.conv2d(x, w, self.bias, self.stride, 1)


class NormFree(nn.Module):
    """x + alpha * branch(x / beta), with the variance that it should have in beta."""

    def __init__(self, depth: int, width: int = 12, alpha: float = 0.2) -> None:
        super().__init__()
        self.stem = Standardised(1, width, 2)
        self.ones = nn.ModuleList(Standardised(width, width) for _ in range(depth))
        self.twos = nn.ModuleList(Standardised(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for index, (one, two) in enumerate(zip(self.ones, self.twos, strict=True)):
            beta = math.sqrt(1 + index * self.alpha**2)
            new = one(1.7 * F.relu(x / beta))
            x = x + self.alpha * two(1.7 * F.relu(new))
        return self.head(x.relu().mean((2, 3)))


def weight_normed(sizes: Sequence[int], gain: float = 1.0) -> nn.Module:
    model = sequential(sizes, nn.ReLU, fan_in(gain * math.sqrt(2)))
    for module in list(model):  # type: ignore[call-overload]
        if isinstance(module, nn.Linear):
            parametrizations.weight_norm(module)
    return model


def spectral_normed(sizes: Sequence[int]) -> nn.Module:
    model = sequential(sizes, nn.LeakyReLU)
    for module in list(model):  # type: ignore[call-overload]
        if isinstance(module, nn.Linear):
            parametrizations.spectral_norm(module)
    return model


def _shuffled(icnr: bool) -> nn.Module:
    model = nn.Sequential(
        conv(1, 16, stride=2), conv(16, 16), nn.Conv2d(16, 32, 3, padding=1),
        nn.PixelShuffle(2), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1),
    )  # fmt: skip
    initialised(model, he)
    if icnr:
        with torch.no_grad():
            w = model[2].weight
            w.copy_(w[::4].clone().repeat_interleave(4, 0))
    return model


def pixel_shuffled() -> nn.Module:
    """Up by a pixel shuffle whose sub-pixels start equal (ICNR)."""
    return _shuffled(True)


def mirrored() -> nn.Module:
    """Strided convolutions down, transposed ones up."""
    model = nn.Sequential(
        conv(1, 8, stride=2), conv(8, 16, stride=2),
        nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1),
    )  # fmt: skip
    return initialised(model, None)


class Experts(nn.Module):
    """Experts weighed by a router; the router may start at zero."""

    def __init__(self, count: int = 4, width: int = 32, *, top: int | None = None) -> None:
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.router = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in range(count)
        )
        self.head = nn.Linear(width, 10)
        self.top = top
        initialised(self, he)
        init.normal_(self.router.weight, 0.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        share = self.router(x).softmax(-1)
        if self.top is not None:
            least = share.topk(self.top, -1).values[:, -1:]
            share = share * (share >= least)
            share = share / share.sum(-1, keepdim=True)
        made = torch.stack([expert(x) for expert in self.experts], -1)
        return self.head((x + (made * share[:, None]).sum(-1)).relu())


class Branches(nn.Module):
    """Parallel branches, summed or side by side."""

    def __init__(self, count: int = 3, width: int = 32, *, joined: bool = False) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(count)
        )
        self.joined = joined
        self.head = nn.Linear(width * (count if joined else 1), 10)
        initialised(self, he)

    def forward(self, x: Tensor) -> Tensor:
        made = [branch(x) for branch in self.branches]
        both = torch.cat(made, -1) if self.joined else torch.stack(made).sum(0)
        return self.head(both.relu())


class Sines(nn.Module):
    """SIREN: sines all along, the first ones fast."""

    def __init__(self, width: int = 64, depth: int = 3, speed: float = 10.0) -> None:
        super().__init__()
        sizes = [2] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in itertools.pairwise(sizes))
        self.head = nn.Linear(width, 1)
        self.speed = speed
        for index, layer in enumerate([*self.layers, self.head]):
            size = layer.in_features
            bound = 1 / size if index == 0 else math.sqrt(6 / size) / speed
            init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = (self.speed * layer(x)).sin()
        return self.head(x)


class Fourier(nn.Module):
    """Random sines and cosines of the position (a buffer), then a plain network."""

    def __init__(self, count: int = 32, speed: float = 2.0) -> None:
        super().__init__()
        self.register_buffer("waves", torch.randn(2, count) * speed)
        self.body = MLP((2 * count, 64, 64), F.relu, he, outputs=1)

    def forward(self, x: Tensor) -> Tensor:
        turned = math.pi * x @ self.waves
        return self.body(torch.cat([turned.sin(), turned.cos()], -1))


class Auxiliary(nn.Module):
    """A head in the middle beside the one at the end."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.lower = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width))
        self.upper = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.early = nn.Linear(width, 10)
        self.head = nn.Linear(width, 10)
        initialised(self, he)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low = self.lower(x)
        return self.head(self.upper(low)), self.early(low.relu())


class LowRank(nn.Module):
    """Frozen layers, each with a product of two thin factors beside it, as in LoRA."""

    def __init__(self, sizes: Sequence[int], rank: int = 4, outputs: int = 10) -> None:
        super().__init__()
        self.base = nn.ModuleList(
            nn.Linear(i, o) for i, o in zip(sizes, [*sizes[1:], outputs], strict=True)
        )
        initialised(self, he)
        for parameter in self.base.parameters():
            parameter.requires_grad_(False)
        self.a = nn.ParameterList(
            fan_in(1.0)(torch.empty(rank, it.in_features)) for it in self.base
        )
        self.b = nn.ParameterList(torch.zeros(it.out_features, rank) for it in self.base)

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.base) - 1
        for index, layer in enumerate(self.base):
            x = layer(x) + x @ self.a[index].T @ self.b[index].T
            if index < last:
                x = x.relu()
        return x


class Factored(nn.Module):
    """A layer as the product of two matrices, within a plain network."""

    def __init__(self, width: int = 64, rank: int = 16) -> None:
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.left = nn.Parameter(torch.randn(width, rank) / math.sqrt(width))
        self.right = nn.Parameter(torch.randn(rank, width) * math.sqrt(2 / rank))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.enter(x).relu() @ self.left @ self.right).relu())


def lines(*widths: int) -> nn.Module:
    """Convolutions along one axis."""
    pairs = zip((1, *widths[:-1]), widths, strict=True)
    layers: list[nn.Module] = []
    for i, o in pairs:
        layers += [nn.Conv1d(i, o, 5, 2, 2), nn.ReLU()]
    return initialised(Pooled(nn.Sequential(*layers), widths[-1]), he)


def separable(*widths: int, norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d) -> nn.Module:
    """Depthwise and pointwise convolutions in turn."""
    layers: list[nn.Module] = [conv(1, widths[0], norm=norm)]
    for i, o in itertools.pairwise(widths):
        layers += [conv(i, i, norm=norm, groups=i), conv(i, o, 1, norm=norm)]
    return initialised(Pooled(nn.Sequential(*layers), widths[-1]), he)
