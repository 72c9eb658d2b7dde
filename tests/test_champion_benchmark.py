"""The champion's benchmark: splits, encodings, forms of a contender, and the file that keeps them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from benchmarks import champion_tables
from benchmarks.champion import add, read
from benchmarks.champion_contenders import CONTENDERS, Contender, losses
from benchmarks.champion_tables import Table, split
from pipeline.reporting.text.contest import ContestBenchmark

CELLS = [(number, colour) for number in ("1", "2", "?", "4") for colour in ("red", "blue", "")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small table with gaps among its numbers and categories, and a column that is not read."""
    lines = [f"{number},{colour},{row},{row % 2}" for row, (number, colour) in enumerate(CELLS * 2)]
    (tmp_path / "small.csv").write_text("\n".join(["size,colour,name,kind", *lines]) + "\n")
    monkeypatch.setitem(champion_tables.TABLES, "small", Table(16, 1, "kind", ("name",)))
    return tmp_path


def test_a_split_is_stratified_and_tests_on_all_other_rows() -> None:
    rows = split("wine", None, 0)
    assert [len(labels) for labels in rows.labels] == [120, 58]
    whole = np.bincount(np.concatenate(rows.labels)) / 178
    assert np.abs(np.bincount(rows.labels[0]) / 120 - whole).max() < 0.01
    assert not np.array_equal(rows.labels[0], split("wine", None, 1).labels[0])


def test_every_view_shows_gaps(folder: Path) -> None:
    rows = split("small", folder, 0)
    assert list(rows.raw[0].columns) == ["size", "colour"]
    gaps = rows.raw[0]["size"].isna().to_numpy()
    assert gaps.any()
    assert rows.trees[0].shape == (16, 4)  # a number, and blue, missing and red
    np.testing.assert_array_equal(np.isnan(rows.trees[0][:, 0]), gaps)
    assert rows.scaled[0].shape == (16, 5)  # the number's indicator too
    np.testing.assert_allclose(rows.scaled[0][:, :2].mean(0), 0, atol=1e-12)
    np.testing.assert_array_equal(rows.native[0]["size missing"], gaps)
    assert list(rows.native[1]["colour"].cat.categories) == ["blue", "red", "missing"]
    assert not rows.native[1].isna().any(axis=None)


def test_a_contender_is_single_and_a_bag_of_folds_calibrated_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    bayes = Contender("Bayes", "scaled", lambda x, y, *_: GaussianNB().fit(x, y))
    monkeypatch.setitem(CONTENDERS, "bayes", bayes)
    rows = split("wine", None, 0)
    found = losses("bayes", rows, 0)
    assert list(found) == ["single", "bag", "single, calibrated", "bag, calibrated"]
    probabilities = GaussianNB().fit(rows.scaled[0], rows.labels[0]).predict_proba(rows.scaled[1])
    assert found["single"] == pytest.approx(-np.log(probabilities[np.arange(58), rows.labels[1]]).mean())
    assert len(set(found.values())) == 4
    assert max(found.values()) < 0.3 < np.log(3)


def row(contender: str, seed: int, value: float) -> dict[str, Any]:
    sizes = {"train": 120, "test": 58, "features": 13, "classes": 3, "seconds": 1.0}
    return {"table": "wine", "split": seed, "contender": contender, "library": "x 1", **sizes, "nll": {"single": value}}


def test_the_file_keeps_the_newest_of_each_in_order(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    add(path, [row("mlp", 1, 0.1), row("mlp", 0, 0.2)])
    add(path, [row("champion", 1, 0.3), row("mlp", 1, 0.4)])
    kept = ContestBenchmark.model_validate_json(path.read_bytes())
    assert [(each.split, each.contender, each.nll["single"]) for each in kept.rows] == [
        (0, "mlp", 0.2),
        (1, "champion", 0.3),
        (1, "mlp", 0.4),
    ]
    assert [each.name for each in kept.contenders] == ["champion", *CONTENDERS]
    assert read(path) == json.loads(path.read_text())["rows"]
