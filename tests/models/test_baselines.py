"""Classifiers of scikit-learn: what a row makes, what few rows leave of it, and logits whatever its rows lack."""

import inspect

import numpy as np
import pytest
from oracles import toy_data
from sklearn import ensemble, linear_model, neural_network
from threadpoolctl import threadpool_info

from pipeline.config.baselines import BASELINES
from pipeline.models import baselines
from pipeline.models.baselines import LEAST, fit, logits_of, make, one_thread

MODULES = (ensemble, linear_model, neural_network)
FEW = {
    "LogisticRegressionCV": {"Cs": 2},
    "RandomForestClassifier": {"n_estimators": 3},
    "HistGradientBoostingClassifier": {"max_iter": 3, "early_stopping": True},
    "MLPClassifier": {"max_iter": 3, "early_stopping": True},
}


def row_of(name, **settings):
    return BASELINES[name].model_validate({"estimator": name, **settings})


def rows(counts, seed=0):
    """Training rows with so many of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).normal(size=(len(labels), 3)).astype(np.float32) + labels[:, None], labels


@pytest.mark.parametrize("name", BASELINES)
def test_what_is_not_set_is_what_scikit_learn_has(name):
    estimator = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    usual = {key: parameter.default for key, parameter in inspect.signature(estimator).parameters.items()}
    fields = {key: field.default for key, field in BASELINES[name].model_fields.items() if key != "estimator"}
    unless_many_rows = {"early_stopping": "auto"} if name.startswith("Hist") else {}
    its_own = {"cv": None} if "cv" in fields else {}  # None is 5 folds
    assert {key: usual[key] for key in fields} == {**fields, **unless_many_rows, **its_own}


@pytest.mark.parametrize("name", BASELINES)
def test_a_row_and_a_seed_make_an_estimator(name):
    made = make(row_of(name, **FEW[name]), 7)
    assert type(made).__name__ == name
    assert made.get_params().items() >= {**FEW[name], "random_state": 7}.items()
    if name == "LogisticRegressionCV":
        assert made.scoring == "neg_log_loss"


@pytest.mark.parametrize("name", BASELINES)
def test_logits_are_logarithms_of_clipped_probabilities(name):
    data = toy_data(0)
    features, labels = data.features["train"], data.labels["train"]
    fitted = fit(make(row_of(name, **FEW[name]), 0), features, labels)
    probs = fitted.predict_proba(data.features["test"]).astype(np.float64)
    found = logits_of(fitted, data.features["test"], data.classes)
    assert found.dtype == np.float32
    assert np.array_equal(found, np.log(np.clip(probs, LEAST, 1)).astype(np.float32))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", BASELINES)
def test_classes_that_training_rows_lack_have_the_least_probability(name):
    features, labels = rows([20, 20])
    found = logits_of(fit(make(row_of(name, **FEW[name]), 0), features, 2 * labels + 1), features, 5)
    assert found.shape == (40, 5)
    assert np.all(found[:, [0, 2, 4]] == np.float32(np.log(LEAST)))
    assert np.all(found[:, [1, 3]].max(axis=1) > np.log(0.2))


@pytest.mark.parametrize("counts", [[20, 20, 1], [20, 1], [3, 1], [2, 2, 2], [1, 1, 1], [9], [30, 2, 2]])
@pytest.mark.parametrize("name", BASELINES)
def test_few_rows_of_a_class_are_enough(name, counts):
    features, labels = rows(counts)
    found = logits_of(fit(make(row_of(name, **FEW[name]), 0), features, labels), features, len(counts))
    assert found.shape == (len(labels), len(counts))
    assert np.isfinite(found).all()
    assert np.allclose(np.exp(found.astype(float)).sum(axis=1), 1, atol=1e-5)


def test_a_single_class_is_certain():
    features, labels = rows([0, 9])
    found = logits_of(fit(make(row_of("RandomForestClassifier"), 0), features, labels), features, 2)
    assert np.all(found == np.array([np.log(LEAST), 0], dtype=np.float32))


def test_it_is_fitted_and_asked_by_one_thread(monkeypatch):
    threads = []

    class Watched:
        classes_ = np.arange(2)

        def get_params(self):
            return {}

        def fit(self, features, labels):
            threads.extend(pool["num_threads"] for pool in threadpool_info())
            return self

        def predict_proba(self, features):
            threads.extend(pool["num_threads"] for pool in threadpool_info())
            return np.full((len(features), 2), 0.5)

    features, labels = rows([4, 4])
    logits_of(fit(Watched(), features, labels), features, 2)
    assert set(threads) == {1}


def test_threads_are_as_before_afterwards():
    before = threadpool_info()
    with one_thread():
        pass
    assert threadpool_info() == before


def test_a_seed_decides_the_random_numbers():
    data = toy_data(1)
    row = row_of("RandomForestClassifier", n_estimators=3)

    def predicted(seed):
        fitted = fit(make(row, seed), data.features["train"], data.labels["train"])
        return logits_of(fitted, data.features["test"], data.classes)

    assert np.array_equal(predicted(1), predicted(1))
    assert not np.array_equal(predicted(1), predicted(2))


def test_every_estimator_can_be_configured():
    assert set(baselines._ESTIMATORS) == set(BASELINES)
