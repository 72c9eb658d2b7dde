import numpy as np
import pytest
from scipy.optimize import minimize

from pipeline.core.rng import generator
from pipeline.data.splits import SPLITS
from pipeline.evaluation.registry import METRICS
from pipeline.evaluation.score import score_members
from pipeline.metrics.calibration_error import binned_error, debiased_error, noise_floor, resampling_uniforms
from pipeline.metrics.probabilities import log_softmax
from pipeline.metrics.ranking import Ranked, rank
from pipeline.textbook.estimator_audit import (
    BOOTSTRAPPED,
    ENOUGH,
    STUDIES,
    Simulated,
    _bootstrap,
    _coverage,
    audit,
    network_rows,
    simulate,
    study_rows,
)
from pipeline.textbook.estimators import ESTIMATORS, estimates, truths

ROWS = 4000
CONFIDENCE = 0.5 + (np.arange(ROWS) + 0.5) / (2 * ROWS)
COLUMNS = ["bias", "coverage", "coverage_high", "coverage_low", "estimator", "interval", "mean", "networks", "part"]
COLUMNS += ["rows", "sd", "truth", "within"]


def two(probability):
    return np.stack([probability, 1.0 - probability], -1)


def pool(networks=3, rows=300, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    q = rng.dirichlet(np.ones(classes), rows)
    return 1.5 * np.log(q) + 0.5 * rng.standard_normal((networks, rows, classes)), q


def found(rows, part):
    return {(row.estimator, row.rows): row for row in rows if row.part == part}


@pytest.fixture(scope="module")
def calibrated():
    """Rows of the audit of networks that say the posterior itself."""
    q = two(CONFIDENCE)
    return audit([np.log(q)] * 2, q, seed=0, jobs=1, sizes={200: 150, 500: 60})


def test_a_calibrated_network_has_no_error():
    q = two(CONFIDENCE)
    np.testing.assert_allclose(truths(np.log(q), q), 0.0, atol=1e-9)


@pytest.mark.parametrize("rows", [200, 500])
@pytest.mark.slow
def test_of_a_calibrated_network_ece_shows_its_noise_floor(calibrated, rows):
    floor = noise_floor(CONFIDENCE) * np.sqrt(ROWS / rows)
    row = found(calibrated, "network")["ece", rows]
    assert row.bias == pytest.approx(floor, rel=0.06)
    assert row.truth == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "sets"), [(200, 150), (500, 60)])
def test_of_a_calibrated_network_the_debiased_error_shows_none(calibrated, rows, sets):
    row = found(calibrated, "network")["debiased", rows]
    assert abs(row.bias) < 3.0 * row.sd / np.sqrt(sets)


@pytest.mark.slow
def test_percentile_intervals_of_ece_miss_and_normal_ones_of_the_debiased_error_hold(calibrated):
    rows = found(calibrated, "network")
    for size in (200, 500):
        assert rows["ece", size].coverage < 0.02
        assert not rows["ece", size].within
        assert rows["debiased", size].coverage > 0.93
    assert all((row.coverage is None) == (name not in BOOTSTRAPPED) for (name, _), row in rows.items())
    assert all(row.interval == BOOTSTRAPPED.get(name, "") for (name, _), row in rows.items())
    intervals = {row.interval for row in found(calibrated, "study").values()}
    assert intervals == {"Student t over networks, widened for their test rows"}


@pytest.mark.slow
def test_intervals_over_networks_know_the_noise_of_the_test_set_that_they_share():
    """Networks that are almost the same: all that is uncertain is which rows they are tested on."""
    jitter = 0.02 * np.random.default_rng(0).standard_normal((6, *two(CONFIDENCE).shape))
    rows = found(audit(np.log(two(CONFIDENCE)) + jitter, two(CONFIDENCE**2), seed=0, jobs=1, sizes={300: 120}), "study")
    assert 0.9 < rows["bias", 300].coverage <= 1
    assert rows["calibration", 300].coverage < 0.3  # has no groups


