"""The few numbers of a study for `dvc metrics show`: those of the point that validation chooses after calibration."""

from __future__ import annotations

from pipeline.metrics.names import STAGES
from pipeline.reporting.text.points import test_nll
from pipeline.results.record import Record
from pipeline.results.study import StudyResults

DIGITS = 4
"""Significant digits, few enough for a table in a terminal."""


class DatasetMetrics(Record):
    """Test NLL and ECE before and after calibration; NLL after it minus that of none; test minus training NLL."""

    nll: float | None
    nll_calibrated: float | None
    difference: float | None
    low: float | None
    high: float | None
    gap: float | None
    ece: float | None
    ece_calibrated: float | None


def dataset_metrics(results: StudyResults) -> DatasetMetrics:
    """The numbers of one data set; of no regularization itself the difference is not known."""
    choice = results.answer
    point, test = results.point(choice.key), choice.test
    before, after = (test_nll(stage) for stage in STAGES)
    return DatasetMetrics(
        nll=point.mean(before),
        nll_calibrated=point.mean(after),
        difference=None if test is None else test.difference,
        low=None if test is None else test.low,
        high=None if test is None else test.high,
        gap=point.mean(before.on("gap")),
        ece=point.mean(point.decisive(before._replace(metric="ece"))),
        ece_calibrated=point.mean(point.decisive(after._replace(metric="ece"))),
    )
