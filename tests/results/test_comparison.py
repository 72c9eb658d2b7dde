"""From scores to the finished table, the answer, the printed page and the rows of the plots."""

import json
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from oracles import point, tuning

from pipeline.core.paths import report_file
from pipeline.metrics.names import MetricName
from pipeline.reporting.table import Cell
from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.study import calibration_table, footnotes, page_table, readme_table, render
from pipeline.results.answer import NothingToChooseError, headline_metrics
from pipeline.results.comparison import compare_points, roles_of, study_results
from pipeline.results.dataset import ClassCount, DatasetSummary
from pipeline.results.paired_columns import Protocol
from pipeline.results.record import significant
from pipeline.results.scored_points import BaseRateScores, ScoredPoint, ScoredPoints
from pipeline.results.series import (
    HistoryRow,
    cells,
    columns,
    history_rows,
    read_history,
    reliability_rows,
    sweep_rows,
    write_rows,
)
from pipeline.results.study import Inflation, MetricSummary, ProbabilityBetter, Reference
from pipeline.results.tuning import RateTrial, Tuning
from pipeline.statistics import intervals, paired_comparison, shared_rows
from pipeline.statistics.intervals import Widening, mean_interval, paired_difference

SEEDS = 30
PROTOCOL = Protocol(confidence=0.95, resamples=500, gamma=0.75, least_effect=0.005)
DATASET = DatasetSummary(
    name="mixture",
    rows=20512,
    features=2,
    feature_names=("x0", "x1"),
    classes=(),
    seeds=SEEDS,
    train=256,
    validation=256,
    test=20000,
    overlapping=False,
    md5="0",
)
RESPLIT = DATASET.model_copy(update={"overlapping": True, "test": 512})
DIRECTIONS = {
    **{f"{split}{stage}/nll": "lower" for split in ("test", "gap") for stage in ("", "_calibrated")},
    "test/accuracy": "higher",
    "test/debiased": "lower",
}


def scored(variant, name, **parameters):
    return ScoredPoint(
        variant=variant, name=name, parameters=point(hidden=(8, 8), **parameters), tuning=tuning([0.5]), md5="0"
    )


BASE_METRICS = ("validation/nll", "test/nll", "test_calibrated/nll")
POINTS = [
    scored("none", "none"),
    scored("none", "none,replicate=1", replicate=1),
    scored("dropout", "dropout=0"),
    scored("dropout", "dropout=0.8", dropout=0.8),
    scored("dropout", "dropout=0.2", dropout=0.2),
    scored("decay", "decay=0.1", weight_decay=0.1),
]
NLL = [0.60, 0.60, 0.60, 0.75, 0.50, 0.598]
NLL_TS = [0.55, 0.55, 0.55, 0.53, 0.49, 0.552]


def scores_of(nll=NLL, nll_calibrated=NLL_TS, *, noise=0.01, seeds=SEEDS):
    """Points share a seed's luck and add a little of their own; the second has other seeds, the third is a copy."""
    rng = np.random.default_rng(0)
    scores = {}
    for stage, means in (("", nll), ("_calibrated", nll_calibrated)):
        for split, level in (("train", -0.3), ("validation", 0.0), ("test", 0.01)):
            luck = np.tile(rng.normal(0, 0.05, seeds), (len(POINTS), 1))
            luck[1] = rng.normal(0, 0.05, seeds)
            values = np.array(means)[:, None] + level + luck + noise * rng.normal(size=(len(POINTS), seeds))
            values[2] = values[0]
            scores[f"{split}{stage}/nll"] = values
        train = scores[f"train{stage}/nll"] if stage else np.full((len(POINTS), seeds), 0.3)
        scores[f"gap{stage}/nll"] = scores[f"test{stage}/nll"] - train
        scores[f"test{stage}/ece"] = scores[f"test{stage}/nll"] / 10
        scores[f"test{stage}/ece_floor"] = np.full((len(POINTS), seeds), 0.018)
    scores["test/accuracy"] = 1 - scores["test/nll"] / 2
    scores["test/debiased"] = scores["test/ece"] ** 2 - 0.003
    return scores


