"""Does a regularizer's gain survive temperature scaling? Every change of sign, verdict or rank, before and after it."""

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]

SIGNIFICANT = 0.05  # of p values that Holm's step-down has corrected
STAGES = {"before": "test", "after": "test_ts"}


def said(comparison: Mapping[str, Any]) -> str:
    """A comparison's verdict: better, worse, same (shown to matter less) or no evidence of either."""
    return "same" if comparison["equivalent"] else str(comparison["verdict"])


def is_doubtful(against: Mapping[str, Any]) -> bool:
    """Whether a verdict of better or worse does not hold once all points compared are taken into account (Holm)."""
    decided = against["verdict"] in ("better", "worse")
    return decided and (against["p_holm"] is None or against["p_holm"] > SIGNIFICANT)


def rank(rows: Rows, directions: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Points from best to worst mean, `before` and `after`, for every test metric that is compared in both stages.

    The A/A check, duplicates of the reference and points without a mean in both stages are not ranked; ties keep the
    order of the points.
    """
    names = [name.removeprefix("test/") for name in sorted(directions) if name.startswith("test/")]
    both = [name for name in names if f"test_ts/{name}" in directions]
    return {name: _orders(rows, name, higher=directions[f"test/{name}"] == "higher") for name in both}


def find_flips(rows: Rows, ranking: Mapping[str, Mapping[str, Sequence[str]]]) -> list[dict[str, Any]]:
    """Comparisons with the unregularized point whose sign or verdict changes with temperature scaling.

    `kinds` says which of the two; a change of sign alone may lie within the noise. Each side has its difference,
    verdict and rank (1 is best).
    """
    flips = []
    for metric, order in ranking.items():
        for row in rows:
            sides = {when: row["against_reference"].get(f"{stage}/{metric}") for when, stage in STAGES.items()}
            kinds = [] if row["a_a"] or row["duplicate"] else _kinds(sides["before"], sides["after"])
            if kinds:
                told = {when: _side(side, order[when].index(row["key"])) for when, side in sides.items()}
                flips.append({"key": row["key"], "metric": metric, "kinds": kinds, **told})
    return flips


def _orders(rows: Rows, metric: str, *, higher: bool) -> dict[str, list[str]]:
    contenders = [row for row in rows if not row["a_a"] and not row["duplicate"]]
    columns = {
        when: {row["key"]: row["metrics"][f"{stage}/{metric}"]["mean"] for row in contenders}
        for when, stage in STAGES.items()
    }
    ranked = [key for key in columns["before"] if all(column[key] is not None for column in columns.values())]
    sign = -1 if higher else 1
    return {when: _ascending(ranked, {key: sign * column[key] for key in ranked}) for when, column in columns.items()}


def _ascending(keys: Sequence[str], values: Mapping[str, float]) -> list[str]:
    return sorted(keys, key=lambda key: values[key])


def _kinds(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    if not before or not after or None in (before["difference"], after["difference"]):
        return []
    sign = before["difference"] * after["difference"] < 0
    verdict = said(before) != said(after)
    return [kind for kind, changed in (("sign", sign), ("verdict", verdict)) if changed]


def _side(comparison: Mapping[str, Any], place: int) -> dict[str, Any]:
    return {"difference": comparison["difference"], "verdict": said(comparison), "rank": place + 1}
