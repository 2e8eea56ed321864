"""A progress bar with the time left: on a terminal, and silent anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Told (done, total) in run-steps, from several threads, one at a time."""


@contextmanager
def shown(progress: Progress | bool | None, title: str, total: int) -> Iterator[Progress]:
    """The function to call with (done, total).

    Args:
        progress: a function of the caller's; True for a bar on stderr, False for none, None
            for a bar where stderr is a terminal.
        title: in front of the bar.
        total: run-steps in all.
    """
    if callable(progress):
        yield progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if progress is False or (progress is None and not console.is_terminal):
        yield lambda _done, _total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, _total: bar.update(task, completed=done)