def groups_of(scores, names=("test/nll", "test/accuracy"), *, groups=10, spread=0.1):
    """Groups of rows that are hard or easy for all seeds, more so at some points, and a little noise."""
    rng = np.random.default_rng(1)
    rows = rng.normal(0, spread, (len(POINTS), 1, groups))
    return {name: scores[name][..., None] + rows + rng.normal(0, 0.02, (*scores[name].shape, groups)) for name in names}


def made(
    scores=None,
    *,
    points=POINTS,
    directions=DIRECTIONS,
    dataset=DATASET,
    reference=0,
    protocol=PROTOCOL,
    base_rate=9.0,
    **more,
):
    scores = scores_of() if scores is None else scores
    seeds = len(scores["validation_calibrated/nll"][0])
    tuned = [
        one.model_copy(update={"tuning": tuning(values)})
        for one, values in zip(points, scores["validation_calibrated/nll"], strict=True)
    ]
    scored = ScoredPoints(
        tuned,
        {"validation/refinement": scores["validation_calibrated/nll"], **scores},
        directions=directions,
        dataset=dataset,
        protocol=protocol,
        base_rates=BaseRateScores(dict.fromkeys(BASE_METRICS, np.full((1, seeds), base_rate))),
        **more,
    )
    return study_results(scored, reference=reference, generator=np.random.default_rng(0))


@pytest.fixture(scope="module")
def results():
    return made()


def against(results, key, metric="test/nll"):
    return results.point(key).against_reference[MetricName.parse(metric)]


def mean_of(results, index, metric):
    return results.points[index].metrics[MetricName.parse(metric)]


def as_json(table):
    return table.model_dump(mode="json")


def page_of(results, **more):
    return render(results, **more)


# the table


def test_is_strict_json_and_reproducible(results):
    text = json.dumps(as_json(results), allow_nan=False, sort_keys=True)
    assert type(results).model_validate_json(text) == results
    assert json.dumps(as_json(made()), allow_nan=False, sort_keys=True) == text


def test_every_number_agrees_with_compare(results):
    scores = scores_of()
    a, b = scores["test/nll"][4], scores["test/nll"][0]
    got, expected = against(results, "dropout=0.2"), intervals.paired_difference(a, b)
    assert (got.difference, got.low, got.high, got.p) == expected
    assert got.p_better.estimate == np.mean(a < b)
    mean = mean_of(results, 4, "test/nll")
    assert (mean.mean, mean.low, mean.high) == intervals.mean_interval(a)


def test_verdicts_follow_the_construction(results):
    assert against(results, "dropout=0.2").verdict == "better"
    assert against(results, "dropout=0.8").verdict == "worse"
    assert against(results, "dropout=0.2", "test/accuracy").verdict == "better"
    assert against(results, "dropout=0.2").more_seeds == 0


def test_holm_covers_the_compared_points_only(results):
    family = ["dropout=0.8", "dropout=0.2", "decay=0.1"]
    raw = np.array([against(results, key).p for key in family])
    np.testing.assert_array_equal([against(results, key).p_holm for key in family], paired_comparison.holm(raw))
    assert results.protocol.family == 3
    for key in ("none,replicate=1", "dropout=0"):
        assert against(results, key).p_holm is None


def test_the_a_a_check_is_compared_and_flagged(results):
    assert [point.a_a for point in results.points] == [False, True, False, False, False, False]
    check = against(results, "none,replicate=1")
    assert check.verdict == "no evidence"
    assert check.difference != 0


def test_a_copy_of_the_reference_differs_by_exactly_nothing(results):
    assert [point.duplicate for point in results.points] == [False, False, True, False, False, False]
    copy = against(results, "dropout=0")
    assert (copy.difference, copy.low, copy.high, copy.p) == (0, 0, 0, 1)
    assert copy.p_better == ProbabilityBetter(estimate=0.5, low=0.5, high=0.5)
    assert (copy.verdict, copy.equivalent, copy.more_seeds) == ("no evidence", True, 0)


def test_the_reference_is_not_compared_with_itself(results):
    assert results.points[0].against_reference == {}
    assert results.reference == Reference(index=0, key="none", variant="none")


def test_share_of_the_gap_closed(results):
    scores = scores_of()["gap/nll"].mean(axis=-1)
    closed = against(results, "dropout=0.2", "gap/nll").closed
    assert closed.percent == pytest.approx(100 * (1 - scores[4] / scores[0]))
    assert closed.low < closed.percent < closed.high
    assert against(results, "dropout=0.2").closed is None
    assert "closed" not in as_json(against(results, "dropout=0.2"))


