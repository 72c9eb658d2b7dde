import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from pipeline.calibration.temperature import decompose_log_loss, fit_temperature, scale_logits
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import log_softmax
from pipeline.metrics.proper_scores import negative_log_likelihood


class Logits(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose features are its logits."""

    def __init__(self, classes=2):
        self.classes = classes

    def fit(self, X, y):
        self.classes_ = np.arange(self.classes)
        return self

    def decision_function(self, X):
        return X[:, 1] - X[:, 0] if self.classes == 2 else X

    def predict(self, X):
        return X.argmax(axis=-1)


def sample(rng, shape, classes, temperature=1.0, scale=2.0):
    """Logits that are `temperature` times too large, and labels."""
    logits = rng.normal(size=(*shape, classes)) * scale
    q = np.exp(log_softmax(logits))
    labels = np.minimum((rng.random((*shape, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)
    return logits * temperature, labels


def log_loss(logits, labels):
    return negative_log_likelihood(Predictions.from_logits(logits, labels))


@pytest.fixture
def rng():
    return np.random.default_rng(22)


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0, 10.0])
def test_temperature_is_recovered(truth, rng):
    fitted = fit_temperature(*sample(rng, (5, 20_000), 3, truth))
    assert 1 / fitted.beta == pytest.approx(np.full(5, truth), rel=0.05)
    assert not fitted.at_bound.any()


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.3, 1.5, 8.0])
def test_agrees_with_scikit_learn(classes, temperature, rng):
    logits, labels = sample(rng, (400,), classes, temperature)
    labels[:classes] = np.arange(classes)
    theirs = CalibratedClassifierCV(
        FrozenEstimator(Logits(classes).fit(logits, labels)), method="temperature", ensemble=False
    ).fit(logits, labels)
    beta = theirs.calibrated_classifiers_[0].calibrators[0].beta_
    # For two classes scikit-learn scales (-d, d), whose difference is twice that of the logits.
    assert fit_temperature(logits, labels).beta == pytest.approx(beta * (2 if classes == 2 else 1), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40), st.sampled_from([0.01, 1.0, 100.0]))
def test_agrees_with_a_plain_search(seed, rows, scale):
    logits, labels = sample(np.random.default_rng(seed), (rows,), 3, scale)
    fitted = fit_temperature(logits, labels)
    found = minimize_scalar(lambda x: oracle.log_loss(logits, labels, np.exp(x)), bounds=(-10, 10), method="bounded")
    endless = fitted.at_bound and found.x > 0
    assert endless or oracle.log_loss(logits, labels, fitted.beta) <= found.fun + 1e-9
    if not fitted.at_bound:
        assert np.log(fitted.beta) == pytest.approx(found.x, abs=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 1e3, 1e4])
def test_no_grid_point_is_better_where_the_slope_is_a_staircase(temperature, rng):
    logits, labels = sample(rng, (300, 15), 3, temperature)
    separable = (logits.argmax(-1) == labels).all(-1)  # these have no best beta
    logits, labels = logits[~separable], labels[~separable]
    assert len(logits) > 100
    scaled = scale_logits(logits, fit_temperature(logits, labels))
    loss = log_loss(scaled, labels)
    for beta in np.exp(np.linspace(-10, 10, 201)):
        assert np.all(loss <= log_loss(beta * logits, labels) + 1e-5)


def test_separable_rows_are_reported_and_not_scaled():
    """Any beta is better than a smaller one there, and e^10 makes one error elsewhere cost thousands of nats."""
    fitted = fit_temperature([[2.0, 0.0], [0.0, 1.0]], [0, 1])
    assert fitted.at_bound
    assert not fitted.accepted
    assert fitted.beta == 1


def test_anti_predictive_rows_are_reported_at_the_lower_bound():
    fitted = fit_temperature([[2.0, 0.0], [0.0, 1.0]], [1, 0])
    assert fitted.at_bound
    assert fitted.accepted
    assert fitted.beta == pytest.approx(np.exp(-10))


def test_nothing_to_gain_is_not_accepted():
    fitted = fit_temperature(np.zeros((7, 3)), np.zeros(7, dtype=int))
    assert not fitted.accepted
    assert fitted.beta == 1.0


def test_validation_loss_never_rises(rng):
    logits, labels = sample(rng, (200, 12), 3, 2.0)
    fitted = fit_temperature(logits, labels)
    before = log_loss(logits, labels)
    after = log_loss(scale_logits(logits, fitted), labels)
    assert np.all(after <= before + 1e-12)
    assert np.all(fitted.beta[~fitted.accepted] == 1)


def test_huge_logits_are_survived():
    logits = np.array([[3e38, -3e38], [0, 3e38], [1, 0], [0, 2], [3, 1]], dtype=np.float32)
    fitted = fit_temperature(logits, [1, 0, 0, 1, 0])
    assert np.isfinite(fitted.beta)
    assert np.isfinite(decompose_log_loss(logits, [1, 0, 0, 1, 0]).refinement)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_member_alone_is_fitted_to_the_same_bits(classes, rng):
    logits, labels = sample(rng, (2, 6, 211), classes, 3.0)
    logits[0, 1] = np.eye(classes)[labels[0, 1]]
    logits = logits.astype(np.float32)
    together, parts = fit_temperature(logits, labels), decompose_log_loss(logits, labels)
    assert together.beta.shape == parts.refinement.shape == (2, 6)
    for at in np.ndindex(2, 6):
        alone, part = fit_temperature(logits[at], labels[at]), decompose_log_loss(logits[at], labels[at])
        assert (alone.beta, alone.accepted, alone.at_bound) == (
            together.beta[at],
            together.accepted[at],
            together.at_bound[at],
        )
        assert (part.refinement, part.calibration) == (parts.refinement[at], parts.calibration[at])


def test_decomposition_agrees_with_loops(rng):
    logits, labels = sample(rng, (83,), 3, 3.0)
    losses = []
    for i in range(83):
        others = [j for j in range(83) if j % 5 != i % 5]
        beta = np.exp(
            minimize_scalar(lambda x, o=others: oracle.log_loss(logits[o], labels[o], np.exp(x)), bounds=(-10, 10)).x
        )
        p = np.exp(-oracle.log_loss(logits[[i]], labels[[i]], beta))
        losses.append(-np.log((len(others) * p + 1 / 3) / (len(others) + 1)))
    parts = decompose_log_loss(logits, labels)
    assert parts.refinement == pytest.approx(np.mean(losses), abs=1e-6)
    assert parts.refinement + parts.calibration == pytest.approx(oracle.log_loss(logits, labels))


def test_decomposition_finds_the_calibration_loss_and_only_that(rng):
    logits, labels = sample(rng, (4, 5000), 3)
    calm, sharp = decompose_log_loss(logits, labels), decompose_log_loss(3 * logits, labels)
    assert calm.calibration == pytest.approx(np.zeros(4), abs=1e-3)
    assert np.all(sharp.calibration > 0.1)
    assert sharp.refinement == pytest.approx(calm.refinement, abs=1e-8)


def test_one_error_among_certainties_costs_a_bounded_amount():
    logits = np.tile([5.0, 0.0], (100, 1))
    labels = np.zeros(100, dtype=int)
    labels[3] = 1
    assert decompose_log_loss(logits, labels).refinement < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_temperature([[np.nan, 0.0]], [0]), "logits must be finite"),
        (lambda: fit_temperature([[1.0, 0.0]], [2]), r"labels must lie in \[0, 2\), got values from 2 to 2"),
        (lambda: fit_temperature([[1.0, 0.0]], [0.0]), "labels must be integers"),
        (lambda: decompose_log_loss([[1.0, 0.0]] * 3, [0, 1, 0], folds=1), "at least 2, got folds=1 and n=3"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
