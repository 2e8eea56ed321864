"""Which recorded call made which node of the autograd graph: the proof of coverage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from torch import Tensor

from fanin.observation.graph import Call, Value


@attrs.frozen
class Blind:
    """A node of the autograd graph that no recorded call made.

    Args:
        op: its name.
        reads: the parameter, or the call on parameters, that it reads.
    """

    op: str
    reads: Tensor | Call


class Ownership:
    """Each node of the autograd graph belongs to the call during which it arose."""

    def __init__(self) -> None:
        self._owners: dict[Any, Call] = {}
        self._values: dict[Any, Value] = {}

    def owns(self, node: Any) -> bool:
        return node in self._owners

    def edges(self, tensors: Iterable[Tensor]) -> set[object]:
        """The nodes that made the operands of a call."""
        return {tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None}

    def inputs(self, node: Any) -> set[object]:
        return {following for following, _ in node.next_functions if following is not None}

    def take(self, node: Any, call: Call, edges: set[object]) -> None:
        """All nodes between a result and the operands belong to the call."""
        stack = [node]
        owners = self._owners
        while stack:
            current = stack.pop()
            if current in owners or current in edges:
                if current is node and current not in owners:
                    owners[current] = call
                continue
            owners[current] = call
            stack.extend(
                following
                for following, _ in current.next_functions
                if following is not None and not hasattr(following, "variable")
            )

    def nodes(self, calls: Iterable[Call]) -> list[Any]:
        """All that belong to some calls."""
        wanted = {call.index for call in calls}
        return [node for node, call in self._owners.items() if call.index in wanted]

    def reached(self, node: Any) -> list[Value]:
        """The values that an unseen node reads, as far as calls are known that made them."""
        found: dict[int, Value] = {}
        seen: set[Any] = set()
        stack = [node]
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            owner = self._owners.get(current)
            if owner is not None:
                for value in owner.outputs[:1]:
                    found[id(value)] = value
                continue
            stack.extend(following for following, _ in current.next_functions if following)
        return list(found.values())

    def blind(self, root: Any) -> tuple[list[Blind], list[Tensor]]:
        """From the loss down: unowned nodes that read parameters, and all leaves."""
        found: list[Blind] = []
        leaves: dict[int, Tensor] = {}
        seen: set[Any] = {root}
        stack = [root]
        while stack:
            node = stack.pop()
            owner = self._owners.get(node)
            for following, _ in node.next_functions:
                if following is None:
                    continue
                leaf = getattr(following, "variable", None)
                if leaf is not None:
                    leaves[id(leaf)] = leaf
                    if owner is None or not _reads(owner, leaf):
                        found.append(Blind(node.name(), leaf))
                elif owner is None and following in self._owners:
                    made = self._owners[following]
                    if any(output.is_weight for output in made.outputs):
                        found.append(Blind(node.name(), made))
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return found, list(leaves.values())


def _reads(call: Call, leaf: Tensor) -> bool:
    """The call, or one inside the same Function before it, has the leaf as an operand."""
    stack, seen = [call], {call.index}
    while stack:
        current = stack.pop()
        for operand in current.operands:
            if operand.tensor is leaf:
                return True
            producer = operand.producer
            if current.inside and producer and producer.inside and producer.index not in seen:
                seen.add(producer.index)
                stack.append(producer)
    return False
