"""scikit-learn's own checks of an estimator, all of them."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline import RegularizedClassifier

PORTFOLIO = {
    "dropout": {"hidden": [16], "dropout": 0.2, "epochs": 4, "learning_rate": 0.01},
    "linear": {"estimator": "LogisticRegressionCV", "Cs": 2, "cv": 2},
    "trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 4},
}


@pytest.mark.slow
@parametrize_with_checks([RegularizedClassifier(portfolio=PORTFOLIO, folds=2, size=4, least_steps=0)])
def test_scikit_learn_finds_nothing(estimator: Any, check: Any) -> None:
    check(estimator)