@pytest.mark.parametrize("shift", [-1.0, None])
def test_no_gap_no_share_of_it(shift):
    scores = scores_of()
    gap = scores["gap/nll"]
    scores["gap/nll"] = gap - gap[0].mean() if shift is None else gap + shift
    closed = against(made(scores), "dropout=0.2", "gap/nll").closed
    assert as_json(closed) == {"percent": None, "low": None, "high": None}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_seeds_that_diverged_are_null_with_a_reason(bad):
    scores = scores_of()
    scores["test/nll"][4, [3, 7]] = bad
    results = made(scores)
    assert mean_of(results, 4, "test/nll") == MetricSummary(mean=None, low=None, high=None, not_finite=2)
    got = against(results, "dropout=0.2")
    assert got.left_out == "2 of 30 seeds of this point have no finite value, the first is seed 3"
    assert (got.difference, got.p, got.p_better.estimate, got.more_seeds) == (None, None, None, None)
    assert got.verdict == "no evidence"
    assert against(results, "dropout=0.2", "test_calibrated/nll").left_out is None
    left = [against(results, key) for key in ("dropout=0.8", "decay=0.1")]
    np.testing.assert_array_equal([side.p_holm for side in left], paired_comparison.holm(np.array([s.p for s in left])))
    json.dumps(as_json(results), allow_nan=False)
    assert "left out" in page_of(results)


def test_a_diverged_reference_leaves_every_comparison_out():
    scores = scores_of()
    scores["test/nll"][0, 1] = np.nan
    results = made(scores)
    assert "of the reference" in against(results, "decay=0.1").left_out
    assert against(results, "decay=0.1").verdict == "no evidence"
    json.dumps(as_json(results), allow_nan=False)
    page_of(results)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_few_seeds_are_never_evidence(seeds):
    results = made(scores_of(seeds=seeds))
    got = against(results, "dropout=0.2")
    assert (got.verdict, got.equivalent) == ("no evidence", False)
    assert got.more_seeds >= 6 - seeds
    assert results.answer.recommendation == "leave it unregularized"
    json.dumps(as_json(results), allow_nan=False)
    page_of(results)


def test_seeds_are_not_promised_to_settle_what_only_rows_can():
    """Undecided, and the widened interval includes 0: more seeds would not narrow it below what seeds share."""
    fresh, resplit = made(), made(dataset=DATASET.model_copy(update={"overlapping": True, "test": 5120}))
    undecided = [
        (row.key, metric)
        for row in fresh.points
        for metric, entry in row.against_reference.items()
        if entry.verdict == "no evidence" and not entry.equivalent and entry.more_seeds
    ]
    assert undecided
    for key, metric in undecided:
        (row,) = (row for row in resplit.points if row.key == key)
        assert row.against_reference[metric].more_seeds is None
    sides = [entry for row in fresh.points + resplit.points for entry in row.against_reference.values()]
    assert all(entry.verdict == "no evidence" for entry in sides if entry.low <= 0 <= entry.high)


def test_wins_in_most_seeds_are_no_evidence_where_the_interval_includes_zero():
    """Many small gains and a few large losses, on seeds that share nothing: P(better) decides, the mean does not."""
    scores = scores_of()
    changes = np.resize([-0.01, -0.01, -0.01, -0.01, 0.05], SEEDS)
    scores["test/debiased"][4] = scores["test/debiased"][0] + changes
    got = against(made(scores), "dropout=0.2", "test/debiased")
    assert got.inflation == 0
    assert got.low <= 0 <= got.high
    assert got.p_better.low > 0.5
    assert (got.verdict, got.equivalent, got.more_seeds) == ("no evidence", False, None)


def test_overlapping_splits_widen_intervals_but_not_p_better(results):
    wide = made(dataset=RESPLIT)
    ratio = math.sqrt((1 / SEEDS + 1.0) * SEEDS)
    narrow, widened = against(results, "dropout=0.2"), against(wide, "dropout=0.2")
    assert (widened.high - widened.low) / (narrow.high - narrow.low) == pytest.approx(ratio)
    assert widened.p_better == narrow.p_better
    assert wide.protocol.inflation == Inflation(training_rows=1 / 3, all_rows=1.0, surrogate=2.0)
    assert wide.protocol.rho_train == pytest.approx(0.025)
    assert "Nadeau" in " ".join(footnotes(wide))
    assert "taken as 0.025 for training rows, a tenth of the share" in " ".join(footnotes(wide))
    assert "widened for the rows that seeds share" in wide.answer.sentence


