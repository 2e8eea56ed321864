"""Recurrent, attentive, generative, graph and other networks; tied, frozen, in few bits.

Healthy ones are built as their users build them. Faults are planted by changing parameters in
place; what they do is decided by training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.corpus import more_tasks as more
from benchmarks.corpus.case import Case, Task
from benchmarks.corpus.tasks import classify, language, reconstruct, regress

Change = Callable[[Tensor], object]
_CASES: list[Case] = []


@dataclass(frozen=True)
class Planted:
    """A fault, or a choice that is none (kind None).

    Args:
        state: the second part of the case's name.
        kind: of finding.
        changes: pattern of parameter names -> what is done to them, in this order.
        where: the patterns at fault, where not those changed.
        build: makes the network, where not the healthy one's.
        rest: fields of the case that differ.
    """

    state: str
    kind: str | None
    changes: dict[str, Change]
    where: tuple[str, ...] = ()
    build: Callable[[], nn.Module] | None = None
    rest: dict[str, Any] | None = None


def _changed(build: Callable[[], nn.Module], changes: dict[str, Change]) -> nn.Module:
    model = build()
    with torch.no_grad():
        for pattern, change in changes.items():
            found = [p for name, p in model.named_parameters() if fnmatch(name, pattern)]
            if not found:
                raise ValueError(f"no parameter matches {pattern!r}")
            for parameter in found:
                change(parameter)
    return model


def _family(
    name: str,
    wiring: str,
    norm: str,
    depth: int,
    build: Callable[[], nn.Module],
    task: Task,
    *states: Planted,
    **rest: Any,
) -> None:
    """The healthy case of an architecture, and its other states."""
    healthy = f"{name}/healthy"
    _CASES.append(Case(healthy, wiring, norm, depth, build, task, **rest))
    for one in states:
        own = {"task": task, **rest, **(one.rest or {})}
        _CASES.append(
            Case(
                f"{name}/{one.state}", wiring, norm, depth,
                partial(_changed, one.build or build, one.changes),
                fault=one.kind, where=(one.where or tuple(one.changes)) if one.kind else (),
                sibling=healthy, **own,
            )
        )  # fmt: skip


def _times(factor: float) -> Change:
    return lambda p: p.mul_(factor)


def _is(value: float) -> Change:
    return lambda p: p.fill_(value)


def _normal(std: float) -> Change:
    return lambda p: p.normal_(0, std)


def _chunk(index: int, of: int, value: float) -> Change:
    """One gate of stacked ones."""
    return lambda p: p.view(of, -1)[index].fill_(value)


def _orthogonal(p: Tensor) -> None:
    for block in p.view(-1, p.shape[1], p.shape[1]):
        nn.init.orthogonal_(block)


def _linear(*sizes: int, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with activations between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), act()]
    return nn.Sequential(*layers[:-1])


# --- recurrent ---------------------------------------------------------------------------------


class Reader(nn.Module):
    """A recurrent module over steps, its last or mean state, and a head."""

    def __init__(self, rnn: nn.Module, width: int, classes: int = 10, *, mean: bool = False):
        super().__init__()
        self.rnn = rnn
        self.head = nn.Linear(width, classes)
        self.mean = mean

    def forward(self, x: Tensor) -> Tensor:
        states = self.rnn(x)
        states = states[0] if isinstance(states, tuple) else states
        return self.head(states.mean(1) if self.mean else states[:, -1])


class Cells(nn.Module):
    """A loop over LSTMCell, GRUCell or a hand-written cell."""

    def __init__(self, cell: nn.Module, width: int):
        super().__init__()
        self.cell = cell
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        state: Any = x.new_zeros(len(x), self.width)
        if isinstance(self.cell, nn.LSTMCell):
            state = (state, state)
        states = []
        for step in x.unbind(1):
            state = self.cell(step, state)
            states.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(states, 1)


class RawCell(nn.Module):
    """h = act(W x + U h + b), of raw parameters."""

    def __init__(self, inputs: int, width: int, act: Callable[[Tensor], Tensor], *, eye: bool):
        super().__init__()
        self.w = nn.Parameter(torch.randn(width, inputs) / math.sqrt(inputs))
        u = torch.eye(width) if eye else nn.init.orthogonal_(torch.empty(width, width))
        self.u = nn.Parameter(u)
        self.b = nn.Parameter(torch.zeros(width))
        self.act = act

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return self.act(x @ self.w.T + h @ self.u.T + self.b)


class Minimal(nn.Module):
    """A minimal gated unit: one gate, raw parameters."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        std = 1 / math.sqrt(inputs + width)
        self.gate = nn.Parameter(std * torch.randn(inputs + width, width))
        self.candidate = nn.Parameter(std * torch.randn(inputs + width, width))
        self.bias = nn.Parameter(torch.full((width,), -1.0))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        gate = torch.sigmoid(torch.cat([x, h], -1) @ self.gate + self.bias)
        return (1 - gate) * h + gate * torch.tanh(torch.cat([x, gate * h], -1) @ self.candidate)


class Packed(nn.Module):
    """A GRU over packed sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 48, batch_first=True)
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        return self.head(self.rnn(packed)[1][-1])


class Outputs(nn.Module):
    """A recurrent module without its last state."""

    def __init__(self, rnn: nn.Module):
        super().__init__()
        self.rnn = rnn

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x)[0]


class Seq2Seq(nn.Module):
    """Reads rows, keeps one state, writes rows."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.encoder = nn.GRU(8, width, batch_first=True)
        self.decoder = nn.GRU(8, width, batch_first=True)
        self.start = nn.Parameter(0.1 * torch.randn(8, 8))
        self.head = nn.Linear(width, 8)

    def forward(self, x: Tensor) -> Tensor:
        state = self.encoder(x)[1]
        return self.head(self.decoder(self.start.expand(len(x), -1, -1), state)[0])


class Speller(nn.Module):
    """A recurrent language model."""

    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM, layers: int = 1, width: int = 64):
        super().__init__()
        self.embed = nn.Embedding(128, 32)
        self.rnn = kind(32, width, layers, batch_first=True)
        self.head = nn.Linear(width, 128)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(tokens))[0])


class Temporal(nn.Module):
    """Dilated causal convolutions with residual connections."""

    def __init__(self, inputs: int, width: int = 32, layers: int = 4):
        super().__init__()
        self.enter = nn.Conv1d(inputs, width, 1)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=2**k) for k in range(layers))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x.transpose(1, 2))
        for k, conv in enumerate(self.convs):
            x = x + F.relu(conv(F.pad(x, (2 ** (k + 1), 0))))
        return self.head(x[..., -1])


class StateSpace(nn.Module):
    """A diagonal linear recurrence between two linear maps, with a skip."""

    def __init__(self, width: int, states: int = 64):
        super().__init__()
        self.log_decay = nn.Parameter(torch.linspace(-5, 0, states))
        self.into = nn.Linear(width, states, bias=False)
        self.out = nn.Linear(states, width, bias=False)
        self.skip = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        rate = self.log_decay.exp()
        keep = torch.exp(-rate)
        driven = self.into(x) * (1 - keep)
        state = torch.zeros_like(driven[:, 0])
        states = []
        for step in driven.unbind(1):
            state = keep * state + step
            states.append(state)
        return self.out(torch.stack(states, 1)) + self.skip * x


class Spaces(nn.Module):
    """State space layers with GELU between them."""

    def __init__(self, inputs: int, width: int = 32, layers: int = 2):
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.layers = nn.ModuleList(StateSpace(width) for _ in range(layers))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for layer in self.layers:
            x = x + F.gelu(layer(x))
        return self.head(x[:, -1])


