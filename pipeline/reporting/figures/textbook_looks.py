"""Looks of the lines of a claim's figure: colours, dashes and marks, and their legend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from matplotlib.lines import Line2D

from pipeline.reporting.figures.canvas import BLUE, COLOURS, GREY, INK, ORANGE, SHAPES
from pipeline.reporting.text.textbook_names import describe, level, levels, readable_field
from pipeline.results.record import Level
from pipeline.results.textbook import FigureLine

GREEN, PINK, AMBER, SKY = COLOURS[2:]
SHADES = ("#9ecae1", "#4292c6", "#08519c", "#000000")  # one hue from weak to strong: order, not kind
DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))
THEORY = "theory/"
_PREFERRED = {
    "train": BLUE, "validation": ORANGE, "test": ORANGE, "gap": GREEN, "test_calibrated": PINK, "bias": BLUE,
    "variance": ORANGE, "sampled": BLUE, "desmoothed": GREEN,
}  # fmt: skip
_FREE = (ORANGE, BLUE, INK, GREEN, PINK, AMBER)
_CROSS = (INK, BLUE, ORANGE, GREEN)
Key = tuple[str, str]
Dash = str | tuple[float, tuple[float, ...]]


class Look(NamedTuple):
    """How a line is drawn, its marks included."""

    color: str
    linestyle: Dash
    marker: str


def key_of(line: FigureLine) -> Key:
    """What tells the lines of axes apart: the metric, and the levels of the fields that it has a line for each of."""
    return str(line.metric), levels(line.line)


def looks(lines: Sequence[FigureLine]) -> dict[Key, Look]:
    """Colour, dashes and mark of every line: by metric where there are several, else by level."""
    keys = list(dict.fromkeys(map(key_of, lines)))
    metrics = list(dict.fromkeys(metric for metric, _ in keys))
    if len(metrics) > 1:
        colours = _by_metric(metrics)
        return {key: _look(colours[key[0]], metrics.index(key[0]), key[0]) for key in keys}
    fields = _fields(lines)
    if _is_crossed(fields, len(keys)):
        return {key_of(line): _crossed(line.line, fields) for line in lines}
    ordered = len(fields) == 1 and "" not in fields  # what is named by words is of two kinds
    shades = _shades(next(iter(fields.values()))) if ordered else [ORANGE, BLUE] if "" in fields else [INK, *COLOURS]
    return {key: _look(shades[place % len(shades)], place, key[0]) for place, key in enumerate(keys)}


def _fields(lines: Sequence[FigureLine]) -> dict[str, list[Level]]:
    """The levels of each field that there is a line for each of."""
    return {name: list(dict.fromkeys(line.line[name] for line in lines)) for name in lines[0].line}


def _is_crossed(fields: Mapping[str, Sequence[Level]], lines: int) -> bool:
    """Whether there is a line for every combination of two fields."""
    sizes = [len(values) for values in fields.values()]
    return len(sizes) == 2 and lines == sizes[0] * sizes[1]


def _look(colour: str, place: int, metric: str) -> Look:
    if metric.startswith(THEORY):
        return Look(INK, (0, (5, 2)), "")
    if metric.endswith("_floor"):
        return Look(GREY, ":", "")
    return Look(colour, "-", SHAPES[place % len(SHAPES)])


def _by_metric(metrics: Sequence[str]) -> dict[str, str]:
    """A colour for each metric, that of its split where it is free."""
    colours: dict[str, str] = {}
    for metric in metrics:
        wanted = _PREFERRED.get(metric.partition("/")[0])
        free = [colour for colour in _FREE if colour not in colours.values()]
        colours[metric] = wanted if wanted in free and wanted else next(iter(free), INK)
    return colours


def _shades(values: Sequence[Level]) -> list[str]:
    """Shades of one hue for strengths in their order; colours for what is on or off."""
    if all(isinstance(value, bool) for value in values):
        return [ORANGE, BLUE]
    count = len(values)
    return [SHADES[round(place * (len(SHADES) - 1) / max(count - 1, 1))] for place in range(count)]


def _crossed(line: Mapping[str, Level], fields: Mapping[str, Sequence[Level]]) -> Look:
    """Colour by the first field, dashes and mark by the second."""
    (first, a), (second, b) = fields.items()
    return _dashes(_CROSS[a.index(line[first]) % len(_CROSS)], b.index(line[second]))


def _dashes(colour: str, place: int) -> Look:
    return Look(colour, DASHES[place % len(DASHES)], SHAPES[place % len(SHAPES)])


def handles(lines: Sequence[FigureLine], drawn: Mapping[Key, Look]) -> list[Line2D]:
    """What the legend of these lines shows; none where there is but one metric and no level."""
    keys = list(dict.fromkeys(map(key_of, lines)))
    several = len({metric for metric, _ in keys}) > 1
    fields = _fields(lines)
    if not several and _is_crossed(fields, len(keys)):
        return [*_crossed_handles(fields)]
    labels = {key: " ".join([describe(key[0])] * several + [key[1]] * bool(key[1])) for key in keys}
    return [
        Line2D([], [], label=label, linewidth=2, markersize=5.5, **drawn[key]._asdict())
        for key, label in labels.items()
        if label
    ]


def _crossed_handles(fields: Mapping[str, Sequence[Level]]) -> Iterator[Line2D]:
    """Colours tell the first field, dashes and marks the second."""
    (first, a), (second, b) = fields.items()
    for place, value in enumerate(a):
        label = f"{readable_field(first)} {level(first, value)}"
        yield Line2D([], [], linewidth=2, label=label, color=_CROSS[place % len(_CROSS)])
    for place, value in enumerate(b):
        label = f"{readable_field(second)} {level(second, value)}"
        yield Line2D([], [], linewidth=2, markersize=5.5, label=label, **_dashes(GREY, place)._asdict())
