"""How are points and numbers written for people? The same everywhere: terminal, figures, report, README."""

from collections.abc import Mapping
from typing import Any

OBJECTIVES = {
    "nll": "NLL",
    "nll_ts": "NLL after temperature scaling",
    "calibration": "calibration loss",
    "refinement": "refinement loss",
}


def short(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """Fixed digits without the leading zero, fewer of them from 10 on; a dash where there is no value."""
    if value is None:
        return "-"
    size = abs(value)
    form = f"{size:.{digits}f}" if size < 10 else f"{size:.3g}"
    form = form[1:] if form.startswith("0.") else form
    zero = not form.strip("0.")
    return ("" if zero else "-" if value < 0 else "+" if sign else "") + form


def interval(entry: Mapping[str, Any], centre: str, form: str) -> str:
    """A number with its interval, minus signs as they are printed.

    >>> interval({"mean": -1.0, "low": -1.25, "high": 0.5}, "mean", "{:+.2f}")
    '−1.00 [−1.25, +0.50]'
    """
    ends = [form.format(entry[key]) for key in (centre, "low", "high") if entry[key] is not None]
    text = f"{ends[0]} [{ends[1]}, {ends[2]}]" if len(ends) == 3 else "".join(ends[:1])
    return text.replace("-", "−")
