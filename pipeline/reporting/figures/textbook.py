"""Figures of claims: lines over what was varied, all differences, and exact checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec

from pipeline.reporting.figures import textbook_axes, textbook_forest
from pipeline.reporting.figures.canvas import DARK, GREY, Drawing, new_figure
from pipeline.reporting.figures.textbook_blocks import (
    WIDTH,
    Block,
    block_handles,
    columns,
    is_cells,
    legend_columns,
    legend_lines,
    packed,
)
from pipeline.reporting.figures.textbook_forest import SENTENCE_COLOUR
from pipeline.reporting.figures.textbook_looks import Key, Look, looks
from pipeline.reporting.text.textbook import SIGNS
from pipeline.reporting.text.textbook_figures import axis_label, caption, decoded, recipe, titles
from pipeline.reporting.text.textbook_names import listed
from pipeline.reporting.text.textbook_places import tally
from pipeline.results.textbook import CheckResult, ClaimResult, EffectResult, FigureAxes, FigureLine

Draw = Callable[[Figure, SubplotSpec], None]
_NAMED = 4  # so many data sets are named in the head
_MANY = 5  # so many axes on a line have small letters
_SHORT, _TALL = 1.55, 2.2  # inches of axes without titles and names: below others, or not
_SMALL = 0.15  # share of the range of a y axis below which a figure's axes have each their own
_BEYOND = "Arrows at an edge: an interval that goes on beyond it. "
_TEXT = 0.29  # inches of a line of text


class Strip(NamedTuple):
    """A part of the figure over its whole width: how tall it is, and what draws it."""

    height: float
    draw: Draw


def claim_figure(claim: ClaimResult) -> Drawing:
    """What a claim says, its verdict, its metrics over what was varied, all differences, and exact checks."""
    strips = [*_lines(_decoded(claim)), *_forests(claim.effects), *_checks(claim.checks)]
    title, setting = fill(claim.sentence, 84), fill(_setting(claim), 118)
    head = 0.29 * (title.count("\n") + 1) + 0.42 + 0.24 * len(setting.splitlines())
    total = sum(strip.height for strip in strips) + head + 0.1
    figure = new_figure(WIDTH, total)
    figure.set_layout_engine(
        "constrained", rect=(0.006, 0.1 / total, 0.99, 1 - (head + 0.1) / total), h_pad=0.04, w_pad=0.1
    )
    _head(figure, claim, title, setting)
    grid = figure.add_gridspec(len(strips), 1, height_ratios=[strip.height for strip in strips])
    for place, strip in enumerate(strips):
        strip.draw(figure, grid[place])
    textbook_axes.settle(figure)
    return Drawing(figure, f"{_BEYOND * _is_cut(figure)}{caption(claim)}")


def _is_cut(figure: Figure) -> bool:
    """Whether an arrow at the edge of some axes stands for an interval beyond it."""
    lines = [line for axes in figure.axes for line in axes.lines]
    return any(line.get_marker() in ("^", "v") and not line.get_clip_on() for line in lines)


def _decoded(claim: ClaimResult) -> list[FigureAxes]:
    """The claim's axes, with text for what their lines mean."""
    return [
        part.model_copy(update={"lines": tuple(decoded(claim.id, line) for line in part.lines)}) for part in claim.axes
    ]


def _setting(claim: ClaimResult) -> str:
    """On what a sentence is tried: n, data sets, and the recipe that its table may have; nothing of exact checks."""
    count = len(claim.datasets)
    datasets = listed(claim.datasets) if count <= _NAMED else f"{count} data sets"
    n = f"n = {claim.seeds} paired seeds on {datasets}" if claim.seeds else ""
    return "; ".join(filter(None, [n, recipe(claim.recipe)]))


def _head(figure: Figure, claim: ClaimResult, title: str, setting: str) -> None:
    """The sentence, below it the verdict as a coloured word, and below that the setting."""
    height = figure.get_figheight()
    text, colour = f"{SIGNS[claim.verdict]} {claim.verdict}", SENTENCE_COLOUR[claim.verdict]
    y = 1 - (0.29 * (title.count("\n") + 1) + 0.12) / height
    figure.text(0.008, 1 - 0.06 / height, title, va="top", fontsize=15, weight="bold", linespacing=1.2)
    figure.text(0.008, y, text, va="top", fontsize=13.5, weight="bold", color=colour)
    figure.text(0.03 + 0.0115 * len(text), y, tally(claim), va="top", fontsize=12.5, color=DARK[GREY])
    figure.text(0.008, y - 0.27 / height, setting, va="top", fontsize=10.5, color=DARK[GREY], linespacing=1.3)


# lines over what was varied


def _lines(parts: Sequence[FigureAxes]) -> Iterator[Strip]:
    previous: list[str] = []
    lines = packed(parts)
    tall = _SHORT if len(lines) > 2 else _TALL
    for place, blocks in enumerate(lines):
        labels = [str(handle.get_label()) for block in blocks for handle in block_handles(block)]
        legend = (
            0.0 if labels == previous else _TEXT * max(legend_lines(block, columns(blocks)) for block in blocks) + 0.1
        )
        previous = labels
        rows = max((len(line.x) for block in blocks for line in block.lines if is_cells(block)), default=0)
        above, below = (_signs(lines[other]) if 0 <= other < len(lines) else None for other in (place - 1, place + 1))
        edges = _Edges(titled=_signs(blocks) != above, named=_signs(blocks) != below)
        body = 0.95 + 0.28 * rows if rows else tall + 0.35 * edges.titled + 0.35 * edges.named
        yield Strip(legend + body, _Line(blocks, legend, body, edges))


