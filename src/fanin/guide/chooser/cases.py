"""The questions that the chooser asks, and which answers go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from fanin.errors import InputError, UnknownNameError

ACTIVATIONS: Final = (
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid", "sine",
    "linear", "swiglu",
)  # fmt: skip
NORMS: Final = ("none", "batch", "group", "layer", "rms", "post")
TASKS: Final = ("classes", "regression", "rare")
TUNINGS: Final = ("all", "head", "lora")
ALIASES: Final = {
    "transformer": "decoder", "gpt": "decoder", "bert": "encoder", "sin": "sine",
    "identity": "linear", "swish": "silu", "batch_norm": "batch", "layer_norm": "layer",
    "rms_norm": "rms", "rmsnorm": "rms", "layernorm": "layer", "batchnorm": "batch",
}  # fmt: skip
"""Other words for an answer."""

WIDTHS: Final = (8, 4096)
LENGTHS: Final = (2, 1024)
_PLAIN = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid")


@attrs.frozen
class Architecture:
    """One family of networks, and the answers that it takes; the first of each is the default.

    Args:
        name: as it is asked for.
        about: one line.
        counts: what its depth counts.
        activations: between its weights.
        norms: kinds of norm.
        residual: whether signals are added to a stream.
        tasks: what its output is for.
        tunings: what of it is trained.
        depth: the default.
        deepest: the bound.
        width: the default.
        length: the default of the steps of a sequence; None where it reads none.
    """

    name: str
    about: str
    counts: str
    activations: tuple[str, ...]
    norms: tuple[str, ...]
    residual: tuple[bool, ...]
    depth: int
    deepest: int
    width: int = 64
    tasks: tuple[str, ...] = TASKS
    tunings: tuple[str, ...] = ("all", "head")
    length: int | None = None


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    one.name: one
    for one in (
        Architecture(
            "mlp", "fully connected layers", "hidden layers", (*_PLAIN, "sine", "linear"),
            ("none", "batch", "layer", "rms"), (False, True), depth=4, deepest=200,
        ),
        Architecture(
            "cnn", "plain 3x3 convolutions, no skips", "convolutions", (*_PLAIN, "linear"),
            ("none", "batch", "group"), (False,), depth=6, deepest=100, width=32,
        ),
        Architecture(
            "resnet", "residual blocks of two 3x3 convolutions", "blocks", _PLAIN,
            ("batch", "group", "none"), (True,), depth=4, deepest=64, width=32,
        ),
        Architecture(
            "rnn", "recurrent layers without gates", "layers", ("tanh", "relu"), ("none",),
            (False,), depth=1, deepest=8, tunings=("all",), length=16,
        ),
        Architecture(
            "lstm", "recurrent layers with a forget gate", "layers", ("tanh",), ("none",),
            (False,), depth=1, deepest=8, tunings=("all",), length=16,
        ),
        Architecture(
            "gru", "recurrent layers with an update gate", "layers", ("tanh",), ("none",),
            (False,), depth=1, deepest=8, tunings=("all",), length=16,
        ),
        Architecture(
            "decoder", "causal transformer that reads and predicts tokens", "blocks",
            ("gelu", "relu", "silu", "swiglu"), ("layer", "rms", "none", "post"), (True,),
            depth=4, deepest=96, tasks=("classes",), tunings=TUNINGS, length=16,
        ),
        Architecture(
            "encoder", "transformer that reads tokens and judges the whole", "blocks",
            ("gelu", "relu", "silu", "swiglu"), ("post", "layer", "rms", "none"), (True,),
            depth=4, deepest=96, tunings=TUNINGS, length=16,
        ),
        Architecture(
            "vit", "transformer on patches of images", "blocks", ("gelu", "relu", "silu"),
            ("layer", "rms", "none"), (True,), depth=4, deepest=64, tunings=TUNINGS,
        ),
        Architecture(
            "autoencoder", "fully connected, narrow in the middle", "weights on each side",
            (*_PLAIN, "linear"), ("none",), (False,), depth=3, deepest=50,
            tasks=("regression",), tunings=("all",),
        ),
    )
}  # fmt: skip


@attrs.frozen
class Case:
    """A network by its answers.

    Args:
        architecture: its family.
        activation: between its weights.
        depth: as its family counts.
        norm: "none", "batch", "group", "layer" and "rms" norms before each weight's function or
            branch; "post": a layer norm after each sum.
        residual: signals are added to a stream.
        task: "classes" (cross-entropy), "regression" (mean squares), or "rare" (two classes of
            which one is seldom).
        tuning: what is trained: "all", a new "head" on a frozen network, or "lora" adapters.
        tied: the table of tokens is the head, too.
        width: units or channels.
        length: steps of a sequence; None where there is none.
    """

    architecture: str
    activation: str
    depth: int
    norm: str
    residual: bool
    task: str
    tuning: str
    tied: bool
    width: int
    length: int | None

    @property
    def family(self) -> Architecture:
        """What is known of its architecture."""
        return ARCHITECTURES[self.architecture]

    def to_dict(self) -> dict[str, Any]:
        """The answers."""
        return attrs.asdict(self)

    def options(self) -> str:
        """The answers as options of the command line."""
        said = [f"--architecture {self.architecture}", f"--activation {self.activation}"]
        said += [f"--depth {self.depth}", f"--width {self.width}", f"--norm {self.norm}"]
        if len(self.family.residual) > 1:
            said.append("--residual" if self.residual else "--no-residual")
        said += [f"--length {self.length}"] if self.length is not None else []
        said += [f"--task {self.task}"] if len(self.family.tasks) > 1 else []
        said += [f"--tuning {self.tuning}"] if self.tuning != "all" else []
        said += ["--tied"] if self.tied else []
        return " ".join(said)


def case(
    architecture: str,
    *,
    activation: str | None = None,
    depth: int | None = None,
    norm: str | None = None,
    residual: bool | None = None,
    task: str | None = None,
    tuning: str | None = None,
    tied: bool = False,
    width: int | None = None,
    length: int | None = None,
) -> Case:
    """A network by some answers; the rest is what its family mostly has.

    Raises:
        UnknownNameError: an answer that nobody knows.
        InputError: answers that do not go together, or a number out of bounds.
    """
    family = ARCHITECTURES[known("architecture", architecture)]
    name = family.name
    tuning = _one(family, "tuning", tuning, family.tunings)
    activation = _one(family, "activation", activation, family.activations)
    # Coordinates in, a signal out: what networks of sines are for.
    tasks = ("regression",) if activation == "sine" else family.tasks
    if residual is None:
        residual = family.residual[0]
    elif residual not in family.residual:
        other = "'cnn' has none" if family.residual == (True,) else "'resnet' has them"
        hint = f": {other}" if name in {"cnn", "resnet"} else ""
        raise InputError(
            f"{name} {'always' if family.residual[0] else 'never'} has residual branches{hint}"
        )
    if tied and (name != "decoder" or tuning != "all"):
        raise InputError("only a decoder that is trained whole can have a tied head")
    if length is not None and family.length is None:
        reading = ", ".join(one.name for one in ARCHITECTURES.values() if one.length)
        raise InputError(f"{name} reads no sequences, so it takes no length; these do: {reading}")
    made = Case(
        name,
        activation,
        bounded(f"depth of {name}", depth, family.depth, (1, family.deepest)),
        _one(family, "norm", norm, family.norms),
        residual,
        _one(family, "task", task, tasks),
        tuning,
        tied,
        bounded("width", width, family.width, WIDTHS),
        None if family.length is None else bounded("length", length, family.length, LENGTHS),
    )
    if made.width % 4:
        raise InputError(f"width must be a multiple of 4, as heads and pairs ask, got {width}")
    if activation == "sine" and (made.norm != "none" or residual):
        raise InputError("networks of sines have neither norms nor residual branches here")
    return made


_KNOWN: Final[Mapping[str, Sequence[str]]] = {
    "architecture": tuple(ARCHITECTURES),
    "activation": ACTIVATIONS,
    "norm": NORMS,
    "task": TASKS,
    "tuning": TUNINGS,
}


def known(question: str, answer: object) -> str:
    """An answer by its own name.

    Raises:
        UnknownNameError: there is none of that name; the message has those there are.
    """
    key = str(answer).strip().lower().replace("-", "_")
    key = ALIASES.get(key, key)
    if key not in _KNOWN[question]:
        raise UnknownAnswerError(question, answer, _KNOWN[question])
    return key


class UnknownAnswerError(UnknownNameError):
    """An answer that nobody knows; the message lists all there are.

    Args:
        kind: the question.
        name: the answer as given.
        known: the answers that exist.
    """

    def __init__(self, kind: str, name: object, known: Sequence[str]) -> None:
        super().__init__(kind, name, known)
        if self.near:
            self.args = (f"{self.args[0]} Known: {', '.join(known)}.",)


def _one(family: Architecture, question: str, answer: str | None, taken: Sequence[str]) -> str:
    if answer is None:
        return taken[0]
    key = known(question, answer)
    if key not in taken:
        raise InputError(
            f"{family.name} takes no {question} {key!r} here. Known: {', '.join(taken)}."
        )
    return key


def bounded(what: str, value: int | None, default: int, bounds: tuple[int, int]) -> int:
    """A whole number between bounds.

    Raises:
        InputError: it is none.
    """
    if value is None:
        return default
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{what} must be a whole number from {low} to {high}, got {value!r}")
    return value
