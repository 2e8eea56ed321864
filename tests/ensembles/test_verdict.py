"""Ranking and conclusion of small cases that can be worked out by hand or with scipy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

import fanin
from fanin.ensembles import RankingRow, Run
from fanin.ensembles.verdict import Idle, conclude, idle, rank
from tests.claims import assert_close
from tests.ensembles import models

INF = math.inf


def run(
    recipe: str,
    seed: int,
    metric: float,
    *,
    rate: float = 0.1,
    loss: float = 0.5,
    diverged: bool = False,
    steps: int | None = None,
) -> Run:
    at = 3 if diverged else None
    return Run(recipe, seed, rate, INF if diverged else loss, metric, diverged, at, steps)


def ranked(metrics: Mapping[str, Sequence[float]]) -> dict[str, RankingRow]:
    """The ranking of recipes with these metrics on seeds 0, 1, ... at one rate, in its order."""
    runs = [run(name, seed, m) for name, row in metrics.items() for seed, m in enumerate(row)]
    return {row.name: row for row in rank([(name, name) for name in metrics], runs)}


def only(*runs: Run) -> RankingRow:
    (row,) = rank([("a", "a")], runs)
    return row


SAMPLES = {
    "a": [0.90, 0.93, 0.95, 0.91, 0.94],
    "b": [0.88, 0.92, 0.92, 0.90, 0.93],
    "c": [0.80, 0.70, 0.85, 0.75, 0.60],
    "d": [0.89, 0.94, 0.94, 0.90, 0.945],
}


def test_recipes_are_ranked_by_the_mean_of_the_metric() -> None:
    rows = ranked(SAMPLES)
    assert list(rows) == ["a", "d", "b", "c"]
    for name, row in rows.items():
        assert_close(row.metric, float(np.mean(SAMPLES[name])), 1e-12, f"metric of {name}")
        assert (row.learning_rate, row.train_loss, row.diverged) == (0.1, 0.5, 0.0)


def test_equal_metrics_are_ranked_by_training_loss() -> None:
    runs = [run("slow", 0, 0.9, loss=0.4), run("fast", 0, 0.9, loss=0.2)]
    assert [r.name for r in rank([("slow", "slow"), ("fast", "fast")], runs)] == ["fast", "slow"]


def test_the_recipe_is_kept_as_it_was_given() -> None:
    scheme = fanin.schemes.he_normal()
    (row,) = rank([(scheme, "he_normal()")], [run("he_normal()", 0, 0.5)])
    assert row.recipe is scheme
    assert row.name == "he_normal()"


def test_the_interval_is_that_of_students_t() -> None:
    row = ranked({"a": [0.80, 0.84, 0.86, 0.90]})["a"]
    # mean 0.85, s = sqrt(0.0052 / 3); t with 3 degrees of freedom at 0.975 is 3.1824463.
    half = 3.182446305284263 * math.sqrt(0.0052 / 3) / 2
    assert row.interval == pytest.approx((0.85 - half, 0.85 + half), abs=1e-12)


def test_the_interval_of_equal_values_has_no_width() -> None:
    assert ranked({"a": [0.5, 0.5, 0.5]})["a"].interval == (0.5, 0.5)


def test_the_interval_is_cut_to_the_values_that_the_metric_can_take() -> None:
    runs = [run("a", seed, metric) for seed, metric in enumerate([0.99, 0.7, 0.98])]
    low, high = rank([("a", "a")], runs, metric_range=(0.0, 1.0))[0].interval
    uncut = only(*runs).interval
    assert uncut[1] > 1, f"{uncut}: nothing to cut"
    assert (low, high) == (uncut[0], 1.0)


def test_p_values_are_paired_t_tests_against_the_best_corrected_by_holm() -> None:
    rows = ranked(SAMPLES)
    raw = {n: float(stats.ttest_rel(SAMPLES["a"], SAMPLES[n]).pvalue) for n in "bcd"}
    # Holm by hand: ascending, times 3, 2, 1, never below the one before.
    order = sorted(raw, key=raw.__getitem__)
    expected, floor = {}, 0.0
    for name, factor in zip(order, (3, 2, 1), strict=True):
        floor = max(floor, min(1.0, factor * raw[name]))
        expected[name] = floor
    assert rows["a"].p_value == 1
    for name in "bcd":
        assert_close(rows[name].p_value, expected[name], 1e-9, f"p of {name}")
    assert expected["b"] < 0.05 < expected["d"], f"{expected}: the case separates nothing"


def test_holm_never_falls_below_the_one_before_nor_above_one() -> None:
    base = np.array([0.5, 0.6, 0.4, 0.55])
    noise = np.array([0.02, -0.02, 0.01, -0.01])
    rows = ranked({"a": base, "b": base - 0.001 + noise, "c": base - 0.0015 + noise})
    raw = {
        n: float(stats.ttest_1samp(d + noise, 0).pvalue) for n, d in (("b", -1e-3), ("c", -1.5e-3))
    }
    assert 2 * raw["c"] > 1, f"{raw}: the case reaches no bound"
    assert rows["b"].p_value == rows["c"].p_value == 1


def test_seeds_are_paired_by_number_and_not_by_order() -> None:
    straight = ranked(SAMPLES)["b"].p_value
    runs = [run(n, seed, m) for n, row in SAMPLES.items() for seed, m in enumerate(row)]
    b_backwards = [r for r in runs if r.recipe != "b"] + [r for r in runs[::-1] if r.recipe == "b"]
    mixed = {row.name: row for row in rank([(n, n) for n in SAMPLES], b_backwards)}
    assert_close(mixed["b"].p_value, straight, 1e-12, "p of b")


def test_equal_metrics_everywhere_give_p_of_one() -> None:
    rows = ranked({"a": [0.9, 0.8, 0.7], "b": [0.9, 0.8, 0.7]})
    assert [row.p_value for row in rows.values()] == [1.0, 1.0]


def test_one_difference_on_every_seed_gives_p_of_zero() -> None:
    rows = ranked({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.7, 0.6]})
    assert rows["b"].p_value == 0


def test_one_seed_gives_no_p_value_and_no_interval() -> None:
    rows = ranked({"a": [0.9], "b": [0.8], "c": [0.7]})
    assert [math.isnan(row.p_value) for row in rows.values()] == [False, True, True]
    assert all(math.isnan(bound) for row in rows.values() for bound in row.interval)


def test_the_rate_is_chosen_on_the_training_loss_and_not_on_the_metric() -> None:
    row = only(
        run("a", 0, 0.99, rate=0.1, loss=0.5), run("a", 1, 0.97, rate=0.1, loss=0.7),
        run("a", 0, 0.60, rate=0.3, loss=0.3), run("a", 1, 0.62, rate=0.3, loss=0.5),
    )  # fmt: skip
    assert (row.learning_rate, row.train_loss) == (0.3, 0.4)
    assert_close(row.metric, 0.61, 1e-12, "metric")


def test_a_rate_with_fewer_diverged_runs_wins_whatever_its_loss() -> None:
    row = only(
        run("a", 0, 0.5, rate=0.1, loss=2.0), run("a", 1, 0.5, rate=0.1, loss=2.0),
        run("a", 0, 0.9, rate=0.3, loss=0.1), run("a", 1, 0.1, rate=0.3, diverged=True),
    )  # fmt: skip
    assert (row.learning_rate, row.diverged) == (0.1, 0.0)


def test_among_rates_that_all_diverge_somewhere_the_fewest_win() -> None:
    row = only(
        *(run("a", s, 0.1, rate=0.1, diverged=True) for s in range(4)),
        *(run("a", s, 0.4, rate=0.3, diverged=s == 0) for s in range(4)),
    )
    assert (row.learning_rate, row.diverged, row.train_loss) == (0.3, 0.25, INF)


def test_a_recipe_that_diverged_everywhere_is_ranked_all_the_same() -> None:
    runs = [run("good", s, 0.8 + 0.01 * s) for s in range(3)]
    runs += [run("bad", s, 0.1 + 0.02 * s, rate=r, diverged=True) for s in range(3) for r in (1, 2)]
    good, bad = rank([("bad", "bad"), ("good", "good")], runs)
    assert (good.name, bad.name, bad.diverged, bad.train_loss) == ("good", "bad", 1.0, INF)


@pytest.mark.parametrize("metric", [math.nan, -INF])
@pytest.mark.parametrize("order", [("bad", "good", "fair"), ("good", "fair", "bad")])
def test_a_metric_that_is_not_finite_is_ranked_last(metric: float, order: tuple[str, ...]) -> None:
    runs = [run("good", s, 0.8 + 0.01 * s) for s in range(3)]
    runs += [run("fair", s, 0.5 + 0.02 * s) for s in range(3)]
    runs += [run("bad", s, metric if s else 0.9, diverged=bool(s)) for s in range(3)]
    rows = rank([(name, name) for name in order], runs)
    assert [row.name for row in rows] == ["good", "fair", "bad"]
    assert rows[0].p_value == 1
    # What cannot be compared takes nothing from the comparison that can be made.
    assert rows[1].p_value < 0.05
    assert rows[0].interval[0] < rows[0].metric < rows[0].interval[1]


@pytest.mark.parametrize(
    ("steps", "median"),
    [
        ([30, 10, 20], 20),
        ([10, 20, None], 20),
        ([10, None, None], None),
        ([None, None, None], None),
        ([10, 20, None, None], None),
        ([40, 40, 40, 40], 40),
        ([17], 17),
        ([None], None),
    ],
)
def test_steps_to_level_is_a_median_that_counts_the_seeds_that_never_reach_it(
    steps: list[int | None], median: int | None
) -> None:
    assert only(*(run("a", i, 0.5, steps=s) for i, s in enumerate(steps))).steps_to_level == median


def test_steps_to_level_of_evenly_many_seeds_lies_between_the_middle_ones() -> None:
    got = only(*(run("a", i, 0.5, steps=s) for i, s in enumerate([40, 10, 30, 20]))).steps_to_level
    assert got is not None
    assert 20 <= got <= 30, f"{got} is no median of 10, 20, 30, 40"


def _said(metrics: Mapping[str, Sequence[float]], untrained: Sequence[str] = ()) -> str:
    seeds = len(next(iter(metrics.values())))
    return conclude(list(ranked(metrics).values()), seeds, "accuracy", Idle(tuple(untrained)))


def test_the_conclusion_names_what_is_beaten_and_what_is_not() -> None:
    assert _said(SAMPLES) == (
        "a has the highest accuracy, 0.926. "
        "It beats b and c (p < 0.05, paired over 5 seeds). "
        "a and d cannot be told apart with 5 seeds."
    )


def test_the_conclusion_of_a_clear_case_names_no_equals() -> None:
    said = _said({"a": [0.9, 0.91, 0.89], "b": [0.5, 0.51, 0.492]})
    assert "It beats b (p < 0.05, paired over 3 seeds)." in said
    assert "told apart" not in said


def test_the_conclusion_of_equals_beats_nothing() -> None:
    said = _said({"first": [0.9, 0.8], "second": [0.9, 0.8], "third": [0.9, 0.8]})
    sentence = next(part for part in said.split(". ") if "told apart" in part)
    assert all(name in sentence for name in ("first", "second", "third", "2 seeds")), said
    assert "beats" not in said


def test_one_seed_allows_no_conclusion() -> None:
    said = _said({"a": [0.9], "b": [0.1]})
    assert "with one seed nothing can be told apart" in said
    assert "beats" not in said
    assert "a has the highest accuracy (0.900)" in said


def test_recipes_that_did_not_train_are_named_and_not_beaten() -> None:
    said = _said(SAMPLES, untrained=["c", "b"])
    assert "b and c did not train" in said or "c and b did not train" in said
    assert "beats" not in said
    assert "a and d cannot be told apart" in said


def test_no_recipe_that_trained_is_all_that_is_said() -> None:
    said = _said(SAMPLES, untrained=list(SAMPLES))
    assert said.startswith("No recipe trained")
    assert "highest" not in said
    assert "beats" not in said


def test_a_recipe_that_did_not_train_is_not_praised() -> None:
    # Its metric may be the highest all the same, where one of its seeds diverged.
    said = _said({"a": [0.9, 0.91], "b": [0.8, 0.82]}, untrained=["a"])
    assert not ("a has the highest" in said and "a did not train" in said), said


def test_zeros_do_not_train_and_the_comparison_says_so() -> None:
    result = fanin.compare(
        models.mlp, ["zeros", "he_normal"], seeds=2, learning_rates=[0.1], steps=100, progress=False
    )
    assert [row.name for row in result.ranking] == ["he_normal", "zeros"]
    assert "zeros did not train at any learning rate tried" in result.conclusion
    assert result.uninformed_loss == pytest.approx(math.log(10))
    assert_close(result.ranking[1].train_loss, math.log(10), 0.01, "training loss of zeros")
    assert result.level == pytest.approx(math.log(10) / 2)
    reached = result.ranking[0].steps_to_level
    assert reached is not None
    for run_, curve in zip(result.runs, result.curves.loss, strict=True):
        means = [float(np.mean(curve[i : i + 10])) for i in range(91)]
        first = next((i + 10 for i, m in enumerate(means) if m <= result.level), None)
        assert run_.steps_to_level == first


def test_a_recipe_that_classifies_well_has_trained_whatever_its_loss_says() -> None:
    result = fanin.compare(
        "mlp", ["normal:3", "zeros"], depth=2, width=32, steps=60, seeds=3, progress=False
    )
    assert "normal:3 did not train" not in result.conclusion
    assert "normal:3 did better than a guess only at a rate of greater" in result.conclusion
    assert "cannot be told apart" not in result.conclusion


def test_one_bad_seed_of_an_even_number_does_not_decide() -> None:
    runs = [
        Run("a", seed, 0.1, loss, 0.1, diverged=False, diverged_at=None, steps_to_level=None)
        for seed, loss in enumerate([1.0, 1.1, 2.9, 3.0])
    ]
    ranking = rank([("a", "a")], runs)
    assert idle(ranking, runs, 2.0, 0.5) == Idle(everywhere=("a",))
    assert idle(ranking, runs, 2.1, 0.5) == Idle()
    assert idle(ranking, runs, 2.0, 0.05) == Idle()
