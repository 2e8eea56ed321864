"""The result of a check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from fanin.diagnosis.finding import Finding, Verdict
from fanin.errors import InputError, UntrainableError
from fanin.observation.observed import Observation
from fanin.observation.values import plain, plain_dict
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

SCHEMA = "fanin.report/1"


@attrs.frozen
class Layer:
    """One use of one weight, and what was measured there.

    Args:
        name: of the parameter.
        module: the path of the module that runs the operation.
        op: the operation.
        fan_in: products summed by one output; None where the layout is unknown.
        fan_out: products summed by the gradient of one input.
        forward: RMS of the operation's output; None where it was not measured.
        gradient: RMS of the loss's gradient for that output.
        weight: RMS of the weight.
        weight_gradient: RMS of the loss's gradient for the weight.
        step: by what factor the operation changes the RMS of its input: forward over the RMS of
            what it reads.
        expected: the factor that keeps signals at the scale they have, for what precedes; None
            where nothing is expected, as before a norm.
        units: how many units were looked at.
        dead: share of them that no example activates.
        duplicated: share of them that equal another.
        saturated: share of values in the flat part of the activation that follows.
        correlation: mean cosine between the outputs for two examples.
        findings: indices of the findings that name it.
    """

    name: str
    module: str
    op: str
    fan_in: float | None
    fan_out: float | None
    forward: float | None
    gradient: float | None
    weight: float | None
    weight_gradient: float | None
    step: float | None = None
    expected: float | None = None
    units: int | None = None
    dead: float | None = None
    duplicated: float | None = None
    saturated: float | None = None
    correlation: float | None = None
    findings: tuple[int, ...] = ()


@attrs.frozen(repr=False)
class Report:
    """Whether a network can train, judged from one forward and backward pass.

    Args:
        observation: the pass.
        findings: errors first; of one severity, causes before their effects.
        trainability: in [0, 1], the estimated probability that the network learns at some
            ordinary learning rate.
        layers: a row for each use of a weight or table, in the order of execution.
        notes: what was noticed and is no fault: unused, frozen and unmatched parameters, what
            could not be judged and why; one sentence each.
    """

    observation: Observation
    findings: tuple[Finding, ...]
    trainability: float
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The class of the model."""
        return self.observation.model

    @property
    def loss(self) -> float:
        """The loss at initialization."""
        return self.observation.loss

    @property
    def verdict(self) -> Verdict:
        """Of the worst finding: "broken" for an error, "warning" for a warning; else "healthy"."""
        severities = {finding.severity for finding in self.findings}
        return (
            "broken" if "error" in severities else "warning" if "warning" in severities
            else "healthy"
        )  # fmt: skip

    def raise_for_verdict(self, fail_on: Literal["warning", "error"] = "error") -> None:
        """Raise if the network is broken.

        Args:
            fail_on: "warning" to raise for warnings, too.

        Raises:
            UntrainableError: whose message is the report; its ``report`` is this one.
        """
        if fail_on not in {"warning", "error"}:
            raise InputError(f"fail_on must be 'warning' or 'error', got {fail_on!r}")
        if self.verdict == "broken" or (fail_on == "warning" and self.verdict == "warning"):
            raise UntrainableError(str(self), self)

    def remedy_plan(self) -> Plan:
        """What ``init_`` has to draw to mend what an init can mend; all else is kept.

        ``report.remedy_plan().init_(model)`` applies it. Empty where nothing can be mended so.
        """
        rows: dict[str, Row] = {}
        for finding in self.findings:
            for row in finding.rows:
                rows.setdefault(row.parameter, row)
        order = [one.name for one in self.observation.parameters]
        return Plan(
            "remedy",
            tuple(rows[name] for name in order if name in rows),
            kept=tuple(name for name in order if name not in rows),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; numbers that are not finite become strings."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "verdict": self.verdict,
            "trainability": self.trainability,
            "loss": plain(self.loss),
            "objective": plain_dict(self.observation.objective),
            "findings": [finding.to_dict() for finding in self.findings],
            "layers": [plain_dict(layer) for layer in self.layers],
            "notes": list(self.notes),
        }

    def to_html(self, path: str | Path, *, command: str | None = None) -> Path:
        """Write a page with the findings and the signals' profile, and return its path.

        Raises:
            OutputError: the file cannot be written.
        """
        from fanin.report.checks import write_page

        return write_page(self, path, command=command)

    def __str__(self) -> str:
        from fanin.report.checks import plain_view

        return plain_view(self)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{one.kind} ({one.severity})" for one in self.findings) or "no findings"
        return (
            f"<Report on {self.model}: {self.verdict}, {kinds}, "
            f"trainability {self.trainability:.2f}>"
        )

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from fanin.report.checks import terminal_view

        yield from terminal_view(self, options)

    def _repr_html_(self) -> str:
        from fanin.report.checks import framed_page

        return framed_page(self)