ROWS = classify(8, 8)
PIXELS = classify(64, 1)
TEXT = language(32)
MEMORY = more.remembered(16)


def _lstm(width: int = 48, inputs: int = 8, layers: int = 1, **rest: Any) -> nn.LSTM:
    return nn.LSTM(inputs, width, layers, batch_first=True, **rest)


_family(
    "lstm", "recurrent", "none", 9, lambda: Reader(_lstm(), 48), ROWS,
    Planted("forget-1", None, {"rnn.bias_hh_l0": _chunk(1, 4, 1.0)}),
    Planted("forget-2-orthogonal", None,
            {"rnn.bias_hh_l0": _chunk(1, 4, 2.0), "rnn.weight_hh_l0": _orthogonal}),
    Planted("input-gate-closed", "saturation", {"rnn.bias_ih_l0": _chunk(0, 4, -10)}),
    Planted("output-gate-closed", "saturation", {"rnn.bias_ih_l0": _chunk(3, 4, -12)}),
    Planted("saturated", "saturation", {"rnn.weight_*": _times(30)}),
    Planted("constant", "symmetry", {"rnn.*": _is(0.05)}),
    Planted("zero", "symmetry", {"*": _is(0)}),
)  # fmt: skip
_family(
    "lstm-memory", "recurrent", "none", 25,
    lambda: _changed(lambda: Reader(_lstm(64), 64), {"rnn.bias_hh_l0": _chunk(1, 4, 1.0)}), MEMORY,
    Planted("forget-2", None, {"rnn.bias_hh_l0": _chunk(1, 4, 2.0)}),
    Planted("default", "vanishing", {"rnn.bias_hh_l0": _chunk(1, 4, 0.0)}),
    Planted("forgets", "saturation", {"rnn.bias_hh_l0": _chunk(1, 4, -10)}),
    Planted("small-recurrence", "vanishing", {"rnn.weight_hh_l0": _times(0.01)}),
    steps=150,
)  # fmt: skip
_family(
    "lstm-3", "recurrent", "none", 11, lambda: Reader(_lstm(32, layers=3), 32), ROWS,
    Planted("small", "vanishing", {"rnn.weight_*": _times(0.05), "rnn.bias_*": _is(0)}),
    steps=250,
)  # fmt: skip
_family(
    "bilstm-mean", "recurrent", "none", 9,
    lambda: Reader(_lstm(24, bidirectional=True), 48, mean=True), ROWS,
    Planted("one-way-constant", "symmetry", {"rnn.*_reverse": _is(0.05)}),
    Planted("head-x100", "output_scale", {"head.weight": _times(100)}),
)  # fmt: skip
_family(
    "gru", "recurrent", "none", 9, lambda: Reader(nn.GRU(8, 48, batch_first=True), 48), ROWS,
    Planted("saturated", "saturation", {"rnn.weight_*": _times(30)}),
    Planted("update-gate-shut", "saturation", {"rnn.bias_ih_l0": _chunk(1, 3, 10)}),
    Planted("constant", "symmetry", {"rnn.*": _is(0.05)}),
)  # fmt: skip
_family(
    "gru-pixels", "recurrent", "none", 65,
    lambda: Reader(nn.GRU(1, 48, batch_first=True), 48), PIXELS,
    Planted("update-gate-open", None, {"rnn.bias_ih_l0": _chunk(1, 3, 2)}),
    steps=150,
)  # fmt: skip
_family(
    "rnn-tanh", "recurrent", "none", 9,
    lambda: Reader(nn.RNN(8, 48, batch_first=True), 48), ROWS,
    Planted("orthogonal", None, {"rnn.weight_hh_l0": _orthogonal}),
    Planted("recurrence-x10", "saturation", {"rnn.weight_hh_l0": _times(10)}),
    Planted("all-x30", "saturation", {"rnn.weight_*": _times(30)}),
    Planted("small-recurrence", "vanishing", {"rnn.weight_hh_l0": _times(0.01)}),
    Planted("zero-recurrence", None, {"rnn.weight_hh_l0": _is(0)}),
)  # fmt: skip
_family(
    "rnn-tanh-memory", "recurrent", "none", 25,
    lambda: _changed(lambda: Reader(nn.RNN(8, 64, batch_first=True), 64),
                     {"rnn.weight_hh_l0": _orthogonal}), MEMORY,
    Planted("small-recurrence", "vanishing", {"rnn.weight_hh_l0": _times(0.01)}),
    Planted("half-recurrence", "vanishing", {"rnn.weight_hh_l0": _times(0.5)}),
    Planted("default", "vanishing", {"rnn.weight_hh_l0": lambda p: p.uniform_(-0.125, 0.125)}),
    Planted("recurrence-x10", "saturation", {"rnn.weight_hh_l0": _times(10)}),
)  # fmt: skip
_family(
    "rnn-relu-2", "recurrent", "none", 10,
    lambda: Reader(nn.RNN(8, 48, 2, nonlinearity="relu", batch_first=True), 48), ROWS,
    Planted("recurrence-x10", "exploding", {"rnn.weight_hh_*": _times(10)}),
    Planted("dead", "dead", {"rnn.bias_ih_l1": _is(-30)}),
)  # fmt: skip
_family(
    "irnn", "recurrent", "none", 65,
    lambda: _changed(
        lambda: Reader(nn.RNN(1, 48, nonlinearity="relu", batch_first=True), 48),
        {"rnn.weight_hh_l0": nn.init.eye_, "rnn.bias_*": _is(0)},
    ), PIXELS,
    Planted("recurrence-x2", "exploding", {"rnn.weight_hh_l0": _times(2)}),
    Planted("recurrence-half", "vanishing", {"rnn.weight_hh_l0": _times(0.5)}),
)  # fmt: skip
_family(
    "lstm-cells", "recurrent", "none", 9,
    lambda: Reader(Cells(nn.LSTMCell(8, 48), 48), 48), ROWS,
    Planted("all-gates-shut", "saturation", {"rnn.cell.bias_*": _is(-8)}),
)  # fmt: skip
_family(
    "gru-cells", "recurrent", "none", 9,
    lambda: Reader(Cells(nn.GRUCell(8, 48), 48), 48), ROWS,
    Planted("constant-recurrence", "symmetry", {"*cell.weight_hh": _is(0.02)}),
)  # fmt: skip
_family(
    "raw-tanh", "recurrent", "none", 9,
    lambda: Reader(Cells(RawCell(8, 48, torch.tanh, eye=False), 48), 48), ROWS,
    Planted("constant", "symmetry", {"rnn.cell.*": _is(0.02)}),
    Planted("inputs-1e-5", "vanishing", {"rnn.cell.w": _times(1e-5)}),
)  # fmt: skip
_family(
    "raw-relu-memory", "recurrent", "none", 25,
    lambda: Reader(Cells(RawCell(8, 64, torch.relu, eye=True), 64), 64), MEMORY,
    Planted("recurrence-x3", "exploding", {"rnn.cell.u": _times(3)}),
    Planted("recurrence-third", "vanishing", {"rnn.cell.u": _times(0.3)}),
    Planted("dead", "dead", {"rnn.cell.b": _is(-30)}),
)  # fmt: skip
_family(
    "minimal-gated", "recurrent", "none", 9,
    lambda: Reader(Cells(Minimal(8, 48), 48), 48), ROWS,
    Planted("gate-shut", "saturation", {"rnn.cell.bias": _is(-14)}),
)  # fmt: skip
_family("gru-packed", "recurrent", "none", 9, Packed, more.of_lengths())
_family(
    "seq2seq-gru", "recurrent", "none", 18, Seq2Seq, reconstruct(8, 8),
    Planted("encoder-constant", "symmetry", {"encoder.*": _is(0.05)}),
    Planted("decoder-saturated", "saturation", {"decoder.weight_*": _times(30)}),
    steps=250,
)  # fmt: skip
_family(
    "char-lstm", "recurrent", "none", 34, Speller, TEXT,
    Planted("embedding-zero", "symmetry", {"embed.weight": _is(0)}),
    Planted("head-x100", "output_scale", {"head.*": _times(100)}),
    steps=120,
)  # fmt: skip
_family(
    "ctc-gru", "recurrent", "none", 26,
    lambda: nn.Sequential(Outputs(nn.GRU(8, 48, batch_first=True, bidirectional=True)),
                          nn.Linear(96, 11)), more.transcribed(),
    Planted("head-x100", "output_scale", {"1.weight": _times(100)}),
    steps=200,
)  # fmt: skip
_family(
    "tcn", "residual", "none", 6, lambda: Temporal(8), ROWS,
    Planted("kernels-x30", "exploding", {"convs.*.weight": _times(30)}),
    Planted("dead", "dead", {"convs.*.bias": _is(-100)}),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
)  # fmt: skip
_family(
    "state-space", "recurrent", "none", 26, lambda: Spaces(8), MEMORY,
    Planted("forgets", "vanishing", {"layers.*.log_decay": _is(2)}),
    Planted("out-zero", None, {"layers.*.out.weight": _is(0)}),
)  # fmt: skip


