"""Records of a finished search: arms, their winners on fresh seeds, and combinations of winners."""

from __future__ import annotations

from typing import Literal

from pipeline.config.decay_timescale import DecayTimescale
from pipeline.config.search_space import Search
from pipeline.config.settings import Setting
from pipeline.metrics.names import MetricName
from pipeline.results.record import Record
from pipeline.results.study import Comparison, StudyResults

ContenderKind = Literal["tuned", "stacked"]


class TrialCounts(Record):
    """How many trials of an arm ended how."""

    complete: int
    pruned: int
    failed: int


class Optimism(Record):
    """How much worse a winner is on fresh seeds than the search took it to be: mean and Welch's interval."""

    searched: float | None
    mean: float | None
    low: float | None
    high: float | None


class ArmResult(Record):
    """What an arm's search found: the winning trial, its value and strengths, and how optimistic that value was.

    Attributes:
        network_epochs: What the search has cost: networks times epochs, of pruned trials those until they ended.
    """

    trial: int
    value: float
    strengths: dict[str, Setting]
    trials: TrialCounts
    network_epochs: int
    optimism: Optimism
    decay: DecayTimescale | None
    importances: dict[str, float] | None
    front: tuple[dict[str, int | float], ...]
    edges: tuple[str, ...]


class PairResult(Record):
    """Winner `a` compared with winner `b`, on fresh seeds."""

    a: str
    b: str
    metrics: dict[MetricName, Comparison]


class InteractionResult(Record):
    """A combination of arms compared with the best of its parts, on fresh seeds."""

    name: str
    kind: ContenderKind
    parts: tuple[str, ...]
    best_single: str
    metrics: dict[MetricName, Comparison]


class SearchResults(Record):
    """The finished table of a search, as reports/<dataset>/search.json holds it."""

    search: Search
    results: StudyResults
    arms: dict[str, ArmResult]
    pairs: tuple[PairResult, ...]
    interactions: tuple[InteractionResult, ...]
