"""Reliability diagrams: accuracy against confidence, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.metrics.names import STAGES
from pipeline.reporting.figures.canvas import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    WHEN,
    Drawing,
    gap_where_missing,
    sample,
    with_caption,
    wrapped,
)
from pipeline.results.readable_names import readable
from pipeline.results.reliability import IsotonicCurve, PointDiagrams, ReliabilityBin, ReliabilityDiagram
from pipeline.results.study import StudyResults

WIDTH, SQUARE, ROW, TOP = 9.6, 3.7, 6.4, 0.35  # inches: figure, axes, a row of two with counts below, legend
LIMITS = (-0.025, 1.025)
SKY, GREEN = "#56B4E9", "#009E73"

Line = Sequence[tuple[float, float]]


def reliability(results: StudyResults, diagrams: Mapping[str, PointDiagrams | None]) -> Drawing | None:
    """Diagrams of the unregularized and the chosen point, before and after calibration; None where none is finite."""
    keys = dict.fromkeys([results.reference.key, results.answer.key])
    shown = {key: diagram for key in keys if (diagram := diagrams[key]) is not None}
    if not shown:
        return None
    figure = Figure(figsize=(WIDTH, ROW * len(shown) + TOP))
    for place, (key, diagram) in enumerate(shown.items()):
        _pair(figure, key, diagram, bottom=ROW * (len(shown) - 1 - place))
    first = next(iter(shown.values()))
    _legend(figure, first.before)
    figure.text(0.02, 1 - 0.1 / figure.get_figheight(), results.dataset.name, va="top", fontweight="bold")
    return Drawing(figure, f"{_caption(first.before)} {sample(results)}")


def point_reliability(key: str, diagrams: PointDiagrams, note: str) -> Figure:
    """One point's diagrams before and after calibration, with its caption."""
    figure = Figure(figsize=(WIDTH, ROW + TOP))
    _pair(figure, key, diagrams, bottom=0)
    _legend(figure, diagrams.before)
    return with_caption(Drawing(figure, f"{_caption(diagrams.before)} {note}"))


def _pair(figure: Figure, key: str, diagrams: PointDiagrams, *, bottom: float) -> None:
    """A row of two diagrams, each with its counts below, laid out by hand so that squares and bars line up; inches."""
    width, height = figure.get_size_inches()
    for column, (stage, diagram) in enumerate(zip(STAGES, (diagrams.before, diagrams.after), strict=True)):
        left = 0.95 + (WIDTH / 2) * column
        upper, lower = (
            figure.add_axes((left / width, (bottom + low) / height, SQUARE / width, tall / height))
            for low, tall in ((1.55, SQUARE), (0.55, 0.85))
        )
        diagram_axes(upper, diagram)
        counts_axes(lower, diagram)
        for axes in (upper, lower):
            axes.yaxis.set_label_coords(-0.185, 0.5)
        upper.set_title(WHEN[stage].capitalize(), fontsize=11.5, pad=33)
    top = (bottom + ROW - 0.08) / height
    figure.text(0.02, top, wrapped(readable(key), 90), ha="left", va="top", fontweight="bold", fontsize=13)


def diagram_axes(axes: Axes, diagram: ReliabilityDiagram) -> None:
    """Square; bins at (mean confidence, accuracy) with Wilson bars, band, isotonic line, other seeds, exact curve."""
    draw_bins(axes, diagram.bins, diagram.isotonic, others=diagram.others)
    axes.set(ylabel="accuracy")
    text = (
        f"seed {diagram.seed}: ECE {diagram.ece:.3f}, floor {diagram.ece_floor:.3f}, "
        f"p {_p(diagram.ece_p)}\nall seeds: ECE {diagram.ece_mean:.3f}"
    )
    axes.text(0, 1.015, text, ha="left", va="bottom", fontsize=10, linespacing=1.25, transform=axes.transAxes)


