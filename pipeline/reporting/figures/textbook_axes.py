"""How are the lines of a claim's figure drawn on axes? Over epochs, over strengths, and a row a cell."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from pipeline.reporting.figures.canvas import BLUE, COLOURS, DARK, GREY, INK, ORANGE, SHAPES, Row, gap_where_missing
from pipeline.reporting.text.textbook_names import describe, level, levels, readable_field, scale, setting

GREEN, PINK, AMBER, SKY = COLOURS[2:]
SHADES = ("#9ecae1", "#4292c6", "#08519c", "#000000")  # one hue from weak to strong: order, not kind
DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))
THEORY = "theory/"
_PREFERRED = {
    "train": BLUE, "validation": ORANGE, "test": ORANGE, "gap": GREEN, "test_ts": PINK, "bias": BLUE,
    "variance": ORANGE, "sampled": BLUE, "desmoothed": GREEN,
}  # fmt: skip
_FREE = (ORANGE, BLUE, INK, GREEN, PINK, AMBER)
_CROSS = (INK, BLUE, ORANGE, GREEN)
_EPOCHS = (0, 1, 10, 100, 1000)
_WIDE = 8.0  # the largest of some strengths is so many times the smallest: their axis is logarithmic
_ABSURD = 3.0  # an interval that reaches so many times the range of the means beyond them leaves the axis
Key = tuple[str, str]


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


def key_of(line: Row) -> Key:
    """What tells a panel's lines apart: the metric, and the levels of the fields that it has a line for each of."""
    return str(line["metric"]), levels(line["line"])


def looks(lines: Sequence[Row]) -> dict[Key, dict[str, Any]]:
    """Colour, dashes and mark of every line: by metric where there are several, else by level."""
    keys = list(dict.fromkeys(map(key_of, lines)))
    metrics = list(dict.fromkeys(metric for metric, _ in keys))
    if len(metrics) > 1:
        colours = _by_metric(metrics)
        return {key: _look(colours[key[0]], metrics.index(key[0]), key[0]) for key in keys}
    fields = _fields(lines)
    if _is_crossed(fields, len(keys)):
        return {key_of(line): _crossed(line["line"], fields) for line in lines}
    ordered = len(fields) == 1 and "" not in fields  # what is named by words is of two kinds
    shades = _shades(next(iter(fields.values()))) if ordered else [ORANGE, BLUE] if "" in fields else [INK, *COLOURS]
    return {key: _look(shades[place % len(shades)], place, key[0]) for place, key in enumerate(keys)}


def _fields(lines: Sequence[Row]) -> dict[str, list[Any]]:
    """The levels of each field that there is a line for each of."""
    return {name: list(dict.fromkeys(line["line"][name] for line in lines)) for name in lines[0]["line"]}


def _is_crossed(fields: Mapping[str, Sequence[Any]], lines: int) -> bool:
    """Whether there is a line for every combination of two fields."""
    sizes = [len(values) for values in fields.values()]
    return len(sizes) == 2 and lines == sizes[0] * sizes[1]


def _look(colour: str, place: int, metric: str) -> dict[str, Any]:
    if metric.startswith(THEORY):
        return {"color": INK, "linestyle": (0, (5, 2)), "marker": ""}
    if metric.endswith("_floor"):
        return {"color": GREY, "linestyle": ":", "marker": ""}
    return {"color": colour, "linestyle": "-", "marker": SHAPES[place % len(SHAPES)]}


def _by_metric(metrics: Sequence[str]) -> dict[str, str]:
    """A colour for each metric, that of its split where it is free."""
    found: dict[str, str] = {}
    for metric in metrics:
        wanted = _PREFERRED.get(metric.partition("/")[0])
        free = [colour for colour in _FREE if colour not in found.values()]
        found[metric] = wanted if wanted in free and wanted else next(iter(free), INK)
    return found


