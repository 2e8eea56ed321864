"""The textbook on weight initialization, every claim an experiment with a verdict."""

from fanin.guide.chapters import Chapter, all_chapters
from fanin.guide.checks import Check
from fanin.guide.claim import Change, Claim, Effort
from fanin.guide.claims import all_claims, claim_by_name
from fanin.guide.result import Result
from fanin.guide.running import run, run_all

__all__ = [
    "Change",
    "Chapter",
    "Check",
    "Claim",
    "Effort",
    "Result",
    "all_chapters",
    "all_claims",
    "claim_by_name",
    "run",
    "run_all",
]
