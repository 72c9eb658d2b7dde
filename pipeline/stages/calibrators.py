"""The command `calibrators`: whether the study's verdicts survive calibrators other than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core import parallel
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.determinism import require_pinned
from pipeline.core.files import file_digest, keep_only, read_bytes
from pipeline.core.fingerprint import fingerprints
from pipeline.core.memo import fill
from pipeline.core.paths import PARAMS, data_file, member_file, result_file
from pipeline.core.progress import progress
from pipeline.data.dataset import Dataset
from pipeline.stages.stored_dataset import load_data
from pipeline.stages.stored_members import decode_members

if TYPE_CHECKING:
    from pipeline.results.study import StudyResults

Arrays = dict[str, NDArray[Any]]
Stacked = dict[str, NDArray[np.float64]]

SCORES = Path(".cache/calibrators")
"""Scores of members after each calibrator, which are needed for the table alone."""


def calibrators(dataset: str, *, jobs: int) -> str:
    """Score all members after each calibrator, compare the points as the study does, and write the table."""
    from pipeline.results.calibrator_comparison import calibrator_results  # noqa: PLC0415
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.results.study_files import read_study  # noqa: PLC0415

    look_up(dataset, load_params(PARAMS).datasets, f"{PARAMS}: datasets")
    study = read_study(result_file(dataset, "results.json"))
    files = _files(study)
    write_scores(files, dataset, jobs=jobs)
    keep_only(SCORES / dataset, files)
    results = calibrator_results(study, *_stacked([read_arrays(path)[0] for path in files], study))
    write_record(result_file(dataset, "calibrators.json"), results)
    counted = len(results.counted)
    counts = ", ".join(f"{other.name} {counted - len(results.changed(other))}" for other in results.others)
    return f"results/{dataset}: of {counted} verdicts after {results.usual.name} survive {counts}"


def _stacked(stored: Sequence[Arrays], study: StudyResults) -> tuple[Stacked, Stacked]:
    """Scores (point, seed) and those of groups (point, seed, group) by calibrator."""
    from pipeline.evaluation.calibrators import other_calibrators  # noqa: PLC0415

    names = other_calibrators(len(study.dataset.classes))
    scores, groups = (
        {
            name: np.stack([arrays[f"{kind}/{name}"] for arrays in stored])
            for name in names
            if f"{kind}/{name}" in stored[0]
        }
        for kind in ("score", "group")
    )
    return scores, groups


def write_scores(files: Mapping[Path, Path], dataset: str, *, jobs: int) -> int:
    """Score the members in each file (by where their scores belong); give back how many files were scored."""
    parts = {target: [file_digest(source)] for target, source in files.items()}
    keys = fingerprints(parts, code=["evaluation.calibrators"], files=[data_file(dataset)])
    return fill(keys, lambda targets: _measure([files[target] for target in targets], dataset, jobs=jobs))


def _files(study: StudyResults) -> dict[Path, Path]:
    """Every point's file of members, by where its scores belong, in the study's order."""
    dataset = study.dataset.name
    return {
        SCORES / dataset / point.variant / f"{point.name}.safetensors": member_file(dataset, point.variant, point.name)
        for point in study.points
    }


def _measure(sources: Sequence[Path], dataset: str, *, jobs: int) -> Iterator[bytes]:
    pooled = parallel.shared(load_data(dataset), jobs)

    def arguments(source: Path) -> tuple[Any, ...]:
        return source, read_bytes(source), pooled

    with progress(f"{dataset}: calibrators", len(sources), "points") as tick:
        for content in parallel.results(_score, sources, arguments=arguments, jobs=jobs):
            tick(1)
            yield content


def _score(source: Path, members: bytes, pooled: Dataset) -> bytes:
    """The scores of one point's members: the work of one worker, which need not have the file."""
    from pipeline.evaluation.calibrators import score_calibrators  # noqa: PLC0415

    require_pinned()
    arrays, about = decode_members(members, source, pooled)
    return encode_arrays(score_calibrators(arrays, pooled, about["seeds"]), {"seeds": about["seeds"]})
