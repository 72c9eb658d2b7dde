"""Records of a finished study: its protocol, points, comparisons, ranking and answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.fields import Label, Name
from pipeline.config.points import Point
from pipeline.config.search_space import Objective
from pipeline.core.strict_model import OmitDefault
from pipeline.metrics.names import MetricName, Stage
from pipeline.results.dataset import DatasetSummary
from pipeline.results.record import Record
from pipeline.results.tuning import Tuning

SIGNIFICANT = 0.05
"""Of p values that Holm's step-down has corrected."""

Verdict = Literal["better", "worse", "no evidence"]
Finding = Literal["better", "worse", "same", "no evidence"]
"""A verdict, or `same` where no meaningful difference is established."""


class Inflation(Record):
    """rho / (1 - rho) where nothing was measured, and the textbook's n_test / n_train, quoted only."""

    training_rows: float
    all_rows: float
    surrogate: float


class ProtocolSummary(Record):
    """How comparisons were made."""

    confidence: float
    resamples: int
    gamma: float
    least_effect: float
    calibrator: str
    seeds: int
    interval: str
    p_better: str
    correction: str
    rho_train: float
    inflation: Inflation
    multiplicity: str
    family: int


class Reference(Record):
    """The unregularized point that all others are compared with."""

    index: int
    key: str
    variant: str


class MetricSummary(Record):
    """A metric's mean over seeds and its interval; `not_finite` counts seeds without a finite value."""

    mean: float | None
    low: float | None
    high: float | None
    not_finite: Annotated[int, OmitDefault()] = 0


class ProbabilityBetter(Record):
    """P(better) over paired seeds and its bootstrap interval, in [0, 1]."""

    estimate: float | None
    low: float | None
    high: float | None


class GapClosed(Record):
    """The share of a generalization gap that a point closes, in percent, with its interval."""

    percent: float | None
    low: float | None
    high: float | None


class Comparison(Record):
    """A point's metric minus the reference's, paired over seeds; see `pipeline.results.comparison`."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    inflation: float | None
    freedom: float | None
    p_better: ProbabilityBetter
    verdict: Verdict
    equivalent: bool
    more_seeds: int | None
    left_out: str | None
    closed: Annotated[GapClosed | None, OmitDefault()] = None

    @property
    def finding(self) -> Finding:
        """The verdict, or `same` where no meaningful difference is established."""
        return "same" if self.equivalent else self.verdict

    @property
    def corrected(self) -> Finding:
        """The finding once all points are taken into account (Holm 1979)."""
        return "no evidence" if self.fails_holm and not self.equivalent else self.finding

    @property
    def fails_holm(self) -> bool:
        """Whether a verdict does not hold at 5% once all points are taken into account (Holm 1979)."""
        return self.verdict != "no evidence" and (self.p_holm is None or self.p_holm > SIGNIFICANT)


class Measured(Record):
    """What has metrics by name, and comparisons with the reference by name."""

    metrics: dict[MetricName, MetricSummary]
    against_reference: dict[MetricName, Comparison]

    def decisive(self, metric: MetricName) -> MetricName:
        """The metric, or that of class 1 where there are two classes: a top label hides errors that cancel."""
        of_class_one = metric._replace(metric=f"{metric.metric}_class1")
        return of_class_one if of_class_one in self.metrics else metric

    def mean(self, metric: MetricName) -> float | None:
        """A metric's mean over seeds; None where there is none that is finite."""
        summary = self.metrics.get(metric)
        return None if summary is None else summary.mean

    def comparison(self, metric: MetricName) -> Comparison | None:
        """A metric's comparison with the reference, where there is one."""
        return self.against_reference.get(metric)


class BaseRates(Measured):
    """The predictor that knows the class frequencies of the training rows and nothing else."""


