"""Rows of the tables that plots are drawn from: sweeps, training histories and reliability bins, one row a mark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from pipeline.core.files import read_csv, write_csv
from pipeline.metrics.names import MetricName
from pipeline.results.record import Level, finite, significant
from pipeline.results.study import PointResult, StudyResults
from pipeline.statistics.intervals import Interval, Widening, mean_interval

DIGITS = 5


@dataclass(frozen=True)
class SweepRow:
    """A metric of a point at one value of a parameter that its variant sweeps."""

    variant: str
    name: str
    parameter: str
    value: Level
    metric: MetricName
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class HistoryRow:
    """A metric of a point after an epoch, over seeds; None where a seed is not finite."""

    variant: str
    name: str
    epoch: int
    metric: MetricName
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ReliabilityRow:
    """A bin of a point's reliability diagram, the mean over the `seeds` whose bin is not empty."""

    variant: str
    name: str
    bin: int
    confidence: float | None
    accuracy: float | None
    low: float | None
    high: float | None
    count: float
    seeds: int


Row = SweepRow | HistoryRow | ReliabilityRow


class _Ends(NamedTuple):
    mean: float | None
    low: float | None
    high: float | None


def columns(row: type[Row]) -> tuple[str, ...]:
    """The columns of a table of such rows."""
    return tuple(field.name for field in fields(row))


def cells(row: Row) -> dict[str, object]:
    """A row by columns, its metric as text."""
    values = {name: getattr(row, name) for name in columns(type(row))}
    return {name: str(value) if isinstance(value, MetricName) else value for name, value in values.items()}


def write_rows(path: Path, rows: Iterable[Row], *, kind: type[Row]) -> None:
    """Write rows of a kind as CSV, floats rounded to `DIGITS` significant digits; no rows leave a header line."""
    write_csv(path, (significant(cells(row), DIGITS) for row in rows), columns=columns(kind))


def read_history(path: Path) -> tuple[HistoryRow, ...]:
    """Read a table of `HistoryRow` that `write_rows` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """

    def row_of(row: dict[str, Any]) -> HistoryRow:
        return HistoryRow(**{**row, "epoch": int(row["epoch"]), "metric": MetricName.parse(row["metric"])})

    return tuple(read_csv(path, cells=dict.fromkeys(("epoch", *_Ends._fields), float), into=row_of))


def sweep_rows(results: StudyResults) -> list[SweepRow]:
    """Every metric of every point, once for each parameter that differs within its variant, the A/A check left out.

    A list value becomes text ("128-128").
    """
    variants = dict.fromkeys(point.variant for point in results.points)
    groups = ([point for point in results.contenders if point.variant == variant] for variant in variants)
    return [row for group in groups for row in _variant_rows(group)]


def history_rows(
    variant: str,
    name: str,
    curves: Mapping[MetricName, Shaped[np.ndarray, "seeds epochs"]],
    *,
    epochs: Sequence[int],
    confidence: float = 0.95,
    inflation: float = 0.0,
) -> list[HistoryRow]:
    """Rows of one point, from the curves of its seeds.

    Intervals are cut at what a metric can be: NLL from 0, accuracy from 0 to 1.
    """
    rows = []
    for metric, values in curves.items():
        by_epoch = np.swapaxes(np.asarray(values, dtype=np.float64), 0, 1)
        interval = mean_interval(by_epoch, confidence=confidence, widening=Widening(inflation))
        highest = 1.0 if metric.metric == "accuracy" else None
        rows += [
            HistoryRow(variant, name, epoch, metric, *_within(_ends(interval, j), highest))
            for j, epoch in enumerate(epochs)
        ]
    return rows


def reliability_rows(
    variant: str,
    name: str,
    curves: Mapping[str, Float[np.ndarray, "seeds bins"]],
    *,
    confidence: float = 0.95,
    inflation: float = 0.0,
) -> list[ReliabilityRow]:
    """Rows of one point, for each bin that any seed fills.

    `curves` has `confidence`, `accuracy` and `count`. Seeds are never pooled before binning, which would average
    their errors away: each is binned by itself. The interval is that of the accuracy.
    """
    rows = []
    for j in np.flatnonzero((curves["count"] > 0).any(axis=0)).tolist():
        filled = curves["count"][:, j] > 0
        accuracy = mean_interval(curves["accuracy"][filled, j], confidence=confidence, widening=Widening(inflation))
        binned = _ends(mean_interval(curves["confidence"][filled, j]), ()).mean
        ends, count = _within(_ends(accuracy, ()), 1.0), float(curves["count"][filled, j].mean())
        rows.append(ReliabilityRow(variant, name, j, binned, *ends, count, int(filled.sum())))
    return rows


def _variant_rows(points: Sequence[PointResult]) -> Iterator[SweepRow]:
    for parameter in sorted(set.intersection(*(set(point.given) for point in points))):
        values = [getattr(point.parameters, parameter) for point in points]
        if len(set(map(str, values))) > 1:
            for point, value in zip(points, values, strict=True):
                for metric, entry in point.metrics.items():
                    ends = (entry.mean, entry.low, entry.high)
                    yield SweepRow(point.variant, point.name, parameter, _flat(value), metric, *ends)


def _within(ends: _Ends, highest: float | None) -> _Ends:
    """Ends no lower than 0 and no higher than `highest`."""

    def cut(value: float | None) -> float | None:
        return None if value is None else min(max(value, 0.0), value if highest is None else highest)

    return _Ends(*map(cut, ends))


def _flat(value: Level | tuple[int, ...]) -> Level:
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def _ends(interval: Interval, index: int | tuple[()]) -> _Ends:
    return _Ends(*(finite(float(field[index])) for field in interval))