def _shades(values: Sequence[Any]) -> list[str]:
    """Shades of one hue for strengths in their order; colours for what is on or off."""
    if all(isinstance(value, bool) for value in values):
        return [ORANGE, BLUE]
    count = len(values)
    return [SHADES[round(place * (len(SHADES) - 1) / max(count - 1, 1))] for place in range(count)]


def _crossed(line: Mapping[str, Any], fields: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Colour by the first field, dashes and mark by the second."""
    (first, a), (second, b) = fields.items()
    return {"color": _CROSS[a.index(line[first]) % len(_CROSS)], **_dashes(b.index(line[second]))}


def _dashes(place: int) -> dict[str, Any]:
    return {"linestyle": DASHES[place % len(DASHES)], "marker": SHAPES[place % len(SHAPES)]}


def handles(lines: Sequence[Row], drawn: Mapping[Key, Mapping[str, Any]]) -> list[Line2D]:
    """What the legend of these lines shows; none where there is but one metric and no level."""
    several = len({metric for metric, _ in map(key_of, lines)}) > 1
    keys = list(dict.fromkeys(map(key_of, lines)))
    if not several and _is_crossed(_fields(lines), len(keys)):
        return [Line2D([], [], linewidth=2, **entry) for entry in _crossed_handles(_fields(lines))]
    labels = {key: " ".join([describe(key[0])] * several + [key[1]] * bool(key[1])) for key in keys}
    return [Line2D([], [], label=labels[key], linewidth=2, markersize=5.5, **drawn[key]) for key in keys if labels[key]]


def _crossed_handles(fields: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Colours tell the first field, dashes and marks the second."""
    (first, a), (second, b) = fields.items()
    for place, one in enumerate(a):
        yield {"label": f"{readable_field(first)} {level(first, one)}", "color": _CROSS[place % len(_CROSS)]}
    for place, one in enumerate(b):
        yield {
            "label": f"{readable_field(second)} {level(second, one)}",
            "color": GREY,
            "markersize": 5.5,
            **_dashes(place),
        }


def panel(axes: Axes, panel: Row, drawn: Mapping[Key, Mapping[str, Any]]) -> None:
    """The lines of one panel over epochs, cells, or strengths, with intervals."""
    if panel["x"] == "cell":
        _cells(axes, panel["lines"], drawn)
    elif panel["x"] == "epoch":
        _epochs(axes, panel["lines"], drawn)
    else:
        _strengths(axes, panel, drawn)


def _ends(line: Row) -> list[list[float]]:
    return [[*map(gap_where_missing, line[end])] for end in ("mean", "low", "high")]


def _epochs(axes: Axes, lines: Sequence[Row], drawn: Mapping[Key, Mapping[str, Any]]) -> None:
    for line in lines:
        mean, low, high = _ends(line)
        look = {**drawn[key_of(line)], "marker": ""}
        axes.fill_between(line["x"], low, high, color=look["color"], alpha=0.22, linewidth=0)
        axes.plot(line["x"], mean, linewidth=1.9, **look)
    axes.set_xscale("symlog")
    axes.set_xlim(0, max(line["x"][-1] for line in lines))
    axes.xaxis.set_major_locator(FixedLocator(_EPOCHS))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("epoch")


def _strengths(axes: Axes, panel: Row, drawn: Mapping[Key, Mapping[str, Any]]) -> None:
    field = panel["x"]
    reference, lines = parted(panel["lines"])
    values = sorted({number(x) for line in lines for x in line["x"]})
    texts = {number(x): level(field, x) for line in lines for x in line["x"]}
    _scaled(axes, values)
    axes.set_xticks(values, [texts[value] for value in values])
    axes.xaxis.set_minor_locator(NullLocator())
    for place, line in enumerate(lines):
        mean, low, high = _ends(line)
        look = drawn[key_of(line)]
        theory = line["metric"].startswith(THEORY)
        at = _dodged(axes, [number(x) for x in line["x"]], values, 0 if theory else place - (len(lines) - 1) / 2)
        if not theory:
            axes.vlines(at, low, high, color=look["color"], linewidth=1.5, alpha=0.75)
        axes.plot(at, mean, linewidth=1.7, markersize=5.5, **look)
    if reference is not None:
        _reference(axes, reference, f"no {readable_field(field)}")
    _margins(axes, values)
    axes.set_xlabel(_LABELS.get(field, readable_field(field)))


def number(x: Any) -> float:
    """Where a strength stands on its axis: a number, or the width that hidden layers share.

    >>> number(0.5), number("64x64")
    (0.5, 64.0)
    """
    return float(x.partition("x")[0]) if isinstance(x, str) else float(x)


def parted(lines: Sequence[Row]) -> tuple[float | None, list[Row]]:
    """What the lines have in common at a strength of 0 that only the first has a mark for, and the lines without it."""
    marked = [0 in line["x"] for line in lines]
    if len(lines) < 2 or marked != [True] + [False] * (len(lines) - 1) or lines[0]["x"][0] != 0:
        return None, [*lines]
    first = {key: lines[0][key][1:] for key in ("x", "mean", "low", "high")}
    return lines[0]["mean"][0], [{**lines[0], **first}, *lines[1:]]


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


def reach(lines: Sequence[Row]) -> tuple[float, float] | None:
    """The ends of an axis without the marks whose intervals are absurdly wide beside all others; None where none is."""
    marks = [each for line in lines for each in zip(line["mean"], line["low"], line["high"], strict=True)]
    known = sorted((each for each in marks if None not in each), key=lambda each: float(each[2] - each[1]))
    for place in range(max(len(known) // 2, 2), len(known)):
        _, lows, highs = zip(*known[:place], strict=True)
        if known[place][2] - known[place][1] > _ABSURD * (max(highs) - min(lows)):
            pad = 0.08 * (max(highs) - min(lows))
            return min(lows) - pad, max(highs) + pad
    return None


def cut(axes: Axes, lines: Sequence[Row], drawn: Mapping[Key, Mapping[str, Any]], ends: tuple[float, float]) -> None:
    """End the axis there, with an arrow at the edge for each interval that goes on beyond it."""
    axes.set_ylim(*ends)
    values = sorted({number(x) for line in lines for x in line["x"]})
    for one in axes.lines:
        heights = np.asarray(one.get_ydata(), float)
        one.set_ydata(np.where((heights < ends[0]) | (heights > ends[1]), np.nan, heights))
    for place, line in enumerate(lines):
        at = _dodged(axes, [number(x) for x in line["x"]], values, place - (len(lines) - 1) / 2)
        _, low, high = (np.array(each) for each in _ends(line))
        for end, beyond, shape in ((ends[0], low < ends[0], "v"), (ends[1], high > ends[1], "^")):
            if beyond.any():
                look = {"color": drawn[key_of(line)]["color"], "marker": shape, "markersize": 7}
                axes.plot(at[beyond], np.full(beyond.sum(), end), linestyle="", clip_on=False, **look)


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


def _cells(axes: Axes, lines: Sequence[Row], drawn: Mapping[Key, Mapping[str, Any]]) -> None:
    """Dots with intervals, a row a cell."""
    cells = list(dict.fromkeys(x for line in lines for x in line["x"]))
    step = 0.22 if len(lines) > 1 else 0.0
    for place, line in enumerate(lines):
        mean, low, high = _ends(line)
        look = {**drawn[key_of(line)], "linestyle": ""}
        at = np.array([cells.index(x) for x in line["x"]]) + step * (place - (len(lines) - 1) / 2)
        axes.hlines(at, low, high, color=look["color"], linewidth=2)
        axes.plot(mean, at, markersize=6, **look)
    axes.set_yticks(range(len(cells)), [setting(cell) for cell in cells], fontsize=10)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(scale(lines[0]["metric"]))
    axes.locator_params(axis="x", nbins=3)
