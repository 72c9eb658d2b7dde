import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from pipeline.calibration.affine import fit_shared_slope
from pipeline.calibration.isotonic import fit_isotonic
from pipeline.metrics.probabilities import log_softmax, softmax


def sample(rng, rows, classes, repeats=1):
    """Logits that are three times too large, of rows that are repeated, and labels."""
    logits = np.tile(rng.normal(size=(rows // repeats, classes)) * 2, (repeats, 1))
    q = np.exp(log_softmax(logits))
    labels = np.minimum((rng.random((rows, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)
    return 3 * logits, labels


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("classes", [2, 3])
def test_agrees_with_scikit_learn_on_every_fold(classes, repeats):
    logits, labels = sample(np.random.default_rng(3), 63, classes, repeats)
    fresh = sample(np.random.default_rng(4), 50, classes)[0]
    base = fit_shared_slope(logits, labels)
    seen, unseen = (softmax(base.calibrate(z))[0] for z in (logits, fresh))
    mapped = np.zeros(fresh.shape)
    for fold in range(5):
        others = np.array([i for i in range(63) if i % 5 != fold])
        for k in range(classes):
            regression = IsotonicRegression(out_of_bounds="clip").fit(seen[others, k], labels[others] == k)
            mapped[:, k] += regression.predict(unseen[:, k]) / 5
    smoothed = (63 * mapped + 1 / classes) / 64
    expected = np.log(smoothed / smoothed.sum(1, keepdims=True))
    assert fit_isotonic(logits, labels).calibrate(fresh) == pytest.approx(expected, abs=1e-9)


def test_too_sharp_probabilities_are_calibrated():
    logits, labels = sample(np.random.default_rng(7), 8000, 3)
    fresh, answers = sample(np.random.default_rng(8), 8000, 3)
    losses = [-z[np.arange(8000), answers].mean() for z in (log_softmax(fresh), log_softmax(fresh / 3))]
    mine = -fit_isotonic(logits, labels).calibrate(fresh)[np.arange(8000), answers].mean()
    assert losses[1] - 0.001 < mine < losses[1] + 0.02 < losses[0]


def test_no_probability_falls_below_the_share_of_one_row():
    labels = np.arange(30) % 3
    logits = 1e3 * np.eye(3)[labels]
    probs = np.exp(fit_isotonic(logits, labels).calibrate(-logits))
    assert probs.min() >= 1 / 3 / 31 / 2
    assert probs.sum(1) == pytest.approx(np.ones(30))


def test_a_row_alone_is_calibrated_to_the_same_bits():
    logits, labels = sample(np.random.default_rng(9), 60, 4)
    fitted = fit_isotonic(logits, labels)
    together = fitted.calibrate(logits)
    assert all(
        fitted.calibrate(row[None])[0].tobytes() == each.tobytes() for row, each in zip(logits, together, strict=True)
    )
