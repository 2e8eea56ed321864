"""The picture on the first page: He beside Xavier on a deep ReLU network."""

from __future__ import annotations

import fanin
from fanin.report import figures
from generator import markdown as md

DEPTH, SEEDS, STEPS = 20, 4, 120


def pages() -> dict[str, str]:
    """Name and text of the part that the first page includes."""
    comparison = fanin.compare(
        "mlp", ["xavier_normal", "he_normal"], depth=DEPTH, width=64, seeds=SEEDS, steps=STEPS,
        learning_rates=(0.01, 0.03), optimizer="momentum", progress=False,
    )  # fmt: skip
    best, other = comparison.ranking
    caption = (
        f"{comparison.title}, trained on {comparison.data} from {len(comparison.seeds)} seeds. "
        f"Above, the scale of each layer's output and gradient before the first step: 1 is kept, "
        f"what sinks is lost. Below, training. {best.name} ends at an accuracy of "
        f"{best.metric:.2f}, {other.name} at {other.metric:.2f}. {comparison.conclusion}"
    )
    svg = (
        '<div class="scroll" tabindex="0" role="region" aria-label="Pictures of a comparison">'
        f"{figures.signals(comparison)}{figures.curves(comparison)}</div>"
    )
    code = (
        f'result = fanin.compare("mlp", ["xavier_normal", "he_normal"], depth={DEPTH}, width=64,\n'
        f"                       seeds={SEEDS}, steps={STEPS}, learning_rates=(0.01, 0.03),\n"
        f'                       optimizer="momentum")\n'
        'result.to_html("page.html")'
    )
    return {"front.md": md.figure(svg, caption, "wide") + "\n\n" + md.fence("python", code)}
