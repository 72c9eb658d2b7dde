"""The map as a figure: over training rows and wrong labels, which tuned regularizer wins, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle

from pipeline.reporting.figures.canvas import COLOURS, GREY, INK, Drawing, new_figure
from pipeline.reporting.text.textbook_map import caption, gain, reading, rivals
from pipeline.results.readable_names import readable
from pipeline.results.textbook import MapPlace, MapRow

WIDTH = 11.0
_TILE, _HEAD, _FOOT = 0.86, 1.72, 0.75  # inches
_PALEST = 0.25  # of a colour, where the share of the gain is small
_WHITE = (1.0, 1.0, 1.0)
_PALE = "#CFCFCF"
_HALF = 0.5  # share of the baseline's divergence at which a colour is full
_DARK = 0.55  # luminance below which letters are white


def map_figure(rows: Sequence[MapRow]) -> Drawing | None:
    """Tiles over training rows (across) and the share of wrong labels (up); None without a map."""
    if not rows:
        return None
    noises = [place.label_noise for place in rows[0].places]
    height = _TILE * len(noises) + _HEAD + _FOOT
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.075, _FOOT / height, 0.915, _TILE * len(noises) / height))
    colours = dict(zip(rows[0].arms[1:], COLOURS, strict=False))
    for x, row in enumerate(rows):
        for y, place in enumerate(row.places):
            _tile(axes, place, x, y, colours)
    _frame(axes, rows, noises)
    figure.text(0.01, 1 - 0.08 / height, "Which tuned regularizer wins?", va="top", fontsize=17, weight="bold")
    figure.text(0.01, 1 - 0.45 / height, fill(reading(rows), 120), va="top", fontsize=11.5, linespacing=1.35)
    handles = [Patch(color=colour, label=readable(name)) for name, colour in colours.items()]
    handles += [
        Patch(facecolor="white", edgecolor=GREY, label="none"),
        Patch(facecolor="white", edgecolor=GREY, hatch="////", label="open"),
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 1.13 / height), ncols=len(handles), fontsize=11,
        columnspacing=1.3, handlelength=1.3,
    )  # fmt: skip
    return Drawing(figure, caption(rows))


def _tile(axes: Axes, place: MapPlace, x: int, y: int, colours: dict[str, str]) -> None:
    """A place of the map: coloured where its winner gains, white where none does, hatched where that is open."""
    face = _face(place, colours[place.winner])
    wins = place.verdict == "supported"
    hatch = "////" if place.verdict == "inconclusive" else None
    edge = "white" if wins else _PALE
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor=edge, hatch=hatch, linewidth=1.5))
    ink = "white" if _luminance(face) < _DARK else INK
    lines = [(0.68, gain(place), 13.0 if wins else 11.0, "bold" if wins else "normal")]
    if wins:
        lines += [(0.38, readable(place.winner), 9.5, "normal"), (0.15, rivals(place), 8.0, "normal")]
    else:
        lines += [(0.34, "none" if place.verdict == "refuted" else "open", 9.5, "normal")]
    for height, text, size, weight in lines:
        axes.text(x + 0.5, y + height, text, ha="center", va="center", fontsize=size, weight=weight, color=ink)


def _face(place: MapPlace, colour: str) -> tuple[float, float, float]:
    """The winner's colour, mixed with white: the deeper the larger its share of what there was to gain."""
    if place.verdict != "supported" or not place.baseline or place.gain is None:
        return _WHITE
    depth = _PALEST + (1 - _PALEST) * min(1.0, place.gain / place.baseline / _HALF)
    red, green, blue = (1 - depth * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _luminance(colour: tuple[float, float, float]) -> float:
    return sum(weight * part for weight, part in zip((0.299, 0.587, 0.114), colour, strict=True))


def _frame(axes: Axes, rows: Sequence[MapRow], noises: Sequence[float]) -> None:
    axes.set_xlim(0, len(rows))
    axes.set_ylim(0, len(noises))
    axes.set_xticks([x + 0.5 for x in range(len(rows))], [str(row.rows) for row in rows])
    axes.set_yticks([y + 0.5 for y in range(len(noises))], [f"{noise:.0%}" for noise in noises])
    axes.set_xlabel("training rows")
    axes.set_ylabel("wrong labels")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
