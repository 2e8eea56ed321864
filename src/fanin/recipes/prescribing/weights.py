"""The scheme of each weight, and the scale that its signal is to have."""

from __future__ import annotations

import math

from fanin.fans import Layout
from fanin.observation.records import Use
from fanin.recipes.prescribing.chains import Chains, Link
from fanin.recipes.prescribing.outputs import Outputs
from fanin.recipes.prescribing.prescription import (
    Prescription,
    after,
    drawn,
    source_of,
)
from fanin.recipes.prescribing.recurrence import RECURRENT, of_recurrent_layer, of_state
from fanin.recipes.prescribing.tables import Tables
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.heads import goes_on
from fanin.recipes.reading.ways import Ways
from fanin.schemes import (
    Scheme,
    looks_linear,
    orthogonal,
    scaled,
    siren,
    variance_scaling,
)
from fanin.schemes.wrappers import Place

_DEEP = 10
"""From so many weights on, a chain is said to be deep."""

_SCALE_FREE = 0.3
"""Gain of a weight before a norm: only the ratio of a step to the weight counts, and smaller
weights learn sooner at the same rate (benchmarks/recommend)."""

_SUM_OF_BRANCHES = 1.5
"""RMS of what all branches of a stream add, over that of the stream (benchmarks/recommend)."""

_PERIODS = 25.0
"""Sensitivity of a function that runs through several periods: sin(w z) has w^2 / 2 and more."""


class Weights:
    """Prescribes weights.

    Args:
        anatomy: of the model.
        outputs: what is known of the loss.
    """

    def __init__(self, anatomy: Anatomy, outputs: Outputs) -> None:
        self._anatomy = anatomy
        self._outputs = outputs
        self._links = Chains(anatomy).links
        self._last = anatomy.last_weights()
        self._tables = Tables(anatomy)
        self._ways = Ways(anatomy.observation)
        self._training = anatomy.observation.training

    def weight(self, use: Use) -> Prescription:
        """Of a weight."""
        layout = use.layout
        assert layout is not None  # noqa: S101 - a weight of known layout
        if use.op.removesuffix("_cell") in RECURRENT:
            return of_recurrent_layer(use)
        if use.parameter in self._last:  # also of a block that is run several times
            return self._last_of_branch(use)
        if use.recurrent and use.calls > 1 and layout.shape[0] == layout.shape[-1]:
            return of_state(self._anatomy, use)
        if use.feeds_output and not goes_on(self._anatomy, use):
            return self._head(use, layout)
        link = self._links.get(use.parameter)
        if link is not None:
            return self._linked(use, layout, link)
        return self._inner(use, layout)

    # What a weight may be

    def _last_of_branch(self, use: Use) -> Prescription:
        branch = self._last[use.parameter]
        number = self._anatomy.depth_of(branch)
        base, _ = self._base(use)
        if self._is_normed(use):
            return self._scale_free(use)
        stream = self._tables.stream_of(branch)
        # Rows of a table are all that is known of a token: branches are not to drown them. What a
        # block that runs several times adds is alike each time, and sums to more.
        is_small = stream.of_table or stream.is_normed or use.calls > 1
        total = 1.0 if is_small else _SUM_OF_BRANCHES
        factor = min(1.0, total / math.sqrt(number))
        adds = f"adds {total:g} times as much as the signal that they are added to"
        said = (
            f"last weight of one of {number} branches: times {factor:.3g}, so that their sum {adds}"
        )
        if factor == 1.0:
            said = f"last weight of one of {number} branches, too few to be scaled down"
        factor *= stream.scale
        return Prescription(
            scaled(base, factor) if factor != 1 else base, said, _GPT2,
            None if use.attention else factor,
        )  # fmt: skip

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
                f"one of {link.length} weights in a row{after(use)}: all directions keep their "
                f"scale, at signals of RMS {target:.3g}"
            )
        return Prescription(drawn(layout, link.gain), said, source_of(link.gain), target)

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
            f"one of {link.length} weights in a row{after(use)}: units in pairs of opposite "
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
        return Prescription(base, said, source_of(gain), None if use.attention == "output" else 1.0)

    def _scale_free(self, use: Use) -> Prescription:
        assert use.layout is not None  # noqa: S101 - a weight of known layout
        return Prescription(
            drawn(use.layout, _SCALE_FREE),
            f"scale-free: the norm behind it divides its scale out; at gain {_SCALE_FREE:g} a step "
            "turns it further than at 1",
            _LAARHOVEN,
        )

    # Facts

    def _base(self, use: Use) -> tuple[Scheme, str]:
        gain = self._gain(use)
        assert use.layout is not None  # noqa: S101 - a weight of known layout
        return drawn(use.layout, gain), self._said(use, gain)

    def _gain(self, use: Use) -> float:
        return use.source.gain if use.source is not None and use.source.gain else 1.0

    def _said(self, use: Use, gain: float) -> str:
        return f"keeps the second moment{after(use)} (gain {gain:.4g})"

    def _is_normed(self, use: Use) -> bool:
        """Everything that it puts out goes into a norm, which divides its scale out.

        Batch norm in evaluation mode divides by what it remembers.
        """
        if use.norm_after is not None and use.norm_after.op == "batch_norm" and not self._training:
            return False
        after = self._ways.after.get(use.signal or "", ())
        kinds = {self._ways.steps[name].kind for name in after if name in self._ways.steps}
        # A region tells of one way on where several start from the same numbers.
        return kinds == {"norm"} and all(one.ends == "norm" and not one.ops for one in use.regions)

    def _sensitivity(self, use: Use) -> float | None:
        """Of what follows, to a signal of RMS 1."""
        answers = [one.responses for one in use.regions]
        return answers[0][0].sensitivity if len(answers) == 1 and answers[0] else None


_GPT2 = "Radford et al. Language models are unsupervised multitask learners. 2019. Section 2.3"
_LAARHOVEN = (
    "van Laarhoven. L2 regularization versus batch and weight normalization. 2017. arXiv:1706.05350"
)
