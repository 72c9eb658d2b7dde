import metric_oracles as oracle
import numpy as np
import pytest
from metric_oracles import sample
from sklearn.isotonic import IsotonicRegression

from pipeline.metrics.decompositions import corp_decomposition, excess_risk
from pipeline.metrics.predictions import Predictions

of = Predictions.from_probabilities


def test_known_excess_risk():
    excess = excess_risk(of([[0.5, 0.3, 0.2]], posterior=[[0.7, 0.2, 0.1]]))
    assert excess.brier == pytest.approx(0.06)
    assert excess.kl == pytest.approx(0.0851228, abs=1e-7)
    assert excess.brier_grouping == pytest.approx(0.0, abs=1e-15)


def test_a_zero_probability_costs_infinitely_and_silently():
    assert excess_risk(of([[1.0, 0.0]], posterior=[[0.5, 0.5]])).kl == np.inf
    assert excess_risk(of([[1.0, 0.0]], posterior=[[1.0, 0.0]])).kl == 0.0


def test_excess_risk_of_a_member_alone_has_the_same_bits(rng):
    q, probs, _ = sample(rng, (4, 501), 3, 2.0)
    together, alone = (
        excess_risk(of(probs, posterior=q)),
        excess_risk(of(probs[2], posterior=q[2])),
    )
    for name in ("brier", "brier_calibration", "brier_grouping", "kl"):
        assert getattr(alone, name) == getattr(together, name)[2]


def test_corp_agrees_with_isotonic_regression(rng):
    _, probs, labels = sample(rng, (300,), 3, 2.0)
    probs = np.round(probs, 2)
    confidence, correct = (np.array(v) for v in oracle.ranked(probs, labels))
    fitted = IsotonicRegression().fit_transform(confidence, correct)
    corp = corp_decomposition(of(probs, labels))
    assert corp.miscalibration == pytest.approx(np.mean((confidence - correct) ** 2) - np.mean((fitted - correct) ** 2))
    assert corp.uncertainty == pytest.approx(np.var(correct))


def test_excess_risk_of_the_truth_is_zero_and_grouping_adds_up(rng):
    q, probs, _ = sample(rng, (2000,), 3, 2.0)
    truth, sharp = excess_risk(of(q, posterior=q)), excess_risk(of(probs, posterior=q))
    assert (truth.brier, truth.brier_calibration, truth.kl) == (0.0, 0.0, 0.0)
    assert sharp.brier_calibration == pytest.approx(oracle.squared_group_means(probs, q, bins=20))
    assert sharp.brier == sharp.brier_calibration + sharp.brier_grouping
    assert sharp.brier_calibration > 0.01


def test_grouping_loss_is_found_where_it_is_all_there_is(rng):
    q = rng.permutation(np.linspace(0.5, 0.9, 4000))
    excess = excess_risk(of(np.tile([0.7, 0.3], (4000, 1)), posterior=np.stack([q, 1 - q], axis=-1)))
    assert excess.brier_calibration == pytest.approx(0.0, abs=1e-12)
    assert excess.brier_grouping == pytest.approx(2 * np.var(q))


def test_excess_brier_is_the_difference_of_expected_scores(rng):
    q, probs, _ = sample(rng, (50,), 3, 2.0)
    expected = sum(
        q[:, k] * ((probs - np.eye(3)[k]) ** 2).sum(-1) - q[:, k] * ((q - np.eye(3)[k]) ** 2).sum(-1) for k in range(3)
    )
    assert excess_risk(of(probs, posterior=q)).brier == pytest.approx(expected.mean())


@pytest.fixture
def rng():
    return np.random.default_rng(20)
