"""Times as people write and say them."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 60.0}


def seconds_of(text: str) -> float:
    """A time in seconds, as in 90s, 2m, 1.5h; minutes without a unit.

    >>> seconds_of("2m"), seconds_of("90s"), seconds_of("1.5h"), seconds_of("2")
    (120.0, 90.0, 5400.0, 120.0)
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if parts is None or float(parts[1]) == 0:
        raise ArgumentTypeError(f"must be a time, as in 90s, 2m or 1.5h, got {text!r}")
    return float(parts[1]) * _UNITS[parts[2]]


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(40), duration(100), duration(400), duration(8000)
    ('40 seconds', '2 minutes', '7 minutes', '2.2 hours')
    """
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
