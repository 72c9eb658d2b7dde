"""Comparison of points with the unregularized one: the headline figure and the forest plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.reporting.figures.canvas import (
    DARK,
    GREY,
    INK,
    NOT_HELD,
    VERDICTS,
    WHEN,
    Drawing,
    Mark,
    dagger,
    gap_where_missing,
    intervals,
    known_mean,
    marks,
    new_figure,
    reference_lines,
    values_axis,
    verdict_legend,
    verdict_look,
    wrapped,
)
from pipeline.reporting.text.numbers import short
from pipeline.results.readable_names import DAGGER, readable
from pipeline.results.study import Comparison, PointResult, StudyResults, Verdict

Look = Verdict | Literal["nothing"]
NOTHING = "learned nothing: base rates predict validation as well"
LOOKS: dict[str, Any] = {
    "filled: better NLL than none": {"marker": "o", "markersize": 9, "markeredgecolor": "white"},
    "hollow: no evidence": {"marker": "o", "markersize": 8, "fillstyle": "none", "markeredgewidth": 1.3},
    "crossed: worse NLL": {"marker": "x", "markersize": 8},
    NOTHING: {"marker": r"$\varnothing$", "markersize": 10},
}


class _Metrics(NamedTuple):
    """The metrics that place a point of one stage: gap, calibration error, and its noise floor."""

    gap: MetricName
    ece: MetricName
    floor: MetricName


def headline(studies: Sequence[StudyResults]) -> Drawing:
    """Calibration error against generalization gap, one mark a point: a row of two axes a data set."""
    figure = new_figure(11, 4.5 * len(studies) + 1.1)
    grid = figure.subplots(len(studies), 2, squeeze=False)
    for row, results in zip(grid, studies, strict=True):
        for axes, stage in zip(row, STAGES, strict=True):
            gap_axes(axes, results, stage)
    _headline_legend(figure, [point.variant for results in studies for point in results.points])
    caption = (
        "Down and left is better; the dotted lines are the network without regularization, the ring is what "
        "validation chooses, the second star the same network on other seeds (A/A check). Whiskers are intervals, cut "
        "at the edges; arrows point to values (gap, ECE) far beyond. Grey: from the smallest to the largest ECE that "
        "these points would be expected to show if they were calibrated. Marks tell the verdict on test NLL; ∅ stands "
        "for points that predict validation rows no better than base rates do: their small gap is no merit. "
        f"{' '.join(intervals(results) for results in studies)}"
    )
    return Drawing(figure, caption)


def _headline_legend(figure: Figure, variants: Sequence[str]) -> None:
    """Columns of variants, and one of what their marks tell."""
    variant_handles = [
        Line2D([], [], color=mark.colour, marker=mark.shape, linestyle="", label=readable(name), markersize=9)
        for name, mark in marks(variants).items()
    ]
    fills = [Line2D([], [], color=GREY, linestyle="", label=text, **look) for text, look in LOOKS.items()]
    blanks = [Line2D([], [], linestyle="", label=" ")] * (-len(variant_handles) % len(fills))
    figure.legend(
        handles=[*variant_handles, *blanks, *fills], loc="outside upper center",
        ncols=len(variant_handles + blanks) // len(fills) + 1, columnspacing=1.6, handletextpad=0.2, labelspacing=0.3,
    )  # fmt: skip


def gap_axes(axes: Axes, results: StudyResults, stage: Stage) -> None:
    """One stage's points: gap on x, calibration error on a logarithmic y with its noise floor in grey."""
    metrics = _Metrics(
        MetricName("gap", stage, "nll"), MetricName("test", stage, "ece"), MetricName("test", stage, "ece_floor")
    )
    points = [point for point in results.points if not point.duplicate and _is_known(point, metrics)]
    floors = [known_mean(point, metrics.floor) for point in points]
    axes.axhspan(min(floors), max(floors), color="#EEEEEE", zorder=0)
    far = _limits(axes, [(*_place(point, metrics), point.key) for point in points])
    lost = [point for point in points if not point.learned]
    drawn = marks([point.variant for point in results.points])
    for point in points:
        look: Look = "nothing" if point in lost else _look(point, stage)
        _point(axes, point, metrics, mark=drawn[point.variant], look=look)
    reference, chosen = results.reference_point, results.answer.key
    reference_lines(axes, *_place(reference, metrics))
    _name(axes, [point for point in points if point is reference], metrics, up=-1)
    for point in (point for point in points if point.key == chosen):
        axes.plot(*_place(point, metrics), "o", color=INK, markersize=17, fillstyle="none", mew=1.4, zorder=4)
        _name(axes, [point], metrics)
    _name(axes, [point for point in lost if point.key not in far], metrics)
    axes.set(title=f"{results.dataset.name}, {WHEN[stage]}")
    axes.set(xlabel="generalization gap: test NLL − train NLL (nats)", ylabel="calibration error (ECE)")


