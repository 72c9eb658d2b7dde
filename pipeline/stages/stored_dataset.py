"""The data set that `generate` has stored."""

from __future__ import annotations

from pipeline.core.arrays import map_arrays
from pipeline.core.errors import InputError
from pipeline.core.paths import data_file
from pipeline.data.dataset import Dataset
from pipeline.data.storage import from_arrays


def load_data(dataset: str) -> Dataset:
    """A data set's pool and splits, which stay in its file: only what is used of them is read, whoever uses it.

    Raises:
        InputError: its file is missing or damaged.
    """
    path = data_file(dataset)
    arrays, about = map_arrays(path)
    try:
        return from_arrays(arrays, about)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: is no data set ({why:.200}); delete it and run `dvc repro`") from error
