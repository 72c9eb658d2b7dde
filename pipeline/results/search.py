"""Records of a finished search: arms, their winners on fresh seeds, and combinations of winners."""

from __future__ import annotations

from typing import Annotated, Literal

from pipeline.config.decay_timescale import DecayTimescale
from pipeline.config.search_space import Search
from pipeline.config.settings import Setting
from pipeline.core.strict_model import OmitDefault
from pipeline.metrics.names import MetricName
from pipeline.results.record import Record
from pipeline.results.study import Comparison, MetricSummary, StudyResults

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


class EnsembleResult(Record):
    """An arm's winner as one network and as the mean of several, on the same splits.

    Attributes:
        single: Metrics of one network.
        ensemble: Metrics of the mean.
        averaging: The mean minus one network of the same arm.
        single_against_none: One network minus one of none; nothing for none itself, here and below.
        single_against_ensemble: One network minus the mean of none.
        ensemble_against_none: The mean minus one network of none.
        ensemble_against_ensemble: The mean minus the mean of none.
    """

    arm: str
    single: dict[MetricName, MetricSummary]
    ensemble: dict[MetricName, MetricSummary]
    averaging: dict[MetricName, Comparison]
    single_against_none: dict[MetricName, Comparison]
    single_against_ensemble: dict[MetricName, Comparison]
    ensemble_against_none: dict[MetricName, Comparison]
    ensemble_against_ensemble: dict[MetricName, Comparison]


class EnsembleResults(Record):
    """Means of `members` networks that share a split, compared on the first `splits` of the study's; none first."""

    members: int
    splits: int
    arms: tuple[EnsembleResult, ...]


class SearchResults(Record):
    """The finished table of a search, as reports/<dataset>/search.json holds it."""

    search: Search
    results: StudyResults
    arms: dict[str, ArmResult]
    pairs: tuple[PairResult, ...]
    interactions: tuple[InteractionResult, ...]
    ensembles: Annotated[EnsembleResults | None, OmitDefault()] = None
