"""The dataflow as an ``<svg>`` element; the page's styles colour it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markupsafe import Markup, escape

from fanin.observation.observed import Observation
from fanin.report import wording
from fanin.report.dataflow import Chart, Node, Stack, chart
from fanin.report.dataflow_geometry import BOX, RADIUS, SIGNS, Geometry, height, is_round
from fanin.report.lanes import Way
from fanin.report.scale import scale_class
from fanin.report.stacks import folded

_CHARACTER = 6.35
"""Width of a monospace character of 10.5 px."""
_INSET = 9
_ROOM = int((BOX - 2 * _INSET) / _CHARACTER)
_SHORT = {"scaled_dot_product_attention": "attention"}


def dataflow_picture(observation: Observation) -> Markup:
    """The dataflow of an observation; nothing where it has none."""
    drawn = chart(observation)
    return _Drawing(observation, drawn).svg() if drawn.nodes else Markup()


class _Drawing:
    """The parts of one picture."""

    def __init__(self, observation: Observation, drawn: Chart) -> None:
        self.chart = drawn
        self.at = Geometry(drawn)
        self.fans = {
            use.parameter: f"{wording.fan(use.fan_in)} > {wording.fan(use.fan_out)}"
            for use in observation.uses
            if use.layout is not None
        }

    def svg(self) -> Markup:
        width = self.at.width
        for stack in self.chart.stacks:
            beside = self.at.frame(stack)[2] + 20 + len(_stack_name(stack)) * _CHARACTER
            width = max(width, beside)
        parts = [
            *self._frames(),
            *self._wires(),
            *self._nodes(),
            *self._names(),
            *self._functions(),
        ]
        label = f"Dataflow: {len(self.chart.nodes)} operations from input to output"
        return Markup(
            '<svg role="img" aria-label="{}" width="{:.0f}" height="{:.0f}" '
            'viewBox="0 0 {:.0f} {:.0f}">{}</svg>'
        ).format(label, width, self.at.height, width, self.at.height, Markup().join(parts))

    def _frames(self) -> Iterator[Markup]:
        for stack in self.chart.stacks:
            left, top, right, bottom = self.at.frame(stack)
            yield Markup(
                '<rect class="frame" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="8"/>'
            ).format(left, top, right - left, bottom - top)

    def _names(self) -> Iterator[Markup]:
        """Beside each frame, what it holds and how often."""
        for stack in self.chart.stacks:
            _, top, right, _ = self.at.frame(stack)
            yield _text(right + 10, top + 14, _stack_name(stack), "count")
            yield _text(right + 10, top + 30, f"\u00d7 {stack.count}", "count")

    def _wires(self) -> Iterator[Markup]:
        by_source: dict[int, list[Way]] = defaultdict(list)
        for way in self.at.layout.ways:
            by_source[way.wire.source].append(way)
        for source, ways in by_source.items():
            shade = scale_class(self.chart.nodes[source].rms)
            paths = [self.at.path(way) for way in ways]
            for path, _ in paths:
                yield Markup('<path class="halo" d="{}"/>').format(path)
            for path, head in paths:
                yield Markup('<path class="wire {}" d="{}"/>').format(shade, path)
                yield Markup('<path class="head {}" d="{}"/>').format(shade, head)

    def _nodes(self) -> Iterator[Markup]:
        for number, node in enumerate(self.chart.nodes):
            x, y = self.at.x(number), self.at.y(number)
            parts = self._circle(node, x, y) if is_round(node) else self._box(node, x, y)
            yield Markup('<g class="node {}"><title>{}</title>{}</g>').format(
                node.kind, _said(node), Markup().join(parts)
            )

    def _circle(self, node: Node, x: float, y: float) -> Iterator[Markup]:
        yield Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(x, y, RADIUS)
        yield _text(x, y + 4, SIGNS[node.first.op], "sign", "middle")
        yield _text(x + RADIUS + 8, y + 4, _rms(node), "rms")

    def _box(self, node: Node, x: float, y: float) -> Iterator[Markup]:
        tall = height(node)
        corner = tall / 2 if node.kind in {"input", "output"} else 5
        yield Markup('<rect x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="{}"/>').format(
            x - BOX / 2, y - tall / 2, BOX, tall, corner
        )
        left, right = x - BOX / 2 + _INSET, x + BOX / 2 - _INSET
        rms, lower = _rms(node), y + 4
        room = _ROOM - (len(rms) + 2 if rms else 0)
        if node.kind == "weight":
            name = wording.tail(self._inside(node, node.name), _ROOM)
            yield _text(left, y - 4, name, "name")
            lower = y + 12
        yield _text(left, lower, self._operation(node, room), "op")
        yield _text(right, lower, rms, "rms", "end")

    def _operation(self, node: Node, room: int) -> str:
        """The operation, with the fans of a weight, or the module where there is room."""
        step = node.first
        if node.kind in {"input", "output"}:
            return wording.shortened(node.name if node.kind == "input" else "output", room)
        said = wording.shortened(_SHORT.get(step.op, step.op), room)
        if node.kind == "weight":
            fans = next((self.fans[name] for name in step.parameters if name in self.fans), "")
            return wording.shortened(f"{said} {fans}", room)
        left_over = room - len(said) - 1
        if not step.module or left_over < 4:
            return said
        module = folded([one.module for one in node.steps])
        return f"{said} {wording.tail(self._inside(node, module), left_over)}"

    def _inside(self, node: Node, name: str) -> str:
        """A name without the path that its stack bears."""
        if node.group is None:
            return name
        label = self.chart.stacks[node.group].label
        return name.removeprefix(f"{label}.") if label and name != label else name

    def _functions(self) -> Iterator[Markup]:
        """Functions on wires: once, below their source, where all of its wires agree."""
        ops: dict[int, set[tuple[str, ...]]] = defaultdict(set)
        for wire in self.chart.wires:
            ops[wire.source].add(wire.ops)
        for way in self.at.layout.ways:
            wire = way.wire
            if not wire.ops:
                continue
            said = wording.shortened(" ".join(wire.ops), 15)
            if len(ops[wire.source]) == 1 and way.by != "left":
                x, y = self.at.bottom(wire.source)
                # On the side that the line does not turn to.
                turns_left = self.at.x(wire.target) < x
                shift, anchor = (7, "start") if turns_left else (-7, "end")
                yield _text(x + shift, y + 11, said, "function", anchor)
                ops[wire.source].add(("said",))
            elif self.at.comes_from_the_side(way):
                x, y = self.at.side(wire.target, -5)
                yield _text(x - 8, y - 5, said, "function", "end")
            elif len(ops[wire.source]) > 1 and ("said",) not in ops[wire.source]:
                x, y = self.at.top(wire.target)
                yield _text(x - 7, y - 9, said, "function", "end")


def _rms(node: Node) -> str:
    return "" if node.rms is None else wording.extent(step.rms for step in node.steps)


def _stack_name(stack: Stack) -> str:
    return wording.shortened(stack.label, 40) or "alike"


def _said(node: Node) -> str:
    """What a pointer that rests on a node is told."""
    lines = [node.name, f"{node.kind}: {node.first.op}"]
    if node.first.module:
        lines.append(f"in {node.first.module}")
    if any(step.parameters for step in node.steps):
        lines.append(f"uses {', '.join(node.first.parameters)}")
    lines.append(f"RMS {wording.extent(step.rms for step in node.steps)}")
    lines.append(f"gradient RMS {wording.extent(step.gradient_rms for step in node.steps)}")
    return "; ".join(wording.visible(line) for line in lines)


def _text(x: float, y: float, said: str, kind: str, anchor: str = "start") -> Markup:
    if not said:
        return Markup()
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}" text-anchor="{}">{}</text>').format(
        x, y, kind, anchor, escape(said)
    )
