"""Recipes and schemes that could stand in the place of what is prescribed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from fanin.guide.chooser.cases import Case
from fanin.recipes.named import NAMED, recipe_class
from fanin.schemes import SCHEMES

_PLAIN: Final = frozenset({"mlp", "cnn", "autoencoder"})
_ATTENTION: Final = frozenset({"decoder", "encoder", "vit"})
_RECTIFIERS: Final = frozenset({"relu", "leaky_relu"})
_PRE_NORM: Final = frozenset({"layer", "rms"})


@attrs.frozen
class Alternative:
    """A recipe or scheme by name.

    Args:
        name: as every place that takes a recipe takes it.
        prefer: when to take it, in its own words.
        source: where it is from.
    """

    name: str
    prefer: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Its name, use and source."""
        return attrs.asdict(self)


def alternatives(case: Case) -> tuple[Alternative, ...]:
    """Those that are made for such a network, the nearest first."""
    return tuple(_known(name, case) for name, fits in _FITTING if fits(case))


def _known(name: str, case: Case) -> Alternative:
    made: Any = recipe_class(name) if name in NAMED else SCHEMES[name]
    text = f"{name}:{case.length}" if name == "chrono" else name
    return Alternative(text, made.use, made.citation)


def _whole(case: Case) -> bool:
    return case.tuning == "all"


def _plain(case: Case) -> bool:
    return case.architecture in _PLAIN and not case.residual and _whole(case)


_FITTING: Final[tuple[tuple[str, Callable[[Case], bool]], ...]] = (
    ("lora", lambda case: case.tuning == "lora"),
    ("transfer", lambda case: case.tuning == "head"),
    ("prior_bias", lambda case: case.task == "rare" and _whole(case)),
    ("siren", lambda case: case.activation == "sine"),
    ("zero_gamma", lambda case: case.architecture == "resnet" and case.norm != "none"),
    ("fixup", lambda case: case.architecture in {"mlp", "resnet"} and case.residual
     and case.norm == "none" and _whole(case)),
    ("irnn", lambda case: case.architecture == "rnn" and case.activation == "relu"),
    ("forget_bias", lambda case: case.architecture in {"lstm", "gru"}),
    ("chrono", lambda case: case.architecture in {"lstm", "gru"} and (case.length or 0) > 2),
    ("gpt2", lambda case: case.architecture == "decoder" and case.norm in _PRE_NORM
     and _whole(case)),
    ("megatron", lambda case: case.architecture == "decoder" and case.norm in _PRE_NORM
     and _whole(case)),
    ("bert", lambda case: case.architecture == "encoder" and _whole(case)),
    ("deepnorm", lambda case: case.norm == "post" and _whole(case)),
    ("t_fixup", lambda case: case.architecture in {"decoder", "encoder"} and case.norm == "none"
     and _whole(case)),
    ("vit", lambda case: case.architecture == "vit" and _whole(case)),
    ("moco", lambda case: case.architecture == "vit" and _whole(case)),
    ("complete_p", lambda case: case.architecture in _ATTENTION and case.norm in _PRE_NORM
     and _whole(case) and not case.tied),
    ("he_normal", lambda case: (_plain(case) or case.architecture == "resnet")
     and case.activation in _RECTIFIERS and _whole(case)),
    ("xavier_normal", lambda case: _plain(case) and case.activation in {"tanh", "sigmoid",
     "linear"}),
    ("lecun_normal", lambda case: _plain(case) and case.activation == "selu"),
    ("lsuv", lambda case: _plain(case) and case.norm == "none" and case.activation != "sine"),
    ("mup", lambda case: (_plain(case) and case.activation != "sine")
     or (case.architecture == "mlp" and case.residual and _whole(case))),
)  # fmt: skip
