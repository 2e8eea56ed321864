"""Results of a full run of every claim, made by ``make guide``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fanin.guide.claim import Claim
from fanin.guide.result import Result
from fanin.guide.running import load

FOLDER = Path(__file__).parent


def recorded(claim: Claim[Any]) -> Result | None:
    """The result that ships with fanin, or None where there is none."""
    return load(claim, FOLDER, of_any_version=True)
