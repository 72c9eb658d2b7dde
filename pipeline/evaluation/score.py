"""The scores of a stack of trained members at one point, before and after calibration."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.calibrator import Calibrator, calibrate, fit_calibrator, refinement_loss
from pipeline.calibration.reliability_curve import isotonic_curve, reliability_curve
from pipeline.data.splits import SPLITS
from pipeline.evaluation.registry import Metric, metrics_of
from pipeline.evaluation.row_groups import rows_of_groups
from pipeline.evaluation.scopes import (
    BINARY,
    CALIBRATOR,
    POSTERIOR,
    ROWS,
    SPLIT,
    TEST,
    Given,
    Scope,
    Split,
    TestSplit,
)
from pipeline.metrics.calibration_error import Uniforms
from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Bools, Floats, Ints, by_class

Logits = Mapping[str, NDArray[np.float32]]
Labels = Mapping[str, NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class Scored:
    """The scores of a stack of S members; a member with a non-finite logit is NaN throughout.

    Attributes:
        scores: `(S,)` by name: `<split>/<metric>`, and `<split>_calibrated/<metric>` with a calibrator fitted on
            validation; `gap/<metric>` and `gap_calibrated/<metric>` are test minus train of nll, accuracy and ece;
            `calibrator/<field>` is the fit. Metrics are those of `registry.METRICS`; `ece_p` and those against the
            posterior (`exact_ce`, `excess_*`) exist on test only. The corp parts are of the top label's Brier score.
            Refinement is that of the logits as trained in both stages, because a fitted calibrator cancels a fixed one.
        curves: Reliability diagrams on test, before (`test/`) and after (`test_calibrated/`) calibration.
            `<stage>/confidence`, `accuracy`, `count`, `exact`: `(S, 15)`, see `reliability_curve`; `<stage>/isotonic`:
            `(S, 101)`, see `isotonic_curve`.
        groups: `(S, G)` by name, `test/<metric>` and `test_calibrated/<metric>`: the scores of each group of test rows
            alone, for the metrics that need no more than those rows; nothing without groups. Groups are cut to the
            size of the smallest, and `smece` is computed on a coarser grid.
    """

    scores: dict[str, Floats]
    curves: dict[str, Floats]
    groups: dict[str, Floats]


def score_members(
    logits: Logits,
    labels: Labels,
    posterior: NDArray[np.floating[Any]] | None,
    *,
    uniforms: Uniforms,
    groups: NDArray[np.integer[Any]] | None = None,
    group_size: int | None = None,
    conditions: Logits = MappingProxyType({}),
    costly: bool = True,
) -> Scored:
    """Score a stack of members trained at one point; a member's numbers are the same to the bit in any stack.

    Args:
        logits: For each of "train", "validation", "test": `(S, n, K)`.
        labels: For the same splits: `(S, n)` integers in [0, K).
        posterior: `(S, n_test, K)` true test probabilities, or None where unknown.
        uniforms: `(resamples, n_test)` uint16 for `ece_p`; see `resampling_uniforms`.
        groups: `(S, n_test)` integers 0, 1, ..., the group of each test row; see `row_groups`.
        group_size: Rows that each group is cut to, where those of other members are smaller than any here.
        conditions: By name, logits `(S, m, K)` of the first m test rows under other conditions, noise on the inputs for
            example: scored like "test", by the same calibrator, without curves.
        costly: Also what takes half of the time: the metrics that are `costly`, and the curves.

    Raises:
        ValueError: If a split is missing, or shapes, labels or probabilities are not as above.
    """
    predicted = {**logits, **conditions}
    finite = _finite_members(predicted, labels)
    clean = {name: np.where(finite[:, None, None], values, np.float32(0)) for name, values in predicted.items()}
    calibrator = fit_calibrator(clean["validation"], labels["validation"])
    test = _TestRows(labels["test"], None if posterior is None else by_class(posterior), uniforms, groups, group_size)
    scored = Scored({}, {}, {})
    for name in (*SPLITS, *conditions):
        rows = None if name in labels and name != "test" else test.first(clean[name].shape[1])
        answers = labels[name] if rows is None else rows.labels
        refinement = refinement_loss(clean[name], answers)
        for stage in STAGES:
            split = _split(_at_stage(clean[name], stage, calibrator), answers, refinement, rows)
            _add(scored.scores, name, stage, _split_scores(split, costly=costly))
            if costly and name == "test":
                _add(scored.curves, name, stage, _curves(split.predictions))
            if rows is not None and rows.groups is not None:
                _add(scored.groups, name, stage, _group_scores(split.predictions.rows(rows.positions), costly=costly))
    scored.scores.update(_gaps(scored.scores, costly=costly))
    _add(scored.scores, "calibrator", "before", _scores(CALIBRATOR, calibrator))
    return _only_finite(scored, finite)


@dataclass(frozen=True)
class _TestRows:
    """What is known of the test rows, or of the first of them."""

    labels: NDArray[np.integer[Any]]
    posterior: Floats | None
    uniforms: Uniforms
    groups: NDArray[np.integer[Any]] | None
    group_size: int | None

    def first(self, rows: int) -> "_TestRows":
        posterior = None if self.posterior is None else self.posterior[:, :rows]
        groups = None if self.groups is None else self.groups[:, :rows]
        size = self.group_size if rows == self.labels.shape[1] else None
        return _TestRows(self.labels[:, :rows], posterior, self.uniforms[:, :rows], groups, size)

    @cached_property
    def positions(self) -> Ints:
        """Positions of each group's rows."""
        if self.groups is None:
            raise ValueError("test rows must have groups, got none")
        return rows_of_groups(self.groups, self.labels.shape, size=self.group_size)


