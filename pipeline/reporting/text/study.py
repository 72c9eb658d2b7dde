"""How are results read in a terminal? One line a point within 120 columns, and footnotes that say what is what."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reporting.text.numbers import short
from pipeline.results.rank_changes import SIGNIFICANT, is_doubtful, said
from pipeline.results.readable_names import DAGGER

_STYLES = {"better": "bold green", "worse": "bold red"}
_NAME = 22  # characters of a name on one line; a longer one has its parts below each other
_COLUMNS = ("Point", "NLL", "Acc", "ECE/floor", "Debiased", "Gap", "NLL TS", "NLL - none", "P(better)", "Verdict", "+n")


def rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cells as text: variants in their order, the points of each from best to worst on validation.

    The reference leads its variant.
    """
    return [_row(point) for point in ordered(results)]


def footnotes(results: Mapping[str, Any]) -> list[str]:
    """What n is, what the intervals are, which corrections were made, what the A/A check and duplicates say."""
    protocol, data = results["protocol"], results["dataset"]
    percent = f"{protocol['confidence']:.0%}"
    notes = [
        f"n = {protocol['seeds']} paired seeds; {data['train']} training, {data['validation']} validation, "
        f"{data['test']} test rows. NLL on test, in nats; [ ] are {percent} Student t intervals over seeds.",
        "NLL - none: paired difference from the unregularized point (negative is better). TS: after temperature "
        "scaling. Floor: the ECE expected of a calibrated model. Debiased: signed squared calibration error.",
        f"P(better): share of paired seeds with the lower NLL, ties half; [ ] {percent} bootstrap of "
        f"{protocol['resamples']} seed sets. Better: above 1/2 and reaching beyond {protocol['gamma']:g}; same: "
        "shown to matter less; no evidence: neither. "
        "+n: more seeds that would settle it with even chances; 0: settled; empty: only more rows would. The points of "
        "a variant stand from best to worst on validation.",
        _flips(results["flips"]),
        multiplicity(protocol),
        correction(protocol),
        *a_a_checks(results),
    ]
    twins = [point["key"] for point in results["points"] if point["duplicate"]]
    return [*notes, f"= identical to the unregularized point to the bit: {', '.join(twins)}."] if twins else notes


def table(results: Mapping[str, Any]) -> Table:
    """The rich table of `rows`, verdicts highlighted, for a console of any width."""
    made = Table(*_COLUMNS, box=None, padding=(0, 1, 0, 0), header_style="bold", collapse_padding=True)
    made.columns[0].overflow, made.columns[0].min_width = "fold", _NAME
    for column in made.columns[1:]:
        column.no_wrap, column.justify = True, "right"
    for row in rows(results):
        style = _STYLES.get(row["Verdict"].removesuffix(DAGGER), "")
        made.add_row(*(Text(row[name], style=style if name == "Verdict" else "") for name in _COLUMNS))
    return made


