"""Differences and exact checks of a claim on axes: a forest with numbers, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import fill
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pipeline.reporting.figures.canvas import BLUE, DARK, GREY, INK, ORANGE
from pipeline.reporting.text.textbook import CELL_SIGNS, Part, difference, says
from pipeline.reporting.text.textbook_figures import axis_of
from pipeline.reporting.text.textbook_names import levels, scale, target
from pipeline.results.readable_names import readable
from pipeline.results.textbook import CellVerdict, CheckResult, EffectCell, EffectResult, SentenceVerdict

COLOUR: dict[CellVerdict, str] = {"supported": BLUE, "refuted": ORANGE, "inconclusive": GREY}
PURPLE = "#7A4A8C"
SENTENCE_COLOUR: dict[SentenceVerdict, str] = {
    "everywhere": BLUE, "depends": PURPLE, "nowhere": DARK[ORANGE], "open": DARK[GREY],
}  # fmt: skip
"""Of text, dark enough to be read."""
MARK: dict[CellVerdict, dict[str, Any]] = {
    "supported": {"marker": "o", "markersize": 7, "mew": 0},
    "refuted": {"marker": "X", "markersize": 9, "mew": 0},
    "inconclusive": {"marker": "o", "markersize": 6.5, "mew": 1.4, "fillstyle": "none"},
}
HELD, SMALL = "#E3EFF8", "#E4E4E4"  # where a difference speaks for the sentence; where it is too small to matter
_RELATIONS = {"equal": "= ", "within": "", "above": "> ", "below": "< "}
_ALIKE = 0.1  # differences that reach less than this share of others have an axis of their own
_FAR = 5.0  # a difference so many times as large as others is an arrow


def forest(axes: Axes, effects: Sequence[EffectResult]) -> None:
    """Every difference with its interval, a row each below what its effect says, and the numbers at its side."""
    limit = reach(effects)
    y, labels = 0.0, {}
    for effect in effects:
        rows = [y + 1 + place for place in range(len(effect.cells))]
        _regions(axes, effect, y + 0.5, len(rows))
        axes.text(
            0.004, y, says(effect), transform=axes.get_yaxis_transform(), va="center", fontsize=10.5, weight="bold",
            in_layout=False,
        )  # fmt: skip
        for at, cell in zip(rows, effect.cells, strict=True):
            place = levels(cell.at)
            labels[at] = readable(cell.dataset) + (f", {place}" if place else "")
            _difference(axes, Part(effect, cell), at, limit)
        y = rows[-1] + 1.15
    axes.set_yticks(list(labels), list(labels.values()), fontsize=10.5)
    axes.set_ylim(y - 0.6, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=7)
    head = "value [95%]" if target(effects[0].cells[0]) is not None else "difference [95%]"
    axes.text(1.012, 0, f"  {head}", transform=axes.get_yaxis_transform(), va="center", fontsize=10, color=DARK[GREY])
    axes.set_xlabel(_label(effects), fontsize=11)


def height(effects: Sequence[EffectResult]) -> float:
    """How many rows the forest of these effects has."""
    return sum(len(effect.cells) + 1.15 for effect in effects)


def groups(effects: Sequence[EffectResult]) -> list[list[EffectResult]]:
    """The effects that share a forest: of one scale, one experiment, one origin, and about one size."""
    forests: dict[tuple[str, str, float | None], list[EffectResult]] = {}
    for effect in effects:
        key = scale(effect.metric), effect.experiment, target(effect.cells[0])
        forests.setdefault(key, []).append(effect)
    return [part for effects in forests.values() for part in _by_size(effects)]


def _by_size(effects: Sequence[EffectResult]) -> Iterator[list[EffectResult]]:
    """The effects that are about as large as the largest, then those that are small beside it."""
    sizes = [_size(effect) for effect in effects]
    for chosen in ([size >= _ALIKE * max(sizes) for size in sizes], [size < _ALIKE * max(sizes) for size in sizes]):
        part = [effect for effect, kept in zip(effects, chosen, strict=True) if kept]
        if part:
            yield part


def _size(effect: EffectResult) -> float:
    """How far from zero the differences of an effect are, a margin that is larger among them."""
    return max(effect.least, *(interval.size for interval in _intervals([effect])), 0.0)


class _Interval(NamedTuple):
    """A cell's mean with its interval."""

    mean: float
    low: float
    high: float

    @property
    def size(self) -> float:
        """How far from zero it reaches."""
        return max(abs(self.low), abs(self.high))