def _at_stage(
    logits: NDArray[np.float32], stage: Stage, calibrator: Calibrator
) -> NDArray[np.float32] | NDArray[np.float64]:
    return logits if stage == "before" else calibrate(logits, calibrator)


def _split(logits: NDArray[Any], labels: NDArray[np.integer[Any]], refinement: Floats, test: _TestRows | None) -> Split:
    if test is None:
        return Split(Predictions.from_logits(logits, labels), refinement)
    predictions = Predictions.from_logits(logits, labels, posterior=test.posterior)
    return TestSplit(predictions, refinement, test.uniforms)


def _split_scores(split: Split, *, costly: bool) -> dict[str, Floats]:
    scores = _row_scores(split.predictions, costly=costly) | _scores(SPLIT, split, costly=costly)
    if isinstance(split, TestSplit):
        scores |= _scores(TEST, split, costly=costly)
        if split.predictions.known_posterior is not None:
            scores |= _scores(POSTERIOR, split, costly=costly)
    return scores


def _scores(scope: Scope[Given], given: Given, *, costly: bool = True) -> dict[str, Floats]:
    return {metric.name: metric.compute(given) for metric in metrics_of(scope, costly=costly)}


def _row_metrics(predictions: Predictions, *, costly: bool) -> tuple[Metric[Predictions], ...]:
    binary = metrics_of(BINARY, costly=costly) if predictions.probs.shape[-1] == 2 else ()
    return (*metrics_of(ROWS, costly=costly), *binary)


def _row_scores(predictions: Predictions, *, costly: bool) -> dict[str, Floats]:
    return {metric.name: metric.compute(predictions) for metric in _row_metrics(predictions, costly=costly)}


def _group_scores(groups: Predictions, *, costly: bool) -> dict[str, Floats]:
    return {
        metric.name: (metric.compute_on_groups or metric.compute)(groups)
        for metric in _row_metrics(groups, costly=costly)
    }


def _curves(predictions: Predictions) -> dict[str, Floats]:
    curve = reliability_curve(predictions)
    return {f.name: getattr(curve, f.name) for f in fields(curve)} | {"isotonic": isotonic_curve(predictions)}


def _add(target: dict[str, Floats], split: str, stage: Stage, values: Mapping[str, Floats]) -> None:
    target.update({str(MetricName(split, stage, name)): value for name, value in values.items()})


def _gaps(scores: Mapping[str, Floats], *, costly: bool) -> dict[str, Floats]:
    metrics = [metric.name for metric in metrics_of(ROWS, costly=costly) if metric.gap]
    names = [MetricName("gap", stage, metric) for stage in STAGES for metric in metrics]
    return {str(name): scores[str(name.on("test"))] - scores[str(name.on("train"))] for name in names}


def _only_finite(scored: Scored, finite: Bools) -> Scored:
    """The scores with NaN for the other members."""
    return Scored(
        {name: np.where(finite, value, np.nan) for name, value in scored.scores.items()},
        {name: np.where(finite[:, None], value, np.nan) for name, value in scored.curves.items()},
        {name: np.where(finite[:, None], value, np.nan) for name, value in scored.groups.items()},
    )


def _finite_members(logits: Logits, labels: Labels) -> Bools:
    """Which members `(S,)` have finite logits wherever they predict."""
    for name, splits in (("logits", logits), ("labels", labels)):
        if missing := [split for split in SPLITS if split not in splits]:
            raise ValueError(f"{name} must hold {', '.join(SPLITS)}; missing: {', '.join(missing)}")
    for name, values in logits.items():
        if values.ndim != 3:
            raise ValueError(f"logits must have shape (S, n, K), got {values.shape} for {name}")
    finite: Bools = np.all([np.isfinite(values).all(axis=(1, 2)) for values in logits.values()], axis=0)
    return finite
