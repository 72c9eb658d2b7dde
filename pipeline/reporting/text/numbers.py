"""Numbers as people read them: fixed digits, a minus sign, intervals. The same in terminal, figures, report, README."""

from __future__ import annotations

from typing import Protocol

from pipeline.config.search_space import Objective

MISSING = "-"
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
OBJECTIVES: dict[Objective, str] = {
    "nll": "NLL",
    "nll_calibrated": "NLL after calibration",
    "calibration": "calibration loss",
    "refinement": "refinement loss",
}


class Ends(Protocol):
    """What has the ends of an interval, None where they are not known."""

    @property
    def low(self) -> float | None:
        """Lower end."""

    @property
    def high(self) -> float | None:
        """Upper end."""


def fixed(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """A number with so many digits after the point; what rounds to zero has no sign.

    >>> fixed(-0.25), fixed(0.5, digits=1, sign=True), fixed(-0.0001, sign=True)
    ('−0.250', '+0.5', '0.000')
    """
    if value is None:
        return MISSING
    return _signed(value, f"{abs(value):.{digits}f}", sign=sign)


def short(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """Fixed digits without the leading zero, fewer of them from 10 on; a dash where there is no value.

    >>> short(-0.25), short(0.0, sign=True), short(123.456), short(None)
    ('−.250', '.000', '123', '-')
    """
    if value is None:
        return MISSING
    size = f"{abs(value):.{digits}f}" if abs(value) < 10 else f"{abs(value):.3g}"
    return _signed(value, size.removeprefix("0") if size.startswith("0.") else size, sign=sign)


def interval(centre: float | None, ends: Ends, *, digits: int = 3, sign: bool = False) -> str:
    """A number with its interval, or alone where that is not known.

    >>> from pipeline.results.study import MetricSummary
    >>> interval(-1.0, MetricSummary(mean=-1.0, low=-1.25, high=0.5), digits=2, sign=True)
    '−1.00 [−1.25, +0.50]'
    """
    middle, low, high = (fixed(value, digits=digits, sign=sign) for value in (centre, ends.low, ends.high))
    return middle if ends.low is None or ends.high is None else f"{middle} [{low}, {high}]"


def short_interval(centre: float | None, ends: Ends, *, digits: int = 3, sign: bool = False) -> str:
    """A number with its interval in as few characters as can be.

    >>> from pipeline.results.study import MetricSummary
    >>> short_interval(-0.1, MetricSummary(mean=-0.1, low=-0.25, high=0.5), digits=2, sign=True)
    '−.10 [−.25,+.50]'
    """
    middle, low, high = (short(value, digits=digits, sign=sign) for value in (centre, ends.low, ends.high))
    return f"{middle} [{low},{high}]"


def typeset(value: float, form: str) -> str:
    """A number by a format specification, with a minus sign for its hyphen.

    >>> typeset(-1.25, "+.1f")
    '−1.2'
    """
    return format(value, form).translate({ord("-"): "−"})


def spelled(count: int) -> str:
    """A count in words, in digits from 11 on.

    >>> spelled(5), spelled(12)
    ('five', '12')
    """
    return _WORDS[count] if count < len(_WORDS) else str(count)


def _signed(value: float, size: str, *, sign: bool) -> str:
    zero = not size.strip("0.")
    return ("" if zero else "−" if value < 0 else "+" if sign else "") + size
