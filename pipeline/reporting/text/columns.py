"""Columns of the user's own table as text: what each was understood as, and what must be answered or known."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.data.schema import ColumnSummary, Finding, Role, TableNotes
from pipeline.reporting.table import Cell, Column, Style, Table
from pipeline.reporting.text.understood import shown

_ROLES: dict[Role, str] = {
    "feature": "",
    "target": "target, ",
    "ignored": "ignored, ",
    "group": "group, ",
    "time": "time, ",
}


def columns_table(notes: TableNotes) -> Table:
    """A row a column: what it was understood as, how many values are missing and distinct, an example and a remark."""
    columns = (
        Column("name", "column", kind="text"),
        Column("kind", "understood as", kind="text", least=9),
        Column("missing", "missing"),
        Column("distinct", "distinct"),
        Column("example", "example", kind="text", least=7),
        Column("remark", "remark", kind="text", least=20),
    )
    caption = "The columns of the file as they were understood; distinct values are counted without missing ones"
    return Table("Columns", columns, tuple(_row(each, notes.findings) for each in notes.summaries), caption)


def finding_notes(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Findings in a line each, problems first."""
    ordered = sorted(findings, key=lambda each: each.severity != "problem")
    return tuple(f"{each.severity}: {each.text}" for each in ordered)


def _row(column: ColumnSummary, findings: Sequence[Finding]) -> tuple[Cell, ...]:
    concerned = any(each.column == column.name for each in findings)
    style: Style = "bad" if concerned else "soft" if column.role == "ignored" else ""
    return (
        Cell(shown(column.name)),
        Cell(f"{_ROLES[column.role]}{column.kind}", style),
        Cell(f"{column.missing:,}" if column.missing else ""),
        Cell(f"{column.distinct:,}"),
        Cell(shown(column.example)),
        Cell(column.remark),
    )
