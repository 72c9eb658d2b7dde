"""How does a sentence of the textbook fare? A figure for each claim: lines, all differences, and exact checks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.lines import Line2D

from pipeline.figures import claim_axes, claim_forest
from pipeline.figures.audit_plots import audit_figure
from pipeline.figures.canvas import DARK, GREY, Drawing, Row, new_figure
from pipeline.figures.claim_forest import COLOUR
from pipeline.figures.ledger_plots import ledger_figure
from pipeline.words.claim_rendering import SIGNS, tally
from pipeline.words.claim_words import levels, listed, measure, scale
from pipeline.words.wording import spoken

__all__ = ["audit_figure", "claim_figure", "ledger_figure"]
Claim = Mapping[str, Any]
Draw = Callable[[Figure, SubplotSpec], None]
WIDTH = 11.0
_ACROSS = 5  # panels on a line, at most
_SMALL = 0.15  # share of the range of an axis below which a panel has one of its own
_TEXT = 0.25  # inches of a line of text


class Block(NamedTuple):
    """Panels of the same metrics, which share their y axis and legend."""

    panels: list[Row]

    @property
    def lines(self) -> list[Row]:
        """The lines of all panels."""
        return [line for panel in self.panels for line in panel["lines"]]


class Strip(NamedTuple):
    """A part of the figure over its whole width: how tall it is, and what draws it."""

    height: float
    draw: Draw


def claim_figure(claim: Claim) -> Drawing:
    """What a claim says, its verdict, its metrics over what was varied, all differences, and exact checks."""
    strips = [*_lines(claim["panels"]), *_forests(claim["effects"]), *_checks(claim["checks"])]
    title = fill(claim["sentence"], 84)
    head = 0.29 * (title.count("\n") + 1) + 0.42
    total = sum(strip.height for strip in strips) + head
    figure = new_figure(WIDTH, total)
    figure.set_layout_engine("constrained", rect=(0.006, 0, 0.99, 1 - head / total), h_pad=0.04, w_pad=0.1)
    _head(figure, claim, title, total)
    grid = figure.add_gridspec(len(strips), 1, height_ratios=[strip.height for strip in strips])
    for place, strip in enumerate(strips):
        strip.draw(figure, grid[place])
    claim_axes.settle(figure)
    return Drawing(figure, _caption(claim))


def _head(figure: Figure, claim: Claim, title: str, height: float) -> None:
    """The sentence, and below it the verdict as a coloured word."""
    word, colour = f"{SIGNS[claim['verdict']]} {claim['verdict']}", DARK[COLOUR[claim["verdict"]]]
    y = 1 - (0.29 * (title.count("\n") + 1) + 0.12) / height
    figure.text(0.008, 1 - 0.06 / height, title, va="top", fontsize=15, weight="bold", linespacing=1.2)
    figure.text(0.008, y, word, va="top", fontsize=13.5, weight="bold", color=colour)
    figure.text(0.03 + 0.0115 * len(word), y, tally(claim), va="top", fontsize=12.5, color=DARK[GREY])


# lines over what was varied


def _lines(panels: Sequence[Row]) -> Iterator[Strip]:
    told: list[str] = []
    for blocks in packed(panels):
        labels = [str(handle.get_label()) for block in blocks for handle in _handles(block)]
        legend = 0.0 if labels == told else _TEXT * max(_legend_lines(block, _count(blocks)) for block in blocks) + 0.1
        told = labels
        rows = max((len(line["x"]) for block in blocks for line in block.lines if _is_cells(block)), default=0)
        yield Strip(legend + (0.95 + 0.28 * rows if rows else 2.95), _Line(blocks, legend))


def packed(panels: Sequence[Row]) -> list[list[Block]]:
    """Panels in lines: those of the same metrics stand together, short ones share a line.

    >>> one, other = {"y": ["test/nll"], "x": "dropout"}, {"y": ["gap/nll"], "x": "dropout"}
    >>> [[len(block.panels) for block in line] for line in packed([one, one, other, other, one, one])]
    [[4], [2]]
    """
    metrics = list(dict.fromkeys(tuple(panel["y"]) for panel in panels))
    blocks: list[Block] = []
    for metric in metrics:
        own = [panel for panel in panels if tuple(panel["y"]) == metric]
        if len(own) <= _ACROSS:
            blocks.append(Block(own))
        else:
            parts = groupby(own, key=lambda panel: (panel["x"], str(panel.get("where"))))
            blocks += [Block(list(part)[:_ACROSS]) for _, part in parts]
    lines: list[list[Block]] = []
    for block in blocks:
        used = sum(len(other.panels) for other in lines[-1]) if lines else _ACROSS
        if used + len(block.panels) <= _ACROSS - _is_cells(block) and _is_cells(block) == _is_cells(lines[-1][0]):
            lines[-1].append(block)
        else:
            lines.append([block])
    return lines


def _is_cells(block: Block) -> bool:
    return bool(block.panels[0]["x"] == "cell")


def _handles(block: Block) -> list[Line2D]:
    found = claim_axes.handles(block.lines, claim_axes.looks(block.lines))
    for handle in found:
        if all(panel["x"] == "epoch" for panel in block.panels):
            handle.set_marker("")
    return found


def _legend_lines(block: Block, count: int) -> int:
    """How many lines the legend of a block needs: they are short where there are few panels."""
    handles = _handles(block)
    return -(-len(handles) // _columns(handles, len(block.panels) / count)) if handles else 0


def _columns(handles: Sequence[Line2D], share: float) -> int:
    longest = max(len(str(handle.get_label())) for handle in handles)
    return max(1, min(len(handles), int((WIDTH * share - 0.5) / (0.09 * longest + 0.6))))


def _count(blocks: Sequence[Block]) -> int:
    """How many columns a line of panels has."""
    return max(2, sum(len(block.panels) for block in blocks))


@dataclass(frozen=True)
class _Line:
    """A line of blocks, each below its legend."""

    blocks: Sequence[Block]
    legend: float

    def __call__(self, figure: Figure, spec: SubplotSpec) -> None:
        count = _count(self.blocks)
        inner = GridSpecFromSubplotSpec(2, count, spec, height_ratios=[max(self.legend, 0.01), 3.0])
        start = 0
        for block in self.blocks:
            places = range(start, start + len(block.panels))
            _draw_block(figure, block, [inner[1, place] for place in places], labelled=not start)
            if self.legend:
                _draw_legend(figure.add_subplot(inner[0, places.start : places.stop]), block, count)
            start = places.stop


def _draw_block(figure: Figure, block: Block, specs: Sequence[SubplotSpec], *, labelled: bool) -> None:
    drawn, first = claim_axes.looks(block.lines), None
    shared = _is_cells(block) or _alike(block.panels)
    for panel, title, spec in zip(block.panels, _titles(block.panels), specs, strict=True):
        axes = figure.add_subplot(spec, sharey=first if shared else None)
        claim_axes.panel(axes, panel, drawn)
        axes.set_title(title)
        if (first is not None and shared) or (_is_cells(block) and not labelled):
            axes.tick_params(labelleft=False)
        elif first is None and not _is_cells(block):
            axes.set_ylabel(_label(panel["y"]))
        first = first or axes


def _alike(panels: Sequence[Row]) -> bool:
    """Whether one axis shows all panels well: none has but a small share of the range of all."""
    ends = [
        [value for line in panel["lines"] for value in line["mean"] if value is not None] or [0.0] for panel in panels
    ]
    whole = float(max(map(max, ends)) - min(map(min, ends)))
    return all(max(values) - min(values) >= _SMALL * whole for values in ends)


def _label(metrics: Sequence[str]) -> str:
    """What a y axis shows: a metric, or what several have in common."""
    common = scale(metrics[0])
    return common if len(metrics) > 1 else measure(metrics[0]) + " (nats)" * common.endswith("(nats)")


def _titles(panels: Sequence[Row]) -> list[str]:
    """Data sets, and of panels that are otherwise alike what holds for one of them only."""
    wheres = [panel.get("where") or {} for panel in panels]
    differing = [key for key in dict.fromkeys(key for where in wheres for key in where) if _differs(key, panels)]
    return [
        ", ".join(
            filter(
                None, [spoken(panel["dataset"]), levels({key: _one(where[key]) for key in differing if key in where})]
            )
        )
        for panel, where in zip(panels, wheres, strict=True)
    ]


def _differs(key: str, panels: Sequence[Row]) -> bool:
    alike = [panel for panel in panels if (panel["x"], panel["dataset"]) == (panels[0]["x"], panels[0]["dataset"])]
    return len({str((panel.get("where") or {}).get(key)) for panel in alike}) > 1


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _draw_legend(axes: Axes, block: Block, count: int) -> None:
    axes.set_axis_off()
    found = _handles(block)
    if found:
        columns = _columns(found, len(block.panels) / count)
        legend = axes.legend(
            handles=found, loc="lower left", bbox_to_anchor=(-0.01, 0), ncols=columns, fontsize=10.5,
            columnspacing=1.4, handlelength=1.8, labelspacing=0.25, borderpad=0, borderaxespad=0.2,
        )  # fmt: skip
        legend.set_in_layout(False)


# differences and checks


def _forests(effects: Sequence[Row]) -> Iterator[Strip]:
    """A forest for each scale and experiment that differences are measured in, below what its marks mean."""
    if effects:
        yield Strip(0.32, _Key(effects))
    groups: dict[tuple[str, str], list[Row]] = {}
    for effect in effects:
        groups.setdefault((scale(effect["metric"]), effect["experiment"]), []).append(effect)
    for own in groups.values():
        yield Strip(0.27 * claim_forest.height(own) + 0.62, _Forest(own))


@dataclass(frozen=True)
class _Key:
    effects: Sequence[Row]

    def __call__(self, figure: Figure, spec: SubplotSpec) -> None:
        axes = figure.add_subplot(spec)
        axes.set_axis_off()
        handles = claim_forest.verdict_handles(self.effects)
        legend = axes.legend(
            handles=handles, loc="center left", bbox_to_anchor=(-0.01, 0.4), ncols=len(handles), fontsize=10.5,
            columnspacing=1.4, borderpad=0,
        )  # fmt: skip
        legend.set_in_layout(False)


@dataclass(frozen=True)
class _Forest:
    effects: Sequence[Row]

    def __call__(self, figure: Figure, spec: SubplotSpec) -> None:
        claim_forest.forest(figure.add_subplot(spec), self.effects)


def _checks(checks: Sequence[Row]) -> Iterator[Strip]:
    if checks:
        yield Strip(
            0.31 * (len(checks) + 1.3), lambda figure, spec: claim_forest.checks_table(figure.add_subplot(spec), checks)
        )


def _caption(claim: Claim) -> str:
    """What marks, intervals and n are, and on which data sets."""
    said = []
    names = dict.fromkeys([*(panel["dataset"] for panel in claim["panels"]), *claim["datasets"]])
    n = max([claim["seeds"], *(line["n"] for panel in claim["panels"] for line in panel["lines"])])
    cells = [cell for effect in claim["effects"] for cell in effect["cells"]]
    if claim["panels"]:
        bands = any(panel["x"] == "epoch" for panel in claim["panels"])
        said.append(f"Lines: means over seeds; bars{' and bands' if bands else ''} are their intervals.")
    if cells:
        said.append("Dots on the wide axes: paired differences, a data set a row, with intervals and their numbers.")
    if any(" on validation" in cell[side] for cell in cells for side in ("of", "against")):
        said.append("Where several settings are compared, each seed takes the one with the best validation NLL.")
    if names:
        widened = any(cell["inflation"] for cell in cells)
        more = ", widened for the rows that seeds share" if widened else ""
        said.append(
            f"n = {n} paired seeds; intervals are 95% Student t intervals over seeds{more}. Data: {listed([*names])}."
        )
    if claim["checks"]:
        said.append("Exact checks compute; they need no seeds and have no interval.")
    return " ".join([*said, f"Source of the sentence: {claim['source']}."])
