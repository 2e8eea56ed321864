"""Work in a few processes that can be stopped at any time."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def in_workers(
    tasks: Mapping[str, Callable[[], Any]],
    workers: int,
    quiet: Callable[[], None],
    keep: Callable[[str, Any], None],
    what: str,
    path: Path,
) -> bool:
    """Run the tasks in processes of their own; ``keep`` gets each result, here, as it comes.

    Ctrl-C, SIGTERM and a process that dies end it; what was kept stays. The line of progress
    is shown on a terminal only.

    Args:
        tasks: by name; each has to be picklable.
        workers: processes.
        quiet: what each process calls first.
        keep: (name, result).
        what: the tasks are, in a word.
        path: where results are kept, for the message.

    Returns:
        Whether all was done.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    before = signal.signal(signal.SIGTERM, _stop)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=quiet)
    is_done = False
    try:
        progress = Progress(
            *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
        )
        with progress:
            bar = progress.add_task(what, total=len(tasks))
            futures = {pool.submit(task): name for name, task in tasks.items()}
            for future in as_completed(futures):
                keep(futures[future], future.result())
                progress.update(bar, description=futures[future], advance=1)
        is_done = True
    except KeyboardInterrupt:
        console.print(f"stopped; what was done is kept in {path}")
    except BrokenProcessPool:
        console.print(f"a worker died; what was done is kept in {path}: run it again")
    finally:
        signal.signal(signal.SIGTERM, before)
        if is_done:
            pool.shutdown()
        else:
            # The rest would be run to its end; nobody waits for it any more.
            mine = multiprocessing.active_children()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in mine:
                process.terminate()
    return is_done


def _stop(*_: object) -> None:
    raise KeyboardInterrupt
