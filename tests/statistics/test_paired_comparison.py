"""Paired statistics: against loops, SciPy, hand-computed values and simulations with a known answer."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from pipeline.statistics import intervals, paired_comparison, shared_rows
from pipeline.statistics.intervals import Widening
from pipeline.statistics.paired_comparison import Probability

scores = arrays(np.float64, (3, 8), elements=st.floats(-4, 4).map(lambda x: round(x, 1)))


def rng(seed=0):
    return np.random.default_rng(seed)


def better(a, b, *, seed=0, resamples=500, direction="lower", confidence=0.95):
    return paired_comparison.probability_better(
        a, b, direction=direction, generator=rng(seed), resamples=resamples, confidence=confidence
    )


def probability(estimate, low, high):
    return Probability(*(np.asarray(x, float) for x in (estimate, low, high)))


def exact_bootstrap(wins, seeds, confidence=0.95):
    """The percentile bootstrap of a win count without resampling: the quantiles of a binomial."""
    tail = (1 - confidence) / 2
    share = stats.binom(seeds, wins / seeds)
    return probability(wins / seeds, share.ppf(tail) / seeds, share.ppf(1 - tail) / seeds)


# mean_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_interval_is_students(confidence):
    values = rng().normal(size=(4, 7))
    expected = stats.t.interval(confidence, 6, loc=values.mean(-1), scale=stats.sem(values, axis=-1))
    np.testing.assert_allclose(intervals.mean_interval(values, confidence=confidence)[1:], expected, rtol=1e-12)


def test_inflation_adds_to_one_over_seeds():
    values = rng().normal(size=10)
    plain, wide = (intervals.mean_interval(values, widening=Widening(x)) for x in (0.0, 0.25))
    assert (wide.high - wide.low) / (plain.high - plain.low) == pytest.approx(math.sqrt((0.1 + 0.25) / 0.1))
    each = intervals.mean_interval(np.stack([values, values]), widening=Widening(np.array([0.0, 0.25])))
    np.testing.assert_array_equal(each.low, [plain.low, wide.low])


def test_coverage_is_nominal():
    values = rng(1).normal(3, 2, size=(20_000, 6))
    interval = intervals.mean_interval(values, confidence=0.9)
    assert np.mean((interval.low <= 3) & (interval.high >= 3)) == pytest.approx(0.9, abs=0.01)


def test_constant_seeds_give_an_exact_point():
    values = np.full((2, 7), 0.1)
    assert all(np.all(field == 0.1) for field in intervals.mean_interval(values))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_spoil_their_column_only(bad):
    values = rng().normal(size=(2, 5))
    values[0, 3] = bad
    interval = intervals.mean_interval(values)
    assert np.all(np.isnan([x[0] for x in interval]))
    assert np.all(np.isfinite([x[1] for x in interval]))


def test_huge_values_do_not_warn():
    assert not np.any(np.isfinite(intervals.mean_interval(np.array([1e308, -1e308, 1e308])).low))


def test_one_seed_has_a_mean_and_no_interval():
    mean, low, high = intervals.mean_interval(np.array([2.0]))
    assert mean == 2
    assert np.isnan(low)
    assert np.isnan(high)


@given(scores)
def test_order_of_seeds_does_not_matter(values):
    np.testing.assert_allclose(
        intervals.mean_interval(values[:, ::-1]), intervals.mean_interval(values), rtol=1e-9, atol=1e-12
    )


# paired_difference


def test_agrees_with_scipy():
    a, b = rng().normal(size=(2, 5, 9))
    ours, theirs = intervals.paired_difference(a, b), stats.ttest_rel(a, b, axis=-1)
    np.testing.assert_allclose(ours.p, theirs.pvalue, rtol=1e-10)
    np.testing.assert_allclose(ours[1:3], theirs.confidence_interval(0.95), rtol=1e-10)


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (0.1, 0.0)])
def test_a_constant_difference(shift, p):
    b = rng().integers(0, 8, size=(3, 6)) / 8
    mean, low, high, got = intervals.paired_difference(b + 0.0, b - shift if shift else b)
    np.testing.assert_allclose(mean, shift, atol=1e-15)
    if not shift:
        assert np.all(low == 0)
        assert np.all(high == 0)
        assert np.all(got == p)
    exact = intervals.paired_difference(np.full(4, shift), np.zeros(4))
    assert exact == (shift, shift, shift, p)


@given(scores, scores)
def test_swapping_negates_exactly(a, b):
    forward, backward = intervals.paired_difference(a, b), intervals.paired_difference(b, a)
    np.testing.assert_array_equal(forward.mean, -backward.mean)
    np.testing.assert_array_equal(forward.low, -backward.high)
    np.testing.assert_array_equal(forward.p, backward.p)


def test_p_values_are_uniform_without_a_difference():
    a, b = rng(2).normal(size=(2, 20_000, 10))
    assert np.mean(intervals.paired_difference(a, b).p < 0.05) == pytest.approx(0.05, abs=0.006)


def test_correction_restores_the_false_positive_rate_of_shared_data():
    """Seeds that correlate by rho = n_test / (n_test + n_train), the model behind the correction."""
    rho, generator = 0.2, rng(3)
    shared, own = generator.normal(size=(4000, 1)), generator.normal(size=(4000, 30))
    difference = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    zero = np.zeros_like(difference)
    assert np.mean(intervals.paired_difference(difference, zero).p < 0.05) > 0.4
    corrected = intervals.paired_difference(difference, zero, widening=Widening(rho / (1 - rho)))
    assert np.mean(corrected.p < 0.05) == pytest.approx(0.05, abs=0.012)


def test_seeds_must_pair_up():
    with pytest.raises((ValueError, TypeError), match="seeds"):
        intervals.paired_difference(np.zeros((2, 3)), np.zeros((2, 4)))


# mean_ratio


def test_ratio_of_constants_is_exact():
    assert intervals.mean_ratio(np.full(4, 1.0), np.full(4, 4.0)) == (0.25, 0.25, 0.25)


def test_ratio_interval_holds_the_ratios_that_fit():
    """Fieller's set: every r for which mean(a - r b) cannot be told from zero."""
    b = rng().normal(4, 1, size=12)
    a = 0.5 * b + rng(1).normal(0, 0.3, size=12)
    ratio, low, high = intervals.mean_ratio(a, b, widening=Widening(0.1))
    for end in (low, high):
        at_end = intervals.paired_difference(a - end * b, np.zeros(12), widening=Widening(0.1))
        assert at_end.p == pytest.approx(0.05, rel=1e-9)
    assert low < ratio < high


