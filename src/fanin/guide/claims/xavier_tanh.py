"""Xavier's scale under tanh, against what else is said to suit it."""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, better, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, bars, factor_a_layer, mlp, signals
from fanin.picture import Picture

# Of the factor by which a layer changes the gradient's second moment: outside of it ten layers
# cost or add a decade.
_LOW, _HIGH = 0.8, 1.25
# Of the factor by which all layers together change the signal's.
_LEAST, _GREATEST = 0.5, 2.0
# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
# He's scale, torch's gain for tanh (5/3), and orthogonal matrices.
_RIVALS = ("he_normal", "xavier_normal:1.6667", "orthogonal")
_SHALLOW, _DEEP = 5, 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: recipe, activation, units."""

    recipe: str = "xavier_normal"
    activation: str = "tanh"
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    forward, gradient = [], []
    for seed in effort.seeds(8, 3):
        model = mlp(_DEEP, 256, settings.activation)
        seen = signals(fanin.init_(model, settings.recipe, seed=seed))
        forward.append(seen.forward[1:-1])
        gradient.append(seen.gradient[1:-1])
    accuracy = {}
    for depth, seeds, steps, rates in (
        (_SHALLOW, effort.pick(12, 2), effort.pick(200, 60), effort.pick((0.1, 0.3), (0.1,))),
        (_DEEP, effort.pick(6, 2), effort.pick(150, 50), effort.pick((0.03, 0.1), (0.1,))),
    ):
        result = fanin.compare(
            "mlp", [settings.recipe, *_RIVALS], depth=depth, width=settings.width,
            activation=settings.activation, steps=steps, batch_size=32, seeds=seeds,
            learning_rates=rates, progress=False,
        )  # fmt: skip
        accuracy[str(depth)] = accuracies(result)
    return {
        "recipe": settings.recipe, "forward": forward, "gradient": gradient, "accuracy": accuracy,
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours = numbers["recipe"]
    against = [
        better(f"held-out accuracy at {depth} layers, {ours} minus {rival}",
               numbers["accuracy"][str(depth)][ours], numbers["accuracy"][str(depth)][rival],
               by=-_MARGIN, scope=depth == _DEEP)
        for depth in (_SHALLOW, _DEEP)
        for rival in _RIVALS
    ]  # fmt: skip
    return (
        within("factor a layer of the gradient's second moment",
               [factor_a_layer(rms[::-1]) for rms in numbers["gradient"]], _LOW, _HIGH),
        within("second moment of the signal, last over first layer",
               [(rms[-1] / rms[0]) ** 2 for rms in numbers["forward"]], _LEAST, _GREATEST,
               decades=True, scope=True),
        *against,
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    names = [numbers["recipe"], *_RIVALS]
    return bars(
        {
            f"{depth} layers": {name: found[name] for name in names}
            for depth, found in numbers["accuracy"].items()
        },
        "Held-out accuracy of shallow and deep networks, each recipe at its best learning rate",
        y="held-out accuracy",
    )


CLAIM = Claim(
    name="xavier_tanh",
    part="techniques",
    title="Xavier is right for tanh",
    statement=(
        "Xavier initialization is the right choice for tanh networks: signals and gradients "
        "neither vanish nor explode, and no other initialization trains them better."
    ),
    experiment=(
        "Before training, 20 layers of 256 {activation} units from {recipe}: what happens to "
        "signals and gradients? Then networks of 5 and 20 layers of {width} units are trained on "
        "digits from it, from He's scale, from torch's gain 5/3 and from orthogonal matrices, "
        "each at the best of its learning rates and on the same seeds."
    ),
    why=(
        "Tanh has slope 1 at 0, as the derivation assumes, and $\\sigma_w = 1$ is just the edge "
        "between order and chaos: gradients are kept. But tanh is flatter away from 0, so that "
        "the signal falls like $1/\\sqrt{l}$ over layers $l$. A larger gain, such as torch's 5/3, "
        "holds the signal at a fixed point, at the price of gradients that grow by about a fifth "
        "a layer. Orthogonal matrices keep Xavier's scale and remove the spread of the singular "
        "values."
    ),
    formula=(
        r"q_{l+1} = \sigma_w^2\, E[\tanh(\sqrt{q_l}\, z)^2] \approx q_l - 2 q_l^2 "
        r"\;\Rightarrow\; q_l \approx \frac{1}{2l} \quad (\sigma_w = 1)"
    ),
    instead=(
        "It is a good choice for tanh and no unique one. In networks of a few layers the "
        "neighbouring scales do as well once the learning rate is chosen for each; in deep plain "
        "ones the checks above show which of them keep up and which do better. The signal does "
        "shrink with depth, slowly enough for training."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"activation": "softsign"},
        "the other activation of Glorot's paper, flatter still: what does a gain of 1 cost there?",
    ),
    flip={"activation": "sigmoid"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, sections 4.2 and 5"
        ),
        (
            "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in "
            "deep linear neural networks, 2014, arXiv:1312.6120 (orthogonal)"
        ),
        (
            "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, Deep information propagation, 2017, "
            "arXiv:1611.01232, section 3"
        ),
    ),
)
