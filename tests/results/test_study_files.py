"""Finished studies: read as they were written, with the metrics of their points in one table that others read too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.core.errors import InputError
from pipeline.metrics.names import MetricName
from pipeline.results import parquet as results_parquet
from pipeline.results.parquet import Column, read_parquet, write_parquet
from pipeline.results.point_metrics import COLUMNS, read_metrics, write_metrics
from pipeline.results.record import significant
from pipeline.results.study import (
    Comparison,
    GapClosed,
    MetricSummary,
    PointResult,
    ProbabilityBetter,
    StudyResults,
)
from pipeline.results.study_files import POINTS, read_study, write_study

REPORTS = Path(__file__).parents[2] / "reports"
STUDY = read_study(REPORTS / "digits/results.json")
TARGET = Path("reports/again/results.json")
TABLE = TARGET.with_name(POINTS)
GAP, NLL = MetricName.parse("gap/nll"), MetricName.parse("test_calibrated/nll")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("dataset", ["mixture", "digits"])
def test_a_published_study_is_written_again_with_the_same_bytes(dataset: str) -> None:
    study = read_study(REPORTS / dataset / "results.json")
    write_study(TARGET, study)
    for path in (TARGET, TABLE):
        assert path.read_bytes() == (REPORTS / dataset / path.name).read_bytes()
    assert read_study(TARGET) == study


def test_all_of_a_study_is_read_as_it_was_written() -> None:
    """Also what follows from the rest, and the order of all that is named."""
    write_study(TARGET, STUDY)
    again = read_study(TARGET)
    assert again.model_dump_json() == STUDY.model_dump_json()
    assert len(again.verdict_changes) > 100


def test_the_summary_has_neither_metrics_nor_comparisons_of_points() -> None:
    summary = json.loads((REPORTS / "digits/results.json").read_bytes())
    assert summary.keys() == set(StudyResults.model_fields) - {"verdict_changes"}
    assert summary["points"][0].keys() == set(PointResult.model_fields) - {"metrics", "against_reference", "kind"}


def test_anybody_can_read_the_metrics() -> None:
    """A row a point and metric, in columns of plain types, without an index."""
    rows = pd.read_parquet(REPORTS / "digits" / POINTS)
    assert tuple(rows) == tuple(COLUMNS)
    assert len(rows) == sum(len(point.metrics) for point in STUDY.points)
    assert not rows.duplicated(["key", *MetricName._fields]).any()
    point = STUDY.points[5]
    (row,) = (
        rows[(rows.key == point.key) & (rows.split == "gap") & (rows.stage == "before")].query("metric == 'nll'").iloc
    )
    mean, compared = point.metrics[GAP], point.against_reference[GAP]
    assert (row.variant, row["name"]) == (point.variant, point.name)
    assert (row["mean"], row.low, row.high) == (mean.mean, mean.low, mean.high)
    assert (row.difference, row.difference_low, row.p_holm) == (compared.difference, compared.low, compared.p_holm)
    assert (row.p_better, row.verdict) == (compared.p_better.estimate, compared.verdict)
    assert row.closed_percent == compared.closed.percent
    assert rows[rows.key == STUDY.reference.key].difference.isna().all()


def test_every_number_of_a_comparison_has_a_column() -> None:
    inner = len(ProbabilityBetter.model_fields) + len(GapClosed.model_fields)
    fields = len(MetricSummary.model_fields) + len(Comparison.model_fields) - 2 + inner
    assert len(COLUMNS) == len(("key", "variant", "name", *MetricName._fields)) + fields


numbers = st.none() | st.floats()
summaries = st.builds(MetricSummary, mean=numbers, low=numbers, high=numbers, not_finite=st.integers(0, 2**40))


def comparisons(closed: st.SearchStrategy[GapClosed | None]) -> st.SearchStrategy[Comparison]:
    fields = dict.fromkeys(("difference", "low", "high", "p", "p_holm", "inflation", "freedom"), numbers)
    likely = st.builds(ProbabilityBetter, estimate=numbers, low=numbers, high=numbers)
    return st.builds(
        Comparison, **fields, p_better=likely, verdict=st.sampled_from(["better", "worse", "no evidence"]),
        equivalent=st.booleans(), more_seeds=st.none() | st.integers(0, 2**40), left_out=st.none() | st.text(),
        closed=closed,
    )  # fmt: skip


ends = dict.fromkeys(("percent", "low", "high"), numbers)


@given(mean=summaries, gap=comparisons(st.builds(GapClosed, **ends)), other=st.none() | comparisons(st.none()))
def test_whatever_is_known_is_read_as_it_was_written(mean: MetricSummary, gap: Comparison, other: Comparison) -> None:
    """None stays None, NaN stays NaN and an infinity itself; what is not compared has no comparison."""
    compared = {GAP: gap, NLL: other} if other else {GAP: gap}
    changes = {"metrics": {GAP: mean, NLL: mean}, "against_reference": compared}
    write_metrics(TABLE, [STUDY.points[1].model_copy(update=changes)])
    (again,) = read_metrics(TABLE).values()
    assert list(again.metrics) == [GAP, NLL]
    assert repr(again.metrics[NLL].model_dump()) == repr(significant(mean.model_dump()))
    assert again.against_reference.keys() == compared.keys()
    for name, comparison in compared.items():
        assert repr(again.against_reference[name].model_dump()) == repr(significant(comparison.model_dump()))


def test_writing_twice_gives_the_same_bytes() -> None:
    write_metrics(TABLE, STUDY.points)
    first = TABLE.read_bytes()
    write_metrics(TABLE, STUDY.points)
    assert TABLE.read_bytes() == first
    about = parquet.read_metadata(TABLE)
    assert about.created_by == f"parquet-cpp-arrow version {pa.__version__}"
    assert about.metadata.keys() == {b"ARROW:schema"}
    assert {about.row_group(0).column(each).compression for each in range(about.num_columns)} == {"ZSTD"}


def test_what_has_no_place_is_not_written() -> None:
    point = STUDY.points[5]
    with pytest.raises(ValueError, match="against_reference must compare metrics of the point"):
        write_metrics(TABLE, [point.model_copy(update={"metrics": {NLL: point.metrics[NLL]}})])
    gap = point.against_reference[GAP]
    for name, comparison in {GAP: gap.model_copy(update={"closed": None}), NLL: gap}.items():
        changed = {"metrics": {name: point.metrics[name]}, "against_reference": {name: comparison}}
        with pytest.raises(ValueError, match="closed must be known of gaps, and of nothing else"):
            write_metrics(TABLE, [point.model_copy(update=changed)])
    assert not TABLE.exists()


def with_cell(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    """Put a value into the first row."""

    def change(table: pa.Table) -> pa.Table:
        place, cells = table.schema.get_field_index(column), table.column(column).to_pylist()
        return table.set_column(place, table.schema.field(column), [[value, *cells[1:]]])

    return change


def with_type(column: str, other: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    """Cast a column, whose cells may then be empty."""
    place = list(COLUMNS).index(column)
    return lambda table: table.set_column(place, column, table.column(column).cast(other))


FOREIGN: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "a column less": (lambda table: table.drop_columns(["p_holm"]), "must have p_holm: double, got inflation: double"),
    "the last less": (lambda table: table.drop_columns(["closed_high"]), "must have closed_high: double, got nothing"),
    "a column more": (lambda table: table.append_column("x", [[1] * len(table)]), "must be 27, got also x: int64"),
    "another type": (with_type("mean", pa.float32()), "columns must have mean: double, got mean: float"),
    "empty cells": (with_type("key", pa.string()), "must have key: string not null, got key: string"),
    "another verdict": (with_cell("verdict", "good"), "verdict: Input should be 'better'"),
    "half a comparison": (with_cell("verdict", "better"), "equivalent: Input should be a valid bool"),
    "another stage": (with_cell("stage", "later"), "split, stage and metric must be those of a name"),
    "another split": (with_cell("split", "test/x"), "split, stage and metric must be those of a name"),
    "a row twice": (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "must have one row"),
    "another point": (with_cell("key", "other"), "must be those of results.json, got 'other'"),
    "no points": (lambda table: table.slice(0, 0), "points must be those of results.json, got"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_table_of_another_shape_is_refused_in_one_line(what: str) -> None:
    change, line = FOREIGN[what]
    write_study(TARGET, STUDY)
    parquet.write_table(change(parquet.read_table(TABLE)), TABLE)
    with pytest.raises(InputError) as raised:
        read_study(TARGET)
    assert str(raised.value).startswith(f"{TABLE}: damaged (")
    assert line in str(raised.value)


def test_a_summary_alone_is_no_study() -> None:
    write_study(TARGET, STUDY)
    TABLE.unlink()
    with pytest.raises(InputError, match=r"points\.parquet: no such file; `dvc repro` makes it"):
        read_study(TARGET)


def test_a_point_that_is_not_ranked_is_refused() -> None:
    write_study(
        TARGET, STUDY.model_copy(update={"ranking": {"nll": STUDY.ranking["nll"].model_copy(update={"before": ()})}})
    )
    with pytest.raises(InputError, match="damaged"):
        read_study(TARGET)


def test_a_table_that_memory_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"number": Column("float64")}
    write_parquet(TABLE, columns, {"number": np.zeros(2_000_000)})
    assert TABLE.stat().st_size < 10_000
    monkeypatch.setattr("pipeline.core.memory.memory", lambda: 10_000_000)
    with pytest.raises(InputError, match="2,000,000 cells would need about 16 MB of memory"):
        list(read_parquet(TABLE, columns))
    with TABLE.open("ab") as stream:
        stream.truncate(10**9)
    with pytest.raises(InputError, match="a table of this size would need about 1 GB"):
        list(read_parquet(TABLE, columns))


def test_many_rows_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_parquet, "_ROWS", 100)
    assert read_study(REPORTS / "digits/results.json") == STUDY
