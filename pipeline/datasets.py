"""From a data set's parameters to its rows and splits, and from those to what one seed trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import config, data
from pipeline.data import Dataset, Pool, SeedData, Splits, standardization, standardize
from pipeline.errors import InputError

SPLITS = ("train", "validation", "test")
INPUTS = Path("inputs")  # where users' files lie: DVC watches it
DOWNLOADS = Path(".cache/openml")
TASK_SEED = 2026  # fixes a synthetic task's component means, which all its seeds share


def build(name: str, wanted: config.DatasetParams, *, seeds: int) -> Dataset:
    """Draw or read a data set and divide it for seeds 0 to `seeds` - 1.

    Raises:
        InputError: a file, column, row or size cannot be used.
    """
    if isinstance(wanted, config.Mixture | config.Noise):
        return _draw(name, wanted, seeds)
    pool = _read(name, wanted)
    sizes = {"train": wanted.train, "validation": wanted.validation}
    return Dataset(pool, data.split_resampled(pool.labels, classes=pool.classes, seeds=seeds, name=name, **sizes))


def _draw(name: str, wanted: config.Mixture | config.Noise, seeds: int) -> Dataset:
    sizes = {"seeds": seeds, "train": wanted.train, "validation": wanted.validation, "test": wanted.test}
    mixture = wanted if isinstance(wanted, config.Mixture) else None
    task = data.MixtureTask(
        seed=TASK_SEED,
        classes=wanted.classes,
        components=mixture.components if mixture else 1,
        features=wanted.features,
        separation=mixture.separation if mixture else 0.0,  # random labels: all components lie at the origin
        label_noise=mixture.label_noise if mixture else 0.0,
    )
    return data.make_mixture(task, name=name, **sizes)


def _read(name: str, wanted: config.Bundled | config.File | config.OpenML) -> Pool:
    from pipeline import tables  # noqa: PLC0415

    if isinstance(wanted, config.Bundled):
        return data.load_bundled(wanted.name)
    if isinstance(wanted, config.OpenML):
        return Pool(*tables.load_openml(wanted.id, target=wanted.target, missing=wanted.missing, cache=DOWNLOADS))
    path = Path(wanted.path)
    if not path.resolve().is_relative_to(INPUTS.resolve()):
        raise InputError(f"datasets.{name}.path: must lie in {INPUTS}/, which DVC watches, got {wanted.path!r}")
    return Pool(*tables.read_file(path, target=wanted.target, ignore=wanted.ignore, missing=wanted.missing))


def to_arrays(dataset: Dataset) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A data set as named arrays and a JSON-ready description, for storage."""
    pool = dataset.pool
    arrays: dict[str, NDArray[Any]] = {"features": pool.features, "labels": pool.labels}
    arrays |= {split: getattr(dataset.splits, split) for split in SPLITS}
    if pool.posterior is not None:
        arrays["posterior"] = pool.posterior
    return arrays, {"classes": pool.classes, "features": pool.feature_names, "summary": data.describe(dataset)}


def from_arrays(arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Dataset:
    """The data set that `to_arrays` took apart."""
    names = tuple(about["classes"]), tuple(about["features"])
    pool = Pool(arrays["features"], arrays["labels"], *names, arrays.get("posterior"))
    return Dataset(pool, Splits(*(arrays[split] for split in SPLITS)))


def seed_data(dataset: Dataset, seed: int) -> SeedData:
    """What one seed trains, chooses and tests on, standardized by its training part."""
    features, rows = dataset.pool.features, {split: getattr(dataset.splits, split)[seed] for split in SPLITS}
    mean, scale = standardization(features[rows["train"]])
    return SeedData(
        features={split: standardize(features[rows[split]], mean, scale) for split in SPLITS},
        labels={split: dataset.pool.labels[rows[split]] for split in SPLITS},
        classes=len(dataset.pool.classes),
    )


def labels_of(dataset: Dataset, seeds: list[int]) -> dict[str, NDArray[np.int64]]:
    """Labels (seed, row) of each split."""
    return {split: dataset.pool.labels[getattr(dataset.splits, split)[seeds]] for split in SPLITS}


def test_posterior(dataset: Dataset, seeds: list[int]) -> NDArray[np.float64] | None:
    """True class probabilities (seed, row, class) of the test rows, where they are known."""
    posterior = dataset.pool.posterior
    return None if posterior is None else posterior[dataset.splits.test[seeds]]
