"""Every limit of the rules, with the experiment that set it.

A limit is where training was seen to begin to fail: the script trains networks on both sides of
it and prints where that was.
"""

from __future__ import annotations

from typing import Final

from fanin.diagnosis.finding import Limit

_ROOT: Final = "benchmarks/limits/"


def _limit(name: str, value: float, unit: str, script: str) -> Limit:
    return Limit(name, value, unit, f"{_ROOT}{script}.py")


REACH_WARNING: Final = _limit(
    "least reach, warning", 2e-4, "gradient over output gradient", "vanishing"
)
REACH_ERROR: Final = _limit(
    "least reach, error", 1e-9, "gradient over output gradient", "vanishing"
)
FIRST_REACH_ERROR: Final = _limit(
    "reach of the first weights, error", 1e-3, "gradient over output gradient", "vanishing"
)
VARYING_WARNING: Final = _limit(
    "least varying share, warning", 1e-6, "share of the mean square", "vanishing"
)
VARYING_ERROR: Final = _limit(
    "least varying share, error", 1e-10, "share of the mean square", "vanishing"
)
GROWTH_WARNING: Final = _limit("growth of the signal, warning", 15.0, "times", "exploding")
GROWTH_ERROR: Final = _limit("growth of the signal, error", 1e3, "times", "exploding")
CHAOS_WARNING: Final = _limit("growth of the sensitivity, warning", 80.0, "times", "exploding")
PLAIN_CHAOS_WARNING: Final = _limit(
    "growth of the sensitivity without norms, warning", 20.0, "times", "exploding"
)
CHAOS_ERROR: Final = _limit("growth of the sensitivity, error", 1e5, "times", "exploding")
DEAD_WARNING: Final = _limit(
    "dead units beyond chance, warning", 0.2, "share of a layer's units", "dead"
)
DEAD_ERROR: Final = _limit("dead units, error", 0.95, "share of a layer's units", "dead")
SATURATION_WARNING: Final = _limit(
    "saturated values, warning", 0.65, "share of a layer's values", "saturation"
)
SATURATION_ERROR: Final = _limit(
    "saturated values, error", 0.999, "share of a layer's values", "saturation"
)
ONE_HOT_WARNING: Final = _limit(
    "largest share of attention, warning", 0.9, "mean probability", "saturation"
)
GATE_ERROR: Final = _limit("saturated gate, error", 12.0, "RMS of what enters it", "saturation")
GATE_WARNING: Final = _limit("saturated gate", 0.9, "share of a gate's values", "saturation")
TWINS_ERROR: Final = _limit("different units, error", 2.0, "units", "symmetry")
LOSS_WARNING: Final = _limit(
    "loss at init, warning", 4.0, "times that of an uninformed guess", "output_scale"
)
LOSS_ERROR: Final = _limit(
    "loss at init, error", 300.0, "times that of an uninformed guess", "output_scale"
)
OUTPUT_WARNING: Final = _limit("output, warning", 100.0, "RMS", "output_scale")
UNDERFLOW_ERROR: Final = _limit("gradients lost in float16", 0.9, "share of zeros", "precision")
SQUARES_WARNING: Final = _limit(
    "squared error at init, warning", 15.0, "times that of an uninformed guess", "output_scale"
)
TARGET_MEAN_WARNING: Final = _limit(
    "mean of real targets, warning", 5.0, "times the output, or 1", "output_scale"
)
TARGETS_WARNING: Final = _limit(
    "scale of real targets, warning", 10.0, "times that of the output, or of 1", "output_scale"
)
BOTH_SIDES_WARNING: Final = _limit(
    "gate at both ends", 0.35, "share of a gate's values", "saturation"
)
PLAIN_MEMORY_WARNING: Final = _limit(
    "recurrent weights without gates, warning", 0.5, "RMS times sqrt(hidden size)", "recurrent"
)
MEMORY_WARNING: Final = _limit(
    "recurrent weights, warning", 0.05, "RMS times sqrt(hidden size)", "recurrent"
)
GROWTH_SHARE: Final = _limit("growth that explains a large loss", 5.0, "times", "exploding")
OVERFLOW_ERROR: Final = _limit("signal that overflows, error", 1e6, "RMS", "exploding")
