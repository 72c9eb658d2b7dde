"""Trained members of points: recalled from the memo where they are there, else trained, a few points at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import time
from typing import Any

from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.core.files import encode_arrays
from pipeline.core.fingerprint import fingerprint
from pipeline.core.memo import fill
from pipeline.core.paths import data_file
from pipeline.core.progress import progress
from pipeline.data.seed_data import seed_data
from pipeline.stages.stored_dataset import load_data
from pipeline.tracking.times import note

TOGETHER = 4  # points that are trained and remembered together: enough to share random numbers and to keep workers busy


def write_members(
    points: Mapping[Path, Point], seeds: int, dataset: str, *, jobs: int, backend: str, history: bool = True
) -> int:
    """Write what every point's members predict on its seeds; give back how many points were trained.

    Equal points are trained once, whatever file, variant or command asks for them.
    """
    keys = {path: _key(point, seeds, dataset, history=history) for path, point in points.items()}

    def train(paths: Sequence[Path]) -> Iterator[bytes]:
        return _train([points[path] for path in paths], seeds, dataset, jobs=jobs, backend=backend, history=history)

    return fill(keys, train)


def workers(backend: str) -> Any:
    """Joblib's context for a backend; ray and dask have to be installed, and dask needs a running client."""
    from joblib import parallel_config  # noqa: PLC0415

    try:
        if backend == "ray":
            from ray.util.joblib import register_ray  # noqa: PLC0415

            register_ray()
        return parallel_config(backend=backend)
    except (ImportError, ValueError) as error:
        raise InputError(f"--backend {backend}: cannot be used: {' '.join(str(error).split())}") from None


def _key(point: Point, seeds: int, dataset: str, *, history: bool) -> str:
    return fingerprint(point.model_dump(mode="json"), seeds, history, code=["training.fit"], files=[data_file(dataset)])


def _train(
    points: Sequence[Point], seeds: int, dataset: str, *, jobs: int, backend: str, history: bool
) -> Iterator[bytes]:
    """Train a few points at a time, so that an interruption loses no more, with one progress bar for all."""
    from pipeline.training.fit import fit_points, seeds_of  # noqa: PLC0415  (torch takes a second to import)

    pooled = load_data(dataset)
    data = {seed: seed_data(pooled, seed) for seed in sorted({s for point in points for s in seeds_of(point, seeds)})}
    total = sum(point.epochs for point in points) * seeds
    with workers(backend), progress(f"{len(points) * seeds} members", total, "epochs") as tick:
        for start in range(0, len(points), TOGETHER):
            few, began = points[start : start + TOGETHER], time()
            for arrays, about in fit_points(few, seeds, data, jobs=jobs, tick=tick, history=history):
                content = encode_arrays(arrays, about)
                note(content, since=began)
                yield content
