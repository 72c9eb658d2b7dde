"""What did the search find, and when? Optuna's history and importances of finished trials, and fronts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator
from optuna import Study
from optuna.trial import TrialState

from pipeline.config.search_space import Search
from pipeline.reporting.figures.canvas import (
    BLUE,
    COLOURS,
    DARK,
    GREY,
    INK,
    ORANGE,
    SHAPES,
    Drawing,
    Row,
    new_figure,
    sample,
    values_axis,
)
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
from pipeline.search.trials import FEWEST, by_arm, complete

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator


def known(shares: Mapping[str, float]) -> "BaseImportanceEvaluator":
    """Importances that a finished table holds already, for Optuna to draw."""
    from optuna.importance import BaseImportanceEvaluator  # noqa: PLC0415  (a second: it loads scikit-learn)

    class Known(BaseImportanceEvaluator):
        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            return {name: shares[name] for name in sorted(shares, key=lambda name: -shares[name])}

    return Known()


def history(found: Found, trials: Sequence[Row]) -> Drawing:
    """The objective of every trial, and the best so far: a panel an arm."""
    search, arms = first_objective(found), by_arm(trials)
    columns = min(3, len(arms))
    lines = -(-len(arms) // columns)
    figure, grid = spaced(lines, columns, panel=(3.9, 1.8), gaps=(0.25, 0.85), edges=(0.8, 0.85))
    panels = grid.ravel()
    for axes, (arm, rows) in zip(panels, arms.items(), strict=False):
        history_panel(axes, study_in_memory(arm, rows, search), rows, search)
        fresh = _fresh(found, arm)
        if fresh is not None:
            axes.axhline(fresh, color=BLUE, linewidth=1.3, linestyle=":", zorder=2)
        axes.set(title=readable_arms(arm), xlabel="trial", ylabel="")
        axes.tick_params(labelleft=axes in grid[:, 0])
        values_axis(axes.yaxis, values_of(trials, search))
    for axes in panels[len(arms) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"validation {OBJECTIVES[search.objectives[0]]}")
    handles = [
        Line2D([], [], color=BLUE, marker="o", linestyle="", label="completed"),
        hollow("pruned, at its last rung"),
        Line2D([], [], color=ORANGE, label="best so far"),
        Line2D([], [], color=BLUE, linestyle=":", label="the winner on fresh seeds"),
    ]
    titled_legend(figure, found, handles)
    words = (
        f"{search.trials} trials an arm: means over {search.seeds} seeds of the search, on validation rows. "
        f"{_startup(search)}{_batches(search)} A "
        "pruned trial was ended early; its mark is what it had reached then, and cannot be compared with completed "
        "ones. Where the dotted line lies above the last best value, the search was optimistic. On fresh seeds: "
        f"{sample(found['results'], ('train', 'validation'))}"
    )
    return Drawing(figure, words)


def history_panel(axes: Axes, study: Study, rows: Sequence[Row], search: Search) -> None:
    """Optuna's history of a study, and the trials that were pruned."""
    if search.sampler.kind in ("tpe", "gp"):
        axes.axvspan(-0.7, min(search.sampler.startup, len(rows)) - 0.5, color="#F3F3F3", zorder=0)
    if complete(rows):
        with optuna_draws_on(axes) as plots:
            plots.plot_optimization_history(study)
        axes.collections[0].set(color=BLUE, sizes=[26], zorder=3)
        axes.lines[-1].set(color=ORANGE, alpha=1, linewidth=1.8, drawstyle="steps-post")
        if legend := axes.get_legend():
            legend.remove()
    pruned(axes, [(row["trial"], value_of(row, search)) for row in rows if row["state"] == "pruned"])
    axes.set_xlim(-0.7, len(rows) + 0.3)
    axes.xaxis.set_major_locator(MultipleLocator(search.batch) if search.batch > 1 else MaxNLocator(6, integer=True))


def importances(found: Found, trials: Sequence[Row]) -> Drawing | None:
    """Which strength tells good trials from others: bars of an arm's shares; None where no arm has any."""
    search, arms = first_objective(found), by_arm(trials)
    several = [arm for arm in arms if len(search.dimensions(arm)) > 1]
    if not several:
        return None
    known = {arm: found["arms"].get(arm, {}).get("importances") for arm in several}
    sides = halves({arm: len(known[arm] or "..") for arm in several})
    figure = new_figure(5.4 * len(sides), max(sum(0.3 * size + 0.8 for size in side.values()) for side in sides) + 0.7)
    FigureCanvasAgg(figure)  # which Optuna measures its labels on
    for part, side in zip(figure.subfigures(1, len(sides), squeeze=False)[0], sides, strict=True):
        panels = part.subplots(len(side), 1, squeeze=False, height_ratios=[size + 1 for size in side.values()])
        for axes, arm in zip(panels[:, 0], side, strict=True):
            importance_panel(axes, study_in_memory(arm, arms[arm], search), known[arm])
        panels[-1, 0].set_xlabel("share of importance")
    data = found["results"]["dataset"]
    figure.suptitle(f"{data['name']}: trials of the search", x=0.01, ha="left", fontweight="bold")
    words = (
        f"{data['name']}: how much each strength tells the better of an arm's completed trials from the rest, by "
        f"{OBJECTIVES[search.objectives[0]]} on {data['validation']} validation rows (means over {search.seeds} seeds) "
        f"of {search.trials} trials an arm: "
        "shares that add up to 1, by PED-ANOVA (Watanabe, Bansal & Hutter 2023). It says nothing about direction, "
        f"carries no interval, and needs {FEWEST} completed trials. Pruned trials are left out."
    )
    return Drawing(figure, words)


