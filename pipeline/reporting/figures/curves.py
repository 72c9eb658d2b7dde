"""Curves of NLL over epochs, and sweeps: metrics over strengths of a regularizer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from pipeline.metrics.names import STAGES, MetricName
from pipeline.reporting.figures.canvas import (
    BLUE,
    COLOURS,
    INK,
    NEUTRAL,
    ORANGE,
    Drawing,
    Split,
    gap_where_missing,
    intervals,
    new_figure,
    values_axis,
    wrapped,
)
from pipeline.results.readable_names import readable
from pipeline.results.series import HistoryRow, SweepRow
from pipeline.results.study import StudyResults

SHADES = ("#9ecae1", "#6baed6", "#2171b5", "#08306b", "#000000")  # one hue from weak to strong: order, not kind


class _Ends(NamedTuple):
    """Means and intervals along a line."""

    mean: list[float]
    low: list[float]
    high: list[float]


Style = Literal["-", "--", ":"]
LINES: dict[str, tuple[str, Style]] = {
    "as trained": (ORANGE, "-"),
    "after calibration": (BLUE, "-"),
    "floor of the ECE, as trained": (ORANGE, ":"),
    "floor of the ECE, after calibration": (BLUE, ":"),
}
BELOW = 3  # how far below the lowest validation NLL the axis reaches, for curves of training
WIDE = 2  # a ratio of values from which on their axis is logarithmic
STYLES: dict[str, tuple[str, Style]] = {
    "validation": (NEUTRAL, "-"),
    "training": (NEUTRAL, "--"),
    "validation, none": (INK, ":"),
}
METRICS = {
    "test NLL (nats)": (("test", "nll"),),
    "gap: test − train NLL (nats)": (("gap", "nll"),),
    "ECE": (("test", "ece"), ("test", "ece_floor")),
}
"""By axis label: split and metric of its lines, each before and after calibration."""
VALIDATION = MetricName("validation", "before", "nll")


def curves(results: StudyResults, history: Sequence[HistoryRow]) -> Drawing:
    """Training and validation NLL by epoch, means with bands over seeds: axes a variant."""
    variants = list(dict.fromkeys(row.variant for row in history))
    columns = min(3, len(variants))
    lines = -(-len(variants) // columns)
    figure = new_figure(3.7 * columns, 3.1 * lines + 0.9)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    plain = _unregularized(results, history)
    for axes, variant in zip(grid, variants, strict=False):
        curves_axes(axes, [row for row in history if row.variant == variant], plain)
        axes.set_title(readable(variant))
        axes.tick_params(labelbottom=True)
    _curves_scale(grid[0], history, plain)
    for axes in grid[len(variants) :]:
        axes.set_visible(False)
    figure.supylabel(f"{results.dataset.name}: NLL (nats, logarithmic)", fontsize=12)
    figure.supxlabel("epoch (logarithmic from 2)", fontsize=12)
    handles = [Line2D([], [], color=colour, linestyle=style, label=text) for text, (colour, style) in STYLES.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    splits: tuple[Split, ...] = ("train", "validation")
    caption = (
        "NLL in evaluation mode, plain cross-entropy; training falls below the axes in places, and early stopping and "
        f"averaging keep other weights than those at the end. {intervals(results, splits)}"
    )
    return Drawing(figure, caption)


def _unregularized(results: StudyResults, history: Sequence[HistoryRow]) -> list[HistoryRow]:
    rows = [row for row in history if row.name == results.reference.key or row.variant == "none"]
    return [row for row in rows if row.name == rows[0].name]


def _curves_scale(axes: Axes, history: Sequence[HistoryRow], plain: Sequence[HistoryRow]) -> None:
    """Logarithmic axes that validation curves and the unregularized network fit in."""
    means = [row.mean for row in history if row.metric == VALIDATION and row.mean is not None]
    highest = max(row.high for row in plain if row.high is not None)
    values_axis(axes.yaxis, [min(means) / BELOW, highest])
    axes.set_xscale("symlog")
    axes.set_xlim(0, max(row.epoch for row in history))
    axes.xaxis.set_major_locator(FixedLocator([0, 1, 3, 10, 30, 100, 300, 1000]))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def curves_axes(axes: Axes, rows: Sequence[HistoryRow], plain: Sequence[HistoryRow]) -> None:
    """A variant's points, each a pair of lines of one colour."""
    names = list(dict.fromkeys(row.name for row in rows))
    for name, colour in zip(names, _colours(names), strict=True):
        for metric, style in ((VALIDATION, "-"), (VALIDATION.on("train"), "--")):
            line = [row for row in rows if row.name == name and row.metric == metric]
            epochs, ends = [row.epoch for row in line], _ends(line)
            axes.plot(epochs, ends.mean, style, color=colour, linewidth=1.6)
            axes.fill_between(epochs, ends.low, ends.high, color=colour, alpha=0.18, linewidth=0)
        axes.plot([], [], color=colour, linewidth=2.5, label=wrapped(_strength_name(name, rows[0].variant), 34))
    against = [row for row in plain if row.metric == VALIDATION]
    axes.plot([row.epoch for row in against], _ends(against).mean, ":", color=INK, linewidth=1.2)
    axes.legend(
        fontsize=9.5, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=5 if _are_short(names, rows[0].variant) else 1,
        handlelength=0.9, labelspacing=0.25, handletextpad=0.4, columnspacing=0.7, borderaxespad=0.0,
    )  # fmt: skip


