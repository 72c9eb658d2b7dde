"""The search's figures: winners of arms, their interactions, and fronts of two objectives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from pipeline.metrics.names import STAGES, MetricName
from pipeline.reporting.figures.canvas import (
    DARK,
    GREY,
    INK,
    NOT_HELD,
    VERDICT_LABELS,
    VERDICTS,
    WHEN,
    Drawing,
    intervals,
    new_figure,
    wrapped,
)
from pipeline.reporting.figures.forest import (
    ROW,
    Row,
    forest_axes,
    forest_legend,
    forest_row,
    named_rows,
    stages_axes,
)
from pipeline.reporting.text.numbers import OBJECTIVES, short
from pipeline.reporting.text.search import tuned
from pipeline.results.readable_names import DAGGER, readable_arms
from pipeline.results.search import InteractionResult, SearchResults
from pipeline.results.study import Comparison, PointResult, Verdict

TINTS: dict[Verdict, str] = {"better": "#CFE3F1", "worse": "#F8DCC6", "no evidence": "#F0F0F0"}
FADED = 0.35  # of a tint where the verdict does not hold


def arms(search: SearchResults) -> Drawing:
    """The winners against the tuned, unregularized one, their gaps and their calibration errors."""
    winners, name = _ordered(search), search.results.dataset.name
    figure = new_figure(13.5, ROW * len(winners) + 1.6)
    differences, gap, ece = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    rows = _rows(search)
    forest_axes(differences, rows)
    differences.set_title(f"{name}: test NLL", pad=18)
    stages_axes(gap, winners, MetricName("gap", "before", "nll"))
    gap.set_title("generalization gap", pad=18)
    gap.set_xlabel("test NLL − training NLL (nats)")
    stages_axes(ece, winners, MetricName("test", "before", "ece"), floor="ece_floor")
    ece.set_title("calibration error", pad=18)
    ece.set_xlabel("ECE; tick: what chance alone gives")
    for axes in (gap, ece):
        named_rows(axes, rows, named=False)
    figure.legend(handles=forest_legend(), loc="outside upper center", ncols=4)
    caption = (
        f"The best of each arm by {OBJECTIVES[search.search.objectives[0]]} on validation rows of "
        f"{search.search.seeds} seeds, trained anew on others; filled: after calibration. {intervals(search.results)}"
    )
    return Drawing(figure, caption)


def best(searches: Sequence[SearchResults]) -> Drawing:
    """The winners' differences in test NLL, numbers beside them: axes a data set, one below the other."""
    heights = [len(tuned(search)) for search in searches]
    figure = new_figure(8.6, sum(ROW * height + 0.95 for height in heights) + 0.5)
    grid = figure.subplots(len(searches), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, search in zip(grid, searches, strict=True):
        forest_axes(axes, _rows(search))
        axes.set_title(search.results.dataset.name, pad=18)
    figure.legend(handles=forest_legend(), loc="outside upper center", ncols=4, columnspacing=1.4)
    samples = "; ".join(intervals(each.results)[:-1] for each in searches)
    caption = (
        "Each arm at its best, after as many trials as every other, against tuned none; ★ is recommended, "
        f"{DAGGER} does not hold for all together (Holm). {samples}."
    )
    return Drawing(figure, caption)


def _ordered(search: SearchResults) -> list[PointResult]:
    """The winners from the lowest test NLL after calibration to the highest; last what has none."""

    def loss(point: PointResult) -> float:
        mean = point.mean(MetricName("test", "after", "nll"))
        return float("inf") if mean is None else mean

    return sorted(tuned(search), key=loss)


def _rows(search: SearchResults) -> list[Row]:
    star = search.results.recommended
    return [forest_row(point, readable_arms(point.name), starred=point.key == star) for point in _ordered(search)]


class _Cell(NamedTuple):
    """A comparison's cell in the map of interactions: where it is, and what is compared with which arm."""

    x: float
    y: float
    width: float
    entry: Comparison | None
    against: str


def interactions(search: SearchResults) -> Drawing | None:
    """Do regularizers add up? Arms that are stacked on the diagonal, their pairs below it, whole stacks underneath."""
    stacks = [entry for entry in search.interactions if entry.kind == "stacked"]
    parts = {part for entry in stacks or search.interactions for part in entry.parts}
    names = [point.name for point in tuned(search) if point.name in parts]
    if not names:
        return None
    figure = new_figure(2.6 * len(names) + 2.4, 1.0 * (len(names) + len(_wholes(search))) + 1.9)
    both = figure.subplots(1, 2)
    for axes, stage in zip(both, STAGES, strict=True):
        for cell in _cells(search, names, MetricName("test", stage, "nll")):
            _draw_cell(axes, cell)
        _frame(axes, search, names)
        axes.set_title(f"{search.results.dataset.name}: test NLL {WHEN[stage]}", pad=10)
    both[1].set_yticklabels([])
    handles = [Patch(facecolor=TINTS[verdict], edgecolor=GREY, label=text) for verdict, text in VERDICT_LABELS.items()]
    handles.append(Patch(facecolor=TINTS["better"], alpha=FADED, edgecolor=GREY, label=f"{DAGGER}, paler: {NOT_HELD}"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    caption = (
        "Diagonal: an arm’s best against tuned none; below it two stacked, underneath all together, against the best "
        f"single one of them. {intervals(search.results)}"
    )
    return Drawing(figure, caption)


def _cells(search: SearchResults, names: Sequence[str], metric: MetricName) -> Iterable[_Cell]:
    points = {point.name: point for point in search.results.points}
    wholes = _wholes(search)
    for place, name in enumerate(names):
        yield _Cell(place, place, 1, points[name].comparison(metric), "none")
    for entry in search.interactions:
        if entry not in wholes:
            left, below = sorted(map(names.index, entry.parts))
            yield _Cell(left, below, 1, entry.metrics.get(metric), entry.best_single)
    for place, entry in enumerate(wholes):
        y = len(names) + place + 0.25
        yield _Cell(0, y, len(names), entry.metrics.get(metric), entry.best_single)


def _wholes(search: SearchResults) -> list[InteractionResult]:
    """What is more than two arms, or tuned together."""
    return [entry for entry in search.interactions if len(entry.parts) > 2 or entry.kind == "tuned"]


def _draw_cell(axes: Axes, cell: _Cell) -> None:
    """A tinted cell with the difference, below it the interval and what it is compared with."""
    entry = cell.entry if cell.entry is not None and cell.entry.difference is not None else None
    verdict: Verdict = "no evidence" if entry is None else entry.verdict
    fails = entry is not None and entry.fails_holm
    same = entry is not None and entry.low == entry.high == 0
    text, below = "not compared" if entry is None else "same network", f"vs {readable_arms(cell.against)}"
    if entry is not None and not same:
        text = f"{short(entry.difference, sign=True)}{DAGGER * fails}"
        below = f"{_range(entry)}\n{below}"
    bold = not same and not fails and verdict != "no evidence"
    axes.add_patch(
        Rectangle(
            (cell.x + 0.015, cell.y + 0.015), cell.width - 0.03, 0.97, facecolor=TINTS[verdict],
            alpha=FADED if fails else 1, linewidth=0,
        )
    )  # fmt: skip
    middle = cell.x + cell.width / 2
    axes.text(
        middle, cell.y + 0.3, text, ha="center", va="center", color=DARK.get(VERDICTS[verdict], INK),
        fontweight="bold" if bold else "normal", fontsize=10.5 if same else 13,
    )  # fmt: skip
    axes.text(middle, cell.y + 0.7, below, ha="center", va="center", fontsize=9.5, color="#333333", linespacing=1.3)


def _range(entry: Comparison) -> str:
    return f"[{short(entry.low, sign=True)}, {short(entry.high, sign=True)}]"


def _frame(axes: Axes, search: SearchResults, names: Sequence[str]) -> None:
    """Names beside and above the cells, and nothing else."""
    wholes = [readable_arms(entry.name) if entry.kind == "tuned" else "all stacked" for entry in _wholes(search)]
    places = [place + 0.5 for place in range(len(names))]
    below = [len(names) + place + 0.75 for place in range(len(wholes))]
    axes.set(xlim=(0, len(names)), ylim=(len(names) + len(wholes) + 0.25, 0))
    axes.set_xticks(places, [wrapped(readable_arms(name), 12) for name in names])
    axes.set_yticks([*places, *below], [wrapped(name, 14) for name in [*map(readable_arms, names), *wholes]])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
