"""How is the audit of the estimators of calibration read? Their names, and a line of text for each."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.textbook_words import setting
from pipeline.results.readable_names import readable

Row = Mapping[str, Any]
ENOUGH = (0.93, 0.98)  # coverage that a 95% interval may have
NAMES = {
    "ece": "ECE",
    "ece_mass": "ECE, equal mass",
    "ece_l2": "ECE, root mean square",
    "ece_max": "ECE, largest bin",
    "smece": "smooth CE",
    "debiased": "debiased²",
    "classwise": "classwise",
    "corp_miscalibration": "CORP miscalibration",
    "calibration": "calibration loss",
    "bias": "confidence − accuracy",
}
CAPTION = (
    "Bias: mean estimate minus truth. Coverage: in how many percent of cases a 95% interval holds the truth, that of "
    "Student t over networks, widened for the test rows that they share, or of one network's bootstrap; marked outside "
    f"{100 * ENOUGH[0]:g} to {100 * ENOUGH[1]:g}"
)


def readable_estimator(estimator: str) -> str:
    """An estimator as people would write it."""
    return NAMES.get(estimator, readable(estimator))


def network(row: Row) -> str:
    """The data set and the setting of the networks that an estimator is tried on.

    >>> network({"dataset": "mixture", "cell": "as it is"})
    'mixture, none'
    """
    return f"{readable(row['dataset'])}, {setting(row['cell'])}"


def sizes(rows: Sequence[Row]) -> list[int]:
    """Rows of a test set, ascending."""
    return sorted({int(row["rows"]) for row in rows})


def audit_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A line for each network and estimator: its truth, and for each size of a test set its bias and its coverage.

    An estimator with a bootstrap interval has one more.
    """
    groups: dict[tuple[str, str, str], dict[int, Row]] = {}
    for row in rows:
        if row["part"] == "study" or row["coverage"] is not None:
            groups.setdefault((network(row), row["estimator"], row["part"]), {})[row["rows"]] = row
    return [
        {
            "network": place,
            "name": readable_estimator(estimator) + ", bootstrap" * (part == "network"),
            "truth": short(next(iter(own.values()))["truth"], digits=4).replace("-", "−"),
            "bias": [_bias(own.get(size)) for size in sizes(rows)],
            "coverage": [_coverage(own.get(size)) for size in sizes(rows)],
        }
        for (place, estimator, part), own in groups.items()
    ]


def _bias(row: Row | None) -> str:
    return short(row["bias"], digits=4, sign=True).replace("-", "−") if row else ""


def _coverage(row: Row | None) -> dict[str, Any]:
    """The coverage in percent, and whether it is outside of what is enough."""
    share = row["coverage"] if row else None
    if share is None:
        return {"text": "", "outside": False}
    return {"text": f"{100 * share:.0f}", "outside": not ENOUGH[0] <= share <= ENOUGH[1]}
