"""A finding in one line of text, for formats that hold no more."""

from __future__ import annotations

from fanin.diagnosis import Finding
from fanin.report.check_wording import listed
from fanin.report.wording import visible

_MOST_NAMED = 8


def sentence(finding: Finding) -> str:
    """Where, the evidence, and last the remedy."""
    evidence = finding.evidence.rstrip().removesuffix(".")
    return visible(f"{places(finding)}: {evidence}. Fix: {finding.remedy}")


def places(finding: Finding) -> str:
    """The names of a finding, not too many of them."""
    return listed([name or "the model" for name in finding.where or ("",)], _MOST_NAMED)
