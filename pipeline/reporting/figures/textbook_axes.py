"""Axes of a claim's figure: lines over epochs, over strengths, and a row a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from pipeline.reporting.figures.canvas import DARK, GREY, gap_where_missing
from pipeline.reporting.figures.textbook_looks import THEORY, Key, Look, key_of
from pipeline.reporting.text.textbook_names import level, readable_field, scale, setting
from pipeline.results.record import Level
from pipeline.results.textbook import FigureAxes, FigureLine

_EPOCHS = (0, 1, 10, 100, 1000)
_WIDE = 8.0  # the largest of some strengths is so many times the smallest: their axis is logarithmic
_ABSURD = 3.0  # an interval that reaches so many times the range of the means beyond them leaves the axis


def settle(figure: Figure) -> None:
    """Arrange a figure's parts for good, on a fine grid: the solver's last digits differ from run to run."""
    engine = figure.get_layout_engine()
    FigureCanvasAgg(figure)
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, tall = (round(float(end), 5) for end in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, tall))


def draw(axes: Axes, part: FigureAxes, drawn: Mapping[Key, Look]) -> None:
    """The lines of a part of the figure over epochs, cells, or strengths, with intervals."""
    if part.x == "cell":
        _cells(axes, part.lines, drawn)
    elif part.x == "epoch":
        _epochs(axes, part.lines, drawn)
    else:
        _strengths(axes, part, drawn)


def _ends(line: FigureLine) -> tuple[list[float], list[float], list[float]]:
    """Means and both ends of their intervals."""
    return (
        [*map(gap_where_missing, line.mean)],
        [*map(gap_where_missing, line.low)],
        [*map(gap_where_missing, line.high)],
    )


def _epochs(axes: Axes, lines: Sequence[FigureLine], drawn: Mapping[Key, Look]) -> None:
    for line in lines:
        mean, low, high = _ends(line)
        look, epochs = drawn[key_of(line)], [number(x) for x in line.x]
        axes.fill_between(epochs, low, high, color=look.color, alpha=0.22, linewidth=0)
        axes.plot(epochs, mean, linewidth=1.9, color=look.color, linestyle=look.linestyle)
    axes.set_xscale("symlog")
    axes.set_xlim(0, max(number(line.x[-1]) for line in lines))
    axes.xaxis.set_major_locator(FixedLocator(_EPOCHS))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("epoch")


def _strengths(axes: Axes, part: FigureAxes, drawn: Mapping[Key, Look]) -> None:
    field = part.x
    reference, lines = parted(part.lines)
    values = sorted({number(x) for line in lines for x in line.x})
    texts = {number(x): level(field, x) for line in lines for x in line.x}
    _scaled(axes, values)
    axes.set_xticks(values, [texts[value] for value in values])
    axes.xaxis.set_minor_locator(NullLocator())
    for place, line in enumerate(lines):
        mean, low, high = _ends(line)
        look = drawn[key_of(line)]
        theory = line.metric.startswith(THEORY)
        at = _dodged(axes, [number(x) for x in line.x], values, 0 if theory else place - (len(lines) - 1) / 2)
        if not theory:
            axes.vlines(at, low, high, color=look.color, linewidth=1.5, alpha=0.75)
        axes.plot(at, mean, linewidth=1.7, markersize=5.5, **look._asdict())
    if reference is not None:
        _reference(axes, reference, f"no {readable_field(field)}")
    _margins(axes, values)
    axes.set_xlabel(_LABELS.get(field, readable_field(field)))


def number(x: Level) -> float:
    """Where a strength stands on its axis: a number, or the width that hidden layers share.

    >>> number(0.5), number("64x64")
    (0.5, 64.0)
    """
    return float(x.partition("x")[0]) if isinstance(x, str) else float(x or 0)


def parted(lines: Sequence[FigureLine]) -> tuple[float | None, list[FigureLine]]:
    """What the lines have in common at a strength of 0 that only the first has a mark for, and the lines without it."""
    marked = [0 in line.x for line in lines]
    if len(lines) < 2 or marked != [True] + [False] * (len(lines) - 1) or lines[0].x[0] != 0:
        return None, [*lines]
    first = lines[0]
    rest = {"x": first.x[1:], "mean": first.mean[1:], "low": first.low[1:], "high": first.high[1:]}
    return first.mean[0], [first.model_copy(update=rest), *lines[1:]]


def _reference(axes: Axes, value: float, text: str) -> None:
    """A dotted line with its name, for what all lines are compared with."""
    axes.axhline(value, color=GREY, linewidth=1.6, linestyle=":")
    axes.annotate(
        text, (0.99, value), (0, 3), xycoords=axes.get_yaxis_transform(), textcoords="offset points", ha="right",
        va="bottom", fontsize=10, color=DARK[GREY],
    )  # fmt: skip


def _scaled(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis for strengths far apart, with a place for 0; else a linear one."""
    above = [value for value in values if value > 0]
    if not above or above[-1] < _WIDE * above[0]:
        return
    if values[0] > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=above[0], linscale=1.0)


