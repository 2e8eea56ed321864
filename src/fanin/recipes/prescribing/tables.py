"""Tables that are looked up, and the scale of the streams that they start."""

from __future__ import annotations

import math
from functools import cached_property

import attrs

from fanin.observation.records import Branch, Use
from fanin.recipes.prescribing.prescription import Prescription
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.ways import Ways
from fanin.schemes import normal


@attrs.frozen
class Stream:
    """A signal that residual branches are added to.

    Args:
        scale: its RMS at the start.
        of_table: it starts from rows of a table.
        is_normed: every sum goes through a norm (post-norm).
    """

    scale: float
    of_table: bool
    is_normed: bool


class Tables:
    """Prescribes tables.

    Args:
        anatomy: of the model.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self._ways = Ways(anatomy.observation)

    def table(self, use: Use) -> Prescription:
        """Of a table that is looked up."""
        width = int(self._anatomy.parameters[use.parameter].shape[-1])
        if use.parameter in self._tied:
            return Prescription(
                normal(std=1 / math.sqrt(width)),
                f"a table that is also the head of width {width}: std 1/sqrt({width}) gives "
                "scores of RMS 1",
                _T5,
            )
        beside = self._tied_beside(use)
        if beside is not None:
            return Prescription(
                normal(std=1 / math.sqrt(width)),
                f"it is added to {beside}, which is also the head: of the same scale",
                _T5,
            )
        bag = use.op == "embedding_bag"
        return Prescription(
            normal(std=1.0),
            "rows of a table are the signal itself: RMS 1" + (" in their mean" if bag else ""),
            _TABLE,
            1.0 if bag else None,
        )

    @cached_property
    def _tied(self) -> frozenset[str]:
        """Tables that are heads too."""
        tables = self._anatomy.of(Part.TABLE, Part.WEIGHT)
        return frozenset(
            name for name in tables
            if {"weight", "table"} <= {one.role for one in self._anatomy.uses_of(name)}
        )  # fmt: skip

    def _tied_beside(self, use: Use) -> str | None:
        """The tied table that a table is added to, if there is one."""
        joins = {one.at for one in use.regions if one.ends == "join"}
        for name in self._tied:
            for other in self._anatomy.uses_of(name):
                if other.role == "table" and joins & self._joins_after(other.signal):
                    return name
        return None

    def _joins_after(self, name: str | None) -> frozenset[str]:
        """The joins that a step reaches through nothing but joins."""
        found: set[str] = set()
        stack = [] if name is None else [name]
        while stack:
            for after in self._ways.after.get(stack.pop(), ()):
                step = self._ways.steps.get(after)
                if step is not None and step.kind == "join" and after not in found:
                    found.add(after)
                    stack.append(after)
        return frozenset(found)

    def stream_of(self, branch: Branch) -> Stream:
        """The signal that a branch is added to, where it starts."""
        branches = next(stream for stream in self._anatomy.streams if branch in stream)
        first = branches[0]
        stack, seen, scales, tables = [first.start], set(), [], False
        while stack:
            at = stack.pop()
            step = self._ways.steps.get(at)
            if at in seen or step is None:
                continue
            seen.add(at)
            if step.kind != "weight":
                scales += [1.0] if step.kind == "norm" else []
                stack.extend(self._ways.before.get(at, ()))
                continue
            tied = [name for name in step.parameters if name in self._tied]
            width = self._anatomy.parameters[tied[0]].shape[-1] if tied else 1
            scales.append(1 / math.sqrt(width))
            tables |= step.op in {"embedding", "embedding_bag"}
        after = self._ways.after.get(first.join, ())
        kinds = {self._ways.steps[name].kind for name in after if name in self._ways.steps}
        is_normed = len(branches) > 1 and kinds == {"norm"}  # not by the last norm of all
        return Stream(max(scales, default=1.0), tables, is_normed=is_normed)


_TABLE = "PyTorch, torch.nn.Embedding: N(0, 1)"
_T5 = "Raffel et al. Exploring the limits of transfer learning. JMLR 2020. arXiv:1910.10683"