def test_ratio_to_something_like_zero_has_no_interval():
    b = rng().normal(0, 1, size=10)
    assert np.all(np.isnan(intervals.mean_ratio(b + 1, b)))


def test_ratio_coverage():
    b = rng(5).normal(2, 1, size=(20_000, 20))
    a = 0.6 * b + rng(6).normal(0, 0.5, size=b.shape)
    interval = intervals.mean_ratio(a, b)
    assert np.mean((interval.low <= 0.6) & (interval.high >= 0.6)) == pytest.approx(0.95, abs=0.006)


def test_ratio_of_one_is_a_difference_of_zero():
    """With inflations of a, b and a - b, Fieller's set holds 1 iff the interval of the difference holds 0."""
    b = rng().normal(4, 1, size=(300, 8))
    a = b + rng(1).normal(1.0, 1, size=b.shape)
    three = tuple(Widening(inflation) for inflation in rng(2).uniform(0, 0.2, size=(3, 300)))
    ratio, difference = intervals.mean_ratio(a, b, widening=three), intervals.paired_difference(a, b, widening=three[2])
    bounded = ~np.isnan(ratio.low)
    inside = (ratio.low <= 1) & (ratio.high >= 1)
    assert 20 < inside[bounded].sum() < bounded.sum() - 20
    np.testing.assert_array_equal(inside[bounded], ((difference.low <= 0) & (difference.high >= 0))[bounded])


# shared_covariance, measured_widening


def loop_shared_covariance(table):
    """The textbook's two-way analysis of variance, one cell at a time."""
    seeds, groups = len(table), len(table[0])
    grand = sum(map(sum, table)) / (seeds * groups)
    by_seed = [sum(row) / groups for row in table]
    by_group = [sum(row[g] for row in table) / seeds for g in range(groups)]
    among = seeds * sum((mean - grand) ** 2 for mean in by_group) / (groups - 1)
    cells = [(table[s][g] - by_seed[s] - by_group[g] + grand) ** 2 for s in range(seeds) for g in range(groups)]
    return max(among - sum(cells) / ((seeds - 1) * (groups - 1)), 0.0) / (seeds * groups)


