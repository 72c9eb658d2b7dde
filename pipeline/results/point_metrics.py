"""Metrics of points in one Parquet file: a row a point and metric, its comparison with the reference beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.core.files import readable
from pipeline.metrics.names import STAGES, MetricName
from pipeline.results.parquet import Column, read_parquet, write_parquet
from pipeline.results.record import first_error, significant
from pipeline.results.study import Comparison, GapClosed, MetricSummary, PointResult, ProbabilityBetter

_TEXT, _COUNT, _NUMBER = Column("string"), Column("int64"), Column("float64", optional=True)
_WORD, _MORE, _FLAG = (Column(kind, optional=True) for kind in ("string", "int64", "bool"))
_FIELDS: dict[str, tuple[str, str, Column]] = {
    "key": ("point", "key", _TEXT),
    "variant": ("point", "variant", _TEXT),
    "name": ("point", "name", _TEXT),
    "split": ("metric", "split", _TEXT),
    "stage": ("metric", "stage", _TEXT),
    "metric": ("metric", "metric", _TEXT),
    "mean": ("summary", "mean", _NUMBER),
    "low": ("summary", "low", _NUMBER),
    "high": ("summary", "high", _NUMBER),
    "not_finite": ("summary", "not_finite", _COUNT),
    "difference": ("comparison", "difference", _NUMBER),
    "difference_low": ("comparison", "low", _NUMBER),
    "difference_high": ("comparison", "high", _NUMBER),
    "p": ("comparison", "p", _NUMBER),
    "p_holm": ("comparison", "p_holm", _NUMBER),
    "inflation": ("comparison", "inflation", _NUMBER),
    "freedom": ("comparison", "freedom", _NUMBER),
    "p_better": ("p_better", "estimate", _NUMBER),
    "p_better_low": ("p_better", "low", _NUMBER),
    "p_better_high": ("p_better", "high", _NUMBER),
    "verdict": ("comparison", "verdict", _WORD),
    "equivalent": ("comparison", "equivalent", _FLAG),
    "more_seeds": ("comparison", "more_seeds", _MORE),
    "left_out": ("comparison", "left_out", _WORD),
    "closed_percent": ("closed", "percent", _NUMBER),
    "closed_low": ("closed", "low", _NUMBER),
    "closed_high": ("closed", "high", _NUMBER),
}
"""Columns by what they are a field of; those of a comparison are empty where a metric is not compared."""
COLUMNS = {name: column for name, (_, _, column) in _FIELDS.items()}
Cells = Mapping[str, Sequence[Any]]


class Measurements(NamedTuple):
    """The metrics of a point, and its comparisons with the reference."""

    metrics: dict[MetricName, MetricSummary]
    against_reference: dict[MetricName, Comparison]


def write_metrics(path: Path, points: Sequence[PointResult]) -> None:
    """Write the metrics and comparisons of points, metrics in the order of their names, floats as `write_record` does.

    Raises:
        ValueError: a metric is compared and has no mean, or a comparison says what it closes, and is not of a gap.
    """
    rows = [(point, name) for point in points for name in sorted(point.metrics, key=str)]
    if len(rows) < sum(len(point.metrics.keys() | point.against_reference) for point in points):
        raise ValueError("against_reference must compare metrics of the point")
    compared = [point.comparison(name) for point, name in rows]
    if any(each and (each.closed is None) is _is_of_gap(name) for each, (_, name) in zip(compared, rows, strict=True)):
        raise ValueError("closed must be known of gaps, and of nothing else")
    owners: dict[str, list[Any]] = {
        "point": [point for point, _ in rows],
        "metric": [name for _, name in rows],
        "summary": [point.metrics[name] for point, name in rows],
        "comparison": compared,
        "p_better": [each and each.p_better for each in compared],
        "closed": [each and each.closed for each in compared],
    }
    cells = {name: _column(owners[owner], field) for name, (owner, field, _) in _FIELDS.items()}
    write_parquet(path, COLUMNS, cells)


def read_metrics(path: Path) -> dict[str, Measurements]:
    """Read what `write_metrics` wrote, by the points' keys.

    Raises:
        InputError: the file is missing, damaged, or of another shape.
    """
    points: dict[str, Measurements] = {}
    with readable(path, ValueError):
        try:
            for cells in read_parquet(path, COLUMNS):
                _take_in(cells, points)
        except ValidationError as error:
            raise ValueError(first_error(error)) from None
    return points


def _is_of_gap(name: MetricName) -> bool:
    return name.split == "gap"


def _column(owners: Sequence[object], field: str) -> Sequence[object]:
    value = attrgetter(field)
    column: list[object] = significant([None if each is None else value(each) for each in owners])
    return column


def _take_in(cells: Cells, points: dict[str, Measurements]) -> None:
    """Add some rows to what is known of points."""
    for key, name, values in zip(cells["key"], _names(cells), _values("summary", cells), strict=True):
        metrics = points.setdefault(key, Measurements({}, {})).metrics
        if name in metrics:
            raise ValueError(f"{key}: {name} must have one row")
        metrics[name] = MetricSummary(**values)
    is_compared = [verdict is not None for verdict in cells["verdict"]]
    compared = {name: list(compress(column, is_compared)) for name, column in cells.items()}
    names = _names(compared)
    for key, name, comparison in zip(compared["key"], names, _comparisons(names, compared), strict=True):
        points[key].against_reference[name] = comparison


def _names(cells: Cells) -> list[MetricName]:
    """The metric of every row.

    Raises:
        ValueError: there is no such stage, or a split or a metric cannot have its name.
    """
    parts = list(zip(*(cells[part] for part in MetricName._fields), strict=True))
    known = {part: MetricName(*part) for part in {*parts}}
    for name in known.values():
        if name.stage not in STAGES or MetricName.parse(str(name)) != name:
            raise ValueError(f"split, stage and metric must be those of a name, got {', '.join(name)}")
    return [known[part] for part in parts]


def _comparisons(names: Sequence[MetricName], cells: Cells) -> Iterator[Comparison]:
    owners = (_values(owner, cells) for owner in ("comparison", "p_better", "closed"))
    for name, values, p_better, closed in zip(names, *owners, strict=True):
        gap = GapClosed(**closed) if _is_of_gap(name) else None
        yield Comparison(**values, p_better=ProbabilityBetter(**p_better), closed=gap)


def _values(owner: str, cells: Cells) -> Iterator[dict[str, Any]]:
    """The fields of one owner, row by row."""
    fields = {field: cells[name] for name, (each, field, _) in _FIELDS.items() if each == owner}
    return (dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True))
