"""What a verb is about: a model and its batch, by the options that such verbs have in common."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TypeVar

import attrs
import click

from fanin.cli.batches import BATCH_HELP, INPUT_HELP
from fanin.errors import FaninError, InputError

Result = TypeVar("Result")


@attrs.frozen
class Subject:
    """A model and its batch as the command line names them.

    Args:
        target: names a function that returns the model.
        inputs: shapes with a suffix, one a positional argument.
        batch: names a function that returns a batch, instead of inputs.
        seed: of the inputs, and of torch for the target and the pass.
        evaluation: in evaluation mode, not as returned.
    """

    target: str
    inputs: tuple[str, ...]
    batch: str | None
    seed: int
    evaluation: bool

    @property
    def has_batch(self) -> bool:
        """Whether inputs or a batch were named."""
        return bool(self.inputs) or self.batch is not None

    def given_to(self, verb: Callable[..., Result], *, batch_needed: bool = True) -> Result:
        """What a verb such as ``observe`` says of model, inputs, targets and loss.

        Args:
            verb: is called with them.
            batch_needed: without a batch it is an error; else the verb then gets None.

        Raises:
            InputError: model or batch cannot be had, or the pass raises.
        """
        import torch

        from fanin.cli.batches import Batch, batch_of, call_model

        torch.manual_seed(self.seed)
        if self.has_batch or batch_needed:
            given = batch_of(self.inputs, self.batch, self.seed)
        else:
            given = Batch(None)
        torch.manual_seed(self.seed)
        model = call_model(self.target)
        if self.evaluation:
            model.eval()
        try:
            return verb(model, given.inputs, given.targets, loss=given.loss)
        except FaninError:
            raise
        except (Exception, SystemExit) as error:  # the user's code runs in there
            said = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
            raise InputError(f"the pass of {self.target!r} failed: {said}") from error


_SEED = "Of --input, and of torch for TARGET and the pass."
_OPTIONS = (
    click.argument("target"),
    click.option("--input", "inputs", multiple=True, metavar="SHAPE[:KIND]", help=INPUT_HELP),
    click.option("--batch", metavar="PACKAGE.MODULE:CALLABLE", help=BATCH_HELP),
    click.option("--eval", "evaluation", is_flag=True, help="In evaluation mode, not as returned."),
)


def subject_options(command: Callable[..., None], *, seed_help: str = _SEED) -> Callable[..., None]:
    """Give a command TARGET, --input, --batch, --eval and --seed; it gets them as a Subject.

    Args:
        command: takes a Subject, and the other options by name.
        seed_help: what the seed is of.
    """

    @functools.wraps(command)
    def collected(
        target: str,
        inputs: tuple[str, ...],
        batch: str | None,
        evaluation: bool,
        seed: int,
        **others: Any,
    ) -> None:
        command(Subject(target, inputs, batch, seed, evaluation), **others)

    seeded = click.option("--seed", default=0, show_default=True, help=seed_help)
    for option in (seeded, *reversed(_OPTIONS)):
        collected = option(collected)
    return collected


@contextmanager
def clean_output(wanted: bool) -> Iterator[None]:
    """What the user's code prints goes to stderr, where stdout is to hold one document."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield
