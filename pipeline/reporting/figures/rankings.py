"""Rankings: which places change with calibration, and between data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.reporting.figures.canvas import (
    BLUE,
    DARK,
    INK,
    NEUTRAL,
    NOT_HELD,
    ORANGE,
    Drawing,
    known_mean,
    new_figure,
    sample,
    values_axis,
    wrapped,
)
from pipeline.results.readable_names import DAGGER, readable
from pipeline.results.study import PointResult, StudyResults, VerdictChange
from pipeline.results.summary import Summary

Flag = Literal["reversed", "verdict", "other"]
FLAGS: dict[Flag, str] = {"reversed": ORANGE, "verdict": BLUE, "other": "#999999"}


NLL: dict[Stage, MetricName] = {stage: MetricName("test", stage, "nll") for stage in STAGES}
CHANGES: dict[Flag, str] = {
    "reversed": "verdict reversed",
    "verdict": "another change of verdict",
    "other": "verdict the same",
}
ON_ALL: dict[Flag, str] = {
    "reversed": "better on one data set, worse on another",
    "verdict": "better on every data set",
    "other": "neither",
}


def calibration(results: StudyResults) -> Drawing:
    """Ranks by NLL before and after calibration, every change flagged, and what becomes of the ECE."""
    order, points = results.ranking["nll"], {point.key: point for point in results.points}
    changes = {change.key: change for change in results.verdict_changes if change.metric == "nll"}
    flags = {key: _flag(changes.get(key)) for key in order.after}
    figure = new_figure(13, 0.35 * len(order.after) + 2.6)
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    means = {stage: {key: f"{known_mean(points[key], NLL[stage]):.3f}" for key in order.at(stage)} for stage in STAGES}
    moves = {key: _move(order.before.index(key) - place, changes.get(key)) for place, key in enumerate(order.after)}
    columns = [
        [(key, means["before"][key]) for key in order.before],
        [(key, f"{means['after'][key]} {moves[key]}") for key in order.after],
    ]
    ranks_axes(left, columns, flags, titles=["NLL as trained", "after calibration"], both=True, shift=0.95)
    calibration_axes(right, [points[key] for key in order.after])
    right.set_title("calibration error")
    figure.legend(
        handles=_calibration_handles(Counter(flag for key, flag in flags.items() if key != results.reference.key)),
        loc="outside upper center", ncols=6, title=f"{results.dataset.name}: test rows",
        title_fontproperties={"weight": "bold", "size": 12.5}, columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip
    caption = (
        "Left: places by mean test NLL, gained (▲) or lost (▼) by calibration, ± where the difference from none "
        f"changes sign; right: ECE, hollow as trained, filled after {results.protocol.calibrator}. {sample(results)}"
    )
    return Drawing(figure, caption)


def _calibration_handles(counts: Mapping[Flag, int]) -> list[Line2D]:
    """What lines and marks mean, lines with how many there are."""
    ring = Line2D([], [], color=NEUTRAL, marker="o", linestyle="", mew=1.5, label="ECE as trained", fillstyle="none")
    return [
        *_flag_handles({flag: f"{text} ({counts[flag]})" for flag, text in CHANGES.items() if counts[flag]}),
        ring,
        Line2D([], [], color=NEUTRAL, marker="o", linestyle="", mew=1.5, label="after calibration"),
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=8, label="floor of the ECE, after"),
    ]


def _flag_handles(labels: Mapping[Flag, str]) -> list[Line2D]:
    return [Line2D([], [], color=FLAGS[flag], linewidth=3, label=label) for flag, label in labels.items()]


def rankings(summary: Summary, studies: Sequence[StudyResults]) -> Drawing:
    """Ranks by NLL after calibration, a column a data set: what holds on all, and what conflicts."""
    flags: dict[str, Flag] = {
        point.key: "reversed" if point.conflict else "verdict" if point.survives else "other"
        for point in summary.points
    }
    orders = {results.dataset.name: summary.ranking[results.dataset.name] for results in studies}
    figure = new_figure(6.4 + 2.3 * len(orders), 0.35 * len(next(iter(orders.values()))) + 2.3)
    compared = [(results, point, point.comparison(NLL["after"])) for results in studies for point in results.points]
    failing = {(point.key, results.dataset.name) for results, point, entry in compared if entry and entry.fails_holm}
    columns = [
        [(key, f"{summary.means[name][key]:.3f}{DAGGER * ((key, name) in failing)}") for key in order]
        for name, order in orders.items()
    ]
    ranks_axes(figure.subplots(), columns, flags, titles=[*orders], both=len(orders) > 1)
    figure.legend(handles=_flag_handles(ON_ALL), loc="outside upper center", ncols=3)
    caption = (
        f"Places by mean test NLL (nats) after calibration; {DAGGER} {NOT_HELD}. "
        f"{'; '.join(sample(results)[:-1] for results in studies)}."
    )
    return Drawing(figure, caption)


def ranks_axes(
    axes: Axes,
    columns: Sequence[Sequence[tuple[str, str]]],
    flags: Mapping[str, Flag],
    *,
    titles: Sequence[str],
    both: bool = False,
    shift: float = 0.56,
) -> None:
    """Columns of (key, value) from best to worst, each key joined to itself in the next column.

    Args:
        axes: where to draw.
        columns: from left to right.
        flags: what each key's line tells.
        titles: above the columns.
        both: name the keys right of the last column too.
        shift: how far right of it, in distances between columns.
    """
    places = [{key: place for place, (key, _) in enumerate(column)} for column in columns]
    for key in sorted(places[0], key=lambda key: [*FLAGS].index(flags.get(key, "other")), reverse=True):
        ys = [column[key] for column in places if key in column]
        none = key == "none"
        colour = INK if none else FLAGS[flags.get(key, "other")]
        axes.plot(range(len(ys)), ys, "o-", color=colour, linewidth=2.6 if none else 1.9, markersize=5)
    for x, column in enumerate(columns):
        sign = -1 if x == 0 else 1
        named = x + (0.56 if x == 0 else shift) * sign if x == 0 or (both and x == len(columns) - 1) else None
        for y, entry in enumerate(column):
            colour = DARK[ORANGE] if flags.get(entry[0]) == "reversed" else INK
            _ranked(
                axes, entry, y, value_x=x + 0.06 * sign, name_x=named, side="right" if x == 0 else "left", colour=colour
            )
    axes.set_xlim(-2.7, len(columns) - 1 + (2.14 + shift if both else 0.5))
    axes.set_ylim(max(map(len, columns)) - 0.4, -0.6)
    axes.set_xticks(range(len(columns)), titles, fontweight="bold", fontsize=11)
    axes.tick_params(bottom=False, top=False, labeltop=True, labelbottom=False)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _ranked(
    axes: Axes, entry: tuple[str, str], y: float, *, value_x: float, name_x: float | None,
    side: Literal["left", "right"], colour: str,
) -> None:  # fmt: skip
    """A key's value, and its name where one is wanted."""
    key, value = entry
    weight = "bold" if key == "none" else "normal"
    axes.text(value_x, y, value, fontsize=10, ha=side, va="center", color=colour, fontweight=weight)
    if name_x is not None:
        axes.text(
            name_x, y, wrapped(readable(key), 38), fontsize=10, linespacing=0.95, ha=side, va="center", color=colour,
            fontweight=weight,
        )  # fmt: skip


