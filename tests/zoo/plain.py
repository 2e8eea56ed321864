"""Nets as people write them by hand: raw parameters, odd products, sharing, tricks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from tests.zoo.subject import Subject


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / math.sqrt(shape[-1]))


def vector(size: int, value: float = 0.0) -> nn.Parameter:
    return nn.Parameter(torch.full((size,), value))


# Products


class Products(nn.Module):
    """Every spelling of a matrix times a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.at = weight(8, 10)
        self.at_transposed = weight(12, 10)
        self.matmul = weight(12, 9)
        self.mm = weight(9, 8)
        self.addmm = weight(8, 7)
        self.addmm_bias = vector(7)
        self.linear = weight(6, 7)
        self.linear_bias = vector(6)
        self.inner = weight(6, 6)
        self.tensordot = weight(6, 5)
        self.mv = weight(5)

    def forward(self, x: Tensor) -> Tensor:
        x = (x @ self.at).relu()
        x = (x @ self.at_transposed.T).relu()
        x = torch.matmul(x, self.matmul).tanh()
        x = x.mm(self.mm).tanh()
        x = torch.addmm(self.addmm_bias, x, self.addmm).tanh()
        x = F.linear(x, self.linear, self.linear_bias).tanh()
        x = torch.inner(x, self.inner).tanh()
        x = torch.tensordot(x, self.tensordot, dims=([1], [0]))
        return x.mv(self.mv)


class WeightFirst(nn.Module):
    """Columns as samples: the weight stands on the left."""

    def __init__(self) -> None:
        super().__init__()
        self.first = weight(10, 8)
        self.bias = nn.Parameter(torch.zeros(10, 1))
        self.second = weight(6, 10)
        self.last = weight(6)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first @ x.T + self.bias)
        x = torch.tanh(torch.mm(self.second, x))
        return self.last @ x


