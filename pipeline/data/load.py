"""From a data set's parameters to its rows and splits."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.datasets import Bundled, DatasetParams, File, Mixture, Noise, OpenML
from pipeline.core.errors import InputError
from pipeline.data import synthetic
from pipeline.data.dataset import Dataset, Pool, load_bundled, split_resampled

INPUTS = Path("inputs")  # where users' files lie: DVC watches it
DOWNLOADS = Path(".cache/openml")
TASK_SEED = 2026  # fixes a synthetic task's component means, which all its seeds share


def load_dataset(name: str, wanted: DatasetParams, *, seeds: int) -> Dataset:
    """Draw or read a data set and divide it for seeds 0 to `seeds` - 1.

    Raises:
        InputError: a file, column, row or size cannot be used.
    """
    if isinstance(wanted, Mixture | Noise):
        return _draw(name, wanted, seeds)
    pool = _read(name, wanted)
    sizes = {"train": wanted.train, "validation": wanted.validation}
    return Dataset(pool, split_resampled(pool.labels, classes=pool.classes, seeds=seeds, name=name, **sizes))


def _draw(name: str, wanted: Mixture | Noise, seeds: int) -> Dataset:
    sizes = {"seeds": seeds, "train": wanted.train, "validation": wanted.validation, "test": wanted.test}
    mixture = wanted if isinstance(wanted, Mixture) else None
    task = synthetic.MixtureTask(
        seed=TASK_SEED,
        classes=wanted.classes,
        components=mixture.components if mixture else 1,
        features=wanted.features,
        separation=mixture.separation if mixture else 0.0,  # random labels: all components lie at the origin
        label_noise=mixture.label_noise if mixture else 0.0,
    )
    return synthetic.make_mixture(task, name=name, **sizes)


def _read(name: str, wanted: Bundled | File | OpenML) -> Pool:
    from pipeline.data import tables  # noqa: PLC0415

    if isinstance(wanted, Bundled):
        return load_bundled(wanted.name)
    if isinstance(wanted, OpenML):
        return Pool(*tables.load_openml(wanted.id, target=wanted.target, missing=wanted.missing, cache=DOWNLOADS))
    path = Path(wanted.path)
    if not path.resolve().is_relative_to(INPUTS.resolve()):
        raise InputError(f"datasets.{name}.path: must lie in {INPUTS}/, which DVC watches, got {wanted.path!r}")
    return Pool(*tables.read_file(path, target=wanted.target, ignore=wanted.ignore, missing=wanted.missing))
