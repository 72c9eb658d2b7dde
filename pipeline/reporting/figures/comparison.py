"""How far is each point from the unregularized one? The headline figure and the forest plot, from finished tables."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from pipeline.reporting.figures.canvas import (
    DARK,
    GREY,
    INK,
    NOT_HELD,
    SUFFIX,
    WHEN,
    Drawing,
    Mark,
    Results,
    Row,
    doubt,
    intervals,
    marks,
    new_figure,
    reference_lines,
    values_axis,
    verdict_legend,
    verdict_look,
    wrapped,
)
from pipeline.reporting.text.numbers import short
from pipeline.results.rank_changes import is_doubtful
from pipeline.results.readable_names import DAGGER, readable

NOTHING = "learned nothing: accuracy of chance"
LOOKS: dict[str, Any] = {
    "filled: better NLL than none": {"marker": "o", "markersize": 9, "markeredgecolor": "white"},
    "hollow: no evidence": {"marker": "o", "markersize": 8, "fillstyle": "none", "markeredgewidth": 1.3},
    "crossed: worse NLL": {"marker": "x", "markersize": 8},
    NOTHING: {"marker": r"$\varnothing$", "markersize": 10},
}


def headline(studies: Sequence[Results]) -> Drawing:
    """Calibration error against generalization gap, one mark a point: a row of panels a data set."""
    figure = new_figure(11, 4.5 * len(studies) + 1.1)
    panels = figure.subplots(len(studies), 2, squeeze=False)
    for row, results in zip(panels, studies, strict=True):
        for axes, when in zip(row, SUFFIX, strict=True):
            gap_panel(axes, results, when)
    _headline_legend(figure, [point["variant"] for results in studies for point in results["points"]])
    words = (
        "Down and left is better; the dotted lines are the network without regularization, the ring is what "
        "validation chooses, the second star the same network on other seeds (A/A check). Whiskers are intervals, cut "
        "at the edges; arrows point to values (gap, ECE) far beyond. Grey: from the smallest to the largest ECE that "
        "these points would be expected to show if they were calibrated. Marks tell the verdict on test NLL; ∅ stands "
        "for points whose interval of the accuracy reaches down to chance: their small gap is no merit. "
        f"{' '.join(intervals(results) for results in studies)}"
    )
    return Drawing(figure, words)


def _headline_legend(figure: Figure, variants: Sequence[str]) -> None:
    """Columns of variants, and one of what their marks tell."""
    kinds = [
        Line2D([], [], color=mark.colour, marker=mark.shape, linestyle="", label=readable(name), markersize=9)
        for name, mark in marks(variants).items()
    ]
    fills = [Line2D([], [], color=GREY, linestyle="", label=text, **look) for text, look in LOOKS.items()]
    blanks = [Line2D([], [], linestyle="", label=" ")] * (-len(kinds) % len(fills))
    figure.legend(
        handles=[*kinds, *blanks, *fills], loc="outside upper center", ncols=len(kinds + blanks) // len(fills) + 1,
        columnspacing=1.6, handletextpad=0.2, labelspacing=0.3,
    )  # fmt: skip


def gap_panel(axes: Axes, results: Results, when: str) -> None:
    """One stage's points: gap on x, calibration error on a logarithmic y with its noise floor in grey."""
    suffix, drawn = SUFFIX[when], marks([point["variant"] for point in results["points"]])
    names = (f"gap{suffix}/nll", f"test{suffix}/ece", f"test{suffix}/ece_floor")
    rows = [point for point in results["points"] if not point["duplicate"] and _known(point, *names)]
    floors = [point["metrics"][names[2]]["mean"] for point in rows]
    axes.axhspan(min(floors), max(floors), color="#EEEEEE", zorder=0)
    far = _limits(axes, [(*_place(point, names), point["key"]) for point in rows])
    chance = 1 / len(results["dataset"]["classes"])
    lost = [point for point in rows if _knows_nothing(point, suffix, chance)]
    for point in rows:
        look = "nothing" if point in lost else _look(point, f"test{suffix}/nll")
        _point(axes, point, names, drawn[point["variant"]], look)
    reference_lines(axes, *_place(_reference(results), names))
    _name(axes, [point for point in rows if point is _reference(results)], names, up=-1)
    for chosen in (point for point in rows if point["key"] == results["answer"]["after_scaling"]["key"]):
        axes.plot(*_place(chosen, names), "o", color=INK, markersize=17, fillstyle="none", mew=1.4, zorder=4)
        _name(axes, [chosen], names)
    _name(axes, [point for point in lost if point["key"] not in far], names)
    axes.set(title=f"{results['dataset']['name']}, {WHEN[when]}")
    axes.set(xlabel="generalization gap: test NLL − train NLL (nats)", ylabel="calibration error (ECE)")


def _point(axes: Axes, point: Row, names: Sequence[str], mark: Mark, look: str) -> None:
    """A mark with whiskers; a white edge parts filled ones that overlap."""
    x, y = (point["metrics"][name] for name in names[:2])
    bars: dict[str, Any] = {"color": mark.colour, "alpha": 0.25, "linewidth": 1.0, "zorder": 2}
    axes.plot([x["low"], x["high"]], [y["mean"]] * 2, **bars)
    axes.plot([x["mean"]] * 2, [max(y["low"], 1e-9), y["high"]], **bars)
    size, order = (14, 5) if point["variant"] == "none" else (9, 3)
    filled = look == "better"
    shape = LOOKS[NOTHING]["marker"] if look == "nothing" else mark.shape
    axes.plot(
        x["mean"], y["mean"], marker=shape, color=mark.colour, markersize=11 if look == "nothing" else size,
        fillstyle="full" if filled or look == "nothing" else "none", mew=0.8 if filled else 1.3,
        mec="white" if filled else mark.colour, zorder=order,
    )  # fmt: skip
    if look == "worse":
        axes.plot(x["mean"], y["mean"], "x", color=INK, markersize=6, mew=1.2, zorder=order + 0.5)


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
    across, up = (1 if x < 0.5 else -1), (1 if y < 0.5 else -1)
    axes.annotate(
        text, (x, y), (across * 24, up * (7 + 13 * place)), xycoords="axes fraction", textcoords="offset points",
        ha="left" if across > 0 else "right", va="center", fontsize=10, zorder=6,
        arrowprops={"arrowstyle": "->", "color": GREY, "lw": 1.4},
    )  # fmt: skip