class Einsums(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.second = weight(8, 4, 5)
        self.first = weight(12, 20)
        self.joint = weight(4, 3, 7)
        self.diagonal = weight(7)
        self.implicit = weight(7, 6)
        self.three = weight(6, 6, 5)
        self.dots = weight(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("btd,dhk->bthk", x, self.second).tanh()
        x = torch.einsum("oi,bti->bto", self.first, x.flatten(2)).tanh()
        x = torch.einsum("bthk,hkd->btd", x.unflatten(-1, (4, 3)), self.joint).tanh()
        x = torch.einsum("btd,d->btd", x, self.diagonal)
        x = torch.einsum("btd,de", x, self.implicit).transpose(0, 1).reshape(-1, 6)
        x = torch.einsum("bi,bj,ijk->bk", x, x, self.three)
        return torch.einsum("...i,ij->...j", x, self.dots)


class Batched(nn.Module):
    """One weight for each of a few slots, by bmm and baddbmm."""

    def __init__(self) -> None:
        super().__init__()
        self.bmm = weight(4, 8, 10)
        self.baddbmm = weight(4, 10, 6)
        self.bias = nn.Parameter(torch.zeros(4, 1, 6))
        self.last = weight(4, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        slots = x.expand(4, -1, -1)
        slots = torch.bmm(slots, self.bmm).relu()
        slots = torch.baddbmm(self.bias, slots, self.baddbmm).relu()
        return (slots @ self.last).mean(0)


class FunctionalStyle(nn.Module):
    """A list of weights and a loop."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [8, 12, 12, 4]
        self.weights = nn.ParameterList([weight(o, n) for n, o in itertools.pairwise(sizes)])
        self.biases = nn.ParameterList([vector(o) for o in sizes[1:]])

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.weights) - 1
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.linear(x, w, b)
            x = x if layer == last else F.leaky_relu(x, 0.1)
        return x


class Functional2d(nn.Module):
    """F.conv2d, F.conv_transpose2d, F.batch_norm, F.embedding with parameters of a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.ParameterDict(
            {
                "table": weight(20, 8),
                "conv": nn.Parameter(torch.randn(8, 3, 3, 3) / 5),
                "conv_bias": vector(8),
                "gain": vector(8, 1.0),
                "shift": vector(8),
                "up": nn.Parameter(torch.randn(8, 4, 2, 2) / 5),
                "norm": vector(4, 1.0),
                "prelu": vector(4, 0.25),
            }
        )

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        p = self.p
        x = F.conv2d(image, p["conv"], p["conv_bias"], padding=1)
        x = F.batch_norm(x, None, None, p["gain"], p["shift"], training=True).relu()
        x = x + F.embedding(label, p["table"])[:, :, None, None]
        x = F.conv_transpose2d(x, p["up"], stride=2)
        x = F.prelu(F.group_norm(x, 2, p["norm"]), p["prelu"])
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


class Assembled(nn.Module):
    """Weights that are put together from several parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = weight(6, 8), weight(4, 8)
        self.rows = nn.ParameterList([weight(10) for _ in range(5)])
        self.square = weight(5, 5)
        self.base, self.scale = weight(4, 5), nn.Parameter(torch.tensor(0.5))
        self.outer, self.inner = weight(2, 2), weight(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, torch.cat([self.left, self.right])).relu()
        x = F.linear(x, torch.stack(list(self.rows))).relu()
        x = F.linear(x, self.square.triu() + self.square.triu(1).T).relu()
        x = F.linear(x, self.base * self.scale.exp()).relu()
        return F.linear(x, torch.kron(self.outer, self.inner))


class Cut(nn.Module):
    """One parameter that is cut into the weights of several layers."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Parameter(torch.randn(8 * 10 + 10 + 10 * 4) / 3)
        self.both = weight(2, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        first, bias, second = self.flat.split([80, 10, 40])
        x = F.linear(x, first.view(10, 8), bias).relu()
        x = F.linear(x, second.view(4, 10)).relu()
        return F.linear(F.linear(x, self.both[0]).relu(), self.both[1])


class Complex(nn.Module):
    """A complex weight, and one of real pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.native = nn.Parameter(torch.randn(8, 10, dtype=torch.complex64) / 4)
        self.pairs = nn.Parameter(torch.randn(10, 6, 2) / 4)
        self.real, self.imaginary = weight(6, 4), weight(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        z = x.to(torch.complex64) @ self.native
        z = torch.polar(z.abs().tanh(), z.angle())
        z = z @ torch.view_as_complex(self.pairs)
        z = z @ torch.complex(self.real, self.imaginary)
        return z.abs()


# Adapters


class LoraBranch(nn.Module):
    """A frozen layer and x @ A @ B beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(8, 10)
        self.base.requires_grad_(False)
        self.down, self.up = weight(8, 2), weight(2, 10)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.base(x) + self.drop(x) @ self.down @ self.up * 0.5
        return self.head(x.relu())


class LoraMerged(nn.Module):
    """W + B @ A as one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.randn(10, 8) / 3, requires_grad=False)
        self.up, self.down = weight(10, 2), weight(2, 8)
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        merged = self.base + 0.5 * (self.up @ self.down)
        return self.head(F.linear(x, merged).relu())


class Dora(nn.Module):
    """A learned length on the merged weight's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(8, 10)
        self.base.weight.requires_grad_(False)
        self.up, self.down = weight(10, 2), weight(2, 8)
        self.length = vector(10, 1.0)
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        merged = self.base.weight + self.up @ self.down
        unit = merged / merged.norm(dim=1, keepdim=True).detach()
        return self.head(F.linear(x, self.length[:, None] * unit, self.base.bias).relu())


# Experts


def feed_forward(width: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class ListedExperts(nn.Module):
    """Each expert gathers its tokens and adds its part back."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(8, 4, bias=False)
        self.experts = nn.ModuleList([feed_forward(8, 12) for _ in range(4)])
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        share, chosen = self.router(x).softmax(-1).topk(2, dim=-1)
        share = share / share.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows, slot = torch.where(chosen == number)
            out.index_add_(0, rows, expert(x[rows]) * share[rows, slot, None])
        return self.head(x + out)


class StackedExperts(nn.Module):
    """All experts on all tokens as one product, and a gate over them."""

    def __init__(self, by: str) -> None:
        super().__init__()
        self.router = nn.Linear(8, 4)
        self.up, self.down = weight(4, 8, 12), weight(4, 12, 8)
        self.bias = nn.Parameter(torch.zeros(4, 12))
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        gate = self.router(x).softmax(-1)
        if self.by == "einsum":
            hidden = torch.einsum("td,edf->tef", x, self.up) + self.bias
            out = torch.einsum("tef,efd->ted", hidden.relu(), self.down)
            return torch.einsum("te,ted->td", gate, out)
        hidden = torch.bmm(x.expand(4, -1, -1), self.up) + self.bias[:, None]
        out = torch.bmm(hidden.relu(), self.down)
        return (out * gate.T[:, :, None]).sum(0)


class IndexedExperts(nn.Module):
    """The stacked weight is indexed by the expert, in a loop and by token."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(8, 4)
        self.loop, self.token = weight(4, 10, 8), weight(4, 6, 10)

    def forward(self, x: Tensor) -> Tensor:
        probability, chosen = self.router(x).softmax(-1).max(-1)
        out = x.new_zeros(len(x), 10)
        for number in range(4):
            rows = (chosen == number).nonzero().squeeze(-1)
            out[rows] = F.linear(x[rows], self.loop[number]).relu()
        out = torch.bmm(self.token[chosen], out.unsqueeze(-1)).squeeze(-1)
        return out * probability[:, None]


# Norms


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = vector(width, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class UnitOffsetNorm(nn.Module):
    """Gemma's: the gain is one more than the parameter, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = vector(width)

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-6)
        return (y * (1.0 + self.weight.float())).type_as(x)


class LayerNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = vector(width, 1.0), vector(width)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        variance = (x - mean).pow(2).mean(-1, keepdim=True)
        return self.gain * (x - mean) / torch.sqrt(variance + 1e-5) + self.shift


class ChannelNorm(nn.Module):
    """ConvNeXt's norm over channels that come first, and its global response norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = vector(width, 1.0), vector(width)
        self.gamma = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, keepdim=True)
        x = (x - mean) / (variance + 1e-6).sqrt()
        x = self.weight[:, None, None] * x + self.bias[:, None, None]
        response = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
        response = response / (response.mean(1, keepdim=True) + 1e-6)
        return torch.addcmul(self.beta, self.gamma, x * response) + x


class StandardisedConv(nn.Conv2d):
    """Weight standardisation with a learned gain, as in NFNets."""

    def __init__(self, *arguments: Any, **switches: Any) -> None:
        super().__init__(*arguments, **switches)
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        scale = torch.rsqrt(variance * self.weight[0].numel() + 1e-4) * self.gain
        w = self.weight * scale - mean * scale
        return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ActNorm(nn.Module):
    """Glow's: scale and shift by channel, the scale by its logarithm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1, width))
        self.shift = nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.shift) * self.log_scale.exp()


def rows(make: Callable[[int], nn.Module]) -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(8, 12), make(12), nn.ReLU()),
        *(nn.Linear(12, 12, bias=False), make(12), nn.Linear(12, 3)),
    )


# Activations


class Snake(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = vector(width, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + (x * self.alpha).sin().pow(2) / (self.alpha + 1e-9)


class Swish(nn.Module):
    """With a learned beta."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


class Maxout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 12 * 3)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(x).unflatten(-1, (12, 3)).amax(-1))


class Activated(nn.Module):
    """Layers with functions between them that are written out."""

    def __init__(self, *functions: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in functions])
        self.head = nn.Linear(8, 3)
        self.functions = functions

    def forward(self, x: Tensor) -> Tensor:
        for layer, function in zip(self.layers, self.functions, strict=True):
            x = function(layer(x))
        return self.head(x)


def gelu(x: Tensor) -> Tensor:
    cubic = x + 0.044715 * torch.pow(x, 3.0)
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * cubic))


def exact_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def squared_relu(x: Tensor) -> Tensor:
    return F.relu(x) ** 2


def mish(x: Tensor) -> Tensor:
    return x * F.softplus(x).tanh()


def elu(x: Tensor) -> Tensor:
    return x.clamp(min=0) + (x.clamp(max=0).exp() - 1)


def hard_swish(x: Tensor) -> Tensor:
    return x * F.relu6(x + 3) / 6


def maximum(x: Tensor) -> Tensor:
    return torch.maximum(x, 0.2 * x) * math.sqrt(2)


def clipped(x: Tensor) -> Tensor:
    return x.clamp_(-1, 1)


def stacked_signs(x: Tensor) -> Tensor:
    """CReLU, halved so that the width stays."""
    return torch.cat([x, -x], -1).relu()[..., 4:12]


