"""Run experiments, one after the other, and keep what was finished."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from fanin import __version__
from fanin.errors import OutputError
from fanin.guide.claim import Claim, Effort
from fanin.guide.result import Result, from_dict, plain

Began = Callable[[Claim[Any], int, int], None]


def run(
    claim: Claim[Any], *, quick: bool = False, settings: Mapping[str, Any] | None = None
) -> Result:
    """Run one claim's experiment.

    The same call gives the same numbers, whatever the number of processors, up to what the
    processor's own instructions round differently.

    Args:
        claim: the claim.
        quick: fewer seeds and steps.
        settings: to be changed, by name.

    Raises:
        UnknownNameError: no setting bears a name.
        InputError: a value of the wrong type, or one that the experiment cannot use.
    """
    chosen = claim.changed(settings or {})
    began = time.perf_counter()
    with _quiet():
        numbers = plain(claim.measure(chosen, Effort(quick)))
    return Result(
        claim, plain(dataclasses.asdict(chosen)), quick, numbers, time.perf_counter() - began
    )


def run_all(
    claims: Sequence[Claim[Any]],
    *,
    quick: bool = False,
    settings: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    again: bool = False,
    began: Began | None = None,
) -> Iterator[Result]:
    """Run several, each kept in a folder as soon as it is finished.

    What the folder already holds, of the same settings, effort and version, is not run again.

    Args:
        claims: in this order.
        quick: fewer seeds and steps.
        settings: to be changed in each, by name.
        folder: where results are kept, one file a claim; None keeps none.
        again: run also what is there.
        began: called as (claim, number, of how many) before each.

    Yields:
        One result a claim.

    Raises:
        OutputError: a result cannot be kept.
    """
    for place, claim in enumerate(claims):
        if began is not None:
            began(claim, place, len(claims))
        wanted = plain(dataclasses.asdict(claim.changed(settings or {})))
        kept = None if folder is None or again else load(claim, folder)
        if kept is not None and (kept.quick, kept.settings) == (quick, wanted):
            yield kept
            continue
        result = run(claim, quick=quick, settings=settings)
        if folder is not None:
            save(result, folder)
        yield result


def save(result: Result, folder: Path) -> Path:
    """Keep a result; the file is replaced whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / f"{result.claim.name}.json"
    temporary = path.with_suffix(".part")
    text = json.dumps({**result.to_dict(), "version": __version__}, indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(f"{text}\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot keep the result {path}: {error.strerror}") from None
    return path


def load(claim: Claim[Any], folder: Path, *, of_any_version: bool = False) -> Result | None:
    """The result that a folder holds of this claim and version, or None."""
    try:
        data = json.loads((folder / f"{claim.name}.json").read_text(encoding="utf-8"))
        fits = of_any_version or data["version"] == __version__
        return from_dict(claim, data) if fits else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """One thread of torch, whose bits do not depend on their number, and its generator borrowed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads)
