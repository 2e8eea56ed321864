"""Every error that fanin raises on purpose.

::

    FaninError
     +-- InputError            a value that cannot be used as given      (also ValueError)
     |    +-- UnknownNameError a scheme, recipe, data set, ... misspelt
     |    +-- FanError         a weight has no fan_in or fan_out here
     |    +-- ModelError       a model that cannot be initialised or trained as asked
     |    +-- DataError        a data set that is absent or does not fit
     |    +-- OutputError      a file that cannot be written            (also OSError)
     +-- UntrainableError      a check found a network that cannot train (also AssertionError)

They end the command line with status 2, for the caller can mend the call; the last with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

EXIT_HEALTHY = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2


class FaninError(Exception):
    """Root of the errors that fanin raises on purpose."""

    exit_code = EXIT_USAGE


class InputError(FaninError, ValueError):
    """A value that cannot be used as given."""


class UnknownNameError(InputError):
    """A name that nothing bears; the message offers the nearest right ones.

    Args:
        kind: what was looked up, e.g. ``"scheme"``.
        name: the name as given.
        known: the names that exist.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.5)
        offer = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names)}."
        super().__init__(f"no {kind} is called {name!r}. {offer}")
        self.name = name
        self.near = tuple(near)


class FanError(InputError):
    """A weight has no fan_in or fan_out in this use."""


class ModelError(InputError):
    """A model that cannot be initialised or trained as asked."""


class DataError(InputError):
    """A data set that is absent or does not fit the model."""


class OutputError(FaninError, OSError):
    """A file that cannot be written."""


class UntrainableError(FaninError, AssertionError):
    """A check found a network that cannot train; the message is the report.

    Args:
        message: the report as text.
        report: the report.
    """

    exit_code = EXIT_FINDINGS

    def __init__(self, message: str, report: Any) -> None:
        super().__init__(message)
        self.report = report
