"""Means of metrics over seeds, with intervals that are widened for the rows that seeds share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pipeline.metrics.names import MetricName
from pipeline.results.paired_columns import Protocol, Scores, stacked_widening
from pipeline.results.record import finite
from pipeline.results.study import MetricSummary
from pipeline.statistics.intervals import mean_interval
from pipeline.statistics.shared_rows import Overlap


def metric_summaries(scores: Scores, overlap: Overlap, protocol: Protocol) -> list[dict[MetricName, MetricSummary]]:
    """Of every point, the mean over seeds of every metric and its interval."""
    names = sorted(scores)
    stacked: Float[np.ndarray, "points metrics seeds"] = np.stack([scores[name] for name in names], axis=1)
    stacked = stacked.astype(np.float64)
    lines = [overlap.widening(name, stacked[:, j], overlap.groups_of(name)) for j, name in enumerate(names)]
    interval = mean_interval(
        stacked, confidence=protocol.confidence, widening=stacked_widening(lines, size=len(stacked), axis=1)
    )
    broken = np.sum(~np.isfinite(stacked), axis=-1)

    def summary(i: int, j: int) -> MetricSummary:
        mean, low, high = (finite(bound[i, j]) for bound in interval)
        return MetricSummary(mean=mean, low=low, high=high, not_finite=int(broken[i, j]))

    return [{MetricName.parse(name): summary(i, j) for j, name in enumerate(names)} for i in range(len(stacked))]
