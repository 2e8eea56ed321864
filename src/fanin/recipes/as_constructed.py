"""What torch.nn's own constructors do, drawn from named noise."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import attrs
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from fanin.errors import ModelError
from fanin.recipes.plan import Plan
from fanin.recipes.roles import NORMS, own_parameters
from fanin.recipes.row import Row
from fanin.schemes import AbstractScheme, constant, normal, ones, uniform, zeros

Rule = Callable[[Any, str], AbstractScheme]


def _bound(fan: float) -> AbstractScheme:
    """U(-1/sqrt(fan), 1/sqrt(fan)): kaiming_uniform_ with a = sqrt 5."""
    bound = 1 / math.sqrt(fan) if fan else 0.0
    return uniform(-bound, bound)


def _conv(module: _ConvNd, _: str) -> AbstractScheme:
    # torch reads axis 1 as the inputs, of transposed convolutions too.
    return _bound(module.weight.shape[1] * math.prod(module.weight.shape[2:]))


def _attention(module: nn.MultiheadAttention, name: str) -> AbstractScheme:
    if name in {"bias_k", "bias_v"}:
        return normal(std=math.sqrt(2 / (2 * module.embed_dim)))
    if name.endswith("bias"):
        return zeros()
    return _xavier(getattr(module, name))


def _xavier(weight: Tensor) -> AbstractScheme:
    rows, columns = weight.shape
    bound = math.sqrt(6 / (rows + columns))
    return uniform(-bound, bound)


def _norm(_: nn.Module, name: str) -> AbstractScheme:
    return ones() if name == "weight" else zeros()


_WEIGHT_AND_BIAS = re.compile("weight|bias")
_GATES = re.compile(r"(weight|bias)_(ih|hh|hr)(_l\d+)?(_reverse)?")
_PROJECTIONS = re.compile("(in|[qkv])_proj_weight|in_proj_bias|bias_[kv]")

# A class of torch.nn, the names of the parameters that it makes, and how it draws them.
_RULES: Sequence[tuple[type[nn.Module], re.Pattern[str], Rule]] = (
    (nn.Linear, _WEIGHT_AND_BIAS, lambda m, _: _bound(m.in_features)),
    (_ConvNd, _WEIGHT_AND_BIAS, _conv),
    (nn.Bilinear, _WEIGHT_AND_BIAS, lambda m, _: _bound(m.in1_features)),
    (nn.Embedding, _WEIGHT_AND_BIAS, lambda _, __: normal()),
    (nn.EmbeddingBag, _WEIGHT_AND_BIAS, lambda _, __: normal()),
    (nn.RNNBase, _GATES, lambda m, _: _bound(m.hidden_size)),
    (nn.RNNCellBase, _GATES, lambda m, _: _bound(m.hidden_size)),
    (nn.MultiheadAttention, _PROJECTIONS, _attention),
    (nn.PReLU, _WEIGHT_AND_BIAS, lambda m, _: constant(m.init)),
    *((norm, _WEIGHT_AND_BIAS, _norm) for norm in NORMS),
)


@attrs.frozen
class Default:
    """What the constructors of torch.nn do, from named noise instead of torch's generator.

    Linear and convolutions: weight and bias U(-1/sqrt(fan_in), 1/sqrt(fan_in)), a sixth of
    the variance that ReLU needs; recurrent layers the same with the hidden size; Embedding
    N(0, 1); attention Xavier uniform on the packed projection. A module with a
    ``reset_parameters`` of its own is an error, as nothing is known of what it does.

    Example:
        >>> import torch, fanin
        >>> model = torch.nn.Linear(4, 2)
        >>> fanin.init_(model, "default", seed=1) is model
        True

    References:
        torch.nn, ``reset_parameters`` of each module, PyTorch 2.13.
    """

    def __str__(self) -> str:
        return "default"

    def plan(self, model: nn.Module) -> Plan:
        """One row per parameter; the model is only read.

        Raises:
            ModelError: a parameter whose module is not one of torch.nn's, or is lazy.
        """
        rows: dict[Tensor, Row] = {}
        for path, module, name, parameter in own_parameters(model):
            full = f"{path}.{name}" if path else name
            row = Row(
                full,
                tuple(parameter.shape),
                _rule(full, module, name)(module, name),
                f"as {type(module).__name__} draws it when it is made",
                padding_index=getattr(module, "padding_idx", None) if name == "weight" else None,
            )
            known = rows.setdefault(parameter, row)
            if (known.scheme, known.padding_index) != (row.scheme, row.padding_index):
                raise ModelError(
                    f"{known.parameter!r} and {row.parameter!r} are one parameter, which their "
                    f"modules draw as {known.scheme!r} and as {row.scheme!r}: recipe 'default' "
                    "cannot tell which came first. Take a recipe of one scale, e.g. 'normal:0.02'"
                )
        for parameter, scheme, reason in _redrawn(model):
            rows[parameter] = replace(rows[parameter], scheme=scheme, reason=reason)
        return Plan("default", tuple(rows.values()))


def _redrawn(model: nn.Module) -> Iterator[tuple[Tensor, AbstractScheme, str]]:
    """What a module draws again in the modules that it holds, inner modules first."""
    for module in reversed(list(model.modules())):
        if isinstance(module, nn.MultiheadAttention) and module.out_proj.bias is not None:
            yield module.out_proj.bias, zeros(), "as MultiheadAttention sets it"
        if isinstance(module, nn.Transformer):
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    yield parameter, _xavier(parameter), "as Transformer draws it (Xavier)"


def _rule(full_name: str, module: nn.Module, name: str) -> Rule:
    for kind, names, rule in _RULES:
        if isinstance(module, kind) and names.fullmatch(name) and not _redefines(module, kind):
            return rule
    raise ModelError(
        f"parameter {full_name!r} belongs to {type(module).__name__}, which is not a module of "
        "torch.nn or draws its parameters in its own way: recipe 'default' cannot redraw it. "
        "Build the model again under torch.manual_seed, or take another recipe"
    )


def _redefines(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a class outside torch.nn draws its parameters by code of its own."""
    return type(module) is not kind and any(
        base.__dict__.keys() & {"reset_parameters", "_reset_parameters"}
        for base in type(module).__mro__
        if not base.__module__.startswith("torch.nn.")
    )
