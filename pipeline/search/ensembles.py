"""Ensembles of winners compared with single networks and with each other, on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.core.rng import Purpose, generator
from pipeline.metrics.names import MetricName
from pipeline.results.comparison import ScoredPoints, compare_points
from pipeline.results.search import EnsembleResult, EnsembleResults
from pipeline.results.study import Comparison, PointResult

REFERENCE = "none"
SINGLE, ENSEMBLE = "single", "ensemble"
COMPARED = ("test/nll", "test/accuracy", "test/ece", "test_calibrated/nll", "test_calibrated/ece")
Entrant = tuple[str, str]
"""`SINGLE` or `ENSEMBLE`, and an arm."""
Metrics = dict[MetricName, Comparison]


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
    of_singles, of_ensembles = (_compared(few, entrants) for entrants in (singles, ensembles))
    against_one = _against(few, ensembles, (SINGLE, REFERENCE))
    against_many = _against(few, singles, (ENSEMBLE, REFERENCE))
    results = tuple(
        EnsembleResult(
            arm=arm,
            single=of_singles[SINGLE, arm].metrics,
            ensemble=of_ensembles[ENSEMBLE, arm].metrics,
            averaging=_against(few, [(ENSEMBLE, arm)], (SINGLE, arm))[ENSEMBLE, arm],
            single_against_none=of_singles[SINGLE, arm].against_reference,
            single_against_ensemble=against_many[SINGLE, arm],
            ensemble_against_none=against_one[ENSEMBLE, arm],
            ensemble_against_ensemble=of_ensembles[ENSEMBLE, arm].against_reference,
        )
        for arm in arms
    )
    return EnsembleResults(members=members, splits=scored.seeds, arms=results)


def _against(scored: ScoredPoints, entrants: Sequence[Entrant], reference: Entrant) -> dict[Entrant, Metrics]:
    """Entrants compared with one that is none of them."""
    compared = _compared(scored, [reference, *entrants])
    return {entrant: compared[entrant].against_reference for entrant in entrants}


def _compared(scored: ScoredPoints, entrants: Sequence[Entrant]) -> dict[Entrant, PointResult]:
    """Entrants compared with the first of them; the others are the family that Holm's step-down corrects for."""
    places = {(point.variant, point.name): place for place, point in enumerate(scored.points)}
    rows = [places[entrant] for entrant in entrants]
    chosen = replace(
        scored,
        points=[scored.points[row] for row in rows],
        scores={name: values[rows] for name, values in scored.scores.items()},
        groups={name: values[rows] for name, values in scored.groups.items()},
    )
    compared = compare_points(chosen, reference=0, generator=generator(0, Purpose.BOOTSTRAP))
    return dict(zip(entrants, compared, strict=True))
