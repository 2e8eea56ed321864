"""Reports written by hand: no model runs and no rule judges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from fanin import schemes
from fanin.diagnosis import Finding, Layer, Limit, Report
from fanin.fans import linear
from fanin.observation.observed import Observation
from fanin.observation.readouts import LossCall, Objective, Units
from fanin.observation.records import Parameter, Region, Source
from fanin.recipes.plans.row import Row
from tests.report import observations as built
from tests.report.observations import HOSTILE

LIMIT = Limit(
    "forward drift, error", 12.5, "e-foldings from the expected scale", "benchmarks/limits.py"
)
UNINFORMED = 2.302585


def units(
    count: int, dead: Sequence[int] = (), duplicated: Sequence[int] = (), seen: int = 512
) -> Units:
    """Units of which these are known by number."""
    return Units(
        count, len(dead), len(duplicated), 0.4, seen,
        dead_units=tuple(dead), duplicated_units=tuple(duplicated),
    )  # fmt: skip


def chain(
    forward: Sequence[float],
    gradient: Sequence[float | None],
    *,
    width: int = 64,
    known: dict[int, Units] | None = None,
    name: str = "{}.weight",
) -> tuple[Observation, tuple[Layer, ...]]:
    """A plain ReLU network with these RMS, one a layer."""
    made = built.Builder("Sequential")
    at = made.step("input", "input", "input")
    layers = []
    names = [name.format(place) for place in range(len(forward))]
    before = 1.0
    for place, (own, out, back) in enumerate(zip(names, forward, gradient, strict=True)):
        module = own.removesuffix(".weight")
        at = made.weight(
            module, at, layout=linear((width, width)), rms=out, gradient=back, functions=("relu",),
            bias=False, region=Region(("relu",), math.sqrt(2), "weight", names[place + 1])
            if place + 1 < len(names) else built.TO_OUTPUT,
        )  # fmt: skip
        first = place == 0
        source = Source("input", "input", (), 1.0) if first else Source(
            "weight", names[place - 1], ("relu",), math.sqrt(2)
        )  # fmt: skip
        made.uses[-1] = attrs.evolve(made.uses[-1], source=source, norm_before=None)
        read = before if first else before / math.sqrt(2)
        expected = 1.0 if first else math.sqrt(2)
        measured = (out, back, 0.17, 0.01, out / read if read else None, expected)
        layers.append(
            Layer(
                own, module, "linear", width, width, *measured,
                units=width, dead=0.0, duplicated=0.0, correlation=0.4,
            )
        )  # fmt: skip
        before = out
    for place, some in (known or {}).items():
        signal = made.signals[place]
        made.signals[place] = attrs.evolve(signal, units=some)
        layers[place] = attrs.evolve(
            layers[place], units=some.count, dead=(some.dead or 0) / some.count,
            duplicated=some.duplicated / some.count,
        )  # fmt: skip
    made.step("output", "output", "output", at)
    objective = Objective("given", "cross_entropy", 2.31, 10)
    call = LossCall("cross_entropy", "", 2.31, UNINFORMED, 10, 0.8, 0.8, 0.01)
    return made.done(objective=objective, losses=(call,)), tuple(layers)


def named(layers: tuple[Layer, ...], findings: Sequence[Finding]) -> tuple[Layer, ...]:
    """The layers with the findings that name them."""
    return tuple(
        attrs.evolve(
            layer, findings=tuple(i for i, one in enumerate(findings) if layer.name in one.where)
        )
        for layer in layers
    )


def drawn(name: str) -> Row:
    return Row(name, (64, 64), schemes.he_normal(), "ReLU follows.", linear((64, 64)))


def healthy(depth: int = 12) -> Report:
    observation, layers = chain(
        [1.0 + 0.03 * math.sin(3 * i) for i in range(depth)],
        [1e-3 * (1 + 0.05 * math.cos(i)) for i in range(depth)],
    )
    return Report(observation, (), 0.974, layers)


def warned() -> Report:
    dead = tuple(range(0, 64, 3))
    known = {
        2: units(64, dead),
        4: units(200, (199,), range(20, 80)),
    }
    observation, layers = chain([1.0, 0.9, 1.1, 1.0, 0.9, 1.2], [2e-3] * 6, known=known)
    findings = (
        Finding(
            "dead", "warning", ("2.weight",),
            f"{len(dead)} of 64 units of 2.weight are zero for every one of 512 examples.",
            "Lower the bias of 1.weight, or draw it again.", 0.344,
            Limit("dead share, warning", 0.25, "of the units", "benchmarks/limits.py"),
            (drawn("2.weight"),),
        ),
    )  # fmt: skip
    notes = ("5.weight is frozen.", "The output was judged by a fixed random projection.")
    return Report(observation, findings, 0.71, named(layers, findings), notes)


def broken(depth: int = 30) -> Report:
    forward = [0.5**i for i in range(depth)]
    gradient = [1e-3 * 0.5 ** (depth - i) for i in range(depth)]
    observation, layers = chain(forward, gradient, known={depth - 1: units(64, (), range(64))})
    names = tuple(layer.name for layer in layers)
    findings = (
        Finding(
            "symmetry", "error", (names[-1],),
            f"All 64 units of {names[-1]} put out the same for each of 512 examples.",
            "Draw its rows from a distribution; they are equal now.", rows=(drawn(names[-1]),),
        ),
        Finding(
            "vanishing", "error", names[1:],
            f"From {names[0]} to {names[-1]} the RMS of the output falls from 1 to "
            f"{forward[-1]:.2g}, by a factor of 0.5 a layer where sqrt(2) of what is read is lost "
            "to ReLU and none else is expected.",
            "Draw the weights with he_normal, whose gain makes up for ReLU.", 20.1, LIMIT,
            tuple(drawn(name) for name in names[1:]),
        ),
        Finding(
            "output_scale", "warning", (names[-1],),
            "The output's RMS is 1.9e-9, and the loss is that of a guess.",
            "This goes with finding 2.",
        ),
    )  # fmt: skip
    return Report(observation, findings, 0.034, named(layers, findings), ("Note this.",))


def hostile() -> Report:
    """Names that are markup for browsers and terminals, and numbers that are none."""
    long = "x" * 300
    observation = attrs.evolve(built.hostile(), parameters=())
    names = (f"a{HOSTILE}.weight", f"b{HOSTILE}.weight", f"c{HOSTILE}.weight", long)
    numbers = ((math.nan, math.inf), (math.inf, 0.0), (0.0, math.nan), (None, None))
    layers = tuple(
        Layer(
            name, HOSTILE, HOSTILE, None, 64.0, forward, gradient, forward, gradient,
            step=forward, expected=1.0, units=8, dead=1.0, duplicated=math.nan,
            saturated=math.inf, correlation=math.nan, findings=(0,),
        )
        for name, (forward, gradient) in zip(names, numbers, strict=True)
    )  # fmt: skip
    signals = tuple(
        attrs.evolve(signal, units=units(8, range(8), (3,))) for signal in observation.signals
    )
    finding = Finding(
        "nonfinite", "error", (*names, *(f"{HOSTILE}.{i}" for i in range(20))),
        f"{HOSTILE} is NaN {long}", f"Mend {HOSTILE}", math.nan,
        Limit(HOSTILE, math.inf, HOSTILE, HOSTILE), (drawn(f"a{HOSTILE}.weight"),),
    )  # fmt: skip
    parameters = (Parameter(names[0], (names[0],), (8, 8), "float32", True, 1.0, 1.0, True),)
    return Report(
        attrs.evolve(observation, signals=signals, parameters=parameters),
        (finding,), math.nan, layers, (f"A note about {HOSTILE} {long}",),
    )  # fmt: skip


def deep() -> Report:
    """500 layers, the last 200 of which are named."""
    observation, layers = chain(
        [math.exp(-max(i - 300, 0) / 8) for i in range(500)], [1e-4] * 500, name="blocks.{}.weight"
    )
    findings = (
        Finding(
            "vanishing", "error", tuple(layer.name for layer in layers[300:]),
            "The RMS falls from 1 to 1.5e-11.", "Draw them with he_normal.", 25.0, LIMIT,
        ),
    )  # fmt: skip
    return Report(observation, findings, 0.01, named(layers, findings))


def normed() -> Report:
    """A transformer: most layers read a norm."""
    observation = built.transformer()
    layers = tuple(
        Layer(
            use.parameter, use.module, use.op, use.fan_in, use.fan_out,
            (signal := observation.signal(str(use.signal))).forward.rms,
            None if signal.gradient is None else signal.gradient.rms, 0.02, 1e-4,
            step=signal.forward.rms, expected=None if use.role == "table" else 1.0, units=64,
        )
        for use in observation.uses
        if use.role in {"weight", "table"}
    )  # fmt: skip
    return Report(observation, (), 0.93, layers, observation.notes)


def empty() -> Report:
    """No layer at all."""
    return Report(built.empty(), (), 0.5, ())


def without_gradients() -> Report:
    observation, layers = chain([1.0, 1.0], [None, None])
    return Report(observation, (), 1.0, layers)
