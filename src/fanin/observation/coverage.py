"""Coverage: every path from every parameter to the loss is matched or reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from torch import Tensor

from fanin.observation.graph import Call, Kind, Value
from fanin.observation.matching import Matching
from fanin.observation.ownership import Blind
from fanin.observation.passing import Pass
from fanin.observation.pullback import origins
from fanin.observation.records import Unmatched
from fanin.observation.whereabouts import Named


@attrs.frozen
class Coverage:
    """What autograd and the recording say of each other.

    Args:
        leaves: ids of the tensors that the loss's graph ends at.
        blind: nodes of that graph which no recorded call made.
        reaching: indices of the calls that an output or the loss follows from.
    """

    leaves: frozenset[int]
    blind: tuple[Blind, ...]
    reaching: frozenset[int]


def coverage(done: Pass) -> Coverage:
    """Walk the autograd graph from the loss, and the recorded values from the outputs."""
    root: Any = None if done.loss is None else done.loss.value.grad_fn
    blind, leaves = ([], []) if root is None else done.recorder.ownership.blind(root)
    return Coverage(frozenset(map(id, leaves)), tuple(blind), _reaching(done.ends))


def _reaching(ends: Iterable[Value]) -> frozenset[int]:
    seen: set[int] = set()
    stack = [end.producer for end in ends]
    while stack:
        call = stack.pop()
        if call is None or call.index in seen:
            continue
        seen.add(call.index)
        stack.extend(operand.producer for operand in call.operands)
    return frozenset(seen)


def unmatched(
    covered: Coverage, matching: Matching, parameters: Mapping[str, Named]
) -> tuple[Unmatched, ...]:
    """Every parameter with a path that was not understood, once."""
    found: dict[str, Unmatched] = {}
    for miss in matching.misses:
        name = _canonical(miss.parameter.name or "", parameters)
        if miss.call.index in covered.reaching and name is not None:
            found.setdefault(name, _of_an_operation(name, miss.call))
    by_tensor = {id(named.tensor): named.name for named in parameters.values()}
    for blind in covered.blind:
        for name in _behind(blind, by_tensor, parameters):
            found.setdefault(
                name,
                Unmatched(
                    name, blind.op.removesuffix("Backward0"), "",
                    "autograd sees it used by code that calls no function of torch which can be "
                    "recorded: a scripted or compiled part, another thread, or functorch",
                ),
            )  # fmt: skip
    for named in _unread(covered, matching, found, parameters):
        found[named.name] = Unmatched(
            named.name, "", "",
            "autograd says that the loss depends on it, but no operation was found that reads it "
            "as a weight, a scale or a signal",
        )  # fmt: skip
    order = {named.name: place for place, named in enumerate(parameters.values())}
    return tuple(sorted(found.values(), key=lambda one: order[one.parameter]))


def _unread(
    covered: Coverage,
    matching: Matching,
    found: Mapping[str, Unmatched],
    parameters: Mapping[str, Named],
) -> list[Named]:
    """The rule's last resort: in the loss's graph, yet neither read nor reported."""
    read = {_canonical(reading.name, parameters) for reading in matching.readings}
    every = {named.name: named for named in parameters.values()}
    return [
        named
        for name, named in every.items()
        if id(named.tensor) in covered.leaves and name not in read and name not in found
    ]


def _of_an_operation(name: str, call: Call) -> Unmatched:
    where = f" in module {call.module!r}" if call.module else ""
    return Unmatched(
        name, call.op, call.module,
        f"the operation {call.op}{where} reads it, and what it does to its operands is not known",
    )  # fmt: skip


def _canonical(name: str, parameters: Mapping[str, Named]) -> str | None:
    named = parameters.get(name)
    return None if named is None else named.name


def _behind(
    blind: Blind, by_tensor: Mapping[int, str], parameters: Mapping[str, Named]
) -> Sequence[str]:
    if isinstance(blind.reads, Tensor):
        name = by_tensor.get(id(blind.reads))
        return [] if name is None else [name]
    names = []
    for output in blind.reads.outputs:
        if output.kind is Kind.WEIGHT:
            for origin in origins(output, {}).values():
                name = _canonical(origin.parameter.name or "", parameters)
                if name is not None:
                    names.append(name)
    return names
