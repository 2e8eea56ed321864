"""Activations as the command line names them: a name, or the text of a lambda."""

from __future__ import annotations

from typing import Any

import click


def activation(text: str) -> Any:
    """The activation that a text names; a lambda is Python code and is run.

    Raises:
        click.BadParameter: the lambda is no Python.
    """
    if not text.lstrip().startswith("lambda"):
        return text
    import math

    import numpy as np
    import torch

    known = {"math": math, "np": np, "numpy": np, "torch": torch, "F": torch.nn.functional}
    try:
        made = eval(text, known)  # noqa: S307 - the user's own code, as the help says
    except Exception as error:  # noqa: BLE001 - whatever the text raises
        raise click.BadParameter(f"{text!r} is no Python: {error}") from None
    made.__name__ = text
    return made
