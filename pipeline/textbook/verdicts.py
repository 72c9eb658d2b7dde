"""Verdicts: on an effect by its interval and the smallest effect of interest, on a sentence by its comparisons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.stats on first use
from jaxtyping import Float

from pipeline.results.textbook import CellVerdict, Direction, Prevalence, Quantifier, SentenceVerdict
from pipeline.statistics.intervals import INDEPENDENT, Widening, paired_difference

CONFIDENCE = 0.95
MOST = 0.75  # of the comparisons: so many on one side, and none on the other, speak for all
OPPOSITE: dict[CellVerdict, CellVerdict] = {
    "supported": "refuted", "refuted": "supported", "inconclusive": "inconclusive",
}  # fmt: skip


class Judged(NamedTuple):
    """A mean paired difference with its interval, and what it says of an effect."""

    mean: float
    low: float
    high: float
    verdict: CellVerdict


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

    An effect that goes `lower` or `higher` is supported if its whole interval is at or beyond the smallest effect of
    interest, refuted if the whole interval is short of it (smaller than matters, or the other way). The `same` is
    supported if the whole interval is within the margin (an equivalence test), refuted if it is wholly outside.
    Everything else is inconclusive, also where a seed has no finite value.

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
    return Judged(mean, low, high, _verdict(low, high, direction=direction, least=least))


def _verdict(low: float, high: float, *, direction: Direction, least: float) -> CellVerdict:
    if not np.isfinite([low, high]).all():
        return "inconclusive"
    if direction == "same":
        inside, outside = -least < low and high < least, low > least or high < -least
        return "supported" if inside else "refuted" if outside else "inconclusive"
    if direction == "lower":
        low, high = -high, -low
    return "supported" if low >= least and low > 0 else "refuted" if high < least else "inconclusive"


def sentence_verdict(verdicts: Sequence[CellVerdict], strict: Sequence[CellVerdict]) -> SentenceVerdict:
    """Where a sentence holds, from the verdicts on its comparisons; for and against weigh alike.

    Everywhere: none refutes it, and three quarters or more support it (a comparison may lack power). Nowhere: none
    supports it, and three quarters refute it. It depends where comparisons are on both sides, also under Bonferroni's
    correction for all of them: `strict` holds the verdicts by those wider intervals. Else it is open.

    >>> sentence_verdict(["supported", "refuted"], ["supported", "inconclusive"])
    'open'
    """
    supported, refuted = verdicts.count("supported"), verdicts.count("refuted")
    if supported and not refuted and supported >= MOST * len(verdicts):
        return "everywhere"
    if refuted and not supported and refuted >= MOST * len(verdicts):
        return "nowhere"
    return "depends" if {"supported", "refuted"} <= set(strict) else "open"


def place_verdict(verdicts: Collection[CellVerdict], *, quantifier: Quantifier) -> CellVerdict:
    """The verdict at one place from those on its parts: all must hold there, or any (a sentence that says "can").

    >>> [place_verdict(["supported", "refuted"], quantifier=quantifier) for quantifier in ("all", "any")]
    ['refuted', 'supported']
    """
    single: CellVerdict = "refuted" if quantifier == "all" else "supported"
    if single in verdicts:
        return single
    return "inconclusive" if "inconclusive" in verdicts else OPPOSITE[single]


def prevalence(verdicts: Sequence[CellVerdict]) -> Prevalence | None:
    """In how many places a sentence holds; None without places.

    The interval is that of Clopper & Pearson (1934) at 95%, as if places were drawn at random; a place that is open
    counts as one where it fails for the lower end, and as one where it holds for the upper.

    >>> found = prevalence(["supported"] * 9 + ["refuted"] * 2 + ["inconclusive"])
    >>> found.holds, found.places, round(found.low, 2), round(found.high, 2)
    (9, 12, 0.43, 0.98)
    """
    places, holds, fails = len(verdicts), verdicts.count("supported"), verdicts.count("refuted")
    if not places:
        return None
    tail = (1 - CONFIDENCE) / 2
    low = float(scipy.stats.beta.ppf(tail, holds, places - holds + 1)) if holds else 0.0
    high = float(scipy.stats.beta.ppf(1 - tail, places - fails + 1, fails)) if fails else 1.0
    return Prevalence(holds=holds, fails=fails, places=places, low=low, high=high)
