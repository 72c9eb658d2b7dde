"""Storage of a data set: its arrays by name, and a description."""

from __future__ import annotations

from typing import Any, get_args

from numpy.typing import NDArray

from pipeline.data.dataset import Dataset, Pool, describe
from pipeline.data.options import Scale
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
    """The data set that `to_arrays` took apart.

    Raises:
        ValueError: sizes, types or numbers of classes and rows do not go together, here and where something is missing
            as another error.
    """
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
    splits = Splits(*(arrays[split] for split in SPLITS))
    _check_pool(pool)
    _check_splits(splits, len(pool.labels))
    scale = about.get("scale", "standard")
    _require(scale in get_args(Scale), "scale", scale)
    return Dataset(pool, splits, scale)


def _check_pool(pool: Pool) -> None:
    """Raise ValueError unless all has a row for each row, and a column for each feature or class."""
    rows, classes = len(pool.labels), len(pool.classes)
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "features": ((rows, len(pool.feature_names)), "f"),
        "labels": ((rows,), "i"),
        "posterior": ((rows, classes), "f"),
        "groups": ((rows,), "i"),
        "times": ((rows,), "f"),
    }
    for name, (shape, kind) in shapes.items():
        array = getattr(pool, name)
        _require(
            array is None or (array.shape == shape and array.dtype.kind == kind), name, getattr(array, "shape", None)
        )
    _require(rows > 0 and 0 <= pool.labels.min() <= pool.labels.max() < classes, "labels", classes)
    _require(isinstance(pool.tested, int) and 0 <= pool.tested < rows, "tested", pool.tested)
    _require(all(isinstance(name, str) for name in (*pool.classes, *pool.feature_names)), "names", pool.classes)


def _check_splits(splits: Splits, rows: int) -> None:
    """Raise ValueError unless all splits have the same seeds, and their numbers are of rows."""
    for name in SPLITS:
        numbers = getattr(splits, name)
        like_others = numbers.ndim == 2 and len(numbers) == len(splits.train)
        fits = like_others and numbers.dtype.kind == "i" and numbers.size > 0
        _require(fits and 0 <= numbers.min() <= numbers.max() < rows, name, numbers.shape)


def _require(holds: bool, name: str, got: object) -> None:
    if not holds:
        raise ValueError(f"{name} must go together with the others, got {got}")
