"""Draw the README's picture: three starts of one deep network, before and during training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import fanin
from fanin.picture import Ink, Picture, line
from fanin.report.summaries import layer_profile, loss_band

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "three_starts.svg"
RECIPES = {"normal:0.01": "small random", "xavier_normal": "Xavier", "he_normal": "He"}


def main() -> int:
    comparison = fanin.compare(
        "mlp", list(RECIPES), depth=20, width=64, steps=300, seeds=6,
        learning_rates=(0.01, 0.03, 0.1),
    )  # fmt: skip
    rows = {row.name: row for row in comparison.ranking}

    def draw(figure: Figure, ink: Ink) -> None:
        left, right = figure.subplots(1, 2)
        for place, (recipe, name) in enumerate(RECIPES.items()):
            profile = layer_profile(comparison, recipe)
            low, middle, high = np.clip(profile.gradient, 1e-30, None).T
            x = np.arange(1, len(middle) + 1)
            style = line(place)
            left.plot(x, middle, label=name, **style)
            left.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
            band = loss_band(comparison, rows[recipe])
            right.plot(band.x, band.middle, label=name, **style)
            right.fill_between(
                band.x, band.low, band.high, color=style["color"], alpha=0.2, linewidth=0
            )
        left.set_yscale("log")
        left.set_xticks([1, 5, 10, 15, 20])
        left.set(title="Gradient before training, RMS", xlabel="layer, from input to output")
        right.axhline(comparison.uninformed_loss, color=ink.text, linewidth=0.8, linestyle=":")
        right.set(title="Training loss (dotted: a guess)", xlabel="step")
        right.set_ylim(0, 1.2 * comparison.uninformed_loss)
        left.legend()

    label = "Gradients by layer and training loss of a deep ReLU network from three starts"
    Picture(draw, label, (9.6, 3.4)).savefig(FILE)
    for row in comparison.ranking:
        low, high = row.interval
        print(f"{RECIPES[row.name]:12} accuracy {row.metric:.3f} ({low:.3f} to {high:.3f})")
    print(comparison.conclusion)
    print(f"Picture: {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
