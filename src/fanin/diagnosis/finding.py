"""One thing wrong: kind, severity, where, evidence, remedy; and the limit that it crossed."""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

from fanin.observation.values import plain, plain_dict
from fanin.recipes.plans.row import Row

Kind = Literal[
    "vanishing", "exploding", "symmetry", "dead", "saturation", "nonfinite", "output_scale"
]
Severity = Literal["warning", "error"]
Verdict = Literal["healthy", "warning", "broken"]

KINDS: Final[tuple[Kind, ...]] = (
    "nonfinite", "symmetry", "dead", "saturation", "exploding", "vanishing", "output_scale",
)  # fmt: skip
"""Every kind, causes before their effects: the order of findings of one severity."""


@attrs.frozen
class Limit:
    """A number beyond which training was seen to begin to fail.

    Args:
        name: in the record of limits, e.g. "saturated share, warning".
        value: the number.
        unit: what it counts, e.g. "share of the units' values".
        source: the script that set it, a path in fanin's repository.
    """

    name: str
    value: float
    unit: str
    source: str


@attrs.frozen
class Finding:
    """One thing wrong.

    Args:
        kind: what.
        severity: "error" if it was seen to keep networks from training, "warning" if it costs
            them speed or capacity.
        where: names of parameters or modules, the first responsible first.
        evidence: one sentence with the numbers.
        remedy: one sentence.
        value: the number that was judged.
        limit: what it was judged by; None where the fault needs none (Inf and NaN, exact zeros,
            equal units).
        rows: what ``init_`` has to draw to mend it; empty where no init can.
    """

    kind: Kind
    severity: Severity
    where: tuple[str, ...]
    evidence: str
    remedy: str
    value: float | None = None
    limit: Limit | None = None
    rows: tuple[Row, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; of the rows the parameter and the scheme."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "where": list(self.where),
            "evidence": self.evidence,
            "remedy": self.remedy,
            "value": None if self.value is None else plain(self.value),
            "limit": None if self.limit is None else plain_dict(self.limit),
            "mends": {row.parameter: repr(row.scheme) for row in self.rows},
        }
