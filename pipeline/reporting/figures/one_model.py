"""Reliability diagrams of one model: as given and after calibration, over how its probabilities lie."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.reporting.figures.canvas import BLUE, INK, ORANGE, PALE, Drawing
from pipeline.reporting.figures.reliability import LIMITS, SQUARE, WIDTH, draw_bins
from pipeline.results.event_scores import EventDiagram

HEIGHT = 6.6  # inches, of a pair with counts below and the legend above


class Panel(NamedTuple):
    """A diagram with its title, and its errors in words."""

    title: str
    text: str
    diagram: EventDiagram


class Event(NamedTuple):
    """What the axes are called: the probability, and how often it came true."""

    probability: str
    rate: str


def reliability_pair(panels: tuple[Panel, Panel], event: Event, note: str) -> Drawing:
    """Two diagrams side by side, laid out by hand so that squares and counts line up.

    Args:
        panels: as given, and after calibration.
        event: what the axes are called.
        note: what the rows are, for the caption.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT))
    for column, panel in enumerate(panels):
        left = (0.95 + WIDTH / 2 * column) / WIDTH
        upper, lower = (
            figure.add_axes((left, low / HEIGHT, SQUARE / WIDTH, tall / HEIGHT))
            for low, tall in ((1.55, SQUARE), (0.55, 0.85))
        )
        _draw(upper, lower, panel, event)
    figure.legend(handles=_legend(), loc="upper left", ncols=4, fontsize=10, columnspacing=1.2, handletextpad=0.5)
    return Drawing(figure, f"{_caption(event)} {note}")


def _draw(upper: Axes, lower: Axes, panel: Panel, event: Event) -> None:
    diagram = panel.diagram
    draw_bins(upper, diagram.bins, diagram.isotonic)
    upper.set(ylabel=event.rate)
    upper.set_title(panel.title, fontsize=11.5, pad=22)
    upper.text(0, 1.015, panel.text, ha="left", va="bottom", fontsize=10, transform=upper.transAxes)
    bars = len(diagram.counts)
    lefts = [bar / bars for bar in range(bars)]
    lower.bar(lefts, diagram.counts, width=1 / bars, align="edge", color="#9ECAE1", ec="white", linewidth=0.5)
    for value, label, style, colour in (
        (diagram.rate, event.rate, "-", INK),
        (diagram.mean, f"mean {event.probability}", "--", ORANGE),
    ):
        lower.axvline(value, linestyle=style, color=colour, linewidth=1.5, label=f"{label} {value:.3f}")
    lower.legend(loc="best", fontsize=9, handlelength=1.6, labelspacing=0.2, borderaxespad=0.1)
    lower.set(xlim=LIMITS, xlabel=event.probability, ylabel="rows")
    lower.locator_params(axis="y", nbins=2)
    for axes in (upper, lower):
        axes.yaxis.set_label_coords(-0.185, 0.5)


def _legend() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=BLUE, marker="o", markersize=5.5, label="bins of equal mass"),
        Line2D([], [], color=ORANGE, linewidth=1.6, label="isotonic"),
        Patch(color=PALE, label="95% of calibrated models"),
        Line2D([], [], color=INK, linewidth=0.9, label="calibrated"),
    ]


def _caption(event: Event) -> str:
    return (
        f"Dots: mean {event.probability} and {event.rate} of up to 15 bins with equally many rows (rows of equal "
        "probability stay together), with 95% Wilson intervals. Grey: 95% of calibrated models have all bins in it. "
        "Orange: isotonic regression (CORP), read off at hundredths. Below: how many rows have each probability."
    )
