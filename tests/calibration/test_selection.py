import numpy as np
import pytest

from pipeline.calibration.affine import fit_shared_slope, fit_vector_scaling
from pipeline.calibration.calibrator import refinement_loss
from pipeline.calibration.selection import LEAST_ERRORS, LEAST_ROWS, candidates, choose, cross_fitted_loss
from pipeline.metrics.probabilities import log_softmax

SLOPES, MIXED = np.diag(np.linspace(0.3, 3.0, 8)), np.eye(8) + np.eye(8, k=1)


def sample(rng, rows, classes, matrix=None):
    """Centred logits, and labels that have the probabilities of matrix @ logits."""
    logits = rng.normal(size=(rows, classes)) * 2
    logits -= logits.mean(axis=1, keepdims=True)
    q = np.exp(log_softmax(logits if matrix is None else logits @ matrix.T))
    return logits, np.minimum((rng.random((rows, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)


@pytest.fixture
def rng():
    return np.random.default_rng(8)


@pytest.mark.parametrize(
    ("expected", "matrix"),
    [("temperature scaling", None), ("vector scaling", SLOPES), ("matrix scaling", MIXED)],
)
def test_the_truth_decides(expected, matrix, rng):
    logits, labels = sample(rng, 500, 8, matrix)
    choice = choose(logits, labels)
    assert choice.name == expected
    assert choice.losses[expected] == min(choice.losses.values())
    fitted = candidates(8)[expected](logits, labels)
    assert np.array_equal(choice.calibrator.weights, fitted.weights)


def test_too_few_rows_choose_nothing(rng):
    logits, labels = sample(rng, LEAST_ROWS, 8, SLOPES)
    assert choose(logits, labels).losses
    choice = choose(logits[1:], labels[1:])
    assert (choice.name, choice.losses) == ("temperature scaling", {})
    assert np.array_equal(choice.calibrator.weights, fit_shared_slope(logits[1:], labels[1:]).weights)


def test_too_few_errors_choose_nothing():
    labels = np.arange(300) % 3
    logits = np.eye(3)[labels]
    logits[: LEAST_ERRORS - 1] *= -1
    assert not choose(logits, labels).losses
    logits[LEAST_ERRORS - 1] *= -1
    assert choose(logits, labels).losses


def test_two_classes_are_platt_scaled(rng):
    assert choose(*sample(rng, 1000, 2)).name == "Platt scaling"


@pytest.mark.parametrize("classes", [2, 3])
def test_the_default_leaves_the_refinement_loss(classes, rng):
    logits, labels = sample(rng, 233, classes)
    mine = cross_fitted_loss(fit_shared_slope, logits, labels)
    assert mine == pytest.approx(float(refinement_loss(logits, labels)), abs=1e-9)


def test_agrees_with_loops(rng):
    logits, labels = sample(rng, 23, 3)
    losses = []
    for i in range(23):
        others = [j for j in range(23) if j % 5 != i % 5]
        fitted = fit_vector_scaling(logits[others], labels[others])
        losses.append(-log_softmax(fitted.calibrate(logits[[i]]))[0, labels[i]])
    assert cross_fitted_loss(fit_vector_scaling, logits, labels) == pytest.approx(np.mean(losses), abs=1e-12)
