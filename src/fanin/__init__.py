"""fanin: weight initialization for neural networks.

Nothing heavy is imported until it is used: neither torch nor numba nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanin import (
        diagnosis,
        ensembles,
        errors,
        fans,
        guide,
        nn_init,
        noise,
        observation,
        recipes,
        schemes,
        testing,
        theory,
    )
    from fanin.diagnosis import Report, check
    from fanin.ensembles import Comparison, compare
    from fanin.errors import FaninError
    from fanin.observation import Observation, observe
    from fanin.recipes import Plan, init_, recommend
    from fanin.theory import gain

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "FaninError",
    "Observation",
    "Plan",
    "Report",
    "__version__",
    "check",
    "compare",
    "diagnosis",
    "ensembles",
    "errors",
    "fans",
    "gain",
    "guide",
    "init_",
    "nn_init",
    "noise",
    "observation",
    "observe",
    "recipes",
    "recommend",
    "schemes",
    "testing",
    "theory",
]

_HOMES = {
    "Comparison": "fanin.ensembles",
    "FaninError": "fanin.errors",
    "Observation": "fanin.observation",
    "Plan": "fanin.recipes",
    "Report": "fanin.diagnosis",
    "check": "fanin.diagnosis",
    "compare": "fanin.ensembles",
    "gain": "fanin.theory",
    "init_": "fanin.recipes",
    "observe": "fanin.observation",
    "recommend": "fanin.recipes",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        value = import_module(f"fanin.{name}")
    else:
        raise AttributeError(f"module 'fanin' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
