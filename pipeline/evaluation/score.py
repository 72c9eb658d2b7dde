"""Everything measured on a stack of trained members at one point, before and after temperature scaling."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.reliability_curve import ranked_curve
from pipeline.calibration.temperature import (
    Decomposition,
    Temperature,
    decompose_log_loss,
    fit_temperature,
    scale_logits,
)
from pipeline.data.splits import SPLITS
from pipeline.evaluation.row_groups import rows_of_groups
from pipeline.metrics.calibration_error import (
    Uniforms,
    binned_error,
    classwise_calibration_error,
    consistency_p_value,
    debiased_error,
    noise_floor,
)
from pipeline.metrics.predictions import Floats, Ranked, Top, by_class, mean, rank, rank_truth, softmax, top_label
from pipeline.metrics.proper_scores import (
    brier_score,
    excess_risk,
    isotonic_fit,
    negative_log_likelihood_of_logs,
    ranked_areas,
    ranked_corp,
)
from pipeline.metrics.smooth_error import smooth_error

Logits = Mapping[str, NDArray[np.float32]]
Labels = Mapping[str, NDArray[np.integer[Any]]]

GAPS = ("nll", "accuracy", "ece")
COSTLY = ("smece", "classwise", "aurc", "augrc", "corp_miscalibration", "corp_discrimination", "corp_uncertainty")
GRID_POINTS = 101
GROUP_CELLS = 128  # of the smooth error of a group: enough for the wide kernel that few rows lead to


@dataclass(frozen=True)
class Metric:
    """What a score means: the last part of its name, which way is better, and a line for tables."""

    name: str
    direction: Literal["lower", "higher", "none"]
    description: str


METRICS = (
    Metric("nll", "lower", "mean log-loss, nats"),
    Metric("brier", "lower", "multiclass Brier score, 0 to 2"),
    Metric("accuracy", "higher", "share of correct predictions"),
    Metric("ece", "lower", "calibration error of the top label, 15 equal-width bins (biased upwards)"),
    Metric("ece_mass", "lower", "calibration error of the top label, 15 equal-mass bins (biased upwards)"),
    Metric("ece_l2", "lower", "root mean squared calibration error, 15 equal-width bins (biased upwards)"),
    Metric("ece_max", "lower", "largest gap of 15 equal-width bins (biased upwards)"),
    Metric("ece_floor", "none", "ece expected of a calibrated model with these confidences"),
    Metric("ece_p", "none", "p-value of being calibrated (consistency resampling)"),
    Metric("debiased", "lower", "squared calibration error without noise bias, signed, 15 equal-mass bins"),
    Metric("smece", "lower", "smooth calibration error of the top label"),
    Metric("classwise", "lower", "calibration error of each class, averaged over classes"),
    Metric("bias", "none", "mean confidence minus accuracy; positive is overconfident"),
    Metric("aurc", "lower", "area under risk and coverage"),
    Metric("augrc", "lower", "area under generalized risk and coverage"),
    Metric("refinement", "lower", "log-loss left after cross-fitted temperature scaling, nats"),
    Metric("calibration", "lower", "log-loss that cross-fitted temperature scaling removes, nats"),
    Metric("corp_miscalibration", "lower", "top-label Brier score that isotonic regression removes"),
    Metric("corp_discrimination", "higher", "top-label Brier score gained on the base rate once recalibrated"),
    Metric("corp_uncertainty", "none", "top-label Brier score of the base rate"),
    Metric("exact_ce", "lower", "calibration error of the top label against the known posterior"),
    Metric("excess_brier", "lower", "Brier score beyond that of the known posterior"),
    Metric("excess_brier_calibration", "lower", "its part that recalibrating (class, confidence) could remove"),
    Metric("excess_brier_grouping", "lower", "its part from rows treated alike though their posteriors differ"),
    Metric("excess_kl", "lower", "divergence from the known posterior, nats"),
    Metric("beta", "none", "inverse temperature fitted on validation"),
    Metric("accepted", "none", "temperature scaling improves validation log-loss (1) or is left out (0)"),
    Metric("at_bound", "none", "fitted temperature is at its bound (1)"),
)


@dataclass(frozen=True)
class Scored:
    """What was measured on a stack of S members; a member with a non-finite logit is NaN throughout.

    Attributes:
        scores: `(S,)` by name: `<split>/<metric>`, and `<split>_ts/<metric>` after temperature scaling fitted on
            validation; `gap/<metric>` and `gap_ts/<metric>` are test minus train of nll, accuracy and ece;
            `temperature/<field>` is the fit. Metrics are those of `METRICS`; `ece_p` and those against the posterior
            (`exact_ce`, `excess_*`) exist on test only. The corp parts are of the top label's Brier score. Refinement
            is that of the unscaled logits in both stages, because a fitted temperature cancels a constant one.
        curves: Reliability diagrams on test, before (`test/`) and after (`test_ts/`) scaling. `<stage>/confidence`,
            `accuracy`, `count`, `exact`: `(S, 15)`, means over equal-width bins (a, b]; NaN in empty bins, `exact` NaN
            without posterior. `<stage>/isotonic`: `(S, 101)`, isotonic regression of correctness on confidence,
            interpolated to confidences 0, .01, ..., 1; NaN outside the range of confidences.
        groups: `(S, G)` by name, `test/<metric>` and `test_ts/<metric>`: the scores of each group of test rows alone,
            for the metrics that need no more than those rows; nothing without groups. Groups are cut to the size of
            the smallest, and `smece` is found on a coarser grid.
    """

    scores: dict[str, Floats]
    curves: dict[str, Floats]
    groups: dict[str, Floats]


@dataclass(frozen=True)
class _Predictions:
    """One split's predictions, with what several metrics need."""

    probs: Floats
    log_probs: Floats
    labels: NDArray[np.integer[Any]]
    top: Top
    ranked: Ranked

    @cached_property
    def isotonic(self) -> Floats:
        return isotonic_fit(self.ranked)