@pytest.mark.parametrize(("dataset", "rho", "bounds"), [(RESPLIT, 0.025, (1.0, 1 / 3)), (DATASET, 0.0, (0.0, 0.0))])
def test_correlation_is_measured_where_there_are_groups(dataset, rho, bounds):
    """Of training rows only where seeds resplit one pool, of test rows always."""
    scores = scores_of()
    groups = groups_of(scores)
    results = made(scores, dataset=dataset, groups=groups)
    for metric in ("nll", "accuracy"):
        values, lines = scores[f"test/{metric}"], groups[f"test/{metric}"]
        expected = shared_rows.measured_widening(values[4] - values[0], lines[4] - lines[0], rho=rho)
        got = against(results, "dropout=0.2", f"test/{metric}")
        assert (got.inflation, got.freedom) == astuple(expected)
        assert got.p == intervals.paired_difference(values[4], values[0], widening=expected).p
        own = intervals.mean_interval(values[4], widening=shared_rows.measured_widening(values[4], lines[4], rho=rho))
        assert mean_of(results, 4, f"test/{metric}").low == own.low
    assert against(results, "dropout=0.2", "test/debiased").inflation == bounds[0]
    values = scores["validation/nll"][4]
    got = mean_of(results, 4, "validation/nll")
    assert (got.low, got.high) == intervals.mean_interval(values, widening=Widening(bounds[1]))[1:]


def test_gaps_have_the_groups_of_their_test_part():
    scores = scores_of()
    groups = groups_of(scores)
    a, b = scores["gap/nll"][[4, 0]]
    one, two = groups["test/nll"][[4, 0]]
    three = [shared_rows.measured_widening(*side, rho=0.025) for side in ((a, one), (b, two), (a - b, one - two))]
    got = against(made(scores, dataset=RESPLIT, groups=groups), "dropout=0.2", "gap/nll")
    assert (got.inflation, got.freedom) == astuple(three[2])
    ratio = intervals.mean_ratio(a, b, widening=tuple(three))
    assert got.closed.high == pytest.approx(100 * (1 - ratio.low))


def test_groups_that_cannot_be_used_leave_the_bound():
    scores = scores_of()
    groups = groups_of(scores)
    groups["test/nll"][4, 3, 2] = np.nan
    results = made(scores, dataset=RESPLIT, groups=groups)
    assert against(results, "dropout=0.2").inflation == 1.0
    assert against(results, "decay=0.1").inflation != 1.0
    assert against(results, "dropout=0").inflation == 0.025 / 0.975  # a copy: nothing varies
    json.dumps(as_json(results), allow_nan=False)


def test_fresh_draws_need_no_correction_but_for_the_rows_of_their_test_set(results):
    assert against(results, "dropout=0.2").inflation == 0
    assert (results.protocol.correction, results.protocol.rho_train) == ("none", 0.0)
    assert made(groups=groups_of(scores_of())).protocol.correction != "none"
    assert results.protocol.inflation == Inflation(training_rows=0.0, all_rows=0.0, surrogate=0.0)


def test_flips_before_and_after_scaling(results):
    flips = {(flip.key, flip.metric): flip for flip in results.verdict_changes}
    flip = flips["dropout=0.8", "nll"]
    assert flip.changed == ("sign", "verdict")
    assert (flip.before.verdict, flip.after.verdict) == ("worse", "better")
    assert flip.before.rank == 4  # behind the reference and two others; its duplicate has no place
    assert flip.after.rank == 2
    assert ("dropout=0.2", "nll") not in flips
    assert results.ranking["nll"].before[0] == "dropout=0.2"
    assert {"none,replicate=1", "dropout=0"}.isdisjoint(results.ranking["nll"].before)