def _interval(cell: EffectCell, origin: float = 0.0) -> _Interval | None:
    """A cell's difference, counted from an origin; None where it is not finite."""
    if cell.mean is None or cell.low is None or cell.high is None:
        return None
    return _Interval(cell.mean + origin, cell.low + origin, cell.high + origin)


def _intervals(effects: Sequence[EffectResult]) -> list[_Interval]:
    cells = (cell for effect in effects for cell in effect.cells)
    return [interval for interval in map(_interval, cells) if interval is not None]


def _origin(effect: EffectResult) -> float:
    """What the cells of an effect are compared with, if that is a number; else 0."""
    return target(effect.cells[0]) or 0.0


def _label(effects: Sequence[EffectResult]) -> str:
    """What an axis of differences shows: all metrics, and their unit."""
    names = list(dict.fromkeys(map(axis_of, effects)))
    lead, common = "difference in ", scale(effects[0].metric)
    text = "; ".join(name.removeprefix(lead) if place else name for place, name in enumerate(names))
    return fill(f"{text}{' (nats)' * common.endswith('(nats)')}", 92)


def reach(effects: Sequence[EffectResult]) -> tuple[float, float]:
    """How far the axis goes to both sides of the origin: a few that are much larger than the others are left out."""
    known = _intervals(effects)
    ordered = sorted(interval.size for interval in known)
    far = next((a for a, b in pairwise(ordered[len(ordered) // 2 :]) if b > _FAR * a > 0), None)
    kept = [interval for interval in known if far is None or interval.size <= far]
    least = 1.3 * max(effect.least for effect in effects)
    left = min([-least, *(interval.low for interval in kept)])
    right = max([least, *(interval.high for interval in kept)])
    pad = 0.04 * (right - left) or 1.0
    origin = _origin(effects[0])
    return origin + left - pad, origin + right + pad


def goes_beyond(effects: Sequence[EffectResult]) -> bool:
    """Whether a difference or its interval leaves the axis, which an arrow shows."""
    left, right = reach(effects)
    drawn = (_interval(cell, target(cell) or 0.0) for effect in effects for cell in effect.cells)
    return any(interval.low < left or interval.high > right for interval in drawn if interval is not None)


def _regions(axes: Axes, effect: EffectResult, top: float, count: int) -> None:
    """Behind the rows of an effect: what speaks for the sentence, and what is too small to matter."""
    least, direction, origin = effect.least, effect.direction, _origin(effect)
    far = 1e6 * max(least, 1.0)
    held = {"lower": [(-far, -least)], "higher": [(least, far)], "same": [(-least, least)]}[direction]
    small = [] if direction == "same" else [(-least, least)]
    if effect.denied:  # then what is too small is on the sentence's side
        small, held = [], {
            "lower": [(-least, far)], "higher": [(-far, least)], "same": [(-far, -least), (least, far)],
        }[direction]  # fmt: skip
    axes.plot([origin, origin], [top, top + count], color=INK, linewidth=1, zorder=1.5)
    for spans, colour in ((held, HELD), (small, SMALL)):
        for left, right in spans:
            box = Rectangle((origin + left, top), right - left, count, color=colour, linewidth=0, zorder=0.5)
            box.set_in_layout(False)
            axes.add_artist(box)


def _difference(axes: Axes, part: Part, y: float, limit: tuple[float, float]) -> None:
    cell = part.cell
    colour, mark = COLOUR[cell.verdict], MARK[cell.verdict]
    axes.set_xlim(*limit)
    axes.text(
        1.012, y, f"{CELL_SIGNS[cell.verdict]} {difference(part)}", transform=axes.get_yaxis_transform(), va="center",
        fontsize=10, color=DARK[colour],
    )  # fmt: skip
    interval = _interval(cell, target(cell) or 0.0)
    if interval is None:
        return
    mean, low, high = interval
    if limit[0] <= mean <= limit[1]:
        axes.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
        axes.plot(mean, y, color=colour, zorder=3, linestyle="", **mark)
    for end, beyond, shape in ((limit[0], low < limit[0], "<"), (limit[1], high > limit[1], ">")):
        if beyond:
            axes.plot(end, y, color=colour, marker=shape, markersize=8, clip_on=False, zorder=3, linestyle="")


def verdict_handles(effects: Sequence[EffectResult], *, beyond: bool) -> list[Line2D | Rectangle]:
    """What colours, marks and shades of the forest mean."""
    labels: dict[CellVerdict, str] = {
        "supported": "supports the sentence",
        "refuted": "refutes it",
        "inconclusive": "open",
    }
    handles: list[Line2D | Rectangle] = [
        Line2D([], [], color=COLOUR[verdict], linewidth=2, label=text, **MARK[verdict])
        for verdict, text in labels.items()
        if any(cell.verdict == verdict for effect in effects for cell in effect.cells)
    ]
    handles.append(Rectangle((0, 0), 1, 1, color=HELD, label="the sentence’s side"))
    if any(effect.direction != "same" and not effect.denied for effect in effects):
        handles.append(Rectangle((0, 0), 1, 1, color=SMALL, label="too small to matter"))
    if beyond:
        handles.append(Line2D([], [], color=GREY, marker=">", markersize=8, linestyle="", label="beyond the axis"))
    return handles


# exact checks


def checks_table(axes: Axes, checks: Sequence[CheckResult]) -> None:
    """Exact checks as a table of numbers: measured, expected, and whether it holds."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(checks) + 0.1, -1))
    heads = ((0.0, "exact check", "left"), (0.73, "measured", "right"), (0.945, "expected", "right"))
    for x, text, side in heads:
        axes.text(x, -0.5, text, ha=side, va="center", fontsize=10.5, color=DARK[GREY])
    axes.plot([0, 1], [0, 0], color=INK, linewidth=1)
    for place, check in enumerate(checks):
        y, colour = place + 0.5, COLOUR["supported" if check.holds else "refuted"]
        sign = CELL_SIGNS["supported" if check.holds else "refuted"]
        axes.add_artist(Rectangle((0.962, place + 0.14), 0.03, 0.72, color=colour, linewidth=0))
        axes.text(0, y, check.what, va="center", fontsize=10.4)
        axes.text(0.73, y, value(check.measured), ha="right", va="center", fontsize=10.4)
        axes.text(0.945, y, expected(check), ha="right", va="center", fontsize=10.4)
        axes.text(0.977, y, sign, ha="center", va="center", fontsize=12, color="white")
        axes.plot([0, 1], [place + 1, place + 1], color="#DDDDDD", linewidth=0.8)


def expected(check: CheckResult) -> str:
    """What a check demands of its number."""
    tolerance = f" ± {value(check.tolerance)}" if check.relation == "within" else ""
    return f"{_RELATIONS[check.relation]}{value(check.expected)}{tolerance}"


def value(number: float | None) -> str:
    """A number of an exact check.

    >>> value(1.2345e-7), value(0.91), value(None)
    ('1.2e−07', '0.91', '-')
    """
    if number is None:
        return "-"
    size = abs(number)
    return (f"{number:.4g}" if size == 0 or 1e-3 <= size < 1e5 else f"{number:.2g}").replace("-", "−")