def test_truths_of_a_quadratic_reliability_curve():
    logits, posterior = np.log(two(CONFIDENCE)), two(CONFIDENCE**2)
    true = dict(zip(ESTIMATORS, truths(logits, posterior).tolist(), strict=True))
    for name in ("ece", "ece_mass", "classwise", "smece", "bias"):
        assert true[name] == pytest.approx(1 / 6, rel=2e-3)
    for name in ("debiased", "corp_miscalibration"):
        assert true[name] == pytest.approx(1 / 30, rel=2e-2)
    assert true["ece_l2"] == pytest.approx(np.sqrt(true["debiased"]))
    assert true["ece_max"] == pytest.approx(1 / 4, rel=1e-2)

    def loss(parameters):
        return -(posterior * log_softmax(parameters[0] * logits + [0.0, parameters[1]])).sum(-1).mean()

    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
    assert true["calibration"] == pytest.approx(loss([1.0, 0.0]) - best.fun, abs=1e-6)


@pytest.mark.slow
def test_signed_estimators_of_a_miscalibrated_network_hit_their_truths():
    sets = 150
    rows = found(audit([np.log(two(CONFIDENCE))] * 2, two(CONFIDENCE**2), seed=0, jobs=1, sizes={300: sets}), "network")
    for name in ("bias", "debiased"):
        row = rows[name, 300]
        assert abs(row.bias) < 3.5 * row.sd / np.sqrt(sets)
    variance = np.mean(2 * CONFIDENCE**2 - 2 * CONFIDENCE**3) - 1 / 36  # of confidence minus correctness
    assert rows["bias", 300].sd == pytest.approx(np.sqrt(variance / 300), rel=0.2)


def test_the_classwise_truth_is_the_mean_over_classes():
    logits, q = np.log(np.tile([0.5, 0.3, 0.2], (600, 1))), np.tile([0.7, 0.2, 0.1], (600, 1))
    true = dict(zip(ESTIMATORS, truths(logits, q).tolist(), strict=True))
    assert true["classwise"] == pytest.approx(0.4 / 3)
    assert (true["ece"], true["bias"], true["debiased"]) == pytest.approx((0.2, -0.2, 0.04))


def test_where_bootstrap_intervals_end():
    rng = np.random.default_rng(0)
    ranked = rank(CONFIDENCE[::10], rng.random(400) < CONFIDENCE[::10] ** 2)
    resamples = np.sort(rng.integers(0, 400, (100, 400)), axis=-1)
    again = Ranked(ranked.confidence[resamples], ranked.correct[resamples])
    center, error = debiased_error(ranked), np.std(debiased_error(again), ddof=1)
    low, high = np.percentile(binned_error(again), [2.5, 97.5])

    def held(debiased, ece):
        true = {**dict.fromkeys(ESTIMATORS, 0.0), "debiased": debiased, "ece": ece}
        return _bootstrap(ranked, resamples, truth=np.array(list(true.values()))).tolist()

    assert held(center + 1.95 * error, low + 1e-9) == held(center - 1.95 * error, high - 1e-9) == [1, 1]
    assert held(center + 1.97 * error, low - 1e-9) == held(center - 1.97 * error, high + 1e-9) == [0, 0]


def test_bootstrap_intervals_are_held_against_their_own_network():
    q = two(CONFIDENCE)
    rows = found(audit([np.log(q), 6.0 * np.log(q)], q, seed=0, jobs=1, sizes={400: 40}), "network")
    assert rows["debiased", 400].coverage > 0.9


def test_every_test_set_has_a_stream_of_its_own(monkeypatch):
    steps = []

    def recorded(seed, purpose, step):
        steps.append(step)
        return generator(seed, purpose, step)

    monkeypatch.setattr("pipeline.textbook.estimator_audit.generator", recorded)
    logits, q = pool()
    audit(logits, q, seed=0, jobs=1, sizes={50: 3, 80: 3})
    assert len(set(steps)) == 6


