"""Tables of smaller searches, from finished ones."""

from typing import Any

from pipeline.results.record import Record
from pipeline.results.search import SearchResults


def changed(record: Record, **changes: Any) -> Any:
    """The same record with other fields."""
    return record.model_copy(update=changes)


def without(search: SearchResults, *arms: str) -> SearchResults:
    """The tables of a search in which all trials of some arms diverged: they are not in `arms`."""
    gone = set(arms)
    points = tuple(point for point in search.results.points if not set(point.name.split("+")) & gone)
    return changed(
        search,
        arms={arm: result for arm, result in search.arms.items() if arm not in gone},
        results=changed(search.results, points=points),
        pairs=tuple(pair for pair in search.pairs if not {pair.a, pair.b} & gone),
        interactions=tuple(each for each in search.interactions if not {each.name, *each.parts} & gone),
    )


def alone(search: SearchResults) -> SearchResults:
    """The smallest search: nothing but the learning rate of the unregularized network."""
    others = [arm for arm in search.search.arms if arm != "none"]
    return changed(without(search, *others), search=changed(search.search, arms={"none": ()}))
