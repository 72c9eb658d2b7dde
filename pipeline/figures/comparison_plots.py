"""How far is each point from the unregularized one? The headline figure and the forest plot, from finished tables."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.figures.canvas import (
    DARK,
    GREY,
    INK,
    SUFFIX,
    VERDICTS,
    WHEN,
    Drawing,
    Results,
    Row,
    intervals,
    marks,
    new_figure,
    reference_lines,
    small_ticks,
)
from pipeline.words.wording import spoken


def headline(studies: Sequence[Results]) -> Drawing:
    """Calibration error against generalization gap, one mark a point: a row of panels a data set."""
    figure = new_figure(10, 4.3 * len(studies) + 1.1)
    panels = figure.subplots(len(studies), 2, squeeze=False)
    for row, results in zip(panels, studies, strict=True):
        for axes, when in zip(row, SUFFIX, strict=True):
            gap_panel(axes, results, when)
    variants = dict.fromkeys(point["variant"] for results in studies for point in results["points"])
    looks: dict[str, Any] = {
        "better NLL than none": {"marker": "o"},
        "no evidence": {"marker": "o", "fillstyle": "none"},
        "worse NLL: crossed": {"marker": "x"},
    }
    fills = [
        Line2D([], [], color=GREY, linestyle="", label=label, markersize=8, **look) for label, look in looks.items()
    ]
    kinds = [
        Line2D([], [], color=mark.colour, marker=mark.shape, linestyle="", label=spoken(name), markersize=9)
        for name, mark in marks([*variants]).items()
    ]
    blanks = [Line2D([], [], linestyle="", label=" ")] * (-len(kinds) % 3)
    figure.legend(
        handles=[*kinds, *blanks, *fills], loc="outside upper center", ncols=len(kinds + blanks) // 3 + 1,
        columnspacing=1.6, handletextpad=0.2, labelspacing=0.3,
    )  # fmt: skip
    notes = " ".join(intervals(results) for results in studies)
    chosen = "; ".join(f"{r['dataset']['name']}: {spoken(r['answer']['after_scaling']['key'])}" for r in studies)
    words = (
        "Down and left is better; the dotted lines are the network without regularization, the ring is what "
        f"validation chooses ({chosen}), the second star the same network on other seeds (A/A check). Whiskers are "
        "intervals. Grey: from the smallest to the largest ECE that these points would be expected to show if they "
        "were calibrated. Filled, hollow, crossed: the verdict on test NLL, so that a small gap from learning nothing "
        f"does not pass. {notes}"
    )
    return Drawing(figure, words)


def gap_panel(axes: Axes, results: Results, when: str) -> None:
    """One stage's points: gap on x, calibration error on a logarithmic y with its noise floor in grey."""
    suffix, drawn = SUFFIX[when], marks([point["variant"] for point in results["points"]])
    names = (f"gap{suffix}/nll", f"test{suffix}/ece", f"test{suffix}/ece_floor")
    rows = [point for point in results["points"] if not point["duplicate"] and _known(point, *names)]
    floors = [point["metrics"][names[2]]["mean"] for point in rows]
    axes.axhspan(min(floors), max(floors), color="#EEEEEE", zorder=0)
    lowest = 0.7 * min(*floors, *(point["metrics"][names[1]]["mean"] for point in rows))
    for point in rows:
        x, y = (point["metrics"][name] for name in names[:2])
        mark, look = drawn[point["variant"]], _look(point, f"test{suffix}/nll")
        bars: dict[str, Any] = {"color": mark.colour, "alpha": 0.45, "linewidth": 1.1, "zorder": 2}
        axes.plot([x["low"], x["high"]], [y["mean"]] * 2, **bars)
        axes.plot([x["mean"]] * 2, [max(y["low"], lowest), y["high"]], **bars)
        size, order = (13, 5) if point["variant"] == "none" else (8, 3)
        filled: Any = "full" if look == "better" else "none"
        axes.plot(
            x["mean"],
            y["mean"],
            mark.shape,
            color=mark.colour,
            markersize=size,
            fillstyle=filled,
            mew=1.3,
            zorder=order,
        )
        if look == "worse":
            axes.plot(x["mean"], y["mean"], "x", color=INK, markersize=6, mew=1.2, zorder=order + 0.5)
    reference = _reference(results)
    reference_lines(axes, *(reference["metrics"][name]["mean"] for name in names[:2]))
    _ring(axes, next((p for p in rows if p["key"] == results["answer"]["after_scaling"]["key"]), None), names)
    axes.set(yscale="log", title=f"{results['dataset']['name']}, {WHEN[when]}")
    axes.set(xlabel="generalization gap: test NLL − train NLL (nats)", ylabel="calibration error (ECE)")
    axes.set_ylim(lowest, None)
    small_ticks(axes.yaxis)


def forest(results: Results) -> Drawing:
    """Paired differences of test NLL from the unregularized point, before and after temperature scaling."""
    rows = [point for point in results["points"] if point["against_reference"] and not point["duplicate"]]
    figure = new_figure(10.5, 0.34 * len(rows) + 2.2)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, when in zip(panels, SUFFIX, strict=True):
        forest_panel(axes, rows, f"test{SUFFIX[when]}/nll")
        axes.set(title=f"{results['dataset']['name']}, {WHEN[when]}", xlabel="difference of test NLL from none (nats)")
    labels = [fill(spoken(point["key"]), 38) for point in rows]
    panels[0].set_yticks(range(len(rows)), labels, fontsize=10, linespacing=0.95)
    panels[0].invert_yaxis()
    verdicts = {"better": "better", "worse": "worse", "no evidence": "no evidence, or too small to matter"}
    handles = [
        Line2D([], [], color=VERDICTS[verdict], marker="o", linewidth=2, label=text)
        for verdict, text in verdicts.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    words = (
        "Left of the line is better than the same network without regularization on the same seeds. Arrows point to "
        f"values beyond the panel. Verdicts: Bouthillier et al. 2021. {intervals(results)}"
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
        colour, middle = VERDICTS[entry["verdict"]], entry["difference"]
        if abs(middle) > limit:
            _arrow(axes, middle, y, colour=colour)
            continue
        axes.plot([entry["low"], entry["high"]], [y, y], color=colour, linewidth=2, solid_capstyle="butt", zorder=2)
        axes.plot(middle, y, "o", color=colour, markersize=6, zorder=3)
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


def _ring(axes: Axes, point: Row | None, names: Sequence[str]) -> None:
    if point is not None:
        x, y = (point["metrics"][name]["mean"] for name in names[:2])
        axes.plot(x, y, "o", color=INK, markersize=17, fillstyle="none", mew=1.4, zorder=4)


def _arrow(axes: Axes, value: float, y: float, *, colour: str) -> None:
    """An arrow to the side on which the value lies beyond the panel."""
    left, right = axes.get_xlim()
    end, inner = (right, right - 0.15 * (right - left)) if value > 0 else (left, left + 0.15 * (right - left))
    axes.annotate(
        f"{value:+.2f}", (end, y), (inner, y), color=DARK[colour], fontsize=9.5, va="center",
        ha="right" if value > 0 else "left", arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8},
    )  # fmt: skip
