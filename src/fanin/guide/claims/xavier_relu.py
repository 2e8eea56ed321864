"""Xavier's scale under ReLU."""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, above, better, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, bars, factor_a_layer, mlp, signals
from fanin.picture import Picture

# Of the factor by which a layer changes a second moment: outside of it ten layers cost or add a
# decade.
_LOW, _HIGH = 0.8, 1.25
# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
# Chance is 0.1: half of the digits is the least that may be called learning.
_LEARNS = 0.5
_HE = "he_normal"
_SHALLOW, _DEEP = 3, 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: recipe, activation, units, optimizer, and its factor on usual rates."""

    recipe: str = "xavier_normal"
    activation: str = "relu"
    width: int = 64
    optimizer: str = "sgd"
    rates: float = 1.0


def measure(settings: Settings, effort: Effort) -> Numbers:
    forward, gradient = [], []
    for seed in effort.seeds(8, 3):
        model = mlp(30, 256, settings.activation)
        seen = signals(fanin.init_(model, settings.recipe, seed=seed))
        forward.append(seen.forward[1:-1])
        gradient.append(seen.gradient[1:-1])
    recipes = list(dict.fromkeys((settings.recipe, _HE)))
    accuracy = {}
    for depth, seeds, steps, rates in (
        (_SHALLOW, effort.pick(16, 3), effort.pick(200, 60), effort.pick((0.03, 0.1, 0.3), (0.1,))),
        (_DEEP, effort.pick(6, 2), effort.pick(200, 60), effort.pick((0.03, 0.1), (0.03,))),
    ):
        result = fanin.compare(
            "mlp", recipes, depth=depth, width=settings.width, activation=settings.activation,
            steps=steps, batch_size=32, seeds=seeds, optimizer=settings.optimizer,
            learning_rates=[settings.rates * rate for rate in rates], progress=False,
        )  # fmt: skip
        accuracy[str(depth)] = accuracies(result)
    return {
        "recipe": settings.recipe, "forward": forward, "gradient": gradient, "accuracy": accuracy,
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours = numbers["recipe"]
    shallow, deep = (numbers["accuracy"][str(depth)] for depth in (_SHALLOW, _DEEP))
    return (
        within("factor a layer of the signal's second moment",
               [factor_a_layer(rms) for rms in numbers["forward"]], _LOW, _HIGH),
        within("factor a layer of the gradient's second moment",
               [factor_a_layer(rms[::-1]) for rms in numbers["gradient"]], _LOW, _HIGH),
        better(f"held-out accuracy at {_SHALLOW} layers, {ours} minus {_HE}",
               shallow[ours], shallow[_HE], by=-_MARGIN),
        better(f"held-out accuracy at {_DEEP} layers, {ours} minus {_HE}",
               deep[ours], deep[_HE], by=-_MARGIN, scope=True),
        above(f"held-out accuracy at {_DEEP} layers from {ours}",
              deep[ours], _LEARNS, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            f"{depth} layers": {name: found[name] for name in (numbers["recipe"], _HE)}
            for depth, found in numbers["accuracy"].items()
        },
        "Held-out accuracy of shallow and deep networks, each recipe at its best learning rate",
        y="held-out accuracy",
        limit=_LEARNS,
    )


CLAIM = Claim(
    name="xavier_relu",
    part="techniques",
    title="Xavier suits ReLU as well",
    statement=(
        "Xavier initialization also suits ReLU and its variants: it keeps the variance of their "
        "signals and gradients, and their networks train."
    ),
    experiment=(
        "Thirty layers of 256 {activation} units from {recipe}: by what factor does a layer change "
        "the second moments? Then networks of 3 and 20 layers of {width} units are trained on "
        "digits, each recipe at the best of its learning rates, against He on the same seeds."
    ),
    why=(
        "ReLU passes half of the signal, so a layer at Xavier's scale halves the second moment, "
        "forward and backward. That is $2^{-L/2}$ for the RMS after $L$ layers: nothing in a "
        "network of three, where a somewhat larger learning rate makes up for it, and a factor of "
        "a thousand at twenty, where biases and rounding drown what is left. Leaky ReLU of slope "
        "$a$ loses the factor $(1+a^2)/2$ instead."
    ),
    formula=(
        r"\frac{E[z_{l+1}^2]}{E[z_l^2]} = n\,\mathrm{Var}(w)\,\frac{1 + a^2}{2} "
        r"= \frac{1 + a^2}{2} \quad (\mathrm{Var}(w) = 1/n)"
    ),
    instead=(
        "It works nearly as well in shallow ReLU networks, in spite of a variance that halves in "
        "each layer: a few halvings do little harm. In deep plain ones it leaves no signal; there "
        "the factor 2 of He is what is missing. Norms and skip connections make up for it too, "
        "which is why many modern networks train from either."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"optimizer": "adam", "rates": 0.02},
        "Adam takes steps of the same size however small the gradient is: does that save the deep "
        "network?",
    ),
    flip={"recipe": "he_normal"},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section "
            "2.2 (a network of 30 layers stalls from Xavier)"
        ),
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 4.2.1"
        ),
    ),
)