# --- attention ---------------------------------------------------------------------------------


class Rms(nn.Module):
    """RMSNorm."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.weight


class Attention(nn.Module):
    """Attention by hand.

    Args:
        width: of the input and the output.
        heads: of queries.
        single: one head of keys and values for all.
        position: "alibi" or "rotary"; else none.
        causal: no look ahead.
        scale: of the logits; 1 / sqrt(width of a head) by default.
    """

    def __init__(
        self, width: int, heads: int = 4, *, single: bool = False, position: str = "",
        causal: bool = False, scale: float | None = None,
    ):  # fmt: skip
        super().__init__()
        self.heads, self.size = heads, width // heads
        kept = self.size if single else width
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, kept)
        self.v = nn.Linear(width, kept)
        self.o = nn.Linear(width, width)
        self.position, self.causal = position, causal
        self.scale = self.size**-0.5 if scale is None else scale

    def _rotated(self, x: Tensor) -> Tensor:
        half = self.size // 2
        rate = 100.0 ** (-torch.arange(half) / half)
        angle = torch.arange(x.shape[-2])[:, None] * rate
        a, b = x[..., :half], x[..., half:]
        sin, cos = angle.sin(), angle.cos()
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        source = x if memory is None else memory
        parts = [self.q(x), self.k(source), self.v(source)]
        q, k, v = (p.unflatten(-1, (-1, self.size)).transpose(1, 2) for p in parts)
        if self.position == "rotary":
            q, k = self._rotated(q), self._rotated(k)
        logits = q @ k.transpose(-1, -2) * self.scale
        steps = torch.arange(x.shape[1])
        if self.position == "alibi":
            slope = 2.0 ** -torch.arange(1, self.heads + 1)
            logits = logits - slope[:, None, None] * (steps[:, None] - steps).abs()
        if self.causal:
            logits = logits.masked_fill(steps[None] > steps[:, None], -math.inf)
        return self.o((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))


class SwiGlu(nn.Module):
    """The gated feedforward part of Llama."""

    def __init__(self, width: int):
        super().__init__()
        self.gate = nn.Linear(width, 2 * width, bias=False)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """Attention and a feedforward part, each in a branch.

    Args:
        width: of the stream.
        norm: makes a norm of this width.
        style: "pre", "post", or "none" for no norm at all.
        swiglu: the feedforward part of Llama rather than a GELU one.
        alpha: what the stream is multiplied by before a post-norm (DeepNorm).
        layer_scale: the initial gain of each branch; None for no such gain.
        attention: arguments of Attention.
    """

    def __init__(
        self, width: int, norm: Callable[[int], nn.Module] = nn.LayerNorm, style: str = "pre",
        *, swiglu: bool = False, alpha: float = 1.0, layer_scale: float | None = None,
        **attention: Any,
    ):  # fmt: skip
        super().__init__()
        self.attention = Attention(width, **attention)
        self.mlp = SwiGlu(width) if swiglu else _linear(width, 2 * width, width, act=nn.GELU)
        self.norms = nn.ModuleList(norm(width) for _ in range(2 if style != "none" else 0))
        self.style, self.alpha = style, alpha
        self.gains = None
        if layer_scale is not None:
            self.gains = nn.Parameter(torch.full((2, width), layer_scale))

    def forward(self, x: Tensor) -> Tensor:
        for k, part in enumerate([self.attention, self.mlp]):
            branch = part(self.norms[k](x) if self.style == "pre" else x)
            x = self.alpha * x + (branch if self.gains is None else self.gains[k] * branch)
            if self.style == "post":
                x = self.norms[k](x)
        return x


class Start(nn.Module):
    """Tokens, rows or patches as a stream, with learned positions and, if asked, a class token."""

    def __init__(
        self, inputs: int, width: int, length: int, *, tokens: bool = False, cls: bool = False,
        std: float = 0.02,
    ):  # fmt: skip
        super().__init__()
        self.embed: nn.Module
        if tokens:
            self.embed = nn.Embedding(inputs, width)
            nn.init.normal_(self.embed.weight, 0, std)
        else:
            self.embed = nn.Linear(inputs, width)
        self.position = nn.Parameter(0.02 * torch.randn(length + cls, width))
        self.cls = nn.Parameter(0.02 * torch.randn(width)) if cls else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        if self.cls is not None:
            x = torch.cat([self.cls.expand(len(x), 1, -1), x], 1)
        return x + self.position


class Patches(nn.Module):
    """Patches of 2 x 2 of an image of 8 x 8."""

    def forward(self, x: Tensor) -> Tensor:
        return F.unfold(x, 2, stride=2).transpose(1, 2)


class Tower(nn.Module):
    """A start, blocks, a last norm, and a head on the first, the mean or all positions.

    Args:
        start: makes the stream.
        blocks: in order; a block may occur more than once.
        width: of the stream.
        classes: outputs.
        pool: "first", "mean" or "all".
        norm: makes the last norm; nn.Identity by default.
        tie: the head is the embedding's table, without bias.
    """

    def __init__(
        self, start: nn.Module, blocks: list[nn.Module], width: int, classes: int = 10,
        pool: str = "mean", norm: Callable[[int], nn.Module] = nn.Identity, *, tie: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.start = start
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm(width)
        self.head = nn.Linear(width, classes, bias=not tie)
        if tie:
            self.head.weight = start.get_submodule("embed").weight  # type: ignore[assignment]
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if self.pool != "all":
            x = x[:, 0] if self.pool == "first" else x.mean(1)
        return self.head(x)


def _rows(depth: int = 2, width: int = 32, last: Any = nn.Identity, **block: Any) -> nn.Module:
    """A transformer over rows of digits."""
    blocks: list[nn.Module] = [Block(width, **block) for _ in range(depth)]
    return Tower(Start(8, width, 8), blocks, width, norm=last)


def _vit(depth: int = 2, width: int = 32, **block: Any) -> nn.Module:
    blocks: list[nn.Module] = [Block(width, **block) for _ in range(depth)]
    start = nn.Sequential(Patches(), Start(4, width, 16, cls=True))
    return Tower(start, blocks, width, pool="first", norm=nn.LayerNorm)


def _gpt(depth: int = 2, width: int = 48, std: float = 0.02, **block: Any) -> nn.Module:
    blocks: list[nn.Module] = [Block(width, causal=True, **block) for _ in range(depth)]
    start = Start(128, width, 32, tokens=True, std=std)
    return Tower(start, blocks, width, 128, "all", nn.LayerNorm, tie=True)


def _shared(depth: int, width: int = 32) -> nn.Module:
    """One block, used again and again (ALBERT, Universal Transformer)."""
    block = Block(width)
    return Tower(Start(8, width, 8), [block] * depth, width, norm=nn.LayerNorm)


class Encoded(nn.Module):
    """nn.TransformerEncoder over rows."""

    def __init__(self, layers: int = 2, width: int = 32, *, first: bool = False):
        super().__init__()
        self.start = Start(8, width, 8)
        layer = nn.TransformerEncoderLayer(
            width, 4, 64, dropout=0.0, batch_first=True, norm_first=first
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.start(x)).mean(1))


class Translated(nn.Module):
    """nn.Transformer: rows in, rows out, read by learned queries."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.start = Start(8, width, 8)
        self.queries = nn.Parameter(0.02 * torch.randn(8, width))
        self.body = nn.Transformer(width, 4, 1, 1, 64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.start(x), self.queries.expand(len(x), -1, -1)))


