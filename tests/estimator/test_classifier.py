"""The estimator of scikit-learn: the champion's own bits, frames as tables, files without code."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline import RegularizedClassifier
from pipeline.champion.fit import fit_library
from pipeline.champion.model import row_losses
from pipeline.champion.portfolio import DEFAULT, Portfolio, default_champion, portfolio_of
from pipeline.champion.storage import Model, to_arrays
from pipeline.config.params import load_params
from pipeline.config.reading import read_yaml
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.errors import InputError
from pipeline.core.paths import PARAMS
from pipeline.data.dataset import Pool
from pipeline.data.folds import folds_of
from pipeline.data.schema import CategoryColumn
from pipeline.data.tables.encoding import schema_of
from pipeline.estimator.rows import features_of_frame, features_of_numbers, pool_of_numbers

PORTFOLIO = {
    "dropout": {"hidden": [16], "dropout": 0.2, "epochs": 4, "learning_rate": 0.01},
    "linear": {"estimator": "LogisticRegressionCV", "Cs": 2, "cv": 2},
    "trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 4},
}
SMALL: dict[str, Any] = {"portfolio": PORTFOLIO, "folds": 2, "size": 4, "least_steps": 0}
ROWS = 90


def small(**others: Any) -> RegularizedClassifier:
    return RegularizedClassifier(**{**SMALL, **others})


def numbers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((ROWS, 3))
    return features, (features[:, 0] + 0.5 * generator.standard_normal(ROWS) > 0).astype(np.int64)


def table() -> tuple[pd.DataFrame, pd.Series]:
    generator = np.random.default_rng(1)
    wealth = generator.standard_normal(ROWS)
    frame = pd.DataFrame(
        {
            "age": np.where(generator.random(ROWS) < 0.1, np.nan, wealth),
            "job": generator.choice(["clerk", "smith", "baker"], ROWS),
            "member": wealth + generator.standard_normal(ROWS) > 0,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(generator.integers(0, 900, ROWS), "D"),
            "pay": [f"${each:,.2f}" for each in np.exp(wealth + 8)],
            "country": "DE",
        }
    )
    frame.loc[3, "job"] = None
    return frame, pd.Series(np.where(wealth > 0, "rich", "poor"), name="status")


@pytest.fixture(scope="module")
def fitted() -> RegularizedClassifier:
    return small().fit(*numbers())


@pytest.fixture(scope="module")
def of_table() -> RegularizedClassifier:
    return small().fit(*table())


def test_the_default_is_that_of_the_parameters_file() -> None:
    """Who changes one changes the other: what `champion` fits is what Python fits."""
    default, file = read_yaml(DEFAULT), read_yaml(PARAMS)
    assert {name: default[name] for name in ("network", "train", "champion")} == {
        name: file[name] for name in ("network", "train", "champion")
    }
    assert default["baselines"].items() <= file["baselines"].items()
    champion, baselines = default_champion()
    params = load_params(PARAMS)
    assert champion == params.champion
    assert portfolio_of(None) == Portfolio(
        params.champion.recipes, {name: params.baselines[name] for name in params.champion.estimators}
    )
    assert set(champion.estimators) == set(baselines)
    defaults = {name: each.default for name, each in inspect.signature(RegularizedClassifier).parameters.items()}
    assert {name: defaults[name] for name in ("folds", "size", "least_steps")} == {
        name: getattr(champion, name) for name in ("folds", "size", "least_steps")
    }


def test_importing_the_package_imports_nothing_large() -> None:
    code = "import pipeline, sys; print({'numpy', 'sklearn', 'torch', 'pydantic'} & sys.modules.keys())"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
    import pipeline  # noqa: PLC0415

    with pytest.raises(AttributeError, match="has no attribute 'Regularised'"):
        pipeline.Regularised  # noqa: B018


@pytest.mark.slow
def test_importing_the_estimator_pins_arithmetic_before_numpy() -> None:
    code = """