def test_names_shared_by_variants_get_the_variant():
    points = [*POINTS[:5], POINTS[5].model_copy(update={"name": "dropout=0.2"})]
    keys = [point.key for point in made(points=points).points]
    assert keys[4:] == ["dropout/dropout=0.2", "decay/dropout=0.2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": {**scores_of(), "test/nll": np.zeros((2, 3))}}, "must all have shape"),
        ({"directions": {"test/other": "lower"}}, "directions must name metrics.*test/other"),
        ({"reference": 9}, "reference must be the index of one of 6 points, got 9"),
        ({"points": [POINTS[0]] * 6}, "points must differ"),
    ],
)
def test_requirements_are_stated(change, message):
    with pytest.raises(ValueError, match=message):
        made(**change)


def test_nothing_to_compare():
    results = made(directions={})
    assert all(point.against_reference == {} for point in results.points)
    assert not results.verdict_changes
    page_of(results)


# the answer


def test_validation_chooses_and_test_decides(results):
    chosen = results.answer
    assert (chosen.key, chosen.recommendation, chosen.objective) == ("dropout=0.2", "use", "refinement")
    assert chosen.test == against(results, "dropout=0.2", "test_calibrated/nll")
    assert chosen.gap.chosen == results.point("dropout=0.2").mean(MetricName("gap", "before", "nll"))
    for part in (
        "Use dropout=0.2 at learning rate 0.01",
        "95% interval",
        "generalization gap",
        "noise floor 0.018",
        "n = 30",
    ):
        assert part in chosen.sentence


def test_a_point_that_only_test_likes_is_not_chosen():
    scores = scores_of()
    scores["validation_calibrated/nll"][5] -= 0.3
    chosen = made(scores).answer
    assert (chosen.key, chosen.recommendation) == ("decay=0.1", "leave it unregularized")
    assert chosen.sentence.startswith("Leave it unregularized: decay=0.1, chosen on validation, is not")


@pytest.mark.parametrize(("rival", "word"), [(0.9, "prefers the unregularized"), (0.3, "worse on test")])
def test_leave_it_unregularized(rival, word):
    scores = scores_of()
    scores["validation_calibrated/nll"][3:] += 0.5
    scores["validation_calibrated/nll"][3] += rival - 1.1 if rival < 0.5 else 0
    scores["test_calibrated/nll"][3] += 0.3
    chosen = made(scores).answer
    assert chosen.recommendation == "leave it unregularized"
    assert word in chosen.sentence


def test_ties_go_to_the_reference_and_copies_of_it_are_named():
    scores = scores_of()
    scores["validation_calibrated/nll"][2:] = scores["validation_calibrated/nll"][0]
    assert made(scores).answer.key == "none"
    scores["validation_calibrated/nll"][2] -= 1
    assert "is the unregularized network itself" in made(scores).answer.sentence


def test_what_has_learned_nothing_cannot_win():
    """The lowest objective on the tuning seeds, but no better than the base rates on the study's own."""
    scores = scores_of()
    scores["validation/refinement"] = scores["validation_calibrated/nll"].copy()
    scores["validation/refinement"][4] = 0.9
    results = made(scores, base_rate=0.9)
    assert [point.learned for point in results.points] == [True, True, True, True, False, True]
    assert made(scores).answer.key == "dropout=0.2"
    assert results.answer.key != "dropout=0.2"


def test_where_nothing_has_learned_anything_the_answer_says_so():
    scores = scores_of()
    scores["validation/refinement"] = np.full_like(scores["validation_calibrated/nll"], 0.9)
    results = made(scores, base_rate=0.9)
    assert not results.answer.learned
    assert results.answer.recommendation == "leave it unregularized"
    assert "nothing is shown to predict validation rows better than the class frequencies do" in results.answer.sentence
    assert made(scores_of()).answer.learned


def test_class_frequencies_have_metrics_and_a_paired_difference_but_belong_to_no_family():
    scores = scores_of()
    frequencies = np.linspace(0.9, 1.0, SEEDS)
    results = made(scores, base_rate=frequencies)
    base, nll = results.base_rates, MetricName("test", "before", "nll")
    mean, low, _ = map(float, mean_interval(frequencies))
    assert (base.mean(nll), base.metrics[nll].low) == pytest.approx((mean, low))
    difference = paired_difference(frequencies, scores["test/nll"][0])
    compared = base.comparison(nll)
    assert (compared.difference, compared.low, compared.high) == pytest.approx(tuple(map(float, difference[:3])))
    assert (compared.verdict, compared.p_holm) == ("worse", compared.p)
    assert results.points == made(scores).points
    assert results.protocol.family == 3


