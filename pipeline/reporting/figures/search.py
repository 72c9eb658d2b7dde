"""The search's figures: winners of arms, their interactions, and fronts of two objectives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.reporting.figures.canvas import (
    DARK,
    GREY,
    INK,
    NEUTRAL,
    NOT_HELD,
    VERDICT_LABELS,
    VERDICTS,
    WHEN,
    Drawing,
    intervals,
    known_mean,
    new_figure,
    verdict_legend,
    wrapped,
)
from pipeline.reporting.figures.comparison import difference_line
from pipeline.reporting.text.numbers import OBJECTIVES, short
from pipeline.reporting.text.search import tuned
from pipeline.results.readable_names import DAGGER, readable_arms
from pipeline.results.search import InteractionResult, Optimism, SearchResults
from pipeline.results.study import Comparison, PointResult, Verdict

FLOORS = ("#AAAAAA", INK)  # before and after
TINTS: dict[Verdict, str] = {"better": "#CFE3F1", "worse": "#F8DCC6", "no evidence": "#F0F0F0"}
PLAIN = "#999999"
FADED = 0.35  # of a tint where the verdict does not hold


def arms(search: SearchResults) -> Drawing:
    """The winners against the tuned, unregularized one, their gaps and calibration, and the search's optimism."""
    winners, name = tuned(search), search.results.dataset.name
    objective = OBJECTIVES[search.search.objectives[0]]
    figure = new_figure(13, 0.72 * len(winners) + 4.2)
    (before, after, gap), (ece, optimism, legend) = figure.subplots(2, 3, width_ratios=[1, 1, 0.95])
    for axes, stage in zip((before, after), STAGES, strict=True):
        difference_axes(axes, winners, stage)
        axes.set(title=f"{name}: test NLL, {stage} scaling", xlabel="difference from tuned none (nats)")
    stages_axes(gap, winners, MetricName("gap", "before", "nll"))
    gap.set(title=f"{name}: generalization gap", xlabel="test NLL − train NLL (nats)")
    stages_axes(ece, winners, MetricName("test", "before", "ece"), floor="ece_floor")
    ece.set(title=f"{name}: calibration error", xlabel="ECE")
    optimism_axes(optimism, [search.arms[point.name].optimism for point in winners])
    optimism.set(title=f"{name}: found → on fresh seeds", xlabel=f"validation {objective}")
    for axes in (before, ece):
        axes.set_yticks(range(len(winners)), [wrapped(readable_arms(point.name), 24) for point in winners])
    for axes in (after, gap, optimism):
        axes.set_yticks(range(len(winners)), [""] * len(winners))
    _legend(legend)
    caption = (
        f"The best of each arm by {objective} on validation rows of {search.search.seeds} seeds, "
        f"trained anew on {search.results.protocol.seeds} others. Above: left of the line is better than the tuned, "
        "unregularized network (star); the gap before (hollow) and after calibration (filled). Below: ECE in "
        "the same way, ticks are what calibrated models would be expected to show; and what the search found "
        "(diamond) against the fresh seeds, with Welch's interval of the difference: black where it leaves out 0, "
        f"so that the search was too optimistic. {DAGGER}: {NOT_HELD}. {intervals(search.results)}"
    )
    return Drawing(figure, caption)


def best(searches: Sequence[SearchResults]) -> Drawing:
    """The winners' differences in test NLL before and after calibration: a row of axes a data set."""
    heights = [len(tuned(search)) for search in searches]
    figure = new_figure(10.5, sum(0.36 * height + 1.1 for height in heights) + 0.5)
    grid = figure.subplots(len(searches), 2, squeeze=False, height_ratios=heights)
    for line, search in zip(grid, searches, strict=True):
        winners = tuned(search)
        for axes, stage in zip(line, STAGES, strict=True):
            difference_axes(axes, winners, stage)
            axes.set(title=f"{search.results.dataset.name}, {WHEN[stage]}")
        line[0].set_yticks(range(len(winners)), [readable_arms(point.name) for point in winners])
        line[1].set_yticks(range(len(winners)), [""] * len(winners))
    for axes in grid[-1]:
        axes.set_xlabel("difference of test NLL from tuned none (nats)")
    figure.legend(handles=verdict_legend(), loc="outside upper center", ncols=4, columnspacing=1.4)
    caption = (
        "Each arm at its best, after as many trials as every other, against the tuned, unregularized network (star). "
        f"Left of the line is better. {DAGGER}: {NOT_HELD}. {' '.join(intervals(each.results) for each in searches)}"
    )
    return Drawing(figure, caption)


