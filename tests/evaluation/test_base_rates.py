import numpy as np
from sklearn.metrics import log_loss

from pipeline.evaluation.base_rates import base_rate_loss


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels = {"train": rng.integers(0, 3, (4, 50)), "test": rng.integers(0, 3, (4, 70))}
    got = base_rate_loss(labels, split="test", classes=3)
    for train, test, loss in zip(labels["train"], labels["test"], got, strict=True):
        rates = np.bincount(train, minlength=3) / len(train)
        wanted = log_loss(test, np.tile(rates, (len(test), 1)), labels=[0, 1, 2])
        np.testing.assert_allclose(loss, wanted, rtol=1e-12)


def test_a_class_that_training_rows_lack_costs_everything():
    assert base_rate_loss({"train": np.array([[0, 0]]), "test": np.array([[0, 1]])}, split="test", classes=2) == np.inf
