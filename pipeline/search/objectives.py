"""Objectives: what the search and the tuning of learning rates minimize, of validation logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from pipeline.calibration.calibrator import calibrate, fit_calibrator, refinement_loss
from pipeline.config.search_space import Objective
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.proper_scores import negative_log_likelihood

Logits = Float[np.ndarray, "seeds rows classes"]
Labels = Int[np.ndarray, "seeds rows"]


def _log_loss(logits: NDArray[np.floating[Any]], labels: Labels) -> Float[np.ndarray, " seeds"]:
    return negative_log_likelihood(Predictions.from_logits(logits, labels))


OBJECTIVES: dict[Objective, Callable[[Logits, Labels], Float[np.ndarray, " seeds"]]] = {
    "nll": _log_loss,
    "nll_calibrated": lambda logits, labels: _log_loss(calibrate(logits, fit_calibrator(logits, labels)), labels),
    "calibration": lambda logits, labels: _log_loss(logits, labels) - refinement_loss(logits, labels),
    "refinement": refinement_loss,
}


def by_seed(objective: Objective, logits: Logits, labels: Labels) -> Float[np.ndarray, " seeds"]:
    """An objective of each seed's network, in nats; NaN where it has diverged."""
    values = np.full(len(logits), np.nan)
    is_finite = np.isfinite(logits).all((1, 2))
    if is_finite.any():
        values[is_finite] = OBJECTIVES[objective](logits[is_finite], labels[is_finite])
    return values
