"""Judging models on rows that none of them has seen: means over rows with intervals, paired with the first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from pipeline.champion.model import row_losses
from pipeline.results.champion import Contender, RowMean
from pipeline.statistics.intervals import mean_interval

_Losses = Float64[np.ndarray, " rows"]


def judged(
    probabilities: Mapping[str, Float64[np.ndarray, "rows classes"]], labels: Int64[np.ndarray, " rows"]
) -> list[Contender]:
    """Every model on the same rows, and its log-loss minus that of the first, row by row.

    Intervals are Student's over rows, as if these were independent.
    """
    losses = {name: row_losses(each, labels) for name, each in probabilities.items()}
    first = next(iter(losses.values()))
    truth = np.eye(next(iter(probabilities.values())).shape[1])[labels]
    return [
        Contender(
            name=name,
            nll=_mean(losses[name]),
            brier=_mean(np.square(each - truth).sum(axis=1)),
            accuracy=_mean((each.argmax(axis=1) == labels).astype(np.float64)),
            difference=_mean(losses[name] - first),
        )
        for name, each in probabilities.items()
    ]


def _mean(values: _Losses) -> RowMean:
    interval = mean_interval(values)
    return RowMean(mean=float(interval.mean), low=float(interval.low), high=float(interval.high))
