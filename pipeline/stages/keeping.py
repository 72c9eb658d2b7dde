"""Code that finished files depend on, and the data set that all begins with."""

from __future__ import annotations

from typing import Any

from pipeline.core.files import dvc_digest, read_arrays
from pipeline.core.paths import data_file
from pipeline.data.dataset import Dataset
from pipeline.data.storage import from_arrays

TRAINING, SCORING, MEASURING = "training.fit", "evaluation.members", "textbook.experiments"


def load_data(dataset: str) -> Dataset:
    """A data set that `generate` has stored."""
    return from_arrays(*read_arrays(data_file(dataset)))


def described(dataset: str) -> dict[str, Any]:
    """What finished tables say of a data set."""
    source = data_file(dataset)
    _, about = read_arrays(source)
    own = {"name": dataset, "feature_names": about["features"], "md5": dvc_digest(source)}
    return {**about["summary"], **own}
