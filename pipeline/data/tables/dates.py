"""Dates in the usual forms, as days since the first one and as places in the cycles of year, week and day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from pipeline.core.errors import InputError
from pipeline.data.tables.cells import Cells

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO8601"
_DAYS = (
    "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y",
    "%b-%Y", "%b %Y", "%B %Y", "%m/%Y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = (ISO, *(day + time for time in _TIMES for day in _DAYS))
CYCLES = {"year": 365.2425, "week": 7.0, "day": 1.0}
"""Days of each cycle, all counted from 1 January 1970."""

_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_SHAPE = re.compile(
    r"\d{4}-\d{1,2}(-\d{1,2})?([T ]\d.*)?"
    r"|\d{1,2}([./-])\d{1,2}\3(\d{4}|\d{2})( \d.*)?"
    r"|\d{4}/\d{1,2}/\d{1,2}( \d.*)?|\d{1,2}/\d{4}"
    rf"|(\d{{1,2}}[- ])?({_MONTH})[a-z]*[- ](\d{{1,2}},? )?\d{{2,4}}( \d.*)?",
    re.IGNORECASE,
)
_SAMPLE = 50


@dataclass(frozen=True)
class DateTexts:
    """How the distinct texts of a column read as dates.

    Attributes:
        formats: those under which most texts are dates.
        strays: texts that are no dates under the first of them.
        equal: whether all formats give the same dates.
    """

    formats: tuple[str, ...]
    strays: tuple[str, ...]
    equal: bool


def read_dates(texts: Sequence[str]) -> DateTexts | None:
    """Find how texts are written as dates; None where half of them or fewer have the shape of one."""
    shaped = [text for text in texts if _SHAPE.fullmatch(text)]
    if 2 * len(shaped) <= len(texts):
        return None
    sample = shaped[:: max(1, len(shaped) // _SAMPLE)]
    possible = [each for each in FORMATS if 2 * len(parse_dates(sample, each).dropna()) > len(sample)]
    dates = {each: parse_dates(texts, each) for each in possible}
    most = max((len(read.dropna()) for read in dates.values()), default=0)
    if 2 * most <= len(texts):
        return None
    best = tuple(each for each, read in dates.items() if len(read.dropna()) == most)
    first = dates[best[0]]
    strays = tuple(text for text, lacks in zip(texts, first.isna(), strict=True) if lacks)
    return DateTexts(best, strays, equal=all(dates[each].equals(first) for each in best))


def parse_dates(texts: Sequence[str], form: str) -> pd.DatetimeIndex:
    """Dates in a format of strptime, or ISO 8601; NaT where a text is none. Times without a zone are in UTC.

    Raises:
        InputError: there is no such format.
    """
    import pandas as pd  # noqa: PLC0415  (slow to import)

    try:
        return pd.DatetimeIndex(pd.to_datetime(list(texts), format=form, errors="coerce", utc=True))
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise InputError(f"dates: must be a format that strptime knows, such as %d/%m/%Y, got {form!r}") from error


def dates_of(cells: Cells, form: str) -> pd.DatetimeIndex:
    """The distinct values of a column as dates; NaT where one is none."""
    return parse_dates(cells.texts, ISO if cells.type == "date" else form)


def days_since(dates: pd.DatetimeIndex, first: str) -> Float64[np.ndarray, " rows"]:
    """Days from a date; NaN where one is missing."""
    import pandas as pd  # noqa: PLC0415  (slow to import)

    return ((dates - pd.Timestamp(first)) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)


def place_in_cycle(dates: pd.DatetimeIndex, cycle: str) -> dict[str, Float64[np.ndarray, " rows"]]:
    """Sine and cosine of the time of year, week or day."""
    angle = 2 * np.pi * days_since(dates, "1970-01-01T00:00:00+00:00") / CYCLES[cycle]
    return {"sine": np.sin(angle), "cosine": np.cos(angle)}


def cycles_of(dates: pd.DatetimeIndex) -> tuple[str, ...]:
    """The cycles that dates may have a place in: that of the day only where there are times."""
    present = dates[dates.notna()]
    return tuple(cycle for cycle in CYCLES if cycle != "day" or bool((present != present.normalize()).any()))
