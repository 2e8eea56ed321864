"""The scheme of each weight, and the scale that its signal is to have."""

from __future__ import annotations

import math
from functools import cached_property

import attrs

from fanin.fans import Layout
from fanin.observation.records import Branch, Use
from fanin.recipes.prescribing.chains import Chains, Link
from fanin.recipes.prescribing.outputs import Outputs
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.heads import goes_on
from fanin.recipes.reading.ways import Ways
from fanin.schemes import (
    Scheme,
    he_normal,
    identity,
    lecun_normal,
    looks_linear,
    normal,
    orthogonal,
    scaled,
    siren,
    variance_scaling,
)
from fanin.schemes.wrappers import Place

_DEEP = 10
"""From so many weights on, a chain is said to be deep."""

_LARGEST_ORTHOGONAL = 2**19
"""Elements; wider weights are near enough to orthogonal, and a factorization costs passes."""

_SCALE_FREE = 0.3
"""Gain of a weight before a norm: only the ratio of a step to the weight counts, and smaller
weights learn sooner at the same rate (benchmarks/recommend)."""

_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})

_PERIODS = 25.0
"""Sensitivity of a function that runs through several periods: sin(w z) has w^2 / 2 and more."""


@attrs.frozen
class Prescription:
    """What a weight is to be.

    Args:
        scheme: draws it.
        reason: one sentence.
        source: of the rule.
        target: RMS that its signal is to have; None where it is left to the scheme.
    """

    scheme: Scheme
    reason: str
    source: str
    target: float | None = None


