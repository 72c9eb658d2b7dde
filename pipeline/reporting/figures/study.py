"""Which figures are there? Each is drawn from the finished tables of a data set, or of several."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.reporting.figures.canvas import Drawing
from pipeline.reporting.figures.comparison import forest, headline
from pipeline.reporting.figures.curves import curves, sweeps
from pipeline.reporting.figures.rankings import rankings, temperature
from pipeline.reporting.figures.reliability import point_reliability, reliability
from pipeline.reporting.figures.search import arms, best, interactions
from pipeline.reporting.figures.slices import contours, slices
from pipeline.reporting.figures.trials import history, importances, pareto

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