def calibration_axes(axes: Axes, points: Sequence[PointResult]) -> None:
    """ECE before (hollow) and after (filled), with the floor after as a tick; a row a point, whose names are beside."""
    drawn = []
    for y, point in enumerate(points):
        before, after = (known_mean(point, MetricName("test", stage, "ece")) for stage in STAGES)
        floor = known_mean(point, MetricName("test", "after", "ece_floor"))
        axes.plot([before, after], [y, y], color=NEUTRAL, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(before, y, "o", color=NEUTRAL, markersize=6.5, fillstyle="none", mew=1.5, zorder=3)
        axes.plot(after, y, "o", color=NEUTRAL, markersize=6.5, zorder=3)
        axes.plot(floor, y, "|", color=INK, markersize=8, zorder=1)
        drawn += [before, after, floor]
    axes.set_yticks(range(len(points)), [""] * len(points))
    axes.set_xlabel("ECE")
    values_axis(axes.xaxis, drawn, room=1.25)
    axes.set_ylim(len(points) - 0.4, -0.6)


def _flag(change: VerdictChange | None) -> Flag:
    """Whether calibration turns a verdict of better into worse or back, changes it otherwise, or leaves it."""
    if change is None or "verdict" not in change.changed:
        return "other"
    return "reversed" if {change.before.verdict, change.after.verdict} == {"better", "worse"} else "verdict"


def _move(gained: int, change: VerdictChange | None) -> str:
    """Places gained or lost, and the change of sign."""
    places = f"{'▲' if gained > 0 else '▼'}{abs(gained)}" if gained else ""
    return f"{places} ±" if change and "sign" in change.changed else places
