"""Where in its range is a strength at its best? Slices and contours by Optuna, and weight decay as a timescale."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from optuna import Study

from pipeline.config.decay_timescale import zones
from pipeline.config.search_space import LEARNING_RATE, Dimension, Search
from pipeline.reporting.figures.canvas import DARK, GREY, ORANGE, PALE, Drawing, Row, sample, values_axis
from pipeline.reporting.figures.trial_axes import (
    Found,
    first_objective,
    hollow,
    optuna_draws_on,
    pruned,
    spaced,
    study_in_memory,
    titled_legend,
    value_of,
    values_of,
)
from pipeline.reporting.text.numbers import OBJECTIVES
from pipeline.results.readable_names import readable, readable_arms
from pipeline.search.trials import by_arm, complete

COLUMNS = 4  # panels in a row
FEWEST_FOR_CONTOURS = 4
WINNER: dict[str, Any] = {
    "color": ORANGE, "marker": "o", "markersize": 11, "fillstyle": "none", "markeredgewidth": 1.8, "linestyle": "",
    "clip_on": False,
}  # fmt: skip


def slices(found: Found, trials: Sequence[Row]) -> Drawing:
    """Every strength of every arm against the objective, and weight decay as a timescale."""
    search, arms = first_objective(found), by_arm(trials)
    rows = packed({arm: _panels(arm, search) for arm in arms}, COLUMNS)
    studies = {arm: study_in_memory(arm, arms[arm], search) for arm in arms}
    figure, grid = spaced(len(rows), COLUMNS, panel=(2.35, 1.5), gaps=(0.45, 0.85), edges=(0.8, 0.85))
    for line, row in zip(grid, rows, strict=True):
        for axes, (arm, kind) in zip(line, row, strict=False):
            slice_panel(axes, kind, studies[arm], arms[arm], found)
            axes.set_title(readable_arms(arm))
            axes.grid(visible=False)
            values_axis(axes.yaxis, values_of(trials, search), room=1.7)
            axes.tick_params(labelleft=axes is line[0])
        for axes in line[len(row) :]:
            axes.set_visible(False)
        line[0].set_ylabel(f"validation {OBJECTIVES[search.objectives[0]]}")
    titled_legend(figure, found, _slice_legend())
    words = (
        f"{search.trials} trials an arm by what was searched, against {OBJECTIVES[search.objectives[0]]} on validation "
        f"rows (means over {search.seeds} seeds of the search); later trials are darker. The shaded end of a range "
        "means off, exactly 0. The timescale of weight decay is 1 / (learning rate × decay) in epochs: too long does "
        f"nothing in {_parameters(found)['epochs']} epochs, too short forgets within one. {_fresh(found)}"
    )
    return Drawing(figure, words)


def contours(found: Found, trials: Sequence[Row]) -> Drawing | None:
    """The objective over strength and learning rate, a panel an arm that has one strength; None where none has."""
    search, arms = first_objective(found), by_arm(trials)
    pairs = [arm for arm in arms if len(search.dimensions(arm)) == 2]
    if not pairs:
        return None
    columns = min(3, len(pairs))
    lines = -(-len(pairs) // columns)
    figure, grid = spaced(lines, columns, panel=(3.1, 2.6), gaps=(0.45, 0.85), edges=(0.95, 0.85))
    for axes, arm in zip(grid.ravel(), pairs, strict=False):
        contour_panel(axes, study_in_memory(arm, arms[arm], search), arms[arm], search, _winner(found, arm, arms[arm]))
        axes.set_title(readable_arms(arm))
        axes.grid(visible=False)
        axes.tick_params(labelleft=axes in grid[:, 0])
    for axes in grid[:, 0]:
        axes.set_ylabel(readable(LEARNING_RATE))
    for axes in grid.ravel()[len(pairs) :]:
        axes.set_visible(False)
    _, _, winner, off = _slice_legend()
    dots = Line2D([], [], color="black", marker="o", markersize=4, markeredgecolor="white", linestyle="")
    dots.set_label("completed")
    titled_legend(figure, found, [dots, winner, off, Patch(color="#08519c", label="darker is better")])
    words = (
        f"{OBJECTIVES[search.objectives[0]]} on validation rows (means over {search.seeds} seeds of the search) over "
        f"strength and learning rate. Contours join the completed ones of {search.trials} trials an arm and are a "
        "guess between them; pruned trials are left out. The shaded end of a range means off, exactly 0. "
        f"{_fresh(found)}"
    )
    return Drawing(figure, words)


def slice_panel(axes: Axes, kind: str, study: Study, rows: Sequence[Row], found: Found) -> None:
    """One strength, or the timescale of weight decay."""
    best = _winner(found, study.study_name, rows)
    if kind == "timescale":
        timescale_panel(axes, rows, found, best)
    else:
        strength_panel(axes, kind, study, rows, first_objective(found), best)


def strength_panel(
    axes: Axes, name: str, study: Study, rows: Sequence[Row], search: Search, best: Sequence[Row]
) -> None:
    """Optuna's slice of a strength, what means off, and the trials that were pruned."""
    dimension = search.space[name]
    if complete(rows):
        with optuna_draws_on(axes) as plots:
            plots.plot_slice(study, params=[name])
        axes.collections[0].set(sizes=[30], zorder=3)
    pruned(axes, [(row[f"sampled/{name}"], value_of(row, search)) for row in rows if row["state"] == "pruned"])
    _ring(axes, [(row[f"sampled/{name}"], value_of(row, search)) for row in best])
    _range(axes.xaxis, dimension)
    axes.set_xlabel(readable(name))
    axes.set_ylabel("")
    axes.tick_params(labelbottom=True)


