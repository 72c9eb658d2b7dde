"""How does NLL run over epochs, and measures over strengths? Drawn from finished tables."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from pipeline.reporting.figures.canvas import (
    BLUE,
    COLOURS,
    INK,
    NEUTRAL,
    ORANGE,
    Drawing,
    Results,
    Row,
    gap_where_missing,
    intervals,
    new_figure,
    values_axis,
    wrapped,
)
from pipeline.results.readable_names import readable

SHADES = ("#9ecae1", "#6baed6", "#2171b5", "#08306b", "#000000")  # one hue from weak to strong: order, not kind
ENDS = ("mean", "low", "high")
LINES: dict[str, tuple[str, Any]] = {
    "before temperature scaling": (ORANGE, "-"),
    "after temperature scaling": (BLUE, "-"),
    "noise floor of the ECE, before": (ORANGE, ":"),
    "noise floor of the ECE, after": (BLUE, ":"),
}
BELOW = 12  # how far below the lowest validation NLL a panel reaches: room for names, where no curve runs early on
WIDE = 2  # a ratio of values from which on their axis is logarithmic
SPLITS: dict[str, tuple[str, Any]] = {
    "validation": (NEUTRAL, "-"),
    "training": (NEUTRAL, "--"),
    "validation, none": (INK, ":"),
}
MEASURES = {
    "test NLL (nats)": ("test/nll", "test_ts/nll"),
    "gap: test − train NLL (nats)": ("gap/nll", "gap_ts/nll"),
    "ECE": ("test/ece", "test_ts/ece", "test/ece_floor", "test_ts/ece_floor"),
}


def curves(results: Results, history: Sequence[Row]) -> Drawing:
    """Training and validation NLL by epoch, means with bands over seeds: a panel a variant."""
    variants = list(dict.fromkeys(row["variant"] for row in history))
    columns = min(3, len(variants))
    lines = -(-len(variants) // columns)
    figure = new_figure(3.7 * columns, 2.9 * lines + 1.1)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    plain = [row for row in history if row["name"] == results["reference"]["key"] or row["variant"] == "none"]
    plain = [row for row in plain if row["name"] == plain[0]["name"]]
    for axes, variant in zip(panels, variants, strict=False):
        curves_panel(axes, [row for row in history if row["variant"] == variant], plain)
        axes.set_title(readable(variant))
    values = [row["mean"] for row in history if row["metric"] == "validation/nll" and row["mean"] is not None]
    highest = max(row["high"] for row in plain if row["high"] is not None)
    values_axis(panels[0].yaxis, [min(values) / BELOW, highest])
    panels[0].set_xscale("symlog")
    panels[0].set_xlim(0, max(row["epoch"] for row in history))
    panels[0].xaxis.set_major_locator(FixedLocator([0, 1, 3, 10, 30, 100, 300, 1000]))
    panels[0].xaxis.set_major_formatter(ScalarFormatter())
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    for axes in panels[len(variants) :]:
        axes.set_visible(False)
    for axes in panels[len(variants) - columns : len(variants)]:
        axes.set_xlabel("epoch (logarithmic from 2)")
    figure.supylabel(f"{results['dataset']['name']}: NLL (nats, logarithmic)", fontsize=12)
    handles = [Line2D([], [], color=colour, linestyle=style, label=text) for text, (colour, style) in SPLITS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    words = (
        "NLL by epoch, without dropout or noise and with plain cross-entropy, so that variants can be compared. "
        "Training NLL falls below the panels in places. Early stopping and averaging keep other weights than these "
        f"curves end with. Bands are intervals. {intervals(results, ('train', 'validation'))}"
    )
    return Drawing(figure, words)


def curves_panel(axes: Axes, rows: Sequence[Row], plain: Sequence[Row]) -> None:
    """A variant's points, each a pair of lines of one colour."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    for name, colour in zip(names, _colours(names), strict=True):
        for split, style in (("validation", "-"), ("train", "--")):
            line = [row for row in rows if row["name"] == name and row["metric"] == f"{split}/nll"]
            epochs = [row["epoch"] for row in line]
            means, lows, highs = ([gap_where_missing(row[end]) for row in line] for end in ENDS)
            axes.plot(epochs, means, style, color=colour, linewidth=1.6)
            axes.fill_between(epochs, lows, highs, color=colour, alpha=0.18, linewidth=0)
        axes.plot([], [], color=colour, linewidth=2.5, label=wrapped(readable(name), 40))
    against = [row for row in plain if row["metric"] == "validation/nll"]
    axes.plot([row["epoch"] for row in against], [row["mean"] for row in against], ":", color=INK, linewidth=1.2)
    axes.legend(fontsize=9, loc="lower left", handlelength=1.0, labelspacing=0.25, handletextpad=0.4, borderaxespad=0.2)


def sweeps(results: Results, rows: Sequence[Row]) -> Drawing | None:
    """Each swept strength against NLL, gap and calibration error; None where nothing is swept."""
    swept = _swept(rows)
    if not swept:
        return None
    figure = new_figure(11, 2.7 * len(swept) + 1.5)
    panels = figure.subplots(len(swept), len(MEASURES), squeeze=False)
    for line, (parameter, found) in zip(panels, swept.items(), strict=True):
        for axes, (measure, names) in zip(line, MEASURES.items(), strict=True):
            sweep_panel(axes, found, names)
            axes.set(xlabel=readable(parameter), ylabel=measure)
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle=style, label=label)
        for label, (colour, style) in LINES.items()
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, title=results["dataset"]["name"],
        title_fontproperties={"weight": "bold", "size": 12.5},
    )  # fmt: skip
    words = (
        "Strengths are evenly spaced, not to scale; the leftmost is off. Vertical axes are logarithmic where values "
        f"are positive and far apart. Bars are intervals. {intervals(results)}"
    )
    return Drawing(figure, words)


def sweep_panel(axes: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    """One measure, before and after scaling, at each strength."""
    values, drawn = sorted({row["value"] for row in rows}), []
    for dodge, name, (colour, style) in zip((-0.05, 0.05) * 2, names, LINES.values(), strict=False):
        line = sorted((row for row in rows if row["metric"] == name), key=lambda row: float(row["value"]))
        places = [values.index(row["value"]) + dodge for row in line]
        means, lows, highs = ([gap_where_missing(row[end]) for row in line] for end in ENDS)
        axes.plot(places, means, f"o{style}", color=colour, markersize=5, linewidth=1.8)
        axes.vlines(places, lows, highs, color=colour, linewidth=1.6)
        drawn += [row[end] for row in line for end in ENDS if row[end] is not None]
    axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    axes.set_ylim(0 if min(drawn, default=0) >= 0 else None, None)
    if max(drawn, default=0) > WIDE * min(drawn, default=0):
        values_axis(axes.yaxis, drawn)


def _swept(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The numeric parameters that a variant of their own sweeps over three values or more."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["variant"] == row["parameter"] and isinstance(row["value"], int | float):
            found.setdefault(row["parameter"], []).append(row)
    return {name: lines for name, lines in found.items() if len({row["value"] for row in lines}) > 2}


def _colours(names: Sequence[str]) -> list[str]:
    """Shades of one hue for strengths of one regularizer, colours of their own for what has no order."""
    ordered = len({name.split("=")[0] for name in names}) == 1 and not any("," in name for name in names)
    if not ordered or not all(name.split("=")[-1][:1].isdigit() for name in names):
        return [colour for _, colour in zip(names, cycle(COLOURS), strict=False)]
    first = max(0, len(SHADES) - len(names))
    return [SHADES[min(first + place, len(SHADES) - 1)] for place in range(len(names))]
