"""The steps of an observation as a graph: what comes before, what after."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cached_property

import attrs

from fanin.observation.observed import Observation
from fanin.observation.records import Edge, Step


@attrs.frozen(eq=False, slots=False)
class Ways:
    """The dataflow of an observation.

    Args:
        observation: of the model.
    """

    observation: Observation

    @cached_property
    def steps(self) -> Mapping[str, Step]:
        """By name."""
        return {step.name: step for step in self.observation.steps}

    @cached_property
    def order(self) -> Mapping[str, int]:
        return {step.name: place for place, step in enumerate(self.observation.steps)}

    @cached_property
    def edges(self) -> Mapping[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.observation.edges:
            found.setdefault(edge.target, []).append(edge)
        return {name: tuple(edges) for name, edges in found.items()}

    @cached_property
    def before(self) -> Mapping[str, tuple[str, ...]]:
        return {name: tuple(e.source for e in edges) for name, edges in self.edges.items()}

    @cached_property
    def after(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for edge in self.observation.edges:
            found.setdefault(edge.source, []).append(edge.target)
        return {name: tuple(targets) for name, targets in found.items()}

    def first_weights(
        self, name: str, ways: Mapping[str, tuple[str, ...]], stop: str | None = None
    ) -> set[str]:
        """The first weights on all ways from a step, which does not count itself.

        Args:
            name: of the step.
            ways: ``before`` or ``after``.
            stop: a step beyond which no way leads.
        """
        stack, seen, found = [name], {name}, set()
        while stack:
            at = stack.pop()
            step = self.steps.get(at)
            if step is not None and step.kind == "weight" and at != name:
                found.add(at)
                continue
            for one in ways.get(at, ()):
                if one not in seen and one != stop:
                    seen.add(one)
                    stack.append(one)
        return found

    def sources(self, name: str) -> set[str]:
        """A step and all that it comes from with no weight between, those weights included."""
        step = self.steps.get(name)
        own = step is not None and step.kind == "weight"
        stack, seen = [] if own else [name], {name}
        while stack:
            for one in self.before.get(stack.pop(), ()):
                if one not in seen:
                    seen.add(one)
                    if self.steps[one].kind != "weight":
                        stack.append(one)
        return seen

    def latest(self, names: Iterable[str], wanted: Container[str]) -> str | None:
        """Of the wanted steps that steps come from with no weight between, the last one."""
        waiting, seen = set(names), set(names)
        while waiting:
            at = max(waiting, key=lambda name: self.order.get(name, -1))
            waiting.remove(at)
            if at in wanted:
                return at
            step = self.steps.get(at)
            if step is None or step.kind in {"weight", "input"}:
                continue
            new = set(self.before.get(at, ())) - seen
            seen |= new
            waiting |= new
        return None

    def follows_softmax(self, name: str) -> bool:
        """A softmax made it, with no weight in between."""
        stack, seen = [name], {name}
        while stack:
            at = stack.pop()
            step = self.steps.get(at)
            if step is None or step.kind == "weight":
                continue
            if step.kind == "softmax":
                return True
            new = [one for one in self.before.get(at, ()) if one not in seen]
            seen.update(new)
            stack.extend(new)
        return False
