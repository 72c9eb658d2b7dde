"""Base rates beside the points: what the class frequencies of the training rows score, against the reference."""

from __future__ import annotations

import numpy as np

from pipeline.results.metric_summaries import metric_summaries
from pipeline.results.paired_columns import Roles, compare_columns
from pipeline.results.scored_points import ScoredPoints
from pipeline.results.study import BaseRates
from pipeline.statistics.shared_rows import Overlap

_ROLES = Roles(reference=0, a_a=np.zeros(2, bool), duplicate=np.zeros(2, bool))
"""Of the unregularized point and of the class frequencies."""


def base_rates(scored: ScoredPoints, *, reference: int, generator: np.random.Generator) -> BaseRates:
    """The metrics of the class frequencies, and how they compare with the unregularized point over paired seeds.

    They belong to no family of points: `p_holm` is p.

    Args:
        scored: The points and base rates with their scores, and the metrics to be compared.
        reference: Index of the unregularized point.
        generator: Draws the bootstrap's seed sets.
    """
    own, overlap = scored.base_rates, scored.overlap
    pair, groups = (
        {name: np.concatenate([points[name][[reference]], values]) for name, values in base.items() if name in points}
        for points, base in ((scored.scores, own.scores), (scored.groups, own.groups))
    )
    compared = compare_columns(
        pair,
        directions={name: direction for name, direction in scored.directions.items() if name in pair},
        roles=_ROLES,
        overlap=Overlap(overlap.sizes, groups),
        protocol=scored.protocol,
        generator=generator,
    )
    metrics = metric_summaries(own.scores, Overlap(overlap.sizes, own.groups), scored.protocol)
    return BaseRates(metrics=metrics[0], against_reference=compared[1])
