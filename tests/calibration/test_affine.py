import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from pipeline.calibration.affine import AffineCalibrator, fit_matrix_scaling, fit_shared_slope, fit_vector_scaling
from pipeline.calibration.calibrator import calibrate, fit_calibrator
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import log_softmax
from pipeline.metrics.proper_scores import negative_log_likelihood

FITS = [fit_shared_slope, fit_vector_scaling, fit_matrix_scaling]


def sample(rng, rows, classes, matrix=None, intercepts=0.0):
    """Centred logits, and labels that have the probabilities of matrix @ logits + intercepts."""
    logits = rng.normal(size=(rows, classes)) * 2.0
    logits -= logits.mean(axis=1, keepdims=True)
    q = np.exp(log_softmax(logits @ (np.eye(classes) if matrix is None else matrix).T + intercepts))
    return logits, np.minimum((rng.random((rows, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)


def log_loss(logits, labels):
    return float(negative_log_likelihood(Predictions.from_logits(logits, labels)))


def objective(departures, logits, labels, *, full):
    """What is minimised: departures are D row by row (or its diagonal), then b."""
    n, K = logits.shape
    base = calibrate(logits, fit_calibrator(logits, labels))
    base = base - base.mean(axis=1, keepdims=True)
    D = departures[:-K].reshape(K, K) if full else np.diag(departures[:K])
    b, targets = departures[-K:], (n * np.eye(K)[labels] + 1 / K) / (n + 1)
    loss = -(targets * log_softmax(base @ (np.eye(K) + D).T + b)).sum() / n
    return loss + K / n * sum(
        (K - 1 if j != k else 1) * D[j, k] ** 2 + (b[j] ** 2 if j == k else 0) for j in range(K) for k in range(K)
    )


@pytest.fixture
def rng():
    return np.random.default_rng(31)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("rows", [20, 50])
def test_agrees_with_a_plain_search(rows, full, rng):
    logits, labels = sample(rng, rows, 3)
    logits = 3.0 * logits + np.array([0.0, 1.0, -2.0])
    start = np.zeros(12 if full else 6)
    plain = minimize(lambda x: objective(x, logits, labels, full=full), start, method="BFGS", options={"gtol": 1e-6})
    base = calibrate(logits, fit_calibrator(logits, labels))
    base -= base.mean(axis=1, keepdims=True)
    D = plain.x[:-3].reshape(3, 3) if full else np.diag(plain.x[:3])
    expected = base @ (np.eye(3) + D).T + plain.x[-3:]
    fitted = (fit_matrix_scaling if full else fit_vector_scaling)(logits, labels).calibrate(logits)
    assert log_softmax(fitted) == pytest.approx(log_softmax(expected), abs=2e-4)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_shared_slope_is_the_simpler_calibrator(classes, rng):
    logits, labels = sample(rng, 300, classes)
    mine = fit_shared_slope(logits, labels).calibrate(logits)
    theirs = calibrate(logits, fit_calibrator(logits, labels))
    assert log_softmax(mine) == pytest.approx(log_softmax(theirs), abs=1e-12)


@pytest.mark.parametrize("fit", FITS[1:])
def test_two_classes_are_platt_scaled(fit, rng):
    logits, labels = sample(rng, 300, 2)
    mine, platt = (each(4 * logits + [0, 1], labels).calibrate(logits) for each in (fit, fit_shared_slope))
    assert log_softmax(mine) == pytest.approx(log_softmax(platt), abs=1e-6)


SLOPES, INTERCEPTS = np.diag([0.4, 1.0, 2.0]), np.array([0.5, 0.0, -0.5])
MIXED = np.array([[1.0, 0.6, 0.0], [0.0, 1.0, 0.6], [0.0, 0.0, 1.0]])


def test_slopes_and_intercepts_of_classes_are_recovered(rng):
    fitted = fit_vector_scaling(*sample(rng, 40_000, 3, SLOPES, INTERCEPTS))
    fresh = sample(rng, 1000, 3)[0]
    truth = log_softmax(fresh @ SLOPES + INTERCEPTS)
    assert np.exp(log_softmax(fitted.calibrate(fresh))) == pytest.approx(np.exp(truth), abs=0.02)


def test_a_matrix_is_recovered(rng):
    fitted = fit_matrix_scaling(*sample(rng, 40_000, 3, MIXED, INTERCEPTS))
    fresh = sample(rng, 1000, 3)[0]
    truth = log_softmax(fresh @ MIXED.T + INTERCEPTS)
    assert np.exp(log_softmax(fitted.calibrate(fresh))) == pytest.approx(np.exp(truth), abs=0.02)


@pytest.mark.parametrize("fit", FITS[1:])
def test_few_rows_stay_close_to_the_simpler_calibrator(fit, rng):
    logits, labels = sample(rng, 3000, 3, SLOPES, INTERCEPTS)
    departures = []
    for copies in (1, 10, 100):  # of the same ten rows
        z, y = np.tile(logits[:10], (copies, 1)), np.tile(labels[:10], copies)
        simple, fitted = (log_softmax(each(z, y).calibrate(logits)) for each in (fit_shared_slope, fit))
        departures.append(np.abs(fitted - simple).mean())
    assert 0 < 3 * departures[0] < departures[1] < departures[2]


@pytest.mark.parametrize("fit", FITS)
def test_rows_without_an_error_have_a_best_map(fit):
    labels = np.arange(60) % 3
    logits = 4.0 * np.eye(3)[labels]
    probs = np.exp(log_softmax(fit(logits, labels).calibrate(logits)))
    assert 1 - probs[np.arange(60), labels] == pytest.approx(np.full(60, 2 / 3 / 61), rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 5), st.sampled_from([0.0, 1.0, 1e3, 1e30]))
def test_nothing_is_too_odd_to_be_fitted(seed, rows, classes, scale):
    logits, labels = sample(np.random.default_rng(seed), rows, classes)
    for fit in FITS:
        fitted = fit(scale * logits, labels)
        assert np.isfinite(fitted.weights).all()
        assert np.isfinite(fitted.intercepts).all()


@pytest.mark.parametrize("fit", FITS)
def test_the_smoothed_loss_is_no_worse_than_before(fit, rng):
    spoiled, labels = sample(rng, 200, 4, np.diag([0.3, 1.0, 1.0, 3.0]))
    targets = (200 * np.eye(4)[labels] + 1 / 4) / 201
    simple, fitted = (each(spoiled, labels).calibrate(spoiled) for each in (fit_shared_slope, fit))
    assert -(targets * log_softmax(fitted)).sum() <= -(targets * log_softmax(simple)).sum() + 1e-9


@pytest.mark.parametrize("fit", FITS)
def test_what_is_added_to_a_row_does_not_matter(fit, rng):
    logits, labels = sample(rng, 200, 4)
    moved = logits + rng.normal(size=(200, 1)) * 10
    before, after = (log_softmax(fit(z, labels).calibrate(z)) for z in (logits, moved))
    assert after == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 26])
def test_a_row_alone_is_calibrated_to_the_same_bits(classes, rng):
    logits = rng.normal(size=(3, 101, classes))
    calibrator = AffineCalibrator(rng.normal(size=(classes, classes)), rng.normal(size=classes))
    together = calibrator.calibrate(logits)
    assert together == pytest.approx(logits @ calibrator.weights.T + calibrator.intercepts, abs=1e-12)
    for at in np.ndindex(3, 101):
        assert calibrator.calibrate(logits[at][None])[0].tobytes() == together[at].tobytes()


@pytest.mark.parametrize("fit", FITS)
def test_a_fit_is_repeated_to_the_same_bits(fit, rng):
    logits, labels = sample(rng, 150, 10)
    one, other = fit(logits, labels), fit(np.asfortranarray(logits), labels)
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.intercepts.tobytes() == other.intercepts.tobytes()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[np.nan, 0.0]], [0], "logits must be finite"),
        ([0.0, 1.0], [0], r"shape \(n, K\)"),
        ([[1.0, 0.0]], [2], r"labels must lie in \[0, 2\)"),
    ],
)
def test_bad_arguments_are_named(fit, logits, labels, message):
    with pytest.raises(ValueError, match=message):
        fit(logits, labels)
