"""``assert_trainable``: a check as an assertion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from fanin import diagnosis
from fanin.diagnosis import Report
from fanin.errors import InputError, UntrainableError


def assert_trainable(
    model: nn.Module,
    inputs: object,
    targets: object = None,
    *,
    loss: Callable[..., Any] | None = None,
    fail_on: Literal["error", "warning"] = "error",
) -> Report:
    """Check a network and fail if it cannot train.

    Args:
        model: is left as it was.
        inputs: a tensor, a tuple (positional arguments of forward) or a dict (keyword arguments).
        targets: for the loss.
        loss: a function ``loss(outputs, targets)`` of one number, as for ``fanin.check``.
        fail_on: "warning" to fail for warnings, too.

    Returns:
        The report, where it does not fail.

    Raises:
        UntrainableError: the network has such a finding; an AssertionError whose message is the
            report.
        InputError: what ``fanin.check`` cannot use, or another ``fail_on``.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
        >>> assert_trainable(model, torch.randn(16, 8)).verdict
        'healthy'
    """
    __tracebackhide__ = True
    if fail_on not in {"error", "warning"}:
        raise InputError(f"fail_on must be 'warning' or 'error', got {fail_on!r}")
    report = diagnosis.check(model, inputs, targets, loss=loss)
    try:
        report.raise_for_verdict(fail_on)
    except UntrainableError as error:
        # Without the frames of the report: a test's reader wants the line of the test.
        raise error.with_traceback(None) from None
    return report