class Weights:
    """Prescribes weights and tables.

    Args:
        anatomy: of the model.
        outputs: what is known of the loss.
    """

    def __init__(self, anatomy: Anatomy, outputs: Outputs) -> None:
        self._anatomy = anatomy
        self._outputs = outputs
        self._links = Chains(anatomy).links
        self._last = anatomy.last_weights()
        self._ways = Ways(anatomy.observation)
        self._training = anatomy.observation.training

    def weight(self, use: Use) -> Prescription:
        """Of a weight."""
        layout = use.layout
        assert layout is not None  # noqa: S101 - a weight of known layout
        if use.op.removesuffix("_cell") in _RECURRENT:
            return self._recurrent(use)
        if use.parameter in self._last:  # also of a block that is run several times
            return self._last_of_branch(use)
        if use.recurrent and use.calls > 1 and layout.shape[0] == layout.shape[-1]:
            return self._state(use)
        if use.feeds_output and not goes_on(self._anatomy, use):
            return self._head(use, layout)
        link = self._links.get(use.parameter)
        if link is not None:
            return self._linked(use, layout, link)
        return self._inner(use, layout)

    def table(self, use: Use) -> Prescription:
        """Of a table that is looked up."""
        width = int(self._anatomy.parameters[use.parameter].shape[-1])
        if use.parameter in self._tied:
            return Prescription(
                normal(std=1 / math.sqrt(width)),
                f"a table that is also the head of width {width}: std 1/sqrt({width}) gives "
                "scores of RMS 1",
                _T5,
            )
        beside = self._tied_beside(use)
        if beside is not None:
            return Prescription(
                normal(std=1 / math.sqrt(width)),
                f"it is added to {beside}, which is also the head: of the same scale",
                _T5,
            )
        bag = use.op == "embedding_bag"
        return Prescription(
            normal(std=1.0),
            "rows of a table are the signal itself: RMS 1" + (" in their mean" if bag else ""),
            _TABLE,
            1.0 if bag else None,
        )

    @cached_property
    def _tied(self) -> frozenset[str]:
        """Tables that are heads too."""
        tables = self._anatomy.of(Part.TABLE, Part.WEIGHT)
        return frozenset(
            name for name in tables
            if {"weight", "table"} <= {one.role for one in self._anatomy.uses_of(name)}
        )  # fmt: skip

    def _tied_beside(self, use: Use) -> str | None:
        """The tied table that a table is added to, if there is one."""
        joins = {one.at for one in use.regions if one.ends == "join"}
        for name in self._tied:
            for other in self._anatomy.uses_of(name):
                if other.role == "table" and joins & self._joins_after(other.signal):
                    return name
        return None

    def _joins_after(self, name: str | None) -> frozenset[str]:
        """The joins that a step reaches through nothing but joins."""
        found: set[str] = set()
        stack = [] if name is None else [name]
        while stack:
            for after in self._ways.after.get(stack.pop(), ()):
                step = self._ways.steps.get(after)
                if step is not None and step.kind == "join" and after not in found:
                    found.add(after)
                    stack.append(after)
        return frozenset(found)

    def _scale_of_stream(self, branch: Branch) -> float:
        """RMS of the signal that the branches of a stream are added to, at its start."""
        first = next(stream for stream in self._anatomy.streams if branch in stream)[0]
        stack, seen, tables = [first.start], set(), []
        while stack:
            at = stack.pop()
            step = self._ways.steps.get(at)
            if at in seen or step is None:
                continue
            seen.add(at)
            if step.kind in {"weight", "norm"}:
                tied = [name for name in step.parameters if name in self._tied]
                if not tied or step.kind == "norm":
                    return 1.0
                tables.append(1 / math.sqrt(self._anatomy.parameters[tied[0]].shape[-1]))
                continue
            stack.extend(self._ways.before.get(at, ()))
        return max(tables, default=1.0)

    # What a weight may be

    def _recurrent(self, use: Use) -> Prescription:
        own = use.parameter.rpartition(".")[2]
        if own.startswith("weight_hh"):
            if use.op == "rnn_relu":
                return Prescription(
                    identity(), "the state of a ReLU network is kept as it is", _IRNN
                )
            return Prescription(
                orthogonal(), "a state that is fed back keeps its norm, gate by gate", _SAXE
            )
        if own.startswith("weight_hr"):
            return Prescription(lecun_normal(), "keeps the second moment of the state", _LECUN)
        if use.op == "rnn_relu" and use.time_steps:
            return Prescription(
                scaled(lecun_normal(), 1 / math.sqrt(use.time_steps)),
                f"what {use.time_steps} steps add to a state that is kept sums to RMS 1",
                _IRNN,
            )
        return Prescription(lecun_normal(), "each gate reads its input at second moment 1", _LECUN)

    def _state(self, use: Use) -> Prescription:
        """Of a recurrent network written by hand."""
        # The first step reads an empty state: what its function is shows at the next ones.
        sources = [one.source for one in self._anatomy.uses_of(use.parameter)]
        if any(one and one.gain and math.isclose(one.gain, math.sqrt(2)) for one in sources):
            return Prescription(identity(), "the state of a ReLU network is kept as it is", _IRNN)
        return Prescription(orthogonal(), "a state that is fed back keeps its norm", _SAXE)

    def _last_of_branch(self, use: Use) -> Prescription:
        branch = self._last[use.parameter]
        number = self._anatomy.depth_of(branch)
        base, _ = self._base(use)
        if self._is_normed(use):
            return self._scale_free(use)
        factor = self._scale_of_stream(branch) / math.sqrt(number)
        return Prescription(
            scaled(base, factor) if factor != 1 else base,
            f"last weight of one of {number} branches: over sqrt({number}), so that their sum "
            "adds as much as one",
            _GPT2,
            None if use.attention else factor,
        )

    def _head(self, use: Use, layout: Layout) -> Prescription:
        scale, said, source = self._outputs.scale(use)
        link = self._links.get(use.parameter)
        if link is not None and link.reads_pairs:
            base = self._mirrored(use, layout, link, scale).scheme
        else:
            base, _ = self._base(use)
        return Prescription(scaled(base, scale) if scale != 1 else base, said, source, scale)

    def _linked(self, use: Use, layout: Layout, link: Link) -> Prescription:
        chi = self._sensitivity(use)
        if chi is not None and chi > _PERIODS:
            return self._sine(use, chi)
        target = math.sqrt(link.q)
        if link.reads_pairs or link.writes_pairs:
            return self._mirrored(use, layout, link, target)
        said = self._said(use, link.gain)
        if link.length >= _DEEP:
            said = (
                f"one of {link.length} weights in a row{_after(use)}: all directions keep their "
                f"scale, at signals of RMS {target:.3g}"
            )
        return Prescription(_drawn(layout, link.gain), said, _of(link.gain), target)

    def _mirrored(self, use: Use, layout: Layout, link: Link, target: float) -> Prescription:
        place: Place = (
            "hidden" if link.reads_pairs and link.writes_pairs
            else "first" if link.writes_pairs else "last"
        )  # fmt: skip
        taps = math.prod(layout.shape) / (
            layout.shape[layout.out_axes[0]] * layout.shape[layout.in_axes[0]]
        )
        base: Scheme
        if taps == 1:
            out, into = layout.shape[layout.out_axes[0]], layout.shape[layout.in_axes[0]]
            rows = out / 2 if link.writes_pairs else out
            columns = into / 2 if link.reads_pairs else into
            base = orthogonal(link.gain * math.sqrt(max(1.0, rows / columns)))
        else:
            base = variance_scaling(link.gain**2, "fan_in", "normal")
        return Prescription(
            looks_linear(place, base),
            f"one of {link.length} weights in a row{_after(use)}: units in pairs of opposite "
            "sign start as the odd part of that function, which keeps signals and gradients",
            looks_linear.citation,
            target,
        )

    def _sine(self, use: Use, chi: float) -> Prescription:
        w0 = round(math.sqrt(chi), 2)
        first = use.source is not None and use.source.kind == "input"
        # Of a head nothing follows that has a frequency; its input's counts.
        return Prescription(
            siren(w0=w0, first=first),
            f"before sin({w0:g} z): "
            + ("inputs are spread over several periods" if first else "w0 z stays near N(0, 1)"),
            siren.citation,
        )

    def _inner(self, use: Use, layout: Layout) -> Prescription:
        chi = self._sensitivity(use)
        if chi is not None and chi > _PERIODS:
            return self._sine(use, chi)
        base, said = self._base(use)
        if self._is_normed(use):
            return self._scale_free(use)
        gain = self._gain(use)
        return Prescription(base, said, _of(gain), None if use.attention == "output" else 1.0)

    def _scale_free(self, use: Use) -> Prescription:
        assert use.layout is not None  # noqa: S101 - a weight of known layout
        return Prescription(
            _drawn(use.layout, _SCALE_FREE),
            f"scale-free: the norm behind it divides its scale out; at gain {_SCALE_FREE:g} a step "
            "turns it further than at 1",
            _LAARHOVEN,
        )

    # Facts

    def _base(self, use: Use) -> tuple[Scheme, str]:
        gain = self._gain(use)
        assert use.layout is not None  # noqa: S101 - a weight of known layout
        return _drawn(use.layout, gain), self._said(use, gain)

    def _gain(self, use: Use) -> float:
        return use.source.gain if use.source is not None and use.source.gain else 1.0

    def _said(self, use: Use, gain: float) -> str:
        return f"keeps the second moment{_after(use)} (gain {gain:.4g})"

    def _is_normed(self, use: Use) -> bool:
        """Everything that it puts out goes into a norm, which divides its scale out.

        Batch norm in evaluation mode divides by what it remembers.
        """
        if use.norm_after is not None and use.norm_after.op == "batch_norm" and not self._training:
            return False
        return bool(use.regions) and all(one.ends == "norm" and not one.ops for one in use.regions)

    def _sensitivity(self, use: Use) -> float | None:
        """Of what follows, to a signal of RMS 1."""
        answers = [one.responses for one in use.regions]
        return answers[0][0].sensitivity if len(answers) == 1 and answers[0] else None


