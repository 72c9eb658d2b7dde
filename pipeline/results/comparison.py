"""Comparison of every point with the unregularized one, metric by metric, before and after temperature scaling.

Scores of every point and seed become records. What cannot be compared says why; what is not finite becomes None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from pipeline.config.points import Point
from pipeline.metrics.names import MetricName
from pipeline.results.answer import answer
from pipeline.results.paired_columns import Protocol, Roles, Scores, compare_columns, stacked_widening
from pipeline.results.rank_changes import find_verdict_changes, rank
from pipeline.results.record import Record, finite
from pipeline.results.study import (
    DatasetSummary,
    Inflation,
    MetricSummary,
    PointResult,
    ProtocolSummary,
    Reference,
    StudyResults,
)
from pipeline.statistics.intervals import mean_interval
from pipeline.statistics.paired_comparison import Direction
from pipeline.statistics.shared_rows import Groups, Overlap, SplitSizes

_RESPLITS = "Nadeau-Bengio 2003, correlation bounded for training rows and measured for test rows"
_SHARED_TEST = "Searle et al. 1992, covariance of test rows measured"
PROTOCOL = Protocol(confidence=0.95, resamples=10_000, gamma=0.75)
number = finite


class ScoredPoint(Record):
    """A point that has scores; `kind` is that of a contender in a search, `md5` that of its members' file."""

    variant: str
    name: str
    kind: str | None = None
    parameters: Point
    md5: str


@dataclass(frozen=True)
class _Comparable:
    """Points with what is needed to compare them."""

    points: Sequence[ScoredPoint]
    overlap: Overlap
    roles: Roles
    seeds: int


def study_results(
    points: Sequence[ScoredPoint],
    scores: Scores,
    *,
    groups: Groups | None = None,
    directions: Mapping[str, Direction],
    reference: int,
    dataset: DatasetSummary,
    protocol: Protocol,
    generator: np.random.Generator,
) -> StudyResults:
    """The finished table of a study: its points compared, ranked, and the answer; arguments as in `compare_points`.

    Raises:
        NothingToChooseError: no point has a finite validation NLL.
        ValueError: shapes, names or `reference` do not fit together.
    """
    study = _comparable(points, scores, groups=groups, directions=directions, reference=reference, dataset=dataset)
    compared = _point_results(study, scores, directions=directions, protocol=protocol, generator=generator)
    ranking = rank(compared, directions)
    summary = _protocol_summary(protocol, study)
    return StudyResults(
        dataset=dataset,
        protocol=summary,
        reference=Reference(index=reference, key=compared[reference].key, variant=compared[reference].variant),
        points=compared,
        ranking=ranking,
        verdict_changes=find_verdict_changes(compared, ranking),
        answer=answer(compared, reference=reference, protocol=summary),
    )


def compare_points(
    points: Sequence[ScoredPoint],
    scores: Scores,
    *,
    groups: Groups | None = None,
    directions: Mapping[str, Direction],
    reference: int,
    dataset: DatasetSummary,
    protocol: Protocol,
    generator: np.random.Generator,
) -> tuple[PointResult, ...]:
    """Every metric's mean and interval, and every point's paired comparison with the unregularized one.

    A point with parameter `replicate` = 1 is the A/A check: the unregularized point on other seeds, flagged `a_a`.
    Its seeds pair up with the reference's by position only, which leaves the paired t interval valid (independent
    pairs) but not narrowed. A point whose compared scores all equal the reference's to the bit is flagged
    `duplicate`. Neither belongs to the family that Holm's step-down corrects for, metric by metric.

    A verdict needs the interval of the difference to exclude 0 as well. Where P(better) alone would decide and the
    interval does not, no number of further seeds is named (`more_seeds` is None); nor where seeds share rows and the
    widened interval includes 0: more rows would help.

    Means, differences and p values are widened, metric by metric and point by point, by
    `shared_rows.measured_widening` where the metric has groups (a gap has those of its test part): for the test rows
    that seeds share, and where they resplit one data set (`dataset.overlapping`) with the correction of Nadeau &
    Bengio (2003) for training rows. Where a metric has no groups the correlation is bounded by the largest part of
    the pool that it depends on, 0 where seeds draw rows of their own. The surrogate n_test / n_train is quoted only:
    it assumes that nothing depends on the training rows, far too wide where test parts are large. P(better) and its
    interval carry no correction.

    Args:
        points: The points that were scored.
        scores: By metric, (points, seeds).
        groups: By metric on test, (points, seeds, groups): scores of the same groups of the pool's rows for all.
        directions: Which way is better, for each metric to be compared.
        reference: Index of the unregularized point.
        dataset: What is known of the data set.
        protocol: Confidence, resamples, gamma.
        generator: Draws the bootstrap's seed sets.

    Raises:
        ValueError: shapes, names or `reference` do not fit together.
    """
    study = _comparable(points, scores, groups=groups, directions=directions, reference=reference, dataset=dataset)
    return _point_results(study, scores, directions=directions, protocol=protocol, generator=generator)