def _signs(blocks: Sequence[Block]) -> list[str]:
    """What titles and names of axes tell of a line of axes: lines below each other have them once."""
    return [f"{part.dataset} {part.x} {part.where}" for block in blocks for part in block.parts]


class _Edges(NamedTuple):
    """Whether a line of axes has titles above and names of axes below."""

    titled: bool
    named: bool


@dataclass(frozen=True)
class _Line:
    """A line of blocks, each below its legend."""

    blocks: Sequence[Block]
    legend: float
    body: float
    edges: _Edges

    def __call__(self, figure: Figure, spec: SubplotSpec) -> None:
        count = columns(self.blocks)
        inner = GridSpecFromSubplotSpec(2, count, spec, height_ratios=[max(self.legend, 0.01), self.body])
        start = 0
        for block in self.blocks:
            places = range(start, start + len(block.parts))
            _draw_block(figure, block, [inner[1, place] for place in places], _Style(self.edges, not start, count))
            if self.legend:
                _draw_legend(figure.add_subplot(inner[0, places.start : places.stop]), block, count)
            start = places.stop


class _Style(NamedTuple):
    """How a block's axes are written: with which edges, whether cells are named at the left, how many side by side."""

    edges: _Edges
    labelled: bool
    across: int


def _draw_block(figure: Figure, block: Block, specs: Sequence[SubplotSpec], style: _Style) -> None:
    drawn, first = looks(block.lines), None
    shared = is_cells(block) or _alike(block.parts)
    for part, title, spec in zip(block.parts, titles(block.parts), specs, strict=True):
        axes = figure.add_subplot(spec, sharey=first if shared else None)
        textbook_axes.draw(axes, part, drawn)
        _written(axes, title, part.x, style)
        if (first is not None and shared) or (is_cells(block) and not style.labelled):
            axes.tick_params(labelleft=False)
        elif first is None and not is_cells(block):
            axes.set_ylabel(axis_label(part.y), fontsize=12 if all(style.edges) else 10)
        first = first or axes
        _cut(axes, block.lines if shared else part.lines, part, drawn)


def _written(axes: Axes, title: str, x: str, style: _Style) -> None:
    """Title and letters of axes, in a size that leaves room between neighbours."""
    small = style.across >= _MANY
    axes.set_title(title if style.edges.titled else "", fontsize=11 if small else 12.5)
    axes.xaxis.label.set_fontsize(10 if small else 11)
    if not style.edges.named:
        axes.set_xlabel("")
    if x != "epoch":
        axes.tick_params(axis="x", labelsize=9 if small else 10)
    if x not in ("cell", "epoch"):
        textbook_axes.thin(axes, WIDTH / style.across - 0.75)


def _cut(axes: Axes, lines: Sequence[FigureLine], part: FigureAxes, drawn: Mapping[Key, Look]) -> None:
    """Show means, not the ends of an absurdly wide interval among these lines, which flatten them."""
    ends = textbook_axes.reach(lines) if part.x not in ("cell", "epoch") else None
    if ends:
        textbook_axes.cut(axes, part.lines, drawn, ends)


def _alike(parts: Sequence[FigureAxes]) -> bool:
    """Whether one axis shows all lines well: no axes have but a small share of the range of all."""
    ends = [[value for line in part.lines for value in line.mean if value is not None] or [0.0] for part in parts]
    whole = float(max(map(max, ends)) - min(map(min, ends)))
    return all(max(values) - min(values) >= _SMALL * whole for values in ends)


def _draw_legend(axes: Axes, block: Block, count: int) -> None:
    axes.set_axis_off()
    drawn = block_handles(block)
    if drawn:
        ncols = legend_columns(drawn, len(block.parts) / count)
        legend = axes.legend(
            handles=drawn, loc="lower left", bbox_to_anchor=(-0.01, 0), ncols=ncols, fontsize=10.5,
            columnspacing=1.4, handlelength=1.8, labelspacing=0.25, borderpad=0, borderaxespad=0.2,
        )  # fmt: skip
        legend.set_in_layout(False)


# differences and checks


def _forests(effects: Sequence[EffectResult]) -> Iterator[Strip]:
    """Forests of differences that share an axis, below what their marks mean."""
    groups = textbook_forest.groups(effects)
    if groups:
        yield Strip(0.32, _Key(effects, beyond=any(map(textbook_forest.goes_beyond, groups))))
    for group in groups:
        yield Strip(0.25 * textbook_forest.height(group) + 0.66, _Forest(group))


@dataclass(frozen=True)
class _Key:
    effects: Sequence[EffectResult]
    beyond: bool

    def __call__(self, figure: Figure, spec: SubplotSpec) -> None:
        axes = figure.add_subplot(spec)
        axes.set_axis_off()
        handles = textbook_forest.verdict_handles(self.effects, beyond=self.beyond)
        legend = axes.legend(
            handles=handles, loc="center left", bbox_to_anchor=(-0.01, 0.4), ncols=len(handles), fontsize=9.5,
            columnspacing=1.0, handletextpad=0.5, borderpad=0,
        )  # fmt: skip
        legend.set_in_layout(False)


@dataclass(frozen=True)
class _Forest:
    effects: Sequence[EffectResult]

    def __call__(self, figure: Figure, spec: SubplotSpec) -> None:
        textbook_forest.forest(figure.add_subplot(spec), self.effects)


def _checks(checks: Sequence[CheckResult]) -> Iterator[Strip]:
    if checks:
        yield Strip(
            0.28 * (len(checks) + 1.3),
            lambda figure, spec: textbook_forest.checks_table(figure.add_subplot(spec), checks),
        )
