import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from pipeline.evaluation.base_rates import base_rate_logits
from pipeline.evaluation.score import score_members
from pipeline.metrics.calibration_error import resampling_uniforms


def scores_of(labels, classes):
    uniforms = resampling_uniforms(np.random.default_rng(0), resamples=9, rows=labels["test"].shape[1])
    return score_members(base_rate_logits(labels, classes=classes), labels, None, uniforms=uniforms).scores


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    rows = {"train": 50, "validation": 30, "test": 70}
    return {split: rng.choice(2, (4, size), p=[0.7, 0.3]) for split, size in rows.items()}


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels = {split: rng.integers(0, 3, (4, size)) for split, size in (("train", 50), ("validation", 9), ("test", 70))}
    scores = scores_of(labels, 3)
    for split in ("validation", "test"):
        for train, rows, loss in zip(labels["train"], labels[split], scores[f"{split}/nll"], strict=True):
            rates = np.bincount(train, minlength=3) / len(train)
            wanted = log_loss(rows, np.tile(rates, (len(rows), 1)), labels=[0, 1, 2])
            np.testing.assert_allclose(loss, wanted, rtol=1e-6)


def test_every_row_has_the_same_probabilities(labels):
    """All rows fall into one bin: its error is that of the rate, and its order is chance."""
    scores = scores_of(labels, 2)
    for i, (train, rows) in enumerate(zip(labels["train"], labels["test"], strict=True)):
        rate, true, n = train.mean(), rows.mean(), len(rows)
        assert scores["test/accuracy"][i] == accuracy_score(rows, np.zeros_like(rows))
        assert scores["test/brier"][i] == pytest.approx(2 * brier_score_loss(rows, np.full(n, rate)))
        assert scores["test/ece_class1"][i] == pytest.approx(abs(rate - true), abs=1e-6)
        assert scores["test/ece_floor_class1"][i] == pytest.approx(np.sqrt(2 * rate * (1 - rate) / np.pi / n), rel=1e-5)
        debiased = (rate - true) ** 2 - true * (1 - true) / (n - 1)
        assert scores["test/debiased_class1"][i] == pytest.approx(debiased, abs=1e-6)
        assert scores["test/auc"][i] == scores["test_calibrated/auc"][i] == 0.5
        assert scores["test/average_precision"][i] == pytest.approx(true)


def test_a_class_that_training_rows_lack_leaves_its_seed_without_scores():
    labels = {split: np.array([[0, 1, 0, 1], [0, 1, 1, 1]]) for split in ("validation", "test")}
    scores = scores_of({"train": np.array([[0, 0, 0, 0], [0, 0, 0, 1]]), **labels}, 2)
    assert np.isnan(scores["test/nll"][0])
    assert np.isfinite(scores["test/nll"][1])
