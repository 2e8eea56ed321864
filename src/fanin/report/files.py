"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanin.errors import OutputError


def require_writable(path: str | Path) -> Path:
    """Raise before long work whose result could not be written.

    Raises:
        OutputError: the folder is absent or not writable, or the path is a folder.
    """
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
    if not folder.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {folder}")
    if not os.access(folder, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise OutputError(f"cannot write {target}: no permission")
    return target


def made(folder: Path) -> Path:
    """The folder, made where it is absent.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None
    return folder


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A name beside the target to write to; it takes the target's place at the end.

    Raises:
        OutputError: it cannot be written; what stood there before still does.
    """
    target = require_writable(path)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fanin-") as folder:
            temporary = Path(folder) / target.name
            yield temporary
            temporary.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
