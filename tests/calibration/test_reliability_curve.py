import numpy as np
import pytest
from metric_oracles import sample

from pipeline.calibration.reliability_curve import reliability_curve
from pipeline.metrics.predictions import Predictions

of = Predictions.from_probabilities


def test_points_are_means_of_equal_shares_of_the_rows(rng):
    """Against a loop over the rows in rising confidence; the cut is after row floor(i n / bins)."""
    q, probs, labels = sample(rng, (2, 301), 3, 2.0)
    curve = reliability_curve(of(probs, labels, posterior=q))
    confidence, predicted = probs.max(axis=-1), probs.argmax(axis=-1)
    true = np.take_along_axis(q, predicted[..., None], -1)[..., 0]
    for m in range(2):
        order = np.argsort(confidence[m], kind="stable")
        for b in range(15):
            rows = order[b * 301 // 15 : (b + 1) * 301 // 15]
            assert curve.count[m, b] == len(rows)
            assert curve.confidence[m, b] == pytest.approx(confidence[m, rows].mean())
            assert curve.accuracy[m, b] == pytest.approx((predicted == labels)[m, rows].mean())
            assert curve.exact[m, b] == pytest.approx(true[m, rows].mean())
    assert np.isnan(reliability_curve(of(probs, labels)).exact).all()


def test_ties_are_not_split_and_leave_empty_bins_that_are_missing():
    probs = np.array([[[0.6, 0.4]] * 9 + [[0.1, 0.9]]])
    curve = reliability_curve(of(probs, np.zeros((1, 10), dtype=int)), bins=5)
    filled = curve.count[0] > 0
    assert curve.count[0][filled].tolist() == [9, 1]
    assert np.isnan(curve.accuracy[0][~filled]).all()
    assert curve.accuracy[0][filled].tolist() == [1, 0]


@pytest.fixture
def rng():
    return np.random.default_rng(21)
