"""A dataflow in pixels: where its nodes lie, and the lines between them."""

from __future__ import annotations

from collections import defaultdict

from fanin.report.dataflow import Chart, Node, Stack
from fanin.report.lanes import Layout, Way, layout
from fanin.report.paths import Point, arrow, at, curve, rounded

BOX = 216
RADIUS = 12
SIGNS = {
    "add": "+", "iadd": "+", "sub": "\u2212", "rsub": "\u2212", "mul": "\u00d7", "cat": "||",
    "concat": "||", "stack": "||",
}  # fmt: skip
"""Of the joins that are drawn as a circle."""
_PITCH = BOX + 32
_LANE = 18
_MARGIN = 14
_TALL, _LOW = 40, 26
_GAP, _TRACK, _FRAME = 30, 9, 30


class Geometry:
    """Where the parts of a chart lie.

    Args:
        chart: what is drawn.

    Attributes:
        layout: rows, columns and lanes.
        width, height: of the picture.
    """

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.layout: Layout = layout(chart)
        self._tracks = self._find_tracks()
        room = _LANE / 2 if chart.stacks else 0
        self._left = _MARGIN + room + self.layout.lanes("left") * _LANE
        self._right = self._left + (self.layout.columns - 1) * _PITCH + BOX
        self.width = self._right + room + self.layout.lanes("right") * _LANE + _MARGIN
        self._centres = self._find_centres()
        self._entries = self._find_entries()

    def _find_tracks(self) -> dict[int, list[int]]:
        """By row: the nodes whose wires run sideways in the gap above it."""
        tracks: dict[int, list[int]] = defaultdict(list)
        for way in self.layout.ways:
            rows = []
            target = self.layout.places[way.wire.target]
            if way.by == "right" or (way.by == "left" and target.column):
                rows.append(target.row)
            if way.by == "right":
                rows.append(self.layout.places[way.wire.source].row + 1)
            for row in rows:
                if way.wire.source not in tracks[row]:
                    tracks[row].append(way.wire.source)
        return tracks

    def _find_centres(self) -> list[float]:
        """The height of each row's middle; sets the height of the picture too."""
        heights = [0.0] * self.layout.rows
        for node, place in zip(self.chart.nodes, self.layout.places, strict=True):
            heights[place.row] = max(heights[place.row], height(node))
        above = {self.layout.places[stack.first].row for stack in self.chart.stacks}
        below = {self.layout.places[stack.last].row + 1 for stack in self.chart.stacks}
        y, centres = float(_MARGIN) - _GAP, []
        for row, tall in enumerate(heights):
            y += _GAP + _TRACK * len(self._tracks.get(row, ()))
            y += _FRAME * (row in above) + 12 * (row in below)
            centres.append(y + tall / 2)
            y += tall
        self.height = y + _MARGIN + 12 * (len(heights) in below)
        return centres

    def x(self, node: int) -> float:
        return self._left + self.layout.places[node].column * _PITCH + BOX / 2

    def y(self, node: int) -> float:
        return self._centres[self.layout.places[node].row]

    def top(self, node: int) -> Point:
        return self.x(node), self.y(node) - height(self.chart.nodes[node]) / 2

    def bottom(self, node: int) -> Point:
        return self.x(node), self.y(node) + height(self.chart.nodes[node]) / 2

    def side(self, node: int, shift: float) -> Point:
        """A point on the left side, above or below its middle."""
        if is_round(self.chart.nodes[node]):
            return self.x(node) - (RADIUS**2 - shift**2) ** 0.5, self.y(node) + shift
        return self.x(node) - BOX / 2, self.y(node) + shift

    def lane(self, way: Way) -> float:
        if way.by == "left":
            return self._left - (way.lane + 1) * _LANE
        return self._right + (way.lane + 1) * _LANE

    def _track(self, row: int, source: int) -> float:
        tops = [self.top(n)[1] for n, place in enumerate(self.layout.places) if place.row == row]
        own = self._tracks[row]
        return min(tops) - 16 - _TRACK * (len(own) - 1 - own.index(source))

    def frame(self, stack: Stack) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the frame around a stack."""
        left, right = self._sides(stack)
        first, last = self.layout.places[stack.first].row, self.layout.places[stack.last].row
        top = self._centres[first] - _TALL / 2 - _FRAME + 12
        return left, top, right, self._centres[last] + _TALL / 2 + 8

    def _sides(self, stack: Stack) -> tuple[float, float]:
        own = range(stack.first, stack.last + 1)
        left = float(self._left)
        right = max(self.x(node) for node in own) + BOX / 2
        for way in self.layout.ways:
            if way.by in {"left", "right"} and way.wire.source in own and way.wire.target in own:
                left, right = min(left, self.lane(way)), max(right, self.lane(way))
        return left - _LANE / 2, right + _LANE / 2

    def _find_entries(self) -> dict[Way, float]:
        """How far from the middle of its target each wire from above ends."""
        above: dict[int, list[Way]] = defaultdict(list)
        for way in self.layout.ways:
            if not self.comes_from_the_side(way):
                above[way.wire.target].append(way)
        shifts: dict[Way, float] = {}
        for target, ways in above.items():
            step = 8.0 if is_round(self.chart.nodes[target]) else 24.0
            ways.sort(key=self._comes_from)
            before = sum(self._comes_from(way) < self.x(target) for way in ways)
            straight = sum(self._comes_from(way) == self.x(target) for way in ways)
            for place, way in enumerate(ways):
                # What comes straight down stays straight; the others end beside it.
                side = min(place - before, 0) + max(place - before - max(straight, 1) + 1, 0)
                shifts[way] = max(-1.3 * step, min(side * step, 1.3 * step))
        return shifts

    def _comes_from(self, way: Way) -> float:
        if way.by in {"left", "right"}:
            return self.lane(way)
        return self.x(way.wire.target if way.by == "target" else way.wire.source)

    def comes_from_the_side(self, way: Way) -> bool:
        return way.by == "left" and self.layout.places[way.wire.target].column == 0

    def path(self, way: Way) -> tuple[str, str]:
        """The line and its arrow head."""
        source, target = way.wire.source, way.wire.target
        if self.comes_from_the_side(way):
            start, end = self.side(source, 5), self.side(target, -5)
            x = self.lane(way)
            line = rounded([start, (x, start[1]), (x, end[1]), (end[0] - 5, end[1])])
            return line, arrow(end, sideways=True)
        top = self.top(target)
        end = (top[0] + self._entries[way], top[1] - 0.5)
        if is_round(self.chart.nodes[target]):
            end = (end[0], self.y(target) - (RADIUS**2 - self._entries[way] ** 2) ** 0.5)
        last = (end[0], end[1] - 5)
        row = self.layout.places[target].row
        if way.by in {"left", "right"}:
            x, y = self.lane(way), self._track(row, source)
            if way.by == "left":
                begin = [self.side(source, 5), (x, self.side(source, 5)[1])]
            else:
                low = self.bottom(source)
                turn = self._track(self.layout.places[source].row + 1, source)
                begin = [low, (low[0], turn), (x, turn)]
            return rounded([*begin, (x, y), (end[0], y), last]), arrow(end)
        start = self.bottom(source)
        if way.by == "source":
            turn = self._row_end(row - 1)
            down = f"M{at(start)}L{at((start[0], turn))}"
            return down + curve((start[0], turn), last), arrow(end)
        if way.by == "target":
            turn = self._row_end(self.layout.places[source].row) + _GAP - 4
            middle = (end[0], turn)
            return f"M{at(start)}{curve(start, middle)}L{at(last)}", arrow(end)
        return f"M{at(start)}{curve(start, last)}", arrow(end)

    def _row_end(self, row: int) -> float:
        own = [n for n, place in enumerate(self.layout.places) if place.row == row]
        return max((self.bottom(node)[1] for node in own), default=self._centres[row])


def is_round(node: Node) -> bool:
    return node.kind == "join" and node.first.op in SIGNS


def height(node: Node) -> float:
    if is_round(node):
        return 2.0 * RADIUS
    return _TALL if node.kind == "weight" else _LOW
