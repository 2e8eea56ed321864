"""Whatever runs on a model, it is afterwards as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fanin.errors import ModelError
from fanin.observation.journal import Journal, Step
from fanin.observation.surroundings import surroundings


@contextmanager
def untouched(model: nn.Module, *others: nn.Module) -> Iterator[None]:
    """Run anything on a model, which is afterwards as before, bit for bit and object for object.

    That is: parameters, gradients and buffers, their identity, memory and hooks; the tree of
    modules, the mode and hooks of each; attributes, with what lists, dicts, sets, objects and
    generators among them hold; modules that are not registered; the generators of torch, numpy
    and Python; and the modes of torch (autograd, autocast, anomaly detection, default type).
    It is so as well when the body raises or is interrupted.

    No code of the model is called for it, and a parameter is copied only when something writes
    to it, if its memory is its own and torch's. Afterwards it shares memory with no copy.

    Out of reach is what cannot be found from the modules: closures, globals, files, containers
    within containers beyond the fourth, what objects of the standard library, torch and numpy
    hold, raw pointers from before, and an inference mode that the body enters and never leaves.
    A tensor that the body enlarges in place has its values back, though not its address.

    Args:
        model: the model.
        others: further modules that the body runs, such as a loss.

    Raises:
        ModelError: a parameter is lazy, or something could not be put back; all else is, and
            where the body raises, its error is raised with a note.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        >>> with untouched(model):
        ...     model.eval()(torch.ones(5, 4)).sum().backward()
        ...     _ = nn.init.zeros_(model[0].weight)
        >>> model.training, model[0].weight.grad, bool(model[0].weight.any())
        (True, None, True)
    """
    around = surroundings()
    with _unseen():
        journal = Journal((model, *others))
    try:
        yield
    except BaseException as error:
        for failure in _put_back(journal, around):
            error.add_note(failure)
        raise
    failures = _put_back(journal, around)
    if failures:
        raise ModelError("; ".join(failures))


@contextmanager
def _unseen() -> Iterator[None]:
    """No graph is recorded, and no override of a torch function is called."""
    with (
        torch._C.DisableTorchFunction(),  # noqa: SLF001 - the public one leaves modes on
        torch.inference_mode(False),
        torch.no_grad(),
    ):
        yield


def _put_back(journal: Journal, around: Iterable[Step]) -> list[str]:
    """Take every step, whatever becomes of the others.

    Returns:
        What went wrong.
    """
    interrupts: list[KeyboardInterrupt] = []
    with _unseen():
        steps: list[Step] = [*journal.steps(), (_let_go, journal, None)]
        failures = _take(steps, journal.name_of, interrupts)
    failures += _take(around, str, interrupts)
    if interrupts:
        raise interrupts[0]
    return failures


def _let_go(journal: Journal, _: None) -> None:
    journal.let_go()


def _take(
    steps: Iterable[Step], name_of: Callable[[object], str], interrupts: list[KeyboardInterrupt]
) -> list[str]:
    """Take every step; one that is interrupted is taken again, which does no harm."""
    failures = []
    for put_back, thing, before in steps:
        done = False
        while not done:
            try:
                put_back(thing, before)
                done = True
            except KeyboardInterrupt as interrupt:
                interrupts.append(interrupt)
            except Exception as error:  # noqa: BLE001 - the rest is put back all the same
                reason = str(error).partition("\n")[0]
                failures.append(
                    f"{name_of(thing)} could not be put back: {type(error).__name__}: {reason}"
                )
                done = True
    return failures
