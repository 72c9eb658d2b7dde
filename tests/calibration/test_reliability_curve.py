import numpy as np
import pytest
from metric_oracles import sample

from pipeline.calibration.reliability_curve import reliability_curve
from pipeline.metrics.predictions import Predictions

of = Predictions.from_probabilities


def test_curve_points_are_means_and_empty_bins_are_missing(rng):
    q, probs, labels = sample(rng, (2, 300), 3, 2.0)
    curve = reliability_curve(of(probs, labels, posterior=q))
    confidence, predicted = probs.max(axis=-1), probs.argmax(axis=-1)
    for m in range(2):
        for b in range(15):
            rows = (confidence[m] > b / 15) & (confidence[m] <= (b + 1) / 15)
            assert curve.count[m, b] == rows.sum()
            if not rows.any():
                assert np.isnan([curve.confidence[m, b], curve.accuracy[m, b], curve.exact[m, b]]).all()
                continue
            assert curve.confidence[m, b] == pytest.approx(confidence[m, rows].mean())
            assert curve.accuracy[m, b] == pytest.approx((predicted == labels)[m, rows].mean())
            assert curve.exact[m, b] == pytest.approx(np.take_along_axis(q, predicted[..., None], -1)[m, rows].mean())
    assert np.isnan(reliability_curve(of(probs, labels)).exact).all()


@pytest.fixture
def rng():
    return np.random.default_rng(21)
