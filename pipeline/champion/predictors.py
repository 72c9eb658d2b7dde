"""Predictors: fitted networks, linear models and boosted trees as plain arrays, and the logits that they give.

A row's logits do not depend on the other rows: products are of blocks of one size, the last one padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pipeline.config.points import Point
from pipeline.core.errors import InputError

Kind = Literal["network", "linear", "trees"]
Arrays = Mapping[str, NDArray[Any]]
Logits = Float64[np.ndarray, "rows classes"]

BLOCK = 256
UNKNOWN = -30.0
"""The logit of a class that the training rows of a fold lacked."""


class Predictor(Protocol):
    """A model that was fitted on the rows of one fold."""

    @property
    def arrays(self) -> Arrays:
        """All of its numbers, by name."""

    def logits(self, inputs: NDArray[Any]) -> Logits:
        """Logits (row, class) of inputs (row, feature), encoded as the model's training rows were."""


@dataclass(frozen=True)
class NetworkPredictor:
    """A network: its point, and its weights (parameter,) as `models.build` lays them out."""

    point: Point
    classes: int
    weights: NDArray[np.float32]

    @property
    def arrays(self) -> Arrays:
        """The weights."""
        return {"weights": self.weights}

    def logits(self, inputs: NDArray[Any]) -> Logits:
        """By the network in evaluation mode."""
        import torch  # noqa: PLC0415  (a second to import)

        from pipeline.core.determinism import heed_cbwr  # noqa: PLC0415
        from pipeline.models.build import build  # noqa: PLC0415

        heed_cbwr()
        torch.set_num_threads(1)
        network = build(self.point, inputs.shape[1], self.classes)
        twice = np.stack([self.weights, self.weights])  # a lone matrix may take another kernel than a batch of them
        with torch.inference_mode():
            arrays = network.layout.views(torch.from_numpy(twice))
            parts = [
                network.predict(arrays, torch.from_numpy(block).expand(2, -1, -1).contiguous())[0].numpy()
                for block in _blocks(inputs.astype(np.float32))
            ]
        return np.concatenate(parts)[: len(inputs)].astype(np.float64)


@dataclass(frozen=True)
class LinearPredictor:
    """A linear model: weights (class, feature) and intercepts (class,)."""

    weights: Float64[np.ndarray, "classes features"]
    intercepts: Float64[np.ndarray, " classes"]

    @property
    def arrays(self) -> Arrays:
        """Weights and intercepts."""
        return {"weights": self.weights, "intercepts": self.intercepts}

    def logits(self, inputs: NDArray[Any]) -> Logits:
        """Inputs times weights."""
        parts = [block @ self.weights.T + self.intercepts for block in _blocks(inputs.astype(np.float64))]
        return np.concatenate(parts)[: len(inputs)]


@dataclass(frozen=True)
class TreesPredictor:
    """Boosted trees of scikit-learn: a class's logit is its start and the sum of the leaves that a row falls into.

    Attributes:
        nodes: bytes (node, byte) of all trees' nodes, one tree after the other, as scikit-learn has them.
        sizes: nodes (tree,) of each tree; of every iteration first the tree of class 0, then that of class 1, ...
        start: (known,) of the logits; of two classes that of class 1 alone.
        known: classes that the training rows had, ascending.
        classes: of the data set.
        features: of a row.
    """

    nodes: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    start: NDArray[np.float64]
    known: NDArray[np.int64]
    classes: int
    features: int

    @property
    def arrays(self) -> Arrays:
        """Nodes, sizes, start, and the classes that are known."""
        return {"nodes": self.nodes, "sizes": self.sizes, "start": self.start, "known": self.known}

    def logits(self, inputs: NDArray[Any]) -> Logits:
        """The sum over all trees; missing values go where the trees learned to send them."""
        rows = np.ascontiguousarray(inputs, dtype=np.float64)
        none, places = np.empty((0, 8), np.uint32), np.zeros(self.features, np.uint32)  # categories are 0/1 features
        sums = np.zeros((len(rows), len(self.start)))
        sums += self.start
        for number, tree in enumerate(self._trees):
            sums[:, number % len(self.start)] += tree.predict(rows, none, places, 1)
        of_known = np.column_stack([np.zeros(len(rows)), sums]) if len(self.known) == 2 else sums
        logits = np.full((len(rows), self.classes), UNKNOWN)
        logits[:, self.known] = of_known
        return logits

    @cached_property
    def _trees(self) -> list[Any]:
        """scikit-learn's trees.

        Raises:
            InputError: a node leads out of its tree or back, or asks for a feature that there is not.
        """
        from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE  # noqa: PLC0415
        from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor  # noqa: PLC0415

        nodes = np.ascontiguousarray(self.nodes).view(PREDICTOR_RECORD_DTYPE)[:, 0]
        none = np.empty((0, 8), np.uint32)
        trees = np.split(nodes, np.cumsum(self.sizes)[:-1]) if len(self.sizes) else []
        for tree in trees:
            _check_tree(tree, self.features)
        return [TreePredictor(np.ascontiguousarray(tree), none, none) for tree in trees]


