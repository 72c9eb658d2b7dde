"""Fit points into files, a few at a time: an interruption loses no more, and a file that still holds is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.core.files import is_current, mark_current, write_arrays
from pipeline.core.fingerprint import fingerprint
from pipeline.core.paths import data_file
from pipeline.core.progress import progress
from pipeline.data.dataset import Dataset
from pipeline.data.standardization import seed_data
from pipeline.stages.keeping import TRAINING, load_data

TOGETHER = 4  # points that are fitted and written together: enough to share random numbers and to keep workers busy
Points = Mapping[Path, Point]
Arrays = dict[str, NDArray[np.generic]]


def fit_files(points: Points, seeds: int, dataset: str, *, jobs: int, backend: str, history: bool = True) -> int:
    """Fit every point on its seeds, except those whose file still holds; give back how many were fitted."""
    source = data_file(dataset)
    prints = {
        path: fingerprint(point.model_dump(mode="json"), seeds, history, code=[TRAINING], files=[source])
        for path, point in points.items()
    }
    todo = [path for path, made in prints.items() if not is_current(path, made)]
    wanted = [points[path] for path in todo]
    fitted = fit(wanted, seeds, load_data(dataset), jobs=jobs, backend=backend, history=history) if todo else ()
    for path, (arrays, about) in zip(todo, fitted, strict=True):
        write_arrays(path, arrays, about)
        mark_current(path, prints[path])
    return len(todo)


def fit(
    points: Sequence[Point], seeds: int, pooled: Dataset, *, jobs: int, backend: str, history: bool
) -> Iterator[tuple[Arrays, dict[str, Any]]]:
    """Fit a few points at a time, so that an interruption loses no more, with one progress bar for all."""
    from pipeline.training.fit import fit_points, seeds_of  # noqa: PLC0415  (torch takes a second to import)

    used = sorted({seed for point in points for seed in seeds_of(point, seeds)})
    data = {seed: seed_data(pooled, seed) for seed in used}
    total = sum(point.epochs for point in points) * seeds
    with workers(backend), progress(f"{len(points) * seeds} members", total, "epochs") as tick:
        for start in range(0, len(points), TOGETHER):
            few = points[start : start + TOGETHER]
            yield from fit_points(few, seeds, data, jobs=jobs, tick=tick, history=history)


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
