"""Which regularizers still help once one temperature is fitted, and where do the data sets disagree?

Everything is read from the finished tables of `pipeline.results.comparison.results_table`, one a data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from pipeline.results.rank_changes import STAGES, is_doubtful, said
from pipeline.results.readable_names import DAGGER, readable
from pipeline.results.record import Record
from pipeline.results.study import Finding

Results = Mapping[str, Any]


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


def summary(studies: Sequence[Results]) -> dict[str, Any]:
    """`points`, `ranking`, `counts`, `best` and a `sentence` on test NLL, from one finished table a data set.

    A point is in `points` if every data set has it and compares it; the unregularized point, its duplicates and the A/A
    check are not. `verdicts` are those against the unregularized point, by data set, `before` and `after` temperature
    scaling; `doubtful` says whether one after scaling does not hold once all points are taken into account (Holm). A
    point `survives` if it is better after scaling on every data set, and is in `conflict` if it is then better on one
    and worse on another. `counts` has how many points are better `before`, `after`, and both (`kept`). `ranking` (best
    first, after scaling) has the points that every data set ranks, `best` says at which place of it each data set's
    best point stands elsewhere.

    Raises:
        ValueError: no data set is given.
    """
    if not studies:
        raise ValueError("studies must hold a finished table or more, got none")
    by_set = {results["dataset"]["name"]: {row["key"]: row for row in results["points"]} for results in studies}
    keys = [key for key, row in next(iter(by_set.values())).items() if not row["a_a"] and row["against_reference"]]
    rows = [_row(key, by_set) for key in keys if all(_compared(rows.get(key)) for rows in by_set.values())]
    ranking = _ranking(studies)
    found = {
        "points": rows,
        "counts": {name: _counts([row["verdicts"][name] for row in rows]) for name in by_set},
        "ranking": ranking,
        "means": {name: _means(by_set[name], order) for name, order in ranking.items()},
        "best": [
            {
                "dataset": name,
                "key": order[0],
                "places": {other: ranking[other].index(order[0]) + 1 for other in ranking},
            }
            for name, order in ranking.items()
            if order
        ],
    }
    return {**found, "sentence": _sentence(found)}


def _compared(row: Mapping[str, Any] | None) -> bool:
    if row is None or row["duplicate"]:
        return False
    entries = [row["against_reference"].get(f"{stage}/nll") for stage in STAGES.values()]
    return all(entry is not None and not entry["left_out"] for entry in entries)


def _row(key: str, by_set: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    compared = {name: rows[key]["against_reference"] for name, rows in by_set.items()}
    verdicts = {
        name: {when: said(entries[f"{stage}/nll"]) for when, stage in STAGES.items()}
        for name, entries in compared.items()
    }
    after = {verdict["after"] for verdict in verdicts.values()}
    return {
        "key": key,
        "verdicts": verdicts,
        "doubtful": any(is_doubtful(entries[f"{STAGES['after']}/nll"]) for entries in compared.values()),
        "survives": after == {"better"},
        "conflict": {"better", "worse"} <= after,
    }


def _counts(verdicts: Sequence[Mapping[str, str]]) -> dict[str, int]:
    better = [{when for when in STAGES if verdict[when] == "better"} for verdict in verdicts]
    return {**{when: sum(when in found for found in better) for when in STAGES}, "kept": better.count(set(STAGES))}


def _ranking(studies: Sequence[Results]) -> dict[str, list[str]]:
    orders = {results["dataset"]["name"]: results["ranking"]["nll"]["after"] for results in studies}
    shared = set.intersection(*(set(order) for order in orders.values()))
    return {name: [key for key in order if key in shared] for name, order in orders.items()}


def _means(rows: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> dict[str, float]:
    return {key: rows[key]["metrics"][f"{STAGES['after']}/nll"]["mean"] for key in order}


def _sentence(found: Mapping[str, Any]) -> str:
    rows, several = found["points"], len(found["counts"]) > 1
    told = [
        f"On {name} {count['before']} of {len(rows)} points beat no regularization as trained; {count['kept']} of them "
        f"and {count['after'] - count['kept']} more do after temperature scaling."
        for name, count in found["counts"].items()
    ]
    told.append(f"Better after it{' on every data set' if several else ''}: {_listed(rows, 'survives')}.")
    if several:
        told.append(f"Better on one data set and worse on another: {_listed(rows, 'conflict')}.")
    if any(row["doubtful"] for row in rows if row["survives"] or row["conflict"]):
        told.append(f"{DAGGER}: a verdict of it does not hold at 5% once all points are taken into account (Holm).")
    return " ".join(told)


def _listed(rows: Sequence[Mapping[str, Any]], which: str) -> str:
    return "; ".join(readable(row["key"]) + DAGGER * row["doubtful"] for row in rows if row[which]) or "none"
