"""The claims ledger as a figure: every sentence, its verdict and its comparisons."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from pipeline.reporting.figures.canvas import DARK, GREY, INK, Drawing, new_figure
from pipeline.reporting.figures.textbook_forest import COLOUR
from pipeline.reporting.text.textbook import SIGNS, checked, compared, counted
from pipeline.results.readable_names import readable
from pipeline.results.textbook import VERDICTS, ClaimResult, ClaimVerdict, TextbookResults

WIDTH = 11.0
_LEFT, _RIGHT = 0.665, 0.985  # the bars; sentences stand left of them
_ROW, _HEAD, _FOOT = 0.27, 1.0, 0.55  # inches
_LONGEST = 90  # letters of a line of a sentence
_LABELS: dict[ClaimVerdict, str] = {"supported": "support the sentence", "refuted": "refute it", "inconclusive": "open"}


def ledger_figure(table: TextbookResults) -> Drawing:
    """Every sentence with its verdict, and how many comparisons support it, refute it and are open."""
    topics = list(dict.fromkeys(claim.topic for claim in table.claims))
    sentences = {claim.id: fill(claim.sentence, _LONGEST) for claim in table.claims}
    rows = sum(map(_lines, sentences.values())) + 1.25 * len(topics)
    height = _ROW * rows + _HEAD + _FOOT
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((_LEFT, _FOOT / height, _RIGHT - _LEFT, _ROW * rows / height))
    figure.text(0.01, 1 - 0.08 / height, f"{counted(table)}.", va="top", fontsize=14, weight="bold")
    y = 0.0
    for topic in topics:
        _text(axes, 0.01, y + 0.7, readable(topic), weight="bold", fontsize=12)
        y += 1.25
        for claim in (claim for claim in table.claims if claim.topic == topic):
            tall = _lines(sentences[claim.id])
            _claim(axes, claim, sentences[claim.id], y + tall / 2)
            y += tall
    _finish(axes, rows)
    handles = [Patch(color=COLOUR[verdict], label=_LABELS[verdict]) for verdict in VERDICTS]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.42 / height), ncols=3)
    return Drawing(figure, _caption(table))


def _caption(table: TextbookResults) -> str:
    return (
        "Each sentence, its verdict (✓ supported, ✗ refuted, ? open), and as a bar its comparisons: effects on data "
        f"sets and levels, each of n = {table.seeds} paired seeds, judged by its 95% Student t interval against the "
        "smallest effect of interest. Exact checks compute and need no seeds; they stand beside the bars as numbers. A "
        "sentence is refuted by a single comparison or check; one that says “can” is supported by a single one, which "
        "must then hold at Bonferroni’s level."
    )


def _lines(sentence: str) -> float:
    """How many rows of the figure a sentence takes: two lines stand closer than two sentences."""
    return 1.0 + 0.62 * sentence.count("\n")


def _claim(axes: Axes, claim: ClaimResult, sentence: str, y: float) -> None:
    colour = COLOUR[claim.verdict]
    _text(axes, 0.025, y, SIGNS[claim.verdict], color=DARK[colour], weight="bold", fontsize=13, ha="center")
    _text(axes, 0.042, y, sentence, fontsize=10.3, linespacing=1.15)
    left = 0
    counts = compared(claim)
    for verdict in VERDICTS:
        count = counts[verdict]
        if count:
            axes.barh(y, count, 0.78, left=left, color=COLOUR[verdict], edgecolor="white", linewidth=1)
            axes.text(left + count / 2, y, str(count), color="white", fontsize=9.5, ha="center", va="center")
        left += count
    if claim.checks:
        axes.text(left + 0.2, y, checked(claim), color=DARK[GREY], fontsize=9.5, va="center")


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
