"""Observation: the real dataflow of any PyTorch model, read in one forward and backward pass.

A recording (``recording``, ``kinds``, ``graph``, ``ownership``) keeps every function of torch that
runs, ``matching`` says which operation reads each parameter and as what (``slots``, ``pullback``;
``operations`` is the only table of operations), ``dataflow`` leaves out what is elementwise
(``regions`` knows it by replaying it) and shows ``branches``, ``roles`` and packed weights,
``coverage`` proves that no path was overlooked, and ``sampling`` and ``statistics`` measure.
``observer`` puts this together; ``observing`` judges parameters as well, ``outlining`` does not.
``restoring`` leaves no trace of all that.
"""

from fanin.observation.observed import Observation
from fanin.observation.observing import observe
from fanin.observation.readouts import NonFinite, Objective, Signal, Statistics, Units
from fanin.observation.records import (
    Branch,
    Edge,
    Norm,
    Parameter,
    Region,
    Source,
    Step,
    Unmatched,
    Use,
)
from fanin.observation.restoring import untouched

__all__ = [
    "Branch",
    "Edge",
    "NonFinite",
    "Norm",
    "Objective",
    "Observation",
    "Parameter",
    "Region",
    "Signal",
    "Source",
    "Statistics",
    "Step",
    "Units",
    "Unmatched",
    "Use",
    "observe",
    "untouched",
]