class Perceived(nn.Module):
    """Few latent vectors that look at the rows by cross-attention."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.start = Start(8, width, 8)
        self.latents = nn.Parameter(0.02 * torch.randn(4, width))
        self.norm = nn.LayerNorm(width)
        self.cross = Attention(width)
        self.block = Block(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        latents = self.latents.expand(len(x), -1, -1)
        latents = latents + self.cross(self.norm(latents), self.start(x))
        return self.head(self.block(latents).mean(1))


class Masked(nn.Module):
    """Attention with a mask that leaves some queries nothing to look at."""

    def __init__(self, *, all_of_it: bool):
        super().__init__()
        self.start = Start(8, 32, 8)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.head = nn.Linear(32, 10)
        mask = torch.full((8, 8), -math.inf).triu(0 if all_of_it else 1)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        return self.head((x + self.attention(x, x, x, attn_mask=self.mask)[0]).mean(1))


def _hf(family: str) -> nn.Module:
    """A tiny model of transformers, as its own init leaves it."""
    from tests.zoo.torchvision_ops import declare

    declare()  # transformers imports torchvision where it is installed
    import transformers as hf

    small: dict[str, Any]
    if family == "gpt2":
        small = dict.fromkeys(["resid_pdrop", "embd_pdrop", "attn_pdrop"], 0.0)
        return hf.GPT2LMHeadModel(
            hf.GPT2Config(vocab_size=128, n_positions=32, n_embd=48, n_layer=2, n_head=4, **small)
        )
    small = {
        "vocab_size": 128, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 96, "max_position_embeddings": 32,
    }  # fmt: skip
    if family == "bert":
        drop = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        return hf.BertForMaskedLM(hf.BertConfig(**small, **drop))
    if family == "llama":
        return hf.LlamaForCausalLM(hf.LlamaConfig(**small, num_key_value_heads=2))
    return hf.T5ForConditionalGeneration(
        hf.T5Config(vocab_size=128, d_model=48, d_kv=12, d_ff=96, num_layers=2, num_heads=4,
                    dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0)
    )  # fmt: skip


class Seeing(nn.Module):
    """BLIP's vision model, whose config has an initializer_range of 1e-10, with a head."""

    def __init__(self, spread: float | None = None):
        super().__init__()
        from tests.zoo.torchvision_ops import declare

        declare()
        import transformers as hf

        own = {} if spread is None else {"initializer_range": spread}
        self.body = hf.BlipVisionModel(
            hf.BlipVisionConfig(
                hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                image_size=8, patch_size=2, attention_dropout=0.0, **own,
            )
        )  # fmt: skip
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.expand(-1, 3, -1, -1)).pooler_output)


class Efficient(nn.Module):
    """A small EfficientNet of transformers, whose convolutions start at std 0.02 whatever the fans.

    Args:
        he: draw them by He's rule instead.
    """

    def __init__(self, *, he: bool):
        super().__init__()
        from tests.zoo.torchvision_ops import declare

        declare()
        import transformers as hf

        self.body = hf.EfficientNetModel(
            hf.EfficientNetConfig(
                image_size=32, width_coefficient=0.25, depth_coefficient=0.3,
                in_channels=[32, 16, 24], kernel_sizes=[3, 3, 5], out_channels=[16, 24, 40],
                strides=[1, 2, 2], num_block_repeats=[1, 2, 2], expand_ratios=[1, 6, 6],
                depthwise_padding=[], hidden_dim=320, dropout_rate=0.0, drop_connect_rate=0.0,
            )
        )  # fmt: skip
        if he:
            for module in self.body.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)
        self.head = nn.Linear(320, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).pooler_output)


HARD = {"*.q.weight": _times(6), "*.k.weight": _times(6)}
HARDER = {"*.q.weight": _times(30), "*.k.weight": _times(30)}
BLIND = {"*.q.*": _is(0), "*.k.*": _is(0)}
BRANCHES = {"blocks.*.o.weight": _times(30), "blocks.*.mlp.2.weight": _times(30)}
SILENT = {"blocks.*.o.*": _is(0), "blocks.*.mlp.2.*": _is(0)}
NORMS = {"*norms.*.weight": _is(0)}
VIT = classify(1, 8, 8)