class Square(torch.autograd.Function):
    """An activation with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0).square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * 2 * x.clamp(min=0)


class Rounding(torch.autograd.Function):
    """Quantization with a straight-through gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x * 8).round() / 8

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class MatrixProduct(torch.autograd.Function):
    """A linear layer as its own function, which hides the product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return gradient @ w, gradient.T @ x


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.weight, self.head = nn.Linear(8, 8), weight(10, 8), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(MatrixProduct.apply(self.inner(x).relu(), self.weight))


class Quantized(nn.Module):
    """Weights that are rounded in forward, by a function and by detach."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = weight(10, 8), weight(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, Rounding.apply(self.first)).relu()
        signs = self.second.sign() * self.second.abs().mean()
        return F.linear(x, self.second + (signs - self.second).detach())


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(6)])
        self.bias, self.scale = vector(8, 0.1), vector(8, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third, fourth, fifth, head = self.layers
        x = first(x).relu_()
        x = second(x)
        x.add_(self.bias).mul_(0.5)
        x = third(x)
        y = torch.zeros_like(x)
        y[:, :4] = x[:, 4:].tanh()
        y[:, 4:] += x[:, :4]
        x = fourth(y).masked_fill_(y > 1, 0.0)
        x = fifth(x)
        x *= self.scale
        x[:, 0] = 0.0
        out = torch.empty_like(x)
        out.copy_(x)
        return head(F.leaky_relu_(out))


class Gated(nn.Module):
    """GLU, GeGLU, SwiGLU, by chunk, by split and by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.glu, self.geglu = nn.Linear(8, 24), nn.Linear(12, 20)
        self.gate, self.up, self.down = nn.Linear(10, 14), nn.Linear(10, 14), nn.Linear(14, 3)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.glu(x).chunk(2, dim=-1)
        x = value * gate.sigmoid()
        value, gate = self.geglu(x).split(10, dim=-1)
        x = value * F.gelu(gate)
        return self.down(F.silu(self.gate(x)) * self.up(x))


# Attention


def rotate(x: Tensor) -> Tensor:
    """Rotary positions on (..., time, width)."""
    half = x.shape[-1] // 2
    angle = torch.outer(torch.arange(x.shape[-2]), 100.0 ** -(torch.arange(half) / half))
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos + turned * sin


def rotate_complex(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    angle = torch.outer(torch.arange(x.shape[-2]), 100.0 ** -(torch.arange(half) / half))
    turn = torch.polar(torch.ones_like(angle), angle)
    pairs = torch.view_as_complex(x.unflatten(-1, (half, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention written out, causal."""
    length = query.shape[-2]
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    scores = scores if bias is None else scores + bias
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1) @ value


class PackedAttention(nn.Module):
    """One layer for query, key and value, taken apart in every way that is in use."""

    WAYS = ("chunk", "split", "view", "heads", "interleaved", "unbind", "rearranged")

    def __init__(self, way: str, heads: int = 4, width: int = 16) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.qkv = nn.Linear(width, 3 * width, bias=way != "view")
        self.out = nn.Linear(width, width)
        self.way, self.heads = way, heads

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.parts(self.qkv(self.inner(x).tanh()))
        mixed = attend(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def parts(self, packed: Tensor) -> tuple[Tensor, ...]:
        batch, length, width = packed.shape
        heads, width = self.heads, width // 3
        size = width // heads
        if self.way == "chunk":
            parts: Any = packed.chunk(3, dim=-1)
        elif self.way == "split":
            parts = packed.split(width, dim=2)
        elif self.way == "view":
            parts = packed.view(batch, length, 3, width).permute(2, 0, 1, 3)
        elif self.way == "unbind":
            parts = packed.reshape(batch, length, 3, width).unbind(2)
        elif self.way == "rearranged":
            turned = packed.reshape(batch, length, 3, heads, size).permute(2, 0, 3, 1, 4)
            return turned[0], turned[1], turned[2]
        elif self.way == "heads":
            # GPT-NeoX: each head holds its query, key and value.
            return packed.view(batch, length, heads, 3 * size).transpose(1, 2).chunk(3, dim=-1)
        else:
            # BLOOM and Persimmon: the same rows through a view of four axes.
            by_head = packed.view(batch, length, heads, 3, size).transpose(1, 2)
            return by_head[..., 0, :], by_head[..., 1, :], by_head[..., 2, :]
        return tuple(part.unflatten(-1, (heads, size)).transpose(1, 2) for part in parts)


class Block(nn.Module):
    """A Llama-like block: grouped queries, rotary positions, norms on query and key."""

    def __init__(self, width: int = 16, heads: int = 4, groups: int = 2, by: str = "sdpa") -> None:
        super().__init__()
        self.size = width // heads
        self.before, self.after = RMSNorm(width), RMSNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, groups * self.size, bias=False)
        self.v = nn.Linear(width, groups * self.size, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = RMSNorm(self.size), RMSNorm(self.size)
        self.gate, self.up = nn.Linear(width, 24, bias=False), nn.Linear(width, 24, bias=False)
        self.down = nn.Linear(24, width, bias=False)
        self.by, self.repeats = by, heads // groups

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.size)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        turn = rotate_complex if self.by == "repeat" else rotate
        query = turn(self.q_norm(self.split(self.q(y))))
        key, value = turn(self.k_norm(self.split(self.k(y)))), self.split(self.v(y))
        if self.by == "sdpa":
            mixed = F.scaled_dot_product_attention(
                query, key, value, is_causal=True, enable_gqa=True
            )
        elif self.by == "repeat":
            key, value = (part.repeat_interleave(self.repeats, 1) for part in (key, value))
            mixed = attend(query, key, value)
        else:
            grouped = query.unflatten(1, (-1, self.repeats))
            mixed = attend(grouped, key[:, :, None], value[:, :, None]).flatten(1, 2)
        x = x + self.o(mixed.transpose(1, 2).flatten(2))
        y = self.after(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    """Blocks between an embedding and a head; tied, checkpointed or plain."""

    def __init__(
        self, by: str = "sdpa", tied: bool = False, checkpointed: bool = False, shared: bool = False
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 16)
        self.blocks = nn.ModuleList([Block(by=by) for _ in range(1 if shared else 2)])
        self.repeats = 3 if shared else 1
        self.norm = RMSNorm(16)
        self.head = nn.Linear(16, 40, bias=False)
        if tied:
            self.head.weight = self.embedding.weight
        self.checkpointed = checkpointed

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        for block in self.blocks:
            for _ in range(self.repeats):
                x = checkpoint(block, x, use_reentrant=False) if self.checkpointed else block(x)
        return self.head(self.norm(x))


class TiedByHand(nn.Module):
    """The table as a raw parameter: rows by indexing, logits by its transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.position = weight(40, 16), weight(12, 16)
        self.inner = nn.Linear(16, 16)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table[ids] * 4.0 + self.position[: ids.shape[1]]
        return F.gelu(self.inner(x)) @ self.table.t()


class Alibi(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)
        self.register_buffer("slopes", 2.0 ** -torch.arange(1, 5))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (4, 4)).transpose(1, 2) for part in self.attention(x).chunk(3, -1)
        )
        place = torch.arange(x.shape[1])
        bias = -self.slopes[:, None, None] * (place[:, None] - place[None, :]).abs()
        return self.out(attend(query, key, value, bias).transpose(1, 2).flatten(2))


class RelativeBias(nn.Module):
    """Swin's table of biases for a window, by index, and T5's by embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.window = nn.Parameter(torch.randn(7 * 7, 4) * 0.02)
        self.buckets = nn.Embedding(31, 4)
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        place = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij"))
        place = place.flatten(1)
        offset = (place[:, :, None] - place[:, None, :]) + 3
        self.register_buffer("offset", offset[0] * 7 + offset[1])
        order = torch.arange(16)
        self.register_buffer("order", order[:, None] - order[None, :] + 15)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (4, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        bias = self.window[self.offset.view(-1)].view(16, 16, 4).permute(2, 0, 1).contiguous()
        bias = bias + self.buckets(self.order).permute(2, 0, 1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.unsqueeze(0))
        return self.out(mixed.transpose(1, 2).flatten(2))


class Perceiver(nn.Module):
    """Learned queries that read the input."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(5, 16))
        self.cls = nn.Parameter(torch.zeros(1, 1, 16))
        self.norm = LayerNorm(16)
        self.q, self.kv = nn.Linear(16, 16), nn.Linear(16, 32)
        self.out, self.head = nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        key, value = self.kv(self.norm(x)).chunk(2, dim=-1)
        latents = self.latents.unsqueeze(0).repeat(len(x), 1, 1)
        mixed = F.scaled_dot_product_attention(self.q(latents), key, value)
        return self.head((latents + self.out(mixed)).mean(1))


class LinearAttention(nn.Module):
    """Kernel attention: a feature map instead of the softmax, with a learned temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(16, 16, bias=False) for _ in range(3))
        self.temperature = nn.Parameter(torch.ones(4, 1, 1))
        self.out = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (4, 4)).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        query, key = F.elu(query * self.temperature) + 1, F.elu(key) + 1
        memory = torch.einsum("bhtk,bhtv->bhkv", key, value)
        scale = 1 / torch.einsum("bhtk,bhk->bht", query, key.sum(2))
        mixed = torch.einsum("bhtk,bhkv,bht->bhtv", query, memory, scale)
        return self.out(mixed.transpose(1, 2).flatten(2))


