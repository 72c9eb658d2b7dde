"""Comparison of points with the unregularized one: the headline figure, and the forest of all points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.reporting.figures.canvas import (
    BLUE,
    DARK,
    INK,
    NEUTRAL,
    Drawing,
    intervals,
    new_figure,
    sample,
    values_axis,
)
from pipeline.reporting.figures.forest import ROW, forest_axes, forest_legend, forest_row
from pipeline.results.readable_names import DAGGER, readable, readable_arms, starred
from pipeline.results.search import SearchResults
from pipeline.results.study import PointResult, StudyResults

GAP = MetricName("gap", "before", "nll")
ECE: dict[Stage, MetricName] = {stage: MetricName("test", stage, "ece") for stage in STAGES}
FLOOR = MetricName("test", "after", "ece_floor")
_WIDTH, _HEIGHT = 5.4, 4.3  # inches of a panel
_LINE, _LETTER = 0.05, 0.0175  # of a panel's height and width, which a label takes


class _Place(NamedTuple):
    """A point on the axes: its gap, and its calibration error as trained and after calibration."""

    name: str
    gap: float
    before: float
    after: float
    colour: str
    starred: bool


def headline(searches: Sequence[SearchResults]) -> Drawing:
    """Calibration error against generalization gap of each arm's best, as trained and after calibration."""
    figure = new_figure(_WIDTH * len(searches), _HEIGHT)
    for axes, search in zip(figure.subplots(1, len(searches), squeeze=False)[0], searches, strict=True):
        gap_axes(axes, search)
    handles = [
        Line2D([], [], color=NEUTRAL, marker="o", fillstyle="none", mew=1.4, linestyle="", label="as trained"),
        Line2D([], [], color=NEUTRAL, marker="o", linestyle="", label="after calibration"),
        Line2D([], [], color="#D9D9D9", linewidth=7, label="chance alone, after it"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    caption = (
        "The best of each arm, down and left is better; ★ is recommended. "
        f"{'; '.join(sample(search.results)[:-1] for search in searches)}; means."
    )
    return Drawing(figure, caption)


def gap_axes(axes: Axes, search: SearchResults) -> None:
    """One data set's arms: gap on x, calibration error on a logarithmic y, labelled where they are as trained."""
    points = [point for point in search.results.points if point.kind == "tuned"]
    places = [place for point in points if (place := _place(point, search.results)) is not None]
    floors = [floor for point in points if (floor := point.mean(FLOOR)) is not None]
    axes.axhspan(min(floors), max(floors), color="#E4E4E4", zorder=0)
    values_axis(axes.yaxis, [*floors, *(end for place in places for end in (place.before, place.after))], room=1.5)
    gaps = [place.gap for place in places]
    pad = 0.12 * (max(gaps) - min(gaps)) or 0.1
    axes.set_xlim(min(gaps) - pad, max(gaps) + 3.2 * pad)
    for place in places:
        axes.plot([place.gap] * 2, [place.before, place.after], color=place.colour, lw=1.1, alpha=0.5, zorder=2)
        axes.plot(place.gap, place.before, "o", color=place.colour, markersize=7.5, fillstyle="none", mew=1.5)
        axes.plot(place.gap, place.after, "*" if place.starred else "o", color=place.colour,
                  markersize=15 if place.starred else 7.5, zorder=4)  # fmt: skip
    _label(axes, places)
    axes.set(title=search.results.dataset.name)
    axes.set(xlabel="generalization gap as trained (nats)", ylabel="calibration error (ECE)")


def _place(point: PointResult, results: StudyResults) -> _Place | None:
    gap, before, after = (point.mean(metric) for metric in (GAP, ECE["before"], ECE["after"]))
    if gap is None or before is None or after is None:
        return None
    is_starred, plain = point.key == results.recommended, point.key == results.reference.key
    colour = BLUE if is_starred else INK if plain else NEUTRAL
    return _Place(starred(readable_arms(point.name), is_starred), gap, before, after, colour, is_starred)


def _label(axes: Axes, places: Sequence[_Place]) -> None:
    """Names right of the hollow marks, from the top down, moved where they would cover another."""
    taken: list[tuple[float, float, float]] = []
    transform = axes.transScale + axes.transLimits
    for place in sorted(places, key=lambda place: -place.before):
        x, y = transform.transform((place.gap, place.before))
        x, right = x + 0.02, x + 0.02 + _LETTER * len(place.name)
        while any(abs(y - other) < _LINE and left < right and x < end for left, end, other in taken):
            y -= 0.2 * _LINE
        taken.append((x, right, y))
        axes.text(
            x, y, place.name, transform=axes.transAxes, fontsize=10.5, va="center", color=DARK.get(place.colour, INK),
            fontweight="bold" if place.starred or place.colour == INK else "normal", zorder=6,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def forest(results: StudyResults) -> Drawing:
    """Paired differences of test NLL from the unregularized point, the best after calibration first."""
    points = sorted(_compared(results), key=_after)
    figure = new_figure(9.6, ROW * len(points) + 1.5)
    axes = figure.subplots()
    forest_axes(axes, [forest_row(point, readable(point.key)) for point in points])
    axes.set_title(results.dataset.name, pad=18)
    figure.legend(handles=forest_legend(), loc="outside upper center", ncols=4, columnspacing=1.4)
    caption = (
        f"Strengths set beforehand, against the same network without regularization on the same seeds; {DAGGER} does "
        f"not hold for all together (Holm). {intervals(results)}"
    )
    return Drawing(figure, caption)


def _compared(results: StudyResults) -> Iterator[PointResult]:
    return (point for point in results.points if point.against_reference and not point.duplicate and not point.a_a)


def _after(point: PointResult) -> float:
    entry = point.comparison(MetricName("test", "after", "nll"))
    return float("inf") if entry is None or entry.difference is None else entry.difference
