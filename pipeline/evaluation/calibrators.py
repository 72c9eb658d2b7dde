"""Log-loss of a point's members on test rows after each calibrator, fitted on validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.calibration.isotonic import fit_isotonic
from pipeline.calibration.selection import Calibrates, class_scalings
from pipeline.calibration.venn_abers import fit_venn_abers
from pipeline.data.dataset import Dataset, labels_of
from pipeline.evaluation.members import test_groups
from pipeline.evaluation.row_groups import rows_of_groups
from pipeline.metrics.probabilities import Floats, log_softmax, mean, pick

Fit = Callable[[Floats, ArrayLike], Calibrates]


def other_calibrators(classes: int) -> dict[str, Fit]:
    """Calibrators beside the usual one, by name."""
    return {**class_scalings(classes), "isotonic regression": fit_isotonic, "Venn-Abers": fit_venn_abers}


def score_calibrators(arrays: Mapping[str, NDArray[Any]], pooled: Dataset, seeds: list[int]) -> dict[str, Floats]:
    """Test NLL of one point's members after each of `other_calibrators`.

    Args:
        arrays: `logits/validation` and `logits/test`, (seed, row, class).
        pooled: the data set that the members were trained on.
        seeds: the members' seeds.

    Returns:
        `score/<calibrator>` (seed,) in nats, and `group/<calibrator>` (seed, group) of the groups of test rows that
        the study has, where these suffice. NaN for a member with a logit that is not finite.
    """
    logits = {split: arrays[f"logits/{split}"] for split in ("validation", "test")}
    labels, groups = labels_of(pooled, seeds), test_groups(pooled, seeds)
    positions = None if groups is None else rows_of_groups(groups, groups.shape)
    results: dict[str, Floats] = {}
    for name, fit in other_calibrators(logits["test"].shape[-1]).items():
        losses = np.stack([
            _row_losses(fit, {split: rows[member] for split, rows in logits.items()}, labels, member)
            for member in range(len(seeds))
        ])  # fmt: skip
        results[f"score/{name}"] = mean(losses)
        if positions is not None:
            grouped = np.take_along_axis(losses[:, None], positions, axis=-1)
            results[f"group/{name}"] = mean(grouped)
    return results


def _row_losses(
    fit: Fit, logits: Mapping[str, NDArray[Any]], labels: Mapping[str, NDArray[Any]], member: int
) -> Floats:
    """Log-loss (row,) of one member's test rows."""
    answers = labels["test"][member]
    if not all(np.isfinite(rows).all() for rows in logits.values()):
        return np.full(len(answers), np.nan)
    fitted = fit(logits["validation"], labels["validation"][member])
    return -pick(log_softmax(fitted.calibrate(logits["test"])), answers)
