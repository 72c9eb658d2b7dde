import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from pipeline.metrics import proper_scores
from pipeline.metrics.predictions import log_softmax

SCORES = [
    proper_scores.negative_log_likelihood,
    proper_scores.brier_score,
    proper_scores.accuracy,
    proper_scores.confidence_bias,
    proper_scores.area_under_risk_coverage,
    proper_scores.augrc,
    lambda p, y: proper_scores.corp_decomposition(p, y).miscalibration,
    lambda p, y: proper_scores.corp_decomposition(p, y).discrimination,
    lambda p, y: proper_scores.corp_decomposition(p, y).uncertainty,
]


def sample(rng, shape, classes, sharpness=1.0):
    """Posteriors, predictions that are sharpened posteriors, labels drawn from the posteriors."""
    logits = rng.normal(size=(*shape, classes)) * 1.5
    q = np.exp(log_softmax(logits))
    y = np.minimum((rng.random((*shape, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)
    return q, np.minimum(np.exp(log_softmax(sharpness * logits)), 1.0), y


@st.composite
def predictions(draw, max_rows=30):
    """Rows of probabilities on a coarse grid, so that ties and 0 and 1 are common."""
    n, k = draw(st.integers(1, max_rows)), draw(st.integers(2, 4))
    counts = draw(st.lists(st.lists(st.integers(0, 5), min_size=k, max_size=k), min_size=n, max_size=n))
    weights = np.array([[max(row[0], sum(row) == 0), *row[1:]] for row in counts], dtype=np.float64)
    labels = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    return weights / weights.sum(axis=-1, keepdims=True), np.array(labels)


def test_known_excess_risk():
    excess = proper_scores.excess_risk([[0.5, 0.3, 0.2]], [[0.7, 0.2, 0.1]])
    assert excess.brier == pytest.approx(0.06)
    assert excess.kl == pytest.approx(0.0851228, abs=1e-7)
    assert excess.brier_grouping == pytest.approx(0.0, abs=1e-15)


def test_a_zero_probability_costs_infinitely_and_silently():
    assert proper_scores.negative_log_likelihood([[1.0, 0.0], [0.5, 0.5]], [1, 0]) == np.inf
    assert proper_scores.excess_risk([[1.0, 0.0]], [[0.5, 0.5]]).kl == np.inf
    assert proper_scores.excess_risk([[1.0, 0.0]], [[1.0, 0.0]]).kl == 0.0


def test_log_probabilities_do_not_underflow():
    logits = np.array([[1e4, 0.0], [0.0, 3e38]], dtype=np.float32)
    log_probs = log_softmax(logits)
    assert proper_scores.negative_log_likelihood_of_logs(log_probs[:1], [1]) == pytest.approx(1e4)
    assert np.isfinite(proper_scores.negative_log_likelihood_of_logs(log_probs, [1, 0]))
    assert np.isfinite(proper_scores.excess_risk(np.exp(log_probs), [[0.5, 0.5]] * 2, log_probs=log_probs).kl)


def test_ties_go_to_the_lowest_class():
    probs = [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]
    assert proper_scores.accuracy(probs, [0, 1]) == 1.0
    assert proper_scores.accuracy(probs, [1, 2]) == 0.0


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_scores_agree_with_loops(data):
    probs, labels = data
    rows = range(len(labels))
    confidence, correct = oracle.ranked(probs, labels)
    with np.errstate(divide="ignore"):
        assert proper_scores.negative_log_likelihood(probs, labels) == pytest.approx(
            np.mean([-np.log(probs[i][labels[i]]) for i in rows])
        )
    brier = [sum((p - (k == labels[i])) ** 2 for k, p in enumerate(probs[i])) for i in rows]
    assert proper_scores.brier_score(probs, labels) == pytest.approx(np.mean(brier))
    assert proper_scores.accuracy(probs, labels) == pytest.approx(np.mean(correct))
    assert proper_scores.confidence_bias(probs, labels) == pytest.approx(np.mean(confidence) - np.mean(correct))
    aurc, augrc = oracle.areas(confidence, correct)
    assert proper_scores.area_under_risk_coverage(probs, labels) == pytest.approx(aurc)
    assert proper_scores.augrc(probs, labels) == pytest.approx(augrc)


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_bounds(data):
    probs, labels = data
    assert proper_scores.negative_log_likelihood(probs, labels) >= 0
    assert 0 <= proper_scores.brier_score(probs, labels) <= 2
    assert 0 <= proper_scores.area_under_risk_coverage(probs, labels) <= 1
    assert -1e-12 <= proper_scores.augrc(probs, labels) <= 0.5
    corp = proper_scores.corp_decomposition(probs, labels)
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
        assert score(probs[order], labels[order]) == pytest.approx(score(probs, labels), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(predictions())
def test_duplicating_rows_does_not_matter(data):
    probs, labels = data
    for score in SCORES:
        if score is not proper_scores.area_under_risk_coverage:  # its coverages 1/n..1 change
            twice = score(np.concatenate([probs, probs]), np.concatenate([labels, labels]))
            assert twice == pytest.approx(score(probs, labels), abs=1e-12)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_member_alone_scores_the_same_bits(score, classes, rng):
    _, probs, labels = sample(rng, (2, 3, 501), classes, 2.0)
    together = score(probs, labels)
    assert together.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert score(probs[i, j], labels[i, j]) == together[i, j]
        assert score(np.asfortranarray(probs[i, j]), labels[i, j]) == together[i, j]


def test_excess_risk_of_a_member_alone_has_the_same_bits(rng):
    q, probs, _ = sample(rng, (4, 501), 3, 2.0)
    together, alone = proper_scores.excess_risk(probs, q), proper_scores.excess_risk(probs[2], q[2])
    for name in ("brier", "brier_calibration", "brier_grouping", "kl"):
        assert getattr(alone, name) == getattr(together, name)[2]


def test_augrc_is_the_failure_auroc_identity(rng):
    _, probs, labels = sample(rng, (200,), 3)
    probs = np.round(probs, 1)
    confidence, correct = oracle.ranked(probs, labels)
    acc = np.mean(correct)
    expected = (1 - oracle.auroc(confidence, correct)) * acc * (1 - acc) + 0.5 * (1 - acc) ** 2
    assert proper_scores.augrc(probs, labels) == pytest.approx(expected)


def test_corp_agrees_with_isotonic_regression(rng):
    _, probs, labels = sample(rng, (300,), 3, 2.0)
    probs = np.round(probs, 2)
    confidence, correct = (np.array(v) for v in oracle.ranked(probs, labels))
    fitted = IsotonicRegression().fit_transform(confidence, correct)
    corp = proper_scores.corp_decomposition(probs, labels)
    assert corp.miscalibration == pytest.approx(np.mean((confidence - correct) ** 2) - np.mean((fitted - correct) ** 2))
    assert corp.uncertainty == pytest.approx(np.var(correct))


def test_excess_risk_of_the_truth_is_zero_and_grouping_adds_up(rng):
    q, probs, _ = sample(rng, (2000,), 3, 2.0)
    truth, sharp = proper_scores.excess_risk(q, q), proper_scores.excess_risk(probs, q)
    assert (truth.brier, truth.brier_calibration, truth.kl) == (0.0, 0.0, 0.0)
    assert sharp.brier_calibration == pytest.approx(oracle.squared_group_means(probs, q, bins=20))
    assert sharp.brier == sharp.brier_calibration + sharp.brier_grouping
    assert sharp.brier_calibration > 0.01


def test_grouping_loss_is_found_where_it_is_all_there_is(rng):
    q = rng.permutation(np.linspace(0.5, 0.9, 4000))
    excess = proper_scores.excess_risk(np.tile([0.7, 0.3], (4000, 1)), np.stack([q, 1 - q], axis=-1))
    assert excess.brier_calibration == pytest.approx(0.0, abs=1e-12)
    assert excess.brier_grouping == pytest.approx(2 * np.var(q))


def test_excess_brier_is_the_difference_of_expected_scores(rng):
    q, probs, _ = sample(rng, (50,), 3, 2.0)
    expected = sum(
        q[:, k] * ((probs - np.eye(3)[k]) ** 2).sum(-1) - q[:, k] * ((q - np.eye(3)[k]) ** 2).sum(-1) for k in range(3)
    )
    assert proper_scores.excess_risk(probs, q).brier == pytest.approx(expected.mean())


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
    [proper_scores.negative_log_likelihood, proper_scores.brier_score, proper_scores.accuracy, proper_scores.augrc],
)
def test_bad_arguments_are_named(score, probs, labels, message):
    with pytest.raises(ValueError, match=message):
        score(probs, labels)


@pytest.fixture
def rng():
    return np.random.default_rng(20)