_family(
    "rows-pre-ln", "attention", "layer", 10, partial(_rows, last=nn.LayerNorm), ROWS,
    Planted("zero-branches", None, SILENT),
    Planted("zero-queries", None, {"*.q.*": _is(0)}),
    Planted("hard", "saturation", HARD),
    Planted("one-hot", "saturation", HARDER),
    Planted("blind", "symmetry", BLIND),
    Planted("dead-mlp", "dead", {"blocks.*.mlp.0.bias": _is(-30)}),
    Planted("norm-gain-0", "vanishing", {**NORMS, "norm.weight": _is(0)}),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
    Planted("branches-x30", "exploding", BRANCHES),
    Planted("head-x50", "output_scale", {"head.weight": _times(50)}),
    steps=150,
)  # fmt: skip
_family(
    "vit", "attention", "layer", 11, _vit, VIT,
    Planted("one-hot", "saturation", HARDER),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
    Planted("values-zero", "symmetry",
            {"blocks.*.v.*": _is(0), "blocks.*.o.*": _is(0)}),
    steps=120,
)  # fmt: skip
_family("vit-layer-scale", "attention", "layer", 18, partial(_vit, 4, layer_scale=1e-4), VIT)
_family("rows-post-ln", "attention", "layer", 10, partial(_rows, style="post"), ROWS)
_family(
    "rows-post-ln-8", "attention", "layer", 34, partial(_rows, 8, style="post"), ROWS,
    Planted("branches-x30", "vanishing", BRANCHES),
    steps=100,
)  # fmt: skip
_family(
    "rows-deepnorm-8", "attention", "layer", 34,
    lambda: _changed(
        partial(_rows, 8, style="post", alpha=2.0),
        {name: _times(0.35) for name in ["*.v.weight", "*.o.weight", "*.mlp.?.weight"]},
    ), ROWS, steps=100,
)  # fmt: skip
_family(
    "rows-pre-ln-16", "attention", "layer", 66, partial(_rows, 16, 16, last=nn.LayerNorm), ROWS,
    Planted("blind-and-silent", "symmetry", {**BLIND, **SILENT}),
    steps=60,
)  # fmt: skip
_family(
    "rows-no-norm", "attention", "none", 10,
    partial(_rows, style="none"), ROWS,
    Planted("inputs-1e-6", "vanishing", {"start.*": _times(1e-6)}),
    Planted("std-0.5", "exploding", {"blocks.*.weight": _normal(0.5)}),
    Planted("one-hot", "saturation", HARDER),
    steps=150,
)  # fmt: skip
_family(
    "rows-no-norm-8", "attention", "none", 34,
    lambda: _changed(partial(_rows, 8, style="none"), SILENT), ROWS,
    Planted("std-0.5", "exploding", {"blocks.*.weight": _normal(0.5)}),
    Planted("std-1", "exploding", {"blocks.*.weight": _normal(1.0)}),
    steps=100,
)  # fmt: skip
_family(
    "llama-like", "attention", "rms", 12,
    partial(_rows, last=Rms, norm=Rms, swiglu=True, position="rotary", single=True), ROWS,
    Planted("gate-zero", "vanishing", {"*.gate.weight": _is(0), "*.up.weight": _is(0)}),
    Planted("gate-x100", "saturation", {"*.gate.weight": _times(100)}),
    Planted("one-hot", "saturation", HARDER),
    steps=150,
)  # fmt: skip
_family(
    "alibi-unscaled", "attention", "layer", 10,
    partial(_rows, last=nn.LayerNorm, position="alibi", scale=1.0), ROWS,
    Planted("wide-weights", "saturation", {"*.q.weight": _normal(1), "*.k.weight": _normal(1)}),
    steps=150,
)  # fmt: skip
_family(
    "gpt-tied", "attention", "layer", 10, _gpt, TEXT,
    Planted("embedding-std-1", "output_scale", {"start.embed.weight": _normal(1)}),
    Planted("embedding-std-5", "output_scale", {"start.embed.weight": _normal(5)}),
    Planted("one-hot", "saturation", HARDER),
    Planted("embedding-constant", "symmetry", {"start.embed.weight": _is(0.02)}),
    steps=100,
)  # fmt: skip
_family(
    "bert-like", "attention", "layer", 10,
    lambda: Tower(Start(128, 48, 32, tokens=True), [Block(48, style="post") for _ in range(2)],
                  48, 128, "all"), more.masked(),
    Planted("one-hot", "saturation", HARDER),
    Planted("head-x50", "output_scale", {"head.weight": _times(50)}),
    steps=100,
)  # fmt: skip
_family(
    "torch-encoder", "attention", "layer", 10, Encoded, ROWS,
    Planted("in-proj-x30", "saturation", {"*.in_proj_weight": _times(30)}),
    Planted("norm-gain-0", "vanishing", {"encoder.*.norm?.weight": _is(0)}),
    steps=150,
)  # fmt: skip
_family(
    "torch-encoder-pre-6", "attention", "layer", 26, partial(Encoded, 6, first=True), ROWS,
    Planted("dead-mlp", "dead", {"*.linear1.bias": _is(-30)}),
    steps=100,
)  # fmt: skip
_family(
    "torch-transformer", "attention", "layer", 12, Translated, reconstruct(8, 8),
    Planted("decoder-constant", "symmetry", {"body.decoder.*": _is(0.02)}),
    steps=200,
)  # fmt: skip
_family(
    "perceiver", "attention", "layer", 8, Perceived, ROWS,
    Planted("latents-equal", "symmetry", {"latents": _is(0.02)}),
    Planted("one-hot", "saturation", {"cross.q.weight": _times(100), "cross.k.weight": _times(30)}),
    steps=150,
)  # fmt: skip
_family(
    "masked-attention", "attention", "none", 5, partial(Masked, all_of_it=False), ROWS,
    Planted("nothing-to-see", "nonfinite", {}, ("attention*",), partial(Masked, all_of_it=True)),
)  # fmt: skip
_family(
    "hf-gpt2", "attention", "layer", 10, partial(_hf, "gpt2"), more.labelled(TEXT),
    Planted("one-hot", "saturation", {"*.c_attn.weight": _times(100)}),
    Planted("embedding-std-3", "output_scale", {"*wte.weight": _normal(3)}),
    steps=100,
)  # fmt: skip
_family(
    "hf-bert", "attention", "layer", 12, partial(_hf, "bert"),
    more.labelled(more.masked(), shifted=True),
    Planted("norms-zero", "vanishing", {"bert.encoder.*LayerNorm.weight": _is(0)}),
    steps=100,
)  # fmt: skip
_family(
    "hf-llama", "attention", "rms", 12, partial(_hf, "llama"), more.labelled(TEXT),
    Planted("zero", "symmetry", {"model.layers.*proj.weight": _is(0)}),
    steps=100,
)  # fmt: skip
_family(
    "hf-t5", "attention", "rms", 20, partial(_hf, "t5"), more.labelled(TEXT, shifted=True),
    Planted("shared-std-30", "output_scale", {"shared.weight": _times(30)}),
    steps=60,
)  # fmt: skip
_family(
    "shared-depth", "attention", "layer", 34, partial(_shared, 8), ROWS,
    Planted("branches-x30", "exploding",
            {"blocks.0.attention.o.weight": _times(30), "blocks.0.mlp.2.weight": _times(30)}),
    steps=100,
)  # fmt: skip


# --- generative --------------------------------------------------------------------------------


class Variational(nn.Module):
    """A variational autoencoder."""

    def __init__(self, width: int = 64, codes: int = 8):
        super().__init__()
        self.encoder = _linear(64, width, 2 * codes)
        self.decoder = _linear(codes, width, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, logvar = self.encoder(x).chunk(2, -1)
        code = mean + (logvar / 2).exp() * torch.randn_like(mean)
        return self.decoder(code), mean, logvar


class Generator(nn.Module):
    """A generator before a discriminator that is random and frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(*_linear(16, 64, 64, 64), nn.Tanh())
        self.discriminator = _linear(64, 64, 1, act=partial(nn.LeakyReLU, 0.2))
        self.discriminator.requires_grad_(False)

    def forward(self, z: Tensor) -> Tensor:
        return self.discriminator(self.generator(z))


class Flow(nn.Module):
    """Affine couplings over alternating halves; the nets' last layers start at zero.

    Args:
        layers: couplings.
        bounded: the log scale passes a tanh.
    """

    def __init__(self, layers: int = 4, *, bounded: bool = True):
        super().__init__()
        self.nets = nn.ModuleList(_linear(32, 64, 64) for _ in range(layers))
        for net in self.nets:
            nn.init.zeros_(net[-1].weight)
            nn.init.zeros_(net[-1].bias)
        self.log_scale = nn.Parameter(torch.zeros(64))
        self.bounded = bounded

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x[:, ::2], x[:, 1::2]
        determinant = self.log_scale.sum() + torch.zeros(len(x))
        for net in self.nets:
            log_scale, shift = net(a).chunk(2, -1)
            log_scale = log_scale.tanh() if self.bounded else log_scale
            a, b = b * log_scale.exp() + shift, a
            determinant = determinant + log_scale.sum(1)
        return torch.cat([a, b], 1) * self.log_scale.exp(), determinant


class Denoiser(nn.Module):
    """Tells noise, knowing how much; residual, its last layer starts at zero."""

    def __init__(self, width: int = 96):
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.time = _linear(16, width, width, act=nn.SiLU)
        self.blocks = nn.ModuleList(_linear(width, width, width, act=nn.SiLU) for _ in range(2))
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.out = nn.Linear(width, 64)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        angle = time * 2.0 ** torch.arange(8)
        about = self.time(torch.cat([angle.sin(), angle.cos()], 1))
        x = self.enter(x)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = x + block(norm(x) + about)
        return self.out(x)


class MaskedConv(nn.Conv2d):
    """A convolution that sees only what comes before."""

    def __init__(self, before: int, after: int, *, first: bool = False):
        super().__init__(before, after, 3, padding=1)
        mask = torch.ones(3, 3)
        mask[1, 2 - first :] = 0
        mask[2] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=1)


def _pixel_cnn() -> nn.Module:
    convs: list[nn.Module] = [MaskedConv(1, 32, first=True), nn.ReLU()]
    for _ in range(3):
        convs += [MaskedConv(32, 32), nn.ReLU()]
    return nn.Sequential(*convs, nn.Conv2d(32, 4, 1))


class Sine(nn.Module):
    """sin(w x)."""

    def __init__(self, w: float):
        super().__init__()
        self.w = w

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.w * x)


def _siren(w: float = 20.0, width: int = 64) -> nn.Module:
    """As its authors draw it."""
    net = _linear(2, width, width, width, 1, act=partial(Sine, w))
    for k, layer in enumerate(net[::2]):
        bound = 1 / 2 if k == 0 else math.sqrt(6 / width) / w
        nn.init.uniform_(layer.weight, -bound, bound)
    return net


class TiedCoder(nn.Module):
    """An autoencoder whose decoder is its encoder, transposed."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, 64) / 8)
        self.inner = nn.Parameter(torch.zeros(width))
        self.outer = nn.Parameter(torch.zeros(64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.weight.T + self.inner) @ self.weight + self.outer


def _conv_coder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1),
    )  # fmt: skip


