"""The rows of a report's table of layers, as texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fanin.diagnosis import Layer, Report
from fanin.report import check_layers, wording
from fanin.report.check_layers import Row


@dataclass(frozen=True, slots=True)
class LayerTexts:
    """One layer, or equal ones of a stack with the range of their numbers.

    Args:
        place: along depth.
        name: of the parameter.
        count: "x12" for equal ones.
        severity: the worst of the findings that name it; "" where none does.
        findings: that and their numbers, from 1: "error 1, 3".
    """

    place: str
    name: str
    count: str
    op: str
    fans: str
    forward: str
    gradient: str
    step: str
    expected: str
    weight: str
    weight_gradient: str
    dead: str
    duplicated: str
    saturated: str
    correlation: str
    severity: str
    findings: str


_HEADS: Final = {
    "place": "#",
    "name": "layer",
    "findings": "finding",
    "op": "op",
    "fans": "fan_in > fan_out",
    "forward": "forward",
    "gradient": "gradient",
    "step": "step",
    "expected": "expected",
    "weight": "weight",
    "weight_gradient": "weight gradient",
    "dead": "dead",
    "duplicated": "duplicated",
    "saturated": "saturated",
    "correlation": "correlation",
}
_ALWAYS: Final = frozenset({"place", "name", "op", "fans", "forward", "gradient"})


def columns(rows: Sequence[LayerTexts]) -> dict[str, str]:
    """Fields and heads of the table; those that are empty in every row are left out."""
    return {
        field: head
        for field, head in _HEADS.items()
        if field in _ALWAYS or any(getattr(row, field) not in {"", "-"} for row in rows)
    }


def layer_texts(report: Report, layers: Sequence[Row], *, every: bool = False) -> list[LayerTexts]:
    """A row for each layer; equal blocks of a stack share one unless ``every`` is set."""
    blocks = [(row,) for row in layers] if every else check_layers.blocks(layers)
    return [_texts(report, block) for block in blocks]


def _texts(report: Report, block: Sequence[Row]) -> LayerTexts:
    own = [row.layer for row in block]
    first, last = block[0], block[-1]
    layer = first.layer
    worst = severity(report, layer)
    numbers = ", ".join(str(index + 1) for index in layer.findings)
    return LayerTexts(
        place=f"{first.place}" if first is last else f"{first.place}..{last.place}",
        name=check_layers.name(block),
        count=f"x{len(block)}" if len(block) > 1 else "",
        op=wording.visible(layer.op),
        fans=f"{wording.fan(layer.fan_in)} > {wording.fan(layer.fan_out)}",
        forward=wording.extent(one.forward for one in own),
        gradient=wording.extent(one.gradient for one in own),
        step=wording.extent(one.step for one in own),
        expected=wording.extent(one.expected for one in own),
        weight=wording.extent(one.weight for one in own),
        weight_gradient=wording.extent(one.weight_gradient for one in own),
        dead=shares(one.dead for one in own),
        duplicated=shares(one.duplicated for one in own),
        saturated=shares(one.saturated for one in own),
        correlation=wording.extent(one.correlation for one in own),
        severity=worst,
        findings=f"{worst} {numbers}".strip(),
    )


def severity(report: Report, layer: Layer) -> str:
    """The worst of the findings that name a layer; "" where none does."""
    found = {report.findings[i].severity for i in layer.findings if i < len(report.findings)}
    return "error" if "error" in found else "warning" if found else ""


def shares(values: Iterable[float | None]) -> str:
    """Shares as a range of percents; "-" where there is none."""
    shown = wording.extent(None if value is None else 100 * value for value in values)
    return shown if shown in {"-", "0"} else f"{shown} %"
