"""How are a claim's differences and exact checks drawn on axes? A forest with its numbers, and a table."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pipeline.figures.canvas import BLUE, DARK, GREY, INK, ORANGE, Row
from pipeline.words.claim_rendering import SIGNS, Part, difference
from pipeline.words.claim_words import levels, says, scale
from pipeline.words.wording import spoken

COLOUR = {"supported": BLUE, "refuted": ORANGE, "inconclusive": GREY}
MARK: dict[str, dict[str, Any]] = {
    "supported": {"marker": "o", "markersize": 7, "mew": 0},
    "refuted": {"marker": "X", "markersize": 9, "mew": 0},
    "inconclusive": {"marker": "o", "markersize": 6.5, "mew": 1.4, "fillstyle": "none"},
}
HELD, SMALL = "#E3EFF8", "#E4E4E4"  # where a difference speaks for the sentence; where it is too small to matter
_RELATIONS = {"equal": "= ", "within": "", "above": "> ", "below": "< "}
_FAR = 5.0  # a difference so many times as large as others is an arrow


def forest(axes: Axes, effects: Sequence[Row]) -> None:
    """Every difference with its interval, a row each below what its effect says, and the numbers at its side."""
    limit = _reach(effects)
    y, labels = 0.0, {}
    for effect in effects:
        rows = [y + 1 + place for place in range(len(effect["cells"]))]
        _regions(axes, effect, y + 0.5, len(rows))
        axes.text(
            0.004, y, says(effect), transform=axes.get_yaxis_transform(), va="center", fontsize=10.5, weight="bold",
            in_layout=False,
        )  # fmt: skip
        for at, cell in zip(rows, effect["cells"], strict=True):
            place = levels(cell["at"])
            labels[at] = spoken(cell["dataset"]) + (f", {place}" if place else "")
            _difference(axes, Part(effect, cell), at, limit)
        y = rows[-1] + 1.15
    axes.set_yticks(list(labels), list(labels.values()), fontsize=10.5)
    axes.set_ylim(y - 0.6, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=7)
    axes.text(
        1.012, 0, "  difference [95%]", transform=axes.get_yaxis_transform(), va="center", fontsize=10, color=DARK[GREY]
    )
    axes.set_xlabel(f"difference of {_scale_of(effects)}")


def height(effects: Sequence[Row]) -> float:
    """How many rows the forest of these effects has."""
    return sum(len(effect["cells"]) + 1.15 for effect in effects)


def _scale_of(effects: Sequence[Row]) -> str:
    return scale(effects[0]["metric"])


def _reach(effects: Sequence[Row]) -> tuple[float, float]:
    """How far the axis goes to both sides: a few that are much larger than the others are left out."""
    known = [cell for effect in effects for cell in effect["cells"] if cell["mean"] is not None]
    size = {id(cell): max(abs(cell["low"]), abs(cell["high"])) for cell in known}
    ordered = sorted(size.values())
    far = next((a for a, b in pairwise(ordered[len(ordered) // 2 :]) if b > _FAR * a > 0), None)
    kept = [cell for cell in known if far is None or size[id(cell)] <= far]
    least = 1.3 * max(effect["least"] for effect in effects)
    left, right = min([-least, *(cell["low"] for cell in kept)]), max([least, *(cell["high"] for cell in kept)])
    pad = 0.04 * (right - left) or 1.0
    return left - pad, right + pad


def _regions(axes: Axes, effect: Row, top: float, count: int) -> None:
    """Behind the rows of an effect: what speaks for the sentence, and what is too small to matter."""
    least, direction = effect["least"], effect["direction"]
    far = 1e6 * max(least, 1.0)
    held = {"lower": [(-far, -least)], "higher": [(least, far)], "same": [(-least, least)]}[direction]
    small = [] if direction == "same" else [(-least, least)]
    if effect["denied"]:  # then what is too small is on the sentence's side
        small, held = [], {
            "lower": [(-least, far)], "higher": [(-far, least)], "same": [(-far, -least), (least, far)],
        }[direction]  # fmt: skip
    axes.plot([0, 0], [top, top + count], color=INK, linewidth=1, zorder=1.5)
    for spans, colour in ((held, HELD), (small, SMALL)):
        for left, right in spans:
            box = Rectangle((left, top), right - left, count, color=colour, linewidth=0, zorder=0.5)
            box.set_in_layout(False)
            axes.add_artist(box)


def _difference(axes: Axes, part: Part, y: float, limit: tuple[float, float]) -> None:
    cell = part.cell
    colour, mark = COLOUR[cell["verdict"]], MARK[cell["verdict"]]
    axes.set_xlim(*limit)
    axes.text(
        1.012, y, f"{SIGNS[cell['verdict']]} {difference(part)}", transform=axes.get_yaxis_transform(), va="center",
        fontsize=10, color=DARK[colour],
    )  # fmt: skip
    if cell["mean"] is None:
        return
    if not limit[0] <= cell["mean"] <= limit[1]:
        end = limit[cell["mean"] > 0]
        inner = end + 0.07 * (limit[0] + limit[1] - end - end)
        axes.annotate("", (end, y), (inner, y), arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8})
        return
    axes.plot([cell["low"], cell["high"]], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
    axes.plot(cell["mean"], y, color=colour, zorder=3, linestyle="", **mark)


def verdict_handles(effects: Sequence[Row]) -> list[Line2D | Rectangle]:
    """What colours, marks and shades of the forest mean."""
    words = {"supported": "supports the sentence", "refuted": "refutes it", "inconclusive": "leaves it open"}
    found: list[Line2D | Rectangle] = [
        Line2D([], [], color=COLOUR[verdict], linewidth=2, label=text, **MARK[verdict])
        for verdict, text in words.items()
        if any(cell["verdict"] == verdict for effect in effects for cell in effect["cells"])
    ]
    found.append(Rectangle((0, 0), 1, 1, color=HELD, label="the sentence’s side"))
    if any(effect["direction"] != "same" and not effect["denied"] for effect in effects):
        found.append(Rectangle((0, 0), 1, 1, color=SMALL, label="too small to matter"))
    return found


# exact checks


def checks_table(axes: Axes, checks: Sequence[Row]) -> None:
    """Exact checks as a table of numbers: what was measured, what was expected, and whether it holds."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(checks) + 0.1, -1))
    heads = ((0.0, "exact check", "left"), (0.73, "measured", "right"), (0.945, "expected", "right"))
    for x, text, side in heads:
        axes.text(x, -0.5, text, ha=side, va="center", fontsize=10.5, color=DARK[GREY])
    axes.plot([0, 1], [0, 0], color=INK, linewidth=1)
    for place, check in enumerate(checks):
        y, colour = place + 0.5, COLOUR["supported" if check["holds"] else "refuted"]
        sign = SIGNS["supported" if check["holds"] else "refuted"]
        axes.add_artist(Rectangle((0.962, place + 0.14), 0.03, 0.72, color=colour, linewidth=0))
        axes.text(0, y, check["what"], va="center", fontsize=10.4)
        axes.text(0.73, y, value(check["measured"]), ha="right", va="center", fontsize=10.4)
        axes.text(0.945, y, expected(check), ha="right", va="center", fontsize=10.4)
        axes.text(0.977, y, sign, ha="center", va="center", fontsize=12, color="white")
        axes.plot([0, 1], [place + 1, place + 1], color="#DDDDDD", linewidth=0.8)


def expected(check: Row) -> str:
    """What a check demands of the number that it measures.

    >>> expected({"relation": "within", "expected": 0.91, "tolerance": 1e-7})
    '0.91 ± 1e−07'
    """
    tolerance = f" ± {value(check['tolerance'])}" if check["relation"] == "within" else ""
    return f"{_RELATIONS[check['relation']]}{value(check['expected'])}{tolerance}"


def value(number: float | None) -> str:
    """A number of an exact check.

    >>> value(1.2345e-7), value(0.91), value(None)
    ('1.2e−07', '0.91', '-')
    """
    if number is None:
        return "-"
    size = abs(number)
    return (f"{number:.4g}" if size == 0 or 1e-3 <= size < 1e5 else f"{number:.2g}").replace("-", "−")
