"""One kind of fault a module: each reads the measures and gives its findings."""

from collections.abc import Callable

from fanin.diagnosis.finding import Finding
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.rules import (
    dead,
    exploding,
    nonfinite,
    output_scale,
    saturation,
    symmetry,
    vanishing,
)

Rule = Callable[[Measures, tuple[Finding, ...]], tuple[Finding, ...]]
"""Judges measures, knowing what was found before it: an effect is not told beside its cause."""

RULES: tuple[Rule, ...] = (
    nonfinite.judge,
    symmetry.judge,
    dead.judge,
    saturation.judge,
    exploding.judge,
    vanishing.judge,
    output_scale.judge,
)
"""Causes before their effects."""