def test_class_frequencies_are_the_last_row_of_every_table():
    results = made(base_rate=0.9)
    difference = results.base_rates.comparison(MetricName("test", "after", "nll")).difference
    for table in (page_table(results), calibration_table(results)):
        assert table.rows[-1][0] == Cell("class frequencies", "soft")
        assert len(table.rows[-1]) == len(table.columns)
    line = next(line for line in render(results).splitlines() if line.startswith("class frequencies"))
    assert ".900" in line
    assert short(difference, sign=True) in line
    assert "| class frequencies | .900 |" in readme_table(results)


def test_the_learning_rate_is_told_where_it_is_at_an_end_of_those_tried():
    trials = [RateTrial(learning_rate=rate, values=(loss,)) for rate, loss in ((0.1, 0.5), (0.01, 0.3), (0.001, 0.4))]
    inside = Tuning(objective="refinement", trials=tuple(trials))
    assert (inside.best.learning_rate, inside.at_edge) == (0.01, False)
    assert Tuning(objective="refinement", trials=tuple(trials[1:])).at_edge is False
    edge = Tuning(objective="refinement", trials=(*trials, RateTrial(learning_rate=0.2, values=(0.1,))))
    assert edge.at_edge
    broken = Tuning(objective="refinement", trials=(*trials, RateTrial(learning_rate=0.2, values=(None, 0.1))))
    assert broken.best == inside.best


def test_no_validation_loss_no_answer():
    scores = scores_of()
    scores["validation_calibrated/nll"][:] = np.nan
    with pytest.raises(NothingToChooseError, match="refinement must be finite"):
        made(scores)


def test_headline_metrics(results):
    headline = headline_metrics(results)
    assert list(headline) == [point.key for point in results.points]
    assert set(headline["none"]) == {"nll", "ece", "debiased", "accuracy", "gap", "nll_calibrated"}
    assert headline["none"]["nll"] == mean_of(results, 0, "test/nll").mean
    assert significant({"a": [1.23456, None, 7, "x", True]}, 3) == {"a": [1.23, None, 7, "x", True]}


# the printed page


def test_page_fits_and_is_plain(results):
    page = page_of(results)
    assert max(len(line) for line in page.splitlines()) <= 120
    assert "\x1b" not in page
    assert "\x1b" in page_of(results, color=True)
    for part in ("n = 30 paired seeds", "A/A check", "identical to the unregularized point", "Holm", "settle"):
        assert part in page
    assert "…" not in page


def test_page_fits_with_large_numbers_and_long_names():
    scores = {name: values * 1000 for name, values in scores_of().items()}
    points = [each.model_copy(update={"name": each.name + ",input_dropout=0.25,max_norm=3.5"}) for each in POINTS]
    assert max(len(line) for line in page_of(made(scores, points=points)).splitlines()) <= 120


def test_lines_are_ordered_by_validation_within_variants(results):
    assert [row[0].text for row in page_table(results).rows] == [
        "none",
        "none (A/A check)",
        "dropout 0.2",
        "dropout 0.8",
        "dropout 0 =",
        "decay 0.1",
        "class frequencies",
    ]


# rows for the plots


def test_sweeps_hold_what_varies_within_a_variant(results):
    table = sweep_rows(results)
    assert {(row.variant, row.parameter) for row in table} == {("dropout", "dropout")}
    assert [row.value for row in table if str(row.metric) == "test/nll"] == [0.0, 0.8, 0.2]
    assert list(cells(table[0])) == ["variant", "name", "parameter", "value", "metric", "mean", "low", "high"]


def test_sweeps_of_lists_become_text():
    points = [*POINTS]
    points[3] = points[3].model_copy(update={"parameters": point(hidden=(16, 16), dropout=0.8)})
    values = {row.value for row in sweep_rows(made(points=points)) if row.parameter == "hidden"}
    assert values == {"8-8", "16-16"}


