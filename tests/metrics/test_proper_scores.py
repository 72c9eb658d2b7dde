import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import predictions, sample

from pipeline.metrics import calibration_error, decompositions, proper_scores, selective_risk
from pipeline.metrics.predictions import Predictions

of = Predictions.from_probabilities

SCORES = [
    proper_scores.negative_log_likelihood,
    proper_scores.brier_score,
    proper_scores.accuracy,
    calibration_error.confidence_bias,
    selective_risk.area_under_risk_coverage,
    selective_risk.area_under_generalized_risk_coverage,
    lambda predictions: decompositions.corp_decomposition(predictions).miscalibration,
    lambda predictions: decompositions.corp_decomposition(predictions).discrimination,
    lambda predictions: decompositions.corp_decomposition(predictions).uncertainty,
]


def test_a_zero_probability_costs_infinitely_and_silently():
    assert proper_scores.negative_log_likelihood(of([[1.0, 0.0], [0.5, 0.5]], [1, 0])) == np.inf


def test_log_probabilities_do_not_underflow():
    logits = np.array([[1e4, 0.0], [0.0, 3e38]], dtype=np.float32)
    predictions = Predictions.from_logits(logits, [1, 0], posterior=[[0.5, 0.5]] * 2)
    first = Predictions.from_logits(logits[:1], [1])
    assert proper_scores.negative_log_likelihood(first) == pytest.approx(1e4)
    assert np.isfinite(proper_scores.negative_log_likelihood(predictions))
    assert np.isfinite(decompositions.excess_risk(predictions).kl)


def test_ties_go_to_the_lowest_class():
    probs = [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]
    assert proper_scores.accuracy(of(probs, [0, 1])) == 1.0
    assert proper_scores.accuracy(of(probs, [1, 2])) == 0.0


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_scores_agree_with_loops(data):
    probs, labels = data
    rows = range(len(labels))
    confidence, correct = oracle.ranked(probs, labels)
    with np.errstate(divide="ignore"):
        assert proper_scores.negative_log_likelihood(of(probs, labels)) == pytest.approx(
            np.mean([-np.log(probs[i][labels[i]]) for i in rows])
        )
    brier = [sum((p - (k == labels[i])) ** 2 for k, p in enumerate(probs[i])) for i in rows]
    assert proper_scores.brier_score(of(probs, labels)) == pytest.approx(np.mean(brier))
    assert proper_scores.accuracy(of(probs, labels)) == pytest.approx(np.mean(correct))
    assert calibration_error.confidence_bias(of(probs, labels)) == pytest.approx(np.mean(confidence) - np.mean(correct))
    aurc, augrc = oracle.areas(confidence, correct)
    assert selective_risk.area_under_risk_coverage(of(probs, labels)) == pytest.approx(aurc)
    assert selective_risk.area_under_generalized_risk_coverage(of(probs, labels)) == pytest.approx(augrc)


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_bounds(data):
    probs, labels = data
    assert proper_scores.negative_log_likelihood(of(probs, labels)) >= 0
    assert 0 <= proper_scores.brier_score(of(probs, labels)) <= 2
    assert 0 <= selective_risk.area_under_risk_coverage(of(probs, labels)) <= 1
    assert -1e-12 <= selective_risk.area_under_generalized_risk_coverage(of(probs, labels)) <= 0.5
    corp = decompositions.corp_decomposition(of(probs, labels))
    assert min(corp.miscalibration, corp.discrimination, corp.uncertainty) >= -1e-12
    confidence, correct = (np.array(v) for v in oracle.ranked(probs, labels))
    total = corp.miscalibration - corp.discrimination + corp.uncertainty
    assert total == pytest.approx(np.mean((confidence - correct) ** 2))


@settings(max_examples=25, deadline=None)
@given(predictions(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(data, random):
    probs, labels = data
    order = random.sample(range(len(labels)), len(labels))
    for score in SCORES:
        assert score(of(probs[order], labels[order])) == pytest.approx(score(of(probs, labels)), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(predictions())
def test_duplicating_rows_does_not_matter(data):
    probs, labels = data
    for score in SCORES:
        if score is not selective_risk.area_under_risk_coverage:  # its coverages 1/n..1 change
            twice = score(of(np.concatenate([probs, probs]), np.concatenate([labels, labels])))
            assert twice == pytest.approx(score(of(probs, labels)), abs=1e-12)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_member_alone_scores_the_same_bits(score, classes, rng):
    _, probs, labels = sample(rng, (2, 3, 501), classes, 2.0)
    together = score(of(probs, labels))
    assert together.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert score(of(probs[i, j], labels[i, j])) == together[i, j]
        assert score(of(np.asfortranarray(probs[i, j]), labels[i, j])) == together[i, j]


@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        ([0.5, 0.5], [0], r"shape \(\.\.\., n, K\)"),
        ([[0.5, 1.5]], [0], r"lie in \[0, 1\], got values from 0.5 to 1.5"),
        ([[0.5, np.nan]], [0], r"lie in \[0, 1\]"),
        ([[0.5, 0.5]], [2], r"labels must lie in \[0, 2\), got values from 2 to 2"),
        ([[0.5, 0.5]], [0.0], "labels must be integers"),
        ([[0.5, 0.5]], [0, 1], r"of shape \(1,\)"),
    ],
)
@pytest.mark.parametrize(
    "score",
    [
        proper_scores.negative_log_likelihood,
        proper_scores.brier_score,
        proper_scores.accuracy,
        selective_risk.area_under_generalized_risk_coverage,
    ],
)
def test_bad_arguments_are_named(score, probs, labels, message):
    with pytest.raises(ValueError, match=message):
        score(of(probs, labels))


@pytest.fixture
def rng():
    return np.random.default_rng(20)