def importance_panel(axes: Axes, study: Study, shares: Mapping[str, float] | None) -> None:
    """Optuna's bars of shares that are known, or why there are none."""
    axes.set_title(readable_arms(study.study_name))
    if not shares:
        done = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        told = f"{done} of {len(study.get_trials(deepcopy=False))} trials completed: too few to tell"
        axes.text(0, 0.92, told, va="top", transform=axes.transAxes, color=DARK[GREY])
        axes.axis("off")
        axes.set_xlim(0, 1.12)
        return
    with optuna_draws_on(axes, axes.get_figure(root=True)) as plots:
        plots.plot_param_importances(study, evaluator=known(shares))
    axes.set(title=readable_arms(study.study_name), ylabel="", xlabel="")
    if legend := axes.get_legend():
        legend.remove()
    for bar in axes.patches:
        bar.set_color(BLUE)
    for text in axes.texts:
        text.set(fontsize=10, x=text.get_position()[0] + 0.012)
    axes.set_yticks(axes.get_yticks(), [readable(label.get_text()) for label in axes.get_yticklabels()])
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.5, 1])
    axes.grid(axis="y", visible=False)


def halves(sizes: Mapping[str, int]) -> list[dict[str, int]]:
    """Panels of some sizes in two columns of about the same height, in their order; one column where that is enough.

    >>> halves({"a": 2, "b": 2, "c": 5, "d": 11})
    [{'a': 2, 'b': 2, 'c': 5}, {'d': 11}]
    """
    room, columns = (sum(sizes.values()) + len(sizes)) / 2, ({}, {})  # type: tuple[float, tuple[dict[str, int], ...]]
    for arm, size in sizes.items():
        used = sum(columns[0].values()) + len(columns[0])
        columns[0 if not columns[1] and used + (size + 1) / 2 <= room else 1][arm] = size
    return [column for column in columns if column]


def pareto(found: Found, trials: Sequence[Row]) -> Drawing | None:
    """Two objectives against each other, the front of each arm joined; None where there is one."""
    objectives = found["search"]["objectives"]
    if len(objectives) < 2:
        return None
    figure = new_figure(9, 6)
    axes = figure.subplots()
    for place, (arm, rows) in enumerate(by_arm(trials).items()):
        shape, colour = ("*", INK) if arm == "none" else (SHAPES[place % len(SHAPES)], COLOURS[place % len(COLOURS)])
        x, y = ([row[name] for row in complete(rows)] for name in objectives)
        axes.plot(x, y, shape, color=colour, markersize=5, alpha=0.4, fillstyle="none")
        front = found["arms"].get(arm, {}).get("front", [])
        x, y = ([row[name] for row in front] for name in objectives)
        axes.plot(x, y, color=colour, drawstyle="steps-post", linewidth=1.4)
        axes.plot(x, y, shape, color=colour, markersize=12 if arm == "none" else 8, label=readable_arms(arm))
    labels = [f"validation {OBJECTIVES[name]}" for name in objectives]
    axes.set(xlabel=labels[0], ylabel=labels[1])
    figure.legend(loc="outside upper center", ncols=3)
    budget = f"{found['search']['trials']} trials an arm: means over {found['search']['seeds']} seeds of the search"
    words = (
        "Completed trials (pale), and those of each arm that no other one of it beats in both (filled, joined): down "
        f"and left is better. {budget}, on validation rows. On fresh seeds, which are not shown here: "
        f"{sample(found['results'], ('train', 'validation'))}"
    )
    return Drawing(figure, words)


def _fresh(found: Found, arm: str) -> float | None:
    optimism = found["arms"].get(arm, {}).get("optimism", {})
    known = [optimism.get(name) for name in ("searched", "mean")]
    return None if None in known else sum(known)


def _startup(search: Search) -> str:
    random = search.sampler.kind in ("tpe", "gp")
    return f"Grey: the first {search.sampler.startup} trials, drawn at random. " if random else ""


def _batches(search: Search) -> str:
    return f"Trials are proposed {search.batch} at a time." if search.batch > 1 else ""
