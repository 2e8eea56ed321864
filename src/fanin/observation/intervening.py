"""A forward pass in which what each weight puts out may be changed before it flows on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch
from torch import Tensor, nn

from fanin.observation import passing
from fanin.observation.demands import require_observable
from fanin.observation.graph import Call
from fanin.observation.matching import Matching
from fanin.observation.restoring import untouched
from fanin.observation.whereabouts import named


@attrs.frozen
class Site:
    """Where a parameter is read.

    Args:
        parameter: its name, as ``named_parameters`` gives it.
        role: "weight", "table", "magnitude" or "bias".
        op: the operation, e.g. "linear".
        module: the path of the module that runs it.
    """

    parameter: str
    role: str
    op: str
    module: str


Change = Callable[[tuple[Site, ...], Tensor], None]
"""Called with all that an operation reads, and what it put out, which may be written to."""


def intervene(model: nn.Module, inputs: object, change: Change) -> None:
    """Run one forward pass, without a loss, and let ``change`` write into what weights put out.

    What it writes flows on, so that scales can be set one after the other in a single pass, as
    LSUV does layer by layer. Afterwards the model is as before, bit for bit.

    Args:
        model: the model, with the weights that are to run.
        inputs: as ``fanin.observe`` takes them.
        change: called for each operation that reads a weight, in the order of execution, under
            ``no_grad``; it may write into the output in place.

    Raises:
        ModelError: the model has no parameters or lazy ones.
        InputError: inputs are not finite or on another device.
        Exception: whatever model or ``change`` raise.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 2))
        >>> shown = []
        >>> def scaled_to_one(sites, output):
        ...     shown.append((sites[0].parameter, float(output.square().mean().sqrt())))
        ...     output.div_(shown[-1][1])
        >>> intervene(net, torch.ones(3, 4), scaled_to_one)
        >>> [name for name, _ in shown]
        ['0.weight', '2.weight']
    """
    parameters = named(model) if isinstance(model, nn.Module) else ()
    require_observable(model, inputs, None, parameters)
    names = {name: one.name for one in parameters for name in one.names}
    with untouched(model), passing.ordinary_surroundings():
        passing.run(
            model, inputs, None, None, parameters, _Intervention(names, change), with_loss=False
        )


class _Intervention:
    """A watcher that hands on what operations with a weight put out."""

    def __init__(self, names: dict[str, str], change: Change) -> None:
        self._names = names
        self._change = change

    def see(self, call: Call, _: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        if not any(operand.is_weight for operand in call.operands):
            return
        sites = tuple(
            Site(self._names.get(one.name, one.name), one.role, call.op, call.module)
            for one in Matching([call]).readings
            if one.role in {"weight", "table", "magnitude", "bias"}
            and one.call is call  # not at a layer of parameters alone whose output is read here
        )
        if any(site.role != "bias" for site in sites):
            with torch.no_grad():
                self._change(sites, results[0])
