"""What each parameter of a torch.nn module is: a weight with a layout, a bias, a norm's scale.

The tables below are the only place that knows modules. A parameter that they do not know is
an error with its name, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import is_lazy

from fanin import fans
from fanin.errors import ModelError
from fanin.fans import Layout


class Role(Enum):
    """What a parameter does for its module."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM_SCALE = "scale of a norm"
    NORM_SHIFT = "shift of a norm"
    SLOPE = "slope of an activation"


@dataclass(frozen=True, slots=True)
class Use:
    """One parameter as its module uses it.

    Args:
        name: as ``named_parameters`` gives it.
        parameter: the tensor.
        module: the module that owns it.
        role: what it does there.
        layout: of a weight.
        padding_index: a row of a table that stays zero.
    """

    name: str
    parameter: Tensor
    module: nn.Module
    role: Role
    layout: Layout | None = None
    padding_index: int | None = None


def _conv_layout(module: _ConvNd) -> Layout:
    if isinstance(module, _ConvTransposeNd):
        return fans.conv_transpose(module.weight.shape, stride=module.stride, groups=module.groups)
    return fans.conv(module.weight.shape, groups=module.groups)


_WEIGHT_LAYOUTS: Mapping[type[nn.Module], Callable[[Any], Layout]] = {
    nn.Linear: lambda m: fans.linear(m.weight.shape),
    _ConvNd: _conv_layout,
    nn.Embedding: lambda m: fans.embedding(m.weight.shape),
    nn.EmbeddingBag: lambda m: fans.embedding(m.weight.shape),
    nn.Bilinear: lambda m: fans.bilinear(m.weight.shape),
}
NORMS: tuple[type[nn.Module], ...] = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)

KNOWN_MODULES = (
    "Linear, Conv1d to Conv3d, ConvTranspose1d to ConvTranspose3d, Embedding, EmbeddingBag, "
    "Bilinear, the norms, PReLU"
)


def uses(model: nn.Module) -> tuple[Use, ...]:
    """Every parameter of the model with its role, tied ones once per use.

    Raises:
        ModelError: naming a parameter that is lazy or whose role is not known.
    """
    return tuple(
        _use(f"{path}.{name}" if path else name, name, parameter, module)
        for path, module, name, parameter in own_parameters(model)
    )


def own_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    """(module path, module, parameter name within it, parameter), tied ones as often as used.

    Raises:
        ModelError: a parameter is lazy.
    """
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if is_lazy(parameter):
                raise ModelError(
                    f"parameter {f'{path}.{name}'.lstrip('.')!r} is lazy and has no shape yet. "
                    "Run one forward pass first, then initialise"
                )
            yield path, module, name, parameter


def _use(full_name: str, name: str, parameter: Tensor, module: nn.Module) -> Use:
    for kind, layout in _WEIGHT_LAYOUTS.items():
        if isinstance(module, kind) and name == "weight":
            padding = getattr(module, "padding_idx", None)
            return Use(full_name, parameter, module, Role.WEIGHT, layout(module), padding)
        if isinstance(module, kind) and name == "bias":
            return Use(full_name, parameter, module, Role.BIAS)
    if isinstance(module, NORMS) and name == "weight":
        return Use(full_name, parameter, module, Role.NORM_SCALE)
    if isinstance(module, NORMS) and name == "bias":
        return Use(full_name, parameter, module, Role.NORM_SHIFT)
    if isinstance(module, nn.PReLU) and name == "weight":
        return Use(full_name, parameter, module, Role.SLOPE)
    raise ModelError(
        f"parameter {full_name!r} {tuple(parameter.shape)} of {type(module).__name__}: its role "
        f"is not known, so no scheme can be chosen for it.\n"
        f"  Known are the parameters of {KNOWN_MODULES}.\n"
        f"  Initialise the parts that are known, e.g. fanin.init_(model.part, recipe), and draw "
        f"this one by itself:\n"
        f"  fanin.schemes.he_normal().init_(tensor, name={full_name!r}, layout=fanin.fans.linear"
        f"((out, in)))"
    )