import os, sys
from pipeline.core import determinism
real, seen = determinism.pin, []
determinism.pin = lambda: (seen.append('numpy' in sys.modules), real())
from pipeline import RegularizedClassifier
print(seen[0], os.environ['NPY_ENABLE_CPU_FEATURES'], 'torch' in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False X86_V3 False\n"


def test_the_recipe_is_the_champions(fitted: RegularizedClassifier) -> None:
    features, labels = numbers()
    pool = Pool(features.astype(np.float32), labels, ("0", "1"), ("x0", "x1", "x2"))
    folds = folds_of(pool, np.arange(ROWS), folds=2)
    recipes = portfolio_of(PORTFOLIO).recipes(len(folds[0].train), least=0)
    library = fit_library(*recipes, pool, folds, scale="standard", jobs=1, tick=lambda _: None)
    np.testing.assert_array_equal(
        fitted.predict_proba(features), library.blend(size=4).champion.probabilities(pool.features)
    )
    assert fitted.held_out_loss_ == row_losses(library.cross_fitted(size=4), library.labels).mean()


def test_what_is_known_after_fitting(fitted: RegularizedClassifier, of_table: RegularizedClassifier) -> None:
    assert fitted.n_features_in_ == 3
    assert not hasattr(fitted, "feature_names_in_")
    assert [*of_table.feature_names_in_] == [*table()[0].columns]
    assert of_table.classes_.tolist() == ["poor", "rich"]
    parts = pd.DataFrame(fitted.parts_)
    assert set(parts["name"]) == set(PORTFOLIO)
    assert parts["share"].is_monotonic_decreasing
    assert parts["share"].sum() == pytest.approx(1)
    assert set(parts["kind"]) == {"network", "linear", "trees"}
    assert 0 < fitted.held_out_loss_ < np.log(2)
    assert len(repr(RegularizedClassifier(budget="small"))) < 60


def test_tables_are_understood(of_table: RegularizedClassifier) -> None:
    frame, status = table()
    assert of_table.score(frame, status) > 0.9
    columns = {column.name: column.rule for column in of_table._fitted.model.schema.columns}
    assert columns == {"age": "number", "job": "category", "member": "category", "since": "date", "pay": "number"}
    np.testing.assert_array_equal(of_table.predict_proba(frame.iloc[5:6])[0], of_table.predict_proba(frame)[5])
    strange = frame.assign(job="sailor", country="FR")
    np.testing.assert_allclose(of_table.predict_proba(strange).sum(axis=1), 1)


def test_rows_must_be_those_of_fit(of_table: RegularizedClassifier, fitted: RegularizedClassifier) -> None:
    frame, _ = table()
    with pytest.raises(ValueError, match="must be a DataFrame with the columns"):
        of_table.predict(frame.to_numpy())
    with pytest.raises(ValueError, match="should match those that were passed during fit"):
        of_table.predict(frame.drop(columns="age"))
    with pytest.raises(ValueError, match=r"column 'pay', data row 1: must be a number; got 'much'"):
        of_table.predict(frame.assign(pay="much"))
    with pytest.raises(ValueError, match="0 sample"):
        of_table.predict(frame.iloc[:0])
    with pytest.raises(ValueError, match="3 features"):
        fitted.predict(np.zeros((2, 4)))
    unfitted = small()
    with pytest.raises(ValueError, match="one class"):
        unfitted.fit(frame, np.zeros(ROWS))
    with pytest.raises(NotFittedError):
        unfitted.predict(frame)


@pytest.mark.parametrize("scale", [1.0, 1e7])
def test_numbers_are_encoded_as_a_table_of_them_is(scale: float) -> None:
    values = np.round(numbers()[0], 2) + scale
    values[::7, 1] = np.nan
    target = CategoryColumn(name="class", categories=("0", "1"))
    pool = pool_of_numbers(values, ("x0", "x1", "x2"), numbers()[1], target)
    schema = schema_of(pool)
    assert pool.feature_names == ("x0", "x1", "x1 is missing", "x2")
    frame = pd.DataFrame(values, columns=["x0", "x1", "x2"])
    np.testing.assert_array_equal(features_of_numbers(values, schema), features_of_frame(frame, schema))
    assert len(np.unique(pool.features[:, 0])) == len(np.unique(values[:, 0]))
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        features_of_numbers(values * 1e38, schema)


def test_equal_rows_are_on_one_side_unless_few_differ() -> None:
    features, labels = (np.concatenate([each, each]) for each in numbers())
    twice = small(portfolio={"linear": PORTFOLIO["linear"]}).fit(features, labels)
    once = small(portfolio={"linear": PORTFOLIO["linear"]}).fit(*numbers())
    assert twice.held_out_loss_ == pytest.approx(once.held_out_loss_, rel=0.3)
    few = np.arange(40)[:, None] % 2
    assert small().fit(few, few.ravel()).score(few, few.ravel()) == 1


def test_a_column_that_is_the_class_is_used() -> None:
    frame = pd.DataFrame({"color": ["red", "blue"] * 20})
    assert small().fit(frame, [0, 1] * 20).score(frame, [0, 1] * 20) == 1


def test_options_answer_what_a_table_asks() -> None:
    frame, status = table()
    frame["joined"] = [f"{1 + row % 12:02}/{1 + row % 11:02}/2020" for row in range(ROWS)]
    with pytest.raises(
        ValueError, match=r"X: column 'joined', data row 1: '01/01/2020' may be one of two dates"
    ) as caught:
        small().fit(frame, status)
    assert "\n" not in str(caught.value)
    options = {"dates": {"joined": "%d/%m/%Y"}, "ignore": ["since"]}
    model = small(options=options).fit(frame, status)
    assert {column.name for column in model._fitted.model.schema.columns} >= {"joined"}
    assert model._fitted.names[3] == "since"
    with pytest.raises(ValueError, match="options: rare must not be given"):
        small(options={"rare": "drop"}).fit(frame, status)
    with pytest.raises(ValueError, match="options: bogus: unknown key"):
        small(options={"bogus": 1}).fit(frame, status)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"budget": "huge"}, "The 'budget' parameter of RegularizedClassifier must be"),
        ({"budget": -1}, "The 'budget' parameter"),
        ({"folds": 1}, "The 'folds' parameter"),
        ({"random_state": -1}, "The 'random_state' parameter"),
        ({"scale": "log"}, "The 'scale' parameter"),
        ({"portfolio": {}}, "portfolio: must have a row"),
        ({"portfolio": {"a": {"dropout": 2}}}, r"portfolio: champion.portfolio.a.dropout: .* got 2"),
        ({"portfolio": {"a": {"estimator": "MLPClassifier"}}}, "portfolio: a.estimator: must be one of"),
        ({"portfolio": {"a b": {}}}, "portfolio: rows: names are"),
        ({"portfolio": {"a": {}}, "budget": 0}, "must leave a part to fit"),
    ],
)
def test_parameters_are_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**wrong).fit(*numbers())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 6, "one class, 0"),
        ([0, 0, 1], "4 rows or more; got n_samples=3"),
        ([0, 1, 2, 3], "each of 4 rows has its own"),
        ([0.5, 1.5, 2.5, 0.5], "Unknown label type"),
        (None, "requires y to be passed"),
        ([0, 1], "inconsistent numbers of samples"),
    ],
)
def test_classes_are_checked(labels: Any, message: str) -> None:
    rows = numbers()[0][: len(labels) if labels and len(labels) > 2 else 6]
    with pytest.raises(ValueError, match=message):
        small().fit(rows, labels)


