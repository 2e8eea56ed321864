"""A plan by the roles that parameters play: what it draws, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import attrs

from fanin import schemes
from fanin.guide.chooser.cases import Case
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.schemes import Scheme

_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_MEASURED: Final = re.compile(r"; times ([-+.e0-9]+), as measured$")
_NAME: Final = re.compile(r"'[^']*'")
_SQUARES: Final = 12
"""Gains whose square is a fraction of so small a denominator are said as roots."""

# What the last two parts of a name say, in the networks of the chooser.
_ROLES: Final = (
    (r"stem\.tokens\.weight", "tokens"),
    (r"stem\.positions(\.weight)?", "positions"),
    (r"stem\.token", "class token"),
    (r".*\.lora_A\.weight", "adapter A"),
    (r".*\.lora_B\.weight", "adapter B"),
    (r".*\.weight_ih_l\d+", "input weight"),
    (r".*\.weight_hh_l\d+", "recurrent weight"),
    (r"head\.weight", "head"),
    (r"head\.bias", "head bias"),
    (r"stem\.weight\.weight", "input weight"),
    (r".*\.(query|key)\.weight", "query, key"),
    (r".*\.value\.weight", "value"),
    (r".*\.output\.weight", "attention output"),
    (r".*\.down\.weight", "last of branch"),
    (r".*\.up\.weight", "first of branch"),
    (r".*\.gate\.weight", "gate"),
    (r"(.*\.)?(norm|\w+_norm|norm\.0)\.weight", "norm scale"),
    (r"(.*\.)?(norm|\w+_norm|norm\.0)\.bias", "norm shift"),
    (r".*\.weight\.weight", "hidden weight"),
    (r".*bias(_\wh_l\d+)?", "bias"),
)


def role(case: Case, name: str) -> str:
    """What a parameter of a case's network is for.

    Raises:
        KeyError: it is of no such network.
    """
    if case.architecture == "autoencoder" and name == "layers.0.weight.weight":
        return "input weight"
    if case.architecture in {"lstm", "gru"} and ".bias_ih_" in name:
        return "gate bias"
    for pattern, found in _ROLES:
        if re.fullmatch(pattern, name):
            return found
    raise KeyError(name)


@attrs.frozen
class Part:
    """Parameters of one role that are drawn by one rule.

    Args:
        role: what they are for.
        rows: those of the plan.
    """

    role: str
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(row.parameter for row in self.rows)

    @property
    def scheme(self) -> str:
        """The name of the scheme, without the factors that scale it."""
        return str(getattr(base(self.rows[0].scheme), "name", base(self.rows[0].scheme)))

    @property
    def stds(self) -> tuple[float, float]:
        """The least and the greatest standard deviation of one element."""
        found = [row.std for row in self.rows]
        return min(found), max(found)

    @property
    def gains(self) -> tuple[float, float] | None:
        """The least and the greatest std times sqrt(fan_in); None for what is no weight."""
        found = [
            row.std * math.sqrt(row.layout.fan_in)
            for row in self.rows
            if row.layout is not None and row.layout.op != "embedding"
        ]
        return (min(found), max(found)) if found else None

    @property
    def law(self) -> str:
        """What is drawn, in a few words: "orthogonal, std = sqrt(2 / fan_in)"."""
        return law(self.rows)

    @property
    def reason(self) -> str:
        """One sentence, without what was measured."""
        return _MEASURED.sub("", self.rows[0].reason)

    @property
    def measured(self) -> tuple[float, float] | None:
        """The factors that a measurement added, from the least to the greatest."""
        found = [_MEASURED.search(row.reason) for row in self.rows]
        if not any(found):
            return None
        factors = [float(one[1]) if one else 1.0 for one in found]
        return min(factors), max(factors)

    @property
    def source(self) -> str:
        """Where the rule comes from."""
        return self.rows[0].source

    @property
    def is_plain(self) -> bool:
        """Biases of 0, norms of 1 and 0: what nobody asks about."""
        usual = {"norm scale": "ones", "norm shift": "zeros", "bias": "zeros", "head bias": "zeros"}
        return usual.get(self.role) == self.scheme

    def to_dict(self) -> dict[str, Any]:
        """All that is said of it."""
        return {
            "role": self.role,
            "parameters": list(self.parameters),
            "scheme": self.scheme,
            "exact": repr(self.rows[0].scheme),
            "law": self.law,
            "std": list(self.stds),
            "gain": None if self.gains is None else list(self.gains),
            "measured": None if self.measured is None else list(self.measured),
            "reason": self.reason,
            "source": self.source,
        }


def parts_of(case: Case, plan: Plan) -> tuple[Part, ...]:
    """The rows of a plan for a case's network, by role and rule, in the model's order."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in plan.rows:
        text = _NAME.sub("#", _NUMBER.sub("#", _MEASURED.sub("", row.reason)))
        key = (role(case, row.parameter), str(getattr(base(row.scheme), "name", "")), text)
        found.setdefault(key, []).append(row)
    made = [Part(key[0], tuple(rows)) for key, rows in found.items()]
    return tuple(sorted(made, key=lambda part: part.is_plain))


def base(scheme: Scheme) -> Scheme:
    """A scheme without the factors that scale it."""
    while isinstance(scheme, schemes.scaled):
        scheme = scheme.base
    return scheme


def law(rows: Sequence[Row]) -> str:
    """What some rows of one scheme draw, in a few words."""
    row, plain = rows[0], base(rows[0].scheme)
    name = str(getattr(plain, "name", plain))
    if isinstance(plain, schemes.zeros | schemes.ones):
        return "0" if isinstance(plain, schemes.zeros) else "1"
    if isinstance(plain, schemes.constant):
        return f"{plain.value:.4g}"
    if isinstance(plain, schemes.identity | schemes.given):
        return name
    if isinstance(plain, schemes.chrono_bias):
        return f"chrono_bias of {plain.steps:g} steps"
    if isinstance(plain, schemes.blocks):
        return ", ".join(law([replace(row, scheme=one)]) for one in plain.schemes) + " by gate"
    if isinstance(plain, schemes.siren):
        return "siren, bound = 1 / fan_in" if plain.first else (
            f"siren, bound = sqrt(6 / fan_in) / {plain.w0:g}"
        )  # fmt: skip
    if row.layout is None or row.layout.op == "embedding":
        return f"{name}, std = {span(*_ends([one.std for one in rows]))}"
    gains = [one.std * math.sqrt(one.layout.fan_in) for one in rows if one.layout is not None]
    low, high = _ends(gains)
    if math.isclose(low, high, rel_tol=1e-3):
        return f"{name}, std = {over_root(low)}"
    return f"{name}, std = {span(low, high)} / sqrt(fan_in)"


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def span(low: float, high: float) -> str:
    """Two numbers as one text, as one number where they read alike."""
    first, last = f"{low:.3g}", f"{high:.3g}"
    return first if first == last else f"{first}..{last}"


def over_root(gain: float) -> str:
    """A gain over sqrt(fan_in): "sqrt(2 / fan_in)" where its square is a small fraction."""
    square = Fraction(gain * gain).limit_denominator(_SQUARES)
    if square and math.isclose(float(square), gain * gain, rel_tol=1e-6):
        if square == 1:
            return "1 / sqrt(fan_in)"
        if square.denominator == 1:
            return f"sqrt({square.numerator} / fan_in)"
    return f"{gain:.4g} / sqrt(fan_in)"
