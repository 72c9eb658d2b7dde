"""Score the members in files: a file of scores for each, kept where it still holds, and all of them as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.determinism import require_pinned
from pipeline.core.files import dvc_digest, is_current, mark_current, read_arrays, write_arrays
from pipeline.core.fingerprint import fingerprint
from pipeline.core.paths import data_file
from pipeline.core.progress import progress
from pipeline.stages.keeping import SCORING, load_data

Arrays = dict[str, NDArray[Any]]


def score_files(sources: Mapping[Path, Path], dataset: str, *, jobs: int) -> None:
    """Score the members in each file (by where the scores belong) whose finished scores do not hold any more."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    prints = {
        target: fingerprint(code=[SCORING], files=[data_file(dataset), source]) for target, source in sources.items()
    }
    todo = [target for target, made in prints.items() if not is_current(target, made)]
    calls = [delayed(_score_file)(sources[target], target, dataset, prints[target]) for target in todo]
    with progress(f"{dataset}: scoring", len(todo), "points") as tick:
        for _ in Parallel(n_jobs=min(jobs, len(todo)) or 1, return_as="generator_unordered")(calls):
            tick(1)


def _score_file(source: Path, target: Path, dataset: str, made: str) -> None:
    """Score the members of one point: the work of one worker."""
    from pipeline.evaluation.members import score_point  # noqa: PLC0415

    require_pinned()
    arrays, about = read_arrays(source)
    found = score_point(arrays, load_data(dataset), about["seeds"])
    write_arrays(target, found, {**about, "md5": dvc_digest(source)})
    mark_current(target, made)


def read_scores(files: Sequence[Path]) -> tuple[list[dict[str, Any]], Arrays, Arrays]:
    """What `score_files` wrote: descriptions, every score as (point, seed), and of groups as (point, seed, group)."""
    scored = [read_arrays(path) for path in files]
    scores, groups = ([named(arrays, kind) for arrays, _ in scored] for kind in ("score/", "group/"))
    return [about for _, about in scored], _stacked(scores), _stacked(groups)


def named(arrays: Arrays, kind: str) -> Arrays:
    """The arrays of a kind, by what follows it in their names."""
    return {name.removeprefix(kind): values for name, values in arrays.items() if name.startswith(kind)}


def _stacked(points: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in points]) for name in points[0]}
