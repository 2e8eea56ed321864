"""Which initialization for which network: a table made of what ``recommend`` says.

Each row is a small network of torch.nn modules, and the plan that ``fanin.recommend`` makes for
it, so that the table cannot say otherwise than the rules do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from math import log
from typing import Any, Final

import attrs
from torch import Tensor, nn

from fanin.diagnosis import check
from fanin.errors import FaninError, InputError, UnknownNameError
from fanin.guide.chooser.alternatives import Alternative, alternatives
from fanin.guide.chooser.batches import batch_of
from fanin.guide.chooser.cases import ARCHITECTURES, Case, case, known
from fanin.guide.chooser.networks import build
from fanin.guide.chooser.parts import Part, law, parts_of
from fanin.guide.chooser.trade_offs import TradeOff, trade_offs
from fanin.recipes import as_recipe, recommend
from fanin.recipes.plans.plan import Plan
from fanin.recipes.recipe import Batch, planned

__all__ = ["ARCHITECTURES", "RECIPE", "Choice", "Judged", "choose", "judged", "prescribe", "table"]

RECIPE: Final = "auto"
"""What every prescription is by: ``fanin.recommend``."""


@attrs.frozen
class Choice:
    """What is prescribed for one network.

    Args:
        case: the network, by the answers that describe it.
        plan: the whole plan.
        parts: the rows of the plan by role.
        trade_offs: what the prescription gives up.
        alternatives: what else is made for such a network.
    """

    case: Case
    plan: Plan
    parts: tuple[Part, ...]
    trade_offs: tuple[TradeOff, ...]
    alternatives: tuple[Alternative, ...]

    @property
    def telling(self) -> tuple[Part, ...]:
        """The parts without biases of 0 and norms of 1 and 0."""
        return tuple(part for part in self.parts if not part.is_plain)

    def code(self) -> str:
        """Plain torch code for one parameter of each part, without fanin."""
        first = {part.rows[0].parameter for part in self.telling}
        rows = tuple(row for row in self.plan.rows if row.parameter in first)
        return Plan(self.plan.recipe, rows, source=self.plan.source).to_python()

    def to_dict(self) -> dict[str, Any]:
        """All that is said, ready for JSON."""
        return {
            "case": self.case.to_dict(),
            "options": self.case.options(),
            "recipe": RECIPE,
            "parts": [part.to_dict() for part in self.parts],
            "kept": list(self.plan.kept),
            "notes": list(self.plan.notes),
            "trade_offs": [one.to_dict() for one in self.trade_offs],
            "alternatives": [one.to_dict() for one in self.alternatives],
        }


@attrs.frozen
class Judged:
    """A recipe on the network of a choice, as ``fanin.check`` judges it at the start.

    Args:
        recipe: its name.
        verdict: "healthy", "warning" or "broken"; "does not apply" where it has no plan.
        findings: kinds of what is wrong, each once.
        role: of the parameter that tells most.
        law: what it draws for that role.
    """

    recipe: str
    verdict: str
    findings: tuple[str, ...]
    role: str
    law: str

    def to_dict(self) -> dict[str, Any]:
        """The fields."""
        return attrs.asdict(self)


def prescribe(architecture: str, **answers: Any) -> Choice:
    """Build the network that the answers describe, and say how it should start.

    Args:
        architecture: a name of ``ARCHITECTURES``, or another word for it.
        **answers: activation, depth, norm, residual, task, tuning, tied, width and length; what
            is left out is what such a network mostly has.

    Raises:
        InputError: answers that nobody knows, that do not go together or are out of bounds.

    Example:
        >>> choice = prescribe("mlp", activation="relu", depth=4)
        >>> [part.law for part in choice.parts if part.role == "hidden weight"]
        ['orthogonal, std = sqrt(2 / fan_in)']
    """
    _require_known(answers)
    return _prescribed(case(architecture, **answers))


@cache
def _prescribed(asked: Case) -> Choice:
    model = build(asked)
    inputs, targets, loss = batch_of(asked)
    plan = recommend(model, inputs, targets, loss=loss)
    parts = parts_of(asked, plan)
    return Choice(asked, plan, parts, trade_offs(asked, parts), alternatives(asked))


_TABLE: Final[tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]] = (
    ("mlp", (
        {"activation": "relu"}, {"activation": "leaky_relu"}, {"activation": "tanh"},
        {"activation": "sigmoid"}, {"activation": "gelu"}, {"activation": "silu"},
        {"activation": "selu"}, {"activation": "linear"}, {"activation": "sine"},
        {"activation": "relu", "depth": 20}, {"activation": "tanh", "depth": 20},
        {"activation": "gelu", "depth": 20}, {"activation": "selu", "depth": 20},
        {"activation": "relu", "depth": 20, "norm": "batch"},
        {"activation": "relu", "depth": 20, "norm": "layer"},
        {"activation": "relu", "depth": 8, "residual": True},
        {"activation": "gelu", "depth": 8, "residual": True, "norm": "layer"},
        {"activation": "relu", "task": "regression"}, {"activation": "relu", "task": "rare"},
        {"activation": "relu", "tuning": "head"},
    )),
    ("cnn", (
        {"activation": "relu"}, {"activation": "relu", "depth": 20},
        {"activation": "relu", "norm": "batch"}, {"activation": "tanh"},
    )),
    ("resnet", ({"norm": "batch"}, {"norm": "group"}, {"norm": "none"})),
    ("rnn", ({"activation": "tanh"}, {"activation": "relu"})),
    ("lstm", ({"length": 16}, {"length": 128})),
    ("gru", ({"length": 16}, {"length": 128})),
    ("decoder", (
        {"norm": "layer"}, {"norm": "layer", "tied": True},
        {"norm": "rms", "activation": "swiglu"}, {"norm": "none"},
        {"norm": "layer", "tuning": "lora"},
    )),
    ("encoder", ({"norm": "post"}, {"norm": "layer", "task": "rare"})),
    ("vit", ({"norm": "layer"}, {"norm": "layer", "tuning": "head"})),
    ("autoencoder", ({"activation": "relu"}, {"activation": "tanh"},
                     {"activation": "relu", "depth": 8})),
)  # fmt: skip

_SMALL: Final = {"mlp": 32, "cnn": 16, "resnet": 16, "autoencoder": 64}
_SHALLOW: Final = {"resnet": 3, "decoder": 3, "encoder": 3, "vit": 3}


@cache
def table() -> tuple[Choice, ...]:
    """What is prescribed for the networks of the field; made once in a process.

    Example:
        >>> rows = choose(architecture="mlp", activation="tanh", depth=50)
        >>> [row.case.depth for row in rows]
        [20]
    """
    return tuple(_prescribed(one) for one in cases())


def cases() -> tuple[Case, ...]:
    """The networks of the table, without what is prescribed for them."""
    made = []
    for name, rows in _TABLE:
        for answers in rows:
            given: dict[str, Any] = {"width": _SMALL.get(name, 32)}
            given |= {"depth": _SHALLOW[name]} if name in _SHALLOW else {}
            made.append(case(name, **(given | dict(answers))))
    return tuple(made)


_ANSWERS: Final = tuple(one.name for one in attrs.fields(Case) if one.name != "architecture")
_NAMED: Final = frozenset({"architecture", "activation", "norm", "task", "tuning"})
_NEAREST: Final = ("depth", "length")


def choose(**answers: Any) -> tuple[Choice, ...]:
    """The rows of the table that fit some answers; all of them where there are none.

    Args:
        **answers: as those of ``prescribe``, with architecture. Of depth and length the nearest
            in the table count, in each architecture.

    Raises:
        InputError: an answer that nobody knows.
    """
    _require_known(answers, "architecture")
    given = {name: value for name, value in answers.items() if value is not None}
    if "width" in given:
        raise InputError(
            "the table knows no width, for rules read fans: leave it out, or name an architecture "
            "and the network is built"
        )
    for name in _NAMED & given.keys():
        given[name] = known(name, given[name])
    fitting = [
        one for one in cases()
        if all(getattr(one, name) == value for name, value in given.items() if name not in _NEAREST)
    ]  # fmt: skip
    for name in _NEAREST:
        if name in given:
            fitting = _nearest(fitting, name, given[name])
    return tuple(_prescribed(one) for one in fitting)


def _nearest(rows: list[Case], name: str, value: object) -> list[Case]:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be a positive whole number, got {value!r}")
    made = []
    for architecture in ARCHITECTURES:
        own = [one for one in rows if one.architecture == architecture and getattr(one, name)]
        if own:
            # In the logarithm: 12 is nearer to 20 than to 4.
            far = {one: abs(log(getattr(one, name) / value)) for one in own}
            made += [one for one in own if far[one] <= min(far.values()) + 1e-12]
    return made


def _require_known(answers: Mapping[str, Any], *others: str) -> None:
    for name in answers:
        if name not in (*_ANSWERS, *others):
            raise UnknownNameError("question", name, (*_ANSWERS, *others))


def judged(choice: Choice) -> tuple[Judged, ...]:
    """The prescription, torch's default and the alternatives on the network, before training.

    Each is drawn with seed 0 and checked on the batch that the network was read with.
    """
    names = (RECIPE, "default", *(one.name for one in choice.alternatives))
    model = build(choice.case)
    batch = batch_of(choice.case)
    names = names if choice.case.tuning == "all" else tuple(n for n in names if n != "default")
    return tuple(_judged(choice, name, deepcopy(model), batch) for name in dict.fromkeys(names))


def _judged(
    choice: Choice, name: str, model: nn.Module,
    batch: tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]],
) -> Judged:  # fmt: skip
    inputs, targets, loss = batch
    part = decisive(choice)
    try:
        plan = choice.plan if name == RECIPE else planned(
            as_recipe(name), model, Batch(inputs, targets, loss)
        )  # fmt: skip
    except FaninError:
        return Judged(name, "does not apply", (), part.role, "")
    plan.init_(model, 0, unmatched="keep")
    report = check(model, inputs, targets, loss=loss)
    rows = tuple(row for row in plan.rows if row.parameter in part.parameters)
    kinds = tuple(dict.fromkeys(one.kind for one in report.findings))
    return Judged(name, report.verdict, kinds, part.role, law(rows) if rows else "kept")


def decisive(choice: Choice) -> Part:
    """The part in which prescriptions differ most."""
    order = (
        "adapter B", "last of branch", "gate bias", "recurrent weight", "hidden weight", "head",
    )  # fmt: skip
    for role in order:
        found = [part for part in choice.parts if part.role == role]
        if found:
            return max(found, key=lambda part: len(part.rows))
    return choice.parts[0]
