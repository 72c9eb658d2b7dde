import numpy as np
import pytest
from metric_oracles import sample

from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import log_softmax


@pytest.fixture
def rng():
    return np.random.default_rng(26)


def test_logits_and_their_probabilities_predict_the_same(rng):
    q, _, labels = sample(rng, (2, 50), 3)
    logits = np.log(q) + 5.0
    one, other = Predictions.from_logits(logits, labels), Predictions.from_probabilities(q, labels)
    np.testing.assert_allclose(one.probs, other.probs, atol=1e-12)
    np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-12)
    np.testing.assert_array_equal(one.log_probs, log_softmax(logits))
    np.testing.assert_array_equal(one.correct, q.argmax(-1) == labels)


def test_everything_is_computed_once(rng):
    q, probs, labels = sample(rng, (50,), 3)
    predictions = Predictions.from_probabilities(probs, labels, posterior=q)
    for name in ("top", "correct", "ranked", "ranked_classes", "ranked_truth", "isotonic", "errors_by_coverage"):
        assert getattr(predictions, name) is getattr(predictions, name)


def test_ranked_truth_is_the_posterior_of_the_top_label(rng):
    q, probs, labels = sample(rng, (50,), 3, 2.0)
    truth = Predictions.from_probabilities(probs, labels, posterior=q).ranked_truth
    pairs = sorted(zip(probs.max(-1), q[np.arange(50), probs.argmax(-1)], strict=True))
    np.testing.assert_array_equal(np.stack([truth.confidence, truth.correct], axis=-1), pairs)


def test_groups_of_rows_are_those_rows(rng):
    _, probs, labels = sample(rng, (2, 20), 3)
    index = np.stack([rng.permutation(20)[:12].reshape(3, 4) for _ in range(2)])
    groups = Predictions.from_probabilities(probs, labels).rows(index)
    assert groups.probs.shape == (2, 3, 4, 3)
    for member, group in np.ndindex(2, 3):
        rows = index[member, group]
        np.testing.assert_array_equal(groups.probs[member, group], probs[member, rows])
        np.testing.assert_array_equal(groups.log_probs[member, group], np.log(probs[member, rows]))
        np.testing.assert_array_equal(groups.labels[member, group], labels[member, rows])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Predictions.from_probabilities([[0.5, 1.5]]), r"probs must lie in \[0, 1\]"),
        (lambda: Predictions.from_logits([[0.5, 1.5]], [2]), r"labels must lie in \[0, 2\)"),
        (lambda: Predictions.from_logits([[0.5, 1.5]], posterior=[[2.0, 0.0]]), r"posterior must lie in \[0, 1\]"),
        (lambda: Predictions.from_logits([[0.5, 1.5]]).labels, "must come with labels, got none"),
        (lambda: Predictions.from_logits([[0.5, 1.5]], [0]).posterior, "must come with the posterior, got none"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
