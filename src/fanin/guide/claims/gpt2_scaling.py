"""Must residual branches start scaled by their number?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import fanin
from fanin import recipes
from fanin.ensembles import Dataset, load
from fanin.errors import UnknownNameError
from fanin.guide.checks import Check, above, below
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, train
from fanin.guide.laboratory.architectures import Transformer
from fanin.picture import Picture

# GPT-2's std of 0.02 at a width of 768 is 0.55 / sqrt(width).
_STD_ROOT_WIDTH = 0.02 * 768**0.5
# Of the mean square that all branches together add, at the greatest depth over at the least,
# which is a twelfth as deep: that of a sum that does not grow, and of one that clearly does.
_BOUNDED, _GROWS = 2.0, 4.0
# Of the training loss: the least that is worth a line of code.
_WORSE = 1.1
_RATES = (0.003, 0.01)
_RECIPES = ("gpt2", "plain")


@dataclass(frozen=True, slots=True)
class Settings:
    """``gpt2`` (outputs of branches scaled) or ``plain`` (not); depths, the one trained; width."""

    recipe: str = "gpt2"
    shallow: int = 2
    deep: int = 24
    trained: int = 6
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    if settings.recipe not in _RECIPES:
        raise UnknownNameError("recipe of this claim", settings.recipe, _RECIPES)
    data = load("digits")
    std = _STD_ROOT_WIDTH / settings.width**0.5
    of_name = {"gpt2": recipes.gpt2(std=std), "plain": recipes.bert(std=std)}
    starts = {"scaled": of_name[settings.recipe], "not scaled": of_name["plain"]}
    depths = (settings.shallow, settings.deep)
    trained = effort.pick(settings.trained, settings.shallow)
    added: dict[str, list[list[float]]] = {}
    stream: dict[str, list[list[float]]] = {}
    loss: dict[str, list[float]] = {}
    for name, recipe in starts.items():
        plans = {
            depth: recipe.plan(Transformer(depth, settings.width), data.x_train[:64])
            for depth in {*depths, trained}
        }
        added[name], stream[name] = [], []
        for seed in effort.seeds(6, 4):
            streams = [
                _stream(plans[depth].init_(Transformer(depth, settings.width), seed), data)
                for depth in depths
            ]
            added[name].append([rms[-1] ** 2 - rms[0] ** 2 for rms in streams])
            stream[name].append(streams[-1])
        loss[name] = [
            _least_loss(plans[trained], Transformer(trained, settings.width), data, seed, effort)
            for seed in effort.seeds(5, 3)
        ]
    return {"depths": list(depths), "added": added, "stream": stream, "loss": loss,
            "recipe": settings.recipe}  # fmt: skip


def _stream(model: Transformer, data: Dataset) -> list[float]:
    """RMS of the stream before the first block and after each."""
    found: list[float] = []

    def note(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        found.extend(float(one.square().mean().sqrt()) for one in ([] if found else given))
        found.append(float(out.square().mean().sqrt()))

    hooks = [block.register_forward_hook(note) for block in model.blocks]
    with torch.no_grad():
        model(data.x_train[:64])
    for hook in hooks:
        hook.remove()
    return found


def _least_loss(
    plan: fanin.Plan, model: Transformer, data: Dataset, seed: int, effort: Effort
) -> float:
    """Training loss after Adam at the best of the rates."""
    losses = []
    for rate in effort.pick(_RATES, _RATES[:1]):
        plan.init_(model, seed)
        trained = train(
            model, data, steps=effort.pick(50, 15), learning_rate=rate, seed=seed, batch=32,
            optimizer="adam",
        )  # fmt: skip
        losses.append(trained.train_loss)
    return min(losses)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    shallow, deep = numbers["depths"]
    growth = {name: _growth(rows) for name, rows in numbers["added"].items()}
    loss = numbers["loss"]
    return (
        above(f"mean square added by all branches, depth {deep} over {shallow}, not scaled",
              growth["not scaled"], _GROWS, decades=True),
        below(f"the same, {numbers['recipe']}", growth["scaled"], _BOUNDED, decades=True),
        above("training loss, not scaled over scaled",
              [a / b for a, b in zip(loss["not scaled"], loss["scaled"], strict=True)],
              _WORSE, decades=True, scope=True),
    )  # fmt: skip


def _growth(rows: Sequence[Sequence[float]]) -> list[float]:
    return [deep / shallow for shallow, deep in rows]


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["stream"],
        "RMS of the residual stream after each block before training, with the range over seeds",
        x="blocks passed",
        y="RMS of the stream",
        at=list(range(numbers["depths"][-1] + 1)),
    )


CLAIM = Claim(
    name="gpt2_scaling",
    part="applying",
    title="Residual branches scaled by 1/sqrt(2 depth)",
    statement=(
        "In a pre-norm transformer the output weights of all residual branches must start "
        "scaled by 1/sqrt(2 depth), or the stream grows with the depth and training suffers."
    ),
    experiment=(
        "Pre-norm transformers of {width} units whose weights have GPT-2's scale, the outputs of "
        "branches scaled ({recipe}) or not. How much more do all branches together add to the "
        "stream at {deep} blocks than at {shallow}? And what loss does Adam reach at {trained} "
        "blocks, each at its best learning rate?"
    ),
    why=(
        "In front of each branch a norm brings the stream to one scale, so every branch adds about "
        "the same mean square, and $2L$ branches add $2L$ times as much. At $1/\\sqrt{2L}$ the sum "
        "is one branch's worth at any depth, and a late branch is heard as well as an early one. "
        "Without it the last norm takes the scale out again, so the output is not too large; what "
        "is left is that each block changes the stream by a smaller part."
    ),
    formula=(
        r"E[x_L^2] = E[x_0^2] + 2L\, a^2 b, \quad a = \frac{1}{\sqrt{2L}} \;\Rightarrow\; "
        r"E[x_L^2] = E[x_0^2] + b"
    ),
    instead=(
        "The stream does grow with the depth where branches are not scaled, and the factor stops "
        "it. Whether training suffers is another matter: with norms in front of the branches and "
        "at the end, and with Adam, a difference in learning is not told from noise at this depth. "
        "The factor costs nothing."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"trained": 16}, "twice as deep: does the loss without the factor fall behind?"),
    flip={"recipe": "plain"},
    sources=(
        (
            "Radford, Wu, Child, Luan, Amodei, Sutskever, Language models are unsupervised "
            "multitask learners, 2019, section 2.3"
        ),
        (
            "Xiong et al., On layer normalization in the transformer architecture, 2020, "
            "arXiv:2002.04745"
        ),
    ),
)
