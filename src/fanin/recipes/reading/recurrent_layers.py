"""The layers of RNN, LSTM and GRU in a model, as its pass ran them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.schemes import normal, orthogonal, xavier_uniform

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
"""Blocks in one weight, by the operation."""

NAMES = {
    "lstm": "an LSTM",
    "gru": "a GRU",
    "rnn_tanh": "an RNN with tanh",
    "rnn_relu": "an RNN with relu",
}


@attrs.frozen
class Layer:
    """One layer of a recurrent net in one direction, or a cell.

    Args:
        kind: "lstm", "gru", "rnn_tanh" or "rnn_relu".
        module: the path of its module.
        weight_ih: the weight that reads the input.
        weight_hh: the weight that reads the state.
        bias_ih: the bias beside the former; None where there is none.
        bias_hh: the bias beside the latter.
        weight_hr: the projection of an LSTM's state.
        time_steps: of the pass; None for a cell.
        from_input: the weight that reads the model's input.
    """

    kind: str
    module: str
    weight_ih: str
    weight_hh: str
    bias_ih: str | None
    bias_hh: str | None
    weight_hr: str | None
    time_steps: int | None
    from_input: str | None

    @property
    def weights(self) -> tuple[str, ...]:
        """Its weights, by name."""
        every = (self.weight_ih, self.weight_hh, self.weight_hr)
        return tuple(name for name in every if name is not None)

    @property
    def gates(self) -> int:
        """Blocks in each weight but the projection."""
        return GATES[self.kind]


def layers_of(anatomy: Anatomy) -> tuple[Layer, ...]:
    """Every recurrent layer, in the order of execution; each once."""
    found: dict[str, Layer] = {}
    uses = [one for one in anatomy.observation.uses if _kind(one.op) in GATES and one.call == 0]
    for module, own in groupby(uses, key=lambda use: use.module):
        for layer in _layers(anatomy, module, list(own)):
            found.setdefault(layer.weight_hh, layer)
    return tuple(found.values())


def require_layers(
    recipe: str, anatomy: Anatomy, kinds: tuple[str, ...], instead: str
) -> tuple[Layer, ...]:
    """The recurrent layers, all of which must be of these kinds.

    Raises:
        ModelError: there is none, or one of another kind, which it names.
    """
    layers = layers_of(anatomy)
    wanted = " or ".join(NAMES[kind] for kind in kinds)
    for layer in layers:
        if layer.kind not in kinds:
            raise ModelError(
                f"recipe {recipe!r} is for {wanted}, and {layer.module or 'the model'!r} is "
                f"{NAMES[layer.kind]}. {instead}"
            )
    if not layers:
        raise ModelError(
            f"recipe {recipe!r} is for {wanted}, and the pass of "
            f"{type(anatomy.model).__name__} ran none of torch.nn's. A step written by hand is "
            f"not known by its gates. {instead}"
        )
    return layers


def require_biases(recipe: str, layer: Layer) -> tuple[str, str]:
    """The names of the two biases of a layer.

    Raises:
        ModelError: it has none.
    """
    if layer.bias_ih is None or layer.bias_hh is None:
        raise ModelError(
            f"recipe {recipe!r} sets the bias of gates, and {layer.module or 'the model'!r}, "
            f"{NAMES[layer.kind]}, has none (at {layer.weight_ih!r}). Make it with "
            "bias=True"
        )
    return layer.bias_ih, layer.bias_hh


def _kind(op: str) -> str:
    return op.removesuffix("_cell")


def _layers(anatomy: Anatomy, module: str, uses: list[Use]) -> Iterator[Layer]:
    """The layers of one module: each begins with the two weights that torch reads first."""
    parts: list[list[Use]] = []
    for use in uses:
        if use.role not in {"weight", "bias"}:
            continue
        pairs = [one for one in parts[-1] if _is_packed(one)] if parts else []
        if not parts or (_is_packed(use) and len(pairs) == 2):
            parts.append([])
        parts[-1].append(use)
    directions = 2 if getattr(_module(anatomy, module), "bidirectional", False) else 1
    for place, part in enumerate(parts):
        weights = [use.parameter for use in part if use.role == "weight"]
        biases = [use.parameter for use in part if use.role == "bias"]
        source = part[0].source
        reads = source is not None and source.kind == "input" and place < directions
        yield Layer(
            kind=_kind(part[0].op),
            module=module,
            weight_ih=weights[0],
            weight_hh=weights[1],
            bias_ih=biases[0] if biases else None,
            bias_hh=biases[1] if biases else None,
            weight_hr=weights[2] if len(weights) > 2 else None,
            time_steps=part[0].time_steps,
            from_input=weights[0] if reads else None,
        )


def _is_packed(use: Use) -> bool:
    """Whether it is a weight of gates, of which a layer has two; no projection, no bias."""
    return use.role == "weight" and use.layout is not None and use.layout.op == "recurrent"


def _module(anatomy: Anatomy, path: str) -> nn.Module | None:
    try:
        return anatomy.model.get_submodule(path)
    except AttributeError:
        return None


def recurrent_rows(anatomy: Anatomy, layers: tuple[Layer, ...]) -> tuple[Row, ...]:
    """Orthogonal state weights, Xavier uniform others, tables N(0, 1), biases 0."""
    states = {layer.weight_hh for layer in layers}

    def weight(use: Use) -> Choice:
        if use.parameter in states:
            return orthogonal(), "orthogonal, each gate: it keeps the length of the state"
        packed = _is_packed(use)
        return xavier_uniform(), f"Xavier uniform{', each gate by its own fans' * packed}"

    return anatomy.rows(
        weight,
        table=lambda _: (normal(std=1.0), "a row of a table is read alone: N(0, 1)"),
        source="Saxe, McClelland, Ganguli. 2014. arXiv:1312.6120. Glorot, Bengio. 2010",
    )
