"""Which regularization should I use? Validation chooses one point, test is read once, and a sentence says the rest.

Everything is read from the finished table of `pipeline.results.comparison.results_table`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

SUMMARY = {
    "nll": "test/nll",
    "ece": "test/ece",
    "debiased": "test/debiased",
    "accuracy": "test/accuracy",
    "gap": "gap/nll",
    "nll_ts": "test_ts/nll",
}
_STAGES = {"after_scaling": "_ts", "plain": ""}
_WORDS = {"after_scaling": " after temperature scaling", "plain": ""}


def answer(results: Mapping[str, Any]) -> dict[str, Any]:
    """The points chosen by mean validation NLL after temperature scaling and before it, and what test says of them.

    The A/A check cannot be chosen; a tie goes to the unregularized point. The recommendation is "use" only where
    the chosen point's verdict on test is "better", and "leave it unregularized" otherwise. Where seeds resplit one
    data set a row may help to choose in one seed and test in another, which favours the chosen point a little.

    Raises:
        ValueError: no point has a finite validation NLL.
    """
    choices = {stage: _choice(results, stage) for stage in _STAGES}
    same = choices["after_scaling"]["key"] == choices["plain"]["key"]
    also = "" if same else f" Without temperature scaling validation would choose {choices['plain']['key']}."
    return {**choices, "agree": same, "sentence": choices["after_scaling"]["sentence"] + also}


def metrics_summary(results: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Means over seeds of the metrics in `SUMMARY`, by point; None where one is missing or not finite."""
    return {
        row["key"]: {short: row["metrics"].get(name, {}).get("mean") for short, name in SUMMARY.items()}
        for row in results["points"]
    }


def significant(value: Any, digits: int = 6) -> Any:
    """`value` with every float in it, however deep in mappings and lists, rounded to so many significant digits.

    >>> significant({"nll": [0.123456789, None]}, 3)
    {'nll': [0.123, None]}
    """
    if isinstance(value, Mapping):
        return {key: significant(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [significant(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) and math.isfinite(value) else value


def _choice(results: Mapping[str, Any], stage: str) -> dict[str, Any]:
    suffix = _STAGES[stage]
    by, on = f"validation{suffix}/nll", f"test{suffix}/nll"
    rows, reference = results["points"], results["points"][results["reference"]["index"]]
    means = {row["key"]: row["metrics"].get(by, {}).get("mean") for row in [reference, *rows] if not row["a_a"]}
    known = {key: mean for key, mean in means.items() if mean is not None}
    if not known:
        raise ValueError(f"{by} must be finite for one point or more, got {means}")
    best = min(known, key=lambda key: known[key])
    row = next(row for row in rows if row["key"] == best)
    test = row["against_reference"].get(on)
    choice = {
        **{field: row[field] for field in ("key", "variant", "name", "parameters", "seeds", "duplicate")},
        "chosen_by": by,
        "validation": known[best],
        "recommendation": "use" if test and test["verdict"] == "better" else "leave it unregularized",
        "test": test,
        "gap_closed": row["against_reference"].get(f"gap{suffix}/nll", {}).get("closed"),
        "calibration": _calibration(reference, row),
        "at_edge": _at_edge(row, rows),
    }
    return {**choice, "sentence": _sentence(choice, stage, results["protocol"])}


def _calibration(reference: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    names = {"before": "test/ece", "before_floor": "test/ece_floor", "after": "test_ts/ece"}
    names["after_floor"] = "test_ts/ece_floor"
    sides = {"reference": reference, "chosen": row}
    return {
        side: {when: point["metrics"].get(name, {}).get("mean") for when, name in names.items()}
        for side, point in sides.items()
    }


def _sentence(choice: Mapping[str, Any], stage: str, protocol: Mapping[str, Any]) -> str:
    name, seeds, test = choice["key"], f"n = {choice['seeds']} paired seeds", choice["test"]
    if test is None:
        return f"Leave it unregularized: validation NLL{_WORDS[stage]} prefers the unregularized network; {seeds}."
    if choice["duplicate"]:
        return f"Leave it unregularized: {name}, chosen on validation, is the unregularized network itself; {seeds}."
    if test["left_out"]:
        return f"Leave it unregularized: {name}, chosen on validation, cannot be compared: {test['left_out']}."
    share = f"better in {test['p_better']['estimate'] * choice['seeds']:g} of {choice['seeds']} seeds"
    if choice["recommendation"] == "use":
        parts = [f"Use {name}: test NLL{_WORDS[stage]} changes by {_effect(test, protocol)}, {share}"]
        parts += _closing(choice["gap_closed"], stage) + _trust(choice["calibration"])
        parts += [f"{field} is the strongest tried, so more may be better still" for field in choice["at_edge"]]
        return "; ".join([*parts, seeds]) + "."
    parts = [f"Leave it unregularized: {name}, chosen on validation, is {_state(test)}"]
    parts.append(f"test NLL{_WORDS[stage]} changes by {_effect(test, protocol)}, {share}")
    return "; ".join([*parts, seeds]) + "."


def _state(test: Mapping[str, Any]) -> str:
    if test["verdict"] == "worse":
        return "worse on test"
    if test["equivalent"]:
        return "not meaningfully different on test"
    settled = "more rows, not more seeds, would settle"
    if test["more_seeds"] is not None:
        settled = f"{test['more_seeds']} or so more seeds would settle with even chances"
    return f"not shown to be better on test, which {settled}"


def _effect(test: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    widened = ", widened for the rows that seeds share" if protocol["correction"] != "none" else ""
    return f"{_range(test, 'difference', '{:+.4f}')} ({protocol['confidence']:.0%} interval{widened})"


def _closing(closed: Mapping[str, float | None] | None, stage: str) -> list[str]:
    gap = f"the generalization gap{_WORDS[stage]}"
    if not closed or closed["percent"] is None:
        return [f"the share of {gap} that closes cannot be told"]
    return [f"it closes {_range(closed, 'percent', '{:.0f}')} percent of {gap}"]


def _at_edge(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The numeric parameters that have their largest value in the point, of three or more that its variant sweeps."""
    own = [other["parameters"] for other in rows if other["variant"] == row["variant"] and not other["a_a"]]
    found = []
    for field, value in row["parameters"].items():
        values = {parameters[field] for parameters in own if isinstance(parameters.get(field), int | float)}
        if len(values) > 2 and value == max(values):
            found.append(f"{field}={value:g}")
    return found


def is_less_calibrated(calibration: Mapping[str, Mapping[str, float | None]]) -> bool:
    """Whether the ECE of the chosen point, as trained, is known to be above that of the unregularized one."""
    plain, chosen = calibration["reference"]["before"], calibration["chosen"]["before"]
    return plain is not None and chosen is not None and chosen > plain


def _trust(calibration: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    before, after = calibration["reference"], calibration["chosen"]
    told = []
    for when in ("before", "after"):
        ends, floor = (before[when], after[when]), after[f"{when}_floor"]
        if None not in (*ends, floor):
            told.append(f"{ends[0]:.3f} to {ends[1]:.3f} {when} temperature scaling (noise floor {floor:.3f})")
    warning = ["do not trust its probabilities without temperature scaling"] * is_less_calibrated(calibration)
    return [f"ECE goes from {' and from '.join(told)}", *warning] if told else []


def _range(entry: Mapping[str, Any], centre: str, form: str) -> str:
    if entry["low"] is None or entry["high"] is None:
        return form.format(entry[centre])
    return f"{form.format(entry[centre])} [{form.format(entry['low'])}, {form.format(entry['high'])}]"
