"""Tables of smaller searches, from finished ones."""

from typing import Any

from pipeline.metrics.names import MetricName
from pipeline.results.record import Record
from pipeline.results.search import EnsembleResult, EnsembleResults, SearchResults
from pipeline.results.study import Comparison


def changed(record: Record, **changes: Any) -> Any:
    """The same record with other fields."""
    return record.model_copy(update=changes)


def averaged(search: SearchResults, *, members: int = 5, splits: int = 6) -> SearchResults:
    """The same search with averages whose numbers are those of other comparisons in its table."""
    points = {point.name: point for point in search.results.points if point.kind == "tuned"}
    (other, *_) = (point.against_reference for name, point in points.items() if name != "none")
    rows = tuple(
        EnsembleResult(
            arm=name,
            single=point.metrics,
            ensemble=search.results.points[-1].metrics,
            averaging=other,
            single_against_none=point.against_reference,
            single_against_ensemble=point.against_reference or other,
            ensemble_against_none=other,
            ensemble_against_ensemble=point.against_reference,
        )
        for name, point in points.items()
    )
    return changed(search, ensembles=EnsembleResults(members=members, splits=splits, arms=rows))


def with_comparison(search: SearchResults, arm: str, field: str, metric: MetricName, **changes: Any) -> SearchResults:
    """The same search with another comparison of an arm's average or network."""
    averages = search.ensembles
    assert averages is not None
    rows = []
    for row in averages.arms:
        compared: dict[MetricName, Comparison] = getattr(row, field)
        entry = {**compared, metric: changed(compared[metric], **changes)} if row.arm == arm else compared
        rows.append(changed(row, **{field: entry}))
    return changed(search, ensembles=changed(averages, arms=tuple(rows)))


def without(search: SearchResults, *arms: str) -> SearchResults:
    """The tables of a search in which all trials of some arms diverged: they are not in `arms`."""
    gone, averages = set(arms), search.ensembles
    points = tuple(point for point in search.results.points if not set(point.name.split("+")) & gone)
    return changed(
        search,
        arms={arm: result for arm, result in search.arms.items() if arm not in gone},
        results=changed(search.results, points=points),
        pairs=tuple(pair for pair in search.pairs if not {pair.a, pair.b} & gone),
        interactions=tuple(each for each in search.interactions if not {each.name, *each.parts} & gone),
        ensembles=averages and changed(averages, arms=tuple(row for row in averages.arms if row.arm not in gone)),
    )


def alone(search: SearchResults) -> SearchResults:
    """The smallest search: nothing but the learning rate of the unregularized network."""
    others = [arm for arm in search.search.arms if arm != "none"]
    return changed(without(search, *others), search=changed(search.search, arms={"none": ()}))
