"""Trust: whether one model's probabilities may be believed, what is wrong with them, or that rows are too few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from pipeline.evaluation.one_model import ModelReport
from pipeline.results.event_scores import EventScores

Verdict = Literal["trusted", "little", "off", "unknown"]
Fault = Literal["over-confident", "under-confident", "too high", "too low"]

LEVEL = 0.05
TOLERABLE = 0.05  # a root mean squared error that must not go unnoticed
LITTLE = 0.02  # one that does not matter
LITTLE_NATS = 0.01
_SLOPE = 1.1  # a factor of the logits that is worth a word
_BIAS = 0.01


@dataclass(frozen=True)
class Trust:
    """Whether probabilities can be trusted.

    Attributes:
        verdict: "trusted", "little" where an error is shown that does not matter, "off", or "unknown".
        faults: what is wrong, as far as it has a name.
        classes: those whose probabilities are shown to be off.
        most: root mean squared error that the interval allows.
        needed: rows that would show one of `TOLERABLE`, roughly.
        mended: whether a calibrator is shown to help.
        says: whether they are shown to say "more" or "less" than class frequencies; "as much" where neither is.
    """

    verdict: Verdict
    faults: tuple[Fault, ...]
    classes: tuple[str, ...]
    most: float
    needed: int
    mended: bool
    says: Literal["more", "less", "as much"]


def trust(report: ModelReport) -> Trust:
    """Judge a model's probabilities: by the test of calibration, by what a calibrator gains, and class by class.

    With more than two classes the test of the top label and those of the classes share the level. What a calibrator
    gains is hardly ever above zero by chance, since it is fitted on other rows.
    """
    event, several = report.given.event, len(report.classes) > 2
    level = LEVEL / 2 if several else LEVEL
    classes = tuple(name for name, each in zip(report.classes, report.each, strict=False) if each.p <= level)
    mended = report.gain.high < 0
    most = max(_most(each) for each in (event, *report.each))
    return Trust(
        verdict=_verdict(report, evident=event.p <= level or mended or bool(classes), most=most),
        faults=tuple(_faults(report)),
        classes=classes,
        most=most,
        needed=_needed(event),
        mended=mended,
        says="more" if report.against_base.high < 0 else "less" if report.against_base.low > 0 else "as much",
    )


def is_enough(event: EventScores) -> bool:
    """Whether an error that must not go unnoticed would be seen."""
    return _most(event) <= TOLERABLE


def _verdict(report: ModelReport, *, evident: bool, most: float) -> Verdict:
    if not evident:
        return "trusted" if most <= TOLERABLE else "unknown"
    little = most <= LITTLE and report.gain.value > -LITTLE_NATS and not report.impossible
    return "little" if little else "off"


def _faults(report: ModelReport) -> Iterator[Fault]:
    """By the calibrator's slope and, of class 1 of two, by the mean; of a top label, the mean shows confidence."""
    slope, bias = float(report.calibrator.slope), report.given.event.bias
    above, below = bias.low > 0 and bias.value > _BIAS, bias.high < 0 and bias.value < -_BIAS
    several = len(report.classes) > 2
    if slope * _SLOPE < 1 or (several and above):
        yield "over-confident"
    elif slope > _SLOPE or (several and below):
        yield "under-confident"
    if not several and above:
        yield "too high"
    elif not several and below:
        yield "too low"


def _most(event: EventScores) -> float:
    return sqrt(max(event.debiased.high, 0.0))


def _needed(event: EventScores) -> int:
    """Rows whose interval would end at `TOLERABLE` if there were no error: its width falls with their number."""
    half = event.debiased.high - event.debiased.value
    rows = event.rows * half / TOLERABLE**2
    return int(float(f"{rows:.1g}"))