def _name(axes: Axes, points: Sequence[Row], names: Sequence[str], *, up: int = 1) -> None:
    """What points that lie together are called, beside the first, on the side where there is more room."""
    if not points:
        return
    place = _place(points[0], names)
    x, y = axes.transLimits.transform(axes.transScale.transform(place))
    side, up = (1 if x < 0.75 else -1), (up if 0.15 < y < 0.85 else 1 if y < 0.5 else -1)
    axes.annotate(
        wrapped(", ".join(readable(point["key"]) for point in points), 26), place, (side * 11, up * 11),
        textcoords="offset points", fontsize=10.5, fontweight="bold", ha="left" if side > 0 else "right",
        va="bottom" if up > 0 else "top", linespacing=0.95, zorder=7,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def forest(results: Results) -> Drawing:
    """Paired differences of test NLL from the unregularized point, before and after temperature scaling."""
    rows = [point for point in results["points"] if point["against_reference"] and not point["duplicate"]]
    figure = new_figure(10.5, 0.34 * len(rows) + 2.2)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, when in zip(panels, SUFFIX, strict=True):
        forest_panel(axes, rows, f"test{SUFFIX[when]}/nll")
        axes.set(title=f"{results['dataset']['name']}, {WHEN[when]}", xlabel="difference of test NLL from none (nats)")
    labels = [wrapped(readable(point["key"]), 38) for point in rows]
    panels[0].set_yticks(range(len(rows)), labels, fontsize=10, linespacing=0.95)
    panels[0].invert_yaxis()
    figure.legend(handles=verdict_legend(), loc="outside upper center", ncols=4, columnspacing=1.4)
    words = (
        "Left of the line is better than the same network without regularization on the same seeds. Arrows point to "
        f"values beyond the panel. Verdicts: Bouthillier et al. 2021; {DAGGER}: {NOT_HELD}. {intervals(results)}"
    )
    return Drawing(figure, words)


def forest_panel(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    """A line a point, coloured by its verdict; what lies far outside is an arrow with its value."""
    entries = [point["against_reference"].get(metric) for point in rows]
    known = [entry for entry in entries if entry and entry["difference"] is not None]
    sizes = sorted(max(abs(entry["low"]), abs(entry["high"])) for entry in known)
    limit = 1.15 * sizes[int(0.9 * (len(sizes) - 1))] if sizes else 1.0
    left = min((entry["low"] for entry in known), default=0.0)
    right = max((entry["high"] for entry in known), default=0.0)
    pad = 0.04 * (min(right, limit) - max(left, -limit))
    axes.set_xlim(max(left, -limit) - pad, min(right, limit) + pad)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for y, entry in enumerate(entries):
        if not entry or entry["difference"] is None:
            axes.text(0, y, "not finite", ha="center", va="center", fontsize=9, color=GREY)
            continue
        look, middle = verdict_look(entry["verdict"]), entry["difference"]
        if abs(middle) > limit:
            _arrow(axes, middle, y, f"{middle:+.2f}{DAGGER * is_doubtful(entry)}", colour=look["color"])
            continue
        bar: dict[str, Any] = {"color": look["color"], "linewidth": 2, "solid_capstyle": "butt", "zorder": 2}
        axes.plot([entry["low"], entry["high"]], [y, y], **bar)
        axes.plot(middle, y, markersize=6, zorder=3, **look)
        doubt(axes, entry, middle, y)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(-0.7, len(rows) - 0.3)


def _known(point: Row, *names: str) -> bool:
    return all(point["metrics"].get(name, {}).get("mean") is not None for name in names)


def _reference(results: Results) -> Row:
    row: Row = results["points"][results["reference"]["index"]]
    return row


def _look(point: Row, metric: str) -> str:
    """The verdict that a mark shows; the unregularized point, which has none, is drawn as a better one."""
    against = point["against_reference"].get(metric)
    return str(against["verdict"]) if against else "better"


def _place(point: Row, names: Sequence[str]) -> tuple[float, float]:
    x, y = (point["metrics"][name]["mean"] for name in names[:2])
    return x, y


def _knows_nothing(point: Row, suffix: str, chance: float) -> bool:
    """Whether the interval of its accuracy reaches down to chance."""
    low = point["metrics"].get(f"test{suffix}/accuracy", {}).get("low")
    return low is not None and low <= chance


def _arrow(axes: Axes, value: float, y: float, text: str, *, colour: str) -> None:
    """An arrow to the side on which the value lies beyond the panel."""
    left, right = axes.get_xlim()
    end, inner = (right, right - 0.15 * (right - left)) if value > 0 else (left, left + 0.15 * (right - left))
    axes.annotate(
        text, (end, y), (inner, y), color=DARK[colour], fontsize=9.5, va="center",
        ha="right" if value > 0 else "left", arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8},
    )  # fmt: skip
