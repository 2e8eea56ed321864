"""``python -m benchmarks.limits`` judges every limit by what the scripts wrote, in README.md."""

from __future__ import annotations

import inspect

from benchmarks.limits import (
    dead,
    exploding,
    output_scale,
    precision,
    recurrent,
    saturation,
    sweep,
    symmetry,
    vanishing,
)
from fanin.diagnosis import limits
from fanin.diagnosis.finding import Limit

SCRIPTS = (
    vanishing, exploding, dead, saturation, symmetry, output_scale, precision, recurrent,
)  # fmt: skip


def main() -> None:
    text = [inspect.cleandoc(HEAD), "", "| limit | value | verdict | what the networks showed |"]
    text.append("| --- | --- | --- | --- |")
    tables, seen = [], set()
    for script in SCRIPTS:
        name = script.__name__.rpartition(".")[2]
        found = sweep.read(name)
        for judge in script.JUDGES:
            verdict = sweep.verdict_of(judge, found, script.SWEEPS)
            seen.add(judge.limit.name)
            nets = f" of {' and '.join(judge.only)} nets" if any(judge.only) else ""
            where = f"`{name}.py`: {', '.join(judge.sweeps)}{nets}"
            text.append(
                f"| {judge.limit.name} ({where}) | "
                f"{judge.limit.value:g} | {verdict.told} | {verdict.said} |"
            )
        for one in script.SWEEPS:
            nets = ", ".join(net.name for net in one.nets)
            tables.append(f"{sweep.table(one, sweep.rows(found[one.name]))}\nnets: {nets}")
    record = {one.name for one in vars(limits).values() if isinstance(one, Limit)}
    if missing := sorted(record - seen):
        text += ["", f"Judged by none: {', '.join(missing)}."]
    text += ["", "## The trainings", "", "```", "\n".join(tables).strip(), "```", ""]
    (sweep.FOLDER / "README.md").write_text("\n".join(text))


HEAD = """
    # The limits

    Each limit of `src/fanin/diagnosis/limits.py` stands on trainings along a dose of its fault.
    `python -m benchmarks.limits.<script>` trains them (a few minutes on one core; `--quick` for a
    look) and writes `<script>.json`; `python -m benchmarks.limits` judges the limits by these files
    and writes this page.

    A network learns if it reaches the level of its task at one of the corpus' five settings of
    optimizer and learning rate, within 80 steps, or four times those of the same network without
    the fault if that is more. Slowdown is its fewest steps over those of that one. A warning is
    held if nine of ten networks before it learn in at most five times the steps and those just
    beyond it need at least twice as many in the median; an error is held if nine of ten networks
    beyond it fail.
"""

if __name__ == "__main__":
    main()
