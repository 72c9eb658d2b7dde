"""What do plots of trials have in common? Optuna draws on axes of ours; trials are read from finished tables."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock, patch

import matplotlib.pyplot as plt
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from optuna import Study
from optuna.exceptions import ExperimentalWarning

from pipeline.config.search_space import Search
from pipeline.reporting.figures.canvas import GREY, Row
from pipeline.search.trials import rungs_of, study_of

Found = Mapping[str, Any]  # the finished table of a search


@contextmanager
def optuna_draws_on(axes: Axes, figure: Any = None) -> Iterator[Any]:
    """Optuna's plots, made to draw on axes of ours, in our style.

    It asks pyplot for axes, a style and a legend: pyplot hands out these and leaves the others alone for a moment, so
    that none of its figures comes to be. Colour bars and titles of figures go to a stand-in.
    """
    from optuna.visualization import matplotlib as plots  # noqa: PLC0415  (a second: it loads scikit-learn)

    handed_out = (Mock() if figure is None else figure, axes)
    with (
        patch.object(plt, "subplots", lambda *_, **__: handed_out),
        patch.object(plt, "legend"),
        patch.object(plt.style, "use"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield plots


def spaced(
    lines: int, columns: int, *, panel: tuple[float, float], gaps: tuple[float, float], edges: tuple[float, float]
) -> tuple[Figure, NDArray[Any]]:
    """A figure of many panels, laid out by hand, which takes a third of the time; inches.

    Args:
        lines: rows of panels.
        columns: panels in a row.
        panel: width and height of one.
        gaps: between panels, across and down; down is also what is left below.
        edges: what is left beside them, and above.
    """
    width = edges[0] + columns * panel[0] + (columns - 1) * gaps[0] + 0.15
    height = edges[1] + lines * (panel[1] + gaps[1]) - 0.2
    figure = Figure(figsize=(width, height))
    ends = {"left": edges[0] / width, "right": 1 - 0.15 / width, "top": 1 - edges[1] / height}
    between = {"bottom": (gaps[1] - 0.2) / height, "wspace": gaps[0] / panel[0], "hspace": gaps[1] / panel[1]}
    return figure, figure.subplots(lines, columns, squeeze=False, gridspec_kw=ends | between)


def titled_legend(figure: Figure, found: Found, handles: Sequence[Any]) -> None:
    """What marks mean, in a line at the top, with the data set's name in front."""
    figure.legend(handles=handles, loc="upper center", ncols=len(handles))
    name = found["results"]["dataset"]["name"]
    figure.text(0.012, 1 - 0.13 / figure.get_figheight(), name, va="top", fontweight="bold", fontsize=13)


def study_in_memory(arm: str, rows: Sequence[Row], search: Search) -> Study:
    """A study in memory, of which Optuna says nothing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return study_of(arm, rows, search)


def first_objective(found: Found) -> Search:
    """What was searched, as if there were one objective."""
    search = Search.model_validate(found["search"])
    return search.model_copy(update={"objectives": search.objectives[:1]})


def value_of(row: Row, search: Search) -> float | None:
    """A trial's objective; where it was pruned, what it had reached at its last rung."""
    rungs = [told for told in rungs_of(row).values() if told is not None]
    value: float | None = row[search.objectives[0]] if row["state"] == "complete" else rungs[-1] if rungs else None
    return value


def values_of(rows: Sequence[Row], search: Search) -> list[float]:
    """All objectives that there are."""
    return [value for row in rows for value in [value_of(row, search)] if value is not None]


def pruned(axes: Axes, places: Sequence[tuple[float, float | None]]) -> None:
    """Small, hollow marks."""
    known = [(x, y) for x, y in places if y is not None]
    if known:
        axes.plot(*zip(*known, strict=True), "o", color=GREY, markersize=4, fillstyle="none", mew=0.9, zorder=2)


def hollow(label: str) -> Line2D:
    """What they look like in a legend."""
    return Line2D([], [], color=GREY, marker="o", linestyle="", fillstyle="none", markersize=4, label=label)
