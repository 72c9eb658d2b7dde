"""Everything that is measured on what a cell's networks predict: scores under every condition, bias and variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.label_smoothing import desmooth, smoothing_error
from pipeline.core.determinism import require_pinned
from pipeline.core.rng import Purpose, generator
from pipeline.data.splits import SPLITS
from pipeline.evaluation.score import score_members
from pipeline.metrics.calibration_error import resampling_uniforms
from pipeline.metrics.predictions import log_softmax
from pipeline.textbook.bias_variance import brier_parts, log_loss_parts

Arrays = dict[str, NDArray[Any]]
DESMOOTHED = "desmoothed"
LOG_LOSSES = ("nll", "refinement", "calibration", "excess_kl")
UNCHECKED = "ece_p"  # it needs many resamples, and no claim is about a p value


@dataclass(frozen=True)
class Predicted:
    """What a cell's members predict, and the truth.

    Attributes:
        logits: train, validation, test, and the test rows under other conditions, (seed, row, class) each; a
            condition may have the first test rows only.
        labels: of train, validation and test, (seed, row).
        posterior: true class probabilities (row, class) of test rows that all seeds share, or None.
        groups: of test rows (seed, row), the same rows together for all seeds; None where there are too few.
        label_smoothing: that the members were trained with.
    """

    logits: Mapping[str, NDArray[np.floating[Any]]]
    labels: Mapping[str, NDArray[np.int64]]
    posterior: NDArray[np.float64] | None
    groups: NDArray[np.int64] | None
    label_smoothing: float


def measure(predicted: Predicted) -> Arrays:
    """`score/<metric>` (seed,) and `group/<metric>` (seed, group) of a cell, all metrics but `score.COSTLY` ones.

    Test metrics are there for every condition, `test~0.5/nll` for example. Where label smoothing was on, the condition
    `desmoothed` takes it out of the probabilities exactly. Where the posterior is known, `bias/` and `variance/` of
    nll and brier are jackknife pseudo-values, whose mean over seeds is the estimate, and `theory/smoothing_error` is
    the calibration error of the optimum that label smoothing aims at.

    Raises:
        InputError: the environment is not pinned.
    """
    require_pinned()
    test, posterior = predicted.logits["test"], predicted.posterior
    scored = score_members(
        {split: predicted.logits[split] for split in SPLITS},
        predicted.labels,
        None if posterior is None else np.broadcast_to(posterior, (len(test), *posterior.shape)),
        uniforms=resampling_uniforms(generator(0, Purpose.CALIBRATION), resamples=1, rows=test.shape[1]),
        groups=predicted.groups,
        conditions=_conditions(predicted),
        costly=False,
    )
    kinds = {"score": scored.scores, "group": scored.groups}
    found = {
        f"{kind}/{name}": values
        for kind, named in kinds.items()
        for name, values in named.items()
        if not name.endswith(UNCHECKED) and not _meaningless(name)
    }
    if posterior is not None:
        found |= _against_truth(test, posterior, predicted.label_smoothing)
    return found


def as_logits(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of probabilities, of which one that is 0 counts as the smallest normal float32."""
    logits: NDArray[np.float64] = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    return logits


def _conditions(predicted: Predicted) -> dict[str, NDArray[np.floating[Any]]]:
    conditions = {name: values for name, values in predicted.logits.items() if name not in SPLITS}
    if predicted.label_smoothing:
        probs = desmooth(np.exp(log_softmax(predicted.logits["test"])), predicted.label_smoothing)
        conditions[DESMOOTHED] = as_logits(probs)
    return conditions


def _meaningless(name: str) -> bool:
    """Of probabilities that may be exactly 0 there is no log-loss, and a temperature of others says nothing."""
    stage, metric = name.split("/")
    return stage.startswith(DESMOOTHED) and (stage != DESMOOTHED or metric in LOG_LOSSES)


def _against_truth(logits: NDArray[np.floating[Any]], posterior: NDArray[np.float64], epsilon: float) -> Arrays:
    log_probs = np.ascontiguousarray(log_softmax(logits))
    parts = {"nll": log_loss_parts(log_probs, posterior), "brier": brier_parts(np.exp(log_probs), posterior)}
    found = {f"score/{of}/{loss}": getattr(part, of) for loss, part in parts.items() for of in ("bias", "variance")}
    return found | {"score/theory/smoothing_error": np.full(len(logits), smoothing_error(posterior, epsilon))}