def test_shared_covariance_by_hand():
    """Mean squares 9 among groups and 4 of the interaction; and a table without group effects."""
    assert shared_rows.shared_covariance(np.array([[1.0, 2.0], [3.0, 8.0]])) == (9 - 4) / (2 * 2)
    assert shared_rows.shared_covariance(np.array([[1.0, 2.0], [2.0, 1.0]])) == 0


@given(arrays(np.float64, (2, 5, 4), elements=st.floats(-4, 4).map(lambda x: round(x, 2))))
def test_shared_covariance_agrees_with_the_loop(tables):
    expected = [loop_shared_covariance(table.tolist()) for table in tables]
    np.testing.assert_allclose(shared_rows.shared_covariance(tables), expected, rtol=1e-9, atol=1e-12)


def test_without_interaction_it_is_the_variance_of_a_mean_of_groups():
    rows, seeds = rng().normal(size=(3, 1, 10)), rng(1).normal(size=(3, 6, 1))
    expected = rows[:, 0].var(axis=-1, ddof=1) / 10
    np.testing.assert_allclose(shared_rows.shared_covariance(rows + seeds), expected, rtol=1e-12)


def test_shared_covariance_ignores_order_and_seed_effects():
    table = rng().normal(size=(4, 7, 5)) + rng(1).normal(size=(4, 1, 5))
    expected = shared_rows.shared_covariance(table)
    for same in (table[:, ::-1], table[..., [3, 0, 4, 2, 1]], table + rng(2).normal(size=(4, 7, 1)), table + 9):
        np.testing.assert_allclose(shared_rows.shared_covariance(same), expected, rtol=1e-9)
    np.testing.assert_allclose(shared_rows.shared_covariance(3 * table), 9 * expected, rtol=1e-12)


def test_shared_covariance_is_unbiased():
    table = rng(3).normal(size=(4000, 1, 10)) + rng(4).normal(size=(4000, 8, 10))
    assert shared_rows.shared_covariance(table).mean() == pytest.approx(1 / 10, rel=0.03)


def test_a_table_is_the_same_in_any_company():
    table, values = rng().normal(size=(300, 30, 10)), rng(1).normal(size=(300, 30))
    table[7, 3, 2], values[9, 1] = np.inf, np.nan
    together = astuple(shared_rows.measured_widening(values, table, rho=0.1))
    alone = [astuple(shared_rows.measured_widening(values[i], table[i], rho=0.1)) for i in range(300)]
    np.testing.assert_array_equal(together, np.transpose(alone))
    again = shared_rows.measured_widening(values, np.asfortranarray(table), rho=0.1)
    np.testing.assert_array_equal(together, astuple(again))
    assert np.flatnonzero(np.isnan(together[0])).tolist() == [7, 9]


def test_inflation_is_the_bound_and_the_measured_share():
    table, values = rng().normal(size=(6, 1)) + np.array([0.0, 1.0, 3.0]), rng().normal(size=6)
    expected = 0.25 / 0.75 + shared_rows.shared_covariance(table) / values.var(ddof=1)
    assert shared_rows.measured_widening(values, table, rho=0.25).inflation == pytest.approx(expected)
    nothing = shared_rows.measured_widening(np.full(6, 0.1), table, rho=0.25)
    assert nothing.inflation == 0.25 / 0.75
    assert np.isnan(nothing.freedom)
    assert np.isnan(shared_rows.measured_widening(values[:1], table[:1], rho=0.25).inflation)
    with pytest.raises(ValueError, match="rho must be 0 or more and below 1, got 1"):
        shared_rows.measured_widening(values, table, rho=1.0)
    with pytest.raises(ValueError, match="two groups or more"):
        shared_rows.measured_widening(values, table[:, :1], rho=0.0)


