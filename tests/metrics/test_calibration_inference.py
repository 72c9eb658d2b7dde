import math

import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from pipeline.metrics.calibration_error import debiased_error
from pipeline.metrics.calibration_inference import RESAMPLES, calibration_test, debiased_interval, redrawn_errors
from pipeline.metrics.ranking import rank


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def drawn(rng, rows, sharpness=1.0):
    """Forecasts of an event whose logits are too large by a factor."""
    logits = rng.normal(size=rows) * 1.5
    return rank(expit(sharpness * logits), rng.random(rows) < expit(logits))


events = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40)


@given(events)
@settings(max_examples=40)
def test_error_is_that_of_the_oracle_and_the_rest_are_in_range(pairs):
    confidence, correct = zip(*sorted((c / 8, float(a)) for c, a in pairs), strict=True)
    ranked = rank(np.array(confidence), np.array(correct) > 0)
    tested = calibration_test(ranked, np.random.default_rng(0))
    expected = oracle.binned_error(confidence, correct, bins=15, binning="mass", norm="l1")
    assert tested.error == pytest.approx(expected, abs=1e-12)
    assert 0 <= tested.floor <= 1
    assert 1 / (1 + RESAMPLES) <= tested.p <= 1
    low, high = debiased_interval(ranked)
    assert low <= float(debiased_error(ranked)) <= high


def test_floor_of_ten_coins_is_the_mean_of_a_binomial_deviation(rng):
    hits = range(11)
    exact = sum(math.comb(10, k) * abs(k - 5) for k in hits) / 2**10 / 10
    spread = math.sqrt(sum(math.comb(10, k) * (k - 5) ** 2 for k in hits) / 2**10) / 10
    assert redrawn_errors(np.full(10, 0.5), rng).mean() == pytest.approx(exact, abs=4 * spread / math.sqrt(RESAMPLES))


def test_large_bins_may_be_drawn_from_a_normal(rng, monkeypatch):
    confidence = np.sort(rng.random(30_000))
    fast = redrawn_errors(confidence, rng)
    monkeypatch.setattr("pipeline.metrics.calibration_inference._NORMAL", np.inf)
    slow = redrawn_errors(confidence[::1], rng)
    error = math.hypot(fast.std(), slow.std()) / math.sqrt(RESAMPLES)
    assert fast.mean() == pytest.approx(slow.mean(), abs=4 * error)


def test_certainty_that_is_right_is_calibrated_and_one_mistake_is_not(rng):
    certain = np.repeat([0.0, 1.0], 50)
    right = calibration_test(rank(certain, certain > 0), rng)
    assert (right.error, right.floor, right.p) == (0, 0, 1)
    wrong = calibration_test(rank(certain, certain < 1), rng)
    assert (wrong.error, wrong.p) == (1, 1 / (1 + RESAMPLES))


def test_interval_of_one_bin_by_hand():
    """40 rows at .5, of which 30 come true: gap .25, residual variance .25 * .75 * 40/39, all in one bin."""
    ranked = rank(np.full(40, 0.5), np.arange(40) < 30)
    noise = 0.25 * 0.75 / 39
    half = 1.959964 * math.sqrt(4 * (0.25**2 - noise) * noise + 2 * noise**2)
    assert debiased_interval(ranked) == pytest.approx((0.25**2 - noise - half, 0.25**2 - noise + half), abs=1e-7)


def test_sharpened_probabilities_are_caught(rng):
    assert calibration_test(drawn(rng, 2000, sharpness=2.0), rng).p == 1 / (1 + RESAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1.0, 1.5, 2.5])
def test_interval_holds_the_truth_and_calibrated_models_are_seldom_rejected(rng, sharpness):
    many = 2_000_000
    truth = 0.0 if sharpness == 1 else float(debiased_error(drawn(rng, many, sharpness)))
    tables = [drawn(rng, 400, sharpness) for _ in range(400)]
    intervals = np.array([debiased_interval(ranked) for ranked in tables])
    inside = np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
    assert inside >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)
    if sharpness == 1:
        rejected = np.mean([calibration_test(ranked, rng).p <= 0.05 for ranked in tables])
        assert rejected <= 0.05 + 3 * math.sqrt(0.95 * 0.05 / 400)
