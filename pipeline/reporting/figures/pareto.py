"""The Pareto fronts of a search with two objectives."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.figures.canvas import COLOURS, INK, SHAPES, Drawing, new_figure, sample
from pipeline.reporting.text.numbers import OBJECTIVES
from pipeline.results.readable_names import readable_arms
from pipeline.results.search import SearchResults
from pipeline.search.trials import Trial


def pareto(search: SearchResults, trials: Sequence[Trial]) -> Drawing | None:
    """Two objectives against each other, the front of each arm joined; None where there is one."""
    objectives, budget = search.search.objectives, search.search
    if len(objectives) < 2:
        return None
    figure = new_figure(9, 6)
    axes = figure.subplots()
    for place, arm in enumerate(dict.fromkeys(trial.arm for trial in trials)):
        shape, colour = ("*", INK) if arm == "none" else (SHAPES[place % len(SHAPES)], COLOURS[place % len(COLOURS)])
        complete = [trial.values for trial in trials if trial.arm == arm and trial.is_complete]
        x, y = ([values[name] for values in complete] for name in objectives)
        axes.plot(x, y, shape, color=colour, markersize=5, alpha=0.4, fillstyle="none")
        front = search.arms[arm].front if arm in search.arms else ()
        x, y = ([values[name] for values in front] for name in objectives)
        axes.plot(x, y, color=colour, drawstyle="steps-post", linewidth=1.4)
        axes.plot(x, y, shape, color=colour, markersize=12 if arm == "none" else 8, label=readable_arms(arm))
    labels = [f"validation {OBJECTIVES[name]}" for name in objectives]
    axes.set(xlabel=labels[0], ylabel=labels[1])
    figure.legend(loc="outside upper center", ncols=3)
    caption = (
        "Completed trials (pale), and those of each arm that no other one of it beats in both (filled, joined): down "
        f"and left is better. {budget.trials} trials an arm: means over {budget.seeds} seeds of the search, on "
        f"validation rows. On fresh seeds, which are not shown here: {sample(search.results, ('train', 'validation'))}"
    )
    return Drawing(figure, caption)
