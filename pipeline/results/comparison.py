"""Comparison of every point with the unregularized one, metric by metric, before and after calibration.

Scores of every point and seed become records. What cannot be compared says why; what is not finite becomes None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from pipeline.calibration.calibrator import calibrator_name
from pipeline.results.answer import answer
from pipeline.results.base_rates import base_rates
from pipeline.results.metric_summaries import metric_summaries
from pipeline.results.paired_columns import Comparisons, Protocol, Roles, compare_columns
from pipeline.results.rank_changes import find_verdict_changes, rank
from pipeline.results.scored_points import ScoredPoint, ScoredPoints
from pipeline.results.study import (
    Inflation,
    PointResult,
    ProtocolSummary,
    Reference,
    StudyResults,
)
from pipeline.statistics.intervals import paired_difference

_RESPLITS = "Nadeau-Bengio 2003, correlation simulated for training rows and measured for test rows"
_SHARED_TEST = "Searle et al. 1992, covariance of test rows measured"
LOSS_LEFT = "validation/refinement"
BASE_LOSS = "validation/nll"
"""Of a point and of the class frequencies: whether it has learned anything."""


def protocol_of(least_effect: float) -> Protocol:
    """How all studies and searches are compared."""
    return Protocol(confidence=0.95, resamples=10_000, gamma=0.75, least_effect=least_effect)


def study_results(scored: ScoredPoints, *, reference: int, generator: np.random.Generator) -> StudyResults:
    """The finished table of a study: its points compared, ranked, and the answer.

    Args:
        scored: The points with their scores, `validation/refinement` among them, and the metrics to be compared.
        reference: Index of the unregularized point.
        generator: Draws the bootstrap's seed sets.

    Raises:
        NothingToChooseError: no point has a finite validation NLL.
        ValueError: shapes, names or `reference` do not fit together.
    """
    roles = roles_of(scored, reference)
    compared = _point_results(scored, roles, compare_points(scored, roles=roles, generator=generator))
    ranking = rank(compared, scored.directions)
    protocol = _protocol_summary(scored, family=int(roles.family.sum()))
    return StudyResults(
        dataset=scored.dataset,
        protocol=protocol,
        reference=Reference(index=reference, key=compared[reference].key, variant=compared[reference].variant),
        base_rates=base_rates(scored, reference=reference, generator=generator),
        points=compared,
        ranking=ranking,
        verdict_changes=find_verdict_changes(compared, ranking),
        answer=answer(compared, reference=reference, protocol=protocol),
    )


def compare_points(scored: ScoredPoints, *, roles: Roles, generator: np.random.Generator) -> list[Comparisons]:
    """Every point's paired comparisons with the reference, by metric; the reference has none.

    The seeds of the A/A check pair up with the reference's by position only, which leaves the paired t interval valid
    (independent pairs) but not narrowed.

    A verdict needs the interval of the difference to exclude 0 as well. Where P(better) alone would decide and the
    interval does not, no number of further seeds is named (`more_seeds` is None); nor where seeds share rows and the
    widened interval includes 0: more rows would help.

    Means, differences and p values are widened, metric by metric and point by point, by
    `shared_rows.measured_widening` where the metric has groups (a gap has those of its test part): for the test rows
    that seeds share, and where they resplit one data set (`dataset.overlapping`) for training rows with the correction
    of Nadeau & Bengio (2003) and a tenth of the largest correlation that these could cause, which simulated studies
    show to be enough (`shared_rows.TRAINING_PART`). Where a metric has no groups the correlation is bounded by the
    share of the pool that it is computed on, 0 where seeds draw rows of their own. The surrogate n_test / n_train is
    quoted only: it assumes that nothing depends on the training rows, far too wide where test parts are large.
    P(better) and its interval carry no correction.

    Args:
        scored: The points with their scores, and the metrics to be compared.
        roles: Which of them is the reference, and which stand outside the family; see `roles_of`.
        generator: Draws the bootstrap's seed sets.
    """
    compared = compare_columns(
        scored.scores,
        directions=scored.directions,
        roles=roles,
        overlap=scored.overlap,
        protocol=scored.protocol,
        generator=generator,
    )
    return [{} if i == roles.reference else comparisons for i, comparisons in enumerate(compared)]


def roles_of(scored: ScoredPoints, reference: int) -> Roles:
    """The reference, and which points stand outside the family that Holm's step-down corrects for, metric by metric.

    A point with parameter `replicate` = 1 is the A/A check: the unregularized point on other seeds, flagged `a_a`. A
    point whose compared scores all equal the reference's to the bit is flagged `duplicate`.

    Raises:
        ValueError: shapes, names or `reference` do not fit together.
    """
    _check(scored, reference)
    points, scores, directions = scored.points, scored.scores, scored.directions
    replicate = points[reference].parameters.model_copy(update={"replicate": 1})
    a_a = np.array([i != reference and point.parameters == replicate for i, point in enumerate(points)])
    same = [
        i != reference
        and bool(directions)
        and all(np.array_equal(scores[m][i], scores[m][reference], equal_nan=True) for m in directions)
        for i in range(len(points))
    ]
    return Roles(reference=reference, a_a=a_a, duplicate=np.array(same) & ~a_a)


def _point_results(scored: ScoredPoints, roles: Roles, compared: Sequence[Comparisons]) -> tuple[PointResult, ...]:
    metrics = metric_summaries(scored.scores, scored.overlap, scored.protocol)
    keys, learned = _keys(scored.points), _learned(scored)
    return tuple(
        PointResult(
            variant=point.variant,
            name=point.name,
            kind=point.kind,
            parameters=point.parameters,
            tuning=point.tuning,
            md5=point.md5,
            key=keys[i],
            seeds=scored.seeds,
            a_a=bool(roles.a_a[i]),
            duplicate=bool(roles.duplicate[i]),
            learned=bool(learned[i]),
            metrics=metrics[i],
            against_reference=compared[i],
        )
        for i, point in enumerate(scored.points)
    )


def _check(scored: ScoredPoints, reference: int) -> None:
    shapes, points = {name: values.shape for name, values in scored.scores.items()}, len(scored.points)
    if len(set(shapes.values())) != 1 or next(iter(shapes.values()))[:1] != (points,):
        raise ValueError(f"scores must all have shape ({points} points, seeds), got {shapes}")
    if missing := sorted(set(scored.directions) - set(scored.scores)):
        raise ValueError(f"directions must name metrics that have scores, got also {', '.join(missing)}")
    if not 0 <= reference < points:
        raise ValueError(f"reference must be the index of one of {points} points, got {reference}")


def _keys(points: Sequence[ScoredPoint]) -> list[str]:
    """A name that is unique among all points: with its variant before it where two variants share it."""
    count = Counter(point.name for point in points)
    keys = [point.name if count[point.name] == 1 else f"{point.variant}/{point.name}" for point in points]
    if len(set(keys)) < len(keys):
        raise ValueError(f"points must differ in variant and name, got {keys}")
    return keys


def _learned(scored: ScoredPoints) -> np.ndarray:
    """Whether each point's validation NLL after cross-fitted calibration is known to be below the base rates' own."""
    frequencies = scored.base_rates.scores[BASE_LOSS]
    loss = scored.scores[LOSS_LEFT]
    widening = scored.overlap.widening(LOSS_LEFT, loss, None)
    gain = paired_difference(loss, frequencies, confidence=scored.protocol.confidence, widening=widening)
    return np.asarray(gain.high < 0)


def _protocol_summary(scored: ScoredPoints, *, family: int) -> ProtocolSummary:
    """How it was done; `inflation` is what applies without a measurement, and the textbook's `surrogate` beside it."""
    overlap = scored.overlap
    sizes = overlap.sizes
    train, largest = overlap.share("train"), max(overlap.share("train"), overlap.share("test"))
    return ProtocolSummary(
        **asdict(scored.protocol),
        calibrator=calibrator_name(len(scored.dataset.classes)),
        seeds=scored.seeds,
        interval="Student t over seeds, with Satterthwaite's degrees of freedom where shared test rows are measured",
        p_better="percentile bootstrap over paired seeds, ties half",
        correction=_RESPLITS if sizes.overlapping else _SHARED_TEST if overlap.groups else "none",
        rho_train=overlap.rho,
        inflation=Inflation(
            training_rows=train / (1 - train),
            all_rows=largest / (1 - largest),
            surrogate=float(sizes.test / sizes.train) if sizes.overlapping else 0.0,
        ),
        multiplicity="Holm 1979",
        family=family,
    )
