"""Comparison of baselines with no regularization and with the answer, paired by seed, in families of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from pipeline.config.baselines import Baseline
from pipeline.core.rng import Purpose, generator
from pipeline.metrics.names import MetricName
from pipeline.results.baselines import BaselineResult, BaselineResults, Rival
from pipeline.results.dataset import DatasetSummary
from pipeline.results.metric_summaries import metric_summaries
from pipeline.results.paired_columns import Comparisons, Protocol, Roles, compare_columns
from pipeline.results.scored_points import overlap_of
from pipeline.results.study import MetricSummary
from pipeline.statistics.paired_comparison import Direction

Stacked = dict[str, np.ndarray]


@dataclass(frozen=True)
class Entrant:
    """What has scores on the study's seeds: by metric (seeds,), and on groups of test rows (seeds, groups)."""

    name: str
    md5: str
    scores: Mapping[str, Float[np.ndarray, " seeds"]]
    groups: Mapping[str, Float[np.ndarray, "seeds groups"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Entrants:
    """Baselines with their rows of params.yaml, the networks that they are compared with, and how."""

    none: Entrant
    answer: Entrant | None
    baselines: Sequence[tuple[Baseline, Entrant]]
    directions: Mapping[str, Direction]
    dataset: DatasetSummary
    protocol: Protocol


def baseline_results(entrants: Entrants) -> BaselineResults:
    """The finished table: no regularization, the answer, and every baseline against both.

    Holm's step-down counts baselines alone, so that no comparison of networks changes because of them.
    """
    none, answer, fitted = entrants.none, entrants.answer, [entrant for _, entrant in entrants.baselines]
    against_none = _compared([none, *fitted], entrants)
    against_answer = [{} for _ in fitted] if answer is None else _compared([answer, *fitted], entrants)
    means = _means(fitted, entrants)
    return BaselineResults(
        seeds=len(next(iter(none.scores.values()))),
        confidence=entrants.protocol.confidence,
        none=_rival(none, {}, entrants),
        answer=None if answer is None else _rival(answer, _compared([none, answer], entrants)[0], entrants),
        baselines=tuple(
            BaselineResult(
                name=entrant.name,
                settings=row,
                md5=entrant.md5,
                metrics=means[i],
                against_reference=against_none[i],
                against_answer=against_answer[i],
            )
            for i, (row, entrant) in enumerate(entrants.baselines)
        ),
    )


def _rival(entrant: Entrant, compared: Comparisons, entrants: Entrants) -> Rival:
    return Rival(name=entrant.name, metrics=_means([entrant], entrants)[0], against_reference=compared)


def _means(some: Sequence[Entrant], entrants: Entrants) -> list[dict[MetricName, MetricSummary]]:
    if not some:
        return []
    scores, groups = _stacked(some)
    return metric_summaries(scores, overlap_of(entrants.dataset, groups), entrants.protocol)


def _compared(some: Sequence[Entrant], entrants: Entrants) -> list[Comparisons]:
    """All but the first compared with the first; they are the family that Holm's step-down corrects for."""
    if len(some) == 1:
        return []
    scores, groups = _stacked(some)
    outside = np.zeros(len(some), dtype=bool)
    compared = compare_columns(
        scores,
        directions=entrants.directions,
        roles=Roles(reference=0, a_a=outside, duplicate=outside),
        overlap=overlap_of(entrants.dataset, groups),
        protocol=entrants.protocol,
        generator=generator(0, Purpose.BOOTSTRAP),
    )
    return compared[1:]


def _stacked(some: Sequence[Entrant]) -> tuple[Stacked, Stacked]:
    """Scores (entrants, seeds) and those of groups (entrants, seeds, groups), by metric."""
    first = some[0]
    return (
        {name: np.stack([entrant.scores[name] for entrant in some]) for name in first.scores},
        {name: np.stack([entrant.groups[name] for entrant in some]) for name in first.groups},
    )
