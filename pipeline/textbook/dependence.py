"""On what does it depend whether a sentence holds? The property that tells places apart, if one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.stats on first use

from pipeline.results.record import Level
from pipeline.results.textbook import CellVerdict, Split

LARGEST_P = 0.05


class Case(NamedTuple):
    """A place, or a comparison: its properties by name, and whether the sentence holds there."""

    properties: Mapping[str, Level]
    verdict: CellVerdict


class _Half(NamedTuple):
    """A property's level, in words, and which cases have it."""

    factor: str
    level: str
    inside: tuple[bool, ...]


def best_split(cases: Sequence[Case]) -> Split | None:
    """The property that best tells cases where a sentence holds from those where it fails.

    Every property is tried: a number above its median, a word or switch against all others. The split of the least p
    (Fisher's exact test, two-sided, times the number of different splits) is given if that is at most .05: it is found
    after the fact, and cases on one data set are not independent. None where no property tells.

    >>> cases = [Case({"classes": k, "features": k % 3}, "supported" if k > 4 else "refuted") for k in range(10)]
    >>> best_split(cases).factor, best_split(cases).level, best_split(cases).inside
    ('classes', 'above 4.5', (5, 5))
    """
    decided = [case for case in cases if case.verdict != "inconclusive"]
    halves = {half.inside: half for half in reversed(list(_halves(decided)))}
    splits = [_split(half, decided, tried=len(halves)) for half in reversed(halves.values())]
    best = min(splits, key=lambda split: split.p, default=None)
    return best if best is not None and best.p <= LARGEST_P else None


def _halves(cases: Sequence[Case]) -> Iterator[_Half]:
    """Every way to divide the cases in two by a property that all of them have."""
    for factor in dict.fromkeys(name for case in cases for name in case.properties):
        values = [case.properties.get(factor) for case in cases]
        if any(value is None for value in values) or len(set(values)) < 2:
            continue
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(numbers) == len(values) and len(set(values)) > 2:
            middle = float(np.median(numbers))
            inside = tuple(number > middle for number in numbers)
            if any(inside):
                yield _Half(factor, f"above {middle:.3g}", inside)
            continue
        for level in list(dict.fromkeys(values))[: None if len(set(values)) > 2 else 1]:
            yield _Half(factor, _word(level), tuple(value == level for value in values))


def _word(level: Level) -> str:
    if isinstance(level, bool):
        return "yes" if level else "no"
    return f"{level:g}" if isinstance(level, float) else str(level)


def _split(half: _Half, cases: Sequence[Case], *, tried: int) -> Split:
    holds = [case.verdict == "supported" for case in cases]
    inside, outside = (
        [hold for hold, within in zip(holds, half.inside, strict=True) if within == side] for side in (True, False)
    )
    counts = [[sum(part), len(part) - sum(part)] for part in (inside, outside)]
    p = float(scipy.stats.fisher_exact(np.array(counts)).pvalue)
    return Split(
        factor=half.factor,
        level=half.level,
        inside=(sum(inside), len(inside)),
        outside=(sum(outside), len(outside)),
        p=min(1.0, p * tried),
    )
