"""Points with their scores, over which a study or a search compares them; and the scores of class frequencies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.config.points import Point
from pipeline.results.dataset import DatasetSummary
from pipeline.results.paired_columns import Protocol, Scores
from pipeline.results.record import Record
from pipeline.results.tuning import Tuning
from pipeline.statistics.paired_comparison import Direction
from pipeline.statistics.shared_rows import Groups, Overlap, SplitSizes


class ScoredPoint(Record):
    """A point that has scores; `kind` is that of a contender in a search, `md5` that of its members' file."""

    variant: str
    name: str
    kind: str | None = None
    parameters: Point
    tuning: Tuning
    md5: str


@dataclass(frozen=True)
class BaseRateScores:
    """Scores of the predictor that knows the class frequencies of the training rows and nothing else.

    Attributes:
        scores: By metric, (1, seeds).
        groups: By metric on test, (1, seeds, groups): of the same groups of the pool's rows as the points'.
    """

    scores: Scores
    groups: Groups = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredPoints:
    """Points with their scores, and how they are to be compared.

    Attributes:
        points: The points that were scored.
        scores: By metric, (points, seeds).
        directions: Which way is better, for each metric to be compared.
        dataset: What is known of the data set.
        protocol: Confidence, resamples, gamma.
        base_rates: Scores of the class frequencies of the training rows.
        groups: By metric on test, (points, seeds, groups): scores of the same groups of the pool's rows for all.
    """

    points: Sequence[ScoredPoint]
    scores: Scores
    directions: Mapping[str, Direction]
    dataset: DatasetSummary
    protocol: Protocol
    base_rates: BaseRateScores
    groups: Groups = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the points."""
        return [point.name for point in self.points]

    @property
    def seeds(self) -> int:
        """Seeds of every point."""
        return int(next(iter(self.scores.values())).shape[1])

    @property
    def overlap(self) -> Overlap:
        """The rows that seeds share."""
        return overlap_of(self.dataset, self.groups)

    def of_metrics(self, names: Collection[str]) -> ScoredPoints:
        """The same points with some of their metrics alone."""
        return replace(
            self,
            scores={name: values for name, values in self.scores.items() if name in names},
            directions={name: direction for name, direction in self.directions.items() if name in names},
        )


def overlap_of(rows: DatasetSummary, groups: Groups) -> Overlap:
    """The rows that seeds of a data set share, with scores of groups of them."""
    return Overlap(SplitSizes(rows.train, rows.validation, rows.test, rows.overlapping, drawn=rows.drawn), groups)
