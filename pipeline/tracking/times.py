"""Times of training, for MLflow alone: kept beside DVC's outputs, which hold no times; safe to delete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import time

from pipeline.core.files import write_bytes
from pipeline.tracking.runs import Identity, RunRecord

FOLDER = Path(".cache/times")
Span = tuple[int, int]
"""Start and end, in milliseconds since 1970."""
Clock = Callable[[str], Span | None]
"""Says when what has this MD5 was trained."""


def nobody_knows(_: str) -> None:
    """The clock that knows nothing."""


def note(content: bytes, *, since: float, until: float | None = None) -> None:
    """Keep when a content was made, by the MD5 that DVC calls it by; from `time.time`, to now."""
    span = [round(1000 * moment) for moment in (since, time() if until is None else until)]
    write_bytes(FOLDER / md5_of(content), json.dumps(span).encode())


def note_moments(content: bytes, start: datetime | None, end: datetime | None) -> None:
    """Keep when a content was made, where both are known and nothing is kept yet."""
    if start is not None and end is not None and not (FOLDER / md5_of(content)).exists():
        note(content, since=start.timestamp(), until=end.timestamp())


def noted(md5: str) -> Span | None:
    """When a content was made; None where that was not noted on this machine."""
    try:
        start, end = map(int, json.loads((FOLDER / md5).read_bytes()))
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):  # a note of nobody's is none
        return None
    return start, end


def md5_of(content: bytes) -> str:
    """The name under which DVC's cache holds a content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def spanned(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The records; those that have children with times last from the start of the first to the end of the last."""
    times: dict[Identity, list[Span]] = {}
    for record in records:
        if record.parent is not None and record.times is not None:
            times.setdefault((record.experiment, record.parent), []).append(record.times)
    return [
        replace(record, times=_around(times[record.identity]))
        if record.times is None and record.identity in times
        else record
        for record in records
    ]


def _around(spans: Iterable[Span]) -> Span:
    starts, ends = zip(*spans, strict=True)
    return min(starts), max(ends)
