"""Theory of signals at initialization: expectations, gains, variance maps, criticality.

Pure functions of activations and numbers, for a wide network or one of finite width. Activations
are given by name, as modules or as any function: see ``as_activation``. torch is needed only
for what belongs to torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from fanin.theory.activations import Activation, as_activation
from fanin.theory.quadrature import expect, expect_pair
from fanin.theory.second_moments import gain
from fanin.theory.tabulated import GainRow, GainTable, gains

if TYPE_CHECKING:
    from fanin.theory.correlations import CorrelationMap, correlation_map
    from fanin.theory.critical import CriticalLine, CriticalPoint, critical_point, edge_of_chaos
    from fanin.theory.finite_width import Spread, backward_spread, forward_spread
    from fanin.theory.fixed_points import FixedPoint
    from fanin.theory.forecast import Forecast, signal_forecast
    from fanin.theory.gradients import GradientMap, gradient_map
    from fanin.theory.isometry import Isometry, dynamical_isometry
    from fanin.theory.mean_field import Moments, VarianceMap, moments, variance_map
    from fanin.theory.phases import DepthScales, Phase, chi_1, depth_scales, phase
    from fanin.theory.pictures import (
        PhaseGrid,
        forecast_diagram,
        map_diagram,
        phase_diagram,
        phase_grid,
    )
    from fanin.theory.recurrent import RecurrentMap, recurrent_map
    from fanin.theory.residual import DepthProfile, normalised_map, residual_map

__all__ = [
    "Activation",
    "CorrelationMap",
    "CriticalLine",
    "CriticalPoint",
    "DepthProfile",
    "DepthScales",
    "FixedPoint",
    "Forecast",
    "GainRow",
    "GainTable",
    "GradientMap",
    "Isometry",
    "Moments",
    "Phase",
    "PhaseGrid",
    "RecurrentMap",
    "Spread",
    "VarianceMap",
    "as_activation",
    "backward_spread",
    "chi_1",
    "correlation_map",
    "critical_point",
    "depth_scales",
    "dynamical_isometry",
    "edge_of_chaos",
    "expect",
    "expect_pair",
    "forecast_diagram",
    "forward_spread",
    "gain",
    "gains",
    "gradient_map",
    "map_diagram",
    "moments",
    "normalised_map",
    "phase",
    "phase_diagram",
    "phase_grid",
    "recurrent_map",
    "residual_map",
    "signal_forecast",
    "variance_map",
]

_HOMES = {
    "CorrelationMap": "fanin.theory.correlations",
    "CriticalLine": "fanin.theory.critical",
    "CriticalPoint": "fanin.theory.critical",
    "DepthProfile": "fanin.theory.residual",
    "DepthScales": "fanin.theory.phases",
    "FixedPoint": "fanin.theory.fixed_points",
    "Forecast": "fanin.theory.forecast",
    "GradientMap": "fanin.theory.gradients",
    "Isometry": "fanin.theory.isometry",
    "Moments": "fanin.theory.mean_field",
    "Phase": "fanin.theory.phases",
    "PhaseGrid": "fanin.theory.pictures",
    "RecurrentMap": "fanin.theory.recurrent",
    "Spread": "fanin.theory.finite_width",
    "VarianceMap": "fanin.theory.mean_field",
    "backward_spread": "fanin.theory.finite_width",
    "chi_1": "fanin.theory.phases",
    "correlation_map": "fanin.theory.correlations",
    "critical_point": "fanin.theory.critical",
    "depth_scales": "fanin.theory.phases",
    "dynamical_isometry": "fanin.theory.isometry",
    "edge_of_chaos": "fanin.theory.critical",
    "forecast_diagram": "fanin.theory.pictures",
    "forward_spread": "fanin.theory.finite_width",
    "gradient_map": "fanin.theory.gradients",
    "map_diagram": "fanin.theory.pictures",
    "moments": "fanin.theory.mean_field",
    "normalised_map": "fanin.theory.residual",
    "phase": "fanin.theory.phases",
    "phase_diagram": "fanin.theory.pictures",
    "phase_grid": "fanin.theory.pictures",
    "recurrent_map": "fanin.theory.recurrent",
    "residual_map": "fanin.theory.residual",
    "signal_forecast": "fanin.theory.forecast",
    "variance_map": "fanin.theory.mean_field",
}
"""A gain needs none of these."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fanin.theory' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