def test_a_test_set_may_be_larger_than_the_pool_and_studies_differ_in_their_networks():
    logits, q = pool()
    one = simulate(logits, q, truth=truths(logits, q), rows=400, draws=np.random.default_rng(0))
    assert len(np.unique(one.study_means[0])) > 1
    assert np.all(one.study_means >= one.estimates.min(-1, keepdims=True) - 1e-12)
    assert np.all(one.study_means <= one.estimates.max(-1, keepdims=True) + 1e-12)
    far = simulate(logits, q, truth=truths(logits, q) + 100.0, rows=400, draws=np.random.default_rng(0))
    assert one.study_hits.sum() > far.study_hits.sum() == 0


def test_the_smooth_truth_sees_less_of_gaps_that_change_sign_nearby():
    confidence = np.repeat([0.7, 0.71], 500)
    true = dict(zip(ESTIMATORS, truths(np.log(two(confidence)), two(np.repeat([0.8, 0.61], 500))), strict=True))
    assert true["ece"] == pytest.approx(0.1)
    assert true["smece"] < 0.06


def test_estimates_are_what_the_lab_reports():
    logits, q = pool()
    labels = np.random.default_rng(1).integers(0, 3, (3, 300))
    scored = score_members(
        dict.fromkeys(SPLITS, logits),
        dict.fromkeys(SPLITS, labels),
        np.broadcast_to(q, logits.shape),
        uniforms=resampling_uniforms(np.random.default_rng(2), resamples=1, rows=300),
    )
    assert set(ESTIMATORS) <= {metric.name for metric in METRICS}
    said, _ = estimates(logits, labels)
    for name, values in zip(ESTIMATORS, said, strict=True):
        tolerance = 1e-3 if name == "smece" else 1e-12  # which is found on fewer cells
        np.testing.assert_allclose(values, scored.scores[f"test/{name}"], rtol=tolerance, atol=tolerance)


def test_truths_of_a_stack_are_those_of_each_network():
    logits, q = pool()
    np.testing.assert_array_equal(truths(logits, q), np.stack([truths(one, q) for one in logits], -1))


def test_the_truth_of_the_top_label_is_not_that_of_rows():
    """Rows of one confidence whose posteriors differ are calibrated together: grouping is no calibration error."""
    posterior = np.tile([[0.9, 0.1], [0.5, 0.5]], (500, 1))
    true = truths(np.log(np.tile([0.7, 0.3], (1000, 1))), posterior)
    np.testing.assert_allclose(true, 0.0, atol=1e-9)


def test_rows_are_json_of_one_kind():
    logits, q = pool()
    one, again, other = (audit(logits, q, seed=seed, jobs=1, sizes={50: 4, 80: 3}) for seed in (0, 0, 1))
    assert [row.model_dump_json() for row in one] == [row.model_dump_json() for row in again]
    assert one != other
    assert all(sorted(row.model_dump()) == COLUMNS and row.networks == 3 for row in one)
    keys = [(row.part, row.rows, row.estimator) for row in one]
    assert keys == [(part, n, name) for part in ("network", "study") for n in (50, 80) for name in ESTIMATORS]


@pytest.mark.slow
def test_workers_change_no_bit():
    logits, q = pool()
    alone, beside = (audit(logits, q, seed=0, jobs=jobs, sizes={50: 8, 80: 5}) for jobs in (1, 2))
    assert alone == beside


def test_a_size_has_its_own_random_numbers():
    logits, q = pool()
    alone, beside = (audit(logits, q, seed=0, jobs=1, sizes=sizes) for sizes in ({80: 3}, {50: 2, 80: 3}))
    assert alone == [row for row in beside if row.rows == 80]