def test_degrees_of_freedom_are_those_of_the_part_that_matters():
    """Between the groups' G - 1 and the seeds' S - 1, by Satterthwaite's formula."""
    groups, values = rng().normal(size=(6, 1)) + np.array([0.0, 1.0, 3.0]), rng().normal(size=6)
    a, b = values.var(ddof=1) * (1 / 6 + 1 / 3), shared_rows.shared_covariance(groups)
    got = shared_rows.measured_widening(values, groups, rho=0.25).freedom
    assert got == pytest.approx((a + b) ** 2 / (a**2 / 5 + b**2 / 2))
    assert shared_rows.measured_widening(values / 1e6, groups, rho=0.25).freedom == pytest.approx(2)
    assert shared_rows.measured_widening(values * 1e6, groups, rho=0.25).freedom == pytest.approx(5)


def test_degrees_of_freedom_are_those_of_all_mean_squares():
    """Mean squares 9 among groups and 4 of the interaction, over 2 seeds times 2 groups."""
    groups, values = np.array([[1.0, 2.0], [3.0, 8.0]]), np.array([1.5, 5.5])
    own, among, interaction = values.var(ddof=1) / 2, 9 / 4, 4 / 4
    expected = (own + among - interaction) ** 2 / (own**2 + among**2 + interaction**2)
    got = shared_rows.measured_widening(values, groups, rho=0.0).freedom
    assert got == pytest.approx(expected)
    # seeds that hardly differ: scores that are no means over rows
    assert shared_rows.measured_widening(values / 1e6, groups, rho=0.0).freedom == 1


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.0, 0.3, 1.0])
def test_p_values_hold_in_the_tail(sd):
    """Of crossed normal effects that are known, where groups do nothing, about as much as seeds, and almost all."""
    generator = rng(5)
    table = generator.normal(0, 0.3, (20_000, 30, 1)) + sd * generator.normal(size=(20_000, 1, 10))
    table += generator.normal(size=table.shape)
    values = table.mean(axis=-1)
    widening = shared_rows.measured_widening(values, table, rho=0.0)
    p = intervals.paired_difference(values, np.zeros_like(values), widening=widening).p
    assert 0.035 < np.mean(p < 0.05) < 0.055
    assert 0.0005 < np.mean(p < 0.002) < 0.0032


def test_few_degrees_of_freedom_widen_an_interval():
    values = rng().normal(size=8)
    ends = intervals.mean_interval(values, widening=Widening(0.5, 3.0))
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) * math.sqrt(1 / 8 + 0.5)
    assert ends.high - ends.mean == pytest.approx(half)
    difference = intervals.paired_difference(values, np.zeros(8), widening=Widening(0.5, 3.0))
    assert difference.p == pytest.approx(2 * stats.t.sf(abs(values.mean()) * stats.t.ppf(0.975, 3) / half, 3))
    own = intervals.mean_interval(values, widening=Widening(0.5))
    assert own.high - own.mean == pytest.approx(half * stats.t.ppf(0.975, 7) / stats.t.ppf(0.975, 3))


def resplits(generator, *, rows, train, test, seeds=30):
    """Which rows each seed trains on and tests on, as (seeds, rows) of 0 and 1, and each row's group."""
    place = generator.permuted(np.tile(np.arange(rows), (seeds, 1)), axis=1)
    group = np.arange(rows) % (10 if test > 150 else 5)
    return (place < train).astype(float), (place >= rows - test).astype(float), np.eye(group.max() + 1)[group]


def studies_of_nothing(sizes, *, row, seed, cell, training, studies=600):
    """Results (study, seed) and (study, seed, group) of true mean 0, on one pool a study.

    Standard deviations: `row` of a test row's difficulty for all seeds, `seed` of a seed's own luck, `cell` of a row's
    difficulty for one seed, `training` of a training row's mark on the fitted model.
    """
    values, tables, generator = [], [], rng(12)
    for _ in range(studies):
        trained, tested, group = resplits(generator, **sizes)
        difficulty = row * generator.normal(size=(1, sizes["rows"])) + cell * generator.normal(size=tested.shape)
        marks = trained @ generator.normal(0, training, size=(sizes["rows"], 1)) / sizes["train"]
        luck = marks + generator.normal(0, seed, size=marks.shape)
        values.append((tested * difficulty).sum(-1) / sizes["test"] + luck[:, 0])
        tables.append((tested * difficulty) @ group / (tested @ group) + luck)
    return np.stack(values), np.stack(tables)


def coverage(values, widening):
    """How often the nominal 95% interval holds the true mean of 0, and its mean width."""
    _, low, high = intervals.mean_interval(values, widening=widening)
    return np.mean((low <= 0) & (high >= 0)), np.mean(high - low)


