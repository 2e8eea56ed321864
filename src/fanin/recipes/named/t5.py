"""T5."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.records import Use
from fanin.observation.tracing import Scores, Trace, trace
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.packed_values import roles
from fanin.recipes.reading.residual import some
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import normal

_CLOSE = 0.01


@attrs.frozen(repr=False)
class t5(ObservedRecipe):
    """N(0, fan_in^-1/2) on weights, N(0, 1) on tokens, and queries that make up for their heads.

    T5 does not divide its logits q.k by sqrt(d_kv): its queries start with (d d_kv)^-1/2
    instead. Whether the model divides is read from the pass, and the queries are scaled for
    what is missing. Tables of positions that go into logits have d^-1/2, with d the width of
    the stream. Biases 0, norms 1 and 0.

    A head that shares the table of tokens needs its input times d^-1/2 in forward code; where
    the pass shows no such factor, the plan's notes say so.

    Raises:
        ModelError: from ``plan``: the model has no attention, or a weight makes queries and
            others in one tensor while the logits are not divided.

    References:
        Raffel et al., 2019, arXiv:1910.10683; the numbers are those of Mesh TensorFlow's code,
        as in T5PreTrainedModel._init_weights of Hugging Face.
    """

    name = "t5"
    rule = "N(0, fan_in^-1/2), tokens N(0, 1), queries N(0, (d d_kv)^-1/2)"
    use = "transformers whose logits of attention are not divided by sqrt(d_kv)"
    citation = (
        "Raffel, Shazeer, Roberts, Lee, Narang, Matena, Zhou, Li, Liu. Exploring the limits of "
        "transfer learning. JMLR 2020. arXiv:1910.10683. Mesh TensorFlow's code"
    )

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        self.require_inputs(inputs)
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        if not any(use.attention for use in anatomy.weights):
            raise ModelError(
                f"recipe 't5' is for transformers, and {type(model).__name__} has no attention. "
                "Take 'lecun_normal', which has T5's N(0, fan_in^-1/2) on every weight"
            )
        rows = _rows(anatomy, trace(model, inputs), self.citation)
        return anatomy.planned(str(self), rows, self.citation, _notes(anatomy))


def _rows(anatomy: Anatomy, traced: Trace, source: str) -> Iterable[Row]:
    width = _width(anatomy)

    def weight(use: Use) -> Choice:
        fan_in = 1.0 if use.fan_in is None else use.fan_in
        std = 1 / math.sqrt(fan_in)
        scores = traced.scores.get(use.parameter)
        if scores is not None and "query" in roles(anatomy, use.parameter):
            missing = _missing(scores)
            if abs(missing - 1) > _CLOSE:
                if roles(anatomy, use.parameter) != {"query"}:
                    raise ModelError(
                        f"recipe 't5' scales queries by d_kv^-1/2 = {missing:.4g}, for the logits "
                        f"are not divided, and {use.parameter!r} makes "
                        f"{' and '.join(sorted(roles(anatomy, use.parameter)))} in one tensor. "
                        "Give queries a weight of their own, or divide the logits by sqrt(d_kv)"
                    )
                reason = (
                    f"(d d_kv)^-1/2 with d {fan_in:g}, d_kv {scores.width}: its logits are not "
                    "divided by sqrt(d_kv)"
                )
                return normal(std=std * missing), reason
        return normal(std=std), f"fan_in^-1/2, fan_in {fan_in:g}"

    def table(use: Use) -> Choice:
        ways = anatomy.residual.ways
        starts = [stream[0].start for stream in anatomy.streams]
        if any(use.signal in ways.sources(start) for start in starts):
            return normal(std=1.0), "N(0, 1) for what a stream starts with, as in T5"
        return normal(std=1 / math.sqrt(width)), f"d^-1/2, d {width:g}, for positions as in T5"

    def signal(_: Use) -> Choice:
        return normal(std=1.0), "N(0, 1) beside tokens of N(0, 1)"

    return anatomy.rows(weight, table=table, signal=signal, source=source)


def _missing(scores: Scores) -> float:
    """What forward code leaves to the queries of the factor d_kv^-1/2."""
    return 1 / (math.sqrt(scores.width) * scores.factor)


def _width(anatomy: Anatomy) -> float:
    """Of the stream: what the queries read."""
    return next(
        use.fan_in
        for use in anatomy.weights
        if "query" in (use.attention or "") and use.fan_in is not None
    )


def _notes(anatomy: Anatomy) -> Iterable[str]:
    for name in anatomy.parameters:
        uses = anatomy.uses_of(name)
        heads = [use for use in uses if use.role == "weight" and use.feeds_output]
        if not heads or not any(use.role == "table" for use in uses):
            continue
        head = heads[0]
        factor = 1 / math.sqrt(head.fan_in or 1.0)
        gain = None if head.source is None else head.source.gain
        if gain is None or abs(gain * factor - 1) > _CLOSE:
            yield (
                f"{some([repr(name)])} is also the head: multiply what it reads by d^-1/2 = "
                f"{factor:.4g} in forward code, as T5 does, or its logits start with a standard "
                f"deviation of about {1 / factor:.3g}"
            )
