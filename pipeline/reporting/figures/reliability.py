"""Reliability diagrams: accuracy against confidence in bins of equal mass, as trained and after calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.reporting.figures.canvas import (
    BLUE,
    DARK,
    INK,
    ORANGE,
    PALE,
    Drawing,
    gap_where_missing,
    new_figure,
    sample,
    with_caption,
    wrapped,
)
from pipeline.reporting.text.numbers import short
from pipeline.results.readable_names import readable
from pipeline.results.reliability import IsotonicCurve, PointDiagrams, ReliabilityBin, ReliabilityDiagram
from pipeline.results.study import StudyResults

WIDTH, SQUARE = 9.6, 3.7  # inches: a figure of two axes, and axes of `one_model`
LIMITS = (-0.025, 1.025)
GREEN = "#009E73"
_PANEL, _HEIGHT = 4.9, 5.0  # inches


def reliability(results: StudyResults, diagrams: Mapping[str, PointDiagrams | None]) -> Drawing | None:
    """Diagrams of no regularization and of what validation prefers; None where neither is finite."""
    keys = dict.fromkeys([results.reference.key, results.answer.key])
    shown = {key: diagram for key in keys if (diagram := diagrams[key]) is not None}
    if not shown:
        return None
    return Drawing(_panels(shown), f"{_caption(next(iter(shown.values())).before)} {sample(results)}")


def point_reliability(key: str, diagrams: PointDiagrams, note: str) -> Figure:
    """One point's diagram, with its caption."""
    return with_caption(Drawing(_panels({key: diagrams}), f"{_caption(diagrams.before)} {note}"))


def _panels(shown: Mapping[str, PointDiagrams]) -> Figure:
    """Squares side by side, and what their marks mean above them."""
    figure = new_figure(max(_PANEL * len(shown), 6.4), _HEIGHT)
    both = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (key, diagram) in zip(both, shown.items(), strict=True):
        diagram_axes(axes, diagram)
        axes.set_title(wrapped(readable(key), 40))
    first = next(iter(shown.values()))
    handles = [
        Line2D([], [], color=ORANGE, marker="o", fillstyle="none", mew=1.5, label="as trained"),
        Line2D([], [], color=BLUE, marker="o", label="after calibration"),
        Patch(color=BLUE, alpha=0.18, linewidth=0, label="nine in ten seeds"),
    ]
    if _has_exact(first.after):
        handles.append(Line2D([], [], color=GREEN, linestyle="--", linewidth=1.8, label="exact"))
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if len(shown) == 1 else 4)
    return figure


def diagram_axes(axes: Axes, diagrams: PointDiagrams) -> None:
    """Square axes around where the rows are: each stage's bins with their band over seeds, beside the diagonal."""
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9, zorder=1)
    _stage(axes, diagrams.before, colour=ORANGE, fillstyle="none")
    _stage(axes, diagrams.after, colour=BLUE, fillstyle="full")
    lowest = min(_lowest(diagrams.before), _lowest(diagrams.after))
    axes.set(xlim=(lowest, 1.015), ylim=(lowest, 1.015), aspect="equal", xlabel="confidence", ylabel="accuracy")
    for place, (name, diagram, colour) in enumerate(
        (("as trained", diagrams.before, ORANGE), ("after calibration", diagrams.after, BLUE))
    ):
        text = f"{name}: ECE {short(diagram.ece_mean)}"
        axes.text(0.03, 0.97 - 0.065 * place, text, fontsize=10.5, va="top", color=DARK[colour],
                  transform=axes.transAxes, fontweight="bold")  # fmt: skip


def _stage(axes: Axes, diagram: ReliabilityDiagram, *, colour: str, fillstyle: str) -> None:
    """Bins of a seed at (mean confidence, accuracy) with Wilson bars, and the band in which those of all seeds lie."""
    band = diagram.band
    axes.fill_between(band.confidence, band.low, band.high, color=colour, alpha=0.18, linewidth=0, zorder=1.5)
    xs = [each.confidence for each in diagram.bins]
    low, high = ([gap_where_missing(end) for end in ends] for ends in zip(*((b.low, b.high) for b in diagram.bins),
                 strict=True))  # fmt: skip
    axes.vlines(xs, low, high, color=colour, linewidth=1.3, zorder=3)
    axes.plot(xs, [each.accuracy for each in diagram.bins], color=colour, marker="o", linewidth=0.9, markersize=5.5,
              fillstyle=fillstyle, markerfacecoloralt="white", zorder=4)  # fmt: skip
    if fillstyle == "full":
        axes.plot(xs, [gap_where_missing(each.exact) for each in diagram.bins], "--", color=GREEN, lw=1.8, zorder=5)


def _lowest(diagram: ReliabilityDiagram) -> float:
    """Where the axes begin: a twentieth below the lowest bin or the lowest end of the band."""
    known = [*diagram.band.low, *(value for each in diagram.bins for value in (each.confidence, each.accuracy))]
    return max(float(np.floor(20 * min(known)) / 20), 0.0) - 0.015


def draw_bins(axes: Axes, bins: Sequence[ReliabilityBin], isotonic: IsotonicCurve) -> None:
    """The marks of one model's diagram on square axes: bins with bars and band, and the isotonic line."""
    xs = [each.confidence for each in bins]
    low, high = (
        [gap_where_missing(end) for end in ends] for ends in zip(*((b.low, b.high) for b in bins), strict=True)
    )
    below, above = zip(*((gap_where_missing(b.band_low), gap_where_missing(b.band_high)) for b in bins), strict=True)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9)
    axes.fill_between(xs, below, above, color=PALE, linewidth=0, zorder=1)
    axes.vlines(xs, below, above, color=PALE, linewidth=5, zorder=1)
    axes.step(isotonic.confidence, isotonic.accuracy, where="mid", color=ORANGE, lw=1.6)
    axes.vlines(xs, low, high, color=BLUE, linewidth=1.8, zorder=3)
    axes.plot(xs, [each.accuracy for each in bins], "o", color=BLUE, markersize=5.5, zorder=4)
    axes.set(xlim=LIMITS, ylim=LIMITS, aspect="equal")
    axes.tick_params(labelbottom=False)


def _has_exact(diagram: ReliabilityDiagram) -> bool:
    return any(each.exact is not None for each in diagram.bins)


def _caption(diagram: ReliabilityDiagram) -> str:
    exact = ", dashes the exact accuracy" if _has_exact(diagram) else ""
    return (
        f"Dots are {len(diagram.bins)} bins of equal mass ({diagram.n:,} test rows) of the seed with the median ECE, "
        f"with 95% Wilson intervals; bands hold nine in ten of {diagram.seeds} seeds{exact}."
    )
