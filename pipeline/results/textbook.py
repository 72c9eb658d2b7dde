"""Records of the textbook's claims: verdicts, effects by cell, lines of figures, and the estimators' audit.

A comparison is supported, refuted or inconclusive; a sentence holds everywhere, depends, holds nowhere, or is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from pipeline.config.claims import Id
from pipeline.config.fields import Name
from pipeline.results.record import Level, Record

CellVerdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[CellVerdict, ...] = ("supported", "refuted", "inconclusive")
"""Of a comparison."""
SentenceVerdict = Literal["everywhere", "depends", "nowhere", "open"]
SENTENCE_VERDICTS: tuple[SentenceVerdict, ...] = ("everywhere", "depends", "nowhere", "open")
Direction = Literal["lower", "higher", "same"]
Quantifier = Literal["all", "any"]
ENOUGH = (0.93, 0.98)
"""Shares of cases in which a 95% interval may hold the truth."""


class VerdictCounts(Record):
    """How many comparisons of a sentence have each verdict."""

    supported: int
    refuted: int
    inconclusive: int

    @classmethod
    def of(cls, verdicts: Iterable[CellVerdict]) -> VerdictCounts:
        """The counts of these verdicts."""
        counts = Counter(verdicts)
        return cls(**{verdict: counts[verdict] for verdict in VERDICTS})


class SentenceCounts(Record):
    """How many sentences have each verdict."""

    everywhere: int
    depends: int
    nowhere: int
    open: int

    @classmethod
    def of(cls, verdicts: Iterable[SentenceVerdict]) -> SentenceCounts:
        """The counts of these verdicts."""
        counts = Counter(verdicts)
        return cls(**{verdict: counts[verdict] for verdict in SENTENCE_VERDICTS})


class Place(Record):
    """Where a sentence is tried: a data set, at one value of the fields that its effects are measured at.

    `strict` is the verdict under Bonferroni's correction for all comparisons of the claim.
    """

    dataset: str
    at: dict[str, Level]
    verdict: CellVerdict
    strict: CellVerdict


class Prevalence(Record):
    """In how many of the places a sentence holds, and the share of such places with its 95% interval."""

    holds: int
    fails: int
    places: int
    low: float
    high: float


class Split(Record):
    """What tells where a sentence holds from where it fails: a property of places, or a part of the sentence.

    Attributes:
        factor: its name.
        level: of the places inside, in words: `above 4`, `0.2`.
        inside: places there where the sentence holds, and all that are decided.
        outside: the same of all other places.
        p: that of Fisher's exact test, times the number of splits that were tried.
    """

    factor: str
    level: str
    inside: tuple[int, int]
    outside: tuple[int, int]
    p: float


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
    verdict: CellVerdict
    strict: CellVerdict


class EffectResult(Record):
    """A metric of one cell minus that of another, on every data set and level.

    `aside` names the setting of an effect that is shown beside the sentence and does not count for its verdict.
    """

    says: str
    metric: str
    against_metric: str
    experiment: str
    direction: Direction
    least: float
    denied: bool
    aside: str
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

    topic: Name
    id: Id
    sentence: str
    source: str
    note: str
    quantifier: Quantifier
    verdict: SentenceVerdict
    counts: VerdictCounts
    places: tuple[Place, ...]
    prevalence: Prevalence | None
    split: Split | None
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


class MapPlace(Record):
    """Who wins with so many training rows and such a share of wrong labels.

    Attributes:
        winner: the arm with the least mean.
        rivals: arms that cannot be told from it.
        baseline: divergence from the posterior of the tuned network without a regularizer, in nats.
        gain: by how much the winner's is less, on seeds that did not choose it, with its 95% interval.
        verdict: whether that is as much as matters.
        means: divergence of every arm.
    """

    rows: int
    label_noise: float
    winner: str
    rivals: tuple[str, ...]
    baseline: float | None
    gain: float | None
    low: float | None
    high: float | None
    n: int
    verdict: CellVerdict
    means: dict[str, float | None]


class MapRow(Record):
    """All places of the map with so many training rows."""

    rows: int
    least: float
    arms: tuple[str, ...]
    places: tuple[MapPlace, ...]


class TopicResults(Record):
    """What was found of one topic's sentences."""

    topic: str
    seeds: int
    claims: tuple[ClaimResult, ...]
    audit: tuple[AuditRow, ...]


class TextbookResults(Record):
    """The finished table of all claims, as reports/claims.json holds it."""

    seeds: int
    counts: SentenceCounts
    claims: tuple[ClaimResult, ...]
    audit: tuple[AuditRow, ...]
    map: tuple[MapRow, ...]

    @classmethod
    def join(cls, topics: Sequence[TopicResults], rows: Sequence[MapRow]) -> TextbookResults:
        """The claims of all topics, and the rows of the map, in this order."""
        claims = tuple(claim for topic in topics for claim in topic.claims)
        return cls(
            seeds=max(topic.seeds for topic in topics),
            counts=SentenceCounts.of(claim.verdict for claim in claims),
            claims=claims,
            audit=tuple(row for topic in topics for row in topic.audit),
            map=tuple(rows),
        )
