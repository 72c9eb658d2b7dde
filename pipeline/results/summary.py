"""The summary of studies: which points survive temperature scaling, and where data sets disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from pipeline.metrics.names import STAGES, MetricName
from pipeline.results.readable_names import DAGGER, readable
from pipeline.results.record import Record
from pipeline.results.study import Comparison, Finding, PointResult, StudyResults

_BEFORE, _AFTER = (MetricName("test", stage, "nll") for stage in STAGES)


class StageFindings(Record):
    """Findings before and after temperature scaling."""

    before: Finding
    after: Finding


class PointSummary(Record):
    """A point's findings on every data set; `survives` where it is better after scaling on all of them."""

    key: str
    verdicts: dict[str, StageFindings]
    fails_holm: bool = Field(alias="doubtful")
    survives: bool
    conflict: bool


class BetterCounts(Record):
    """How many points are better than no regularization before and after temperature scaling, and both (`kept`)."""

    before: int
    after: int
    kept: int


class BestPoint(Record):
    """A data set's best point, and at which place it stands on every data set."""

    dataset: str
    key: str
    places: dict[str, int]


class Summary(Record):
    """What holds across data sets, as reports/summary.json holds it."""

    points: tuple[PointSummary, ...]
    counts: dict[str, BetterCounts]
    ranking: dict[str, tuple[str, ...]]
    means: dict[str, dict[str, float]]
    best: tuple[BestPoint, ...]
    sentence: str


def summary(studies: Sequence[StudyResults]) -> Summary:
    """What holds on test NLL, from one finished table a data set.

    A point is in `points` if every data set has it and compares it; the unregularized point, its duplicates and the A/A
    check are not. A point `survives` if it is better after scaling on every data set, and is in `conflict` if it is
    then better on one and worse on another. `ranking` (best first, after scaling) has the points that every data set
    ranks, `best` says at which place of it each data set's best point stands elsewhere.

    Raises:
        ValueError: no data set is given.
    """
    if not studies:
        raise ValueError("studies must hold a finished table or more, got none")
    by_set = {results.dataset.name: {point.key: point for point in results.points} for results in studies}
    keys = [point.key for point in studies[0].contenders if point.against_reference]
    points = tuple(
        _point(key, {name: found[key] for name, found in by_set.items()})
        for key in keys
        if all(_is_compared(found.get(key)) for found in by_set.values())
    )
    ranking = _ranking(studies)
    counts = {name: _counts([point.verdicts[name] for point in points]) for name in by_set}
    return Summary(
        points=points,
        counts=counts,
        ranking=ranking,
        means={name: _means(by_set[name], order) for name, order in ranking.items()},
        best=tuple(_best(name, ranking) for name, order in ranking.items() if order),
        sentence=_sentence(points, counts),
    )


def _is_compared(point: PointResult | None) -> bool:
    if point is None or point.duplicate:
        return False
    entries = [point.comparison(_BEFORE), point.comparison(_AFTER)]
    return all(entry is not None and not entry.left_out for entry in entries)


def _point(key: str, points: Mapping[str, PointResult]) -> PointSummary:
    compared = {
        name: (point.against_reference[_BEFORE], point.against_reference[_AFTER]) for name, point in points.items()
    }
    after: set[Finding] = {entry.finding for _, entry in compared.values()}
    return PointSummary(
        key=key,
        verdicts={name: _findings(*entries) for name, entries in compared.items()},
        doubtful=any(entry.fails_holm for _, entry in compared.values()),
        survives=after == {"better"},
        conflict={"better", "worse"} <= after,
    )


def _findings(before: Comparison, after: Comparison) -> StageFindings:
    return StageFindings(before=before.finding, after=after.finding)


def _counts(findings: Sequence[StageFindings]) -> BetterCounts:
    return BetterCounts(
        before=sum(each.before == "better" for each in findings),
        after=sum(each.after == "better" for each in findings),
        kept=sum(each.before == each.after == "better" for each in findings),
    )


def _ranking(studies: Sequence[StudyResults]) -> dict[str, tuple[str, ...]]:
    orders = {results.dataset.name: results.ranking["nll"].after for results in studies}
    shared = set.intersection(*(set(order) for order in orders.values()))
    return {name: tuple(key for key in order if key in shared) for name, order in orders.items()}


def _best(name: str, ranking: Mapping[str, Sequence[str]]) -> BestPoint:
    key = ranking[name][0]
    return BestPoint(dataset=name, key=key, places={other: order.index(key) + 1 for other, order in ranking.items()})


def _means(points: Mapping[str, PointResult], order: Sequence[str]) -> dict[str, float]:
    return {key: mean for key in order if (mean := points[key].mean(_AFTER)) is not None}


def _sentence(points: Sequence[PointSummary], counts: Mapping[str, BetterCounts]) -> str:
    several = len(counts) > 1
    sentences = [
        f"On {name} {count.before} of {len(points)} points beat no regularization as trained; {count.kept} of them "
        f"and {count.after - count.kept} more do after temperature scaling."
        for name, count in counts.items()
    ]
    survivors, conflicts = ([p for p in points if p.survives], [p for p in points if p.conflict])
    sentences.append(f"Better after it{' on every data set' if several else ''}: {_listed(survivors)}.")
    if several:
        sentences.append(f"Better on one data set and worse on another: {_listed(conflicts)}.")
    if any(point.fails_holm for point in [*survivors, *conflicts]):
        sentences.append(
            f"{DAGGER}: a verdict of it does not hold at 5% once all points are taken into account (Holm)."
        )
    return " ".join(sentences)


def _listed(points: Sequence[PointSummary]) -> str:
    return "; ".join(readable(point.key) + DAGGER * point.fails_holm for point in points) or "none"
