"""Where the nodes of a dataflow stand, and the way of each wire.

Rows follow the order of execution. The longest way from input to output is column 0; what runs
beside it takes columns to the right. A wire that would cross nodes goes down a lane of its own,
left of column 0 (residual skips) or right of the last column; wires from one node share a lane.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fanin.report.dataflow import Chart, Wire

_MOST_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A row and a column, both from 0."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Way:
    """How a wire runs.

    Args:
        wire: which.
        by: "direct" (in the gap between two rows, or straight down), "source" (down the column of
            its source), "target" (down that of its target), "left" and "right" (a lane).
        lane: number of the lane, counted outward.
    """

    wire: Wire
    by: str
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of the nodes and ways of the wires."""

    places: tuple[Place, ...]
    ways: tuple[Way, ...]

    @property
    def rows(self) -> int:
        return max((place.row for place in self.places), default=-1) + 1

    @property
    def columns(self) -> int:
        return max((place.column for place in self.places), default=0) + 1

    def lanes(self, side: str) -> int:
        """How many lanes there are on one side."""
        return max((way.lane + 1 for way in self.ways if way.by == side), default=0)


def layout(chart: Chart) -> Layout:
    """Places and ways for a chart."""
    sources: dict[int, list[int]] = defaultdict(list)
    for wire in chart.wires:
        sources[wire.target].append(wire.source)
    main = _main_line(len(chart.nodes), sources)
    rows = _rows(chart, sources)
    places = _columns(rows, sources, main)
    return Layout(tuple(places), tuple(_ways(chart.wires, places)))


def _main_line(count: int, sources: dict[int, list[int]]) -> set[int]:
    """The nodes on the longest way that ends as late as possible."""
    length = [1] * count
    for node in range(count):
        length[node] += max((length[source] for source in sources[node]), default=0)
    line: set[int] = set()
    at = max(range(count), key=lambda node: (length[node], node), default=None)
    while at is not None:
        line.add(at)
        at = max(sources[at], key=lambda source: (length[source], -source), default=None)
    return line


def _rows(chart: Chart, sources: dict[int, list[int]]) -> list[int]:
    """Below all sources and never above an earlier node; stacks have rows of their own."""
    begins = {stack.first for stack in chart.stacks}
    ends = {stack.last for stack in chart.stacks}
    rows: list[int] = []
    taken: dict[int, int] = defaultdict(int)
    floor = 0
    for node in range(len(chart.nodes)):
        if node in begins and rows:
            floor = max(rows) + 1
        row = max([floor, *(rows[source] + 1 for source in sources[node])])
        while taken[row] >= _MOST_COLUMNS:
            row += 1
        taken[row] += 1
        rows.append(row)
        floor = max(rows) + 1 if node in ends else row
    return rows


def _columns(
    rows: Sequence[int], sources: dict[int, list[int]], main: Iterable[int]
) -> list[Place]:
    on_main = set(main)
    columns: dict[int, int] = dict.fromkeys(on_main, 0)
    taken: dict[int, set[int]] = defaultdict(set)
    for node in on_main:
        taken[rows[node]].add(0)
    for node, row in enumerate(rows):
        if node in on_main:
            continue
        wished = [columns[source] for source in sources[node] if columns.get(source)]
        free = (column for column in range(1, len(rows) + 2) if column not in taken[row])
        column = next((one for one in wished if one not in taken[row]), None) or next(free)
        columns[node] = column
        taken[row].add(column)
    return [Place(row, columns[node]) for node, row in enumerate(rows)]


def _ways(wires: Sequence[Wire], places: Sequence[Place]) -> list[Way]:
    cells: dict[tuple[int, int], int] = {
        (place.row, place.column): -1 - node for node, place in enumerate(places)
    }
    ways: list[Way] = []
    waiting: dict[str, list[Wire]] = {"left": [], "right": []}
    for wire in wires:
        source, target = places[wire.source], places[wire.target]
        between = range(source.row + 1, target.row)

        def free(column: int, own: Wire = wire, rows: range = between) -> bool:
            return all(cells.get((row, column), own.source) == own.source for row in rows)

        if not between:
            ways.append(Way(wire, "direct"))
        elif free(source.column) or free(target.column):
            by = "source" if free(source.column) else "target"
            column = source.column if by == "source" else target.column
            cells.update({(row, column): wire.source for row in between})
            ways.append(Way(wire, "direct" if source.column == target.column else by))
        else:
            waiting["left" if source.column == 0 else "right"].append(wire)
    for side, own in waiting.items():
        ways += _in_lanes(own, places, side)
    return ways


def _in_lanes(wires: Sequence[Wire], places: Sequence[Place], side: str) -> list[Way]:
    """A lane for the wires of each source: the shorter, the nearer to the nodes."""
    ends: dict[int, int] = {}
    for wire in wires:
        ends[wire.source] = max(ends.get(wire.source, 0), places[wire.target].row)
    lanes: list[list[tuple[int, int]]] = []
    lane_of: dict[int, int] = {}
    spans = [(places[source].row, end, source) for source, end in ends.items()]
    for start, end, source in sorted(spans, key=lambda span: (span[1] - span[0], span[0])):
        # Beyond every lane that it runs beside, so that it crosses none of them.
        lane = max(
            (
                n + 1
                for n, taken in enumerate(lanes)
                if any(a < end and start < b for a, b in taken)
            ),
            default=0,
        )
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((start, end))
        lane_of[source] = lane
    return [Way(wire, side, lane_of[wire.source]) for wire in wires]