def contour_panel(axes: Axes, study: Study, rows: Sequence[Row], search: Search, best: Sequence[Row]) -> None:
    """Optuna's contours, with the strength across and the learning rate upwards."""
    x, y = sorted(search.dimensions(study.study_name), key=lambda name: name == LEARNING_RATE)
    if len(set(values_of(complete(rows), search))) >= FEWEST_FOR_CONTOURS:
        with optuna_draws_on(axes) as plots:
            plots.plot_contour(study, params=[x, y])
        lines, fills, dots, _ = axes.collections
        lines.remove()
        fills.set_rasterized(True)  # a guess needs no sharp edges, which would be a third of the SVG
        dots.set(sizes=[22], linewidth=0.8, edgecolor="white")
        if y < x:  # Optuna has what comes first in the alphabet across
            dots.set_offsets(np.asarray(dots.get_offsets())[:, ::-1])
            for path in fills.get_paths():
                path.vertices = np.asarray(path.vertices)[:, ::-1]
    else:
        axes.text(0.5, 0.5, "too few trials\ncompleted", ha="center", va="center", transform=axes.transAxes)
    _ring(axes, [(row[f"sampled/{x}"], row[f"sampled/{y}"]) for row in best])
    for axis, name in ((axes.xaxis, x), (axes.yaxis, y)):
        _range(axis, search.space[name])
    axes.set_xlabel(readable(x))
    axes.set_ylabel("")