def test_rows_of_known_simulations():
    truth = np.tile([[1.0, 3.0]], (len(ESTIMATORS), 1))
    said = np.array([[[1.0, 4.0]], [[3.0, 4.0]]]) * np.ones((1, len(ESTIMATORS), 1))
    means, hits = np.tile([2.0, 4.0], STUDIES // 2), np.tile([1.0, 0.0], STUDIES // 2)
    simulated = [
        Simulated(
            one, np.tile(means, (len(ESTIMATORS), 1)), np.tile(hits, (len(ESTIMATORS), 1)), np.array([[1.0], [h]])
        )
        for one, h in zip(said, (0.0, 1.0), strict=True)
    ]
    rows = found(network_rows(simulated, truth, rows=9), "network")
    ece, debiased = rows["ece", 9], rows["debiased", 9]
    assert (ece.truth, ece.mean, ece.bias, ece.coverage) == (2.0, 3.0, 1.0, 0.5)
    assert ece.sd == pytest.approx(1.0)  # variances 2 and 0
    assert debiased.coverage == 1.0
    row = found(study_rows(simulated, truth, rows=9), "study")["bias", 9]
    assert (row.mean, row.bias, row.sd, row.coverage, row.within) == (3.0, 1.0, 1.0, 0.5, False)


def test_coverage_has_its_wilson_interval():
    hits = np.array([[1.0]] * 8 + [[0.0]] * 2)
    for alike in (hits, np.repeat(hits, 20, axis=-1)):
        row = _coverage(alike, interval="")
        assert (row.low, row.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert _coverage(np.ones((20, 5)), interval="").low == pytest.approx(0.8389, abs=1e-4)
    independent = (np.random.default_rng(0).random((400, 20)) < 0.95).astype(float)
    row = _coverage(independent, interval="")
    assert row.high - row.low == pytest.approx(2 * 1.96 * np.sqrt(0.95 * 0.05 / 8000), rel=0.15)


@pytest.mark.parametrize("share", [0.92, 0.93, 0.95, 0.98, 0.99])
def test_coverage_is_enough_within_its_bounds(share):
    hits = np.repeat([0.0, 1.0], [round(100 - 100 * share), round(100 * share)])
    simulated = [Simulated(*(np.tile(hits[:STUDIES], (len(ESTIMATORS), 1)),) * 3, np.full((2, 1), hit)) for hit in hits]
    rows = found(network_rows(simulated, np.ones((len(ESTIMATORS), STUDIES)), rows=9), "network")
    assert rows["ece", 9].coverage == pytest.approx(share)
    assert rows["ece", 9].within == (ENOUGH[0] <= rows["ece", 9].coverage <= ENOUGH[1])


@pytest.mark.slow
def test_studies_cover_whether_or_not_the_test_set_is_large_beside_the_scatter_of_networks():
    rng = np.random.default_rng(3)
    q = rng.dirichlet(np.ones(2), 4000)
    logits = np.log(q) * rng.uniform(0.2, 3.0, (30, 1, 1))
    rows = found(audit(logits, q, seed=0, jobs=1, sizes={100: 100, 10_000: 30}), "study")
    for name in ("bias", "debiased"):
        for size in (100, 10_000):
            assert rows[name, size].coverage > 0.9
            assert rows[name, size].coverage_high > ENOUGH[0]
    assert rows["calibration", 100].coverage_high < ENOUGH[0]  # has no groups


def test_a_diverged_network_is_left_out():
    logits, q = pool()
    diverged = logits.copy()
    diverged[1, 7, 0] = np.nan
    assert audit(diverged, q, seed=0, jobs=1, sizes={50: 2}) == audit(logits[[0, 2]], q, seed=0, jobs=1, sizes={50: 2})


def test_what_cannot_be_audited():
    logits, q = pool(networks=2)
    with pytest.raises(ValueError, match="finite networks must be 2 or more, got 1"):
        audit(logits[:1], q, seed=0, jobs=1)
    with pytest.raises(ValueError, match="finite networks must be 2 or more, got 1"):
        audit(np.where(np.arange(2)[:, None, None] == 0, np.inf, logits), q, seed=0, jobs=1)
    with pytest.raises(ValueError, match=r"must have shape \(S, rows, K\)"):
        audit(logits, q[1:], seed=0, jobs=1)
