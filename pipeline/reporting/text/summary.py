"""What holds on all data sets, as text: which points survive calibration, and where data sets disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.metrics.names import STAGES
from pipeline.reporting.table import Cell, Column, Table
from pipeline.reporting.text.points import STAGE_NAMES, SUFFIX, verdict_cell
from pipeline.results.readable_names import readable
from pipeline.results.summary import PointSummary, Summary


@dataclass(frozen=True)
class Overview:
    """The page's part: sentences, names of points, and the table of all verdicts."""

    counts: tuple[str, ...]
    survivors: tuple[str, ...]
    conflicts: tuple[str, ...]
    best: tuple[str, ...]
    verdicts: Table


def overview(summary: Summary, datasets: Iterable[str]) -> Overview:
    """What the page says of all data sets, in this order."""
    names = list(datasets)
    return Overview(
        counts=tuple(_counts(summary, names)),
        survivors=tuple(readable(point.key) for point in summary.points if point.survives),
        conflicts=tuple(readable(point.key) for point in summary.points if point.conflict),
        best=tuple(_best(summary, names)),
        verdicts=_verdicts(summary, names),
    )


def _counts(summary: Summary, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        count = summary.counts[name]
        yield (
            f"On {name}, {count.before} of {len(summary.points)} points beat no regularization as trained; "
            f"{count.kept} of them and {count.after - count.kept} more do after calibration."
        )


def _best(summary: Summary, names: list[str]) -> Iterator[str]:
    for best in summary.best:
        others = ", ".join(
            f"number {best.places[name]} of {len(summary.ranking[name])} on {name}"
            for name in names
            if name != best.dataset
        )
        yield f"The best point on {best.dataset}, {readable(best.key)}, is {others}."


def _verdicts(summary: Summary, names: list[str]) -> Table:
    columns = [Column("name", "point", kind="text")]
    columns += [Column(f"{name}{SUFFIX[stage]}", STAGE_NAMES[stage], name) for name in names for stage in STAGES]
    columns.append(Column("together", "all together"))
    rows = tuple(tuple(_row(point, names)) for point in summary.points)
    caption = "Verdict on test NLL against no regularization, as trained and after calibration"
    return Table("Verdicts on all data sets", tuple(columns), rows, caption)


def _row(point: PointSummary, names: list[str]) -> Iterator[Cell]:
    yield Cell(readable(point.key))
    for name in names:
        findings = point.verdicts[name]
        yield from (verdict_cell(findings.before), verdict_cell(findings.after))
    if point.survives:
        yield Cell("better on all", "good")
    else:
        yield Cell("depends on the data", "bad") if point.conflict else Cell("")
