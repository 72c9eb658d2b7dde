"""Objectives: what the search and the tuning of learning rates minimize, of validation logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from pipeline.calibration.temperature import decompose_log_loss, fit_temperature, scale_logits
from pipeline.config.search_space import Objective
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.proper_scores import negative_log_likelihood

Logits = Float[np.ndarray, "seeds rows classes"]
Labels = Int[np.ndarray, "seeds rows"]
OBJECTIVES: dict[Objective, Callable[[Logits, Labels], Float[np.ndarray, " seeds"]]] = {
    "nll": lambda logits, labels: negative_log_likelihood(Predictions.from_logits(logits, labels)),
    "nll_calibrated": lambda logits, labels: negative_log_likelihood(
        Predictions.from_logits(scale_logits(logits, fit_temperature(logits, labels)), labels)
    ),
    "calibration": lambda logits, labels: decompose_log_loss(logits, labels).calibration,
    "refinement": lambda logits, labels: decompose_log_loss(logits, labels).refinement,
}


def by_seed(objective: Objective, logits: Logits, labels: Labels) -> Float[np.ndarray, " seeds"]:
    """An objective of each seed's network, in nats; NaN where it has diverged."""
    values = np.full(len(logits), np.nan)
    is_finite = np.isfinite(logits).all((1, 2))
    if is_finite.any():
        values[is_finite] = OBJECTIVES[objective](logits[is_finite], labels[is_finite])
    return values
