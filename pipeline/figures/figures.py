"""Which figures are there? Each is drawn from the finished tables of a data set, or of several."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.figures.canvas import Drawing
from pipeline.figures.comparison_plots import forest, headline
from pipeline.figures.line_plots import curves, sweeps
from pipeline.figures.rank_plots import rankings, temperature
from pipeline.figures.reliability_plots import point_reliability, reliability
from pipeline.figures.search_plots import arms, best, interactions
from pipeline.figures.slice_plots import contours, slices
from pipeline.figures.trial_plots import history, importances, pareto

__all__ = ["FIGURES", "best", "headline", "point_reliability", "rankings"]

FIGURES: dict[str, Callable[[Mapping[str, Any]], Drawing | None]] = {
    "headline": lambda tables: headline([tables["results"]]),
    "forest": lambda tables: forest(tables["results"]),
    "temperature": lambda tables: temperature(tables["results"]),
    "reliability": lambda tables: reliability(tables["results"], tables["diagrams"]),
    "curves": lambda tables: curves(tables["results"], tables["history"]),
    "sweeps": lambda tables: sweeps(tables["results"], tables["sweeps"]),
    "slices": lambda tables: slices(tables["search"], tables["trials"]),
    "contours": lambda tables: contours(tables["search"], tables["trials"]),
    "arms": lambda tables: arms(tables["search"]),
    "interactions": lambda tables: interactions(tables["search"]),
    "history": lambda tables: history(tables["search"], tables["trials"]),
    "importances": lambda tables: importances(tables["search"], tables["trials"]),
    "pareto": lambda tables: pareto(tables["search"], tables["trials"]),
}
