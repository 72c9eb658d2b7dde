"""Baselines: classifiers of scikit-learn that a study compares networks with, and the settings that each may have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.config.fields import LearningRate, Probability, Strength, Strict, Widths
from pipeline.config.reading import check_names, validate
from pipeline.core.errors import InputError

Count = Annotated[int, Field(ge=1, le=1_000_000)]
ClassWeight = Literal["balanced"] | None
_WEIGHT = "balanced weighs rows by the inverse frequency of their class; null weighs all alike."
_DEPTH = "Levels of a tree; null sets no limit."
_STOP = "End once held-out training rows show no gain: needs more rows than networks do."
_HELD = "Share of the training rows that early stopping holds out."
_PATIENCE = "Iterations without a gain after which early stopping ends."


class LogisticRegression(Strict):
    """Logistic regression with an L2 penalty whose strength is cross-validated by log loss."""

    estimator: Literal["LogisticRegressionCV"]
    Cs: Count = Field(default=10, le=1000, description="Inverse strengths that are tried, 1e-4 to 1e4 on a log scale.")
    cv: int = Field(default=5, ge=2, le=1000, description="Folds of the cross-validation, within the training rows.")
    max_iter: Count = Field(default=100, description="Iterations of the solver at most.")
    class_weight: ClassWeight = Field(default=None, description=_WEIGHT)


class RandomForest(Strict):
    """A random forest."""

    estimator: Literal["RandomForestClassifier"]
    n_estimators: Count = Field(default=100, le=100_000, description="Trees.")
    criterion: Literal["gini", "entropy", "log_loss"] = Field(default="gini", description="What a split gains.")
    max_depth: Count | None = Field(default=None, description=_DEPTH)
    min_samples_leaf: Count = Field(default=1, description="Training rows of a leaf at least.")
    class_weight: ClassWeight = Field(default=None, description=_WEIGHT)


class BoostedTrees(Strict):
    """Trees that are boosted on binned features."""

    estimator: Literal["HistGradientBoostingClassifier"]
    learning_rate: LearningRate = Field(default=0.1, description="Factor of what each tree adds.")
    max_iter: Count = Field(default=100, description="Trees of a class at most.")
    max_leaf_nodes: int | None = Field(
        default=31, ge=2, le=1_000_000, description="Leaves of a tree; null sets no limit."
    )
    max_depth: Count | None = Field(default=None, description=_DEPTH)
    min_samples_leaf: Count = Field(default=20, description="Training rows of a leaf at least.")
    l2_regularization: Strength = Field(default=0.0, description="L2 penalty on the values of leaves.")
    early_stopping: bool = Field(default=False, description=_STOP)
    validation_fraction: float = Field(default=0.1, gt=0, lt=1, description=_HELD)
    n_iter_no_change: Count = Field(default=10, description=_PATIENCE)
    class_weight: ClassWeight = Field(default=None, description=_WEIGHT)


class Perceptron(Strict):
    """A multilayer perceptron as scikit-learn trains it, by Adam on log loss."""

    estimator: Literal["MLPClassifier"]
    hidden_layer_sizes: Widths = Field(default=(100,), description="Width of each hidden layer.")
    alpha: Strength = Field(default=0.0001, description="L2 penalty on the weights.")
    learning_rate_init: LearningRate = Field(default=0.001, description="Step size.")
    max_iter: Count = Field(default=200, description="Passes over the training rows at most.")
    early_stopping: bool = Field(default=False, description=_STOP)
    validation_fraction: Probability = Field(default=0.1, gt=0, description=_HELD)
    n_iter_no_change: Count = Field(default=10, description="Passes without a gain, in early stopping or in training.")


Baseline = Annotated[LogisticRegression | RandomForest | BoostedTrees | Perceptron, Field(discriminator="estimator")]
BASELINES: Mapping[str, type[LogisticRegression | RandomForest | BoostedTrees | Perceptron]] = {
    "LogisticRegressionCV": LogisticRegression,
    "RandomForestClassifier": RandomForest,
    "HistGradientBoostingClassifier": BoostedTrees,
    "MLPClassifier": Perceptron,
}
"""By the name of the estimator."""


def read_baselines(section: Any, path: Path) -> dict[str, Baseline]:
    """The rows of a section `baselines`, checked; `path` is what messages call the file.

    Raises:
        InputError: it is no mapping, an estimator or a setting is unknown, or a value is of the wrong type or range.
    """
    if not isinstance(section, dict):
        raise InputError(f"{path}: baselines: must be a mapping of names, {{}} for none, got {section!r}")
    check_names(section, path, "baselines")
    return {name: _read(name, row, path) for name, row in section.items()}


def _read(name: str, row: Any, path: Path) -> Baseline:
    place = f"baselines.{name}"
    if not isinstance(row, dict):
        raise InputError(f"{path}: {place}: must be a row of settings, got {row!r}")
    if "estimator" not in row:
        raise InputError(f"{path}: {place}.estimator: this key is missing")
    if row["estimator"] not in list(BASELINES):
        raise InputError(f"{path}: {place}.estimator: must be one of {', '.join(BASELINES)}, got {row['estimator']!r}")
    return validate(BASELINES[row["estimator"]], row, path, place)