def draw_bins(
    axes: Axes, bins: Sequence[ReliabilityBin], isotonic: IsotonicCurve, *, others: Sequence[Line] = ()
) -> None:
    """The marks of a reliability diagram on square axes: bins with bars and band, isotonic line, seeds, exact curve."""
    xs = [each.confidence for each in bins]
    low, high = (
        [gap_where_missing(end) for end in ends] for ends in zip(*((b.low, b.high) for b in bins), strict=True)
    )
    below, above = zip(*((gap_where_missing(b.band_low), gap_where_missing(b.band_high)) for b in bins), strict=True)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9)
    axes.fill_between(xs, below, above, color=PALE, linewidth=0, zorder=1)
    axes.vlines(xs, below, above, color=PALE, linewidth=5, zorder=1)
    axes.add_collection(LineCollection(others, color=SKY, linewidth=0.7, alpha=0.35, zorder=1.5))
    axes.step(isotonic.confidence, isotonic.accuracy, where="mid", color=ORANGE, lw=1.6)
    axes.plot(xs, [gap_where_missing(each.exact) for each in bins], "--", color=GREEN, linewidth=1.8)
    axes.vlines(xs, low, high, color=BLUE, linewidth=1.8, zorder=3)
    axes.plot(xs, [each.accuracy for each in bins], "o", color=BLUE, markersize=5.5, zorder=4)
    axes.set(xlim=LIMITS, ylim=LIMITS, aspect="equal")
    axes.tick_params(labelbottom=False)


def counts_axes(axes: Axes, diagram: ReliabilityDiagram) -> None:
    """How many rows have each confidence, with lines at mean confidence and accuracy."""
    width = diagram.width
    lefts = [int(each.confidence / width - 1e-9) * width for each in diagram.bins]
    axes.bar(lefts, [each.count for each in diagram.bins], width=width, align="edge", color="#9ECAE1", ec="white")
    for value, label, style, colour in (
        (diagram.accuracy, "accuracy", "-", INK),
        (diagram.confidence, "mean confidence", "--", ORANGE),
    ):
        axes.axvline(value, linestyle=style, color=colour, linewidth=1.5, label=f"{label} {value:.3f}")
    axes.legend(loc="upper left", fontsize=9.5, handlelength=1.6, labelspacing=0.2, borderaxespad=0.1)
    axes.set(xlim=LIMITS, xlabel="confidence", ylabel="rows")
    axes.locator_params(axis="y", nbins=2)


def _legend(figure: Figure, diagram: ReliabilityDiagram) -> None:
    """What the marks of all axes mean, in a line at the top."""
    handles = [
        Line2D([], [], color=BLUE, marker="o", markersize=5.5, label="a seed's bins"),
        Line2D([], [], color=SKY, linewidth=1.2, label="other seeds"),
        Line2D([], [], color=ORANGE, linewidth=1.6, label="isotonic"),
        Patch(color=PALE, label="95% of calibrated models"),
    ]
    if _has_exact(diagram):
        handles.append(Line2D([], [], color=GREEN, linestyle="--", linewidth=1.8, label="exact"))
    figure.legend(handles=handles, loc="upper right", ncols=5, fontsize=10, columnspacing=1.2, handletextpad=0.5)


def _p(value: float) -> str:
    return "< .01" if value < 0.01 else f"= {value:.2f}"


def _has_exact(diagram: ReliabilityDiagram) -> bool:
    return any(each.exact is not None for each in diagram.bins)


def _caption(diagram: ReliabilityDiagram) -> str:
    exact = " Green dashes: the exact accuracy, from the known posterior." if _has_exact(diagram) else ""
    return (
        f"Dots: mean confidence and accuracy of {round(1 / diagram.width)} equal-width bins (a, b], with 95% Wilson "
        f"intervals, for the seed with the median ECE as trained, the same after calibration (n = {diagram.n:,} test "
        "rows); empty bins are not drawn. Grey: 95% of calibrated models have all bins in it. Orange: isotonic "
        f"regression (CORP), read off at hundredths. Light blue: the other {len(diagram.others)} seeds.{exact} p: test "
        "of calibration by consistency resampling (100 resamples)."
    )
