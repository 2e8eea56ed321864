"""Run every claim whole, keep the results in the package, write the table: ``make guide``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from fanin.guide import Claim, all_chapters, all_claims, run_all
from fanin.guide.recorded import FOLDER, recorded
from fanin.report import guide_terminal, guide_wording
from fanin.report.verdict_table import markdown_table

TABLE = Path(__file__).resolve().parent.parent / "docs" / "verdicts.md"


def table() -> str:
    """The page of verdicts, from the results that the package holds."""
    claims = {claim.name: claim for claim in all_claims()}
    results = {name: found for name, claim in claims.items() if (found := recorded(claim))}
    return (
        "# Verdicts\n\n"
        f"What `make guide` found: {guide_wording.count(results.values())}. A verdict is computed\n"
        "from the numbers by thresholds that were set beforehand; `fanin guide show CLAIM` tells\n"
        "the whole, `fanin guide run CLAIM` runs it.\n\n"
        f"{markdown_table(all_chapters(), claims, results)}\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("claims", nargs="*", help="names; all without one")
    chosen = parser.parse_args().claims
    claims = [claim for claim in all_claims() if not chosen or claim.name in chosen]
    console = Console(highlight=False)

    def began(_claim: Claim[object], place: int, total: int) -> None:
        console.print(f"{place + 1} of {total}", end=" ", style="dim")

    seconds = 0.0
    for result in run_all(claims, folder=FOLDER, again=True, began=began):
        console.print(guide_terminal.finished(result))
        seconds += result.seconds
    TABLE.write_text(table(), encoding="utf-8")
    console.print(f"{seconds:.0f} s of experiments. Table: {TABLE}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