def render(results: Mapping[str, Any], *, width: int = 120, color: bool = False) -> str:
    """The table and its footnotes as text, with terminal colours only where asked for."""
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    with console.capture() as captured:
        console.print(table(results))
        console.print()
        for note in footnotes(results):
            console.print(note, style="dim", highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def ordered(results: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The points as tables list them: variant by variant, from best to worst on validation, the reference first."""
    variants = list(dict.fromkeys(point["variant"] for point in results["points"]))

    def place(point: Mapping[str, Any]) -> tuple[int, bool, bool, float]:
        means = (_mean(point, f"validation{stage}/nll") for stage in ("_ts", ""))
        mean = next((mean for mean in means if mean is not None), None)
        is_other = point["key"] != results["reference"]["key"]
        return variants.index(point["variant"]), is_other, mean is None, mean or 0.0

    return sorted(results["points"], key=place)


def _row(point: Mapping[str, Any]) -> dict[str, str]:
    against = point["against_reference"].get("test/nll")
    mark = " =" if point["duplicate"] else " (A/A)" if point["a_a"] else ""
    cells = [
        (point["key"] if len(point["key"]) <= _NAME else point["key"].replace(",", ",\n  ")) + mark,
        short(_mean(point, "test/nll")),
        short(_mean(point, "test/accuracy")),
        f"{short(_mean(point, 'test/ece'))}/{short(_mean(point, 'test/ece_floor'))}",
        short(_mean(point, "test/debiased"), digits=4, sign=True),
        short(_mean(point, "gap/nll")),
        short(_mean(point, "test_ts/nll")),
    ]
    return dict(zip(_COLUMNS, [*cells, *compared(against)], strict=True))


def compared(against: Mapping[str, Any] | None) -> list[str]:
    """A comparison as four cells: difference, P(better), verdict and how many more seeds would settle it."""
    if against is None:
        return ["", "", "", ""]
    if against["left_out"]:
        return ["", "", "left out", ""]
    more, p = against["more_seeds"], against["p_better"]
    return [
        _interval(against, "difference", digits=3, sign=True),
        _interval(p, "estimate", digits=2, sign=False),
        said(against) + DAGGER * is_doubtful(against),
        "" if more is None else str(more),
    ]


def _interval(entry: Mapping[str, Any], centre: str, *, digits: int, sign: bool) -> str:
    middle, low, high = (short(entry[key], digits=digits, sign=sign) for key in (centre, "low", "high"))
    return f"{middle} [{low},{high}]"


def _mean(point: Mapping[str, Any], metric: str) -> float | None:
    mean: float | None = point["metrics"].get(metric, {}).get("mean")
    return mean


def _flips(flips: Sequence[Mapping[str, Any]]) -> str:
    changed = [flip for flip in flips if flip["metric"] == "nll" and "verdict" in flip["kinds"]]
    listed = "; ".join(f"{flip['key']}: {flip['before']['verdict']} to {flip['after']['verdict']}" for flip in changed)
    return f"Verdicts on NLL that change with temperature scaling: {listed or 'none'}."


def multiplicity(protocol: Mapping[str, Any]) -> str:
    """What the mark of doubt means: verdicts themselves are not corrected for how many there are."""
    return (
        f"Verdicts are not corrected for several comparisons: {DAGGER} marks those that do not hold at "
        f"{SIGNIFICANT:.0%} once all {protocol['family']} points are taken into account (Holm's step-down)."
    )


def correction(protocol: Mapping[str, Any]) -> str:
    """What is done about the rows that seeds share."""
    if protocol["correction"] == "none":
        return (
            "Every seed draws its own training and validation rows; all share one test set, whose own noise the "
            "intervals leave out."
        )
    if not protocol["rho_train"]:
        return (
            "Every seed draws its own training and validation rows; all share one test set, and t intervals are "
            "widened for its noise, as groups of its rows show it. A verdict needs that interval to exclude 0 as well."
        )
    ratio = protocol["inflation"]["surrogate"]
    return (
        "Seeds resplit one data set: t intervals are widened (Nadeau & Bengio) for the correlation that shared rows "
        f"cause: measured for test rows, taken as {protocol['rho_train']:.2g} for training rows and "
        f"{protocol['rho_fit']:.2g} where validation rows were fitted on too (their rule of thumb, n_test/n_train = "
        f"{ratio:.3g}, is far too wide here). A verdict needs that interval to exclude 0 as well."
    )


def a_a_checks(results: Mapping[str, Any]) -> list[str]:
    """What the unregularized network on other seeds says against itself."""
    return [_a_a(point) for point in results["points"] if point["a_a"]]


def _a_a(point: Mapping[str, Any]) -> str:
    against = point["against_reference"].get("test/nll")
    if against is None or against["left_out"]:
        return f"A/A check {point['key']}: not compared."
    verdicts = [entry["verdict"] for entry in point["against_reference"].values() if not entry["left_out"]]
    alarms = sum(verdict != "no evidence" for verdict in verdicts)
    return (
        f"A/A check (the unregularized network on other seeds, paired by position, {point['key']}): "
        f"{against['verdict']} on NLL; {alarms} of {len(verdicts)} metrics compared raise a false alarm."
    )
