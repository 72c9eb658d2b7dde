"""Verdicts: on an effect by its interval and the smallest effect of interest, on a sentence by its effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.results.textbook import ClaimVerdict, Direction, Quantifier
from pipeline.statistics.intervals import INDEPENDENT, Widening, paired_difference

CONFIDENCE = 0.95
OPPOSITE: dict[ClaimVerdict, ClaimVerdict] = {
    "supported": "refuted", "refuted": "supported", "inconclusive": "inconclusive",
}  # fmt: skip


class Judged(NamedTuple):
    """A mean paired difference with its interval, and what it says of an effect."""

    mean: float
    low: float
    high: float
    verdict: ClaimVerdict


def judge(
    a: Float[np.ndarray, " seeds"],
    b: Float[np.ndarray, " seeds"] | float,
    *,
    direction: Direction,
    least: float,
    widening: Widening = INDEPENDENT,
    comparisons: int = 1,
) -> Judged:
    """Judge the effect a - b over paired seeds.

    An effect that goes `lower` or `higher` is supported if its interval excludes zero and its mean is at least as
    large as the smallest effect of interest, refuted if its whole interval is below that (it is smaller than matters,
    or goes the other way). The `same` is supported if the whole interval is within the margin (an equivalence test),
    refuted if it is wholly outside. Everything else is inconclusive, also where a seed has no finite value.

    Args:
        a: the metric of one cell by seed.
        b: that of the other, or a number.
        direction: which way the effect is said to go.
        least: smallest effect of interest, 0 or more; of `same` the margin.
        widening: for seeds that share rows.
        comparisons: among which this one may be picked out: Bonferroni's correction widens the interval.

    Reference:
        Schuirmann 1987 (two one-sided tests); Lakens, Scheel & Isager 2018, Equivalence testing for psychological
        research (smallest effect size of interest).

    >>> judge(np.array([1.0, 1.1, 0.9]), 2.0, direction="lower", least=0.5).verdict
    'supported'
    """
    confidence = 1 - (1 - CONFIDENCE) / comparisons
    other = np.broadcast_to(np.asarray(b, np.float64), a.shape)
    interval = paired_difference(np.asarray(a, np.float64), other, confidence=confidence, widening=widening)
    mean, low, high = (float(end) for end in (interval.mean, interval.low, interval.high))
    return Judged(mean, low, high, _verdict(mean, low, high, direction=direction, least=least))


def _verdict(mean: float, low: float, high: float, *, direction: Direction, least: float) -> ClaimVerdict:
    if not np.isfinite([mean, low, high]).all():
        return "inconclusive"
    if direction == "same":
        inside, outside = -least < low and high < least, low > least or high < -least
        return "supported" if inside else "refuted" if outside else "inconclusive"
    if direction == "lower":
        mean, low, high = -mean, -high, -low
    return "supported" if low > 0 and mean >= least else "refuted" if high < least else "inconclusive"


def combined(
    verdicts: Sequence[ClaimVerdict], strict: Sequence[ClaimVerdict], *, quantifier: Quantifier
) -> ClaimVerdict:
    """The verdict on a sentence from those on its parts.

    One that claims `all` is supported if all parts are, and refuted by a single part: a rule has no exceptions. One
    that claims `any` is the mirror image. A single part that decides among many must do so under Bonferroni's
    correction: `strict` holds the verdicts by those wider intervals.

    >>> combined(["supported", "refuted"], ["supported", "inconclusive"], quantifier="all")
    'inconclusive'
    """
    whole: ClaimVerdict = "supported" if quantifier == "all" else "refuted"
    single = OPPOSITE[whole]
    if all(verdict == whole for verdict in verdicts):
        return whole
    return single if single in strict else "inconclusive"
