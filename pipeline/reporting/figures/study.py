"""The figures of a data set, by name, each drawn from its finished tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.reporting.figures.canvas import Drawing
from pipeline.reporting.figures.champion import champion
from pipeline.reporting.figures.comparison import forest, headline
from pipeline.reporting.figures.curves import curves, sweeps
from pipeline.reporting.figures.pareto import pareto
from pipeline.reporting.figures.rankings import calibration, rankings
from pipeline.reporting.figures.reliability import point_reliability, reliability
from pipeline.reporting.figures.search import arms, best, interactions
from pipeline.results.champion import ChampionResults
from pipeline.results.reliability import PointDiagrams
from pipeline.results.search import SearchResults
from pipeline.results.series import HistoryRow, SweepRow
from pipeline.results.study import StudyResults
from pipeline.search.trials import Trial

__all__ = ["FIGURES", "StudyTables", "best", "headline", "point_reliability", "rankings"]


@dataclass(frozen=True)
class StudyTables:
    """The finished tables of a data set."""

    results: StudyResults
    diagrams: Mapping[str, PointDiagrams | None]
    history: Sequence[HistoryRow]
    sweeps: Sequence[SweepRow]
    search: SearchResults
    trials: Sequence[Trial]
    champion: ChampionResults


FIGURES: dict[str, Callable[[StudyTables], Drawing | None]] = {
    "headline": lambda tables: headline([tables.search]),
    "forest": lambda tables: forest(tables.results),
    "calibration": lambda tables: calibration(tables.results),
    "reliability": lambda tables: reliability(tables.results, tables.diagrams),
    "curves": lambda tables: curves(tables.results, tables.history),
    "sweeps": lambda tables: sweeps(tables.results, tables.sweeps),
    "arms": lambda tables: arms(tables.search),
    "interactions": lambda tables: interactions(tables.search),
    "champion": lambda tables: champion(tables.champion),
    "pareto": lambda tables: pareto(tables.search, tables.trials),
}