def timescale_panel(axes: Axes, rows: Sequence[Row], found: Found, best: Sequence[Row]) -> None:
    """The timescale of weight decay in epochs, and where it does nothing or too much; off is on the right."""
    search, epochs = first_objective(found), _parameters(found)["epochs"]
    per_epoch = -(-found["results"]["dataset"]["train"] // _parameters(found)["batch_size"])
    short, long = zones(epochs)
    rates = [rate for row in rows if (rate := row[LEARNING_RATE] * row["weight_decay"] * per_epoch)]
    right = 3 * max([long, *(1 / rate for rate in rates)])
    left = min([short / 4, *(0.5 / rate for rate in rates)])

    def places(some: Sequence[Row]) -> list[tuple[float, float | None]]:
        rated = [(row[LEARNING_RATE] * row["weight_decay"] * per_epoch, value_of(row, search)) for row in some]
        return [(1 / rate if rate else right * (right / left) ** 0.08, value) for rate, value in rated]

    axes.set_xscale("log")
    done = complete(rows)
    order = [row["trial"] for row in done]
    if done:
        x, y = zip(*places(done), strict=True)
        axes.scatter(x, y, s=30, c=order, cmap="Blues", edgecolors="grey", zorder=3)
    pruned(axes, places([row for row in rows if row["state"] == "pruned"]))
    _ring(axes, places(best))
    end_of_off = right * (right / left) ** 0.16
    axes.set_xlim(left, end_of_off)
    for start, end, text in ((left, short, ""), (long, right, "no-op"), (right, end_of_off, "off")):
        axes.axvspan(start, end, color="#EEEEEE" if text != "off" else PALE, zorder=0, linewidth=0)
        _told(axes, math.sqrt(start * end), text)
    _told(axes, short, "← too strong", y=0.86, side="left")
    ticks = [10.0**power for power in range(-6, 12, 2) if left < 10.0**power < right]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("decay timescale (epochs)")


def packed(panels: Mapping[str, Sequence[str]], columns: int) -> list[list[tuple[str, str]]]:
    """Rows of (arm, panel): an arm's panels stay together, in the order of arms; short arms fill up longer ones.

    >>> packed({"none": "a", "b": "xyz"}, 4), packed({"none": "a", "b": "xyz"}, 3)
    ([[('b', 'x'), ('b', 'y'), ('b', 'z'), ('none', 'a')]], [[('none', 'a')], [('b', 'x'), ('b', 'y'), ('b', 'z')]])
    """
    rows: list[list[tuple[str, str]]] = []
    for arm in sorted(panels, key=lambda arm: -len(panels[arm])):
        every = [(arm, panel) for panel in panels[arm]]
        for start in range(0, len(every), columns):
            piece = every[start : start + columns]
            room = next((row for row in rows if len(row) + len(piece) <= columns), None)
            room.extend(piece) if room is not None else rows.append(piece)
    return sorted(rows, key=lambda row: [*panels].index(row[0][0]))


def ticks(dimension: Dimension) -> list[float]:
    """Two to four round strengths in the range that is on.

    >>> ticks(Dimension(low=1e-4, high=1.0, log=True)), ticks(Dimension(low=0.0, high=0.6))
    ([0.0001, 0.01, 1.0], [0.0, 0.2, 0.4, 0.6])
    """
    low, high = dimension.low, dimension.high
    found = [round(float(tick), 9) for tick in MaxNLocator(3).tick_values(low, high)]
    if dimension.log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [float(f"1e{power}") for power in powers]
    inside = [tick for tick in found if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside[:: 2 if dimension.log and len(inside) > 3 else 1] if len(inside) > 1 else [low, high]


def _parameters(found: Found) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = found["results"]["points"][0]["parameters"]
    return parameters


def _winner(found: Found, arm: str, rows: Sequence[Row]) -> list[Row]:
    """The trial that an arm's winner is, alone, or nothing."""
    winner = found["arms"].get(arm, {}).get("trial")
    return [row for row in rows if row["trial"] == winner]


def _fresh(found: Found) -> str:
    return f"On fresh seeds, which are not shown here: {sample(found['results'], ('train', 'validation'))}"


def _panels(arm: str, search: Search) -> list[str]:
    """What is drawn of an arm."""
    names = [*search.dimensions(arm)]
    return [*names, *(["timescale"] if names[1:] == ["weight_decay"] else [])]


def _range(axis: Axis, dimension: Dimension) -> None:
    """Show the sampled range, with numbers where it is on and a shade where it means off."""
    axes, (low, high) = axis.axes, dimension.sampled
    across = axis is axes.xaxis
    scale: Any = axes.set_xscale if across else axes.set_yscale
    limits: Any = axes.set_xlim if across else axes.set_ylim
    scale("log" if dimension.log else "linear")
    pad = (high / low) ** 0.03 if dimension.log else 0.03 * (high - low)
    ends = (low / pad, high * pad) if dimension.log else (low - pad, high + pad)
    limits(*ends)
    axis.set_major_locator(FixedLocator(ticks(dimension)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if dimension.off:
        off = (ends[0], dimension.low) if dimension.weak == "low" else (dimension.high, ends[1])
        (axes.axvspan if across else axes.axhspan)(*off, color=PALE, alpha=0.75, zorder=0.5, linewidth=0)
        if across:
            _told(axes, math.sqrt(off[0] * off[1]) if dimension.log else sum(off) / 2, "off")


def _told(axes: Axes, x: float, text: str, *, y: float = 0.98, side: Literal["left", "center"] = "center") -> None:
    place = axes.get_xaxis_transform()
    axes.text(x, y, text, transform=place, ha=side, va="top", fontsize=9, color=DARK[GREY], zorder=4)


def _ring(axes: Axes, places: Sequence[tuple[float, float | None]]) -> None:
    for x, y in places:
        if y is not None:
            axes.plot(x, y, **WINNER, zorder=5)


def _slice_legend() -> list[Any]:
    return [
        Line2D([], [], color="#2171b5", marker="o", markeredgecolor="grey", linestyle="", label="completed"),
        hollow("pruned, at its last rung"),
        Line2D([], [], **WINNER, label="winner"),
        Patch(color=PALE, label="off"),
    ]
