"""What experiments are made of: networks, real data, signals, trainings, pictures."""

from fanin.guide.laboratory.charts import bars, lines
from fanin.guide.laboratory.layer_signals import Signals, factor_a_layer, signals
from fanin.guide.laboratory.nets import mlp, stack
from fanin.guide.laboratory.rates import train_at_best_rate
from fanin.guide.laboratory.runs import accuracies, accuracies_of
from fanin.guide.laboratory.scales import of_gain, of_sigmas
from fanin.guide.laboratory.training import Optimizer, Trained, accuracy, train

__all__ = [
    "Optimizer",
    "Signals",
    "Trained",
    "accuracies",
    "accuracies_of",
    "accuracy",
    "bars",
    "factor_a_layer",
    "lines",
    "mlp",
    "of_gain",
    "of_sigmas",
    "signals",
    "stack",
    "train",
    "train_at_best_rate",
]