def _point(axes: Axes, point: PointResult, metrics: _Metrics, *, mark: Mark, look: Look) -> None:
    """A mark with whiskers; a white edge parts filled ones that overlap."""
    x, y = _place(point, metrics)
    gap, ece = point.metrics[metrics.gap], point.metrics[metrics.ece]
    left, right, low, high = map(gap_where_missing, (gap.low, gap.high, ece.low, ece.high))
    axes.plot([left, right], [y, y], color=mark.colour, alpha=0.25, linewidth=1.0, zorder=2)
    axes.plot([x, x], [max(low, 1e-9), high], color=mark.colour, alpha=0.25, linewidth=1.0, zorder=2)
    size, order = (14, 5) if point.variant == "none" else (9, 3)
    filled, nothing = look == "better", look == "nothing"
    axes.plot(
        x, y, marker=LOOKS[NOTHING]["marker"] if nothing else mark.shape, color=mark.colour,
        markersize=11 if nothing else size, fillstyle="full" if filled or nothing else "none",
        mew=0.8 if filled else 1.3, mec="white" if filled else mark.colour, zorder=order,
    )  # fmt: skip
    if look == "worse":
        axes.plot(x, y, "x", color=INK, markersize=6, mew=1.2, zorder=order + 0.5)


def _limits(axes: Axes, places: Sequence[tuple[float, float, str]]) -> set[str]:
    """Limits that the bulk of the points fills, and arrows to those far beyond; their names."""
    xs, ys = [x for x, _, _ in places], [math.log(y) for _, y, _ in places]
    (left, right), (low, high) = fences(xs), fences(ys)
    inside = [(x, y) for x, y in zip(xs, ys, strict=True) if left <= x <= right and low <= y <= high]
    (left, right), (low, high) = (_padded(line) for line in zip(*inside, strict=True))
    axes.set_xlim(left, right)
    values_axis(axes.yaxis, [math.exp(low), math.exp(high)], room=1.0)
    far = [(x, y, key) for x, y, key in places if not (left <= x <= right and low <= math.log(y) <= high)]
    for place, (x, y, key) in enumerate(far):
        _far(axes, (x, y), f"{readable(key)}: {short(x)}, {short(y)}", place)
    return {key for _, _, key in far}


def fences(values: Sequence[float], reach: float = 9) -> tuple[float, float]:
    """How far from the middle half of some values others may lie, in its widths, to be shown on one scale with it.

    >>> fences([0, 4, 5, 6, 100], reach=3)
    (-2, 12)
    """
    ordered = sorted(values)
    first, third = (ordered[round(share * (len(ordered) - 1))] for share in (0.25, 0.75))
    return first - reach * (third - first), third + reach * (third - first)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    pad = 0.2 * (max(values) - min(values)) or 0.5
    return min(values) - pad, max(values) + pad


def _far(axes: Axes, point: tuple[float, float], text: str, place: int) -> None:
    """An arrow at the edge towards a point beyond it, and what it is; places count from the edge inwards."""
    limits = (axes.get_xlim(), axes.get_ylim())
    ends = [min(max(value, low), high) for value, (low, high) in zip(point, limits, strict=True)]
    x, y = axes.transLimits.transform(axes.transScale.transform(ends))
    side, up = (1 if x < 0.5 else -1), (1 if y < 0.5 else -1)
    axes.annotate(
        text, (x, y), (side * 24, up * (7 + 13 * place)), xycoords="axes fraction", textcoords="offset points",
        ha="left" if side > 0 else "right", va="center", fontsize=10, zorder=6,
        arrowprops={"arrowstyle": "->", "color": GREY, "lw": 1.4},
    )  # fmt: skip