def _strength_name(name: str, variant: str) -> str:
    """What a point is called below axes that have its variant's name: a number alone where it differs in one."""
    strength = name.removeprefix(f"{variant}=")
    return strength if strength[:1].isdigit() and "," not in strength else readable(name)


def _are_short(names: Sequence[str], variant: str) -> bool:
    return all(len(_strength_name(name, variant)) < 8 for name in names)


def _ends(rows: Sequence[HistoryRow | SweepRow]) -> _Ends:
    triples = [tuple(map(gap_where_missing, (row.mean, row.low, row.high))) for row in rows]
    return _Ends(*([triple[place] for triple in triples] for place in range(3)))


def sweeps(results: StudyResults, rows: Sequence[SweepRow]) -> Drawing | None:
    """Each swept strength against NLL, gap and calibration error; None where nothing is swept."""
    swept = _swept(rows)
    if not swept:
        return None
    figure = new_figure(11, 2.7 * len(swept) + 1.5)
    grid = figure.subplots(len(swept), len(METRICS), squeeze=False)
    for line, (parameter, strengths) in zip(grid, swept.items(), strict=True):
        for axes, (label, metrics) in zip(line, METRICS.items(), strict=True):
            names = [MetricName(split, stage, metric) for split, metric in metrics for stage in STAGES]
            sweep_axes(axes, strengths, names)
            axes.set(xlabel=readable(parameter), ylabel=label)
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle=style, label=label)
        for label, (colour, style) in LINES.items()
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, title=results.dataset.name,
        title_fontproperties={"weight": "bold", "size": 12.5},
    )  # fmt: skip
    caption = f"Strengths are evenly spaced, the leftmost is off; bars are intervals. {intervals(results)}"
    return Drawing(figure, caption)


def sweep_axes(axes: Axes, rows: Sequence[SweepRow], names: Sequence[MetricName]) -> None:
    """One metric, before and after calibration, at each strength."""
    strengths = sorted({_strength(row) for row in rows})
    drawn: list[float] = []
    for dodge, name, (colour, style) in zip((-0.05, 0.05) * 2, names, LINES.values(), strict=False):
        line = sorted((row for row in rows if row.metric == name), key=_strength)
        places = [strengths.index(_strength(row)) + dodge for row in line]
        ends = _ends(line)
        axes.plot(places, ends.mean, f"o{style}", color=colour, markersize=5, linewidth=1.8)
        axes.vlines(places, ends.low, ends.high, color=colour, linewidth=1.6)
        drawn += [end for row in line for end in (row.mean, row.low, row.high) if end is not None]
    axes.set_xticks(range(len(strengths)), [f"{strength:g}" for strength in strengths])
    axes.set_ylim(0 if min(drawn, default=0) >= 0 else None, None)
    if max(drawn, default=0) > WIDE * min(drawn, default=0):
        values_axis(axes.yaxis, drawn)


def _swept(rows: Sequence[SweepRow]) -> dict[str, list[SweepRow]]:
    """The numeric parameters that the variant named like them sweeps over three values or more."""
    by_parameter: dict[str, list[SweepRow]] = {}
    for row in rows:
        if row.variant == row.parameter and isinstance(row.value, int | float):
            by_parameter.setdefault(row.parameter, []).append(row)
    return {name: lines for name, lines in by_parameter.items() if len({row.value for row in lines}) > 2}


def _strength(row: SweepRow) -> float:
    return float(row.value) if isinstance(row.value, int | float) else float("nan")


def _colours(names: Sequence[str]) -> list[str]:
    """Shades of one hue for strengths of one regularizer, colours of their own for what has no order."""
    ordered = len({name.split("=")[0] for name in names}) == 1 and not any("," in name for name in names)
    if not ordered or not all(name.split("=")[-1][:1].isdigit() for name in names):
        return [colour for _, colour in zip(names, cycle(COLOURS), strict=False)]
    first = max(0, len(SHADES) - len(names))
    return [SHADES[min(first + place, len(SHADES) - 1)] for place in range(len(names))]
