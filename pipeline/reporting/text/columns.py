"""Columns of the user's own table as text: what each was understood as, and what must be answered or known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from pipeline.data.schema import ColumnSummary, Finding, Kind, TableNotes
from pipeline.data.tables.messages import plural
from pipeline.reporting.table import Cell, Column, Style, Table

_WIDEST = 32
_WARNINGS = 3
_PLURAL: dict[Kind, str] = {"category": "categories", "yes-no": "yes-no", "text": "texts"}
_ROLES: dict[str, str] = {"feature": "", "target": "target, ", "ignored": "ignored, "}


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


def understood_lines(notes: TableNotes) -> list[str]:
    """What a table was understood as in a line, and its warnings in another.

    >>> column = ColumnSummary(name="age", role="feature", kind="number", missing=0, distinct=9, example="41")
    >>> understood_lines(TableNotes(summaries=(column,)))
    ['columns: 1 number']
    """
    kinds = Counter(each.kind for each in notes.summaries if each.role == "feature")
    counts = [plural(kinds[kind], kind, _PLURAL.get(kind, "")) for kind in get_args(Kind) if kind in kinds]
    ignored = [shown(each.name) for each in notes.summaries if each.role == "ignored"]
    left_out = [f"ignored: {_shortened(ignored)}"] if ignored else []
    warnings = [each.message for each in notes.findings if each.severity == "warning"]
    return [
        f"columns: {'; '.join([', '.join(counts), *left_out])}",
        *([f"warnings: {'; '.join(_some(warnings))}"] if warnings else []),
    ]


def finding_notes(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Findings in a line each, problems first."""
    ordered = sorted(findings, key=lambda each: each.severity != "problem")
    return tuple(f"{each.severity}: {each.text}" for each in ordered)


def shown(text: str) -> str:
    """A text of a file as a terminal can show it: on one line, cut off after 32 characters."""
    plain = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return plain if len(plain) <= _WIDEST else f"{plain[: _WIDEST - 3]}..."


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


def _some(warnings: Sequence[str]) -> list[str]:
    more = [f"... ({len(warnings)} in all)"] if len(warnings) > _WARNINGS else []
    return [*warnings[:_WARNINGS], *more]


def _shortened(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
