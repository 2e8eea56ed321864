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
from fanin.fans import Layout, of_plain_weight
from fanin.noise import Distribution
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.roles import NORMS, own_parameters
from fanin.schemes import (
    AbstractScheme,
    IndependentScheme,
    constant,
    normal,
    ones,
    torch_default,
    xavier_uniform,
    zeros,
)

Drawn = tuple[AbstractScheme, Layout | None]
Rule = Callable[[Any, str], Drawn]


def _by_the_weight(module: nn.Module, _: str) -> Drawn:
    """Weight and bias alike, by the layout of the weight."""
    return torch_default(), Layout.of(module)


def _recurrent(module: nn.Module, name: str) -> Drawn:
    # Every parameter has the bound of the hidden size, which the recurrent weights know.
    return torch_default(), Layout.of(module, _HIDDEN.sub("weight_hh", name))


def _attention(module: nn.MultiheadAttention, name: str) -> Drawn:
    if name in {"bias_k", "bias_v"}:
        return normal(std=math.sqrt(2 / (2 * module.embed_dim))), None
    if name.endswith("bias"):
        return zeros(), None
    return torch_default("attention"), Layout.of(module, name)


def _norm(_: nn.Module, name: str) -> Drawn:
    return (ones() if name == "weight" else zeros()), None


_WEIGHT_AND_BIAS = re.compile("weight|bias")
_HIDDEN = re.compile("(weight|bias)_(ih|hh|hr)")
_GATES = re.compile(r"(weight|bias)_(ih|hh|hr)(_l\d+)?(_reverse)?")
_PROJECTIONS = re.compile("(in|[qkv])_proj_weight|in_proj_bias|bias_[kv]")

# A class of torch.nn, the names of the parameters that it makes, and how it draws them.
_RULES: Sequence[tuple[type[nn.Module], re.Pattern[str], Rule]] = (
    (nn.Linear, _WEIGHT_AND_BIAS, _by_the_weight),
    (_ConvNd, _WEIGHT_AND_BIAS, _by_the_weight),
    (nn.Bilinear, _WEIGHT_AND_BIAS, _by_the_weight),
    (nn.Embedding, _WEIGHT_AND_BIAS, _by_the_weight),
    (nn.EmbeddingBag, _WEIGHT_AND_BIAS, _by_the_weight),
    (nn.RNNBase, _GATES, _recurrent),
    (nn.RNNCellBase, _GATES, _recurrent),
    (nn.MultiheadAttention, _PROJECTIONS, _attention),
    (nn.PReLU, _WEIGHT_AND_BIAS, lambda module, _: (constant(module.init), None)),
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

    name = "default"
    rule = "what the constructors of torch.nn draw, from named noise instead of torch's generator"
    use = "a baseline; models of torch.nn's modules alone"
    citation = "torch.nn, reset_parameters of each module. PyTorch 2.13"
    needs = "model"

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
            scheme, layout = _rule(full, module, name)(module, name)
            row = Row(
                full,
                tuple(parameter.shape),
                scheme,
                f"as {type(module).__name__} draws it when it is made",
                layout,
                padding_index=getattr(module, "padding_idx", None) if name == "weight" else None,
            )
            known = rows.setdefault(parameter, row)
            if _drawn_as(known) != _drawn_as(row):
                raise ModelError(
                    f"{known.parameter!r} and {row.parameter!r} are one parameter, which their "
                    f"modules draw as {_law(known)} and as {_law(row)}: recipe 'default' "
                    "cannot tell which came first. Take a recipe of one scale, e.g. 'normal:0.02'"
                )
        for parameter, again, layout, reason in _redrawn(model):
            rows[parameter] = replace(rows[parameter], scheme=again, layout=layout, reason=reason)
        return Plan("default", tuple(rows.values()))


def _law(row: Row) -> Distribution:
    assert isinstance(row.scheme, IndependentScheme)  # noqa: S101 - the rules have no others
    return row.scheme.law(row.layout)


def _drawn_as(row: Row) -> tuple[Distribution, int | None]:
    return _law(row), row.padding_index


def _redrawn(model: nn.Module) -> Iterator[tuple[Tensor, AbstractScheme, Layout | None, str]]:
    """What a module draws again in the modules that it holds, inner modules first."""
    for module in reversed(list(model.modules())):
        if isinstance(module, nn.MultiheadAttention) and module.out_proj.bias is not None:
            yield module.out_proj.bias, zeros(), None, "as MultiheadAttention sets it"
        if isinstance(module, nn.Transformer):
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    stack = of_plain_weight(parameter.shape)
                    reason = "as Transformer draws it (Xavier)"
                    yield parameter, xavier_uniform(), stack, reason


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