class HeadwiseAttention(nn.Module):
    """Projections as (heads, width, size) tensors, as in TransformerLens and Flax ports."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (weight(4, 16, 4) for _ in range(3))
        self.q_bias = nn.Parameter(torch.zeros(4, 4))
        self.out = weight(4, 4, 16)

    def forward(self, x: Tensor) -> Tensor:
        query = torch.einsum("btd,hdk->bhtk", x, self.q) + self.q_bias[:, None]
        key = torch.einsum("btd,hdk->bhtk", x, self.k)
        value = torch.einsum("btd,hdk->bhtk", x, self.v)
        return torch.einsum("bhtk,hkd->btd", attend(query, key, value), self.out)


# Tricks of running


class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.inner, self.head = nn.Linear(8, 12), nn.Linear(12, 3)

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = self.norm(self.conv(image)).relu().mean((2, 3))
            x = self.inner(x).relu()
        return self.head(x.float())


class CalledFunctionally(nn.Module):
    """A template module that runs with the parameters of the one that holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = weight(10, 8), weight(10, 8)
        self.bias = vector(10)
        self.head = nn.Linear(10, 3)
        self.template = [nn.Linear(8, 10)]  # in a list, so that its own do not count

    def forward(self, x: Tensor) -> Tensor:
        (template,) = self.template
        first = functional_call(template, {"weight": self.first, "bias": self.bias}, (x,))
        second = functional_call(template, {"weight": self.second, "bias": self.bias}, (x,))
        return self.head(first.relu() * second.sigmoid())


class Vmapped(nn.Module):
    """An ensemble as one vmapped call."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bias, self.second = weight(3, 10, 8), weight(3, 10), weight(3, 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        def member(first: Tensor, bias: Tensor, second: Tensor) -> Tensor:
            return F.linear(F.linear(x, first, bias).relu(), second)

        return torch.vmap(member)(self.first, self.bias, self.second).mean(0)


class SharedLayer(nn.Module):
    """One linear layer four times, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.again = self.inner
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.inner(x).relu()
        return self.head(self.again(x))


class TiedTransposed(nn.Module):
    """An autoencoder whose decoder is the encoder's transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(8, 5)
        self.bias = vector(8)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.encoder(x).tanh(), self.encoder.weight.t(), self.bias)


class Hypernetwork(nn.Module):
    """Weights that another net makes from the input."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8 * 6 + 6))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        made = self.maker(task)
        w, bias = made[:, :48].view(-1, 6, 8), made[:, 48:]
        return self.head((torch.bmm(w, x.unsqueeze(-1)).squeeze(-1) + bias).relu())


class DynamicConv(nn.Module):
    """CondConv: a kernel for each sample, mixed from a bank, by one grouped convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.bank = nn.Parameter(torch.randn(4, 6 * 3 * 3 * 3) / 5)
        self.router, self.head = nn.Linear(3, 4), nn.Conv2d(6, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        batch, channels, height, width = image.shape
        share = self.router(image.mean((2, 3))).sigmoid()
        kernels = (share @ self.bank).view(batch * 6, channels, 3, 3)
        x = image.reshape(1, batch * channels, height, width)
        x = F.conv2d(x, kernels, padding=1, groups=batch).view(batch, 6, height, width)
        return self.head(x.relu())


class ByLength(nn.Module):
    """Which layers run depends on the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.even, self.odd = nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        steps = 0
        while x.norm() > 0.5 and steps < 4:
            x = (self.even if steps % 2 == 0 else self.odd)(x).tanh()
            steps += 1
        return self.head(x) if x.sum().item() > -1e9 else x


class Unused(nn.Module):
    """A layer that never runs, one whose output is dropped, one that no gradient reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.never, self.dropped, self.cut = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x).relu()
        self.dropped(x)
        return self.head(x + self.cut(x).detach())


class Frozen(nn.Module):
    """A backbone under no_grad, a frozen norm, a head that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 12))
        self.norm = nn.LayerNorm(12).requires_grad_(False)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.backbone(x)
        return self.head(self.norm(x))


@dataclass
class Result:
    logits: Tensor
    hidden: list[Tensor]


