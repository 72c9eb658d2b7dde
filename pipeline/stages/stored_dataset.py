"""The data set that `generate` has stored."""

from __future__ import annotations

from pipeline.core.files import read_arrays
from pipeline.core.paths import data_file
from pipeline.data.dataset import Dataset
from pipeline.data.storage import from_arrays


def load_data(dataset: str) -> Dataset:
    """A data set's pool and splits.

    Raises:
        InputError: its file is missing or damaged.
    """
    return from_arrays(*read_arrays(data_file(dataset)))
