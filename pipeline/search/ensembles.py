"""Ensembles of winners compared with single networks and with each other, on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.core.rng import Purpose, generator
from pipeline.metrics.names import MetricName
from pipeline.results.comparison import compare_points, roles_of
from pipeline.results.metric_summaries import metric_summaries
from pipeline.results.paired_columns import Comparisons
from pipeline.results.scored_points import ScoredPoints
from pipeline.results.search import EnsembleResult, EnsembleResults
from pipeline.results.study import MetricSummary

REFERENCE = "none"
SINGLE, ENSEMBLE = "single", "ensemble"
COMPARED = ("test/nll", "test/accuracy", "test/ece", "test_calibrated/nll", "test_calibrated/ece")
Entrant = tuple[str, str]
"""`SINGLE` or `ENSEMBLE`, and an arm."""


def ensemble_results(scored: ScoredPoints, *, members: int) -> EnsembleResults:
    """What averaging gains each arm, and what the arm gains on one network and on an average of none, by `COMPARED`.

    Args:
        scored: of every arm, by variant, the winner's network (`SINGLE`) and the mean of its networks (`ENSEMBLE`) on
            each split; names are those of arms, one of them `REFERENCE`.
        members: networks of a mean.
    """
    few = scored.of_metrics(COMPARED)
    arms = sorted({point.name: None for point in scored.points}, key=lambda arm: arm != REFERENCE)
    singles, ensembles = ([(variant, arm) for arm in arms] for variant in (SINGLE, ENSEMBLE))
    means = _means(few)
    of_singles, of_ensembles = (_compared(few, entrants) for entrants in (singles, ensembles))
    against_one = _compared(few, [(SINGLE, REFERENCE), *ensembles])
    against_many = _compared(few, [(ENSEMBLE, REFERENCE), *singles])
    results = tuple(
        EnsembleResult(
            arm=arm,
            single=means[SINGLE, arm],
            ensemble=means[ENSEMBLE, arm],
            averaging=_compared(few, [(SINGLE, arm), (ENSEMBLE, arm)])[ENSEMBLE, arm],
            single_against_none=of_singles[SINGLE, arm],
            single_against_ensemble=against_many[SINGLE, arm],
            ensemble_against_none=against_one[ENSEMBLE, arm],
            ensemble_against_ensemble=of_ensembles[ENSEMBLE, arm],
        )
        for arm in arms
    )
    return EnsembleResults(members=members, splits=scored.seeds, arms=results)


def _means(scored: ScoredPoints) -> dict[Entrant, dict[MetricName, MetricSummary]]:
    summaries = metric_summaries(scored.scores, scored.overlap, scored.protocol)
    return {(point.variant, point.name): each for point, each in zip(scored.points, summaries, strict=True)}


def _compared(scored: ScoredPoints, entrants: Sequence[Entrant]) -> dict[Entrant, Comparisons]:
    """Entrants compared with the first of them; the others are the family that Holm's step-down corrects for."""
    places = {(point.variant, point.name): place for place, point in enumerate(scored.points)}
    rows = [places[entrant] for entrant in entrants]
    chosen = replace(
        scored,
        points=[scored.points[row] for row in rows],
        scores={name: values[rows] for name, values in scored.scores.items()},
        groups={name: values[rows] for name, values in scored.groups.items()},
    )
    compared = compare_points(chosen, roles=roles_of(chosen, 0), generator=generator(0, Purpose.BOOTSTRAP))
    return dict(zip(entrants, compared, strict=True))
