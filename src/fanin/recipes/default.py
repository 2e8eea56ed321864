"""What torch.nn's own constructors do, drawn from named noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from fanin.errors import ModelError
from fanin.recipes.plan import Plan, Row
from fanin.recipes.roles import own_parameters
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
    if name.endswith("bias"):
        return zeros()
    if name in {"bias_k", "bias_v"}:
        return normal(std=math.sqrt(2 / (2 * module.embed_dim)))
    rows, columns = getattr(module, name).shape
    bound = math.sqrt(6 / (rows + columns))
    return uniform(-bound, bound)


def _norm(_: nn.Module, name: str) -> AbstractScheme:
    return ones() if name == "weight" else zeros()


def _prelu(module: nn.PReLU, _: str) -> AbstractScheme:
    return constant(module.init)


_RULES: Mapping[type[nn.Module], Rule] = {
    nn.Linear: lambda m, _: _bound(m.in_features),
    _ConvNd: _conv,
    nn.Bilinear: lambda m, _: _bound(m.in1_features),
    nn.Embedding: lambda _, __: normal(),
    nn.EmbeddingBag: lambda _, __: normal(),
    nn.RNNBase: lambda m, _: _bound(m.hidden_size),
    nn.RNNCellBase: lambda m, _: _bound(m.hidden_size),
    nn.MultiheadAttention: _attention,
    nn.PReLU: _prelu,
    **dict.fromkeys((_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm), _norm),
}


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
        attention: dict[str, Row] = {}
        for path, module, name, parameter in own_parameters(model):
            full = f"{path}.{name}" if path else name
            scheme = _rule(full, module)(module, name)
            rows[parameter] = Row(
                rows[parameter].parameter if parameter in rows else full,
                tuple(parameter.shape),
                scheme,
                f"as {type(module).__name__} draws it when it is made",
                padding_index=getattr(module, "padding_idx", None) if name == "weight" else None,
            )
            if isinstance(module, nn.MultiheadAttention):
                attention.update(_output_bias(path, module))
        return Plan("default", tuple(attention.get(row.parameter, row) for row in rows.values()))


def _output_bias(path: str, module: nn.MultiheadAttention) -> Iterator[tuple[str, Row]]:
    """Attention zeroes the bias of the Linear that it holds."""
    name = f"{path}.out_proj.bias".lstrip(".")
    bias = module.out_proj.bias
    if bias is not None:
        yield name, Row(name, tuple(bias.shape), zeros(), "as MultiheadAttention sets it")


def _rule(name: str, module: nn.Module) -> Rule:
    for kind, rule in _RULES.items():
        if isinstance(module, kind) and not _redefines(type(module), kind):
            return rule
    raise ModelError(
        f"parameter {name!r} belongs to {type(module).__name__}, which is not a module of "
        "torch.nn or draws its parameters in its own way: recipe 'default' cannot redraw it. "
        "Build the model again under torch.manual_seed, or take another recipe"
    )


def _redefines(own: type[nn.Module], kind: type[nn.Module]) -> bool:
    """Whether a class outside torch.nn draws its parameters by code of its own."""
    return (
        any(
            base.__dict__.keys() & {"reset_parameters", "_reset_parameters"}
            for base in own.__mro__
            if not base.__module__.startswith("torch.nn.")
        )
        and own is not kind
    )
