"""What are the winners worth? Each arm's best trial, and combinations of them, on seeds that no trial has seen.

Pure data: from the table of trials to the points that are trained anew, and from their scores to a finished table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.config.decay_timescale import decay_timescale
from pipeline.config.points import Point
from pipeline.config.search_space import STACKED, TUNED, Search, measure, singles
from pipeline.results.answer import answer
from pipeline.results.comparison import number
from pipeline.search.trials import by_arm, front, importances

Row = Mapping[str, Any]
REFERENCE = "none"
COMPARED = (
    *("test/nll", "test/accuracy", "test/ece", "test/debiased", "gap/nll"),
    *("test_ts/nll", "test_ts/ece", "test_ts/debiased", "gap_ts/nll"),
)


def contenders(winners: Mapping[str, Row], search: Search, base: Point) -> dict[tuple[str, str], Point]:
    """What is trained anew, by kind and name: every arm's winner, and winners of single arms stacked on each other.

    A stack has the strengths of each of its arms and the learning rate of the one with the best value: what one would
    try who has tuned every regularizer alone. The first is the reference.
    """
    objective = search.objectives[0]
    found = {(TUNED, arm): _point(base, row, search.arms[arm]) for arm, row in winners.items()}
    alone = [arm for arm in singles(search.arms) if arm in winners]
    groups = [*combinations(alone, 2), *([tuple(alone)] if len(alone) > 2 else [])]
    for group in groups:
        best_first = sorted(group, key=lambda arm: float(winners[arm][objective]))
        strengths = {name: winners[arm][name] for arm in reversed(best_first) for name in search.arms[arm]}
        found[STACKED, "+".join(group)] = _point(base, {**winners[best_first[0]], **strengths}, tuple(strengths))
    return found


def _point(base: Point, row: Row, names: Sequence[str]) -> Point:
    return base.model_copy(update={name: row[name] for name in ("learning_rate", *names)})


def search_table(
    tables: Callable[[str, Sequence[str] | None], dict[str, Any]],
    scores: Mapping[str, Float[np.ndarray, "points seeds"]],
    *,
    winners: Mapping[str, Row],
    rows: Sequence[Row],
    search: Search,
) -> dict[str, Any]:
    """The finished table of a search, JSON-ready.

    `results` is a table as `results_table` makes it, with the tuned, unregularized network as its reference, and
    its answer; `arms` says by arm what was searched, what won and how optimistic its value was; `pairs` compares
    every two winners, `interactions` every combination, stacked or tuned, with the best of its single arms.

    Args:
        tables: makes the table of all contenders against the one of a name, of some metrics or of all.
        scores: by metric, (points, seeds) in the order of the tables.
        winners: by arm, the row of its best trial.
        rows: all trials.
        search: what was searched, and how.

    Raises:
        ValueError: no point has a finite validation NLL.
    """
    results = tables(REFERENCE, None)
    results["answer"] = answer(results)
    compared = {
        (row["name"], arm): row["against_reference"] for arm in winners for row in tables(arm, COMPARED)["points"]
    }
    points = {row["name"]: row["parameters"] for row in results["points"]}
    fresh = dict(zip(points, scores[measure(search.objectives[0])], strict=True))
    own = by_arm(rows)
    told: dict[str, Any] = {"search": search, "train_rows": results["dataset"]["train"]}
    return {
        "search": search.model_dump(mode="json"),
        "results": results,
        "arms": {arm: _arm(arm, row, points[arm], fresh[arm], rows=own[arm], **told) for arm, row in winners.items()},
        "pairs": [{"a": a, "b": b, "metrics": compared[a, b]} for b, a in combinations(winners, 2)],
        "interactions": [
            {**entry, "metrics": compared[entry["name"], entry["best_single"]]}
            for entry in _combinations(list(points), winners, search)
        ],
    }


def _combinations(names: Sequence[str], winners: Mapping[str, Row], search: Search) -> Iterator[dict[str, Any]]:
    """What consists of several single arms, and which of these had the best value in the search."""
    objective = search.objectives[0]
    alone = {arm: set(search.arms[arm]) for arm in singles(search.arms) if arm in winners}
    for name in names:
        kind = TUNED if name in search.arms else STACKED
        inside = [arm for arm, own in alone.items() if arm != name and own <= set(search.arms.get(name, ()))]
        parts = inside if kind == TUNED else name.split("+")
        if len(parts) > 1:
            best = min(parts, key=lambda arm: float(winners[arm][objective]))
            yield {"name": name, "kind": kind, "parts": parts, "best_single": best}


def _arm(
    arm: str,
    row: Row,
    parameters: Mapping[str, Any],
    fresh: Float[np.ndarray, " seeds"],
    *,
    rows: Sequence[Row],
    search: Search,
    train_rows: int,
) -> dict[str, Any]:
    states, objectives = [one["state"] for one in rows], search.objectives
    return {
        "trial": row["trial"],
        "value": row[objectives[0]],
        "strengths": {name: row[name] for name in search.dimensions(arm)},
        "trials": {state: states.count(state) for state in ("complete", "pruned", "failed")},
        "optimism": optimism([row[f"seed/{n}"] for n in range(search.seeds)], fresh),
        "decay": decay_timescale(parameters, train_rows),
        "importances": importances(arm, rows, search),
        "front": [
            {name: one[name] for name in ("trial", *search.objectives)} for one in front(rows, search.objectives)
        ],
        "edges": _edges(arm, row, search),
    }


def _edges(arm: str, row: Row, search: Search) -> list[str]:
    """The strengths that lie within a twentieth of the sampled range of an end that is not "off"."""
    found = []
    for name, dimension in search.dimensions(arm).items():
        low, high = (math.log(end) if dimension.log else end for end in dimension.sampled)
        at = row[f"sampled/{name}"]
        place = ((math.log(at) if dimension.log else at) - low) / (high - low)
        near_off = dimension.off and (place < 0.5) == (dimension.weak == "low")
        if row[name] and not near_off and not 0.05 <= place <= 0.95:
            found.append(name)
    return found


def optimism(
    searched: Sequence[float], fresh: Float[np.ndarray, " seeds"], *, confidence: float = 0.95
) -> dict[str, float | None]:
    """How much worse a winner is on fresh seeds than the search took it to be: mean, and Welch's t interval.

    Positive is optimistic: the best of many trials is partly the luckiest. The interval says how exactly the two means
    are known, and covers neither the choice itself nor rows that seeds share.

    Args:
        searched: the objective of the winning trial by search seed.
        fresh: the same objective, of the same point, by fresh seed.
        confidence: of the interval.

    Reference:
        Welch 1947, The generalization of Student's problem when several different population variances are involved;
        Cawley & Talbot 2010, On over-fitting in model selection.
    """
    from scipy import stats  # noqa: PLC0415  (half a second)

    difference = float(np.mean(fresh) - np.mean(searched))
    if len(searched) < 2 or len(fresh) < 2 or not np.isfinite(fresh).all():
        return {"searched": number(float(np.mean(searched))), "mean": number(difference), "low": None, "high": None}
    interval = stats.ttest_ind(fresh, searched, equal_var=False).confidence_interval(confidence)
    return {
        "searched": number(float(np.mean(searched))),
        "mean": number(difference),
        "low": number(float(interval.low)),
        "high": number(float(interval.high)),
    }