class Outputs(nn.Module):
    """A dict of a tuple, a dataclass, a list and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.heads = nn.ModuleDict({"a": nn.Linear(8, 3), "b": nn.Linear(8, 2)})
        self.value, self.policy = nn.Linear(8, 1), nn.Linear(8, 4)

    def forward(self, *, x: Tensor, options: dict[str, Any] | None = None) -> dict[str, Any]:
        x = self.inner(x).relu()
        heads = {name: head(x) for name, head in self.heads.items()}
        result = Result(self.policy(x), [x])
        return {"heads": heads, "both": (self.value(x), result), "steps": 3, "none": None}


# Images


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.projection: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.projection = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return F.relu(y + (x if self.projection is None else self.projection(x)))


def resnet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()),
        *(ResidualBlock(8, 8, 1), ResidualBlock(8, 16, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)),
    )


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3 + 4 * i, 4, 3, padding=1) for i in range(3)])
        self.transition, self.head = nn.Conv2d(15, 6, 1), nn.Linear(6, 3)

    def forward(self, image: Tensor) -> Tensor:
        features = [image]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)).relu())
        x = F.avg_pool2d(self.transition(torch.cat(features, 1)), 2)
        return self.head(x.mean((2, 3)))


class UNet(nn.Module):
    """A denoiser: skips by cat, and a time embedding that scales and shifts."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.time = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 32))
        self.norm = nn.GroupNorm(4, 16)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.leave = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, image: Tensor, time: Tensor) -> Tensor:
        frequencies = torch.exp(-torch.arange(4) / 2)
        angle = time[:, None] * frequencies
        scale, shift = self.time(torch.cat([angle.sin(), angle.cos()], -1)).chunk(2, dim=1)
        skip = F.silu(self.enter(image))
        x = self.norm(self.down(skip))
        x = F.silu(x * (1 + scale[:, :, None, None]) + shift[:, :, None, None])
        x = F.interpolate(self.up(F.silu(self.middle(x)) + x), size=skip.shape[-2:])
        return self.leave(torch.cat([x, skip], 1))


class Excited(nn.Module):
    """Squeeze and excitation on a depthwise separable convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Conv2d(3, 12, 1, bias=False)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.squeeze, self.excite = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)
        self.project = nn.Conv2d(12, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu6(self.norm(self.depthwise(self.expand(image))))
        gate = self.squeeze(x.mean((2, 3), keepdim=True)).relu()
        return image + self.project(x * torch.sigmoid(self.excite(gate)))


def generator() -> nn.Module:
    """DCGAN's."""
    return nn.Sequential(
        *(nn.Unflatten(1, (16, 1, 1)), nn.ConvTranspose2d(16, 12, 4, bias=False)),
        *(nn.BatchNorm2d(12), nn.ReLU(True), nn.ConvTranspose2d(12, 8, 4, 2, 1, bias=False)),
        *(nn.BatchNorm2d(8), nn.ReLU(True), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()),
    )


class StyleConv(nn.Module):
    """StyleGAN2: equalised rate, a kernel modulated by style and demodulated, noise."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 6, 4, 4))
        self.kernel = nn.Parameter(torch.randn(1, 8, 6, 3, 3))
        self.style = weight(6, 10)
        self.style_bias = vector(6, 1.0)
        self.noise = nn.Parameter(torch.zeros(1))
        self.bias = vector(8)
        self.to_rgb = nn.Conv2d(8, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        batch = len(z)
        style = F.linear(z, self.style / math.sqrt(10), self.style_bias)
        kernel = self.kernel / math.sqrt(54) * style.view(batch, 1, 6, 1, 1)
        kernel = kernel * torch.rsqrt(kernel.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
        x = self.start.repeat(batch, 1, 1, 1).view(1, batch * 6, 4, 4)
        x = F.conv2d(x, kernel.view(batch * 8, 6, 3, 3), padding=1, groups=batch)
        x = x.view(batch, 8, 4, 4) + self.noise * torch.randn(batch, 1, 4, 4)
        return self.to_rgb(F.leaky_relu(x + self.bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2))


class Autoencoder(nn.Module):
    """A variational one."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(12, 10)
        self.mean, self.log_variance = nn.Linear(10, 4), nn.Linear(10, 4)
        self.decoder = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 12))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(x).relu()
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
        return self.decoder(code), divergence


class VectorQuantized(nn.Module):
    """A codebook by nearest neighbour, straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(12, 6), nn.Linear(6, 12)
        self.codebook = nn.Embedding(10, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(x)
        distance = torch.cdist(code, self.codebook.weight)
        chosen = self.codebook(distance.argmin(-1))
        loss = F.mse_loss(chosen, code.detach()) + F.mse_loss(code, chosen.detach())
        return self.decoder(code + (chosen - code).detach()), loss


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 6))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        first, second = (F.normalize(self.tower(x), dim=-1) for x in (first, second))
        return self.scale.exp() * first @ second.T


class CosineHead(nn.Module):
    """ArcFace: unit features against unit weights."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.weight = nn.Linear(8, 6), weight(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        return 16 * F.linear(F.normalize(self.inner(x)), F.normalize(self.weight))


class Highway(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.values = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
        self.gates = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for value, gate in zip(self.values, self.gates, strict=True):
            share = gate(x).sigmoid()
            x = share * value(x).relu() + (1 - share) * x
        return x


class Scaled(nn.Module):
    """Residual branches under ReZero, LayerScale, SkipInit and stochastic depth."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([feed_forward(8, 12) for _ in range(4)])
        self.rezero = nn.Parameter(torch.zeros(1))
        self.layer_scale = vector(8, 1e-2)
        self.skip = nn.Parameter(torch.tensor(0.1))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third, fourth = self.branches
        x = x + self.rezero * first(x)
        x = x + self.layer_scale * second(x)
        x = torch.addcmul(x, self.skip.expand_as(x), third(x))
        kept = x.new_empty(len(x), 1).bernoulli_(0.8) / 0.8
        return self.head(x + fourth(x) * kept)


# Sets, graphs, sequences, fields


class DeepSets(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.phi, self.rho = feed_forward(8, 12), nn.Linear(16, 3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        each = self.phi(x) * mask.unsqueeze(-1)
        return self.rho(torch.cat([each.sum(1), each.amax(1)], -1))


def graph() -> tuple[Tensor, Tensor]:
    return torch.randn(9, 8), torch.randint(0, 9, (2, 24))


class GraphConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = weight(8, 12), weight(12, 4)
        self.bias = vector(12)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        degree = torch.zeros(len(x)).index_add_(0, target, torch.ones(len(target))).clamp_(min=1)
        scale = (degree[source] * degree[target]).rsqrt().unsqueeze(-1)
        for w, bias in ((self.first, self.bias), (self.second, None)):
            x = x @ w
            x = torch.zeros_like(x).index_add_(0, target, x[source] * scale) + x
            x = x if bias is None else (x + bias).relu()
        return x


class SparseGraphConv(nn.Module):
    """The adjacency as a sparse matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 12), nn.Linear(12, 4, bias=False)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        ones = torch.full((edges.shape[1],), 0.3)
        adjacency = torch.sparse_coo_tensor(
            edges.flip(0), ones, (len(x), len(x)), check_invariants=False
        )
        x = torch.sparse.mm(adjacency, self.first(x)).relu()
        return torch.sparse.mm(adjacency, self.second(x))