LIKE_DIGITS = {"rows": 1797, "train": 256, "test": 1285}
SMALL = {"rows": 178, "train": 60, "test": 68}


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "times"), [(LIKE_DIGITS, 3.5), (SMALL, 1.2)])
def test_intervals_of_shared_test_rows_cover(sizes, times):
    """Measured alone it is about nominal; with the bound it is safe; uncorrected it is not; the surrogate is wide."""
    of_test = math.sqrt(sizes["test"])
    spread = {"row": 0.4 * of_test, "seed": 1.0, "cell": 0.3 * of_test, "training": 0.0}
    values, tables = studies_of_nothing(sizes, **spread)
    measured, _ = coverage(values, shared_rows.measured_widening(values, tables, rho=0.0))
    safe, width = coverage(values, shared_rows.measured_widening(values, tables, rho=sizes["train"] / sizes["rows"]))
    plain, _ = coverage(values, Widening())
    surrogate, wide = coverage(values, Widening(sizes["test"] / sizes["train"]))
    bounded, _ = coverage(values, Widening(sizes["test"] / (sizes["rows"] - sizes["test"])))
    assert 0.93 < measured < 0.98
    assert min(safe, bounded) > 0.93
    assert plain < 0.88
    assert surrogate > 0.995
    assert wide > times * width


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [LIKE_DIGITS, SMALL])
def test_intervals_of_shared_training_rows_cover(sizes):
    """A mean over the training rows is Hoeffding's case of equality: the bound is what it takes, and enough."""
    of_train, of_test = math.sqrt(sizes["train"]), math.sqrt(sizes["test"])
    values, tables = studies_of_nothing(sizes, row=0.0, seed=0.0, cell=0.05 * of_test, training=of_train)
    plain, _ = coverage(values, shared_rows.measured_widening(values, tables, rho=0.0))
    safe, _ = coverage(values, shared_rows.measured_widening(values, tables, rho=sizes["train"] / sizes["rows"]))
    assert plain < 0.75
    assert 0.93 < safe < 0.975


# probability_better


def loop_probability_better(a, b, *, seed, resamples):
    """One resampled set of seeds at a time, wins as fractions."""
    seeds = len(a)
    wins = [1.0 if x < y else 0.5 if x == y else 0.0 for x, y in zip(a, b, strict=True)]
    drawn = rng(seed).integers(0, seeds, size=(resamples, seeds))
    means = sorted(sum(wins[s] for s in row) / seeds for row in drawn)
    rank = math.floor(resamples * 0.025 + 1e-9)
    return sum(wins) / seeds, means[rank], means[resamples - 1 - rank]


@settings(max_examples=25, deadline=None)
@given(scores, scores)
def test_agrees_with_the_loop(a, b):
    ours = np.stack(better(a, b, seed=4, resamples=200), axis=-1)
    for column in range(3):
        expected = loop_probability_better(a[column], b[column], seed=4, resamples=200)
        np.testing.assert_allclose(ours[column], expected, rtol=1e-12)


@given(scores, scores)
@settings(deadline=None)
def test_swapping_and_direction_mirror_exactly(a, b):
    forward = better(a, b)
    for mirrored in (better(b, a), better(a, b, direction="higher"), better(-a, -b)):
        np.testing.assert_allclose(mirrored.estimate, 1 - forward.estimate, atol=1e-15)
        np.testing.assert_allclose(mirrored.low, 1 - forward.high, atol=1e-15)


@given(scores, scores)
@settings(deadline=None)
def test_interval_holds_the_estimate(a, b):
    p = better(a, b)
    assert np.all((p.low >= 0) & (p.low <= p.estimate) & (p.estimate <= p.high) & (p.high <= 1))


@pytest.mark.parametrize("wins", [12, 18, 22, 26, 30])
def test_resampling_approaches_the_exact_bootstrap(wins):
    a, b = np.where(np.arange(30) < wins, -1.0, 1.0), np.zeros(30)
    ours, exact = better(a, b, resamples=20_000), exact_bootstrap(wins, 30)
    np.testing.assert_allclose(ours, exact, atol=1 / 30 + 1e-12)


