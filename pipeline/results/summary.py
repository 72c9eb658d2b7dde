"""Summary across data sets: which regularizers still help after calibration, and where data sets disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.results.readable_names import readable
from pipeline.results.record import Record
from pipeline.results.study import Finding, PointResult, StudyResults

NLL: dict[Stage, MetricName] = {stage: MetricName("test", stage, "nll") for stage in STAGES}
Points = Mapping[str, Mapping[str, PointResult]]
"""By data set, then by key."""


class StageFindings(Record):
    """Findings before and after calibration."""

    before: Finding
    after: Finding


class PointSummary(Record):
    """A point's findings on every data set; `survives` where it is better after calibration on all of them."""

    key: str
    verdicts: dict[str, StageFindings]
    survives: bool
    conflict: bool


class BetterCounts(Record):
    """How many points are better than no regularization before and after calibration, and both (`kept`)."""

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
    """Summarize test NLL over data sets.

    A point is in `points` if every data set has it and compares it; the unregularized point, its duplicates and the A/A
    check are not. `verdicts` are those against the unregularized point, by data set, `before` and `after` calibration,
    corrected for the number of points (Holm). A point `survives` if it is better after calibration on every data set,
    and is in `conflict` if it is then better on one and worse on another. `counts` has how many points are better
    `before`, `after`, and both (`kept`). `ranking` (best first, after calibration) has the points that every data set
    ranks, `best` says at which place of it each data set's best point stands elsewhere.

    Raises:
        ValueError: no data set is given.
    """
    if not studies:
        raise ValueError("studies must hold a finished table or more, got none")
    by_set = {study.dataset.name: {point.key: point for point in study.points} for study in studies}
    keys = [point.key for point in studies[0].contenders if point.against_reference]
    points = tuple(
        _point_summary(key, by_set) for key in keys if all(_is_compared(rows.get(key)) for rows in by_set.values())
    )
    ranking = _ranking(studies)
    counts = {name: _better_counts([point.verdicts[name] for point in points]) for name in by_set}
    return Summary(
        points=points,
        counts=counts,
        ranking=ranking,
        means={name: _means(by_set[name], order) for name, order in ranking.items()},
        best=tuple(_best_point(name, ranking) for name, order in ranking.items() if order),
        sentence=_sentence(points, counts),
    )


def _is_compared(point: PointResult | None) -> bool:
    if point is None or point.duplicate:
        return False
    comparisons = [point.comparison(NLL[stage]) for stage in STAGES]
    return all(comparison is not None and not comparison.left_out for comparison in comparisons)


def _point_summary(key: str, by_set: Points) -> PointSummary:
    compared = {name: points[key].against_reference for name, points in by_set.items()}
    verdicts = {
        name: StageFindings(before=comparisons[NLL["before"]].corrected, after=comparisons[NLL["after"]].corrected)
        for name, comparisons in compared.items()
    }
    after = {findings.after for findings in verdicts.values()}
    return PointSummary(
        key=key,
        verdicts=verdicts,
        survives=after == {"better"},
        conflict={"better", "worse"} <= after,
    )


def _better_counts(findings: Sequence[StageFindings]) -> BetterCounts:
    return BetterCounts(
        before=sum(each.before == "better" for each in findings),
        after=sum(each.after == "better" for each in findings),
        kept=sum(each.before == each.after == "better" for each in findings),
    )


def _ranking(studies: Sequence[StudyResults]) -> dict[str, tuple[str, ...]]:
    orders = {study.dataset.name: study.ranking["nll"].after for study in studies}
    shared = set.intersection(*(set(order) for order in orders.values()))
    return {name: tuple(key for key in order if key in shared) for name, order in orders.items()}


def _means(points: Mapping[str, PointResult], order: Sequence[str]) -> dict[str, float]:
    means = {key: points[key].mean(NLL["after"]) for key in order}
    return {key: mean for key, mean in means.items() if mean is not None}  # all: what has no mean is not ranked


def _best_point(dataset: str, ranking: Mapping[str, Sequence[str]]) -> BestPoint:
    key = ranking[dataset][0]
    return BestPoint(dataset=dataset, key=key, places={name: order.index(key) + 1 for name, order in ranking.items()})


def _sentence(points: Sequence[PointSummary], counts: Mapping[str, BetterCounts]) -> str:
    several = len(counts) > 1
    survivors = [point for point in points if point.survives]
    conflicts = [point for point in points if point.conflict]
    sentences = [
        f"On {name} {count.before} of {len(points)} points beat no regularization as trained; {count.kept} of them "
        f"and {count.after - count.kept} more do after calibration."
        for name, count in counts.items()
    ]
    sentences.append(f"Better after it{' on every data set' if several else ''}: {_listed(survivors)}.")
    if several:
        sentences.append(f"Better on one data set and worse on another: {_listed(conflicts)}.")
    sentences.append("All verdicts are corrected for the number of points (Holm).")
    return " ".join(sentences)


def _listed(points: Sequence[PointSummary]) -> str:
    return "; ".join(readable(point.key) for point in points) or "none"
