"""The study's metrics for DVC: those of the point that validation chooses after calibration."""

from pathlib import Path

import pytest

from pipeline.metrics.names import MetricName
from pipeline.reporting.dvc_metrics import dataset_metrics
from pipeline.results.study_files import read_study

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("dataset", ["mixture", "digits"])
def test_they_are_those_of_the_finished_table(dataset: str) -> None:
    results = read_study(ROOT / f"reports/{dataset}/results.json")
    made, choice = dataset_metrics(results), results.answer
    point = results.point(choice.key)
    assert choice.test is not None
    assert (made.difference, made.low, made.high) == (choice.test.difference, choice.test.low, choice.test.high)
    assert made.gap == choice.gap.chosen
    assert (made.nll, made.ece) == (
        point.metrics[MetricName("test", "before", "nll")].mean,
        choice.calibration.chosen.before,
    )
    assert (made.nll_calibrated, made.ece_calibrated) == (
        point.metrics[MetricName("test", "after", "nll")].mean,
        choice.calibration.chosen.after,
    )


def test_no_regularization_has_no_difference_from_itself() -> None:
    results = read_study(ROOT / "reports/digits/results.json")
    answer = results.answer.model_copy(update={"key": "none", "test": None})
    made = dataset_metrics(results.model_copy(update={"answer": answer}))
    assert (made.difference, made.low, made.high) == (None, None, None)
    assert made.nll == results.reference_point.metrics[MetricName("test", "before", "nll")].mean
