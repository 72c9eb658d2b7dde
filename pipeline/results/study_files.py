"""Files of a finished study: a summary in JSON, and the metrics of its points in a Parquet file beside it."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.files import readable
from pipeline.results.point_metrics import read_metrics, write_metrics
from pipeline.results.rank_changes import find_verdict_changes
from pipeline.results.record import read_record, write_record
from pipeline.results.study import PointEntry, PointResult, StudyHead, StudyResults

POINTS = "points.parquet"
"""Beside results.json."""


class StudySummary(StudyHead):
    """A finished study as reports/<dataset>/results.json holds it.

    Verdicts that change with calibration are not in it: they follow from the comparisons and the ranking.
    """

    points: tuple[PointEntry, ...]


def write_study(path: Path, results: StudyResults) -> None:
    """Write a study's summary, and what is measured of its points beside it."""
    write_metrics(path.with_name(POINTS), results.points)
    head = {name: getattr(results, name) for name in StudySummary.model_fields}
    write_record(path, StudySummary(**head))


def read_study(path: Path) -> StudyResults:
    """Read the study that `write_study` wrote, from its summary and the file beside it.

    Raises:
        InputError: one of them is missing, damaged, of another shape, or of another study.
    """
    summary = read_record(StudySummary, path)
    measured = read_metrics(path.with_name(POINTS))
    with readable(path.with_name(POINTS), LookupError, ValueError):
        if other := measured.keys() ^ {entry.key for entry in summary.points}:
            raise ValueError(f"points must be those of {path.name}, got {min(other)!r} in one of them")
        points = tuple(PointResult(**dict(entry), **measured[entry.key]._asdict()) for entry in summary.points)
        changes = find_verdict_changes(points, summary.ranking)
        return StudyResults(**dict(summary) | {"points": points, "verdict_changes": changes})
