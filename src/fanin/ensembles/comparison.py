"""What ``compare`` returns: one record, which knows nothing of terminals and pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanin.ensembles.runs import Curves, Run, Signals
from fanin.ensembles.training import Settings
from fanin.ensembles.verdict import RankingRow

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Comparison:
    """What came of a comparison.

    Args:
        title: the architecture in words.
        data: the data set's name.
        settings: steps, batch size and optimizer.
        seeds, learning_rates: of the grid; after an interruption, the seeds that finished.
        loss_name, metric_name: what was minimised and what is ranked.
        uninformed_loss: of the best guess that ignores the input, e.g. ln 10.
        level: the training loss whose reaching is counted in ``steps_to_level``.
        ranking: best first.
        runs: all runs.
        curves: row i belongs to ``runs[i]``.
        signals: RMS of every layer's output and gradient before training.
        conclusion: what may be said, and what may not.
        looped: why the runs were trained one by one, or None where they were batched.
        interrupted: whether runs were left out because the user stopped it.
        seconds: wall time.
    """

    title: str
    data: str
    settings: Settings
    seeds: tuple[int, ...]
    learning_rates: tuple[float, ...]
    loss_name: str
    metric_name: str
    uninformed_loss: float
    level: float
    ranking: tuple[RankingRow, ...]
    runs: tuple[Run, ...]
    curves: Curves
    signals: tuple[Signals, ...]
    conclusion: str
    looped: str | None
    interrupted: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready values; what is not finite becomes None.

        The key ``schema`` names the version of this form.
        """
        from fanin.report.schema import comparison_to_dict

        return comparison_to_dict(self)

    def to_html(self, path: str | Path, *, command: str | None = None) -> Path:
        """Write one self-contained page and return its path.

        Args:
            path: where to; its folder must exist.
            command: how to get the same again, shown on the page.

        Raises:
            OutputError: the file cannot be written.
        """
        from fanin.report.page import write_page

        return write_page([self], path, command=command)

    def __repr__(self) -> str:
        return f"<Comparison: {self.title}, {len(self.runs)} runs. {self.conclusion}>"

    def _repr_html_(self) -> str:
        """The page, framed, for notebooks."""
        from fanin.report.page import framed_page

        return framed_page(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from fanin.report.terminal import comparison_view

        yield from comparison_view(self, options)
