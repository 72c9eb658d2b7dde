"""Records of what decisions cost."""

from __future__ import annotations

from pipeline.results.record import Record


class DecisionResult(Record):
    """What deciding by a rule costs.

    Attributes:
        rule: in words.
        threshold: of the probability of class 1 of two, where the rule has one.
        cost: of a row on average.
        low: lower end of its 95% interval.
        high: upper end of it.
    """

    rule: str
    threshold: float | None
    cost: float
    low: float
    high: float
