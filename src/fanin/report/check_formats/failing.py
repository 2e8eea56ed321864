"""Which findings fail a build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from fanin.diagnosis import Finding

FailOn = Literal["error", "warning", "never"]


def fails(findings: Iterable[Finding], fail_on: FailOn) -> bool:
    """Whether one of the findings is as severe as that."""
    counted = {"error": {"error"}, "warning": {"error", "warning"}, "never": set()}[fail_on]
    return any(finding.severity in counted for finding in findings)