def test_history(tmp_path, monkeypatch):
    values = np.random.default_rng(0).normal(size=(6, 5, 3))
    values[0, 2, 1] = np.nan
    name = MetricName("train", "before", "nll")
    table = [
        row
        for each, curves in zip(POINTS, values, strict=True)
        for row in history_rows(each.variant, each.name, {name: curves}, epochs=[1, 4, 9])
    ]
    assert len(table) == 18
    assert (table[1].epoch, table[1].mean) == (4, None)
    assert table[17].mean == pytest.approx(values[5, :, 2].mean())
    monkeypatch.chdir(tmp_path)
    write_rows(report_file("task", "history.csv"), table, kind=HistoryRow)
    again = read_history(report_file("task", "history.csv"))
    assert [cells(row) for row in again] == [significant(cells(row), 5) for row in table]
    assert report_file("task", "history.csv").read_text().splitlines()[0] == ",".join(columns(HistoryRow))


def test_reliability_bins_each_seed_by_itself():
    curves = {
        "confidence": np.array([[np.nan, 0.5, 0.9], [np.nan, np.nan, 0.8]]),
        "accuracy": np.array([[np.nan, 0.6, 1.0], [np.nan, np.nan, 0.6]]),
        "count": np.array([[0.0, 2.0, 8.0], [0.0, 0.0, 10.0]]),
    }
    first, last = reliability_rows("none", "none", curves)
    assert (first.bin, first.accuracy, first.low, first.seeds) == (1, 0.6, None, 1)
    assert last.accuracy == pytest.approx(0.8)
    assert (last.count, last.seeds) == (9.0, 2)
    json.dumps([cells(first), cells(last)], allow_nan=False)


@pytest.mark.slow
def test_a_a_false_alarms_are_nominal():
    """Many studies of nothing: unregularized networks on disjoint seeds."""
    rng = np.random.default_rng(1)
    points = [scored("none", str(i), replicate=int(i > 0)) for i in range(401)]
    nll = rng.normal(size=(401, SEEDS))
    nll = {f"test{i}/nll": nll - rng.normal(size=(401, SEEDS)) for i in range(5)}
    for values in nll.values():
        values[0] = 0
    study = ScoredPoints(
        points,
        nll,
        directions=dict.fromkeys(nll, "lower"),
        dataset=DATASET,
        protocol=PROTOCOL,
        base_rates=BaseRateScores({}),
    )
    compared = compare_points(study, roles=roles_of(study, 0), generator=np.random.default_rng(0))
    assert compared[0] == {}
    sides = [side for comparisons in compared[1:] for side in comparisons.values()]
    assert np.mean([side.p < 0.05 for side in sides]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([side.verdict != "no evidence" for side in sides]) < 0.07


def test_a_gain_that_is_too_small_is_not_recommended():
    """Better beyond doubt, by less than is worth it."""
    small = replace(PROTOCOL, least_effect=0.5)
    answer = made(protocol=small).answer
    assert (answer.key, answer.recommendation) == ("dropout=0.2", "leave it unregularized")
    assert "is better on test, but not shown to be so by 0.5 nats" in answer.sentence


def test_with_two_classes_class_one_decides():
    """What the answer, the table and its footnotes say of calibration is of class 1; AUC stands beside accuracy."""
    scores = scores_of()
    for stage in ("", "_calibrated"):
        for name, value in (("ece", 0.21), ("ece_floor", 0.019), ("debiased", 0.04)):
            scores[f"test{stage}/{name}_class1"] = np.full_like(scores["test/nll"], value)
        scores[f"test{stage}/auc"] = np.full_like(scores["test/nll"], 0.87)
    classes = (ClassCount(name="good", rows=10), ClassCount(name="bad", rows=5))
    results = made(scores, dataset=DATASET.model_copy(update={"classes": classes}))
    assert results.answer.calibration.chosen.before == pytest.approx(0.21)
    assert results.answer.calibration.chosen.after_floor == pytest.approx(0.019)
    page = " ".join(page_of(results).split())
    assert "acc/AUC" in page
    assert "/.870" in page
    assert ".210/.019" in page
    assert "the probability of class bad" in page
    assert "acc/AUC" not in page_of(made())


def test_what_has_learned_nothing_is_left_where_everything_else_diverged():
    scores = scores_of()
    scores["validation/refinement"] = np.full_like(scores["validation_calibrated/nll"], 0.9)
    scores["validation_calibrated/nll"][:2] = np.nan
    assert made(scores, base_rate=0.9).answer.key == "dropout=0.2"