def _comparable(
    points: Sequence[ScoredPoint],
    scores: Scores,
    *,
    groups: Groups | None,
    directions: Mapping[str, Direction],
    reference: int,
    dataset: DatasetSummary,
) -> _Comparable:
    seeds = _check(points, scores, directions=directions, reference=reference)
    selecting = np.array([point.parameters.early_stopping != "none" for point in points])
    sizes = SplitSizes(dataset.train, dataset.validation, dataset.test, dataset.overlapping)
    roles = _roles(points, scores, directions=directions, reference=reference)
    return _Comparable(points, Overlap(sizes, groups or {}, selecting), roles, seeds)


def _point_results(
    study: _Comparable,
    scores: Scores,
    *,
    directions: Mapping[str, Direction],
    protocol: Protocol,
    generator: np.random.Generator,
) -> tuple[PointResult, ...]:
    metrics = _summaries(scores, study.overlap, protocol)
    compared = compare_columns(
        scores,
        directions=directions,
        roles=study.roles,
        overlap=study.overlap,
        protocol=protocol,
        generator=generator,
    )
    keys = _keys(study.points)
    return tuple(
        PointResult(
            variant=point.variant,
            name=point.name,
            kind=point.kind,
            parameters=point.parameters,
            md5=point.md5,
            key=keys[i],
            seeds=study.seeds,
            a_a=bool(study.roles.a_a[i]),
            duplicate=bool(study.roles.duplicate[i]),
            metrics=metrics[i],
            against_reference={} if i == study.roles.reference else compared[i],
        )
        for i, point in enumerate(study.points)
    )


def _check(
    points: Sequence[ScoredPoint], scores: Scores, *, directions: Mapping[str, Direction], reference: int
) -> int:
    shapes = {name: values.shape for name, values in scores.items()}
    if len(set(shapes.values())) != 1 or next(iter(shapes.values()))[:1] != (len(points),):
        raise ValueError(f"scores must all have shape ({len(points)} points, seeds), got {shapes}")
    if missing := sorted(set(directions) - set(scores)):
        raise ValueError(f"directions must name metrics that have scores, got also {', '.join(missing)}")
    if not 0 <= reference < len(points):
        raise ValueError(f"reference must be the index of one of {len(points)} points, got {reference}")
    return int(next(iter(shapes.values()))[1])


def _keys(points: Sequence[ScoredPoint]) -> list[str]:
    """A name that is unique among all points: with its variant before it where two variants share it."""
    count = Counter(point.name for point in points)
    keys = [point.name if count[point.name] == 1 else f"{point.variant}/{point.name}" for point in points]
    if len(set(keys)) < len(keys):
        raise ValueError(f"points must differ in variant and name, got {keys}")
    return keys


def _roles(
    points: Sequence[ScoredPoint], scores: Scores, *, directions: Mapping[str, Direction], reference: int
) -> Roles:
    replicate = points[reference].parameters.model_copy(update={"replicate": 1})
    a_a = np.array([i != reference and point.parameters == replicate for i, point in enumerate(points)])
    same = [
        i != reference
        and bool(directions)
        and all(np.array_equal(scores[m][i], scores[m][reference], equal_nan=True) for m in directions)
        for i in range(len(points))
    ]
    return Roles(reference=reference, a_a=a_a, duplicate=np.array(same) & ~a_a)


def _summaries(scores: Scores, overlap: Overlap, protocol: Protocol) -> list[dict[MetricName, MetricSummary]]:
    """Of every point, the mean over seeds of every metric and its interval."""
    names = sorted(scores)
    stacked: Float[np.ndarray, "points metrics seeds"] = np.stack([scores[name] for name in names], axis=1)
    stacked = stacked.astype(np.float64)
    lines = [overlap.widening(name, stacked[:, j], overlap.groups_of(name)) for j, name in enumerate(names)]
    interval = mean_interval(
        stacked, confidence=protocol.confidence, widening=stacked_widening(lines, size=len(stacked), axis=1)
    )
    broken = np.sum(~np.isfinite(stacked), axis=-1)

    def summary(i: int, j: int) -> MetricSummary:
        mean, low, high = (finite(field[i, j]) for field in interval)
        return MetricSummary(mean=mean, low=low, high=high, not_finite=int(broken[i, j]))

    return [{MetricName.parse(name): summary(i, j) for j, name in enumerate(names)} for i in range(len(stacked))]


def _protocol_summary(protocol: Protocol, study: _Comparable) -> ProtocolSummary:
    """How it was done; `inflation` is what applies without a measurement, and the textbook's `surrogate` beside it."""
    overlap, sizes = study.overlap, study.overlap.sizes
    train, fit, test = overlap.share("train"), overlap.share("train", "validation"), overlap.share("test")
    largest = max(train, test)
    return ProtocolSummary(
        **asdict(protocol),
        seeds=study.seeds,
        interval="Student t over seeds, with Satterthwaite's degrees of freedom where shared test rows are measured",
        p_better="percentile bootstrap over paired seeds, ties half",
        correction=_RESPLITS if sizes.overlapping else _SHARED_TEST if overlap.groups else "none",
        rho_train=train,
        rho_fit=fit,
        inflation=Inflation(
            training_rows=train / (1 - train),
            all_rows=largest / (1 - largest),
            surrogate=float(sizes.test / sizes.train) if sizes.overlapping else 0.0,
        ),
        multiplicity="Holm 1979",
        family=int(study.roles.family.sum()),
    )
