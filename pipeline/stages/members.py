"""Trained members of points: recalled from the memo where they are there, else trained, a few points at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import time

from pipeline.config.points import Point
from pipeline.core.arrays import encode_arrays
from pipeline.core.fingerprint import fingerprints
from pipeline.core.memo import fill
from pipeline.core.paths import data_file
from pipeline.core.progress import progress
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import seed_data
from pipeline.data.splits import SPLITS
from pipeline.stages.stored_dataset import load_data
from pipeline.tracking.times import note

MOST_LOGITS = 1 << 27  # of the points that are trained together, half a GiB
TOGETHER = 4  # points that are trained and remembered together: enough to share random numbers and to keep workers busy


def write_members(points: Mapping[Path, Point], seeds: int, dataset: str, *, jobs: int, history: bool = True) -> int:
    """Write what every point's members predict on its seeds; give back how many points were trained.

    Equal points are trained once, whatever file, variant or command asks for them.
    """
    parts = {path: (point.model_dump(mode="json"), seeds, history) for path, point in points.items()}
    keys = fingerprints(parts, code=["training.fit"], files=[data_file(dataset)])

    def train(paths: Sequence[Path]) -> Iterator[bytes]:
        return _train([points[path] for path in paths], seeds, dataset, jobs=jobs, history=history)

    return fill(keys, train)


def _together(pooled: Dataset, seeds: int) -> int:
    """How many points are trained together: `TOGETHER`, fewer where their logits of all rows would be too many."""
    rows = sum(int(getattr(pooled.splits, split).shape[1]) for split in SPLITS)
    logits = seeds * rows * len(pooled.pool.classes)
    return max(1, min(TOGETHER, MOST_LOGITS // logits))


def _train(points: Sequence[Point], seeds: int, dataset: str, *, jobs: int, history: bool) -> Iterator[bytes]:
    """The content of every point's file, as soon as it and those before it are trained."""
    from pipeline.training.fit import fit_points, seeds_of  # noqa: PLC0415  (torch takes a second to import)

    pooled, began = load_data(dataset), time()
    data = {seed: seed_data(pooled, seed) for seed in sorted({s for point in points for s in seeds_of(point, seeds)})}
    total = sum(point.epochs for point in points) * seeds
    together = _together(pooled, seeds)
    with progress(f"{len(points) * seeds:,} networks", total, "epochs") as tick:
        fitted = fit_points(points, seeds, data, together=together, jobs=jobs, tick=tick, history=history)
        for number, (arrays, about) in enumerate(fitted, 1):
            content = encode_arrays(arrays, about)
            note(content, since=began)
            yield content
            if number % together == 0:
                began = time()
