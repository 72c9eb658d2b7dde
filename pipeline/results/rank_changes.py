"""Changes of sign, verdict and rank with calibration: which gains survive it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.results.study import Comparison, PointResult, RankChangeSide, Ranking, VerdictChange
from pipeline.statistics.paired_comparison import Direction


def rank(points: Sequence[PointResult], directions: Mapping[str, Direction]) -> dict[str, Ranking]:
    """Points from best to worst mean in both stages, for every test metric that is compared in both.

    The A/A check, duplicates of the reference and points without a mean in both stages are not ranked; ties keep the
    order of the points.
    """
    compared = [MetricName.parse(name) for name in sorted(directions)]
    both = [name.metric for name in compared if name == ("test", "before", name.metric) and _after(name) in compared]
    return {
        metric: _ranking(points, metric, higher=directions[str(MetricName("test", "before", metric))] == "higher")
        for metric in both
    }


def find_verdict_changes(points: Sequence[PointResult], ranking: Mapping[str, Ranking]) -> tuple[VerdictChange, ...]:
    """Comparisons with the unregularized point whose sign or verdict changes with calibration.

    `changed` says which of the two; a change of sign alone may lie within the noise.
    """
    places = {metric: _places(order) for metric, order in ranking.items()}
    found = (_verdict_change(point, metric, of_metric) for metric, of_metric in places.items() for point in points)
    return tuple(change for change in found if change is not None)


def _after(name: MetricName) -> MetricName:
    return name._replace(stage="after")


def _ranking(points: Sequence[PointResult], metric: str, *, higher: bool) -> Ranking:
    sign = -1 if higher else 1
    means: dict[str, dict[Stage, float]] = {}
    for point in points:
        by_stage = {stage: point.mean(MetricName("test", stage, metric)) for stage in STAGES}
        finite: dict[Stage, float] = {stage: sign * mean for stage, mean in by_stage.items() if mean is not None}
        if len(finite) == len(STAGES) and not point.a_a and not point.duplicate:
            means[point.key] = finite
    before, after = (tuple(sorted(means, key=lambda key: means[key][stage])) for stage in STAGES)
    return Ranking(before=before, after=after)


def _places(ranking: Ranking) -> dict[Stage, dict[str, int]]:
    """By stage, at which place each point stands; 1 is best."""
    return {stage: {key: place for place, key in enumerate(ranking.at(stage), start=1)} for stage in STAGES}


def _verdict_change(point: PointResult, metric: str, places: Mapping[Stage, Mapping[str, int]]) -> VerdictChange | None:
    before, after = (point.comparison(MetricName("test", stage, metric)) for stage in STAGES)
    if point.a_a or point.duplicate or before is None or after is None:
        return None
    if before.difference is None or after.difference is None:
        return None
    changed = tuple(_changed(before, after, signs=before.difference * after.difference))
    return (
        VerdictChange(
            key=point.key,
            metric=metric,
            changed=changed,
            before=_side(before, before.difference, places["before"][point.key]),
            after=_side(after, after.difference, places["after"][point.key]),
        )
        if changed
        else None
    )


def _changed(before: Comparison, after: Comparison, *, signs: float) -> Iterator[Literal["sign", "verdict"]]:
    if signs < 0:
        yield "sign"
    if before.finding != after.finding:
        yield "verdict"


def _side(comparison: Comparison, difference: float, place: int) -> RankChangeSide:
    return RankChangeSide(difference=difference, verdict=comparison.finding, rank=place)
