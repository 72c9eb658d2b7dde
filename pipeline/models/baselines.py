"""Baselines: classifiers of scikit-learn, fitted by one thread, and their probabilities as logits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from pipeline.config.baselines import Baseline

LEAST = float(np.finfo(np.float32).eps)
"""Probabilities are taken to be this or more, as scikit-learn's log_loss takes those of 32 bits: a forest has zeros."""
_ESTIMATORS = {
    each.__name__: each
    for each in (LogisticRegressionCV, RandomForestClassifier, HistGradientBoostingClassifier, MLPClassifier)
}
_BY_LOG_LOSS = {"scoring": "neg_log_loss", "l1_ratios": (0.0,), "use_legacy_attributes": False}


def make(row: Baseline, seed: int) -> Any:
    """The estimator of a row, not fitted, whose random numbers come from `seed`."""
    settings = row.model_dump(exclude={"estimator"})
    fixed = _BY_LOG_LOSS if row.estimator == "LogisticRegressionCV" else {}
    return _ESTIMATORS[row.estimator](**settings, **fixed, random_state=seed)


def fit(estimator: Any, features: Float32[np.ndarray, "rows features"], labels: Int64[np.ndarray, " rows"]) -> Any:
    """The estimator, fitted by one thread: its numbers are the same wherever and beside whatever it is fitted.

    Where rows are too few for what holds some out, the estimator goes without: no early stopping, fewer folds. One that
    has run out of iterations is taken as it is. A single class, or a single row of each, leaves only its frequency.
    """
    chosen = _within_reach(estimator, np.bincount(labels)[np.unique(labels)])
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The least populated class in y", category=UserWarning)
        return chosen.fit(features, labels)


def logits_of(
    estimator: Any, features: Float32[np.ndarray, "rows features"], classes: int
) -> Float32[np.ndarray, "rows classes"]:
    """Logarithms of a fitted estimator's probabilities; `LEAST` where they are less or its rows lack a class."""
    probs = np.zeros((len(features), classes))
    with one_thread():
        probs[:, estimator.classes_] = estimator.predict_proba(features)
    return np.log(np.clip(probs, LEAST, 1.0)).astype(np.float32)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenMP and BLAS use one thread: on a busy machine several wait for each other far longer than they work."""
    with threadpool_limits(limits=1):
        yield


def _within_reach(estimator: Any, counts: Int64[np.ndarray, " classes"]) -> Any:
    """The estimator, or what is left of it where its training rows, so many of each class, are too few."""
    if len(counts) == 1 or counts.max() == 1:
        return DummyClassifier(strategy="prior")
    settings = estimator.get_params()
    if settings.get("cv", 0) > counts.max():
        return estimator.set_params(cv=int(counts.max()))
    if settings.get("early_stopping"):
        held_out = int(settings["validation_fraction"] * counts.sum())
        if counts.min() < 2 or held_out < max(2, len(counts)):
            return estimator.set_params(early_stopping=False)
    return estimator
