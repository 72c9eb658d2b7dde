"""From what a point's members predict to everything the study keeps of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.rng import Purpose, generator
from pipeline.data.dataset import Dataset, labels_of, test_posterior
from pipeline.data.splits import SPLITS
from pipeline.evaluation.row_groups import row_groups
from pipeline.evaluation.score import METRICS, score_members
from pipeline.metrics.calibration_error import resampling_uniforms

RESAMPLES = 100  # of the consistency test of calibration; the smallest p value is 1 / 101
COMPARED = ("test", "test_ts", "gap", "gap_ts")


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
    labels, posterior = labels_of(pooled, seeds), test_posterior(pooled, seeds)
    draws = generator(0, Purpose.CALIBRATION)
    uniforms = resampling_uniforms(draws, resamples=RESAMPLES, rows=labels["test"].shape[-1])
    groups = test_groups(pooled, seeds)
    scored = score_members(logits, labels, posterior, uniforms=uniforms, groups=groups)
    kinds = {"score": scored.scores, "curve": scored.curves, "group": scored.groups}
    found = {f"{kind}/{name}": values for kind, named in kinds.items() for name, values in named.items()}
    return found | {name: values for name, values in arrays.items() if not name.startswith("logits/")}


def test_groups(pooled: Dataset, seeds: list[int]) -> NDArray[np.int64] | None:
    """The group of each test row (seed, row), the same for every point; None where there are too few rows."""
    order = generator(0, Purpose.CALIBRATION, step=1).permutation(len(pooled.pool.labels))
    groups = row_groups(pooled.splits.test, order=order)
    return None if groups is None else groups[seeds]


def directions(names: Iterable[str]) -> dict[str, Any]:
    """Which way is better, for those of the scores on test, and of the gaps, that have a better way."""
    better = {metric.name: metric.direction for metric in METRICS if metric.direction != "none"}
    parts = [name.split("/") for name in names]
    return {f"{part}/{short}": better[short] for part, short in parts if part in COMPARED and short in better}
