"""Sections of the pages: finished tables with the pictures that were drawn of them, as the stages write them."""

from __future__ import annotations

from pipeline.results.baselines import BaselineResults
from pipeline.results.calibrators import CalibratorResults
from pipeline.results.champion import ChampionResults
from pipeline.results.record import Record
from pipeline.results.search import SearchResults
from pipeline.results.study import StudyResults


class Picture(Record):
    """A figure for a page: SVG without its caption, and that."""

    svg: str
    caption: str


class Section(Record):
    """A data set's part of the study page: its finished tables, and pictures by name."""

    results: StudyResults
    search: SearchResults
    calibrators: CalibratorResults
    baselines: BaselineResults
    champion: ChampionResults
    pictures: dict[str, Picture]
