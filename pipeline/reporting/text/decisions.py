"""What decisions cost, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.table import Cell, Column, Table
from pipeline.reporting.text.numbers import fixed, interval
from pipeline.reporting.text.understood import shown
from pipeline.results.decisions import DecisionResult


def decisions_table(
    decisions: Sequence[DecisionResult], classes: Sequence[str], *, title: str, caption: str
) -> Table | None:
    """A row a rule; None where nobody said what mistakes cost."""
    if not decisions:
        return None
    two = len(classes) == 2
    threshold = [Column("threshold", f"from P({shown(classes[1])})")] if two else []
    columns = (Column("rule", "deciding by", kind="label"), *threshold, Column("cost", "cost a row"))
    rows = tuple(
        (Cell(each.rule), *[Cell("" if each.threshold is None else fixed(each.threshold))] * two,
         Cell(interval(each.cost, each)))
        for each in decisions
    )  # fmt: skip
    return Table(title, columns, rows, caption, ())