def _check_tree(nodes: NDArray[Any], features: int) -> None:
    """Compiled code follows the nodes without looking: a damaged file must not lead it astray."""
    inner = nodes[nodes["is_leaf"] == 0]
    places = np.flatnonzero(nodes["is_leaf"] == 0)
    children = np.stack([inner["left"], inner["right"]])
    ahead = (children > places) & (children < len(nodes))
    known = (inner["feature_idx"] >= 0) & (inner["feature_idx"] < features)
    if not len(nodes) or not ahead.all() or not known.all() or inner["is_categorical"].any():
        raise InputError("a tree of the model is damaged")


def _blocks(inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """Rows in blocks of one size, the last padded with zeros."""
    padding = -len(inputs) % BLOCK
    padded = np.concatenate([inputs, np.zeros((padding, inputs.shape[1]), inputs.dtype)])
    return np.split(padded, len(padded) // BLOCK)


def predictor_of(estimator: Any, kind: Kind, classes: int, features: int) -> Predictor:
    """The arrays of a fitted estimator, or of the class frequencies that are left of one where rows are too few."""
    if hasattr(estimator, "class_prior_"):
        logs, known = np.log(estimator.class_prior_), estimator.classes_.astype(np.int64)
        constant = _constant_trees if kind == "trees" else _constant_linear
        return constant(logs, known, classes, features)
    return from_trees(estimator, classes) if kind == "trees" else from_linear(estimator, classes)


def _constant_linear(
    logs: NDArray[np.float64], known: NDArray[np.int64], classes: int, features: int
) -> LinearPredictor:
    intercepts = np.full(classes, UNKNOWN)
    intercepts[known] = logs
    return LinearPredictor(np.zeros((classes, features)), intercepts)


def _constant_trees(logs: NDArray[np.float64], known: NDArray[np.int64], classes: int, features: int) -> TreesPredictor:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE  # noqa: PLC0415

    nodes = np.zeros((0, PREDICTOR_RECORD_DTYPE.itemsize), np.uint8)
    start = logs[1:] - logs[0] if len(logs) == 2 else logs
    return TreesPredictor(nodes, np.zeros(0, np.int64), start, known, classes, features)


def from_linear(estimator: Any, classes: int) -> LinearPredictor:
    """The arrays of a fitted LogisticRegression; a class that its rows lacked has a logit that is as good as none."""
    weights, intercepts = np.zeros((classes, estimator.coef_.shape[1])), np.full(classes, UNKNOWN)
    known = estimator.classes_ if len(estimator.coef_) > 1 else estimator.classes_[1:]
    weights[known], intercepts[known] = estimator.coef_, estimator.intercept_
    if len(estimator.coef_) == 1:
        intercepts[estimator.classes_[0]] = 0.0
    return LinearPredictor(weights, intercepts)


def from_trees(estimator: Any, classes: int) -> TreesPredictor:
    """The arrays of a fitted HistGradientBoostingClassifier."""
    trees = [tree for iteration in estimator._predictors for tree in iteration]
    sizes = np.array([len(tree.nodes) for tree in trees], dtype=np.int64)
    nodes = np.concatenate([tree.nodes for tree in trees])
    flat = np.zeros((len(nodes), nodes.dtype.itemsize), np.uint8)
    packed = flat.view(nodes.dtype)[:, 0]
    for name in nodes.dtype.names or ():  # field by field: the gaps between them hold whatever memory held
        packed[name] = nodes[name]
    return TreesPredictor(
        nodes=flat,
        sizes=sizes,
        start=np.ravel(estimator._baseline_prediction),
        known=estimator.classes_.astype(np.int64),
        classes=classes,
        features=estimator.n_features_in_,
    )
