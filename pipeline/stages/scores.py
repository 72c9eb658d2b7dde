"""Scores of members: recalled from the memo where they are there, else measured; and all of them as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config.points import Point
from pipeline.core import parallel
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.determinism import require_pinned
from pipeline.core.files import dvc_digest, file_digest, read_bytes
from pipeline.core.fingerprint import fingerprints
from pipeline.core.memo import fill
from pipeline.core.paths import data_file
from pipeline.core.progress import progress
from pipeline.data.dataset import Dataset, describe, labels_of
from pipeline.stages.stored_dataset import load_data
from pipeline.stages.stored_members import decode_members

if TYPE_CHECKING:
    from pipeline.results.dataset import DatasetSummary
    from pipeline.results.scored_points import BaseRateScores, ScoredPoints
    from pipeline.results.search import ContenderKind
    from pipeline.results.tuning import Tuning

Arrays = dict[str, NDArray[np.generic]]


class ScoreFile(NamedTuple):
    """The scores of a point's members: where they are, the point's place, and how it was tuned."""

    path: Path
    variant: str
    name: str
    tuning: Tuning
    kind: ContenderKind | None = None


def write_scores(sources: Mapping[Path, Path], dataset: str, *, jobs: int) -> int:
    """Measure the members in each file (by where their scores belong); give back how many files were measured."""
    parts = {target: [file_digest(source)] for target, source in sources.items()}
    keys = fingerprints(parts, code=["evaluation.members"], files=[data_file(dataset)])
    return fill(keys, lambda targets: _measure([sources[target] for target in targets], dataset, jobs=jobs))


def scored_points(dataset: str, files: Sequence[ScoreFile], *, least_effect: float) -> ScoredPoints:
    """What `write_scores` wrote about some points of a data set, to be compared."""
    from pipeline.evaluation.members import directions  # noqa: PLC0415
    from pipeline.results.comparison import protocol_of  # noqa: PLC0415
    from pipeline.results.scored_points import ScoredPoint, ScoredPoints  # noqa: PLC0415

    stored = [read_arrays(file.path) for file in files]
    scores, groups = (_stacked([below(prefix, arrays) for arrays, _ in stored]) for prefix in ("score", "group"))
    points = [
        ScoredPoint(
            variant=file.variant,
            name=file.name,
            kind=file.kind,
            parameters=Point.model_validate(about["point"]),
            tuning=file.tuning,
            md5=about["md5"],
        )
        for file, (_, about) in zip(files, stored, strict=True)
    ]
    pooled = load_data(dataset)
    return ScoredPoints(
        points=points,
        scores=scores,
        groups=groups,
        directions=directions(scores),
        dataset=dataset_summary(dataset, pooled),
        protocol=protocol_of(least_effect),
        base_rates=_base_rates(pooled, stored[0][1]["seeds"]),
    )


def dataset_summary(name: str, dataset: Dataset) -> DatasetSummary:
    """What records say of a stored data set."""
    from pipeline.results.dataset import DatasetSummary  # noqa: PLC0415

    understood = dataset.pool.understood
    described = {
        "name": name,
        "feature_names": dataset.pool.feature_names,
        "md5": dvc_digest(data_file(name)),
        "table": None if understood is None else understood.notes,
    }
    return DatasetSummary.model_validate(described | describe(dataset), strict=False)


def below(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays named `prefix/...`, by what follows.

    >>> below("score", {"score/test/nll": np.zeros(1), "epochs": np.zeros(1)})
    {'test/nll': array([0.])}
    """
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}


def _measure(sources: Sequence[Path], dataset: str, *, jobs: int) -> Iterator[bytes]:
    pooled = parallel.shared(load_data(dataset), jobs)

    def arguments(source: Path) -> tuple[Any, ...]:
        return source, read_bytes(source), dvc_digest(source), pooled

    with progress(f"{dataset}: scoring", len(sources), "points") as tick:
        for content in parallel.results(_score_members, sources, arguments=arguments, jobs=jobs):
            tick(1)
            yield content


def _score_members(source: Path, members: bytes, md5: str, pooled: Dataset) -> bytes:
    """The scores of one point's members: the work of one worker, which need not have the file."""
    from pipeline.evaluation.members import score_point  # noqa: PLC0415

    require_pinned()
    arrays, about = decode_members(members, source, pooled)
    return encode_arrays(score_point(arrays, pooled, about["seeds"]), {**about, "md5": md5})


def _base_rates(pooled: Dataset, seeds: list[int]) -> BaseRateScores:
    """The scores of the class frequencies, by the code that scores members."""
    from pipeline.evaluation.base_rates import base_rate_logits  # noqa: PLC0415
    from pipeline.evaluation.members import score_point  # noqa: PLC0415
    from pipeline.results.scored_points import BaseRateScores  # noqa: PLC0415

    logits = base_rate_logits(labels_of(pooled, seeds), classes=len(pooled.pool.classes))
    scored = score_point({f"logits/{split}": rows for split, rows in logits.items()}, pooled, seeds)
    return BaseRateScores(*(_stacked([below(prefix, scored)]) for prefix in ("score", "group")))


def _stacked(points: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in points]) for name in points[0]}
