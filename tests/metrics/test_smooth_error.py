import warnings

import metric_oracles as oracle
import numpy as np
import pytest
from metric_oracles import sample

from pipeline.metrics.predictions import Predictions
from pipeline.metrics.smooth_error import smooth_calibration_error

of = Predictions.from_probabilities


@pytest.mark.parametrize("sharpness", [1.0, pytest.param(2.0, marks=pytest.mark.slow)])
def test_smooth_error_agrees_with_direct_integration(sharpness, rng):
    _, probs, labels = sample(rng, (60,), 3, sharpness)
    expected = oracle.smooth_error(*oracle.ranked(probs, labels))
    assert smooth_calibration_error(of(probs, labels)) == pytest.approx(expected, abs=1e-4)


def test_smooth_error_agrees_with_relplot(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        relplot = pytest.importorskip("relplot")
        # Beyond errors of about .15 relplot's kernel, cut off at half the unit interval, is no Gaussian any more.
        for sharpness in (0.5, 0.7, 1.0, 1.3):
            _, probs, labels = sample(rng, (500,), 3, sharpness)
            confidence, correct = (np.array(v) for v in oracle.ranked(probs, labels))
            theirs = relplot.smECE(confidence, correct)
            assert smooth_calibration_error(of(probs, labels)) == pytest.approx(theirs, abs=1.5e-3)


@pytest.fixture
def rng():
    return np.random.default_rng(21)
