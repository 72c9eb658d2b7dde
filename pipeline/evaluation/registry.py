"""The registry of metrics: one row for each, with its name, direction, description and function.

A new metric is a documented function in `pipeline.metrics` and a row here; score files, tables and tracking take their
names from the scores. The rows stand above the calibrators, because some metrics are of a fitted calibrator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal

from pipeline.evaluation.scopes import BINARY, CALIBRATOR, POSTERIOR, ROWS, SPLIT, TEST, Given, Scope
from pipeline.metrics.binary import (
    area_under_roc,
    average_precision,
    class_one_calibration_error,
    class_one_debiased_error,
    class_one_noise_floor,
)
from pipeline.metrics.calibration_error import (
    calibration_noise_floor,
    calibration_p_value,
    classwise_calibration_error,
    confidence_bias,
    debiased_classwise_calibration_error,
    debiased_squared_calibration_error,
    exact_calibration_error,
    expected_calibration_error,
)
from pipeline.metrics.ks_error import ks_calibration_error
from pipeline.metrics.probabilities import Floats
from pipeline.metrics.proper_scores import accuracy, brier_score, negative_log_likelihood
from pipeline.metrics.selective_risk import area_under_generalized_risk_coverage, area_under_risk_coverage
from pipeline.metrics.smooth_error import smooth_calibration_error
from pipeline.statistics.paired_comparison import Direction

GROUP_CELLS = 128  # of the smooth error of a group: enough for the wide kernel that few rows lead to


@dataclass(frozen=True)
class Metric(Generic[Given]):
    """What a score means, and how it is computed.

    Attributes:
        name: The last part of a score's name.
        direction: Which way is better.
        description: A line for tables.
        scope: Where it is computed.
        compute: Its function of what the scope gives, to `(...)`.
        compute_on_groups: Its function on groups of few rows, if another.
        costly: Left out where time is dear: costly metrics take half of it.
        gap: Test minus train is a score as well; of metrics of any rows.
    """

    name: str
    direction: Direction | Literal["none"]
    description: str
    scope: Scope[Given]
    compute: Callable[[Given], Floats]
    compute_on_groups: Callable[[Given], Floats] | None = None
    costly: bool = False
    gap: bool = False


METRICS: tuple[Metric[Any], ...] = (
    Metric("nll", "lower", "mean log-loss, nats", ROWS, negative_log_likelihood, gap=True),
    Metric("brier", "lower", "multiclass Brier score, 0 to 2", ROWS, brier_score),
    Metric("accuracy", "higher", "share of correct predictions", ROWS, accuracy, gap=True),
    Metric(
        "ece",
        "lower",
        "calibration error of the top label, 15 equal-width bins (biased upwards)",
        ROWS,
        expected_calibration_error,
        gap=True,
    ),
    Metric(
        "ece_mass",
        "lower",
        "calibration error of the top label, 15 equal-mass bins (biased upwards)",
        ROWS,
        partial(expected_calibration_error, binning="mass"),
    ),
    Metric(
        "ece_l2",
        "lower",
        "root mean squared calibration error, 15 equal-width bins (biased upwards)",
        ROWS,
        partial(expected_calibration_error, norm="l2"),
    ),
    Metric(
        "ece_max",
        "lower",
        "largest gap of 15 equal-width bins (biased upwards)",
        ROWS,
        partial(expected_calibration_error, norm="max"),
    ),
    Metric(
        "ece_class1",
        "lower",
        "calibration error of class 1 of two, 15 equal-width bins (biased upwards)",
        BINARY,
        class_one_calibration_error,
    ),
    Metric(
        "ece_floor_class1",
        "none",
        "ece_class1 expected of a calibrated model with these probabilities",
        BINARY,
        class_one_noise_floor,
    ),
    Metric(
        "debiased_class1",
        "lower",
        "squared calibration error of class 1 of two without noise bias, signed, 15 equal-mass bins",
        BINARY,
        class_one_debiased_error,
    ),
    Metric("auc", "higher", "area under the ROC curve of class 1 of two; 1/2 is chance", BINARY, area_under_roc),
    Metric(
        "average_precision",
        "higher",
        "average precision of class 1 of two; its rate is chance",
        BINARY,
        average_precision,
    ),
    Metric(
        "ece_floor",
        "none",
        "ece expected of a calibrated model with these confidences",
        SPLIT,
        lambda split: calibration_noise_floor(split.predictions),
    ),
    Metric(
        "ece_p",
        "none",
        "p-value of being calibrated (consistency resampling)",
        TEST,
        lambda test: calibration_p_value(test.predictions, uniforms=test.uniforms),
    ),
    Metric(
        "debiased",
        "lower",
        "squared calibration error without noise bias, signed, 15 equal-mass bins",
        ROWS,
        debiased_squared_calibration_error,
    ),
    Metric(
        "smece",
        "lower",
        "smooth calibration error of the top label",
        ROWS,
        smooth_calibration_error,
        compute_on_groups=partial(smooth_calibration_error, cells=GROUP_CELLS),
        costly=True,
    ),
    Metric(
        "ks",
        "lower",
        "largest difference of cumulated confidence and accuracy of the top label (Kolmogorov-Smirnov)",
        ROWS,
        ks_calibration_error,
        costly=True,
    ),
    Metric(
        "classwise",
        "lower",
        "calibration error of each class, averaged over classes",
        ROWS,
        classwise_calibration_error,
        costly=True,
    ),
    Metric(
        "debiased_classwise",
        "lower",
        "squared calibration error of each class without noise bias, signed, averaged over classes",
        ROWS,
        debiased_classwise_calibration_error,
        costly=True,
    ),
    Metric("bias", "none", "mean confidence minus accuracy; positive is overconfident", ROWS, confidence_bias),
    Metric("aurc", "lower", "area under risk and coverage", ROWS, area_under_risk_coverage, costly=True),
    Metric(
        "augrc",
        "lower",
        "area under generalized risk and coverage",
        ROWS,
        area_under_generalized_risk_coverage,
        costly=True,
    ),
    Metric(
        "refinement",
        "lower",
        "log-loss left after cross-fitted calibration, nats",
        SPLIT,
        lambda split: split.refinement,
    ),
    Metric(
        "calibration",
        "lower",
        "log-loss that cross-fitted calibration removes, nats",
        SPLIT,
        lambda split: negative_log_likelihood(split.predictions) - split.refinement,
    ),
    Metric(
        "corp_miscalibration",
        "lower",
        "top-label Brier score that isotonic regression removes",
        SPLIT,
        lambda split: split.corp.miscalibration,
        costly=True,
    ),
    Metric(
        "corp_discrimination",
        "higher",
        "top-label Brier score gained on the base rate once recalibrated",
        SPLIT,
        lambda split: split.corp.discrimination,
        costly=True,
    ),
    Metric(
        "corp_uncertainty",
        "none",
        "top-label Brier score of the base rate",
        SPLIT,
        lambda split: split.corp.uncertainty,
        costly=True,
    ),
    Metric(
        "exact_ce",
        "lower",
        "calibration error of the top label against the known posterior",
        POSTERIOR,
        lambda test: exact_calibration_error(test.predictions),
    ),
    Metric(
        "excess_brier",
        "lower",
        "Brier score beyond that of the known posterior",
        POSTERIOR,
        lambda test: test.excess.brier,
    ),
    Metric(
        "excess_brier_calibration",
        "lower",
        "its part that recalibrating (class, confidence) could remove",
        POSTERIOR,
        lambda test: test.excess.brier_calibration,
    ),
    Metric(
        "excess_brier_grouping",
        "lower",
        "its part from rows treated alike though their posteriors differ",
        POSTERIOR,
        lambda test: test.excess.brier_grouping,
    ),
    Metric("excess_kl", "lower", "divergence from the known posterior, nats", POSTERIOR, lambda test: test.excess.kl),
    Metric(
        "slope",
        "none",
        "the calibrator's factor of the logits, fitted on validation; 1 / T of a temperature T",
        CALIBRATOR,
        lambda fitted: fitted.slope,
    ),
    Metric(
        "intercept",
        "none",
        "what the calibrator adds to the logit of class 1 of two; 0 for more classes",
        CALIBRATOR,
        lambda fitted: fitted.intercept,
    ),
)


def metrics_of(scope: Scope[Given], *, costly: bool = True) -> tuple[Metric[Given], ...]:
    """The metrics that are computed there, in the order of the registry; with the costly ones, or without."""
    return tuple(metric for metric in METRICS if metric.scope is scope and (costly or not metric.costly))
