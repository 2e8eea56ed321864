"""Can this network train? A pass is observed, rules judge it, a report says so."""

from fanin.diagnosis.checkup import check
from fanin.diagnosis.finding import KINDS, Finding, Limit
from fanin.diagnosis.result import Layer, Report

__all__ = ["KINDS", "Finding", "Layer", "Limit", "Report", "check"]
