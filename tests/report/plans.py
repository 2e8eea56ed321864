"""Plans written by hand: no model runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fanin import schemes
from fanin.fans import linear
from fanin.recipes import Plan, Row
from tests.report.observations import HOSTILE

SOURCE = "Radford et al. Language models are unsupervised multitask learners. 2019. 2.3"
OTHER = "Xiong et al. On layer normalization. 2020. arXiv:2002.04745"
BIAS = "a bias needs no random start: the weights tell the units apart"


def weight(name: str, std: float = 0.02, **known: Any) -> Row:
    known = {"predicted": 1.0, "measured": 1.04, "gradient": 1e-3, "source": SOURCE, **known}
    reason = known.pop("reason", "N(0, 0.02) as in GPT-2")
    return Row(name, (64, 32), schemes.normal(std=std), reason, linear((64, 32)), **known)


def bias(name: str) -> Row:
    return Row(name, (64,), schemes.zeros(), BIAS)


def stacked(blocks: int = 12) -> Plan:
    """A stack of equal blocks; the gradient falls along depth."""
    rows = [weight("wte.weight", predicted=0.02, measured=0.02, padding_index=0)]
    last = 0.02 / math.sqrt(2 * blocks)
    for block in range(blocks):
        back = {"gradient": 1e-3 * 1.5**-block}
        rows += [
            Row(f"h.{block}.ln.weight", (32,), schemes.ones(), "a norm starts plain"),
            weight(f"h.{block}.up.weight", measured=1.0 + 0.01 * block, **back),
            bias(f"h.{block}.up.bias"),
            weight(
                f"h.{block}.down.weight", last, source=OTHER, **back,
                reason=f"one of {blocks} branches: its last weight is divided by sqrt({blocks})",
            ),
        ]  # fmt: skip
    return Plan("gpt2", tuple(rows), source=SOURCE)


def measured() -> Plan:
    """Each layer by its own factor, for one seed."""
    rows = tuple(
        Row(
            f"layers.{i}.weight", (64, 64), schemes.scaled(schemes.orthogonal(), 1 + i / 7),
            f"orthogonal times {1 + i / 7:.4g}, as measured", linear((64, 64)),
            source=OTHER, measured=1.0,
        )
        for i in range(5)
    )  # fmt: skip
    return Plan("lsuv", rows, seed=3, source=OTHER)


def factors() -> Plan:
    """Of a muP: rates and decay by width."""
    rows = (
        weight("in.weight", learning_rate=1.0),
        weight("hidden.weight", learning_rate=0.25, weight_decay=4.0),
        bias("hidden.bias"),
    )
    return Plan("mup(base=8)", rows, kept=("scale",), source=OTHER)


def partial() -> Plan:
    """Much is not known."""
    names = (*(f"h.{i}.odd" for i in range(30)), "strange.weight")
    return Plan(
        "he_normal()", (weight("head.weight", measured=None, gradient=None),),
        kept=tuple(f"frozen.{name}" for name in "abcdefghijkl"), unmatched=names,
        notes=("The multiplier of the skip is 1, and the recipe asks for 1.86.",),
    )  # fmt: skip


def hostile() -> Plan:
    """Names that are markup for browsers and terminals, and numbers that are none."""
    numbers: Sequence[tuple[float | None, ...]] = (
        (math.nan, math.inf, 0.0), (0.0, math.nan, math.inf), (1e-300, 1e300, 5e-324),
        (None, None, math.nan),
    )  # fmt: skip
    rows = tuple(
        weight(
            f"{place}{HOSTILE}", predicted=one, measured=two, gradient=three,
            reason=f"because of {HOSTILE} {'x' * 300}", source=HOSTILE,
        )
        for place, (one, two, three) in zip("abcd", numbers, strict=True)
    )  # fmt: skip
    return Plan(
        HOSTILE, rows, kept=(f"k{HOSTILE}",), unmatched=(f"u{HOSTILE}", "x" * 300),
        notes=(HOSTILE,), source=HOSTILE,
    )  # fmt: skip


def empty() -> Plan:
    return Plan("remedy", (), kept=("0.weight",))