def _name(axes: Axes, points: Sequence[PointResult], metrics: _Metrics, *, up: int = 1) -> None:
    """What points that lie together are called, beside the first, on the side where there is more room."""
    if not points:
        return
    place = _place(points[0], metrics)
    x, y = axes.transLimits.transform(axes.transScale.transform(place))
    side, up = (1 if x < 0.75 else -1), (up if 0.15 < y < 0.85 else 1 if y < 0.5 else -1)
    axes.annotate(
        wrapped(", ".join(readable(point.key) for point in points), 26), place, (side * 11, up * 11),
        textcoords="offset points", fontsize=10.5, fontweight="bold", ha="left" if side > 0 else "right",
        va="bottom" if up > 0 else "top", linespacing=0.95, zorder=7,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def forest(results: StudyResults) -> Drawing:
    """Paired differences of test NLL from the unregularized point, before and after calibration."""
    points = [point for point in results.points if point.against_reference and not point.duplicate]
    figure = new_figure(10.5, 0.34 * len(points) + 2.2)
    both = figure.subplots(1, 2, sharey=True)
    for axes, stage in zip(both, STAGES, strict=True):
        forest_axes(axes, [point.comparison(MetricName("test", stage, "nll")) for point in points])
        axes.set(title=f"{results.dataset.name}, {WHEN[stage]}", xlabel="difference of test NLL from none (nats)")
    labels = [wrapped(readable(point.key), 38) for point in points]
    both[0].set_yticks(range(len(points)), labels, fontsize=10, linespacing=0.95)
    both[0].invert_yaxis()
    figure.legend(handles=verdict_legend(), loc="outside upper center", ncols=4, columnspacing=1.4)
    caption = (
        "Left of the line is better than the same network without regularization on the same seeds. Arrows point to "
        f"values beyond the axes. Verdicts: Bouthillier et al. 2021; {DAGGER}: {NOT_HELD}. {intervals(results)}"
    )
    return Drawing(figure, caption)


def forest_axes(axes: Axes, comparisons: Sequence[Comparison | None]) -> None:
    """A line a point, coloured by its verdict; what lies far outside is an arrow with its value."""
    limit = _forest_limits(axes, comparisons)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for y, entry in enumerate(comparisons):
        if entry is None or entry.difference is None:
            axes.text(0, y, "not finite", ha="center", va="center", fontsize=9, color=GREY)
        elif abs(entry.difference) > limit:
            _arrow(axes, entry, entry.difference, y)
        else:
            difference_line(axes, entry, y, size=6)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(-0.7, len(comparisons) - 0.3)


def difference_line(axes: Axes, entry: Comparison, y: float, *, size: float) -> None:
    """A difference as a mark of that size with its interval, in the colour of its verdict; nothing if not finite."""
    look, middle = verdict_look(entry.verdict), gap_where_missing(entry.difference)
    ends = [gap_where_missing(entry.low), gap_where_missing(entry.high)]
    axes.plot(ends, [y, y], color=look["color"], linewidth=2, solid_capstyle="butt", zorder=2)
    axes.plot(middle, y, markersize=size, zorder=3, **look)
    dagger(axes, entry, middle, y)


def _forest_limits(axes: Axes, comparisons: Sequence[Comparison | None]) -> float:
    """Set limits that nine in ten intervals fit in; the difference beyond which an arrow stands."""
    known = [(each.low, each.high) for each in comparisons if each is not None]
    ends = [(low, high) for low, high in known if low is not None and high is not None]
    sizes = sorted(max(abs(low), abs(high)) for low, high in ends)
    limit = 1.15 * sizes[int(0.9 * (len(sizes) - 1))] if sizes else 1.0
    left = max(min((low for low, _ in ends), default=0.0), -limit)
    right = min(max((high for _, high in ends), default=0.0), limit)
    pad = 0.04 * (right - left)
    axes.set_xlim(left - pad, right + pad)
    return limit


def _is_known(point: PointResult, metrics: _Metrics) -> bool:
    return all(point.mean(metric) is not None for metric in metrics)


def _look(point: PointResult, stage: Stage) -> Look:
    """The verdict that a mark shows; the unregularized point, which has none, is drawn as a better one."""
    comparison = point.comparison(MetricName("test", stage, "nll"))
    return comparison.verdict if comparison else "better"


def _place(point: PointResult, metrics: _Metrics) -> tuple[float, float]:
    return known_mean(point, metrics.gap), known_mean(point, metrics.ece)


def _arrow(axes: Axes, entry: Comparison, value: float, y: float) -> None:
    """An arrow to the side on which the difference lies beyond the axes, with its value."""
    colour, (left, right) = VERDICTS[entry.verdict], axes.get_xlim()
    end, inner = (right, right - 0.15 * (right - left)) if value > 0 else (left, left + 0.15 * (right - left))
    axes.annotate(
        f"{value:+.2f}{DAGGER * entry.fails_holm}", (end, y), (inner, y), color=DARK[colour], fontsize=9.5,
        va="center", ha="right" if value > 0 else "left", arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8},
    )  # fmt: skip