def score_members(
    logits: Logits,
    labels: Labels,
    posterior: NDArray[np.floating[Any]] | None,
    *,
    uniforms: Uniforms,
    groups: NDArray[np.integer[Any]] | None = None,
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
        conditions: By name, logits `(S, m, K)` of the first m test rows under other conditions, noise on the inputs for
            example: scored like "test", by the same temperature, without curves.
        costly: Also what takes half of the time: the metrics in `COSTLY`, and the curves.

    Raises:
        ValueError: If a split is missing, or shapes, labels or probabilities are not as above.
    """
    predicted = {**logits, **conditions}
    finite = _finite_members(predicted, labels)
    clean = {name: np.where(finite[:, None, None], values, np.float32(0)) for name, values in predicted.items()}
    temperature = fit_temperature(clean["validation"], labels["validation"])
    truth = None if posterior is None else by_class(posterior)
    test = _Test(labels["test"], truth, uniforms, groups)
    scores: dict[str, Floats] = {}
    curves: dict[str, Floats] = {}
    grouped: dict[str, Floats] = {}
    for split in (*SPLITS, *conditions):
        rows = None if split in labels and split != "test" else test.first(clean[split].shape[1])
        answers = labels[split] if rows is None else rows.labels
        parts = decompose_log_loss(clean[split], answers)
        for stage, values in _stages(clean[split], temperature).items():
            seen = _predictions(values, answers)
            found, points, partial = _common_scores(seen, parts, costly=costly), {}, {}
            if rows is not None:
                beside = None if rows.truth is None else rank_truth(seen.top, rows.truth)
                found |= _test_scores(seen, rows.truth, beside, uniforms=rows.uniforms)
                points = _curves(seen, beside) if costly and split == "test" else {}
                if rows.places is not None:
                    partial = _partial_scores(_grouped(seen, rows.places), cells=GROUP_CELLS, costly=costly)
            scores |= {f"{split}{stage}/{name}": value for name, value in found.items()}
            curves |= {f"{split}{stage}/{name}": value for name, value in points.items()}
            grouped |= {f"{split}{stage}/{name}": value for name, value in partial.items()}
    scores |= _gaps(scores)
    scores |= {f"temperature/{f.name}": getattr(temperature, f.name) for f in fields(temperature)}
    return Scored(
        {name: np.where(finite, value, np.nan) for name, value in scores.items()},
        {name: np.where(finite[:, None], value, np.nan) for name, value in curves.items()},
        {name: np.where(finite[:, None], value, np.nan) for name, value in grouped.items()},
    )


@dataclass(frozen=True)
class _Test:
    """What is known of the test rows, or of the first of them."""

    labels: NDArray[np.integer[Any]]
    truth: Floats | None
    uniforms: Uniforms
    groups: NDArray[np.integer[Any]] | None

    def first(self, rows: int) -> "_Test":
        truth = None if self.truth is None else self.truth[:, :rows]
        groups = None if self.groups is None else self.groups[:, :rows]
        return _Test(self.labels[:, :rows], truth, self.uniforms[:, :rows], groups)

    @cached_property
    def places(self) -> NDArray[np.int64] | None:
        return None if self.groups is None else rows_of_groups(self.groups, self.labels.shape)


def _stages(logits: NDArray[np.float32], temperature: Temperature) -> dict[str, NDArray[np.floating[Any]]]:
    return {"": logits, "_ts": scale_logits(logits, temperature)}


def _predictions(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> _Predictions:
    probs, log_probs = softmax(logits)
    top = top_label(probs)
    ranked = rank(top.confidence, top.predicted == labels)
    return _Predictions(probs, log_probs, labels, top, ranked)


def _grouped(seen: _Predictions, rows: NDArray[np.int64]) -> _Predictions:
    """The predictions `(S, G, m, K)` of each group's rows."""
    flat = rows.reshape(len(rows), -1)

    def take(values: NDArray[Any]) -> NDArray[Any]:
        return np.take_along_axis(values, flat, axis=-1).reshape(rows.shape)

    probs, log_probs = (
        np.moveaxis(np.stack([take(values[..., k]) for k in range(values.shape[-1])]), 0, -1)
        for values in (seen.probs, seen.log_probs)
    )
    labels, top = take(seen.labels), Top(take(seen.top.confidence), take(seen.top.predicted))
    return _Predictions(probs, log_probs, labels, top, rank(top.confidence, top.predicted == labels))


def _common_scores(seen: _Predictions, parts: Decomposition, *, costly: bool) -> dict[str, Floats]:
    found = _partial_scores(seen, costly=costly)
    found |= {
        "ece_floor": noise_floor(seen.ranked.confidence),
        "refinement": parts.refinement,
        "calibration": found["nll"] - parts.refinement,
    }
    if not costly:
        return found
    corp = ranked_corp(seen.ranked, isotonic=seen.isotonic)
    return found | {f"corp_{field.name}": getattr(corp, field.name) for field in fields(corp)}


def _partial_scores(seen: _Predictions, *, costly: bool, cells: int = 1024) -> dict[str, Floats]:
    """Scores that any part of the rows has; `cells` of the smooth calibration error."""
    probs, labels, ranked = seen.probs, seen.labels, seen.ranked
    correct = mean(ranked.correct)
    found = {
        "nll": negative_log_likelihood_of_logs(seen.log_probs, labels),
        "brier": brier_score(probs, labels),
        "accuracy": correct,
        "ece": binned_error(ranked),
        "ece_mass": binned_error(ranked, binning="mass"),
        "ece_l2": binned_error(ranked, norm="l2"),
        "ece_max": binned_error(ranked, norm="max"),
        "debiased": debiased_error(ranked),
        "bias": mean(ranked.confidence) - correct,
    }
    if not costly:
        return found
    aurc, augrc = ranked_areas(ranked)
    smooth, classwise = smooth_error(ranked, cells=cells), classwise_calibration_error(probs, labels)
    return found | {"smece": smooth, "classwise": classwise, "aurc": aurc, "augrc": augrc}


def _test_scores(
    seen: _Predictions, posterior: Floats | None, beside: Ranked | None, *, uniforms: Uniforms
) -> dict[str, Floats]:
    """Scores on test only; `beside` ranks the predictions beside their true probabilities."""
    p_value = consistency_p_value(seen.ranked, uniforms=uniforms)
    if posterior is None or beside is None:
        return {"ece_p": p_value}
    excess = excess_risk(seen.probs, posterior, log_probs=seen.log_probs, top=seen.top)
    return {
        "ece_p": p_value,
        "exact_ce": binned_error(beside, bins=50, binning="mass"),
        "excess_brier": excess.brier,
        "excess_brier_calibration": excess.brier_calibration,
        "excess_brier_grouping": excess.brier_grouping,
        "excess_kl": excess.kl,
    }


def _curves(seen: _Predictions, beside: Ranked | None) -> dict[str, Floats]:
    curve = ranked_curve(seen.ranked, beside)
    return {f.name: getattr(curve, f.name) for f in fields(curve)} | {
        "isotonic": _on_grid(seen.ranked.confidence, seen.isotonic)
    }


def _gaps(scores: Mapping[str, Floats]) -> dict[str, Floats]:
    return {
        f"gap{stage}/{name}": scores[f"test{stage}/{name}"] - scores[f"train{stage}/{name}"]
        for stage in ("", "_ts")
        for name in GAPS
    }


def _on_grid(confidence: Floats, isotonic: Floats) -> Floats:
    grid = np.linspace(0.0, 1.0, GRID_POINTS)
    lines = zip(confidence, isotonic, strict=True)
    return np.stack([np.interp(grid, c, fit, left=np.nan, right=np.nan) for c, fit in lines])


def _finite_members(logits: Logits, labels: Labels) -> NDArray[np.bool_]:
    """Which members `(S,)` have finite logits wherever they predict."""
    for name, splits in (("logits", logits), ("labels", labels)):
        if missing := [split for split in SPLITS if split not in splits]:
            raise ValueError(f"{name} must hold {', '.join(SPLITS)}; missing: {', '.join(missing)}")
    for name, values in logits.items():
        if values.ndim != 3:
            raise ValueError(f"logits must have shape (S, n, K), got {values.shape} for {name}")
    finite: NDArray[np.bool_] = np.all([np.isfinite(values).all(axis=(1, 2)) for values in logits.values()], axis=0)
    return finite
