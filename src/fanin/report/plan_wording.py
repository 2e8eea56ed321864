"""What terminal and page say of a plan."""

from __future__ import annotations

from typing import Final

from fanin.recipes.plans.plan import Plan
from fanin.report import wording
from fanin.report.plan_rows import PlanRow

UNMATCHED: Final = (
    "The pass did not show how they are used, so nothing says how they should start. Draw them "
    "yourself, and leave them as they are here: init_(model, unmatched='keep'), or --unmatched "
    "keep on the command line."
)


def heading(plan: Plan) -> str:
    """The recipe and what it does with how many parameters."""
    drawn = wording.counted(len(plan.rows), "parameter")
    return wording.visible(
        f"recipe {plan.recipe}: {drawn} drawn, {len(plan.kept)} kept, "
        f"{len(plan.unmatched)} unmatched"
    )


def measured_for(plan: Plan) -> str:
    """For which seed it holds; "" for every seed."""
    if plan.seed is None:
        return ""
    return f"measured on the weights of seed {plan.seed}, and for that seed alone"


def signal(row: PlanRow) -> str:
    """Predicted and measured RMS of what its operation puts out; "" where neither is known."""
    if row.predicted == "-" and row.measured == "-":
        return ""
    if row.measured == "-":
        return row.predicted
    return f"{row.predicted} -> {row.measured}".removeprefix("- ")
