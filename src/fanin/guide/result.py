"""What came of an experiment: numbers that can be kept, judged and drawn again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanin.guide.checks import Check, Verdict, verdict
from fanin.guide.claim import Claim, Numbers
from fanin.picture import Picture

_UNFINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One claim and what its experiment measured.

    Args:
        claim: the claim.
        settings: its settings by name, as they were run.
        quick: whether fewer seeds and steps were run than a verdict should rest on.
        numbers: what was measured.
        seconds: wall time.
    """

    claim: Claim[Any]
    settings: Mapping[str, Any]
    quick: bool
    numbers: Numbers
    seconds: float

    @property
    def checks(self) -> tuple[Check, ...]:
        """What decides the claim, computed from the numbers."""
        return tuple(self.claim.judge(self.numbers))

    @property
    def verdict(self) -> Verdict:
        """``"supported"``, ``"qualified"`` or ``"refuted"``, computed from the numbers."""
        return verdict(self.checks)

    @property
    def picture(self) -> Picture:
        """Drawn from the numbers."""
        return self.claim.draw(self.numbers)

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that are not the claim's own."""
        own = dataclasses.asdict(self.claim.settings)
        return {name: value for name, value in self.settings.items() if own.get(name) != value}

    def to_dict(self) -> dict[str, Any]:
        """As JSON's types; what is not finite is ``"inf"``, ``"-inf"`` or ``"nan"``."""
        return {
            "schema": "fanin.claim/1",
            "claim": self.claim.name,
            "verdict": self.verdict,
            "quick": self.quick,
            "settings": dict(self.settings),
            "checks": [dataclasses.asdict(check) for check in self.checks],
            "numbers": _as_json(self.numbers),
            "seconds": round(self.seconds, 2),
        }


def from_dict(claim: Claim[Any], data: Mapping[str, Any]) -> Result:
    """The result that ``to_dict`` described; its verdict is computed anew."""
    return Result(
        claim, data["settings"], data["quick"], _from_json(data["numbers"]), data["seconds"]
    )


def plain(value: Any) -> Any:
    """Numbers of numpy and tuples as Python's own numbers and lists, floats of 7 digits."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.7g}")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"an experiment's numbers hold a {type(value).__name__}")


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_from_json(one) for one in value]
    return _UNFINITE.get(value, value) if isinstance(value, str) else value