def test_a_column_is_the_same_in_any_company():
    a, b = rng().normal(size=(2, 400, 7))
    for function in (lambda x, y: better(x, y, resamples=5000), intervals.paired_difference, intervals.mean_ratio):
        together = np.stack(function(a, b))
        alone = np.stack([np.stack(function(a[i], b[i])) for i in (0, 299, 399)], axis=-1)
        np.testing.assert_array_equal(together[:, [0, 299, 399]], alone)
        fortran = np.stack(function(np.asfortranarray(a), b))
        np.testing.assert_array_equal(together, fortran)


def test_one_reference_serves_all_points():
    a, b = rng().normal(size=(3, 4, 6)), rng(1).normal(size=(3, 1, 6))
    np.testing.assert_array_equal(better(a, b), better(a, np.broadcast_to(b, a.shape)))


def test_identical_scores_are_a_coin_toss_without_spread():
    a = rng().normal(size=(2, 9))
    assert all(np.all(field == 0.5) for field in better(a, a))


def test_infinite_loss_loses_and_nan_is_not_ranked():
    a, b = np.zeros((2, 6)), np.full((2, 6), 1.0)
    a[0, 0], b[1, 0] = np.inf, np.nan
    p = better(a, b)
    assert p.estimate[0] == 5 / 6
    assert np.all(np.isnan([field[1] for field in p]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "up"}, "direction"),
        ({"resamples": 0}, "resamples must be 1 or more, got 0"),
        ({"confidence": 1.0}, r"confidence must lie between 0 and 1, got 1\.0"),
    ],
)
def test_requirements_are_stated(change, message):
    with pytest.raises((ValueError, TypeError), match=message):  # TypeError where shapes and types are enforced
        better(np.zeros(4), np.zeros(4), **change)
    with pytest.raises(ValueError, match="inflation"):
        intervals.mean_interval(np.zeros(3), widening=Widening(-1.0))
    with pytest.raises(ValueError, match="one seed or more"):
        intervals.mean_interval(np.zeros((3, 0)))


# verdict, equivalent, seeds_to_settle


@pytest.mark.parametrize(
    ("low", "high", "words", "same"),
    [
        (0.6, 0.9, "better", False),
        (0.51, 0.74, "no evidence", True),  # above chance, too small to matter
        (0.5, 0.9, "no evidence", False),
        (0.1, 0.4, "worse", False),
        (0.26, 0.49, "no evidence", True),
        (0.4, 0.76, "no evidence", False),
        (math.nan, math.nan, "no evidence", False),
    ],
)
def test_verdicts(low, high, words, same):
    p = probability((low + high) / 2, low, high)
    assert paired_comparison.verdict(p, seeds=30) == words
    assert paired_comparison.equivalent(p, seeds=30) == same
    assert paired_comparison.verdict(p, seeds=5) == "no evidence"
    assert not paired_comparison.equivalent(p, seeds=5)


@pytest.mark.parametrize("seeds", [6, 10, 20, 30, 50])
def test_false_positive_rate_of_the_verdict_is_nominal(seeds):
    """A against A, exactly: each seed is won with probability 1/2."""
    wins = np.arange(seeds + 1)
    said = paired_comparison.verdict(exact_bootstrap(wins, seeds), seeds=seeds)
    chance = stats.binom(seeds, 0.5).pmf(wins)
    for word in ("better", "worse"):
        assert chance[said == word].sum() < 0.05


def test_false_positive_rate_by_simulation():
    a, b = rng(7).normal(size=(2, 2000, 30))
    said = paired_comparison.verdict(better(a, b, resamples=1000), seeds=30)
    assert 0.02 < np.mean(said != "no evidence") < 0.07


def test_thirty_seeds_find_what_matters():
    """Bouthillier's 29 runs: P(A better) = .75 is found with probability .95 by Noether's one-sided rank test."""
    assert paired_comparison.paired_runs_needed(0.75, alpha=0.05, beta=0.05) == 29
    by_hand = ((1.6448536 + 1.6448536) / (math.sqrt(6) * 0.25)) ** 2
    assert math.ceil(by_hand) == 29
    assert paired_comparison.paired_runs_needed(0.9) < 29 < paired_comparison.paired_runs_needed(0.7)
    with pytest.raises(ValueError, match="gamma"):
        paired_comparison.paired_runs_needed(0.5)
    with pytest.raises(ValueError, match="alpha and beta"):
        paired_comparison.paired_runs_needed(0.75, alpha=0.6)