def _placed(axes: Axes, values: Sequence[float]) -> NDArray[np.float64]:
    """Where values stand along an axis, in its own even measure."""
    return np.asarray(axes.xaxis.get_transform().transform(np.asarray(values, float)), float)


def _dodged(axes: Axes, at: Sequence[float], values: Sequence[float], steps: float) -> NDArray[np.float64]:
    """Places beside these values, so many steps to the right, that lines which coincide can be told apart."""
    ends = _placed(axes, values)
    gap = float(np.diff(ends).min()) if len(ends) > 1 else 1.0
    step = min(0.018 * float(np.ptp(ends)), 0.1 * gap)
    return np.asarray(axes.xaxis.get_transform().inverted().transform(_placed(axes, at) + step * steps), float)


def _margins(axes: Axes, values: Sequence[float]) -> None:
    ends = _placed(axes, [values[0], values[-1]])
    pad = 0.09 * (float(np.ptp(ends)) or 1.0)
    left, right = axes.xaxis.get_transform().inverted().transform(ends + np.array([-pad, pad]))
    axes.set_xlim(float(left), float(right))


def reach(lines: Sequence[FigureLine]) -> tuple[float, float] | None:
    """The ends of an axis without the marks whose intervals are absurdly wide beside all others; None where none is."""
    ends = [(low, high) for line in lines for low, high in zip(line.low, line.high, strict=True)]
    known = sorted(
        ((low, high) for low, high in ends if low is not None and high is not None), key=lambda each: each[1] - each[0]
    )
    for place in range(max(len(known) // 2, 2), len(known)):
        lowest, highest = min(low for low, _ in known[:place]), max(high for _, high in known[:place])
        if known[place][1] - known[place][0] > _ABSURD * (highest - lowest):
            pad = 0.08 * (highest - lowest)
            return lowest - pad, highest + pad
    return None


def cut(axes: Axes, lines: Sequence[FigureLine], drawn: Mapping[Key, Look], ends: tuple[float, float]) -> None:
    """End the axis there, with an arrow at the edge for each interval that goes on beyond it."""
    axes.set_ylim(*ends)
    values = sorted({number(x) for line in lines for x in line.x})
    for drawn_line in axes.lines:
        heights = np.asarray(drawn_line.get_ydata(), float)
        drawn_line.set_ydata(np.where((heights < ends[0]) | (heights > ends[1]), np.nan, heights))
    for place, line in enumerate(lines):
        at = _dodged(axes, [number(x) for x in line.x], values, place - (len(lines) - 1) / 2)
        _, low, high = (np.array(each) for each in _ends(line))
        for end, beyond, shape in ((ends[0], low < ends[0], "v"), (ends[1], high > ends[1], "^")):
            if beyond.any():
                axes.plot(
                    at[beyond], np.full(beyond.sum(), end), linestyle="", clip_on=False, marker=shape, markersize=7,
                    color=drawn[key_of(line)].color,
                )  # fmt: skip


def thin(axes: Axes, inches: float) -> None:
    """Leave out the names of strengths that would touch the one before on an axis of so many inches."""
    left, right = axes.get_xlim()
    ends, free, kept = _placed(axes, [left, right]), -1.0, []
    ticks, labels = axes.get_xticks(), [label.get_text() for label in axes.get_xticklabels()]
    for place, text in zip(_placed(axes, [float(tick) for tick in ticks]), labels, strict=True):
        half = (0.082 * len(text) + 0.08) / 2
        at = float((place - ends[0]) / np.ptp(ends)) * inches
        kept.append(text if at - half >= free else "")
        free = at + half if kept[-1] else free
    axes.set_xticks(ticks, kept)


_LABELS = {
    "hidden": "width of the hidden layers",
    "rows": "training rows",
    "label_noise": "share of wrong labels",
    "input_noise": "noise on test inputs",
    "timescale": "decay timescale (epochs)",
    "l2": "L2 strength",
    "label_smoothing": "smoothing ε",
    "dropout": "dropout rate",
    "input_dropout": "input dropout rate",
    "output_dropout": "output dropout rate",
}


def _cells(axes: Axes, lines: Sequence[FigureLine], drawn: Mapping[Key, Look]) -> None:
    """Dots with intervals, a row a cell."""
    cells = list(dict.fromkeys(x for line in lines for x in line.x))
    step = 0.22 if len(lines) > 1 else 0.0
    for place, line in enumerate(lines):
        mean, low, high = _ends(line)
        look = drawn[key_of(line)]
        at = np.array([cells.index(x) for x in line.x]) + step * (place - (len(lines) - 1) / 2)
        axes.hlines(at, low, high, color=look.color, linewidth=2)
        axes.plot(mean, at, markersize=6, color=look.color, linestyle="", marker=look.marker)
    axes.set_yticks(range(len(cells)), [setting(str(cell)) for cell in cells], fontsize=10)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(scale(lines[0].metric))
    axes.locator_params(axis="x", nbins=3)
