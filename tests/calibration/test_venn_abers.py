import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from pipeline.calibration.affine import fit_shared_slope
from pipeline.calibration.venn_abers import fit_venn_abers, with_one_more
from pipeline.metrics.probabilities import log_softmax, softmax


def sample(rng, rows, classes, repeats=1):
    """Logits that are three times too large, of rows that are repeated, and labels."""
    logits = np.tile(rng.normal(size=(rows // repeats, classes)) * 2, (repeats, 1))
    q = np.exp(log_softmax(logits))
    labels = np.minimum((rng.random((rows, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)
    return 3 * logits, labels


def refitted(scores, outcomes, score, outcome):
    """Isotonic regression at one more row, by scikit-learn."""
    regression = IsotonicRegression()
    return regression.fit([*scores, score], [*outcomes, outcome]).predict([score])[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=10))
def test_one_more_row_is_fitted_as_by_starting_over(rows):
    scores, outcomes = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    groups = np.unique(scores)
    counts = [int((scores == group).sum()) for group in groups]
    positives = [int(outcomes[scores == group].sum()) for group in groups]
    places = [*(groups - 0.5), groups[-1] + 0.5]
    expected = [refitted(scores, outcomes, place, 1.0) for place in places]
    assert with_one_more(counts, positives) == pytest.approx(expected, abs=1e-12)
    tied = [refitted(scores, outcomes, group, 1.0) for group in groups]
    assert with_one_more(counts, positives)[:-1] == pytest.approx(tied, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_agrees_with_starting_over_for_every_row(classes):
    logits, labels = sample(np.random.default_rng(5), 40, classes, repeats=2)
    fresh = np.concatenate([logits[:6], sample(np.random.default_rng(6), 20, classes)[0]])
    base = fit_shared_slope(logits, labels)
    seen, unseen = (softmax(base.calibrate(z))[0] for z in (logits, fresh))
    merged = np.empty(fresh.shape)
    for i, k in np.ndindex(*fresh.shape):
        p0, p1 = (refitted(seen[:, k], labels == k, unseen[i, k], outcome) for outcome in (0.0, 1.0))
        merged[i, k] = p1 / (1 - p0 + p1)
    expected = np.log(merged / merged.sum(1, keepdims=True))
    assert fit_venn_abers(logits, labels).calibrate(fresh) == pytest.approx(expected, abs=1e-9)


def test_too_sharp_probabilities_are_calibrated():
    logits, labels = sample(np.random.default_rng(7), 8000, 3)
    fresh, answers = sample(np.random.default_rng(8), 8000, 3)
    losses = [-z[np.arange(8000), answers].mean() for z in (log_softmax(fresh), log_softmax(fresh / 3))]
    mine = -fit_venn_abers(logits, labels).calibrate(fresh)[np.arange(8000), answers].mean()
    assert losses[1] - 0.001 < mine < losses[1] + 0.02 < losses[0]


@pytest.mark.parametrize("labels", [np.zeros(5, dtype=int), np.array([0, 1, 1, 0, 1])])
def test_no_probability_is_zero(labels):
    logits = 1e3 * np.eye(2)[labels]
    probs = np.exp(fit_venn_abers(logits, labels).calibrate(np.concatenate([logits, -logits])))
    assert probs.min() > 0.1
    assert probs.sum(1) == pytest.approx(np.ones(10))


def test_a_row_alone_is_calibrated_to_the_same_bits():
    logits, labels = sample(np.random.default_rng(9), 60, 4)
    fitted = fit_venn_abers(logits, labels)
    together = fitted.calibrate(logits)
    assert all(
        fitted.calibrate(row[None])[0].tobytes() == each.tobytes() for row, each in zip(logits, together, strict=True)
    )
