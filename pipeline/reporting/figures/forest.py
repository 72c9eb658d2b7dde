"""Forests: differences of test NLL from no regularization, a row each, with their numbers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.reporting.figures.canvas import DARK, GREY, INK, NEUTRAL, VERDICTS, wrapped
from pipeline.reporting.text.numbers import short, short_interval
from pipeline.results.readable_names import DAGGER, starred
from pipeline.results.study import Comparison, PointResult

NLL: dict[Stage, MetricName] = {stage: MetricName("test", stage, "nll") for stage in STAGES}
HOLLOW = "as trained (◁ ▷ beyond the axes)"
ROW = 0.36  # inches
_WITHIN = 0.9  # of the intervals, which decide on the limits
_BESIDE = 1.04  # of the width of the axes
_NAME = 40  # characters a line


class Row(NamedTuple):
    """A row: what it is called, and its comparisons with no regularization, None of what that is itself."""

    name: str
    before: Comparison | None
    after: Comparison | None
    starred: bool = False


def forest_row(point: PointResult, name: str, *, starred: bool = False) -> Row:
    """The row of a point."""
    return Row(name, point.comparison(NLL["before"]), point.comparison(NLL["after"]), starred)


def forest_axes(axes: Axes, rows: Sequence[Row]) -> None:
    """A line a row: filled after calibration, with its interval, and hollow as trained; numbers at the right."""
    _limits(axes, rows)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for y, row in enumerate(rows):
        _draw_row(axes, row, y)
    axes.annotate(
        "after calibration [95%]", (_BESIDE, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
        fontsize=9.5, color=DARK[GREY], va="bottom",
    )  # fmt: skip
    named_rows(axes, rows)
    axes.set_xlabel("test NLL − that of none (nats): left is better")


def named_rows(axes: Axes, rows: Sequence[Row], *, named: bool = True) -> None:
    """An axis of names from the top down, that of a starred row bold; bare where another axes has the names."""
    labels = [wrapped(starred(row.name, row.starred), _NAME) if named else "" for row in rows]
    axes.set_yticks(range(len(rows)), labels, linespacing=0.95)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.starred else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=9)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)


def forest_legend() -> list[Line2D]:
    """What marks and colours mean; hollow means the same in every figure: as trained, before calibration."""
    filled = {"better": VERDICTS["better"], "worse": VERDICTS["worse"], "no evidence": GREY}
    return [
        *(Line2D([], [], color=colour, marker="o", linewidth=2, label=name) for name, colour in filled.items()),
        Line2D([], [], color=NEUTRAL, marker="o", fillstyle="none", mew=1.4, linestyle="", label=HOLLOW),
    ]


def _draw_row(axes: Axes, row: Row, y: int) -> None:
    weight = "bold" if row.starred else "normal"
    if row.after is None:
        axes.plot(0, y, "*" if row.starred else "o", color=INK, markersize=13 if row.starred else 6, zorder=4)
        _beside(axes, y, "the reference", colour=DARK[GREY], weight=weight)
        return
    if row.before is not None and row.before.difference is not None:
        x, marker = _inside(axes, row.before.difference)
        axes.plot(x, y, marker, color=NEUTRAL, markersize=6.5, fillstyle="none", mew=1.3, zorder=2,
                  clip_on=marker == "o")  # fmt: skip
    if row.after.difference is None:
        _beside(axes, y, "not finite", colour=DARK[GREY], weight=weight)
        return
    colour = VERDICTS[row.after.verdict]
    if row.after.low is not None and row.after.high is not None:
        axes.plot([row.after.low, row.after.high], [y, y], color=colour, lw=2.2, solid_capstyle="butt", zorder=3)
    x, marker = _inside(axes, row.after.difference)
    star = row.starred and marker == "o"
    axes.plot(x, y, "*" if star else marker, color=colour, markersize=14 if star else 7, zorder=4,
              clip_on=marker == "o")  # fmt: skip
    text = short_interval(row.after.difference, row.after, sign=True)
    _beside(axes, y, text + DAGGER * row.after.fails_holm, colour=DARK.get(colour, INK), weight=weight)


def _beside(axes: Axes, y: int, text: str, *, colour: str, weight: str) -> None:
    axes.text(_BESIDE, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=10.5, color=colour,
              fontweight=weight)  # fmt: skip


def _inside(axes: Axes, value: float) -> tuple[float, str]:
    """Where a mark stands, and its shape: what lies beyond the axes points there from their edge."""
    left, right = axes.get_xlim()
    if value < left:
        return left, "<"
    return (right, ">") if value > right else (value, "o")


def _limits(axes: Axes, rows: Sequence[Row]) -> None:
    """Limits that nine in ten intervals fit in."""
    ends = [(row.after.low, row.after.high) for row in rows if row.after is not None]
    known = [(low, high) for low, high in ends if low is not None and high is not None]
    sizes = sorted(max(abs(low), abs(high)) for low, high in known)
    limit = 1.15 * sizes[int(_WITHIN * (len(sizes) - 1))] if sizes else 1.0
    left = max(min((low for low, _ in known), default=-limit), -limit)
    right = min(max((high for _, high in known), default=limit), limit)
    left, right = min(left, -0.1 * limit), max(right, 0.1 * limit)
    pad = 0.06 * (right - left)
    axes.set_xlim(left - pad, right + pad)


def stages_axes(axes: Axes, points: Sequence[PointResult], metric: MetricName, *, floor: str = "") -> None:
    """A metric as trained (hollow) and after calibration (filled) with its number, and ticks at another, its floor."""
    stages = [metric._replace(stage=stage) for stage in STAGES]
    for y, point in enumerate(points):
        before, after = (point.mean(each) for each in stages)
        if before is None or after is None:
            axes.text(0.5, y, "not finite", ha="center", va="center", transform=axes.get_yaxis_transform(), color=GREY)
            continue
        axes.plot([before, after], [y, y], color=NEUTRAL, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(before, y, "o", color=NEUTRAL, markersize=6.5, fillstyle="none", mew=1.4, zorder=3)
        axes.plot(after, y, "o", color=NEUTRAL, markersize=7, zorder=4)
        if floor and (chance := point.mean(stages[1]._replace(metric=floor))) is not None:
            axes.plot(chance, y, "|", color=INK, markersize=13, mew=1.8, zorder=5)
        _beside(axes, y, f"{short(before)} → {short(after)}", colour=INK, weight="normal")
    axes.axvline(0, linewidth=0)  # what a gap or an error is compared with