def difference_axes(axes: Axes, points: Sequence[PointResult], stage: Stage) -> None:
    """Test NLL, a line an arm, coloured by its verdict; what is the reference itself is a star on its line."""
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for y, point in enumerate(points):
        entry = point.comparison(MetricName("test", stage, "nll"))
        if not point.against_reference:
            axes.plot(0, y, "*", color=INK, markersize=13, zorder=4)
        elif entry is None or entry.difference is None:
            axes.text(0, y, "not finite", ha="center", va="center", fontsize=9, color=GREY)
        else:
            difference_line(axes, entry, y, size=7)
    _finish(axes, len(points))


def stages_axes(axes: Axes, points: Sequence[PointResult], metric: MetricName, *, floor: str = "") -> None:
    """A metric before (hollow) and after calibration (filled), with ticks at another one, its floor."""
    stages = [metric._replace(stage=stage) for stage in STAGES]
    for y, point in enumerate(points):
        if any(point.mean(each) is None for each in stages):
            axes.text(0.5, y, "not finite", ha="center", va="center", transform=axes.get_yaxis_transform(), color=GREY)
            continue
        before, after = (known_mean(point, each) for each in stages)
        axes.plot([before, after], [y, y], color=NEUTRAL, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(before, y, "o", color=NEUTRAL, markersize=8, fillstyle="none", mew=1.6, zorder=3)
        axes.plot(after, y, "o", color=NEUTRAL, markersize=6, zorder=4)
        for each, shade in zip(stages if floor else (), FLOORS, strict=False):
            axes.plot(known_mean(point, each._replace(metric=floor)), y, "|", color=shade, markersize=13, mew=1.8)
    axes.axvline(0, linewidth=0)  # what a gap or an error is compared with
    _finish(axes, len(points))


def optimism_axes(axes: Axes, winners: Sequence[Optimism]) -> None:
    """What the search took winners to be (hollow), and fresh seeds (filled, with the interval of the difference)."""
    for y, entry in enumerate(winners):
        if entry.searched is None or entry.mean is None:
            continue
        colour = INK if (entry.low or 0) > 0 else PLAIN
        if entry.low is not None and entry.high is not None:
            ends = [entry.searched + entry.low, entry.searched + entry.high]
            axes.plot(ends, [y, y], color=colour, linewidth=2, alpha=0.6)
        axes.plot(entry.searched, y, "D", color=INK, markersize=7, fillstyle="none", mew=1.4, zorder=4)
        axes.plot(entry.searched + entry.mean, y, "o", color=colour, markersize=7, zorder=3)
    _finish(axes, len(winners))


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
        "Differences of test NLL (nats); negative is better. Diagonal: an arm's winner against the tuned, "
        "unregularized network. Below it: two winners stacked, with the learning rate of the better one, against the "
        "better one alone. Underneath: all together, against the best single one; which of them is better or best is "
        f"said by the search. In brackets: intervals. {DAGGER}: does not hold at 5% once all contenders are taken into "
        f"account (Holm). {intervals(search.results)}"
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


def _finish(axes: Axes, count: int) -> None:
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(count - 0.4, -0.6)


def _legend(axes: Axes) -> None:
    """What marks mean, on axes that show nothing else."""
    looks: dict[str, dict[str, Any]] = {
        "tuned, unregularized": {"marker": "*", "color": INK, "markersize": 13},
        "before calibration": {"marker": "o", "color": NEUTRAL, "fillstyle": "none", "mew": 1.6},
        "after calibration": {"marker": "o", "color": NEUTRAL},
        "floor of the ECE, before": {"marker": "|", "color": FLOORS[0], "markersize": 13, "mew": 1.8},
        "floor of the ECE, after": {"marker": "|", "color": FLOORS[1], "markersize": 13, "mew": 1.8},
        "found by the search": {"marker": "D", "color": INK, "fillstyle": "none"},
        "on fresh seeds": {"marker": "o", "color": PLAIN, "linestyle": "-"},
        "on fresh seeds, clearly less good": {"marker": "o", "color": INK, "linestyle": "-"},
    }
    others = [Line2D([], [], **{"linestyle": "", **look}, label=text) for text, look in looks.items()]
    axes.legend(handles=[*verdict_legend(), *others], loc="center", handlelength=1.8, labelspacing=0.5)
    axes.axis("off")
