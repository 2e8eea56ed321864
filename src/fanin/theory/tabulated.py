"""The gains of all named activations beside torch's, and why they differ."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import attrs

from fanin.theory.names import NAMED
from fanin.theory.second_moments import gain

_TORCH: Final = MappingProxyType(
    {
        "linear": 1.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + 0.01**2)),
        "tanh": 5.0 / 3.0,
        "sigmoid": 1.0,
        "selu": 3.0 / 4.0,
    }
)
"""torch.nn.init.calculate_gain, which refuses every other name but those of convolutions."""

_REASONS: Final = MappingProxyType(
    {
        "tanh": (
            "5/3 comes with no derivation; in deep nets it settles at a second moment of 1.18 "
            "before the tanh, not 1"
        ),
        "sigmoid": "1 lets the second moment shrink to 0.26 before the sigmoid",
        "selu": (
            "3/4 was found by trial; it leaves gradients about as they are and lets the signal "
            "shrink"
        ),
    }
)

_WIDTHS: Final = (18, 14, 14)
_REASON_WIDTH: Final = 80 - sum(_WIDTHS)


@attrs.frozen
class GainRow:
    """One activation.

    Args:
        name: as ``gain`` takes it.
        gain: 1/sqrt(E phi(z)^2).
        torch_gain: of ``torch.nn.init.calculate_gain``, None where that refuses the name.
        reason: why the two differ; empty where they do not, or where torch has none.
    """

    name: str
    gain: float
    torch_gain: float | None
    reason: str


@attrs.frozen
class GainTable:
    """The gains of the named activations, ready to be printed at 80 columns."""

    rows: tuple[GainRow, ...]

    def __iter__(self) -> Iterator[GainRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, list[dict[str, str | float | None]]]:
        """Rows of plain values, for JSON."""
        return {"rows": [attrs.asdict(row) for row in self.rows]}

    def __str__(self) -> str:
        lines = [_line("activation", "gain", "torch", ""), "-" * 80]
        for row in self.rows:
            theirs = "" if row.torch_gain is None else f"{row.torch_gain:.10f}"
            reasons = textwrap.wrap(row.reason, _REASON_WIDTH) or [""]
            lines.append(_line(row.name, f"{row.gain:.10f}", theirs, reasons[0]))
            lines.extend(_line("", "", "", rest) for rest in reasons[1:])
        return "\n".join(lines)

    def __rich__(self) -> str:
        return str(self)


def _line(name: str, mine: str, theirs: str, reason: str) -> str:
    cells = zip((name, mine, theirs), _WIDTHS, strict=True)
    return ("".join(f"{cell:<{width}}" for cell, width in cells) + reason).rstrip()


def gains() -> GainTable:
    """The gain of every named activation, beside the one that torch has.

    torch's gains are conventions: some are 1/sqrt(E phi^2), some were found by trial.

    Example:
        >>> table = gains()
        >>> [row.torch_gain for row in table if row.name in ("selu", "gelu")]
        [0.75, None]

    References:
        torch.nn.init.calculate_gain. For tanh, LeCun, Bottou, Orr, Mueller, Efficient BackProp,
        1998, section 4.4, has 1.7159 tanh(2z/3) as the activation that keeps the second moment.
    """
    return GainTable(
        tuple(GainRow(name, gain(name), _TORCH.get(name), _REASONS.get(name, "")) for name in NAMED)
    )
