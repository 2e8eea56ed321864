from __future__ import annotations

import json

import numpy as np

from fanin.ensembles import Comparison


def test_is_strict_json_with_a_versioned_schema(comparison: Comparison) -> None:
    text = json.dumps(comparison.to_dict(), allow_nan=False)
    back = json.loads(text)
    assert back["schema"] == "fanin.comparison/1"
    assert back["versions"]["torch"].startswith("2.")


def test_holds_the_numbers_of_the_comparison(comparison: Comparison) -> None:
    data = comparison.to_dict()
    assert [row["recipe"] for row in data["ranking"]] == [r.name for r in comparison.ranking]
    assert len(data["runs"]) == len(comparison.runs) == 5 * 2 * 2
    for i, run in enumerate(data["runs"]):
        assert run["recipe"] == comparison.runs[i].recipe
        curve = data["curves"]["loss"][i]
        assert len(curve) == 12
        np.testing.assert_allclose(
            [np.nan if v is None else v for v in curve],
            np.where(np.isfinite(comparison.curves.loss[i]), comparison.curves.loss[i], np.nan),
            rtol=1e-5,
        )
    assert {s["recipe"] for s in data["signals"]} == {r.name for r in comparison.ranking}
    assert all(len(s["layers"]) == 25 for s in data["signals"])


def test_a_diverged_run_has_no_loss_and_says_when(comparison: Comparison) -> None:
    lost = [run for run in comparison.to_dict()["runs"] if run["recipe"] == "normal:5"]
    assert lost
    assert all(run["train_loss"] is None and run["diverged_at"] is not None for run in lost)
