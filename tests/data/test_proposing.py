"""Proposed options: how features are scaled, which rows belong together, and which are left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from pipeline.data.options import Reading
from pipeline.data.tables.proposing import FarValue, propose
from pipeline.data.tables.table import Table

ROWS = 400
TARGET = {"target": "y"}


def far(options: dict[str, object] | None = None, **columns: Sequence[float]) -> tuple[FarValue, ...]:
    frame = pd.DataFrame({**columns, "y": ["no", "yes"] * (ROWS // 2)})
    return propose(Table("table", frame, Reading()), {**TARGET, **(options or {})}).far


@pytest.fixture
def normals() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(ROWS)


def normals_of(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).standard_normal(rows)


def with_last(values: np.ndarray, *last: float) -> np.ndarray:
    return np.concatenate([values[: len(values) - len(last)], last])


def test_values_within_the_limit_propose_nothing(normals: np.ndarray) -> None:
    skewed = np.exp(normals)
    assert far(a=normals, b=skewed) == ()


def test_a_value_beyond_the_limit_is_named_with_its_distance(normals: np.ndarray) -> None:
    values = with_last(normals, -50)
    (found,) = far(a=np.roll(normals, 1), b=values)
    assert (found.column, found.value) == ("b", pytest.approx(-50))
    assert found.deviations == pytest.approx((values.mean() + 50) / values.std(), rel=1e-5)


def test_the_farthest_comes_first(normals: np.ndarray) -> None:
    names = [each.column for each in far(a=with_last(normals, 20), b=with_last(normals, 90), c=with_last(normals, 40))]
    assert names == ["b", "c", "a"]


def test_numbers_far_from_zero_are_named_as_they_are_written(normals: np.ndarray) -> None:
    (found,) = far(a=with_last(normals.round(3) + 20_000_000, 20_000_090))
    assert found.value == pytest.approx(20_000_090, abs=1e-3)


def test_missing_values_are_left_out(normals: np.ndarray) -> None:
    values = with_last(normals, 50)
    values[:100] = np.nan
    (found,) = far(a=values, b=normals)
    assert found.column == "a"
    assert found.deviations == pytest.approx((50 - np.nanmean(values)) / np.nanstd(values), rel=1e-5)


def test_a_column_that_few_rows_have_is_not_counted(normals: np.ndarray) -> None:
    assert far(a=normals, b=with_last(np.zeros(ROWS), 1, 1), c=with_last(np.zeros(ROWS), 5, 9_999)) == ()


def test_rows_that_only_test_do_not_decide(normals: np.ndarray) -> None:
    at = np.arange(ROWS) + 0.5
    assert far({"time": "at"}, a=with_last(normals, 50), at=at) == ()
    assert [each.column for each in far({"time": "at"}, a=with_last(normals, 50), at=-at)] == ["a"]
    assert [each.column for each in far(a=with_last(normals, 50), at=at)] == ["a"]


def test_open_problems_come_first(normals: np.ndarray) -> None:
    dates = np.array(["01/02/2020", "03/04/2020"] * (ROWS // 2))
    frame = pd.DataFrame({"a": with_last(normals, 50), "when": dates, "y": ["no", "yes"] * (ROWS // 2)})
    proposal = propose(Table("table", frame, Reading()), TARGET)
    assert proposal.understood.problems
    assert proposal.far == ()


def test_an_identifier_of_several_rows_divides_them() -> None:
    frame = pd.DataFrame({"patient": np.arange(90) // 3, "order id": np.arange(90) % 45, "a": normals_of(90)})
    table = Table("table", frame.assign(y=["no", "yes"] * 45), Reading())
    proposal = propose(table, TARGET)
    assert proposal.options == {**TARGET, "group": "patient", "ignore": ["order id"]}
    assert [each.column for each in proposal.answered] == ["patient", "order id"]
    assert propose(table, TARGET, kept=["patient", "order id"]).options == TARGET
    assert propose(table, {**TARGET, "time": "a"}).options == {**TARGET, "time": "a", "ignore": ["patient", "order id"]}


def test_rows_without_a_class_are_left_out() -> None:
    frame = pd.DataFrame({"a": normals_of(30), "y": ["no", "yes", None] * 10})
    proposal = propose(Table("table", frame, Reading()), TARGET)
    assert proposal.options == {**TARGET, "unlabeled": "drop"}
    assert proposal.pool is not None
    assert len(proposal.pool.labels) == 20
