"""Which regularizers still help once one temperature is fitted, and on which data sets do they contradict each other?

Everything is read from the finished tables of `pipeline.results.results_table`, one a data set.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.flips import STAGES
from pipeline.wording import spoken

Results = Mapping[str, Any]


def summary(studies: Sequence[Results]) -> dict[str, Any]:
    """`points`, `ranking`, `counts`, `best` and a `sentence` on test NLL, from one finished table a data set.

    A point is in `points` if every data set has it and compares it; the unregularized point, its duplicates and the A/A
    check are not. `verdicts` are those against the unregularized point, by data set, `before` and `after` temperature
    scaling. A point `survives` if it is better after scaling on every data set, and is in `conflict` if it is then
    better on one and worse on another. `ranking` (best first, after scaling) has the points that every data set ranks,
    `best` says at which place of it each data set's best point stands elsewhere.

    Raises:
        ValueError: no data set is given.
    """
    if not studies:
        raise ValueError("studies must hold a finished table or more, got none")
    by_set = {results["dataset"]["name"]: {row["key"]: row for row in results["points"]} for results in studies}
    keys = [key for key, row in next(iter(by_set.values())).items() if not row["a_a"] and row["against_reference"]]
    rows = [_row(key, by_set) for key in keys if all(_compared(rows.get(key)) for rows in by_set.values())]
    ranking = _ranking(studies)
    counts = {
        name: {when: sum(row["verdicts"][name][when] == "better" for row in rows) for when in STAGES} for name in by_set
    }
    found = {
        "points": rows,
        "counts": counts,
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
    verdicts = {
        name: {when: rows[key]["against_reference"][f"{stage}/nll"]["verdict"] for when, stage in STAGES.items()}
        for name, rows in by_set.items()
        if key in rows and _compared(rows[key])
    }
    after = {verdict["after"] for verdict in verdicts.values()}
    return {
        "key": key,
        "verdicts": verdicts,
        "survives": after == {"better"},
        "conflict": {"better", "worse"} <= after,
    }


def _ranking(studies: Sequence[Results]) -> dict[str, list[str]]:
    orders = {results["dataset"]["name"]: results["ranking"]["nll"]["after"] for results in studies}
    shared = set.intersection(*(set(order) for order in orders.values()))
    return {name: [key for key in order if key in shared] for name, order in orders.items()}


def _means(rows: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> dict[str, float]:
    return {key: rows[key]["metrics"][f"{STAGES['after']}/nll"]["mean"] for key in order}


def _sentence(found: Mapping[str, Any]) -> str:
    rows, several = found["points"], len(found["counts"]) > 1
    told = [
        f"on {name} {count['before']} of {len(rows)} points beat no regularization before temperature scaling and "
        f"{count['after']} after it"
        for name, count in found["counts"].items()
    ]
    text = f"{'; '.join(told)}. Still better{' on every data set' if several else ''}: {_listed(rows, 'survives')}."
    if several:
        text += f" Better on one data set and worse on another: {_listed(rows, 'conflict')}."
    return text[0].upper() + text[1:]


def _listed(rows: Sequence[Mapping[str, Any]], which: str) -> str:
    return "; ".join(spoken(row["key"]) for row in rows if row[which]) or "none"
