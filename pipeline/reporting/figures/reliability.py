"""Is a confidence worth what it says? Reliability diagrams, drawn from finished tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.reporting.figures.canvas import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    SUFFIX,
    WHEN,
    Drawing,
    Results,
    gap_where_missing,
    sample,
    with_caption,
    wrapped,
)
from pipeline.results.readable_names import readable

WIDTH, SQUARE, ROW, TOP = 9.6, 3.7, 6.4, 0.35  # inches: figure, panel, a row of two with counts below, legend
LIMITS = (-0.025, 1.025)
SKY, GREEN = "#56B4E9", "#009E73"


def reliability(results: Results, diagrams: Mapping[str, Any]) -> Drawing | None:
    """Diagrams of the unregularized and the chosen point, before and after scaling; None where no seed is finite."""
    keys = dict.fromkeys([results["reference"]["key"], results["answer"]["after_scaling"]["key"]])
    shown = [key for key in keys if diagrams[key]]
    if not shown:
        return None
    figure = Figure(figsize=(WIDTH, ROW * len(shown) + TOP))
    for place, key in enumerate(shown):
        _pair(figure, key, diagrams[key], bottom=ROW * (len(shown) - 1 - place))
    _legend(figure, diagrams[shown[0]])
    figure.text(0.02, 1 - 0.1 / figure.get_figheight(), results["dataset"]["name"], va="top", fontweight="bold")
    words = _diagram_words([diagrams[key] for key in shown])
    return Drawing(figure, f"{words} {sample(results)}")


def point_reliability(key: str, diagram: Mapping[str, Any], note: str) -> Figure:
    """One point's diagrams before and after temperature scaling, with its words."""
    figure = Figure(figsize=(WIDTH, ROW + TOP))
    _pair(figure, key, diagram, bottom=0)
    _legend(figure, diagram)
    return with_caption(Drawing(figure, f"{_diagram_words([diagram])} {note}"))


def _pair(figure: Figure, key: str, diagram: Mapping[str, Any], *, bottom: float) -> None:
    """A row of two diagrams, each with its counts below, laid out by hand so that squares and bars line up; inches."""
    width, height = figure.get_size_inches()
    for column, when in enumerate(SUFFIX):
        left = 0.95 + (WIDTH / 2) * column
        upper, lower = (
            figure.add_axes((left / width, (bottom + low) / height, SQUARE / width, tall / height))
            for low, tall in ((1.55, SQUARE), (0.55, 0.85))
        )
        diagram_panel(upper, diagram[when])
        counts_panel(lower, diagram[when])
        for axes in (upper, lower):
            axes.yaxis.set_label_coords(-0.185, 0.5)
        upper.set_title(WHEN[when].capitalize(), fontsize=11.5, pad=33)
    top = (bottom + ROW - 0.08) / height
    figure.text(0.02, top, wrapped(readable(key), 90), ha="left", va="top", fontweight="bold", fontsize=13)


def diagram_panel(axes: Axes, diagram: Mapping[str, Any]) -> None:
    """Square; bins at (mean confidence, accuracy) with Wilson bars, band, isotonic line, other seeds, exact curve."""
    names = ("confidence", "accuracy", "low", "high", "band_low", "band_high", "exact")
    xs, accuracy, low, high, below, above, exact = ([entry[name] for entry in diagram["bins"]] for name in names)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9)
    axes.fill_between(xs, below, above, color=PALE, linewidth=0, zorder=1)
    axes.vlines(xs, below, above, color=PALE, linewidth=5, zorder=1)
    axes.add_collection(LineCollection(diagram["others"], color=SKY, linewidth=0.7, alpha=0.35, zorder=1.5))
    axes.step(*(diagram["isotonic"][name] for name in ("confidence", "accuracy")), where="mid", color=ORANGE, lw=1.6)
    axes.plot(xs, [gap_where_missing(value) for value in exact], "--", color=GREEN, linewidth=1.8)
    axes.vlines(xs, low, high, color=BLUE, linewidth=1.8, zorder=3)
    axes.plot(xs, accuracy, "o", color=BLUE, markersize=5.5, zorder=4)
    axes.set(xlim=LIMITS, ylim=LIMITS, aspect="equal", ylabel="accuracy")
    axes.tick_params(labelbottom=False)
    told = (
        f"seed {diagram['seed']}: ECE {diagram['ece']:.3f}, floor {diagram['ece_floor']:.3f}, "
        f"p {_p(diagram['ece_p'])}\nall seeds: ECE {diagram['ece_mean']:.3f}"
    )
    axes.text(0, 1.015, told, ha="left", va="bottom", fontsize=10, linespacing=1.25, transform=axes.transAxes)


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
    axes.set(xlim=LIMITS, xlabel="confidence", ylabel="rows")
    axes.locator_params(axis="y", nbins=2)


def _legend(figure: Figure, diagram: Mapping[str, Any]) -> None:
    """What the marks of all panels mean, in a line at the top."""
    bins = diagram["before"]["bins"]
    handles = [
        Line2D([], [], color=BLUE, marker="o", markersize=5.5, label="a seed's bins"),
        Line2D([], [], color=SKY, linewidth=1.2, label="other seeds"),
        Line2D([], [], color=ORANGE, linewidth=1.6, label="isotonic"),
        Patch(color=PALE, label="95% of calibrated models"),
    ]
    if any(entry["exact"] is not None for entry in bins):
        handles.append(Line2D([], [], color=GREEN, linestyle="--", linewidth=1.8, label="exact"))
    figure.legend(handles=handles, loc="upper right", ncols=5, fontsize=10, columnspacing=1.2, handletextpad=0.5)


def _p(value: float) -> str:
    return "< .01" if value < 0.01 else f"= {value:.2f}"


def _diagram_words(diagrams: Sequence[Mapping[str, Any]]) -> str:
    first = diagrams[0]["before"]
    known = any(entry["exact"] is not None for entry in first["bins"])
    exact = " Green dashes: the exact accuracy, from the known posterior." if known else ""
    return (
        f"Dots: mean confidence and accuracy of {round(1 / first['width'])} equal-width bins (a, b], with 95% Wilson "
        f"intervals, for the seed with the median ECE as trained, the same after scaling (n = {first['n']:,} test "
        "rows); empty bins are not drawn. Grey: where 95% of calibrated models' bins lie. Orange: isotonic regression "
        f"(CORP), read off at hundredths. Light blue: the other {len(first['others'])} seeds.{exact} p: test of "
        "calibration by consistency resampling (100 resamples)."
    )