class PointEntry(Record):
    """One point: its parameters, how they were tuned, and what it is among the others.

    `learned` where its validation NLL, after cross-fitted calibration, is known to be below that of the base rates.
    """

    variant: Label
    name: Label
    kind: Annotated[Name | None, OmitDefault()] = None
    parameters: Point
    tuning: Tuning
    md5: str
    key: str
    seeds: int
    a_a: bool
    duplicate: bool
    learned: bool


class PointResult(PointEntry, Measured):
    """One point with its metrics, and its comparisons with the reference (none of its own)."""

    @property
    def given(self) -> dict[str, object]:
        """Its hyperparameters, but for a learning rate that was tuned."""
        tuned = {"learning_rate"} if len(self.tuning.trials) > 1 else set()
        return {name: value for name, value in self.parameters if name not in tuned}


class Ranking(Record):
    """Keys of points from best to worst mean on test, before and after calibration."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    def at(self, stage: Stage) -> tuple[str, ...]:
        """The order in a stage."""
        return self.before if stage == "before" else self.after


class RankChangeSide(Record):
    """A comparison before or after calibration, and the point's rank there (1 is best)."""

    difference: float
    verdict: Finding
    rank: int


class VerdictChange(Record):
    """A comparison whose sign or verdict changes with calibration."""

    key: str
    metric: str
    changed: tuple[Literal["sign", "verdict"], ...] = Field(validation_alias="kinds", serialization_alias="kinds")
    before: RankChangeSide
    after: RankChangeSide


class StageCalibration(Record):
    """ECE and its noise floor, before and after calibration."""

    before: float | None
    before_floor: float | None
    after: float | None
    after_floor: float | None


class CalibrationChange(Record):
    """Calibration of the unregularized and of the chosen point."""

    reference: StageCalibration
    chosen: StageCalibration

    @property
    def is_worse(self) -> bool:
        """Whether the ECE of the chosen point, as trained, is known to be above that of the unregularized one."""
        plain, chosen = self.reference.before, self.chosen.before
        return plain is not None and chosen is not None and chosen > plain


class GapChange(Record):
    """Test minus training NLL, as trained, of the unregularized and of the chosen point, nats."""

    reference: float | None
    chosen: float | None


class Answer(Record):
    """The point that the tuning seeds choose, what test says of it on the study's own seeds, and a sentence.

    Attributes:
        objective: What was minimized on validation rows of the tuning seeds.
        value: Its mean there, nats.
        learned: Whether any point predicts validation rows better than class frequencies do.
        at_edge: Parameters that have the largest value tried, or a learning rate at an end of those tried.
    """

    key: str
    variant: str
    name: str
    parameters: Point
    seeds: int
    duplicate: bool
    learned: bool
    objective: Objective
    value: float
    recommendation: Literal["use", "leave it unregularized"]
    test: Comparison | None
    gap: GapChange
    calibration: CalibrationChange
    at_edge: tuple[str, ...]
    sentence: str


class StudyHead(Record):
    """A study but for its points: data set, protocol, ranking and answer."""

    dataset: DatasetSummary
    protocol: ProtocolSummary
    reference: Reference
    base_rates: BaseRates
    ranking: dict[str, Ranking]
    answer: Answer


class StudyResults(StudyHead):
    """The finished table of a data set's study; `pipeline.results.study_files` reads and writes it."""

    points: tuple[PointResult, ...]
    verdict_changes: tuple[VerdictChange, ...] = Field(validation_alias="flips", serialization_alias="flips")

    @property
    def reference_point(self) -> PointResult:
        """The unregularized point."""
        return self.points[self.reference.index]

    @property
    def recommended(self) -> str:
        """The key of the point that the answer says to use: the unregularized one where no other is worth it."""
        return self.answer.key if self.answer.recommendation == "use" else self.reference.key

    @property
    def contenders(self) -> Iterator[PointResult]:
        """All points but the A/A check."""
        return (point for point in self.points if not point.a_a)

    def point(self, key: str) -> PointResult:
        """The point of a key.

        Raises:
            KeyError: there is none.
        """
        return {point.key: point for point in self.points}[key]