def test_a_class_of_one_row_is_known_and_unlikely(tmp_path: Path) -> None:
    """Folds that train without it leave estimators only class frequencies."""
    features = numbers()[0][:21]
    model = small(folds=3).fit(features, np.arange(21) == 20)
    assert model.predict_proba(features)[:, 1].mean() < 0.2
    model.save(tmp_path / "m")
    loaded = RegularizedClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(features), model.predict_proba(features))


def test_budgets() -> None:
    sweep = {"dropout": {"dropout": [0.1, 0.2, 0.3, 0.4], "epochs": 1, "hidden": [16]}, "linear": PORTFOLIO["linear"]}
    features, labels = numbers()
    networks = {
        budget: sum(
            part["kind"] == "network" for part in small(portfolio=sweep, budget=budget).fit(features, labels).parts_
        )
        for budget in ("full", "small", 2, 0)
    }
    assert networks == {"full": 4, "small": 3, 2: 2, 0: 0}


@pytest.mark.parametrize(("budget", "kinds"), [("full", {"network"}), (0, {"linear", "trees"})])
def test_one_pick_is_one_part_of_one_fold(budget: Any, kinds: set[str]) -> None:
    features, labels = numbers()
    model = small(size=1, budget=budget).fit(features, labels)
    champion = model._fitted.model.champion
    assert len(champion.views) == len(champion.parts) == len(champion.parts[0].predictors) == 1
    assert champion.parts[0].kind in kinds
    np.testing.assert_allclose(model.predict_proba(features).sum(axis=1), 1)


def test_networks_that_all_diverge_are_said() -> None:
    wild = {"wild": {"optimizer": "sgd", "learning_rate": 1e30, "early_stopping": "none", "epochs": 9, "hidden": [16]}}
    with pytest.raises(ValueError, match="every network diverged"):
        small(portfolio=wild).fit(*numbers())


