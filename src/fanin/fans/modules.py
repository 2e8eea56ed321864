"""Which parameters of which modules have a layout: of torch.nn, and of transformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from fanin.errors import FanError
from fanin.fans.contractions import experts
from fanin.fans.convolutions import conv, conv_transpose
from fanin.fans.layout import Layout
from fanin.fans.matrices import bilinear, linear, packed, recurrent, transposed_linear
from fanin.fans.tables import embedding

KNOWN_MODULES = (
    "Linear, Conv1d to Conv3d, ConvTranspose1d to ConvTranspose3d, Embedding, EmbeddingBag, "
    "Bilinear, RNN, LSTM, GRU and their cells, MultiheadAttention, and Conv1D of transformers"
)

Shape = Sequence[int]

_WEIGHT = re.compile("weight")
_GATES = re.compile(r"weight_[ih]h(_l\d+(_reverse)?)?")

# A class, by name so that nothing is imported here; names of its parameters; their layout.
_RULES: Sequence[tuple[str, re.Pattern[str], Callable[[Any, Shape], Layout]]] = (
    ("torch.nn.modules.linear.Linear", _WEIGHT, lambda _, shape: linear(shape)),
    (
        "torch.nn.modules.conv._ConvTransposeNd",
        _WEIGHT,
        lambda m, shape: conv_transpose(shape, stride=m.stride, groups=m.groups),
    ),
    ("torch.nn.modules.conv._ConvNd", _WEIGHT, lambda m, shape: conv(shape, groups=m.groups)),
    ("torch.nn.modules.sparse.Embedding", _WEIGHT, lambda _, shape: embedding(shape)),
    ("torch.nn.modules.sparse.EmbeddingBag", _WEIGHT, lambda _, shape: embedding(shape)),
    ("torch.nn.modules.linear.Bilinear", _WEIGHT, lambda _, shape: bilinear(shape)),
    ("torch.nn.modules.rnn.RNNBase", _GATES, lambda m, shape: _recurrent(m, shape)),
    (
        "torch.nn.modules.rnn.RNNBase",
        re.compile(r"weight_hr_l\d+(_reverse)?"),
        lambda _, shape: linear(shape),
    ),
    ("torch.nn.modules.rnn.RNNCellBase", _GATES, lambda m, shape: _recurrent(m, shape)),
    (
        "torch.nn.modules.activation.MultiheadAttention",
        re.compile("in_proj_weight"),
        lambda _, shape: packed(linear(shape), 3),
    ),
    (
        "torch.nn.modules.activation.MultiheadAttention",
        re.compile("[qkv]_proj_weight"),
        lambda _, shape: linear(shape),
    ),
    ("transformers.pytorch_utils.Conv1D", _WEIGHT, lambda _, shape: transposed_linear(shape)),
)


def known_layout(module: object, name: str) -> Layout | None:
    """The layout of a module's parameter, or None where it has none or it is not known."""
    parameter = getattr(module, name, None)
    shape = None if _is_lazy(parameter) else getattr(parameter, "shape", None)
    if shape is None:
        return None
    for base in type(module).__mro__:
        for kind, names, layout in _RULES:
            if f"{base.__module__}.{base.__name__}" == kind and names.fullmatch(name):
                return layout(module, shape)
    return _of_experts(module, name, shape)


def _recurrent(module: Any, shape: Shape) -> Layout:
    return recurrent(shape, shape[0] // module.hidden_size if module.hidden_size else 1)


def _of_experts(module: Any, name: str, shape: Shape) -> Layout | None:
    """A stack of experts of transformers.

    Its classes store stacks either way round, and say which in attributes that the products
    follow; those that say nothing are not guessed. A gate and its value that alternate along
    the out axis are no blocks.
    """
    if len(shape) != 3 or not any(
        base.__module__.startswith("transformers.models.") for base in type(module).__mro__
    ):
        return None
    input_first = getattr(module, "is_transposed", None)
    if not isinstance(input_first, bool):
        return None
    layout = experts(shape, transposed=not input_first)
    if name == "gate_up_proj" and getattr(module, "is_concatenated", None) is True:
        return packed(layout, 2)
    return layout if name in {"up_proj", "down_proj"} else None


def refusal(module: object, name: str) -> FanError:
    """Why there is no layout, and what to do."""
    kind = type(module).__name__
    start = f"no fan_in for the {name} of {kind}: "
    parameter = getattr(module, name, None)
    if _is_lazy(parameter):
        return FanError(f"{start}it is lazy and has no shape yet. Run one forward pass first")
    known = [n for n in _parameter_names(module) if known_layout(module, n) is not None]
    if known:
        return FanError(f"{start}fans are known for its {', '.join(known)}")
    shape = tuple(getattr(parameter, "shape", ()))
    stack = f", or fanin.fans.experts({shape}) for a stack" if len(shape) == 3 else ""
    return FanError(
        f"{start}fans are known for {KNOWN_MODULES}. Build the layout of the operation that "
        f"uses it: fanin.fans.linear((out, in)), ...{stack}"
    )


def _parameter_names(module: Any) -> list[str]:
    names = getattr(module, "named_parameters", None)
    return [name for name, _ in names(recurse=False)] if names is not None else []


def _is_lazy(parameter: object) -> bool:
    return type(parameter).__name__ == "UninitializedParameter"
