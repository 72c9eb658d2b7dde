"""Records of the textbook's claims: verdicts, effects by cell, lines of figures, and the estimators' audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from pipeline.results.record import Level, Record

ClaimVerdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[ClaimVerdict, ...] = ("supported", "refuted", "inconclusive")
Direction = Literal["lower", "higher", "same"]
Quantifier = Literal["all", "any"]
ENOUGH = (0.93, 0.98)
"""Shares of cases in which a 95% interval may hold the truth."""


class VerdictCounts(Record):
    """How many parts of a sentence, or sentences, have each verdict."""

    supported: int
    refuted: int
    inconclusive: int

    @classmethod
    def of(cls, verdicts: Iterable[ClaimVerdict]) -> VerdictCounts:
        """The counts of these verdicts."""
        counts = Counter(verdicts)
        return cls(**{verdict: counts[verdict] for verdict in VERDICTS})


class EffectCell(Record):
    """An effect on one data set, at one value of the fields that it is measured at.

    `strict` is the verdict under Bonferroni's correction for all comparisons of the claim.
    """

    dataset: str
    at: dict[str, Level]
    of: str
    against: str
    of_mean: float | None
    against_mean: float | None
    n: int
    mean: float | None
    low: float | None
    high: float | None
    inflation: float | None
    freedom: float | None
    verdict: ClaimVerdict
    strict: ClaimVerdict


class EffectResult(Record):
    """A metric of one cell minus that of another, on every data set and level."""

    says: str
    metric: str
    against_metric: str
    experiment: str
    direction: Direction
    least: float
    denied: bool
    cells: tuple[EffectCell, ...]


class CheckResult(Record):
    """A statement that needs no statistics, and the number that decides it."""

    what: str
    measured: int | float
    expected: int | float
    relation: Literal["equal", "within", "above", "below"]
    tolerance: int | float
    holds: bool


class FigureLine(Record):
    """A line of a claim's figure: a metric over an axis, with intervals."""

    metric: str
    line: dict[str, Level]
    n: int
    x: tuple[Level, ...]
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class FigureAxes(Record):
    """A part of a claim's figure: one data set, one or more metrics over an axis."""

    dataset: str
    x: str
    by: tuple[str, ...]
    where: dict[str, tuple[Level, ...]]
    y: tuple[str, ...]
    lines: tuple[FigureLine, ...]


class ClaimResult(Record):
    """A sentence of the textbook with its verdict, effects, exact checks and figure."""

    topic: str
    id: str
    sentence: str
    source: str
    note: str
    quantifier: Quantifier
    verdict: ClaimVerdict
    counts: VerdictCounts
    datasets: tuple[str, ...]
    seeds: int
    recipe: dict[str, Level]
    effects: tuple[EffectResult, ...]
    checks: tuple[CheckResult, ...]
    axes: tuple[FigureAxes, ...] = Field(alias="panels")


class EstimatorRow(Record):
    """How an estimator of calibration does on some networks, with test sets of one size."""

    part: Literal["network", "study"]
    estimator: str
    rows: int
    networks: int
    truth: float
    mean: float
    bias: float
    sd: float
    interval: str
    coverage: float | None
    coverage_low: float | None
    coverage_high: float | None
    within: bool | None


class AuditRow(EstimatorRow):
    """The same of a cell's networks on a data set."""

    dataset: str
    cell: str


class TopicResults(Record):
    """What was found of one topic's sentences."""

    topic: str
    seeds: int
    claims: tuple[ClaimResult, ...]
    audit: tuple[AuditRow, ...]


class TextbookResults(Record):
    """The finished table of all claims, as reports/claims.json holds it."""

    seeds: int
    counts: VerdictCounts
    claims: tuple[ClaimResult, ...]
    audit: tuple[AuditRow, ...]

    @classmethod
    def join(cls, topics: Sequence[TopicResults]) -> TextbookResults:
        """The claims of all topics, in this order."""
        claims = tuple(claim for topic in topics for claim in topic.claims)
        return cls(
            seeds=max(topic.seeds for topic in topics),
            counts=VerdictCounts.of(claim.verdict for claim in claims),
            claims=claims,
            audit=tuple(row for topic in topics for row in topic.audit),
        )
