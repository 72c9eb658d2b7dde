"""Is a confidence worth what it says? Reliability diagrams, drawn from finished tables."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.canvas import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    SUFFIX,
    WHEN,
    Drawing,
    Results,
    intervals,
    new_figure,
)
from pipeline.wording import spoken

PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5}


def reliability(results: Results, diagrams: Mapping[str, Any]) -> Drawing | None:
    """Diagrams of the unregularized and the chosen point, before and after temperature scaling."""
    keys = dict.fromkeys([results["reference"]["key"], results["answer"]["after_scaling"]["key"]])
    shown = [key for key in keys if diagrams[key]]
    if not shown:
        return None
    figure = new_figure(10, 5.9 * len(shown) + 0.9)
    grid = figure.subplots(
        2 * len(shown), 2, squeeze=False, sharex=True, height_ratios=[4.2, 1] * len(shown), gridspec_kw={"hspace": 0.02}
    )
    for place, key in enumerate(shown):
        for column, when in enumerate(SUFFIX):
            diagram_panel(grid[2 * place][column], diagrams[key][when])
            counts_panel(grid[2 * place + 1][column], diagrams[key][when])
            grid[2 * place][column].set_title(f"{fill(spoken(key), 38)}\n{WHEN[when]}", fontsize=11.5)
    return Drawing(figure, f"{_diagram_words(diagrams[shown[0]]['before'])} {intervals(results)}")


def point_reliability(key: str, diagram: Mapping[str, Any], note: str) -> Figure:
    """One point's diagrams before and after temperature scaling, laid out by hand: there are many of them."""
    figure = Figure(figsize=(9.4, 6.8))
    for column, when in enumerate(SUFFIX):
        x = 0.085 + 0.49 * column
        upper, lower = figure.add_axes((x, 0.335, 0.4, 0.553)), figure.add_axes((x, 0.215, 0.4, 0.105))
        diagram_panel(upper, diagram[when])
        counts_panel(lower, diagram[when])
        for axes in (upper, lower):
            axes.yaxis.set_label_coords(-0.13, 0.5)
        upper.set_title(WHEN[when].capitalize(), fontsize=11.5)
    figure.suptitle(fill(spoken(key), 80), x=0.02, y=0.985, ha="left", fontweight="bold", fontsize=13)
    words = fill(f"{_diagram_words(diagram['before'])} {note}", 118)
    figure.text(0.02, 0.02, words, fontsize=8.8, color="#444444", linespacing=1.3)
    return figure


def diagram_panel(axes: Axes, diagram: Mapping[str, Any]) -> None:
    """Square; bins at (mean confidence, accuracy) with Wilson bars, band, isotonic line, other seeds, exact curve."""
    bins = diagram["bins"]
    xs = [entry["confidence"] for entry in bins]
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9)
    axes.fill_between(
        xs,
        [entry["band_low"] for entry in bins],
        [entry["band_high"] for entry in bins],
        color=PALE,
        linewidth=0,
        zorder=1,
    )
    for line in diagram["others"]:
        axes.plot([x for x, _ in line], [y for _, y in line], color="#56B4E9", linewidth=0.7, alpha=0.35, zorder=1.5)
    axes.step(*(diagram["isotonic"][name] for name in ("confidence", "accuracy")), where="mid", color=ORANGE, lw=1.6)
    exact = [(x, entry["exact"]) for x, entry in zip(xs, bins, strict=True) if entry["exact"] is not None]
    if exact:
        axes.plot(*zip(*exact, strict=True), "--", color="#009E73", linewidth=1.8)
    for x, entry in zip(xs, bins, strict=True):
        axes.plot([x, x], [entry["low"], entry["high"]], color=BLUE, linewidth=1.8, zorder=3)
    axes.plot(xs, [entry["accuracy"] for entry in bins], "o", color=BLUE, markersize=5.5, zorder=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", ylabel="accuracy")
    axes.tick_params(labelbottom=False)
    told = f"ECE {diagram['ece']:.3f}\nfloor {diagram['ece_floor']:.3f}\np {_p(diagram['ece_p'])}"
    axes.text(0.025, 0.975, told, ha="left", va="top", fontsize=10.5, linespacing=1.3, bbox=PLATE, zorder=5)


def counts_panel(axes: Axes, diagram: Mapping[str, Any]) -> None:
    """How many rows have each confidence, with lines at mean confidence and accuracy."""
    width = diagram["width"]
    lefts = [int(entry["confidence"] / width - 1e-9) * width for entry in diagram["bins"]]
    axes.bar(
        lefts, [entry["count"] for entry in diagram["bins"]], width=width, align="edge", color="#9ECAE1", ec="white"
    )
    for name, words, style, colour in (
        ("accuracy", "accuracy", "-", INK),
        ("confidence", "mean confidence", "--", ORANGE),
    ):
        axes.axvline(diagram[name], linestyle=style, color=colour, linewidth=1.5, label=f"{words} {diagram[name]:.3f}")
    axes.legend(loc="upper left", fontsize=9.5, handlelength=1.6, labelspacing=0.2, borderaxespad=0.1)
    axes.set(xlim=(0, 1), xlabel="confidence", ylabel="rows")
    axes.locator_params(axis="y", nbins=2)


def _p(value: float) -> str:
    return "< .01" if value < 0.01 else f"= {value:.2f}"


def _diagram_words(diagram: Mapping[str, Any]) -> str:
    others = len(diagram["others"])
    known = any(entry["exact"] is not None for entry in diagram["bins"])
    exact = " Green dashes: the exact accuracy, from the known posterior." if known else ""
    return (
        f"Dots: mean confidence and accuracy of {round(1 / diagram['width'])} equal-width bins (a, b], with 95% Wilson "
        f"intervals, for the seed with the median ECE (seed {diagram['seed']}, n = {diagram['n']:,} test rows); empty "
        "bins are not drawn. Grey: where 95% of calibrated models' bins lie. Orange: isotonic regression (CORP). Light "
        f"blue: the other {others} seeds.{exact} p: test of calibration by consistency resampling."
    )
