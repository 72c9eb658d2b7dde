"""Judging models on rows that none of them has seen: losses, calibration, prediction sets, and what decisions cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from pipeline.calibration.conformal import SCORES, Conformal
from pipeline.champion.model import Probabilities, row_losses
from pipeline.evaluation.decisions import by_threshold, usual_decisions
from pipeline.evaluation.event_diagram import event_diagram
from pipeline.evaluation.one_model import OneModel, headline, report
from pipeline.metrics.decisions import Costs, best_threshold
from pipeline.results.champion import ChampionCalibration, Contender, RowMean, SetResult
from pipeline.results.decisions import DecisionResult
from pipeline.statistics.intervals import mean_interval

_Labels = Int64[np.ndarray, " rows"]


def judged(probabilities: Mapping[str, Probabilities], labels: _Labels) -> list[Contender]:
    """Every model on the same rows, and its log-loss minus that of the first, row by row.

    Intervals are Student's over rows, as if these were independent.
    """
    losses = {name: row_losses(each, labels) for name, each in probabilities.items()}
    first = next(iter(losses.values()))
    truth = np.eye(next(iter(probabilities.values())).shape[1])[labels]
    return [
        Contender(
            name=name,
            nll=_mean(losses[name]),
            brier=_mean(np.square(each - truth).sum(axis=1)),
            accuracy=_mean(each.argmax(axis=1) == labels),
            difference=_mean(losses[name] - first),
        )
        for name, each in probabilities.items()
    ]


def calibration_of(probabilities: Probabilities, labels: _Labels, classes: tuple[str, ...]) -> ChampionCalibration:
    """Whether probabilities can be trusted, all in all and class by class, with a reliability diagram."""
    model = OneModel(probabilities, labels)
    found = report(model, classes)
    diagram = event_diagram(headline(model.given))
    return ChampionCalibration(event=found.given.event, each=found.each, gain=found.gain, diagram=diagram)


def sets_of(
    conformal: Conformal, probabilities: Probabilities, labels: _Labels, *, coverage: float
) -> tuple[SetResult, ...]:
    """How often sets of each method hold the class, and how large they are."""
    results = []
    for method in SCORES:
        sets = conformal.sets(probabilities, coverage=coverage, method=method)
        covered = np.take_along_axis(sets, labels[:, None], axis=1)[:, 0]
        results.append(SetResult(method=method, asked=coverage, covered=_mean(covered), size=_mean(sets.sum(axis=1))))
    return tuple(results)


def decisions_by(
    probabilities: Probabilities, labels: _Labels, costs: Costs, *, held_out: tuple[Probabilities, _Labels]
) -> tuple[DecisionResult, ...]:
    """What deciding costs by the likeliest class, by least expected cost, and by a threshold tuned on rows held out."""
    usual = usual_decisions(probabilities, labels, costs)
    if len(costs) > 2:
        return usual
    threshold = best_threshold(held_out[0][:, 1], held_out[1], costs)
    return (*usual, by_threshold("tuned threshold", probabilities[:, 1], labels, costs, threshold=threshold))


def _mean(values: Float64[np.ndarray, " rows"]) -> RowMean:
    interval = mean_interval(np.asarray(values, dtype=np.float64))
    return RowMean(mean=float(interval.mean), low=float(interval.low), high=float(interval.high))
