"""The claims ledger as a figure: every sentence, its verdict and its comparisons."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import blended_transform_factory

from pipeline.reporting.figures.canvas import DARK, GREY, INK, Drawing, new_figure
from pipeline.reporting.figures.textbook_forest import COLOUR, SENTENCE_COLOUR
from pipeline.reporting.text.textbook import SIGNS, checked, compared, counted
from pipeline.results.readable_names import readable
from pipeline.results.textbook import VERDICTS, CellVerdict, ClaimResult, TextbookResults

WIDTH = 11.0
_LEFT, _RIGHT = 0.74, 0.97  # the bars; sentences stand left of them
_LEGIBLE = 0.05  # share of a bar that has room for its number
_ROW, _HEAD, _FOOT = 0.27, 1.0, 0.55  # inches
_LONGEST = 90  # letters of a line of a sentence
_LABELS: dict[CellVerdict, str] = {"supported": "support the sentence", "refuted": "refute it", "inconclusive": "open"}


def ledger_figure(table: TextbookResults) -> Drawing:
    """Every sentence with its verdict, and how many comparisons support it, refute it and are open."""
    topics = list(dict.fromkeys(claim.topic for claim in table.claims))
    sentences = {claim.id: fill(claim.sentence, _LONGEST) for claim in table.claims}
    rows = sum(map(_lines, sentences.values())) + 1.25 * len(topics)
    height = _ROW * rows + _HEAD + _FOOT
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((_LEFT, _FOOT / height, _RIGHT - _LEFT, _ROW * rows / height))
    figure.text(0.01, 1 - 0.08 / height, f"{counted(table)}.", va="top", fontsize=10.5, weight="bold")
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
        "Each sentence, where it holds, and as a bar its comparisons: effects on data sets and levels, each of up to "
        f"n = {table.seeds} paired seeds, judged by its 95% Student t interval against the smallest effect of "
        "interest, for and against alike. Everywhere: none refutes it and three quarters or more support it; nowhere: "
        "the mirror image; depends: some support and some refute it, by Bonferroni’s intervals too. Exact checks "
        "compute and need no seeds."
    )


def _lines(sentence: str) -> float:
    """How many rows of the figure a sentence takes: two lines stand closer than two sentences."""
    return 1.0 + 0.62 * sentence.count("\n")


def _claim(axes: Axes, claim: ClaimResult, sentence: str, y: float) -> None:
    colour = SENTENCE_COLOUR[claim.verdict]
    _text(axes, 0.02, y, SIGNS[claim.verdict], color=colour, weight="bold", fontsize=13, ha="center")
    _text(axes, 0.034, y, claim.verdict, color=colour, fontsize=9.8)
    _text(axes, 0.115, y, sentence, fontsize=10.3, linespacing=1.15)
    counts, left = compared(claim), 0.0
    whole = sum(counts.values())
    for verdict in VERDICTS:
        width = counts[verdict] / max(whole, 1)
        if width:
            axes.barh(y, width, 0.78, left=left, color=COLOUR[verdict], edgecolor="white", linewidth=1)
        if width > _LEGIBLE:
            text = str(counts[verdict])
            axes.text(left + width / 2, y, text, color="white", fontsize=9.5, ha="center", va="center")
        left += width
    if claim.checks and not whole:
        axes.text(0.01, y, checked(claim), color=DARK[GREY], fontsize=9.5, va="center")


def _text(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    place = blended_transform_factory(axes.figure.transFigure, axes.transData)
    axes.text(x, y, text, transform=place, va="center", **look)


def _finish(axes: Axes, rows: float) -> None:
    axes.set_ylim(rows, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of comparisons")
    axes.axvline(0, color=INK, linewidth=1)
