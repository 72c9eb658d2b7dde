"""Columns of the user's own table as text, on the page, and in MLflow's panel of data sets."""

import json
from typing import get_args

import pytest

from pipeline.data.schema import ColumnSummary, Finding, Role, TableNotes
from pipeline.reporting.table import terminal
from pipeline.reporting.text.columns import columns_table, finding_notes
from pipeline.reporting.text.understood import shown, understood_lines
from pipeline.results.dataset import DatasetSummary
from pipeline.tracking.builder import _dataset_info

NOTES = TableNotes(
    summaries=(
        ColumnSummary(name="age", role="feature", kind="number", missing=2, distinct=1_234, example="41"),
        ColumnSummary(name="row\nid", role="ignored", kind="identifier", missing=0, distinct=9, example="[red]x"),
        ColumnSummary(
            name="y", role="target", kind="yes-no", missing=0, distinct=2, example="no", remark="blanks left out"
        ),
    ),
    remarks=("fields separated by semicolons",),
    findings=(
        Finding(severity="warning", topic="leak", column="age", message="column 'age' tells", hint="`ignore` it"),
        Finding(severity="problem", topic="missing", column="age", message="missing value"),
    ),
)


def test_a_row_a_column_on_one_line_each() -> None:
    text = terminal(columns_table(NOTES))
    assert [line.split() for line in text.splitlines()[1:4]] == [
        ["age", "number", "2", "1,234", "41"],
        ["row\N{REPLACEMENT CHARACTER}id", "ignored,", "identifier", "9", "[red]x"],
        ["y", "target,", "yes-no", "2", "no", "blanks", "left", "out"],
    ]


@pytest.mark.parametrize("role", get_args(Role))
def test_every_role_is_shown(role: Role) -> None:
    column = ColumnSummary(name="visit", role=role, kind="date", missing=0, distinct=9, example="2020-01-31")
    text = terminal(columns_table(TableNotes(summaries=(column,))))
    assert ("date" if role == "feature" else f"{role}, date") in text


@pytest.mark.parametrize("role", ["group", "time"])
def test_what_relates_rows_is_said(role: Role) -> None:
    column = ColumnSummary(name="visit", role=role, kind="number", missing=0, distinct=9, example="1")
    assert understood_lines(TableNotes(summaries=(column,))) == [f"columns: {role}: visit"]
    assert understood_lines(TableNotes(summaries=(NOTES.summaries[0], column))) == [f"columns: 1 number; {role}: visit"]


def test_findings_come_with_the_problems_first() -> None:
    assert finding_notes(NOTES.findings) == (
        "problem: missing value",
        "warning: column 'age' tells; `ignore` it",
    )


def test_generate_says_it_in_two_lines() -> None:
    assert understood_lines(NOTES) == [
        "columns: 1 number; ignored: row\N{REPLACEMENT CHARACTER}id",
        "warnings: column 'age' tells",
    ]


def test_long_texts_are_cut_off() -> None:
    assert len(shown("x" * 100)) == 32


def test_mlflow_is_told_of_the_columns_of_the_file() -> None:
    summary = DatasetSummary.model_validate(
        {
            **{"name": "loans", "rows": 9, "features": 2, "feature_names": ("age", "age is missing"), "classes": ()},
            **{"seeds": 2, "train": 3, "validation": 3, "test": 3, "overlapping": True, "md5": "0"},
            "table": NOTES,
        }
    )
    info = _dataset_info(summary)
    assert info.schema is not None
    assert info.profile is not None
    columns = json.loads(info.schema)["mlflow_colspec"]
    assert columns[0] == {"name": "age", "type": "double", "required": False}
    profile = json.loads(info.profile)
    assert profile["understood"]["y"] == "target, yes-no (blanks left out)"
    assert profile["findings"] == ["column 'age' tells; `ignore` it", "missing value"]
    assert json.loads(summary.model_dump_json())["table"]["remarks"] == ["fields separated by semicolons"]
    plain = summary.model_copy(update={"table": None})
    assert "table" not in json.loads(plain.model_dump_json())
