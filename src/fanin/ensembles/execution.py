"""Carry a grid of runs out: prove the batched program, then train chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Event, Lock

from fanin.ensembles.grid import Cell, chunks
from fanin.ensembles.isolation import reseed
from fanin.ensembles.objective import Objective
from fanin.ensembles.probing import is_stochastic
from fanin.ensembles.progress import Progress, shown
from fanin.ensembles.stacking import Batched, Engine, Looped, Start, mismatch
from fanin.ensembles.template import Template, without_dropout
from fanin.ensembles.training import Settings, Trained, train
from fanin.noise.threads import thread_count

# Measured for multilayer perceptrons: the time of a run and step falls up to 64 runs at once
# and no further, and rises again where the parameters of those runs leave the caches.
_RUNS_AT_ONCE = 64
_PARAMETER_BYTES_AT_ONCE = 16 << 20

Starts = Mapping[tuple[int, int], Start]
"""(number of the recipe, seed) -> where its runs begin."""


def proof(template: Template, starts: Sequence[Start]) -> str | None:
    """None where batched and single first steps agree for all starts, else what differs."""
    quiet, objective = without_dropout(template.model), Objective.of(template.data)
    if is_stochastic(quiet, template.data.x_train[:2]):
        return "it draws random numbers that no dropout layer explains, so no pass is like another"
    engine, plain = Batched(quiet, objective), Looped(quiet, objective)
    size = _runs_at_once(template)
    for begin in range(0, len(starts), size):
        found = mismatch(engine, plain, starts[begin : begin + size])
        if found is not None:
            return found
    return None


def _runs_at_once(template: Template) -> int:
    one = sum(p.numel() * p.element_size() for p in template.model.parameters())
    return max(1, min(_RUNS_AT_ONCE, _PARAMETER_BYTES_AT_ONCE // one))


def train_all(
    template: Template,
    grid: Sequence[Cell],
    starts: Starts,
    settings: Settings,
    *,
    batched: bool,
    progress: Progress | bool | None,
) -> tuple[list[Trained], bool]:
    """Train all runs on all processors, a chunk of them a thread.

    Returns:
        The chunks in the grid's order, and whether Ctrl-C left some out.

    Raises:
        KeyboardInterrupt: Ctrl-C before the first chunk was finished.
    """
    objective = Objective.of(template.data)
    stop, lock = Event(), Lock()
    total, done = len(grid) * settings.steps, 0

    def work(chunk: tuple[Cell, ...]) -> Trained | None:
        if template.stochastic:
            reseed(chunk[0].seed, f"chunk from recipe {chunk[0].recipe}")
        engine: Engine = (Batched if batched else Looped)(template.model, objective)
        own = [starts[cell.recipe, cell.seed] for cell in chunk]
        return train(chunk, own, engine, template.data, settings, go_on)

    def go_on(runs: int) -> bool:
        nonlocal done
        with lock:
            done += runs
            tell(done, total)
        return not stop.is_set()

    parts = chunks(grid, _runs_at_once(template))
    # Threads share torch's generator: dropout would depend on which of them comes first.
    workers = 1 if template.stochastic else min(thread_count(), len(parts))
    with (
        shown(progress, template.title, total) as tell,
        ThreadPoolExecutor(workers) as pool,
    ):
        futures = [pool.submit(work, chunk) for chunk in parts]
        try:
            return [part for part in map(_finished, futures) if part is not None], False
        except KeyboardInterrupt:
            _end(stop, futures)
            finished = [part for part in map(_finished, futures) if part is not None]
            if not finished:
                raise
            return finished, True
        except BaseException:
            _end(stop, futures)
            raise


def _end(stop: Event, futures: Sequence[Future[Trained | None]]) -> None:
    stop.set()
    for future in futures:
        future.cancel()


def _finished(future: Future[Trained | None]) -> Trained | None:
    try:
        return future.result()
    except CancelledError:
        return None
