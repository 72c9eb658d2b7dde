"""Exact checks: statements that need no statistics, each decided by a number."""

from __future__ import annotations

from typing import Literal, SupportsFloat

from pipeline.results.textbook import CheckResult

Relation = Literal["equal", "within", "above", "below"]
EQUAL: Relation = "equal"
WITHIN: Relation = "within"
ABOVE: Relation = "above"
BELOW: Relation = "below"
ROUNDING = 1e-12  # of float64, after 200 steps


def check(what: str, value: SupportsFloat, relation: Relation, expected: float, tolerance: float = 0.0) -> CheckResult:
    """A statement, decided; a NaN never holds.

    Args:
        what: the statement.
        value: a number that the project's code gave.
        relation: `equal` to the bit, `within` the tolerance of what is expected, `above` or `below` it.
        expected: what the value is compared with.
        tolerance: of `within`.

    >>> check("A third is nearly 0.3", 1 / 3, "within", 0.3, 0.05).holds
    True
    """
    number = float(value)
    holds = {
        EQUAL: number == expected,
        WITHIN: abs(number - expected) <= tolerance,
        ABOVE: number > expected,
        BELOW: number < expected,
    }[relation]
    return CheckResult(
        what=what, measured=number, expected=expected, relation=relation, tolerance=tolerance, holds=holds
    )