@pytest.mark.parametrize(("confidence", "seeds"), [(0.75, 3), (0.9, 5), (0.95, 6), (0.99, 8)])
def test_fewest_seeds(confidence, seeds):
    assert paired_comparison.fewest_seeds(confidence) == seeds
    assert 2 * 0.5**seeds <= 1 - confidence < 2 * 0.5 ** (seeds - 1)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.9, 0.97, 1.0])
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_seeds_to_settle_on_a_side_is_where_the_end_passes_a_half(p, seeds):
    favoured, z = max(p, 1 - p), stats.norm.ppf(0.975)
    n = max(6, seeds + 1)
    while favoured - z * math.sqrt(p * (1 - p) / n) < 0.5:
        n += 1
    assert paired_comparison.seeds_to_settle(probability(p, 0.0, 1.0), seeds=seeds) == n - seeds


@pytest.mark.parametrize("seeds", [2, 30, 56, 80])
def test_seeds_to_settle_never_asks_for_more_than_58(seeds):
    p = np.linspace(0, 1, 1001)
    total = paired_comparison.seeds_to_settle(probability(p, 0 * p, 0 * p + 1), seeds=seeds) + seeds
    assert total.max() <= max(58, seeds + 1)
    np.testing.assert_array_equal(total, total[::-1])


def test_seeds_to_settle_when_settled_or_unknown():
    p = probability([0.8, 0.5, 0.1, math.nan], [0.6, 0.3, 0.0, math.nan], [0.95, 0.7, 0.3, math.nan])
    np.testing.assert_array_equal(paired_comparison.seeds_to_settle(p, seeds=30), [0, 0, 0, math.nan])


def undecided_studies(seeds, studies):
    """Studies whose true P(A better) is anything, of those that `seeds` seeds left undecided: P, wins, more seeds."""
    true = rng(9).uniform(size=studies)
    wins = rng(10).binomial(seeds, true)
    more = paired_comparison.seeds_to_settle(exact_bootstrap(wins, seeds), seeds=seeds)
    return true[more > 0], wins[more > 0], more[more > 0].astype(int)


@pytest.mark.parametrize("seeds", [8, 12, 20, 30, 40])
def test_the_promised_seeds_settle_about_half_of_the_undecided(seeds):
    true, wins, more = undecided_studies(seeds, 4000)
    assert more.max() <= max(58 - seeds, 1)

    total = wins + rng(11).binomial(more, true)
    ends = {(k, seeds + m) for k, m in zip(total.tolist(), more.tolist(), strict=True)}
    settled = {(k, n): paired_comparison.seeds_to_settle(exact_bootstrap(k, n), seeds=n) == 0 for k, n in ends}
    share = np.mean([settled[k, seeds + m] for k, m in zip(total.tolist(), more.tolist(), strict=True)])
    assert share == pytest.approx(0.5, abs=0.12)


# holm


def test_holm_by_hand():
    p = np.array([0.04, 0.001, 0.03, 0.2])
    np.testing.assert_allclose(paired_comparison.holm(p), [0.09, 0.004, 0.09, 0.2])


def test_holm_leaves_nan_out_of_the_family():
    np.testing.assert_allclose(paired_comparison.holm(np.array([0.01, np.nan, 0.03])), [0.02, np.nan, 0.03])
    assert np.all(np.isnan(paired_comparison.holm(np.full(3, np.nan))))


def loop_holm(p):
    adjusted, running = np.empty(len(p)), 0.0
    for step, index in enumerate(np.argsort(p)):
        running = max(running, (len(p) - step) * p[index])
        adjusted[index] = min(1.0, running)
    return adjusted


@given(arrays(np.float64, (2, 6), elements=st.floats(0, 1)))
def test_holm_agrees_with_the_loop(p):
    np.testing.assert_allclose(paired_comparison.holm(p), [loop_holm(row) for row in p])
    assert np.all(paired_comparison.holm(p) >= p)


def test_holm_keeps_the_familywise_error():
    p = rng(8).uniform(size=(20_000, 10))
    assert np.mean(np.any(paired_comparison.holm(p) < 0.05, axis=-1)) == pytest.approx(0.05, abs=0.007)