def _deep_coder(gain: float) -> nn.Module:
    net = _linear(64, 48, 32, 16, 12, 16, 32, 48, 64, act=nn.Tanh)
    for layer in net[::2]:
        nn.init.xavier_normal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return net


def _last_half(value: float) -> Change:
    return lambda p: p[len(p) // 2 :].fill_(value)


_family(
    "deep-tanh-coder", "plain", "none", 8, partial(_deep_coder, 1.0), reconstruct(),
    Planted("small", "vanishing", {"*.weight": _times(0.05)}),
    Planted("large", "saturation", {"*.weight": _times(30)}),
    Planted("code-constant", "symmetry", {"6.*": _is(0.05), "8.*": _is(0.05)}),
)  # fmt: skip
_family(
    "conv-coder", "plain", "none", 4, _conv_coder, reconstruct(1, 8, 8),
    Planted("dead-code", "dead", {"2.bias": _is(-30)}),
    Planted("out-x100", "output_scale", {"6.weight": _times(100)}),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
)  # fmt: skip
_family(
    "tied-coder", "plain", "none", 2, TiedCoder, reconstruct(),
    Planted("x30", "saturation", {"weight": _times(30)}),
    Planted("zero", "symmetry", {"weight": _is(0)}),
)  # fmt: skip
_family(
    "vae", "plain", "none", 4, Variational, more.variational(),
    Planted("variance-huge", "output_scale", {"encoder.2.bias": _last_half(12)}),
    Planted("variance-overflows", "nonfinite", {"encoder.2.bias": _last_half(200)}),
    Planted("encoder-dead", "dead", {"encoder.0.bias": _is(-100)}),
    Planted("decoder-constant", "symmetry", {"decoder.*": _is(0.05)}),
)  # fmt: skip
_family(
    "generator", "plain", "none", 5, Generator, more.fooled(),
    Planted("tanh-saturated", "saturation", {"generator.4.weight": _times(300)}),
    Planted("constant", "symmetry", {"generator.*": _is(0.02)}),
    Planted("dead", "dead", {"generator.2.bias": _is(-30)}),
)  # fmt: skip
_family(
    "flow", "residual", "none", 12, Flow, more.density(),
    Planted("all-random", None, {"nets.*.weight": _normal(0.05)}),
    Planted("zero", "symmetry", {"nets.*": _is(0)}),
    Planted("scale-overflows", "nonfinite", {"nets.*.2.weight": _normal(10)},
            build=partial(Flow, bounded=False)),
    Planted("scale-large", "output_scale", {"log_scale": _is(5)}),
)  # fmt: skip
_family(
    "denoiser", "residual", "group", 8, Denoiser, more.denoise(),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
    Planted("out-large", "output_scale", {"out.weight": _normal(3)}),
    Planted("stream-zero", "vanishing", {"norms.*": _is(0), "enter.*": _is(0)}),
)  # fmt: skip
_family(
    "pixel-cnn", "plain", "none", 5, _pixel_cnn, more.next_pixels(),
    Planted("dead", "dead", {"4.bias": _is(-30)}),
    Planted("small", "vanishing", {"?.weight": _times(0.03), "?.bias": _is(0)}),
    Planted("head-x100", "output_scale", {"8.weight": _times(100)}),
    steps=150,
)  # fmt: skip
_family(
    "siren-picture", "plain", "none", 4, _siren, more.coordinates(),
    Planted("wider", None, {"2.weight": _times(1.5)}),
    Planted("weights-x100", "exploding", {"[24].weight": _times(100)}),
    Planted("first-x0.01", "vanishing", {"0.weight": _times(0.01)}),
    Planted("zero", "vanishing", {"[0246].weight": _is(0)}),
)  # fmt: skip

# --- graphs, sets, tables, pairs ---------------------------------------------------------------


class Graph(nn.Module):
    """Layers over a graph: "gcn", "gin", "sage", "gat" on an adjacency, "scatter" on edges."""

    def __init__(self, kind: str, layers: int = 2, width: int = 32):
        super().__init__()
        self.kind = kind
        sizes = [64, *[width] * (layers - 1), 10]
        heads = 2 if kind in {"sage", "scatter"} else 1
        self.layers = nn.ModuleList(nn.Linear(heads * a, b) for a, b in pairwise(sizes))
        if kind == "gat":
            self.source = nn.ParameterList(torch.randn(b, 1) / b**0.5 for b in sizes[1:])
            self.target = nn.ParameterList(torch.randn(b, 1) / b**0.5 for b in sizes[1:])

    def _layer(self, k: int, x: Tensor, graph: Tensor) -> Tensor:
        layer = self.layers[k]
        if self.kind == "gat":
            x = layer(x)
            logits = F.leaky_relu(x @ self.source[k] + (x @ self.target[k]).T, 0.2)
            return logits.masked_fill(graph == 0, -math.inf).softmax(-1) @ x
        if self.kind == "scatter":
            start, end = graph
            message = torch.zeros_like(x).index_add(0, end, x[start])
            return layer(torch.cat([x, message / 7], 1))
        if self.kind == "sage":
            return layer(torch.cat([x, graph @ x], 1))
        return graph @ layer(x) if self.kind == "gcn" else layer(x + graph @ x)

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        for k in range(len(self.layers)):
            x = self._layer(k, F.relu(x) if k else x, graph)
        return x


class DeepSets(nn.Module):
    """The mean or the maximum over the embedded members of a set."""

    def __init__(self, *, most: bool):
        super().__init__()
        self.member = _linear(3, 64, 64)
        self.whole = _linear(64, 64, 10)
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        x = self.member(x)
        return self.whole(x.amax(1) if self.most else x.mean(1))


class Bag(nn.Module):
    """The mean of embeddings, and a head."""

    def __init__(self, *, frozen: bool = False):
        super().__init__()
        self.bag = nn.EmbeddingBag(17 * 64, 64, mode="mean")
        self.head = nn.Linear(64, 10)
        self.bag.requires_grad_(not frozen)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.bag(tokens))


