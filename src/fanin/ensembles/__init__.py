"""Many trainings of one architecture as one batched program, and what they allow to be said."""

from fanin.ensembles.architectures import ACTIVATIONS
from fanin.ensembles.comparison import Comparison
from fanin.ensembles.datasets import Dataset, load
from fanin.ensembles.experiment import compare
from fanin.ensembles.first_pass import LayerSignal
from fanin.ensembles.runs import Curves, Run, Signals
from fanin.ensembles.training import Settings
from fanin.ensembles.verdict import RankingRow

__all__ = [
    "ACTIVATIONS",
    "Comparison",
    "Curves",
    "Dataset",
    "LayerSignal",
    "RankingRow",
    "Run",
    "Settings",
    "Signals",
    "compare",
    "load",
]
