"""The scores, curves and scores of row groups of one point, and which way each score is better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.rng import Purpose, generator
from pipeline.data.dataset import Dataset, labels_of, test_posterior
from pipeline.data.splits import SPLITS
from pipeline.evaluation.registry import METRICS
from pipeline.evaluation.row_groups import row_groups, smallest_group
from pipeline.evaluation.score import score_members
from pipeline.metrics.calibration_error import resampling_uniforms
from pipeline.metrics.names import MetricName
from pipeline.statistics.paired_comparison import Direction

RESAMPLES = 100  # of the consistency test of calibration; the smallest p value is 1 / 101
COMPARED = ("test", "gap")
TOGETHER = 1 << 21
"""Logits that are scored together, at most, in whole members: each takes some dozen arrays of 64 bits."""


def score_point(arrays: Mapping[str, NDArray[Any]], pooled: Dataset, seeds: list[int]) -> dict[str, NDArray[Any]]:
    """Everything the study keeps of one point's members, the seed first.

    Args:
        arrays: `logits/<split>`, and what is passed on: `history/*` and `epochs`.
        pooled: the data set that the members were trained on.
        seeds: the members' seeds.

    Returns:
        `score/<name>`, `curve/<name>`, `group/<name>` (where test rows suffice) and what was passed on.
    """
    logits = {split: arrays[f"logits/{split}"] for split in SPLITS}
    rng = generator(0, Purpose.CALIBRATION)
    uniforms = resampling_uniforms(rng, resamples=RESAMPLES, rows=logits["test"].shape[1])
    groups = test_groups(pooled, seeds)
    scored: list[dict[str, NDArray[Any]]] = []
    for some in _blocks(logits, len(seeds)):
        of_some = score_members(
            {split: values[some] for split, values in logits.items()},
            labels_of(pooled, seeds[some]),
            test_posterior(pooled, seeds[some]),
            uniforms=uniforms,
            groups=None if groups is None else groups[some],
            group_size=None if groups is None else smallest_group(groups),
        )
        tables = {"score": of_some.scores, "curve": of_some.curves, "group": of_some.groups}
        scored.append({f"{kind}/{name}": values for kind, table in tables.items() for name, values in table.items()})
    results = {name: np.concatenate([each[name] for each in scored]) for name in scored[0]}
    return results | {name: values for name, values in arrays.items() if not name.startswith("logits/")}


def _blocks(logits: Mapping[str, NDArray[Any]], members: int) -> Iterator[slice]:
    """Members that are scored together; nothing of a member depends on which they are."""
    size = max(1, TOGETHER // max(values[0].size for values in logits.values()))
    yield from (slice(start, start + size) for start in range(0, members, size))


def test_groups(pooled: Dataset, seeds: list[int]) -> NDArray[np.int64] | None:
    """The group of each test row (seed, row), the same for every point; None where there are too few rows.

    Rows of the pool that belong together have one group, so that groups are independent of each other.
    """
    pool = pooled.pool
    together = np.arange(len(pool.labels)) if pool.groups is None else pool.groups
    order = generator(0, Purpose.CALIBRATION, step=1).permutation(int(together.max()) + 1)[together]
    groups = row_groups(pooled.splits.test, order=order)
    return None if groups is None else groups[seeds]


def directions(names: Iterable[str]) -> dict[str, Direction]:
    """Which way is better, for those of the scores on test, and of the gaps, that have a better way."""
    better = {metric.name: metric.direction for metric in METRICS if metric.direction != "none"}
    parsed = {name: MetricName.parse(name) for name in names}
    return {
        text: better[name.metric] for text, name in parsed.items() if name.split in COMPARED and name.metric in better
    }
