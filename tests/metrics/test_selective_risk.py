import metric_oracles as oracle
import numpy as np
import pytest
from metric_oracles import sample

from pipeline.metrics.predictions import Predictions
from pipeline.metrics.selective_risk import area_under_generalized_risk_coverage

of = Predictions.from_probabilities


def test_augrc_is_the_failure_auroc_identity(rng):
    _, probs, labels = sample(rng, (200,), 3)
    probs = np.round(probs, 1)
    confidence, correct = oracle.ranked(probs, labels)
    acc = np.mean(correct)
    expected = (1 - oracle.auroc(confidence, correct)) * acc * (1 - acc) + 0.5 * (1 - acc) ** 2
    assert area_under_generalized_risk_coverage(of(probs, labels)) == pytest.approx(expected)


@pytest.fixture
def rng():
    return np.random.default_rng(20)
