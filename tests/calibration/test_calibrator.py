import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from sklearn.linear_model import LogisticRegression

from pipeline.calibration.calibrator import Calibrator, calibrate, fit_calibrator, refinement_loss
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import log_softmax
from pipeline.metrics.proper_scores import negative_log_likelihood

CLASSES = [2, 3, 10]


def sample(rng, shape, classes, temperature=1.0, scale=2.0):
    """Logits that are `temperature` times too large, and labels."""
    logits = rng.normal(size=(*shape, classes)) * scale
    q = np.exp(log_softmax(logits))
    labels = np.minimum((rng.random((*shape, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)
    return logits * temperature, labels


def log_loss(logits, labels):
    return negative_log_likelihood(Predictions.from_logits(logits, labels))


def smoothed_loss(logits, labels):
    """Mean log-loss of one member where each of n labels is (n y + 1/K) / (n + 1)."""
    n, K = logits.shape
    targets = (n * np.eye(K)[labels] + 1 / K) / (n + 1)
    return float(-(targets * log_softmax(logits)).sum(1).mean())


def calibrated(logits, slope, intercept=0.0):
    return slope * logits + (np.array([0.0, intercept]) if logits.shape[1] == 2 else 0.0)


@pytest.fixture
def rng():
    return np.random.default_rng(22)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0, 10.0])
def test_a_temperature_is_recovered(truth, classes, rng):
    fitted = fit_calibrator(*sample(rng, (5, 20_000), classes, truth))
    assert 1 / fitted.slope == pytest.approx(np.full(5, truth), rel=0.07)
    assert fitted.intercept == pytest.approx(np.zeros(5), abs=0.1)


def test_an_intercept_is_recovered(rng):
    logits, labels = sample(rng, (5, 20_000), 2)
    fitted = fit_calibrator(logits + np.array([0.0, 1.5]), labels)
    assert fitted.intercept == pytest.approx(np.full(5, -1.5), abs=0.1)
    assert fitted.slope == pytest.approx(np.ones(5), abs=0.05)


def test_rare_positives_predicted_by_chance_get_their_base_rate(rng):
    labels = (rng.random((3, 2000)) < 0.05).astype(int)
    logits = rng.normal(size=(3, 2000, 2))
    probs = np.exp(log_softmax(calibrate(logits, fit_calibrator(logits, labels))))[..., 1]
    rates = labels.mean(1)
    assert probs.mean(1) == pytest.approx(rates, abs=0.001)
    entropy = -(rates * np.log(rates) + (1 - rates) * np.log(1 - rates))
    assert log_loss(calibrate(logits, fit_calibrator(logits, labels)), labels) == pytest.approx(entropy, abs=0.002)


@pytest.mark.parametrize("temperature", [0.3, 1.5, 8.0])
def test_two_classes_agree_with_logistic_regression_on_smoothed_labels(temperature, rng):
    logits, labels = sample(rng, (400,), 2, temperature)
    difference, n = (logits[:, 1] - logits[:, 0])[:, None], len(labels)
    targets = (n * labels + 0.5) / (n + 1)
    weights, both = np.concatenate([1 - targets, targets]), np.repeat([0, 1], n)
    theirs = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    theirs.fit(np.tile(difference, (2, 1)), both, sample_weight=weights)
    mine = fit_calibrator(logits, labels)
    assert mine.slope == pytest.approx(theirs.coef_[0, 0], rel=1e-6)
    assert mine.intercept == pytest.approx(theirs.intercept_[0], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40), st.sampled_from([0.01, 1.0, 100.0]), st.sampled_from([2, 3]))
def test_agrees_with_a_plain_search(seed, rows, scale, classes):
    logits, labels = sample(np.random.default_rng(seed), (rows,), classes, scale)
    fitted = fit_calibrator(logits, labels)
    loss = smoothed_loss(calibrated(logits, fitted.slope, fitted.intercept), labels)
    if classes == 2:
        start = [np.log(fitted.slope), fitted.intercept]
        found = minimize(lambda x: smoothed_loss(calibrated(logits, np.exp(x[0]), x[1]), labels), start).fun
    else:
        found = minimize_scalar(
            lambda x: smoothed_loss(np.exp(x) * logits, labels), bounds=(-10, 10), method="bounded"
        ).fun
    assert loss <= found + 1e-7


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("temperature", [1.0, 1e3, 1e4])
def test_no_slope_of_a_grid_is_better(temperature, classes, rng):
    """With huge logits the slope of the loss is a staircase."""
    logits, labels = sample(rng, (30, 15), classes, temperature)
    fitted = fit_calibrator(logits, labels)
    for member in range(30):
        mine = smoothed_loss(calibrated(logits[member], fitted.slope[member], fitted.intercept[member]), labels[member])
        grid = np.exp(np.linspace(-10, 10, 101))
        others = [
            smoothed_loss(calibrated(logits[member], beta, fitted.intercept[member]), labels[member]) for beta in grid
        ]
        assert mine <= min(others) + 1e-5


@pytest.mark.parametrize("classes", CLASSES)
def test_rows_without_an_error_have_a_best_slope(classes):
    """Their slope is finite, and makes them about as sure as n right rows beside one unknown would."""
    labels = np.arange(60) % classes
    logits = 4.0 * np.eye(classes)[labels]
    probs = np.exp(log_softmax(calibrate(logits, fit_calibrator(logits, labels))))
    assert 1 - probs[np.arange(60), labels] == pytest.approx(np.full(60, (classes - 1) / classes / 61), rel=1e-6)


