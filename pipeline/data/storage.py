"""Storage of a data set: its arrays by name, and a description."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pipeline.data.dataset import Dataset, Pool, describe
from pipeline.data.schema import Understood
from pipeline.data.splits import SPLITS, Splits

_OPTIONAL = ("posterior", "groups", "times")  # arrays that a pool may lack


def to_arrays(dataset: Dataset) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A data set as named arrays and a JSON-ready description, for storage."""
    pool = dataset.pool
    arrays: dict[str, NDArray[Any]] = {"features": pool.features, "labels": pool.labels}
    arrays |= {split: getattr(dataset.splits, split) for split in SPLITS}
    arrays |= {name: array for name in _OPTIONAL if (array := getattr(pool, name)) is not None}
    about: dict[str, Any] = {"classes": pool.classes, "features": pool.feature_names, "summary": describe(dataset)}
    if pool.understood is not None:
        about["understood"] = pool.understood.model_dump(mode="json")
    about |= {"tested": pool.tested} if pool.tested else {}
    about |= {"scale": dataset.scale} if dataset.scale != "standard" else {}
    return arrays, about


def from_arrays(arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Dataset:
    """The data set that `to_arrays` took apart."""
    understood = Understood.model_validate(about["understood"], strict=False) if "understood" in about else None
    pool = Pool(
        features=arrays["features"],
        labels=arrays["labels"],
        classes=tuple(about["classes"]),
        feature_names=tuple(about["features"]),
        understood=understood,
        tested=about.get("tested", 0),
        **{name: arrays.get(name) for name in _OPTIONAL},
    )
    return Dataset(pool, Splits(*(arrays[split] for split in SPLITS)), about.get("scale", "standard"))
