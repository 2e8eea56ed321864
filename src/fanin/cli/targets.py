"""TARGETs of the command line: ``package.module:callable``."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from fanin.errors import FaninError, InputError


def load_target(text: str) -> Callable[[], object]:
    """Import the callable that a TARGET names; the current folder comes first.

    Raises:
        InputError: no such module or name, an error while it is imported, or no callable.
    """
    module_name, colon, name = text.partition(":")
    if not (module_name and colon and name):
        raise InputError(f"TARGET must be package.module:callable, got {text!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = import_module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the user's code
        raise InputError(_import_failed(module_name, error)) from None
    for part in name.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            offer = f". Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{module_name!r} has no {name!r}{offer}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{text!r} is {type(found).__name__}, not a function that returns a model")
    return found


def call_target(text: str) -> object:
    """What the callable that a TARGET names returns.

    Raises:
        InputError: as ``load_target``, or the call fails.
    """
    target = load_target(text)
    try:
        return target()
    except FaninError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"calling {text!r} failed: {type(error).__name__}: {error}") from error


def _import_failed(module: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and module.startswith(error.name):
        return f"there is no module {module!r} in {Path.cwd()} or among the installed packages"
    return f"importing {module!r} failed: {type(error).__name__}: {error}"
