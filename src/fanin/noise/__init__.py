"""Counter-based random numbers: element i of (seed, name) is a pure function of the three.

NumPy and numba; no torch.
"""

from fanin.noise.distributions import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanin.noise.sampling import normal, philox4x32, truncated_normal, uniform
from fanin.noise.streams import Stream

__all__ = [
    "Constant",
    "Distribution",
    "Normal",
    "Stream",
    "TruncatedNormal",
    "Uniform",
    "normal",
    "philox4x32",
    "truncated_normal",
    "uniform",
]
