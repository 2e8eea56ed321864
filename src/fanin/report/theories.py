"""What the theory says of one activation at one scale: as facts, as a table, as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fanin import noise, theory
from fanin.errors import InputError
from fanin.report.files import replacing
from fanin.report.page import inline, rendered

Array = NDArray[np.float64]

WIDTH: Final = 256
LAYERS: Final = 50
_DRAWS = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of the theory.

    Args:
        name: for machines.
        label: for people.
        value: a number, a text, or None where there is none.
        meaning: one sentence.
    """

    name: str
    label: str
    value: float | str | None
    meaning: str

    @property
    def shown(self) -> str:
        if self.value is None:
            return "none"
        if isinstance(self.value, str):
            return self.value
        return "infinite" if math.isinf(self.value) else f"{self.value:.6g}"


@dataclass(frozen=True, slots=True)
class Theory:
    """Facts of plain networks of one activation, at one scale of weights and biases."""

    activation: str
    sigma_w: float
    sigma_b: float
    words: str
    facts: tuple[Fact, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is infinite or absent is null, with the text beside it."""
        return {
            "schema": "fanin.theory/1",
            "activation": self.activation,
            "sigma_w": self.sigma_w,
            "sigma_b": self.sigma_b,
            "words": self.words,
            "facts": {
                fact.name: {
                    "value": fact.value if _is_plain(fact.value) else None,
                    "shown": fact.shown,
                    "meaning": fact.meaning,
                }
                for fact in self.facts
            },
        }

    def __rich__(self) -> Group:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim")
        table.add_column(justify="right", no_wrap=True, style="bold")
        table.add_column(ratio=1)
        for fact in self.facts:
            table.add_row(Text(fact.label), Text(fact.shown), Text(fact.meaning))
        return Group(Text(self.title, style="bold"), Text(f"{self.words}\n"), table)

    @property
    def title(self) -> str:
        return f"{self.activation}, sigma_w {self.sigma_w:.6g}, sigma_b {self.sigma_b:g}"


def describe(activation: object, sigma_w: float | None = None, sigma_b: float = 0.0) -> Theory:
    """Everything that is known of plain wide networks of this activation at this scale.

    Args:
        activation: a name, a function or a module.
        sigma_w: the weights have variance sigma_w^2 / fan_in. None: the gain.
        sigma_b: the biases have this std.

    Raises:
        InputError: no activation, or a sigma that is negative or not finite.
    """
    known = theory.as_activation(activation)
    gain = theory.gain(known)
    scale = gain if sigma_w is None else sigma_w
    phase = theory.phase(known, scale, sigma_b)
    depths = theory.depth_scales(known, scale, sigma_b)
    facts = [
        Fact("gain", "gain", gain, "sigma_w at which a second moment of 1 is kept, without biases"),
        Fact("q", "q*", phase.q, "second moment of pre-activations that a deep network reaches"),
        Fact("c", "c*", depths.c, "correlation that two different inputs reach"),
        Fact("chi_1", "chi_1", phase.chi_1, "factor of the gradient's second moment, per layer"),
        Fact("xi_q", "xi_q", depths.xi_q, "layers until a deviation from q* falls e-fold"),
        Fact("xi_c", "xi_c", depths.xi_c, "layers until a deviation from c* falls e-fold"),
        Fact("xi_gradient", "xi_grad", depths.xi_gradient, "layers until gradients change e-fold"),
        *_edge(known, sigma_b),
        *_isometry(known, scale, sigma_b),
    ]
    return Theory(known.name, scale, sigma_b, str(phase), tuple(facts))


def _edge(known: Any, sigma_b: float) -> list[Fact]:
    line = theory.edge_of_chaos(known)
    try:
        critical: float | None = line.at(sigma_b).sigma_w
    except InputError:
        critical = None
    meaning = f"sigma_w at which gradients are kept, for this sigma_b; {line.words}"
    return [Fact("critical_sigma_w", "critical", critical, meaning)]


def _isometry(known: Any, scale: float, sigma_b: float) -> list[Fact]:
    facts: list[Fact] = []
    for weights in ("gaussian", "orthogonal"):
        try:
            found = theory.dynamical_isometry(known, 10, scale, sigma_b, weights=weights)
            value: float | None = found.relative_variance
        except InputError:
            value = None
        meaning = "variance over mean^2 of the Jacobian's squared singular values, 10 layers"
        facts.append(Fact(f"jacobian_{weights}", weights, value, meaning))
    return facts


def write_page(
    described: Theory, activation: object, path: str | Path, *, command: str | None = None
) -> Path:
    """Write the facts and the pictures as one HTML page.

    Raises:
        OutputError: the file cannot be written.
    """
    mark = (described.sigma_w, described.sigma_b)
    width = max(1.2 * described.sigma_w, 2.5 * float(str(described.facts[0].value)))
    height = max(1.0, 1.2 * described.sigma_b)
    phases = theory.phase_diagram(
        activation, sigma_w=(0.05, width), sigma_b=(0.0, height), mark=mark
    )
    maps = theory.map_diagram(activation, described.sigma_w, described.sigma_b)
    forward, gradient = measured(activation, described.sigma_w, described.sigma_b)
    forecast = theory.forecast_diagram(
        theory.signal_forecast(
            [WIDTH] * (LAYERS + 1), activation, described.sigma_w, sigma_b=described.sigma_b
        ),
        forward_rms=forward,
        gradient_rms=gradient,
    )
    with replacing(path) as temporary:
        temporary.write_text(
            rendered(
                "theory.html",
                command,
                theory=described,
                phases=inline(phases.svg()),
                maps=inline(maps.svg()),
                forecast=inline(forecast.svg()),
            ),
            encoding="utf-8",
        )
    return Path(path)


def measured(activation: object, sigma_w: float, sigma_b: float) -> tuple[Array, Array]:
    """RMS of pre-activations and of gradients by layer, of a few real networks of finite width.

    Returns:
        two arrays of shape (draws, layers); gradients relative to the last layer.
    """
    known = theory.as_activation(activation)
    draws = [_one_network(known, sigma_w, sigma_b, seed) for seed in range(_DRAWS)]
    forward, gradient = zip(*draws, strict=True)
    return np.array(forward), np.array(gradient)


def _one_network(
    known: theory.Activation, sigma_w: float, sigma_b: float, seed: int
) -> tuple[Array, Array]:
    def draw(name: str, count: int) -> Array:
        return noise.normal(seed, name, 0, count).astype(np.float64)

    weights = [
        draw(f"weight.{layer}", WIDTH**2).reshape(WIDTH, WIDTH) * (sigma_w / math.sqrt(WIDTH))
        for layer in range(LAYERS)
    ]
    signal, before, slopes = draw("input", WIDTH), [], []
    with np.errstate(all="ignore"):  # a network that explodes shows it as inf
        for layer, weight in enumerate(weights):
            before.append(weight @ signal + sigma_b * draw(f"bias.{layer}", WIDTH))
            signal, slope = known(before[-1]), known.derivative(before[-1])
            slopes.append(slope)
        gradients = [draw("gradient", WIDTH)]
        for weight, slope in zip(reversed(weights[1:]), reversed(slopes[:-1]), strict=True):
            gradients.append(slope * (weight.T @ gradients[-1]))
        back = np.array([_rms(g) for g in reversed(gradients)])
        return np.array([_rms(z) for z in before]), back / back[-1]


def _rms(values: Array) -> float:
    return math.sqrt(float(np.mean(values**2)))


def write_gains(
    rows: Sequence[tuple[str, float]], path: str | Path, *, command: str | None = None
) -> Path:
    """Write gains as one HTML page: those asked for, and the table of all known.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(
            rendered("gains.html", command, rows=rows, known=list(theory.gains())),
            encoding="utf-8",
        )
    return Path(path)


def _is_plain(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))
