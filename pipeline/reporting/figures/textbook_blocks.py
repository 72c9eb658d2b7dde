"""Blocks of a claim's figure: axes of the same metrics side by side, packed into lines below their legends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from matplotlib.lines import Line2D

from pipeline.reporting.figures.textbook_looks import handles, looks
from pipeline.results.textbook import FigureAxes, FigureLine

WIDTH = 11.0
"""Of a claim's figure, in inches."""
MOST = 6
"""Axes on a line, at most."""


class Block(NamedTuple):
    """Axes of the same metrics, which share their y axis and legend."""

    parts: list[FigureAxes]

    @property
    def lines(self) -> list[FigureLine]:
        """All lines."""
        return [line for part in self.parts for line in part.lines]


def packed(parts: Sequence[FigureAxes]) -> list[list[Block]]:
    """Axes in lines: those of the same metrics stand together, short ones share a line."""
    metrics = list(dict.fromkeys(tuple(part.y) for part in parts))
    blocks: list[Block] = []
    for metric in metrics:
        same = [part for part in parts if tuple(part.y) == metric]
        if len(same) <= MOST:
            blocks.append(Block(same))
        else:
            groups = groupby(same, key=lambda part: (part.x, str(part.where)))
            blocks += [Block(list(group)[:MOST]) for _, group in groups]
    lines: list[list[Block]] = []
    for block in blocks:
        used = sum(len(other.parts) for other in lines[-1]) if lines else MOST
        if used + len(block.parts) <= MOST and is_cells(block) == is_cells(lines[-1][0]):
            lines[-1].append(block)
        else:
            lines.append([block])
    return lines


def is_cells(block: Block) -> bool:
    """Whether cells are named at the left, and their values run across."""
    return bool(block.parts[0].x == "cell")


def block_handles(block: Block) -> list[Line2D]:
    """The entries of a block's legend."""
    drawn = handles(block.lines, looks(block.lines))
    for handle in drawn:
        if all(part.x == "epoch" for part in block.parts):
            handle.set_marker("")
    return drawn


def legend_lines(block: Block, count: int) -> int:
    """How many lines the legend of a block needs: they are short where there are few axes."""
    entries = block_handles(block)
    return -(-len(entries) // legend_columns(entries, len(block.parts) / count)) if entries else 0


def legend_columns(entries: Sequence[Line2D], share: float) -> int:
    """How many entries of a legend stand side by side on a share of the figure's width."""
    longest = max(len(str(handle.get_label())) for handle in entries)
    return max(1, min(len(entries), int((WIDTH * share - 0.5) / (0.09 * longest + 0.6))))


def columns(blocks: Sequence[Block]) -> int:
    """How many columns a line of axes has."""
    return max(2, sum(len(block.parts) for block in blocks))
