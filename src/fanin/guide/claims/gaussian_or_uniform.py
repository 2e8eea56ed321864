"""Normal or uniform: does it matter?"""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin import schemes
from fanin.guide.checks import Check, unlike
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies_of, bars
from fanin.picture import Picture
from fanin.recipes import RecipeLike

# Of held-out accuracy: one sample in a hundred, which is what one network of 450 samples
# varies by anyhow. A choice that moves less than this is not worth a thought.
_MARGIN = 0.01
_TRUNCATED = "truncated normal"


@dataclass(frozen=True, slots=True)
class Settings:
    """The two recipes, and hidden layers and units of the network."""

    one: str = "he_normal"
    other: str = "he_uniform"
    depth: int = 5
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    # Cut at two standard deviations, and made wider to the same variance: what jax and Keras
    # call normal.
    truncated = schemes.variance_scaling(2.0, distribution="truncated_normal")
    recipes: dict[str, RecipeLike] = {
        settings.one: settings.one,
        settings.other: settings.other,
        _TRUNCATED: truncated,
    }
    comparison = fanin.compare(
        "mlp",
        list(recipes.values()),
        depth=settings.depth,
        width=settings.width,
        seeds=effort.pick(12, 6),
        learning_rates=effort.pick((0.03, 0.1), (0.1,)),
        steps=effort.pick(200, 100),
        progress=False,
    )
    return {
        "accuracy": accuracies_of(comparison, recipes), "pair": [settings.one, settings.other]
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    accuracy = numbers["accuracy"]
    one, other = numbers["pair"]
    return (
        unlike(f"held-out accuracy, {one} minus {other}", accuracy[one], accuracy[other], _MARGIN),
    )


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["accuracy"],
        "Held-out accuracy by the distribution that the weights were drawn from",
        y="held-out accuracy",
    )


CLAIM = Claim(
    name="gaussian_or_uniform",
    part="techniques",
    title="Normal or uniform makes a difference",
    statement=(
        "Whether weights are drawn from a normal or from a uniform distribution makes a "
        "difference to how well a network trains."
    ),
    experiment=(
        "ReLU networks of {depth} hidden layers of {width} units from {one} and {other}, and from "
        "a truncated normal distribution, all of He's variance, trained on digits over the same "
        "seeds and batches. Does the accuracy of the first two differ by more than one percent?"
    ),
    why=(
        "A unit sees the sum of many weighted inputs, and by the central limit theorem that sum "
        "is nearly normal, whatever the distribution of one weight. Only the variance is left. The "
        "uniform distribution of variance $\\sigma^2$ ends at $\\sqrt3\\,\\sigma$; that the "
        "normal one has rare large weights is lost among a hundred others."
    ),
    formula=(r"\mathrm{Var}(U(-b, b)) = \frac{b^2}{3} \;\Rightarrow\; b = \sqrt{3}\,\sigma"),
    instead=(
        "The variance matters, and the form of the distribution hardly does where a unit has many "
        "inputs. It shows where one weight stands alone: in embeddings, in depthwise layers with "
        "nine inputs, in low precision, where the normal's tail costs range. What does make a "
        "difference is to confuse $\\sigma$ with the bound of the uniform distribution, a factor "
        "of 1.7."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"other": "uniform:0.177"},
        "He's standard deviation taken for the bound at 64 units: 1.7 times too small, and that "
        "shows.",
    ),
    flip={"other": "normal:0.01"},
    sources=(
        (
            "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4 (the choice of "
            "Gaussian or uniform does not seem to matter much)"
        ),
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 12 (a variance) and 16 (its uniform form)"
        ),
    ),
)