class GraphSage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own, self.neighbours = nn.Linear(8, 12), nn.Linear(8, 12, bias=False)
        self.pooled, self.head = nn.Linear(12, 12), nn.Linear(24, 4)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        index = target.unsqueeze(-1).expand(-1, 8)
        mean = torch.zeros_like(x).scatter_reduce(
            0, index, x[source], reduce="mean", include_self=False
        )
        x = (self.own(x) + self.neighbours(mean)).relu()
        pooled = self.pooled(x).relu()
        index = target.unsqueeze(-1).expand(-1, 12)
        most = torch.zeros_like(pooled).scatter_reduce(0, index, pooled[source], reduce="amax")
        return self.head(F.normalize(torch.cat([x, most], -1), dim=-1))


class GraphAttention(nn.Module):
    """GAT: a learned vector scores each edge, softmax over the edges that enter a node."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 12, bias=False)
        self.source = nn.Parameter(torch.randn(1, 3, 4) / 2)
        self.target = nn.Parameter(torch.randn(1, 3, 4) / 2)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        x = self.linear(x).view(-1, 3, 4)
        by_source, by_target = (x * self.source).sum(-1), (x * self.target).sum(-1)
        score = F.leaky_relu(by_source[source] + by_target[target], 0.2)
        index = target.unsqueeze(-1).expand_as(score)
        most = torch.full((len(x), 3), -math.inf).scatter_reduce(
            0, index, score.detach(), reduce="amax"
        )
        share = (score - most[target]).exp()
        total = torch.zeros(len(x), 3).scatter_add_(0, index, share)
        share = (share / total[target]).unsqueeze(-1)
        out = torch.zeros_like(x).index_add(0, target, x[source] * share)
        return self.head(F.elu(out.flatten(1)))


class NeuralOde(nn.Module):
    """Euler's steps with one field, time as an input."""

    def __init__(self) -> None:
        super().__init__()
        self.field = nn.Sequential(nn.Linear(9, 12), nn.Tanh(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for step in range(6):
            time = x.new_full((len(x), 1), step / 6)
            x = x + self.field(torch.cat([x, time], -1)) / 6
        return self.head(x)


class HandLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.states = weight(8, 40), weight(10, 40)
        self.bias = vector(40)
        self.head = nn.Linear(10, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        state = memory = sequence.new_zeros(len(sequence), 10)
        outputs = []
        for x in sequence.unbind(1):
            gates = x @ self.inputs + state @ self.states + self.bias
            enter, forget, value, leave = gates.chunk(4, 1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * value.tanh()
            state = leave.sigmoid() * memory.tanh()
            outputs.append(state)
        return self.head(torch.stack(outputs, 1))


class GatesByName(nn.Module):
    """A GRU with a layer for each gate on the joined input and state."""

    def __init__(self) -> None:
        super().__init__()
        self.reset, self.update = nn.Linear(14, 8), nn.Linear(14, 8)
        self.value, self.start = nn.Linear(14, 8), vector(8)

    def forward(self, sequence: Tensor) -> Tensor:
        state = self.start.expand(sequence.shape[1], -1)
        for x in sequence:
            both = torch.cat([x, state], 1)
            reset, update = self.reset(both).sigmoid(), self.update(both).sigmoid()
            value = self.value(torch.cat([x, reset * state], 1)).tanh()
            state = torch.lerp(state, value, update)
        return state


class Sine(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * self.linear(x))


def siren() -> nn.Module:
    return nn.Sequential(Sine(2, 16), Sine(16, 16), nn.Linear(16, 3))


class FourierField(nn.Module):
    """Learned frequencies, then layers."""

    def __init__(self) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(2, 8) * 2)
        self.inner, self.head = nn.Linear(16, 12), nn.Linear(12, 1)

    def forward(self, place: Tensor) -> Tensor:
        angle = 2 * math.pi * place @ self.frequencies
        return self.head(self.inner(torch.cat([angle.sin(), angle.cos()], -1)).relu())


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.first, self.second = nn.LayerNorm(8), nn.LayerNorm(8)
        self.over_places, self.over_channels = feed_forward(16, 12), feed_forward(8, 12)
        self.head = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = x + self.over_places(self.first(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.over_channels(self.second(x))
        return self.head(x.mean(1))


class StateSpace(nn.Module):
    """S4D: a kernel from diagonal states, convolution by FFT."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(6, 8)
        self.log_step = nn.Parameter(torch.rand(8) - 3)
        self.log_decay = nn.Parameter(torch.full((8, 4), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(4.0).repeat(8, 1))
        self.output = nn.Parameter(torch.randn(8, 4, 2))
        self.skip = vector(8, 1.0)
        self.leave = nn.Conv1d(8, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).transpose(1, 2)
        length = x.shape[-1]
        step = self.log_step.exp()
        poles = -self.log_decay.exp() + 1j * self.frequency
        mixed = torch.view_as_complex(self.output)
        per_step = poles * step.unsqueeze(-1)
        powers = torch.exp(per_step.unsqueeze(-1) * torch.arange(length))
        mixed = mixed * (torch.exp(per_step) - 1) / poles
        kernel = 2 * torch.einsum("hn,hnl->hl", mixed, powers).real
        spectrum = torch.fft.rfft(kernel, n=2 * length) * torch.fft.rfft(x, n=2 * length)
        y = torch.fft.irfft(spectrum, n=2 * length)[..., :length]
        y = F.gelu(y + x * self.skip.unsqueeze(-1))
        return F.glu(self.leave(y), dim=1)


class SelectiveScan(nn.Module):
    """Mamba's recurrence as a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(6, 16, bias=False)
        self.conv = nn.Conv1d(8, 8, 3, padding=2, groups=8)
        self.select = nn.Linear(8, 2 + 4 + 4, bias=False)
        self.step = nn.Linear(2, 8)
        self.log_decay = nn.Parameter(torch.arange(1.0, 5.0).log().repeat(8, 1))
        self.skip = vector(8, 1.0)
        self.leave = nn.Linear(8, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.enter(x).chunk(2, dim=-1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)
        rank, into, out = self.select(x).split([2, 4, 4], dim=-1)
        step = F.softplus(self.step(rank))
        decay = torch.exp(step.unsqueeze(-1) * -self.log_decay.exp())
        drive = step.unsqueeze(-1) * into.unsqueeze(2) * x.unsqueeze(-1)
        state = drive.new_zeros(drive[:, 0].shape)
        outputs = []
        for time in range(x.shape[1]):
            state = decay[:, time] * state + drive[:, time]
            outputs.append((state @ out[:, time].unsqueeze(-1)).squeeze(-1))
        y = torch.stack(outputs, 1) + x * self.skip
        return self.leave(y * F.silu(gate))


class SpectralLayer(nn.Module):
    """A Fourier neural operator's layer: complex weights by mode."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.bypass, self.head = (
            *(nn.Conv1d(2, 6, 1), nn.Conv1d(6, 6, 1)),
            nn.Conv1d(6, 1, 1),
        )
        self.modes = nn.Parameter(torch.randn(6, 6, 5, dtype=torch.cfloat) / 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x)
        spectrum = torch.fft.rfft(x)
        out = torch.zeros_like(spectrum)
        out[:, :, :5] = torch.einsum("bix,iox->box", spectrum[:, :, :5], self.modes)
        return self.head(F.gelu(torch.fft.irfft(out, n=x.shape[-1]) + self.bypass(x)))


class CausalConv(nn.Module):
    """WaveNet: dilated, padded on the left, gated, with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.filters = nn.ModuleList([nn.Conv1d(8, 16, 2, dilation=2**i) for i in range(3)])
        self.residuals = nn.ModuleList([nn.Conv1d(8, 8, 1) for _ in range(3)])
        self.head = nn.Conv1d(8, 20, 1)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids).transpose(1, 2)
        total: Tensor | float = 0.0
        for level, (filter, residual) in enumerate(zip(self.filters, self.residuals, strict=True)):
            value, gate = filter(F.pad(x, (2**level, 0))).chunk(2, dim=1)
            y = residual(value.tanh() * gate.sigmoid())
            total, x = total + y, x + y
        return self.head(torch.relu(total))


class Factorized(nn.Module):
    """A recommender: tables, dot products, a low-rank head, learned constants."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(20, 6), nn.Embedding(30, 6)
        self.user_bias, self.item_bias = nn.Embedding(20, 1), weight(30)
        self.offset = nn.Parameter(torch.zeros(()))
        self.mix = weight(6, 6)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        u, i = self.users(user), self.items(item)
        bias = self.user_bias(user).squeeze(-1) + self.item_bias.index_select(0, item)
        crossed = torch.einsum("bi,ij,bj->b", u, self.mix, i)
        return (u * i).sum(-1) + crossed + bias + self.offset


class Coupling(nn.Module):
    """RealNVP's step and Glow's invertible matrix with its determinant."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.linalg.qr(torch.randn(8, 8))[0].contiguous())
        self.net = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 8))
        self.scale = vector(4, 1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x @ self.matrix
        kept, moved = x[:, ::2], x[:, 1::2]
        log_scale, shift = self.net(kept).chunk(2, -1)
        log_scale = log_scale.tanh() * self.scale
        y = torch.stack([kept, moved * log_scale.exp() + shift], -1).flatten(1)
        return y, log_scale.sum(-1) + torch.linalg.slogdet(self.matrix)[1]


class Capsules(nn.Module):
    """Routing by agreement over a weight of four axes."""

    def __init__(self) -> None:
        super().__init__()
        self.primary = nn.Linear(8, 5 * 4)
        self.weight = nn.Parameter(torch.randn(1, 5, 3, 6, 4) / 2)

    def forward(self, x: Tensor) -> Tensor:
        votes = (self.weight @ self.primary(x).view(-1, 5, 1, 4, 1)).squeeze(-1)
        logits = votes.new_zeros(votes.shape[:3])
        out = votes.mean(1)
        for _ in range(2):
            out = (logits.softmax(-1).unsqueeze(-1) * votes).sum(1)
            out = out * out.norm(dim=-1, keepdim=True) / (1 + out.square().sum(-1, keepdim=True))
            logits = logits + (votes * out.unsqueeze(1)).sum(-1)
        return out.norm(dim=-1)


class Butterfly(nn.Module):
    """Monarch's block diagonals with a shuffle between them."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = weight(4, 4, 4), weight(4, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("bki,kij->bkj", x.view(-1, 4, 4), self.left)
        x = torch.einsum("bjk,jkl->bjl", x.transpose(1, 2), self.right)
        return x.transpose(1, 2).reshape(-1, 16)


class Splines(nn.Module):
    """A Kolmogorov-Arnold layer over radial functions, beside a base layer."""

    def __init__(self) -> None:
        super().__init__()
        self.base, self.spline = weight(6, 8), nn.Parameter(torch.randn(6, 8, 5) / 8)
        self.register_buffer("grid", torch.linspace(-2, 2, 5))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        basis = torch.exp(-(x.unsqueeze(-1) - self.grid).square())
        out = F.linear(F.silu(x), self.base) + F.linear(basis.flatten(1), self.spline.flatten(1))
        return self.head(out)


class MaskedLayer(nn.Linear):
    """MADE's: a mask on the weight."""

    def __init__(self, inputs: int, outputs: int, mask: Tensor) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


def masked() -> nn.Module:
    return nn.Sequential(
        MaskedLayer(8, 8, torch.ones(8, 8).tril(-1)), nn.ReLU(), MaskedLayer(8, 8, torch.eye(8))
    )


class Noisy(nn.Module):
    """Factorised noise on the weights, as in Rainbow, with learned scales."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.scale = weight(10, 8), nn.Parameter(torch.full((10, 8), 0.1))
        self.bias_mean, self.bias_scale = vector(10), vector(10, 0.1)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        enter, leave = torch.randn(8), torch.randn(10)
        w = self.mean + self.scale * torch.outer(leave, enter)
        return self.head(F.linear(x, w, self.bias_mean + self.bias_scale * leave).relu())


class Buffered(nn.Module):
    """A running average that forward writes, and a step count."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(8, 6), nn.Linear(6, 3)
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean(0), 0.1)
                self.steps += 1
        return self.head(x - self.mean)


# The subjects


def random(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(*shape)


def ids(count: int, *shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(0, count, shape)


def several(*makers: Callable[[], object]) -> Callable[[], tuple[object, ...]]:
    return lambda: tuple(make() for make in makers)


ROWS, SEQUENCE, IMAGE = random(6, 8), random(3, 16, 16), random(2, 3, 8, 8)
WORDS, FEATURES = ids(40, 3, 7), random(3, 7, 6)

Entry = tuple[str, Callable[[], nn.Module], Callable[[], object]]

ENTRIES: dict[str, tuple[Entry, ...]] = {
    "products": (
        ("products", Products, ROWS),
        ("weight first", WeightFirst, ROWS),
        ("einsum", Einsums, random(3, 5, 8)),
        ("bmm baddbmm", Batched, ROWS),
        ("functional style", FunctionalStyle, ROWS),
        ("functional convolutions", Functional2d, several(IMAGE, ids(20, 2))),
        ("assembled weights", Assembled, ROWS),
        ("weights cut from one", Cut, ROWS),
        ("complex", Complex, ROWS),
        ("cosine head", CosineHead, ROWS),
        ("monarch", Butterfly, random(6, 16)),
        ("kolmogorov-arnold", Splines, ROWS),
        ("masked weights", masked, ROWS),
        ("noisy weights", Noisy, ROWS),
        ("quantized weights", Quantized, ROWS),
        ("capsules", Capsules, ROWS),
        ("factorization", Factorized, several(ids(20, 6), ids(30, 6))),
    ),
    "adapters": (
        ("lora branch", LoraBranch, ROWS),
        ("lora merged", LoraMerged, ROWS),
        ("dora", Dora, ROWS),
    ),
    "experts": (
        ("experts listed", ListedExperts, random(12, 8)),
        ("experts by einsum", lambda: StackedExperts("einsum"), random(12, 8)),
        ("experts by bmm", lambda: StackedExperts("bmm"), random(12, 8)),
        ("experts by index", IndexedExperts, random(12, 8)),
    ),
    "norms": (
        ("rms norm", lambda: rows(RMSNorm), ROWS),
        ("rms norm unit offset", lambda: rows(UnitOffsetNorm), ROWS),
        ("layer norm", lambda: rows(LayerNorm), ROWS),
        ("act norm", lambda: rows(ActNorm), ROWS),
        (
            "channel norm and response norm",
            lambda: nn.Sequential(nn.Conv2d(3, 6, 3), ChannelNorm(6), nn.Conv2d(6, 2, 3)),
            IMAGE,
        ),
        (
            "weight standardisation",
            lambda: nn.Sequential(
                StandardisedConv(3, 6, 3), nn.GELU(), StandardisedConv(6, 4, 3, groups=2)
            ),
            IMAGE,
        ),
    ),
    "activations": (
        ("gelus", lambda: Activated(gelu, exact_gelu, quick_gelu, hard_swish), ROWS),
        ("pieces", lambda: Activated(leaky, squared_relu, maximum, clipped, elu), ROWS),
        ("mish and crelu", lambda: Activated(mish, stacked_signs), ROWS),
        ("snake", lambda: nn.Sequential(nn.Linear(8, 10), Snake(10), nn.Linear(10, 3)), ROWS),
        ("swish", lambda: nn.Sequential(nn.Linear(8, 10), Swish(), nn.Linear(10, 3)), ROWS),
        ("maxout", Maxout, ROWS),
        ("autograd function", lambda: Activated(Square.apply, Rounding.apply), ROWS),
        ("in place", InPlace, ROWS),
        ("gated", Gated, ROWS),
    ),
    "attention": (
        *(
            (f"packed qkv {way}", lambda w=way: PackedAttention(w), SEQUENCE)
            for way in PackedAttention.WAYS
        ),
        ("grouped queries sdpa", Decoder, WORDS),
        ("grouped queries repeated", lambda: Decoder("repeat"), WORDS),
        ("grouped queries broadcast", lambda: Decoder("broadcast"), WORDS),
        ("tied", lambda: Decoder(tied=True), WORDS),
        ("tied by hand", TiedByHand, WORDS),
        ("alibi", Alibi, SEQUENCE),
        ("relative bias", RelativeBias, SEQUENCE),
        ("perceiver", Perceiver, SEQUENCE),
        ("linear attention", LinearAttention, SEQUENCE),
        ("heads as an axis", HeadwiseAttention, SEQUENCE),
    ),
    "running": (
        ("checkpointed", lambda: Decoder(checkpointed=True), WORDS),
        ("autocast", Autocast, IMAGE),
        ("functional_call", CalledFunctionally, ROWS),
        ("vmap", Vmapped, ROWS),
        ("hidden product", Hidden, ROWS),
        ("one layer four times", SharedLayer, ROWS),
        ("blocks shared", lambda: Decoder(shared=True), WORDS),
        ("transpose tied", TiedTransposed, ROWS),
        ("hypernetwork", Hypernetwork, several(ROWS, random(6, 4))),
        ("dynamic convolution", DynamicConv, IMAGE),
        ("data-dependent depth", ByLength, ROWS),
        ("unused", Unused, ROWS),
        ("frozen", Frozen, ROWS),
        ("nested outputs", Outputs, lambda: {"x": torch.randn(6, 8), "options": {"beam": 2}}),
        ("buffers written", Buffered, ROWS),
    ),
    "images": (
        ("resnet", resnet, IMAGE),
        ("densenet", DenseNet, IMAGE),
        ("unet", UNet, several(IMAGE, lambda: torch.rand(2))),
        ("squeeze and excitation", Excited, IMAGE),
        ("dcgan generator", generator, random(3, 16)),
        ("stylegan", StyleConv, random(3, 10)),
        ("vae", Autoencoder, random(6, 12)),
        ("vq-vae", VectorQuantized, random(6, 12)),
        ("siamese", Siamese, several(ROWS, ROWS)),
        ("highway", Highway, ROWS),
        ("scaled branches", Scaled, ROWS),
        ("mixer", Mixer, random(2, 3, 16, 16)),
    ),
    "structures": (
        ("deep sets", DeepSets, lambda: (torch.randn(3, 5, 8), torch.rand(3, 5).round())),
        ("gcn", GraphConv, graph),
        ("gcn sparse", SparseGraphConv, graph),
        ("graph sage", GraphSage, graph),
        ("gat", GraphAttention, graph),
        ("neural ode", NeuralOde, ROWS),
        ("lstm by hand", HandLstm, random(3, 5, 8)),
        ("gru by hand", GatesByName, random(5, 3, 6)),
        ("siren", siren, random(20, 2)),
        ("fourier features", FourierField, random(20, 2)),
        ("s4d", StateSpace, FEATURES),
        ("selective scan", SelectiveScan, FEATURES),
        ("fourier operator", SpectralLayer, random(3, 2, 16)),
        ("wavenet", CausalConv, ids(20, 3, 12)),
        ("coupling", Coupling, ROWS),
    ),
}


def _subject(
    name: str, family: str, model: Callable[[], nn.Module], inputs: Callable[[], object]
) -> Subject:
    return Subject(f"plain/{name}", family, lambda: (model().train(), inputs()))


SUBJECTS: tuple[Subject, ...] = tuple(
    _subject(name, family, model, inputs)
    for family, entries in ENTRIES.items()
    for name, model, inputs in entries
)
