"""Selection of an ensemble: greedily, with replacement, by the log-loss of out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LEAST = 1e-300


def select(probabilities: Floats, labels: NDArray[np.int64], *, steps: int) -> Floats:
    """Weights (model,) of models: each step adds the one with which the average has the least log-loss.

    The best step of all is kept, the earliest of equals: more models than help are not taken.

    Args:
        probabilities: (model, row, class), out of fold.
        labels: (row,) integers in [0, class).
        steps: at least 1; a model may be added several times.

    Reference:
        Caruana, Niculescu-Mizil, Crew & Ksikes 2004, ICML, "Ensemble Selection from Libraries of Models".
    """
    of_truth = np.take_along_axis(probabilities, labels[None, :, None], axis=2)[..., 0]
    total, chosen, losses = np.zeros(len(labels)), list[int](), list[float]()
    for step in range(1, steps + 1):
        each = -np.log(np.maximum((total + of_truth) / step, _LEAST)).mean(axis=1)
        best = int(each.argmin())
        total = total + of_truth[best]
        chosen.append(best)
        losses.append(float(each[best]))
    return _shares(chosen[: int(np.argmin(losses)) + 1], len(probabilities))


def _shares(chosen: Sequence[int], models: int) -> Floats:
    counts = np.bincount(chosen, minlength=models)
    shares: Floats = counts / counts.sum()
    return shares
