"""Where a model is built: a line of a file, to which a finding can be pinned."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A line of a file.

    Args:
        path: with slashes; relative to the root of the repository where the file lies in it.
        line: the first is 1.
    """

    path: str
    line: int
