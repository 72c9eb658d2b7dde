"""Leaks, rows that occur several times and rare classes: each is found, named with its number, and answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.bundled import BUNDLED, load_bundled
from pipeline.data.options import TableOptions
from pipeline.data.schema import Finding
from pipeline.data.tables.judging import (
    IdenticalRows,
    find_leaks,
    find_rare,
    find_shared_rows,
    groups_of_identical_rows,
    identical_rows,
    judge,
    predicted_share,
)
from pipeline.data.tables.load import read_file

ROWS = 300


def columns(**values: object) -> np.ndarray:
    return np.stack([np.asarray(each, dtype=np.float32) for each in values.values()], axis=1)


@pytest.fixture
def normals() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(ROWS)


def leaks(labels: np.ndarray, **values: object) -> list[Finding]:
    return list(find_leaks(columns(**values), labels, {name: (name,) for name in values}))


def test_a_copy_of_the_target(normals: np.ndarray) -> None:
    labels = (normals > 0).astype(np.int64)
    (found,) = leaks(labels, noise=np.roll(normals, 7), copy=3 - 2 * labels)
    assert found.topic == "copy of the target"
    assert found.text == "column 'copy' is a copy of the target; `ignore: [copy]` leaves it out"
    assert found.option == {"ignore": ["copy"]}
    assert found.number == 1


def test_a_column_that_alone_predicts_the_class(normals: np.ndarray) -> None:
    labels = (normals > 0).astype(np.int64)
    (found,) = leaks(labels, score=normals)
    assert found.topic == "leak"
    assert found.number > 0.98
    assert found.text.startswith("column 'score' alone predicts ")
    assert found.text.endswith("% of the classes; `ignore: [score]` leaves it out")


def test_a_row_number_of_a_file_in_order_of_its_classes() -> None:
    (found,) = leaks(np.repeat([0, 1, 2], 100), id=np.arange(ROWS) + 1)
    assert found.topic == "row number"
    assert found.message.startswith("column 'id' counts the rows, which are in order of their classes: it alone")


def test_a_row_number_of_a_shuffled_file_is_no_leak(normals: np.ndarray) -> None:
    assert leaks((normals > 0).astype(np.int64), id=np.arange(ROWS)) == []


def test_an_identifier_of_groups_that_share_a_class(normals: np.ndarray) -> None:
    patient = np.random.default_rng(1).permutation(ROWS) % 40
    (found,) = leaks((normals[:40] > 0).astype(np.int64)[patient], patient=patient)
    assert found.topic == "leak"


def test_missing_values_that_predict_the_class(normals: np.ndarray) -> None:
    labels = (normals > 0).astype(np.int64)
    lacks = labels.astype(np.float32)
    value = np.where(lacks, np.nan, np.roll(normals, 7))
    names = {"a": ("a", "a is missing")}
    found = list(find_leaks(columns(value=value, lacks=lacks), labels, names))
    assert "whether column 'a' is missing alone predicts 100.0% of the classes" in [each.message for each in found]


def test_a_category_that_predicts_the_class(normals: np.ndarray) -> None:
    labels = np.random.default_rng(2).integers(0, 3, ROWS)
    code = labels * 2 + (normals > 0)
    features = (code[:, None] == np.arange(6)).astype(np.float32)
    (found,) = find_leaks(features, labels, {"c": tuple(f"c={k}" for k in range(6))})
    assert found.number == 1
    assert found.topic == "leak"


def test_a_rare_class_is_not_hidden_by_the_frequent_one(normals: np.ndarray) -> None:
    labels = (np.arange(ROWS) % 50 == 0).astype(np.int64)
    assert predicted_share(columns(noise=normals), labels) < 0.7


def test_chance_is_not_taken_for_a_leak() -> None:
    assert list(find_leaks(columns(a=[0, 1, 0, 1]), np.array([0, 1, 0, 1]), {"a": ("a",)})) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "digits" else name for name in BUNDLED]
)
def test_no_leak_in_a_set_of_scikit_learn(name: str) -> None:
    pool = load_bundled(name)
    assert list(find_leaks(pool.features, pool.labels, {each: (each,) for each in pool.feature_names})) == []


def test_identical_rows_have_one_number() -> None:
    features = np.float32([[1, 2], [3, np.nan], [1, 2], [3, np.nan], [0, 5], [-0.0, 5], [2, 1]])
    assert groups_of_identical_rows(features).tolist() == [0, 1, 0, 1, 2, 2, 3]


def test_identical_rows_are_counted() -> None:
    features = np.float32([[1], [2], [1], [2], [1], [3]])
    assert identical_rows(features, np.array([0, 1, 0, 0, 0, 1])) == IdenticalRows(rows=5, distinct=2, conflicting=2)


def test_identical_rows_are_told() -> None:
    features = np.float32([[1], [2], [1], [2], [1], [3]])
    found = judge(features, np.array([0, 1, 0, 0, 0, 1]), classes=("a", "b"), columns={"x": ("x",)})
    (repeated,) = (each for each in found if each.topic == "identical rows")
    told = "5 rows (83%) have the features of another row, 2 of them with equals of another class; "
    assert repeated.message == told + "splits keep them on one side unless `duplicates: split`"
    columns = {"x": ("x",)}
    apart = judge(features, np.array([0, 1, 0, 0, 0, 1]), classes=("a", "b"), columns=columns, together=False)
    assert told + "they may be on two sides" in [each.message for each in apart]


def test_rows_of_a_file_for_testing_that_were_trained_on_are_told() -> None:
    train, test = np.float32([[1], [2], [np.nan], [2]]), np.float32([[2], [3], [np.nan], [5]])
    (found,) = find_shared_rows(train, test, names=("a.csv", "b.csv"))
    assert found.message == "2 rows of b.csv (50%) have the features of a row of a.csv"
    assert list(find_shared_rows(train, test[1:2], names=("a.csv", "b.csv"))) == []


def test_rare_classes_are_told() -> None:
    (found,) = find_rare(np.array([0] * 20 + [1] * 3), ("often", "seldom"))
    assert found.number == 1
    assert found.text == (
        "classes of fewer than 10 rows: 'seldom' (3); "
        "`rare: drop` leaves their rows out, `rare: pool` makes them one class"
    )


def test_what_is_judged_is_kept_with_the_pool(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7},{'no' if i < 50 else 'yes'}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("id,a,y\n" + rows)
    pool = read_file(tmp_path / "t.csv", TableOptions())
    assert {"identifier", "row number"} <= {each.topic for each in pool.understood.findings}
    assert read_file(tmp_path / "t.csv", TableOptions(ignore=["id"])).feature_names == ("a",)
