"""Which places change, with temperature scaling and between data sets? Drawn from finished tables."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.canvas import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    SUFFIX,
    VERDICTS,
    WHEN,
    Drawing,
    Results,
    Row,
    intervals,
    new_figure,
    small_ticks,
)
from pipeline.wording import spoken

FLAGS = {"sign": ORANGE, "verdict": BLUE, "rank": "#999999", "same": PALE}


def temperature(results: Results) -> Drawing:
    """Ranks by NLL before and after temperature scaling, every change flagged, and what becomes of the ECE."""
    order, rows = results["ranking"]["nll"], {point["key"]: point for point in results["points"]}
    flags = _flags(results, "nll")
    figure = new_figure(12.5, 0.35 * len(order["after"]) + 2.4)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    columns = [
        [(key, f"{rows[key]['metrics'][f'test{SUFFIX[when]}/nll']['mean']:.3f}") for key in order[when]]
        for when in SUFFIX
    ]
    ranks_panel(left, columns, flags, titles=[f"NLL {WHEN[when].split()[0]}" for when in SUFFIX])
    calibration_panel(right, [rows[key] for key in order["after"]])
    counts = {kind: sum(flag == kind for flag in flags.values()) for kind in FLAGS}
    changes = {
        "sign": "difference from none changes sign",
        "verdict": "verdict changes",
        "rank": "rank changes",
        "same": "nothing changes",
    }
    handles = [
        Line2D([], [], color=FLAGS[kind], linewidth=3, label=f"{text} ({counts[kind]})")
        for kind, text in changes.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    words = (
        "Left: points from the best (top) to the worst mean test NLL. Right: expected calibration error before "
        "(hollow) and after scaling (filled), in the order of the ranks after; ticks: what a calibrated model would "
        f"show. A temperature is fitted on validation rows, one for each seed. {intervals(results)}"
    )
    return Drawing(figure, words)


def rankings(summary: Mapping[str, Any], studies: Sequence[Results]) -> Drawing:
    """Ranks by NLL after temperature scaling, a column a data set: what holds on all, and what conflicts."""
    points = summary["points"]
    flags = {p["key"]: "sign" if p["conflict"] else "verdict" if p["survives"] else "rank" for p in points}
    orders = summary["ranking"]
    figure = new_figure(6.4 + 2.3 * len(orders), 0.35 * len(next(iter(orders.values()))) + 2.3)
    columns = [[(key, f"{summary['means'][name][key]:.3f}") for key in order] for name, order in orders.items()]
    ranks_panel(figure.subplots(), columns, flags, titles=[*orders], both=len(orders) > 1)
    kinds = {
        "sign": "better on one data set, worse on another",
        "verdict": "better on every data set",
        "rank": "neither",
    }
    handles = [Line2D([], [], color=FLAGS[kind], linewidth=3, label=label) for kind, label in kinds.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    words = (
        "Points from the best (top) to the worst mean test NLL (nats) after temperature scaling; colours tell the "
        f"verdicts against none (Bouthillier et al. 2021). {' '.join(intervals(results) for results in studies)}"
    )
    return Drawing(figure, words)


def ranks_panel(
    axes: Axes,
    columns: Sequence[Sequence[tuple[str, str]]],
    flags: Mapping[str, str],
    *,
    titles: Sequence[str],
    both: bool = False,
) -> None:
    """Columns of (key, value) from best to worst, each key joined to itself in the next column."""
    places = [{key: place for place, (key, _) in enumerate(column)} for column in columns]
    for key in sorted(places[0], key=lambda key: [*FLAGS].index(flags.get(key, "same")), reverse=True):
        ys = [column[key] for column in places if key in column]
        none = key == "none"
        colour = INK if none else FLAGS[flags.get(key, "same")]
        axes.plot(range(len(ys)), ys, "o-", color=colour, linewidth=2.6 if none else 1.9, markersize=5)
    for x, column in enumerate(columns):
        side, sign = ("right", -1) if x == 0 else ("left", 1)
        for y, (key, value) in enumerate(column):
            colour = FLAGS["sign"] if flags.get(key) == "sign" else INK
            look: dict[str, Any] = {
                "ha": side,
                "va": "center",
                "color": colour,
                "fontweight": "bold" if key == "none" else "normal",
            }
            axes.text(x + 0.06 * sign, y, value, fontsize=10, **look)
            if x == 0 or (both and x == len(columns) - 1):
                axes.text(x + 0.56 * sign, y, fill(spoken(key), 38), fontsize=10, linespacing=0.95, **look)
    axes.set_xlim(-2.7, len(columns) - 1 + (2.7 if both else 0.5))
    axes.set_ylim(max(map(len, columns)) - 0.4, -0.6)
    axes.set_xticks(range(len(columns)), titles, fontweight="bold", fontsize=11)
    axes.tick_params(bottom=False, top=False, labeltop=True, labelbottom=False)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def calibration_panel(axes: Axes, rows: Sequence[Row]) -> None:
    """ECE before (hollow) and after (filled), with the floor of each as a tick."""
    for y, point in enumerate(rows):
        ends = [point["metrics"][f"test{suffix}/ece"]["mean"] for suffix in SUFFIX.values()]
        floors = [point["metrics"][f"test{suffix}/ece_floor"]["mean"] for suffix in SUFFIX.values()]
        colour = VERDICTS["worse"] if ends[1] > ends[0] else VERDICTS["better"]
        axes.plot(ends, [y, y], color=colour, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(ends[0], y, "o", color=colour, markersize=6.5, fillstyle="none", mew=1.5, zorder=3)
        axes.plot(ends[1], y, "o", color=colour, markersize=6.5, zorder=3)
        axes.plot(floors[1], y, "|", color=INK, markersize=8, zorder=1)
    labels = [fill(spoken(point["key"]), 38) for point in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=10, linespacing=0.95)
    axes.set(xscale="log", xlabel="ECE", title="ECE falls (blue) or rises (orange)")
    small_ticks(axes.xaxis)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _flags(results: Results, metric: str) -> dict[str, str]:
    """What temperature scaling changes for each point: the gravest of sign, verdict, rank."""
    order = results["ranking"][metric]
    moved = {key: "rank" if order["after"].index(key) != place else "same" for place, key in enumerate(order["before"])}
    told = {flip["key"]: flip["kinds"] for flip in results["flips"] if flip["metric"] == metric}
    return {key: next((kind for kind in FLAGS if kind in told.get(key, ())), flag) for key, flag in moved.items()}