def _after(use: Use) -> str:
    ops = use.source.ops if use.source is not None else ()
    if ops:
        return f" after {', '.join(ops)}"
    kind = use.source.kind if use.source is not None else ""
    said = {"input": "the input", "norm": "a norm", "softmax": "an attention", "pool": "a pooling"}
    return f" of {said[kind]}" if kind in said else ""


def _drawn(layout: Layout, gain: float) -> Scheme:
    """Orthogonal at that gain, where the width leaves noise that it takes out, else normal.

    The standard deviation is gain / sqrt(fan_in) either way.
    """
    plain = not layout.batch_axes and layout.groups == 1 and layout.out_axes and layout.in_axes
    if not plain or math.prod(layout.shape) > _LARGEST_ORTHOGONAL:
        return _scheme(gain)
    taps = layout.fan_in * layout.shape[layout.out_axes[0]] / math.prod(layout.shape)
    if not math.isclose(taps, 1.0):
        return _scheme(gain)  # strides or pooling divide what is summed
    outputs = max(layout.blocks, default=layout.shape[layout.out_axes[0]])
    return orthogonal(gain * math.sqrt(max(1.0, outputs / layout.fan_in)))


def _scheme(gain: float) -> Scheme:
    if math.isclose(gain, math.sqrt(2), rel_tol=1e-6):
        return he_normal()
    if math.isclose(gain, 1.0, rel_tol=1e-6):
        return lecun_normal()
    return variance_scaling(gain * gain, "fan_in", "normal")


def _of(gain: float) -> str:
    return he_normal.citation if not math.isclose(gain, 1.0) else _LECUN


_LECUN = "LeCun, Bottou, Orr, Mueller. Efficient BackProp. 1998. Section 4.6"
_SAXE = orthogonal.citation
_GPT2 = "Radford et al. Language models are unsupervised multitask learners. 2019. Section 2.3"
_LAARHOVEN = (
    "van Laarhoven. L2 regularization versus batch and weight normalization. 2017. arXiv:1706.05350"
)
_IRNN = (
    "Le, Jaitly, Hinton. A simple way to initialize recurrent networks of rectified linear units. "
    "2015. arXiv:1504.00941"
)
_TABLE = "PyTorch, torch.nn.Embedding: N(0, 1)"
_T5 = "Raffel et al. Exploring the limits of transfer learning. JMLR 2020. arXiv:1910.10683"
