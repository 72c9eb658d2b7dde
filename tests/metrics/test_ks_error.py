import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from metric_oracles import predictions, sample

from pipeline.metrics.calibration_error import confidence_bias
from pipeline.metrics.ks_error import ks_calibration_error
from pipeline.metrics.predictions import Predictions

of = Predictions.from_probabilities


@pytest.mark.parametrize(
    ("confidence", "correct", "value"),
    [
        ([0.6, 0.8], [0, 1], 0.3),  # .6 too high, then .2 too low
        ([0.6, 0.6, 0.9], [1, 0, 1], 1 / 15),  # equal ones are one block: .2 / 3, not the .6 / 3 of its wrong row
        ([0.9, 0.9], [1, 1], 0.1),
        ([1.0, 1.0], [1, 1], 0.0),
        ([1.0], [0], 1.0),
    ],
)
def test_known_values(confidence, correct, value):
    c = np.array(confidence)
    probs, labels = np.stack([c, 1 - c], axis=-1), 1 - np.array(correct)
    assert ks_calibration_error(of(probs, labels)) == pytest.approx(value, abs=1e-12)


def test_known_limit_of_a_quadratic_reliability_curve(rng):
    """Confidence uniform on (1/2, 1), right with probability c^2: 2 (integral of c - c^2) = 1/6, all of one sign."""
    confidence = rng.uniform(0.5, 1.0, 400_000)
    labels = (rng.random(400_000) >= confidence**2).astype(int)
    error = ks_calibration_error(of(np.stack([confidence, 1 - confidence], axis=-1), labels))
    assert error == pytest.approx(1 / 6, abs=3e-3)


def test_errors_of_both_signs_do_not_cancel(rng):
    """Uniform on (1/2, 1) and right with probability 3/4: the difference is largest in the middle, 1/16."""
    confidence = rng.uniform(0.5, 1.0, 400_000)
    labels = (rng.random(400_000) >= 0.75).astype(int)
    predictions = of(np.stack([confidence, 1 - confidence], axis=-1), labels)
    assert ks_calibration_error(predictions) == pytest.approx(1 / 16, abs=3e-3)
    assert confidence_bias(predictions) == pytest.approx(0.0, abs=3e-3)


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_agrees_with_a_loop(data):
    expected = oracle.ks_error(*oracle.ranked(*data))
    assert ks_calibration_error(of(*data)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_lies_between_the_bias_and_the_error_of_distinct_confidences(data):
    confidence, correct = oracle.ranked(*data)
    pairs = list(zip(confidence, correct, strict=True))
    distinct = sum(abs(sum(d - a for d, a in pairs if d == c)) for c in set(confidence)) / len(confidence)
    error = ks_calibration_error(of(*data))
    assert abs(confidence_bias(of(*data))) - 1e-12 <= error <= distinct + 1e-12
    assert 0 <= error <= 1


def test_sharpened_truth_is_caught(rng):
    q, sharp, labels = sample(rng, (20, 2000), 3, 2.0)
    calibrated, overconfident = (ks_calibration_error(of(probs, labels)) for probs in (q, sharp))
    assert np.mean(calibrated) < 0.02
    assert np.all(overconfident > 0.05)


def test_rows_without_labels_are_refused():
    with pytest.raises(ValueError, match="predictions must come with labels, got none"):
        ks_calibration_error(of([[0.5, 0.5]]))


@pytest.fixture
def rng():
    return np.random.default_rng(25)
