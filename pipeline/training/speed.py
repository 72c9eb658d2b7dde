"""Speed of training: a few real steps, timed, so that a study's length can be told before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from time import perf_counter

import numpy as np

from pipeline.config.points import Point
from pipeline.data.seed_data import SeedData
from pipeline.training.fit import fit
from pipeline.training.member import Member

_MEMBERS = 32  # for each worker: two stacks of the usual size
_STEPS = 120  # of each member
_BATCHES = 20  # of training rows, at most


def seconds_per_epoch(points: Sequence[Point], data: SeedData, *, jobs: int) -> float:
    """Seconds that all workers together take for one epoch of one network, on average over the points.

    Args:
        points: what a study trains; some of them are tried, spread over all.
        data: of one seed; as many of its rows are used as a few steps need.
        jobs: workers.
    """
    rows = len(data.labels["train"])
    batch = min(point.batch_size for point in points)
    head = _head(data, min(rows, _BATCHES * batch))
    steps = ceil(len(head.labels["train"]) / batch)
    epochs = ceil(_STEPS / steps)
    places = np.linspace(0, len(points) - 1, _MEMBERS * jobs).astype(np.int64)
    groups = [[Member(points[place].model_copy(update={"epochs": epochs}), 0)] for place in places]
    fit(groups[:1], {0: head}, history=False)  # imports and first calls take their time
    start = perf_counter()
    fit(groups, {0: head}, jobs=jobs, history=False, splits=("validation",))
    return (perf_counter() - start) / (len(groups) * epochs) * rows / len(head.labels["train"])


def _head(data: SeedData, rows: int) -> SeedData:
    """The first rows of each split."""
    return SeedData(
        features={split: data.take(split, slice(rows)) for split in data.features},
        labels={split: each[:rows] for split, each in data.labels.items()},
        classes=data.classes,
    )
