"""Reliability diagrams of one model: equal-mass bins of an event with intervals and band, and how probabilities lie."""

from __future__ import annotations

import numpy as np

from pipeline.calibration.reliability_curve import GRID_POINTS
from pipeline.metrics.bins import bin_edges, segment_sums
from pipeline.metrics.ranking import Ranked, isotonic_fit
from pipeline.results.event_scores import EventDiagram
from pipeline.results.reliability import IsotonicCurve, ReliabilityBin, reliability_bins

_BARS = 40


def event_diagram(ranked: Ranked, *, bins: int = 15) -> EventDiagram:
    """The diagram of an event's forecasts `(n,)` in equal-mass bins that never split ties.

    Raises:
        ValueError: If `bins` < 1.
    """
    return EventDiagram(
        bins=_bins(ranked, bins),
        isotonic=_isotonic(ranked),
        counts=tuple(np.histogram(ranked.confidence, bins=_BARS, range=(0, 1))[0].tolist()),
        rate=float(ranked.correct.mean()),
        mean=float(ranked.confidence.mean()),
    )


def _bins(ranked: Ranked, bins: int) -> tuple[ReliabilityBin, ...]:
    edges = bin_edges(ranked.confidence, bins=bins, binning="mass")
    count = np.diff(edges)
    filled = count > 0
    count = count[filled].astype(np.float64)
    forecast, rate = (segment_sums(rows, edges)[filled] / count for rows in (ranked.confidence, ranked.correct))
    return reliability_bins(forecast, rate, count, exact=np.full(len(count), np.nan))


def _isotonic(ranked: Ranked) -> IsotonicCurve:
    """Isotonic regression, read off at hundredths within the range of the probabilities."""
    grid = np.linspace(0.0, 1.0, GRID_POINTS)
    inside = grid[(grid >= ranked.confidence[0]) & (grid <= ranked.confidence[-1])]
    values = np.interp(inside, ranked.confidence, isotonic_fit(ranked))
    return IsotonicCurve(confidence=tuple(inside.tolist()), accuracy=tuple(values.tolist()))
