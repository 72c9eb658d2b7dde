"""How do all sentences of the textbook fare at a glance, and how good are the estimators that judge calibration?"""

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from pipeline.figures.canvas import DARK, INK, Drawing, Row, new_figure
from pipeline.figures.claim_forest import COLOUR
from pipeline.words.claim_rendering import SIGNS, VERDICTS, counted
from pipeline.words.wording import spoken

WIDTH = 11.0
_LEFT, _RIGHT = 0.655, 0.985  # the bars; sentences stand left of them
_ROW, _HEAD, _FOOT = 0.3, 1.0, 0.55  # inches
_LONGEST = 86  # letters of a sentence
_WORDS = {"supported": "support the sentence", "refuted": "refute it", "inconclusive": "leave it open"}


def ledger_figure(table: Mapping[str, Any]) -> Drawing:
    """Every sentence with its verdict, and how many comparisons support it, refute it and leave it open."""
    topics = list(dict.fromkeys(claim["topic"] for claim in table["claims"]))
    rows = len(table["claims"]) + 1.25 * len(topics)
    height = _ROW * rows + _HEAD + _FOOT
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((_LEFT, _FOOT / height, _RIGHT - _LEFT, _ROW * rows / height))
    figure.text(0.01, 1 - 0.08 / height, f"{counted(table)}.", va="top", fontsize=14, weight="bold")
    y = 0.0
    for topic in topics:
        own = [claim for claim in table["claims"] if claim["topic"] == topic]
        _text(axes, 0.01, y + 0.7, spoken(topic), weight="bold", fontsize=12)
        for place, claim in enumerate(own):
            _claim(axes, claim, y + 1.75 + place)
        y += 1.25 + len(own)
    _finish(axes, rows)
    handles = [Patch(color=COLOUR[verdict], label=_WORDS[verdict]) for verdict in VERDICTS]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.42 / height), ncols=3)
    words = (
        "Each sentence, its verdict (✓ supported, ✗ refuted, ? inconclusive), and as a bar its comparisons: effects "
        f"on data sets and levels, and exact checks. Each has n = {table['seeds']} paired seeds, and is judged by its "
        "95% Student t interval against the smallest effect of interest. A sentence is refuted by a single comparison, "
        "one that says “can” is supported by a single one; it must then hold at Bonferroni’s level."
    )
    return Drawing(figure, words)


def _claim(axes: Axes, claim: Row, y: float) -> None:
    colour = COLOUR[claim["verdict"]]
    _text(axes, 0.025, y, SIGNS[claim["verdict"]], color=DARK[colour], weight="bold", fontsize=13, ha="center")
    _text(axes, 0.042, y, shorten(claim["sentence"], _LONGEST, placeholder=" …"), fontsize=10.3)
    left = 0
    for verdict in VERDICTS:
        count = claim["counts"][verdict]
        if count:
            axes.barh(y, count, 0.72, left=left, color=COLOUR[verdict], edgecolor="white", linewidth=1)
            axes.text(left + count / 2, y, str(count), color="white", fontsize=9.5, ha="center", va="center")
        left += count


def _text(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    place = blended_transform_factory(axes.figure.transFigure, axes.transData)
    axes.text(x, y, text, transform=place, va="center", **look)


def _finish(axes: Axes, rows: float) -> None:
    axes.set_ylim(rows, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("comparisons")
    axes.axvline(0, color=INK, linewidth=1)
