"""Points as rows of a table, class frequencies below them: metrics in both stages, and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.reporting.table import Cell, Column, Table, verdict_style
from pipeline.reporting.text.numbers import short, short_interval
from pipeline.results.readable_names import DAGGER
from pipeline.results.study import BaseRates, Comparison, Finding, Measured

Row = TypeVar("Row", bound=Measured)
STAGE_NAMES: dict[Stage, str] = {"before": "as trained", "after": "after calibration"}
SUFFIX: dict[Stage, str] = {"before": "", "after": "_calibrated"}
"""Of the keys of columns."""
AUC = MetricName("test", "before", "auc")
"""Of class 1, where there are two classes."""
CLASS_FREQUENCIES = "class frequencies"
"""The name of the base rates' row."""
_NAME = 22
_TITLES = {
    "nll": "NLL",
    "gap": "gap",
    "ece": "ECE/floor",
    "debiased": "debiased",
    "difference": "NLL − none",
    "p_better": "P(better)",
    "verdict": "verdict",
    "more_seeds": "+n",
}


def test_nll(stage: Stage) -> MetricName:
    """The metric that verdicts are about."""
    return MetricName("test", stage, "nll")


def mean_text(point: Measured, metric: MetricName, *, digits: int = 3, sign: bool = False) -> str:
    """A metric's mean as text."""
    return short(point.mean(metric), digits=digits, sign=sign)


def points_table(
    title: str,
    points: Iterable[Row],
    base_rates: BaseRates,
    *,
    name: Callable[[Row], str],
    head: str,
) -> Table:
    """All that tables show of points: columns `name`, `accuracy`, and those of `_TITLES`, which end in `SUFFIX`.

    Args:
        title: what the table is, for those who cannot see it.
        points: a row each.
        base_rates: the last row.
        name: what a point is called.
        head: of the column of names.
    """
    points = list(points)
    binary = any(AUC in point.metrics for point in points)
    accuracy = Column("accuracy", "accuracy/AUC" if binary else "accuracy", alone="acc/AUC" if binary else "acc")
    columns = [Column("name", head, kind="text", least=_NAME), accuracy]
    columns += [
        Column(key + SUFFIX[stage], text, STAGE_NAMES[stage], text + " cal." * (stage == "after"))
        for stage in STAGES
        for key, text in _TITLES.items()
    ]
    rows = [*(tuple(_row(point, name(point))) for point in points), soft(_row(base_rates, CLASS_FREQUENCIES))]
    return Table(title, tuple(columns), tuple(rows))


def soft(row: Iterable[Cell]) -> tuple[Cell, ...]:
    """A row that stands back behind the others."""
    return tuple(cell._replace(style="soft") for cell in row)


def verdict_cell(finding: Finding, *, fails_holm: bool = False) -> Cell:
    """A finding, with a dagger where it fails Holm's correction."""
    return Cell(finding + DAGGER * fails_holm, verdict_style(finding))


def _row(point: Measured, name: str) -> list[Cell]:
    accuracy = mean_text(point, MetricName("test", "before", "accuracy"))
    row = [Cell(name), Cell(f"{accuracy}/{mean_text(point, AUC)}" if AUC in point.metrics else accuracy)]
    for stage in STAGES:
        row += [*_metrics(point, stage), *_compared(point.comparison(test_nll(stage)))]
    return row


def _metrics(point: Measured, stage: Stage) -> list[Cell]:
    nll = test_nll(stage)
    ece, floor = (mean_text(point, point.decisive(nll._replace(metric=metric))) for metric in ("ece", "ece_floor"))
    debiased = mean_text(point, point.decisive(nll._replace(metric="debiased")), digits=4, sign=True)
    return [
        Cell(mean_text(point, nll)),
        Cell(mean_text(point, nll.on("gap"))),
        Cell(f"{ece}/{floor}"),
        Cell(debiased),
    ]


def _compared(entry: Comparison | None) -> list[Cell]:
    """Difference, P(better), verdict and how many more seeds would settle it."""
    if entry is None:
        return [Cell("")] * 4
    if entry.left_out:
        return [Cell(""), Cell(""), Cell("left out", "soft"), Cell("")]
    return [
        Cell(short_interval(entry.difference, entry, sign=True)),
        Cell(short_interval(entry.p_better.estimate, entry.p_better, digits=2)),
        verdict_cell(entry.finding, fails_holm=entry.fails_holm),
        Cell("" if entry.more_seeds is None else str(entry.more_seeds)),
    ]
