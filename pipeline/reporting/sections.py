"""Sections of the pages: finished tables with the pictures that were drawn of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ConfigDict, RootModel

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


class Pictures(RootModel[dict[str, Picture]]):
    """A data set's figures by name, as pictures/<dataset>.json holds them."""

    model_config = ConfigDict(frozen=True, strict=True)


@dataclass(frozen=True)
class Section:
    """A data set's part of the study page: its finished tables, and pictures by name."""

    results: StudyResults
    search: SearchResults
    calibrators: CalibratorResults
    baselines: BaselineResults
    champion: ChampionResults
    pictures: Mapping[str, Picture]
