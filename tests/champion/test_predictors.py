"""Predictors: their logits are those of the libraries that fitted them, row by row, and survive storage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.linear_model import LogisticRegression

from pipeline.champion.predictors import (
    UNKNOWN,
    LinearPredictor,
    NetworkPredictor,
    Predictor,
    TreesPredictor,
    from_linear,
    from_trees,
)
from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.models.build import build

ROWS, FEATURES = 300, 5


def table(classes: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(classes)
    features = generator.standard_normal((ROWS, FEATURES)).astype(np.float32)
    scores = features[:, :classes] + generator.gumbel(size=(ROWS, classes))
    return features, scores.argmax(axis=1)


def linear(classes: int) -> tuple[LinearPredictor, LogisticRegression]:
    features, labels = table(classes)
    fitted = LogisticRegression().fit(features.astype(np.float64), labels)
    return from_linear(fitted, classes), fitted


def trees(classes: int) -> tuple[TreesPredictor, HistGradientBoostingClassifier]:
    features, labels = table(classes)
    features[::7, 1] = np.nan
    fitted = HistGradientBoostingClassifier(max_iter=12, random_state=0).fit(features, labels)
    return from_trees(fitted, classes), fitted


def network(*, batch_norm: bool = False) -> NetworkPredictor:
    point = Point(
        hidden=(16, 16), epochs=1, batch_size=32, optimizer="adam", schedule="constant", momentum=0.9,
        learning_rate=0.01, batch_norm=batch_norm,
    )  # fmt: skip
    return NetworkPredictor(point, 3, build(point, FEATURES, 3).initial(5))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("make", [linear, trees])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn(make, classes: int) -> None:
    predictor, fitted = make(classes)
    features = table(classes)[0]
    features[::5, 1] = 0.0 if make is linear else np.nan
    np.testing.assert_allclose(
        softmax(predictor.logits(features)), fitted.predict_proba(features.astype(np.float64)), atol=1e-12
    )


PREDICTORS = {
    "linear": lambda: linear(3)[0],
    "two classes": lambda: linear(2)[0],
    "trees": lambda: trees(3)[0],
    "network": network,
    "batch norm": lambda: network(batch_norm=True),
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_a_row_depends_on_no_other(name: str) -> None:
    predictor: Predictor = PREDICTORS[name]()
    features = table(3)[0]
    whole = predictor.logits(features)
    for row in (0, 1, 255, 256, 299):
        np.testing.assert_array_equal(predictor.logits(features[row : row + 1])[0], whole[row])
    np.testing.assert_array_equal(predictor.logits(features[100:]), whole[100:])
    np.testing.assert_array_equal(predictor.logits(features[::-1]), whole[::-1])


def test_a_class_that_training_rows_lacked() -> None:
    features, labels = table(2)
    fitted = LogisticRegression().fit(features.astype(np.float64), np.where(labels == 1, 2, 0))
    logits = from_linear(fitted, 3).logits(features)
    assert (logits[:, 1] == UNKNOWN).all()
    np.testing.assert_allclose(softmax(logits)[:, [0, 2]], fitted.predict_proba(features.astype(np.float64)), atol=1e-9)
    fitted = HistGradientBoostingClassifier(max_iter=3).fit(features, np.where(labels == 1, 2, 0))
    np.testing.assert_allclose(
        softmax(from_trees(fitted, 3).logits(features))[:, [0, 2]], fitted.predict_proba(features), atol=1e-9
    )


@pytest.mark.parametrize("field", ["left", "right", "feature_idx", "is_categorical"])
def test_a_damaged_tree_leads_nowhere(field: str) -> None:
    predictor = trees(2)[0]
    nodes = predictor.nodes.copy()
    first = nodes.view(PREDICTOR_RECORD_DTYPE)[0]
    assert not first["is_leaf"]
    first[field] = {"left": 0, "right": 10**6, "feature_idx": FEATURES, "is_categorical": 1}[field]
    with pytest.raises(InputError, match="damaged"):
        replace(predictor, nodes=nodes).logits(table(2)[0])


def test_the_same_trees_have_the_same_bytes() -> None:
    assert trees(3)[0].nodes.tobytes() == trees(3)[0].nodes.tobytes()
