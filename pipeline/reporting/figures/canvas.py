"""The canvas of all figures: colours, marks, captions, and files that are the same to the byte each time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import fill, wrap
from typing import Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from pipeline.metrics.names import MetricName, Stage
from pipeline.results.study import PointResult, StudyResults, Verdict

# Okabe & Ito 2008, without the yellow that white paper swallows; black is the unregularized network's
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", "p", ">", "h")
BLUE, ORANGE = COLOURS[:2]
INK, GREY, PALE = "#000000", "#767676", "#DDDDDD"
DARK = {ORANGE: "#A84600", BLUE: BLUE, GREY: "#555555"}  # the same for text, which needs more contrast than a mark
VERDICTS: dict[Verdict, str] = {"better": BLUE, "worse": ORANGE, "no evidence": GREY}
VERDICT_LABELS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "no evidence": "no evidence, or too small to matter",
}
NOT_HELD = "does not hold for all together (Holm)"
NEUTRAL = "#555555"  # what is neither better nor worse
Split = Literal["train", "validation", "test"]
SPLITS: dict[Split, str] = {"train": "training", "validation": "validation", "test": "test"}
WHEN: dict[Stage, str] = {"before": "as trained", "after": "after calibration"}
STYLE: dict[str, bool | float | str | list[str]] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 12,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "grid.color": "#ECECEC",
    "legend.fontsize": 11,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "regularization-lab",
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
}
_OWN_MATH = r"\mathdefault"  # in what matplotlib writes itself beside a logarithmic axis
PAGE_STYLE: dict[str, str | list[str]] = {"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans", "Verdana"]}
"""A page's figures have letters as text, half the size of outlines; Verdana is as wide as DejaVu Sans."""


class Drawing(NamedTuple):
    """A figure and its caption: what its marks, intervals and n are."""

    figure: Figure
    caption: str


class Forms(NamedTuple):
    """A figure as files: for a page that has its caption, and as it stands alone."""

    bare: bytes
    png: bytes
    svg: bytes


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house style, on no screen, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, whose axes make room for each other."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))


def sample(results: StudyResults, splits: Sequence[Split] = ("train", "test")) -> str:
    """What a data set's figures are drawn from: its name, n, and how many rows of some splits."""
    data = results.dataset
    sizes = {"train": data.train, "validation": data.validation, "test": data.test}
    rows = " and ".join(f"{sizes[split]:,} {SPLITS[split]}" for split in splits)
    return f"{data.name}: n = {results.protocol.seeds} paired seeds, {rows} rows."


def intervals(results: StudyResults, splits: Sequence[Split] = ("train", "test")) -> str:
    """The same where intervals are drawn, and what these are."""
    widened = "" if results.protocol.correction == "none" else ", widened for the rows that seeds share"
    return f"{sample(results, splits)[:-1]}, {results.protocol.confidence:.0%} Student t intervals over seeds{widened}."


def wrapped(text: str, width: int) -> str:
    r"""Text in as few lines as `width` allows, all about as long, so that no word is left alone.

    >>> wrapped("dropout 0.5 + input dropout 0.2 + max norm 3", 38)
    'dropout 0.5 + input\ndropout 0.2 + max norm 3'
    """
    lines, longest = len(wrap(text, width)), max(map(len, text.split()), default=1)
    fitting = (size for size in range(longest, width) if len(wrap(text, size)) <= lines)
    return fill(text, next(fitting, width))


def known_mean(point: PointResult, metric: MetricName) -> float:
    """A metric's mean over seeds, NaN where there is none: a gap in a line, and no mark."""
    mean = point.mean(metric)
    return float("nan") if mean is None else mean


def values_axis(axis: Axis, values: Sequence[float], *, room: float = 1.12) -> None:
    """A logarithmic axis around some values, with up to seven plain, round numbers, where all are positive."""
    if not values or min(values) <= 0:
        return
    axes, (low, high) = axis.axes, (min(values) / min(1.25, room), max(values) * room)
    horizontal = axis is axes.xaxis
    (axes.set_xscale if horizontal else axes.set_yscale)("log")
    (axes.set_xlim if horizontal else axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator(round_numbers(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def round_numbers(low: float, high: float, most: int = 6) -> list[float]:
    """The densest round numbers in a range, evenly spaced or not, of which there are no more than `most`.

    >>> round_numbers(0.15, 2.6), round_numbers(0.4, 0.55), round_numbers(1e-4, 30)
    ([0.2, 0.5, 1.0, 2.0], [0.4, 0.45, 0.5, 0.55], [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0])
    """
    for steps in ([1 + n / 2 for n in range(18)], (1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,)):
        numbers = [float(f"{step:g}e{power}") for power in range(-8, 8) for step in steps]
        inside = [value for value in numbers if low <= value <= high]
        if len(inside) <= most:
            return inside
    return inside[:: len(inside) // most + 1]


def gap_where_missing(value: float | None) -> float:
    """What is missing leaves a gap in a line."""
    return float("nan") if value is None else value


def forms(drawing: Drawing) -> Forms:
    """The figure in all its forms, laid out once."""
    with mpl.rc_context(PAGE_STYLE):  # type: ignore[arg-type]
        bare = svg(drawing.figure)
    drawing.figure.set_layout_engine("none")
    figure = with_caption(drawing)
    return Forms(bare, png(figure), svg(figure))


def with_caption(drawing: Drawing) -> Figure:
    """The figure with its caption below, for where it stands alone; it grows by what that needs."""
    figure = drawing.figure
    width, before = figure.get_size_inches()
    text = fill(drawing.caption, int(width * 12.2))
    height = before + 0.19 * (text.count("\n") + 1) + 0.1
    figure.set_figheight(height)
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        _keep_at_the_top(figure, before / height)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=10, color="#444444", linespacing=1.35)
    return figure


def _keep_at_the_top(figure: Figure, ratio: float) -> None:
    """Give what no layout engine arranges its size, and its distance from the top, in a figure that has grown."""
    for axes in figure.axes:
        x, y, wide, tall = axes.get_position(original=True).bounds
        axes.set_position((x, 1 - (1 - y) * ratio, wide, tall * ratio))
    for text in figure.texts:
        text.set_y(1 - (1 - text.get_position()[1]) * ratio)


def _literal(figure: Figure) -> None:
    """Draw dollars as dollars: names of columns and classes, and sentences, hold no formulas."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if "$" in text.get_text() and _OWN_MATH not in text.get_text():
            text.set_parse_math(False)


def png(figure: Figure) -> bytes:
    """The figure as PNG in 256 colours, a third of the size; no time or version is in it."""
    _literal(figure)
    agg, content = FigureCanvasAgg(figure), io.BytesIO()
    agg.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(agg.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
    picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG without time or version; letters are outlines in the house style, the same everywhere."""
    _literal(figure)
    content, dpi = io.BytesIO(), figure.dpi
    FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    figure.set_dpi(dpi)  # which drawing an SVG has changed
    return content.getvalue()
