"""Storage of a data set: its arrays by name, and a description."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pipeline.data.dataset import Dataset, Pool, describe
from pipeline.data.schema import Understood
from pipeline.data.splits import SPLITS, Splits


def to_arrays(dataset: Dataset) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A data set as named arrays and a JSON-ready description, for storage."""
    pool = dataset.pool
    arrays: dict[str, NDArray[Any]] = {"features": pool.features, "labels": pool.labels}
    arrays |= {split: getattr(dataset.splits, split) for split in SPLITS}
    if pool.posterior is not None:
        arrays["posterior"] = pool.posterior
    about: dict[str, Any] = {"classes": pool.classes, "features": pool.feature_names, "summary": describe(dataset)}
    if pool.understood is not None:
        about["understood"] = pool.understood.model_dump(mode="json")
    return arrays, about


def from_arrays(arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Dataset:
    """The data set that `to_arrays` took apart."""
    names = tuple(about["classes"]), tuple(about["features"])
    understood = Understood.model_validate(about["understood"], strict=False) if "understood" in about else None
    pool = Pool(arrays["features"], arrays["labels"], *names, arrays.get("posterior"), understood)
    return Dataset(pool, Splits(*(arrays[split] for split in SPLITS)))
