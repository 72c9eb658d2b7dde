"""Comparison of every point with the unregularized one after calibrators other than the study's own."""

from __future__ import annotations

import numpy as np

from pipeline.core.rng import Purpose, generator
from pipeline.metrics.names import MetricName
from pipeline.results.calibrators import CalibratorResult, CalibratorResults
from pipeline.results.comparison import protocol_of
from pipeline.results.paired_columns import Roles, Scores, compare_columns
from pipeline.results.record import finite
from pipeline.results.scored_points import overlap_of
from pipeline.results.study import Comparison, StudyResults
from pipeline.statistics.shared_rows import Groups

NLL = MetricName("test", "after", "nll")


def calibrator_results(study: StudyResults, scores: Scores, groups: Groups) -> CalibratorResults:
    """The finished table: the study's own comparisons, and those after each other calibrator.

    They are made as the study's are, with the same intervals, widening and resampled seeds.

    Args:
        study: its finished table.
        scores: test NLL (points, seeds) by calibrator.
        groups: the same of groups of test rows (points, seeds, groups), or nothing.
    """
    usual = _usual(study)
    counted = tuple(
        point.key
        for point in study.contenders
        if not point.duplicate and (entry := point.comparison(NLL)) is not None and entry.left_out is None
    )
    return CalibratorResults(
        seeds=study.protocol.seeds,
        confidence=study.protocol.confidence,
        counted=counted,
        usual=usual,
        others=tuple(
            _other(study, name, of_points, _compared(study, of_points, groups.get(name)))
            for name, of_points in scores.items()
        ),
    )


def _usual(study: StudyResults) -> CalibratorResult:
    return CalibratorResult(
        name=study.protocol.calibrator,
        nll={point.key: point.mean(NLL) for point in study.points},
        against_reference={point.key: entry for point in study.points if (entry := point.comparison(NLL)) is not None},
    )


def _other(study: StudyResults, name: str, scores: np.ndarray, compared: dict[str, Comparison]) -> CalibratorResult:
    means = (finite(float(np.mean(values))) for values in scores)
    nll = {point.key: mean for point, mean in zip(study.points, means, strict=True)}
    return CalibratorResult(name=name, nll=nll, against_reference=compared)


def _compared(study: StudyResults, scores: np.ndarray, groups: np.ndarray | None) -> dict[str, Comparison]:
    """Every point but the reference, by key."""
    points = study.points
    of_groups = {} if groups is None else {str(NLL): groups}
    columns = compare_columns(
        {str(NLL): scores},
        directions={str(NLL): "lower"},
        roles=Roles(
            reference=study.reference.index,
            a_a=np.array([point.a_a for point in points]),
            duplicate=np.array([point.duplicate for point in points]),
        ),
        overlap=overlap_of(study.dataset, of_groups),
        protocol=protocol_of(study.protocol.least_effect),
        generator=generator(0, Purpose.BOOTSTRAP),
    )
    return {
        point.key: column[NLL]
        for point, column in zip(points, columns, strict=True)
        if point.key != study.reference.key
    }
