"""The data set that `generate` has stored."""

from __future__ import annotations

from pipeline.core.files import dvc_digest, read_arrays
from pipeline.core.paths import data_file
from pipeline.data.dataset import Dataset
from pipeline.data.storage import from_arrays
from pipeline.results.study import DatasetSummary


def load_data(dataset: str) -> Dataset:
    """A data set's pool and splits.

    Raises:
        InputError: its file is missing or damaged.
    """
    return from_arrays(*read_arrays(data_file(dataset)))


def dataset_summary(dataset: str) -> DatasetSummary:
    """What finished tables say of a data set."""
    source = data_file(dataset)
    _, about = read_arrays(source)
    return DatasetSummary.model_validate(
        {"name": dataset, "feature_names": about["features"], "md5": dvc_digest(source), **about["summary"]},
        strict=False,
    )
