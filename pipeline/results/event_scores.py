"""Records of how well the probability of one event is calibrated, and of its reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.results.reliability import IsotonicCurve, ReliabilityBin


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class EventScores:
    """How well the probability of one event is calibrated.

    Attributes:
        rows: how many rows were looked at.
        rate: how often the event came true.
        bias: mean probability minus rate.
        error: equal-mass calibration error, l1, biased upwards.
        floor: what a calibrated model would show.
        p: p value of being calibrated; adjusted by Holm where there are several classes or groups.
        debiased: squared calibration error without noise bias, signed.
    """

    rows: int
    rate: float
    bias: Estimate
    error: float
    floor: float
    p: float
    debiased: Estimate


@dataclass(frozen=True)
class EventDiagram:
    """What is drawn of an event.

    Attributes:
        bins: those that are not empty, with a band that holds all of a calibrated model's bins at once.
        isotonic: regression of outcomes on probabilities.
        counts: rows in each of `len(counts)` equally wide intervals from 0 to 1.
        rate: how often the event came true.
        mean: of the probabilities.
    """

    bins: tuple[ReliabilityBin, ...]
    isotonic: IsotonicCurve
    counts: tuple[int, ...]
    rate: float
    mean: float