@pytest.mark.parametrize("classes", CLASSES)
def test_rows_predicted_worse_than_by_chance_are_made_indifferent(classes):
    labels = np.arange(60) % classes
    logits = -2.0 * np.eye(classes)[labels]
    fitted = fit_calibrator(logits, labels)
    assert 0 < fitted.slope < 1e-3
    assert log_loss(calibrate(logits, fitted), labels) == pytest.approx(np.log(classes), abs=0.02)


@pytest.mark.parametrize("classes", CLASSES)
def test_equal_logits_give_the_base_rates_of_two_classes_and_nothing_to_others(classes):
    labels = np.array([0, 0, 0, 0, 0, 0, 1])
    probs = np.exp(log_softmax(calibrate(np.zeros((7, classes)), fit_calibrator(np.zeros((7, classes)), labels))))
    expected = (7 / 8 * 1 / 7 + 1 / 8 * 1 / 2) if classes == 2 else 1 / classes
    assert probs[:, 1] == pytest.approx(np.full(7, expected))


@pytest.mark.parametrize("classes", CLASSES)
def test_the_smoothed_loss_never_rises(classes, rng):
    logits, labels = sample(rng, (200, 12), classes, 2.0)
    fitted = fit_calibrator(logits, labels)
    for z, y, slope, intercept in zip(logits, labels, fitted.slope, fitted.intercept, strict=True):
        assert smoothed_loss(calibrated(z, slope, intercept), y) <= smoothed_loss(z, y) + 1e-12


@pytest.mark.parametrize("classes", CLASSES)
def test_huge_logits_are_survived(classes):
    logits = np.zeros((5, classes), np.float32)
    logits[:, :2] = np.array([[3e38, -3e38], [0, 3e38], [1, 0], [0, 2], [3, 1]], dtype=np.float32)
    fitted = fit_calibrator(logits, [1, 0, 0, 1, 0])
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert np.isfinite(refinement_loss(logits, [1, 0, 0, 1, 0]))


@pytest.mark.parametrize("classes", CLASSES)
def test_a_member_alone_is_fitted_to_the_same_bits(classes, rng):
    logits, labels = sample(rng, (2, 6, 211), classes, 3.0)
    logits[0, 1] = np.eye(classes)[labels[0, 1]]
    logits[1, 2] *= 1e4
    logits = logits.astype(np.float32)
    together, losses = fit_calibrator(logits, labels), refinement_loss(logits, labels)
    assert together.slope.shape == together.intercept.shape == losses.shape == (2, 6)
    for at in np.ndindex(2, 6):
        alone = fit_calibrator(logits[at], labels[at])
        assert (alone.slope, alone.intercept) == (together.slope[at], together.intercept[at])
        assert refinement_loss(logits[at], labels[at]) == losses[at]


@pytest.mark.parametrize("classes", CLASSES)
def test_refinement_agrees_with_loops(classes, rng):
    logits, labels = sample(rng, (83,), classes, 3.0)
    losses = []
    for i in range(83):
        others = [j for j in range(83) if j % 5 != i % 5]
        fitted = fit_calibrator(logits[others], labels[others])
        losses.append(oracle.log_loss(calibrated(logits[[i]], fitted.slope, fitted.intercept), labels[[i]], 1.0))
    assert refinement_loss(logits, labels) == pytest.approx(np.mean(losses), abs=1e-9)


@pytest.mark.parametrize("classes", CLASSES)
def test_refinement_does_not_see_a_temperature(classes, rng):
    logits, labels = sample(rng, (4, 5000), classes)
    calm, sharp = refinement_loss(logits, labels), refinement_loss(3 * logits, labels)
    assert log_loss(logits, labels) - calm == pytest.approx(np.zeros(4), abs=1e-3)
    assert np.all(log_loss(3 * logits, labels) - sharp > 0.1)
    assert sharp == pytest.approx(calm, abs=1e-8)


@pytest.mark.parametrize("classes", CLASSES)
def test_one_error_among_certainties_costs_a_bounded_amount(classes):
    logits = 5.0 * np.eye(classes)[np.arange(100) % classes]
    labels = np.arange(100) % classes
    labels[3] = (labels[3] + 1) % classes
    assert refinement_loss(logits, labels) < 0.15


def test_calibration_keeps_the_order_of_rows(rng):
    logits, labels = sample(rng, (50,), 2)
    made = calibrate(logits, fit_calibrator(logits, 1 - labels))
    assert np.array_equal(np.argsort(made[:, 1] - made[:, 0]), np.argsort(logits[:, 1] - logits[:, 0]))


def test_more_classes_have_no_intercept():
    made = calibrate(np.ones((4, 3)), Calibrator(np.array(2.0), np.array(0.0)))
    assert made.tolist() == [[2.0] * 3] * 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_calibrator([[np.nan, 0.0]], [0]), "logits must be finite"),
        (lambda: fit_calibrator([[1.0, 0.0]], [2]), r"labels must lie in \[0, 2\), got values from 2 to 2"),
        (lambda: fit_calibrator([[1.0, 0.0]], [0.0]), "labels must be integers"),
        (lambda: refinement_loss([[1.0, 0.0]] * 3, [0, 1, 0], folds=1), "at least 2, got folds=1 and n=3"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
