"""Registration of models in MLflow, as a part of `track`: candidates, their cards, and what they replace."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.arrays import read_arrays
from pipeline.core.files import dvc_digest
from pipeline.core.paths import model_file
from pipeline.stages.tables import champion_results_of, study_results_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.results.champion import ChampionResults
    from pipeline.tracking.promotion import Decision
    from pipeline.tracking.runs import RunRecord
    from pipeline.tracking.versions import Candidate


def model_records(dataset: str) -> list[RunRecord]:
    """The run of a data set's model; nothing where there is no model."""
    from pipeline.tracking.champion import record_of  # noqa: PLC0415
    from pipeline.tracking.times import noted  # noqa: PLC0415

    made = champion_results_of(dataset)
    if made is None or not model_file(dataset).is_file():
        return []
    return [record_of(study_results_of(dataset), made, dvc_digest(model_file(dataset)), clock=noted)]


def register_models(datasets: Sequence[str], *, force: bool) -> list[str]:
    """Register the models that MLflow lacks, and say what changed, or which of them is not the champion."""
    from pipeline.tracking.registry import register  # noqa: PLC0415
    from pipeline.tracking.store import tracking_uri  # noqa: PLC0415

    made = {dataset: champion_results_of(dataset) for dataset in datasets if model_file(dataset).is_file()}
    candidates = [_candidate(dataset, results) for dataset, results in made.items() if results is not None]
    lines = [register(each, uri=tracking_uri(Path.cwd()), force=force) for each in candidates]
    return [line for line in lines if line]


def _candidate(dataset: str, results: ChampionResults) -> Candidate:
    from pipeline.stages.stored_model import load_model  # noqa: PLC0415
    from pipeline.tracking.champion import key  # noqa: PLC0415
    from pipeline.tracking.study import experiment  # noqa: PLC0415
    from pipeline.tracking.versions import Candidate, name_of  # noqa: PLC0415

    md5 = dvc_digest(model_file(dataset))
    return Candidate(
        dataset=dataset,
        experiment=experiment(dataset),
        key=key(dataset),
        file=model_file(dataset),
        md5=md5,
        data=study_results_of(dataset).dataset.md5,
        load=partial(load_model, str(model_file(dataset))),
        card=partial(_card, dataset, results, name=name_of(dataset), md5=md5),
        compare=partial(_compared, dataset),
    )


def _card(dataset: str, results: ChampionResults, *, name: str, md5: str) -> str:
    from pipeline.reporting.text.model_card import card  # noqa: PLC0415

    return card(study_results_of(dataset), results, name=name, md5=md5)


def _compared(dataset: str, old: Path) -> Decision:
    """What the test rows of the present data say of the present model and an old one."""
    from pipeline.champion.storage import from_arrays  # noqa: PLC0415
    from pipeline.stages.stored_model import load_model  # noqa: PLC0415
    from pipeline.tracking.promotion import compared  # noqa: PLC0415

    before = from_arrays(*read_arrays(old), name=str(old))
    return compared(load_model(str(model_file(dataset))), before, *_test_rows(dataset))


def _test_rows(dataset: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features and labels of the rows that judge the model."""
    from pipeline.stages.champion import SEED  # noqa: PLC0415
    from pipeline.stages.stored_dataset import load_data  # noqa: PLC0415

    pooled = load_data(dataset)
    test = pooled.splits.test[SEED]
    return pooled.pool.features[test], pooled.pool.labels[test]
