"""Metrics of class 1: against scikit-learn, known values, and what a top label hides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.metrics.binary import (
    area_under_roc,
    average_precision,
    class_one_calibration_error,
    class_one_debiased_error,
    class_one_noise_floor,
)
from pipeline.metrics.calibration_error import binned_error, calibration_noise_floor, expected_calibration_error
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.ranking import rank


def binary(ones, labels):
    ones = np.asarray(ones, np.float64)
    return Predictions.from_probabilities(np.stack([1 - ones, ones], -1), labels)


@given(st.integers(0, 10**6), st.integers(2, 60))
def test_orders_as_scikit_learn_does_ties_too(seed, rows):
    rng = np.random.default_rng(seed)
    ones, labels = rng.integers(0, 6, (3, rows)) / 5, rng.integers(0, 2, (3, rows))
    labels[:, :2] = 0, 1
    made = binary(ones, labels)
    for area, precision, p, y in zip(area_under_roc(made), average_precision(made), ones, labels, strict=True):
        assert area == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert precision == pytest.approx(average_precision_score(y, p), abs=1e-12)


def test_one_class_alone_orders_nothing():
    assert np.isnan(area_under_roc(binary([0.2, 0.7], [1, 1])))
    assert average_precision(binary([0.2, 0.7], [1, 1])) == 1.0
    assert np.isnan(average_precision(binary([0.2, 0.7], [0, 0])))


def test_a_known_value():
    """Two bins: mean .25 against a rate of 0, and .7 against .75 with .55 among them (calibration.md: .29)."""
    made = binary([0.25, 0.25, 0.55, 0.75, 0.75], [0, 0, 1, 1, 1])
    assert class_one_calibration_error(made, bins=2) == pytest.approx((2 * 0.25 + abs(2.05 - 3)) / 5)


def test_what_is_too_high_everywhere_shows_in_class_one_and_hides_in_the_top_label():
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.1, 0.8, 20_000)
    made = binary(rate + 0.08, (rng.random(20_000) < rate).astype(int))
    assert class_one_calibration_error(made) == pytest.approx(0.08, abs=0.01)
    assert expected_calibration_error(made) < 0.025
    assert class_one_debiased_error(made) == pytest.approx(0.08**2, abs=0.0012)


def test_are_the_ordinary_errors_of_another_event():
    rng = np.random.default_rng(1)
    ones, labels = rng.random((2, 50)), rng.integers(0, 2, (2, 50))
    made = binary(ones, labels)
    np.testing.assert_array_equal(class_one_calibration_error(made), binned_error(rank(ones, labels == 1)))
    assert (class_one_noise_floor(made) > 0).all()
    sure = binary(np.full(40, 0.9), np.ones(40, int))
    assert class_one_noise_floor(sure) == calibration_noise_floor(sure)


def test_more_classes_have_no_class_one():
    with pytest.raises(ValueError, match="two classes, got 3"):
        area_under_roc(Predictions.from_probabilities([[0.2, 0.3, 0.5]], [1]))