def test_random_state_is_what_changes_results() -> None:
    features, labels = numbers()
    default, zero, one = (small(random_state=each).fit(features, labels) for each in (None, 0, 1))
    np.testing.assert_array_equal(default.predict_proba(features), zero.predict_proba(features))
    assert (default.predict_proba(features) != one.predict_proba(features)).any()


@pytest.mark.slow
def test_threads_change_no_bit_and_torch_keeps_its_own(fitted: RegularizedClassifier) -> None:
    features, labels = numbers()
    torch.set_num_threads(2)
    parallel = small(n_jobs=2).fit(features, labels)
    np.testing.assert_array_equal(parallel.predict_proba(features), fitted.predict_proba(features))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array([False, True]),
        np.array([3, 7], np.int8),
        np.array(["a", "b"], object),
        [1.0, 2.0],
    ],
)
def test_saved_and_loaded_to_the_bit(tmp_path: Path, fitted: RegularizedClassifier, labels: Any) -> None:
    features, _ = numbers()
    model = small(portfolio={"linear": PORTFOLIO["linear"]}, size=np.int64(3))
    model.fit(features, np.asarray(labels)[numbers()[1]])
    model.save(tmp_path / "m.safetensors")
    loaded = RegularizedClassifier.load(str(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(loaded.predict_proba(features), model.predict_proba(features))
    np.testing.assert_array_equal(loaded.predict(features), model.predict(features))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.get_params() == model.get_params()
    assert loaded.parts_ == model.parts_
    assert loaded.held_out_loss_ == model.held_out_loss_


def test_a_table_model_is_loaded_by_its_columns(tmp_path: Path, of_table: RegularizedClassifier) -> None:
    frame, _ = table()
    of_table.save(tmp_path / "m")
    loaded = RegularizedClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(frame), of_table.predict_proba(frame))
    assert [*loaded.feature_names_in_] == [*frame.columns]
    assert clone(loaded).get_params() == of_table.get_params()


def test_no_file_is_replaced(tmp_path: Path, fitted: RegularizedClassifier, of_table: RegularizedClassifier) -> None:
    fitted.save(tmp_path / "m")
    fitted.save(tmp_path / "m")  # the same bytes
    with pytest.raises(FileExistsError):
        of_table.save(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    with pytest.raises(NotFittedError):
        small().save(tmp_path / "n")


def test_what_is_no_model_is_one_line(tmp_path: Path, fitted: RegularizedClassifier) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        RegularizedClassifier.load(tmp_path / "none")
    path = tmp_path / "m"
    path.write_bytes(b"pickle")
    with pytest.raises(ValueError, match=r"m: cannot be loaded: ") as caught:
        RegularizedClassifier.load(path)
    assert "\n" not in str(caught.value)
    fitted.save(tmp_path / "good")
    arrays, about = read_arrays(tmp_path / "good")
    del about["estimator"]["columns"]
    path.write_bytes(encode_arrays(arrays, about))
    with pytest.raises(InputError, match="m: cannot be loaded: 'columns'"):
        RegularizedClassifier.load(path)


def test_a_model_of_the_command_can_be_loaded(tmp_path: Path, of_table: RegularizedClassifier) -> None:
    frame, _ = table()
    model: Model = of_table._fitted.model
    arrays, about = to_arrays(model)
    path = tmp_path / "model.safetensors"
    path.write_bytes(encode_arrays(arrays, json.loads(json.dumps(about))))
    loaded = RegularizedClassifier.load(path)
    rows = frame[[*loaded.feature_names_in_]]
    np.testing.assert_array_equal(loaded.predict_proba(rows), of_table.predict_proba(frame))
    assert loaded.classes_.tolist() == ["poor", "rich"]
    assert loaded.held_out_loss_ is None


@pytest.mark.slow
def test_it_works_where_estimators_do() -> None:
    frame, status = table()
    scores = cross_val_score(small(), frame, status, cv=2, scoring="neg_log_loss")
    assert scores.mean() > -0.5
    np.testing.assert_array_equal(
        scores, cross_val_score(small(), frame, status, cv=2, scoring="neg_log_loss", n_jobs=2)
    )
    features, labels = numbers()
    assert make_pipeline(StandardScaler(), small()).fit(features, labels).score(features, labels) > 0.8
    grid = GridSearchCV(small(), {"scale": ["standard", "robust"], "size": [1, 4]}, cv=2, scoring="neg_log_loss")
    assert grid.fit(features, labels).best_score_ > -0.6
