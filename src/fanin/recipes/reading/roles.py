"""What each parameter of a torch.nn module is: a weight with a layout, a bias, a norm's scale.

Layouts come from fanin.fans; the tables below are the only other place that knows modules.
A parameter that they do not know is an error with its name, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from fanin.errors import ModelError
from fanin.fans import Layout
from fanin.fans.modules import KNOWN_MODULES, known_layout


class Role(Enum):
    """What a parameter does for its module."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM_SCALE = "scale of a norm"
    NORM_SHIFT = "shift of a norm"
    SLOPE = "slope of an activation"
    LEARNED_INPUT = "learned input"


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


NORMS: tuple[type[nn.Module], ...] = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)

# A class of torch.nn and the names of those of its parameters that are neither weights nor
# the ``bias`` beside a ``weight``.
_OTHERS: tuple[tuple[tuple[type[nn.Module], ...], re.Pattern[str], Role], ...] = (
    (NORMS, re.compile("weight"), Role.NORM_SCALE),
    (NORMS, re.compile("bias"), Role.NORM_SHIFT),
    ((nn.PReLU,), re.compile("weight"), Role.SLOPE),
    (
        (nn.RNNBase, nn.RNNCellBase),
        re.compile(r"bias_[ih]h(_l\d+(_reverse)?)?"),
        Role.BIAS,
    ),
    ((nn.MultiheadAttention,), re.compile("in_proj_bias"), Role.BIAS),
    ((nn.MultiheadAttention,), re.compile("bias_[kv]"), Role.LEARNED_INPUT),
)


def uses(model: nn.Module, names: Collection[str] | None = None) -> tuple[Use, ...]:
    """Every parameter of the model with its role, tied ones once per use.

    Args:
        model: the model.
        names: only these, as ``named_parameters`` gives them.

    Raises:
        ModelError: naming a parameter that is lazy or whose role is not known.
    """
    wanted = {id(one) for key, one in model.named_parameters() if names is None or key in names}
    return tuple(
        _use(f"{path}.{name}" if path else name, name, parameter, module)
        for path, module, name, parameter in own_parameters(model)
        if id(parameter) in wanted
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
    layout = known_layout(module, name)
    if layout is not None:
        padding = getattr(module, "padding_idx", None) if name == "weight" else None
        return Use(full_name, parameter, module, Role.WEIGHT, layout, padding)
    if name == "bias" and known_layout(module, "weight") is not None:
        return Use(full_name, parameter, module, Role.BIAS)
    for kinds, names, role in _OTHERS:
        if isinstance(module, kinds) and names.fullmatch(name):
            return Use(full_name, parameter, module, role)
    raise ModelError(
        f"parameter {full_name!r} {tuple(parameter.shape)} of {type(module).__name__}: its role "
        f"is not known, so no scheme can be chosen for it.\n"
        f"  Known are the parameters of {KNOWN_MODULES}, the norms, PReLU.\n"
        f"  Initialise the parts that are known, e.g. fanin.init_(model.part, recipe), and draw "
        f"this one by itself:\n"
        f"  fanin.schemes.he_normal().init_(tensor, name={full_name!r}, layout=fanin.fans.linear"
        f"((out, in)))"
    )