class WideDeep(nn.Module):
    """A linear map, factorised pairs, and a deep net, summed."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.wide = nn.Linear(inputs, classes)
        self.factors = nn.Parameter(0.05 * torch.randn(inputs, classes, 4))
        self.deep = _linear(inputs, 32, 32, classes)

    def forward(self, x: Tensor) -> Tensor:
        total = torch.einsum("bi,ick->bck", x, self.factors).square()
        own = torch.einsum("bi,ick->bck", x.square(), self.factors.square())
        return self.wide(x) + 0.5 * (total - own).sum(-1) + self.deep(x)


class Hyper(nn.Module):
    """A net that makes the weights of the classifier from a learned code."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.randn(2, 8))
        self.maker = nn.Linear(8, 64 * 32)
        nn.init.normal_(self.maker.weight, 0, 1 / math.sqrt(8 * 64))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        first, gate = self.maker(self.code).view(2, 32, 64)
        return self.head(F.relu(x @ first.T) * torch.sigmoid(x @ gate.T))


class Twins(nn.Module):
    """One encoder for all inputs.

    Args:
        form: "similarities" of two views, "distances" of triplets, or a "logit" for a pair.
        normalised: the similarities are of unit vectors, over a temperature of 0.2.
        root: the distance takes a root without a floor.
    """

    def __init__(self, form: str, *, normalised: bool = True, root: bool = False):
        super().__init__()
        self.encoder = _linear(64, 64, 32)
        self.form, self.normalised, self.root = form, normalised, root
        if form == "logit":
            self.head = nn.Linear(32, 1)

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        square = (a - b).square().sum(-1)
        return square.sqrt() if self.root else square

    def forward(self, *inputs: Tensor) -> Any:
        codes = [self.encoder(x) for x in inputs]
        if self.form == "distances":
            a, near, far = codes
            return self._distance(a, near), self._distance(a, far)
        a, b = codes
        if self.form == "logit":
            return self.head((a - b).abs())[:, 0]
        if self.normalised:
            a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True) / 0.2
        return a @ b.T


class TwoHeads(nn.Module):
    """One trunk, a label and a reconstruction."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*_linear(64, 64, 64), nn.ReLU())
        self.label = nn.Linear(64, 10)
        self.image = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(x)
        return self.label(x), self.image(x)


def _he(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return net


DENSE = more.nodes("dense")
_family(
    "gcn", "graph", "none", 2, partial(Graph, "gcn"), DENSE,
    Planted("dead", "dead", {"layers.0.bias": _is(-30)}),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
    Planted("head-x300", "output_scale", {"layers.1.weight": _times(300)}),
    steps=100,
)  # fmt: skip
_family("gcn-sparse", "graph", "none", 2, partial(Graph, "gcn"), more.nodes("sparse"), steps=100)
_family(
    "gcn-6", "graph", "none", 6, lambda: _he(Graph("gcn", 6)), DENSE,
    Planted("default", "vanishing", {"*.weight": _times(0.41)}),
    Planted("small", "vanishing", {"*.weight": _times(0.1)}),
    steps=100,
)  # fmt: skip
_family(
    "gcn-16", "graph", "none", 16, lambda: _he(Graph("gcn", 16)), DENSE,
    Planted("default", "vanishing", {"*.weight": _times(0.41)}),
    steps=80,
)  # fmt: skip
_family(
    "gat", "graph", "none", 2, partial(Graph, "gat"), DENSE,
    Planted("one-hot", "saturation", {"source.*": _times(300), "target.*": _times(300)}),
    Planted("constant", "symmetry", {"layers.*": _is(0.02)}),
    steps=80,
)  # fmt: skip
_family(
    "sage", "graph", "none", 3, lambda: _he(Graph("sage", 3)), DENSE,
    Planted("large", "exploding", {"layers.*.weight": _times(30)}),
    steps=100,
)  # fmt: skip
_family(
    "gin", "graph", "none", 3, partial(Graph, "gin", 3), DENSE,
    Planted("small", "vanishing", {"layers.*.weight": _times(0.03), "layers.*.bias": _is(0)}),
    steps=100,
)  # fmt: skip
_family(
    "scatter", "graph", "none", 2, partial(Graph, "scatter"), more.nodes("edges"),
    Planted("zero", "symmetry", {"layers.*": _is(0)}),
    steps=100,
)  # fmt: skip
_family(
    "deep-sets", "plain", "none", 4, partial(DeepSets, most=False), more.points(),
    Planted("members-constant", "symmetry", {"member.*": _is(0.1)}),
    Planted("dead", "dead", {"whole.0.bias": _is(-30)}),
    steps=250,
)  # fmt: skip
_family(
    "point-net", "plain", "none", 4, partial(DeepSets, most=True), more.points(),
    Planted("members-1e-4", "vanishing", {"member.*": _times(1e-4)}),
    steps=250,
)  # fmt: skip
_family(
    "embedding-bag", "plain", "none", 2, Bag, more.counted(),
    Planted("constant", "symmetry", {"*": _is(0.02)}),
    Planted("head-x300", "output_scale", {"head.weight": _times(300)}),
)  # fmt: skip
_family(
    "wide-deep", "plain", "none", 3, partial(WideDeep, 30, 2), more.table("breast cancer"),
    Planted("factors-std-3", "output_scale", {"factors": _normal(3)}),
    Planted("deep-dead", "dead", {"deep.2.bias": _is(-30)}),
)  # fmt: skip
_family(
    "wine-mlp", "plain", "none", 3, lambda: _linear(13, 32, 32, 3), more.table("wine"),
    Planted("small", "vanishing", {"*.weight": _times(0.01)}),
    Planted("saturated", "saturation", {"0.weight": _times(100), "2.weight": _times(100)},
            build=lambda: _linear(13, 32, 32, 3, act=nn.Tanh)),
)  # fmt: skip
_family(
    "hypernetwork", "plain", "none", 3, Hyper, classify(),
    Planted("maker-x100", "output_scale", {"maker.weight": _times(100)}),
    Planted("maker-zero", "symmetry", {"maker.*": _is(0)}),
)  # fmt: skip
_family(
    "info-nce", "plain", "none", 2, partial(Twins, "similarities"), more.views(),
    Planted("unnormalised-large", "output_scale", {"encoder.2.weight": _times(30)},
            build=partial(Twins, "similarities", normalised=False)),
    Planted("zero-norm", "nonfinite", {"encoder.2.*": _is(0)}),
    Planted("constant", "symmetry", {"encoder.*": _is(0.05)}),
)  # fmt: skip
_family(
    "triplet", "plain", "none", 2, partial(Twins, "distances"), more.triplets(),
    Planted("sqrt-of-zero", "nonfinite", {"encoder.*": _is(0)},
            build=partial(Twins, "distances", root=True)),
    Planted("small", "vanishing", {"encoder.*": _times(0.01)}),
)  # fmt: skip
_family(
    "siamese", "plain", "none", 3, partial(Twins, "logit"), more.pairs(),
    Planted("dead", "dead", {"encoder.0.bias": _is(-100)}),
    Planted("constant", "symmetry", {"encoder.*": _is(0.05)}),
    steps=300,
)  # fmt: skip
_family(
    "two-heads", "plain", "none", 3, TwoHeads, more.both(),
    Planted("one-head-x100", "output_scale", {"label.weight": _times(100)}),
    Planted("trunk-dead", "dead", {"trunk.2.bias": _is(-30)}),
)  # fmt: skip

# --- frozen, adapted, in few bits, in small batches --------------------------------------------


class Adapted(nn.Linear):
    """A frozen linear map and a low-rank change of it that starts at zero."""

    def __init__(self, before: int, after: int, rank: int = 4):
        super().__init__(before, after)
        self.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, before) / math.sqrt(before))
        self.b = nn.Parameter(torch.zeros(after, rank))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x @ self.a.T @ self.b.T


class Adapter(nn.Module):
    """A frozen layer and a bottleneck beside it, whose way up starts at zero."""

    def __init__(self, width: int):
        super().__init__()
        self.layer = nn.Linear(width, width).requires_grad_(False)
        self.down = nn.Linear(width, 8)
        self.up = nn.Linear(8, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.layer(x))
        return x + self.up(F.relu(self.down(x)))


def _lora() -> nn.Module:
    head = nn.Linear(64, 10)
    return nn.Sequential(Adapted(64, 64), nn.ReLU(), Adapted(64, 64), nn.ReLU(), head)


def _backbone() -> nn.Module:
    net = nn.Sequential(*_linear(64, 64, 64), nn.ReLU())
    return nn.Sequential(net.requires_grad_(False), nn.Linear(64, 10))


class Steady(nn.Module):
    """Convolutions whose BatchNorm stays in eval, as in finetuning."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(256, 10)

    def train(self, mode: bool = True) -> Steady:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.convs(x))


