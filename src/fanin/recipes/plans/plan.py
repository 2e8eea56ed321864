"""A plan: a recipe resolved for one model, one row per parameter."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from fanin.errors import InputError, ModelError
from fanin.recipes.plans.row import Row
from fanin.recipes.plans.writer import write

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from fanin.recipes.plans.difference import PlanDifference


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe resolved for one model.

    Args:
        recipe: the recipe as text.
        rows: one per parameter that is drawn, in the model's order.
        kept: parameters that keep their values by design.
        unmatched: parameters of which too little is known to draw them. Rows, kept and these
            are all that the model has.
        notes: what else the recipe asks for or could not do; one sentence each.
        source: of the recipe: author, title, year.
        seed: the weights were measured for this seed, and the plan holds for no other; None
            for a plan that holds for every seed.
    """

    recipe: str
    rows: tuple[Row, ...]
    kept: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    seed: int | None = None
    _model: Any = field(default=None, compare=False, repr=False)

    def of(self, model: nn.Module) -> Plan:
        """The same plan, which knows the model that it was made for."""
        return replace(self, _model=weakref.ref(model))

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the model, which is not part of what the plan says.
        return type(self), (
            self.recipe, self.rows, self.kept, self.unmatched, self.notes, self.source, self.seed,
        )  # fmt: skip

    def plan(self, model: nn.Module) -> Plan:
        """Itself: a plan is the recipe of its own model, so ``init_(model, plan)`` works."""
        return self

    def __str__(self) -> str:
        return self.recipe

    def __repr__(self) -> str:
        drawn = f"{len(self.rows)} row{'' if len(self.rows) == 1 else 's'}"
        return (
            f"<Plan of recipe {self.recipe!r}: {drawn}, {len(self.kept)} kept, "
            f"{len(self.unmatched)} unmatched>"
        )

    def to_html(self, path: str | Path, *, command: str | None = None) -> Path:
        """Write a page with every parameter, its reason and its sources, and return its path.

        Raises:
            OutputError: the file cannot be written.
        """
        from fanin.report.plans import write_page

        return write_page(self, path, command=command)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from fanin.report.plans import terminal_view

        yield from terminal_view(self, options)

    def _repr_html_(self) -> str:
        from fanin.report.plans import framed_page

        return framed_page(self)

    def init_(
        self, model: nn.Module, seed: int | None = None, *, unmatched: str = "error"
    ) -> nn.Module:
        """Draw the parameters of the model in place, all or nothing, and return the model.

        Args:
            model: the model that the plan was made for, or one with the same parameters.
            seed: an integer; None for the seed that the plan was measured for, else 0.
            unmatched: "error", or "keep" to leave the parameters that the plan does not know
                as they are.

        Raises:
            ModelError: the model has other parameters than the plan, one cannot be drawn, or
                the plan does not know one; the model then has the bits that it had before.
            InputError: another seed than the plan was measured for.
        """
        if unmatched not in {"error", "keep"}:
            raise InputError(f"unmatched must be 'error' or 'keep', got {unmatched!r}")
        if self.unmatched and unmatched == "error":
            shown = ", ".join(map(repr, self.unmatched[:5]))
            more = f" and {len(self.unmatched) - 5} more" if len(self.unmatched) > 5 else ""
            raise ModelError(
                f"recipe {self.recipe!r} does not know how {shown}{more} should start: the pass "
                "did not show how they are used. Draw them yourself and leave them as they are "
                "with unmatched='keep'"
            )
        if self.seed is not None and seed is not None and seed != self.seed:
            raise InputError(
                f"the plan of recipe {self.recipe!r} was measured on the weights of seed "
                f"{self.seed} and holds for no other. Make it anew for seed {seed}: "
                f"fanin.init_(model, {self.recipe!r}, inputs=x, seed={seed})"
            )
        chosen = seed if seed is not None else (self.seed or 0)
        write(self.rows, model, chosen, kept=(*self.kept, *self.unmatched))
        return model

    def param_groups(
        self, learning_rate: float, *, weight_decay: float = 0.0, model: nn.Module | None = None
    ) -> list[dict[str, Any]]:
        """Groups for a ``torch.optim`` optimizer of Adam's kind, with the recipe's factors.

        Args:
            learning_rate: the base rate.
            weight_decay: the base decay.
            model: whose parameters; the one that the plan was made for where None.

        Returns:
            One dict for each pair of factors: "params", "lr", "weight_decay" and the "names".

        Raises:
            InputError: the plan knows no model and none is given.
            ModelError: the model lacks a parameter of the plan.

        Example:
            >>> import torch, fanin
            >>> net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
            >>> plan = fanin.recipes.as_recipe("he_normal").plan(net)
            >>> optimizer = torch.optim.Adam(plan.param_groups(1e-3, model=net))
        """
        target = model if model is not None else (self._model() if self._model else None)
        if target is None:
            raise InputError(
                "the plan does not know its model; give it: plan.param_groups(lr, model=model)"
            )
        parameters = dict(target.named_parameters())
        factors = {row.parameter: (row.learning_rate, row.weight_decay) for row in self.rows}
        missing = sorted(factors.keys() - parameters.keys())
        if missing:
            raise ModelError(f"the plan is for another model: it lacks {', '.join(missing[:5])}")
        groups: dict[tuple[float, float], list[str]] = {}
        for name, parameter in parameters.items():
            if parameter.requires_grad:
                groups.setdefault(factors.get(name, (1.0, 1.0)), []).append(name)
        return [
            {
                "params": [parameters[name] for name in names],
                "lr": learning_rate * rate,
                "weight_decay": weight_decay * decay,
                "names": names,
            }
            for (rate, decay), names in groups.items()
        ]

    def row(self, parameter: str) -> Row:
        """The row of a parameter.

        Raises:
            UnknownNameError: the plan has none for it.
        """
        for row in self.rows:
            if row.parameter == parameter:
                return row
        from fanin.errors import UnknownNameError

        raise UnknownNameError("parameter", parameter, (row.parameter for row in self.rows))

    def replaced(self, rows: Iterable[Row]) -> Plan:
        """The plan with these rows instead of those of the same parameters."""
        new: Mapping[str, Row] = {row.parameter: row for row in rows}
        return replace(self, rows=tuple(new.get(row.parameter, row) for row in self.rows))

    def citation(self) -> str:
        """The sources of the recipe, its rules and the schemes in use, one a line, each once."""
        sources = [self.source, *(row.source for row in self.rows)]
        sources += [row.scheme.citation for row in self.rows]
        return "\n".join(dict.fromkeys(source for source in sources if source))

    def to_dict(self) -> dict[str, Any]:
        """All that the plan says, ready for JSON; ``from_dict`` makes the plan of it."""
        from fanin.recipes.plans.serialized import plan_to_dict

        return plan_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """The plan of which ``to_dict`` told.

        Raises:
            InputError: another schema, a part that is missing or cannot be read, or a scheme of
                a package that is not installed; saying where.
        """
        from fanin.recipes.plans.serialized import plan_from_dict

        return plan_from_dict(data)

    def to_python(self, model_name: str = "model") -> str:
        """Plain torch code of a function that draws the same distributions, without fanin.

        Args:
            model_name: of the function's argument.

        Raises:
            InputError: a scheme that has no plain torch code, naming the parameter.
        """
        from fanin.recipes.plans.python_source import python_source

        return python_source(self, model_name)

    def diff(self, other: Plan) -> PlanDifference:
        """What the other plan draws otherwise; false where there is nothing."""
        from fanin.recipes.plans.difference import difference

        return difference(self, other)
