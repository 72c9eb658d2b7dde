"""The audit of the estimators of calibration as text: their names, and the table of their bias and coverage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.reporting.table import Cell, Column, Table, cells
from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.textbook_names import setting
from pipeline.results.readable_names import readable
from pipeline.results.textbook import ENOUGH, AuditRow

_NAMES = {
    "ece": "ECE",
    "ece_mass": "ECE, equal mass",
    "ece_l2": "ECE, root mean square",
    "ece_max": "ECE, largest bin",
    "smece": "smooth CE",
    "debiased": "debiased²",
    "classwise": "classwise",
    "corp_miscalibration": "CORP miscalibration",
    "calibration": "calibration loss",
    "bias": "confidence − accuracy",
}
_CAPTION = (
    "Bias: mean estimate minus truth. Coverage: in how many percent of cases a 95% interval holds the truth, that of "
    "Student t over networks, widened for the test rows that they share, or of one network's bootstrap; marked outside "
    f"{100 * ENOUGH[0]:g} to {100 * ENOUGH[1]:g}"
)


def readable_estimator(estimator: str) -> str:
    """An estimator as people would write it."""
    return _NAMES.get(estimator, readable(estimator))


def network(row: AuditRow) -> str:
    """The data set and the setting of the networks that an estimator is tried on."""
    return f"{readable(row.dataset)}, {setting(row.cell)}"


def sizes(rows: Sequence[AuditRow]) -> list[int]:
    """Rows of a test set, ascending."""
    return sorted({row.rows for row in rows})


def audit_table(rows: Sequence[AuditRow]) -> Table:
    """A row for each network and estimator: its truth, and for each size of a test set its bias and its coverage.

    An estimator with a bootstrap interval has one more.
    """
    groups: dict[tuple[str, str, str], dict[int, AuditRow]] = {}
    for row in rows:
        if row.part == "study" or row.coverage is not None:
            groups.setdefault((network(row), row.estimator, row.part), {})[row.rows] = row
    columns = [Column("estimator", "estimator", kind="text"), Column("network", "network"), Column("truth", "truth")]
    columns += [
        Column(f"{key}/{size}", f"{size:,}", group)
        for key, group in (("bias", "bias with n test rows"), ("coverage", "coverage"))
        for size in sizes(rows)
    ]
    body = tuple(tuple(_row(group, sizes(rows))) for group in groups.values())
    return Table("The audit of the estimators of calibration", tuple(columns), body, _CAPTION)


def _row(by_size: Mapping[int, AuditRow], wanted: Sequence[int]) -> Iterator[Cell]:
    first = next(iter(by_size.values()))
    name = readable_estimator(first.estimator) + ", bootstrap" * (first.part == "network")
    yield from cells(name, network(first), short(first.truth, digits=4))
    yield from (_bias(by_size.get(size)) for size in wanted)
    yield from (_coverage(by_size.get(size)) for size in wanted)


def _bias(row: AuditRow | None) -> Cell:
    return Cell("" if row is None else short(row.bias, digits=4, sign=True))


def _coverage(row: AuditRow | None) -> Cell:
    """The coverage in percent, marked where it is not within `ENOUGH`."""
    if row is None or row.coverage is None:
        return Cell("")
    return Cell(f"{100 * row.coverage:.0f}", "" if row.within else "bad")