class Cast(nn.Module):
    """A body under autocast, or wholly in a type of few bits; logits in its type.

    Args:
        body: what runs.
        dtype: the type.
        automatic: parameters stay float32, and autocast picks what runs in the type.
    """

    def __init__(self, body: nn.Module, dtype: torch.dtype, *, automatic: bool = False):
        super().__init__()
        self.body = body if automatic else body.to(dtype)
        self.dtype, self.automatic = dtype, automatic

    def forward(self, x: Tensor) -> Tensor:
        if self.automatic:
            with torch.autocast("cpu", self.dtype):
                return self.body(x)
        return self.body(x.to(self.dtype))


class Distribution(nn.Module):
    """Log probabilities by hand: the log of a softmax, which may be zero."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _linear(64, 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).softmax(-1).log()


def _small_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


HALF, BRAIN = torch.float16, torch.bfloat16
_family(
    "lora-headed", "plain", "none", 3, _lora, classify(),
    Planted("both-zero", "symmetry", {"*.a": _is(0), "*.b": _is(0)}),
)  # fmt: skip
_family(
    "lora-only", "plain", "none", 2,
    lambda: nn.Sequential(Adapted(64, 64), nn.Tanh(), Adapted(64, 10)), classify(),
    Planted("both-zero", "symmetry", {"*.a": _is(0)}, ("*.a", "*.b")),
    Planted("a-constant", "symmetry", {"*.a": _is(0.1)}),
)  # fmt: skip
_family(
    "adapters", "plain", "none", 4,
    lambda: nn.Sequential(Adapter(64), Adapter(64), nn.Linear(64, 10).requires_grad_(False)),
    classify(),
    Planted("both-zero", "symmetry", {"*.down.*": _is(0), "*.up.weight": _is(0)}),
)  # fmt: skip
_family(
    "frozen-backbone", "plain", "none", 3, _backbone, classify(),
    Planted("backbone-dead", "dead", {"0.2.bias": _is(-30)}),
    Planted("backbone-small", "vanishing", {"0.*.weight": _times(0.01), "0.*.bias": _is(0)}),
    Planted("head-x100", "output_scale", {"1.weight": _times(100)}),
)  # fmt: skip
_family(
    "frozen-embedding", "plain", "none", 2, partial(Bag, frozen=True), more.counted(),
    Planted("embedding-zero", "symmetry", {"bag.weight": _is(0)}),
)  # fmt: skip
_family(
    "batchnorm-eval", "plain", "batch", 3, Steady, VIT,
    Planted("convs-small", "vanishing", {"convs.0.*": _times(1e-3), "convs.3.*": _times(0.01)}),
)  # fmt: skip
_family(
    "half-mlp", "plain", "none", 3, lambda: Cast(_linear(64, 64, 64, 10), HALF), classify(),
    Planted("overflow", "nonfinite",
            {"body.0.weight": _times(1000), "body.2.weight": _times(1000)}),
    Planted("underflow", "nonfinite",
            {"body.2.weight": _times(1e-4), "body.4.weight": _times(1e-3)}),
)  # fmt: skip
_family(
    "half-mlp-weighted", "plain", "none", 3, lambda: Cast(_linear(64, 64, 64, 10), HALF),
    more.weighted(classify(), 8.0),
    Planted("loss-x1e-6", "vanishing", {}, ("*",), rest={"task": more.weighted(classify(), 1e-6)}),
)  # fmt: skip
_family(
    "bf16-cnn", "plain", "none", 3, lambda: Cast(_small_cnn(), BRAIN), VIT,
    Planted("constant", "symmetry", {"*": _is(0.02)}), steps=80,
)  # fmt: skip
_family(
    "bf16-transformer", "attention", "layer", 10,
    lambda: Cast(_rows(last=nn.LayerNorm), BRAIN), ROWS,
    Planted("one-hot", "saturation", HARDER), steps=80,
)  # fmt: skip
_family(
    "autocast-mlp", "plain", "none", 3,
    lambda: Cast(_linear(64, 64, 64, 10), BRAIN, automatic=True), classify(),
    Planted("dead", "dead", {"body.2.bias": _is(-30)}),
)  # fmt: skip
_family(
    "double-mlp", "plain", "none", 3, lambda: _linear(64, 64, 64, 10).double(),
    classify(dtype=torch.float64),
    Planted("small", "vanishing", {"*.weight": _times(1e-4)}),
)  # fmt: skip
_family(
    "log-of-softmax", "plain", "none", 2, Distribution, classify(),
    Planted("log-of-zero", "nonfinite", {"body.2.weight": _times(2000)}),
)  # fmt: skip
_family(
    "mlp-of-one", "plain", "none", 3, lambda: _linear(64, 64, 64, 10), classify(),
    Planted("dead", "dead", {"2.bias": _is(-30)}), check_size=1,
)  # fmt: skip
_family(
    "transformer-of-one", "attention", "layer", 10, partial(_rows, last=nn.LayerNorm), ROWS,
    Planted("one-hot", "saturation", HARDER), check_size=1, steps=80,
)  # fmt: skip
_family(
    "lstm-of-two", "recurrent", "none", 9, lambda: Reader(_lstm(), 48), ROWS,
    Planted("zero", "symmetry", {"*": _is(0)}), check_size=2,
)  # fmt: skip
_family(
    "diabetes-mlp", "plain", "none", 3, lambda: _linear(10, 32, 32, 1), regress(),
    Planted("raw-targets", "output_scale", {}, ("4*",), rest={"task": regress(standardised=False)}),
)  # fmt: skip

_family(
    "hf-blip", "attention", "layer", 12, partial(Seeing, 0.02), VIT,
    Planted("default-init", "vanishing", {}, ("body.*",), Seeing), steps=200,
)  # fmt: skip

_family(
    "hf-efficientnet", "residual", "batch", 20, partial(Efficient, he=True), classify(3, 32, 32),
    Planted("default-init", "vanishing", {}, ("body.*",), partial(Efficient, he=False)), steps=100,
)  # fmt: skip

CASES: tuple[Case, ...] = tuple(_CASES)
