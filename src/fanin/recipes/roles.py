"""What each parameter of a torch.nn module is: a weight with a layout, a bias, a norm's scale.

Layouts come from fanin.fans; the tables below are the only other place that knows modules.
A parameter that they do not know is an error with its name, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

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


_WITH_FANS: tuple[type[nn.Module], ...] = (
    nn.Linear,
    _ConvNd,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.Bilinear,
)
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
    if isinstance(module, _WITH_FANS) and name == "weight":
        padding = getattr(module, "padding_idx", None)
        return Use(full_name, parameter, module, Role.WEIGHT, Layout.of(module), padding)
    if isinstance(module, _WITH_FANS) and name == "bias":
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
