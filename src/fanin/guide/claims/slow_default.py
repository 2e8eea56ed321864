"""Is the framework's default He, and good enough?"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

import fanin
from fanin.guide.checks import Check, alike, below, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, signals
from fanin.guide.laboratory.runs import best_runs
from fanin.picture import Picture

# He's rule is 2; five percent allow for the sample.
_LOW, _HIGH = 1.9, 2.1
# Half of what an uninformed guess loses: then a network has begun to learn.
_LEFT = 0.5
_POINT = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """The start in question, the one beside it; hidden layers, of the shallow network too, and
    units.
    """

    start: str = "default"
    beside: str = "he_normal"
    depth: int = 20
    shallow: int = 2
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    starts = [settings.start, settings.beside]
    forward: dict[str, list[list[float]]] = {name: [] for name in dict.fromkeys(starts)}
    times_fan_in = []
    for seed in effort.seeds(6, 3):
        for name in forward:
            model = fanin.init_(mlp(settings.depth, settings.width), name, seed=seed)
            forward[name].append(list(signals(model).forward))
            if name == settings.start:
                times_fan_in.append(variance_times_fan_in(model))
    deep = _trained(starts, settings, effort, deep=True)
    shallow = _trained(starts, settings, effort, deep=False)
    return {
        "starts": starts,
        "forward": forward,
        "times_fan_in": times_fan_in,
        "left": {name: left for name, (left, _) in deep.items()},
        "shallow": {name: accuracy for name, (_, accuracy) in shallow.items()},
    }


def variance_times_fan_in(model: nn.Sequential) -> float:
    """Variance times fan_in, over all entries of the weights."""
    weights = [one.weight.detach() for one in model if isinstance(one, nn.Linear)]
    total = sum(float(one.square().sum()) * one.shape[1] for one in weights)
    return total / sum(one.numel() for one in weights)


def _trained(
    starts: list[str], settings: Settings, effort: Effort, *, deep: bool
) -> dict[str, tuple[list[float], list[float]]]:
    """Training loss over that of a guess, and held-out accuracy, at each start's best rate."""
    depth, steps = (
        (settings.depth, effort.pick(200, 80)) if deep else (settings.shallow, effort.pick(300, 80))
    )
    rates = effort.pick((0.001, 0.003, 0.01), (0.001,))
    seeds = effort.pick(6 if deep else 12, 3)
    done = fanin.compare(
        "mlp", list(dict.fromkeys(starts)), seeds=seeds, steps=steps, depth=depth,
        width=settings.width,
        learning_rates=rates, optimizer="adam", batch_size=32, progress=False,
    )  # fmt: skip
    return {
        name: (
            [run.train_loss / done.uninformed_loss for run in best_runs(done, name)],
            [run.metric for run in best_runs(done, name)],
        )
        for name in starts
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    start, beside = numbers["starts"]
    return (
        within("variance times fan_in", numbers["times_fan_in"], _LOW, _HIGH),
        below("deep: training loss over that of a guess", numbers["left"][start], _LEFT),
        alike(f"shallow: held-out accuracy, {start} minus {beside}", numbers["shallow"][start],
              numbers["shallow"][beside], _POINT, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["forward"],
        "RMS of each layer's signal before training, with the range over seeds",
        x="layer",
        y="RMS of the signal",
        log=True,
    )


CLAIM = Claim(
    name="slow_default",
    part="understanding",
    title="The default is good enough",
    statement=(
        "The framework's default is good enough: PyTorch starts its layers by kaiming_uniform, "
        "which is He initialization."
    ),
    experiment=(
        "{depth} layers of {width} ReLU units from {start}: what is the variance of the weights "
        "times their fan_in (He's rule: 2)? Trained on digits by Adam at the best of three "
        "rates: what part of an uninformed guess's loss is left? And with {shallow} hidden "
        "layers: is the held-out accuracy that of {beside}?"
    ),
    why=(
        "The constructors of torch.nn call kaiming_uniform with $a = \\sqrt{5}$. The argument is "
        "the slope of a leaky ReLU, and the 5 under the root turns $2 / (1 + a^2)$ into "
        "$\\tfrac13$: weights from $U(-1/\\sqrt{n}, 1/\\sqrt{n})$, a rule older than He's. Under "
        "ReLU a layer keeps a sixth of the second moment, until what is left is the "
        "biases, which are the same for every input."
    ),
    formula=(
        r"\mathrm{Var}(w) = \frac{2}{(1 + a^2)\, n_\mathrm{in}} = "
        r"\frac{1}{3\,n_\mathrm{in}} \quad (a = \sqrt{5}), \qquad "
        r"\mathrm{Var}_\mathrm{He}(w) = \frac{2}{n_\mathrm{in}}"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 5}, "five layers: it trains, in more steps than from He."),
    flip={"start": "he_normal", "beside": "default"},
    sources=(
        "PyTorch, torch/nn/modules/linear.py, Linear.reset_parameters",
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 10 and 15",
        "LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.6",
    ),
    instead=(
        "The name is He's and the scale is not: the variance is a sixth of his. A shallow network "
        "does not mind. A deep plain one hardly trains from it, while from He's it does. So do "
        "not take what the constructor gives: say which initialization you want."
    ),
)
