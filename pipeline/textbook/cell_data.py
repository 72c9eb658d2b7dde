"""The rows of a cell: fewer of them, wrong labels in training, noise on the test inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.rng import Purpose, generator
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import SeedData, seed_data

if TYPE_CHECKING:
    from pipeline.config.claims import Cell


def noisy(sigma: float) -> str:
    """The name of the test rows with noise of that many standard deviations.

    >>> noisy(0.5)
    'test~0.5'
    """
    return f"test~{sigma:g}"


def cell_data(dataset: Dataset, cell: Cell, seed: int, *, input_noise: Sequence[float] = ()) -> SeedData:
    """What a cell trains, chooses and tests on: standardized by the training rows that it really has.

    Rows, wrong labels and noise are nested: fewer rows are the first of more, a label that is wrong at a low rate is
    so at a higher one, and stronger noise is the same noise, scaled.
    """
    data = seed_data(_first_rows(dataset, cell.rows), seed)
    labels = _with_errors(data.labels["train"], data.classes, cell.label_noise, seed)
    features = dict(data.features)
    normals = generator(seed, Purpose.TEST_NOISE).standard_normal(features["test"].shape, dtype=np.float32)
    noise = {noisy(sigma): features["test"] + np.float32(sigma) * normals for sigma in input_noise}
    return replace(data, features={**features, **noise}, labels={**data.labels, "train": labels})


def _first_rows(dataset: Dataset, rows: int) -> Dataset:
    if not rows:
        return dataset
    return replace(dataset, splits=replace(dataset.splits, train=dataset.splits.train[:, :rows]))


def _with_errors(labels: NDArray[np.int64], classes: int, rate: float, seed: int) -> NDArray[np.int64]:
    """Labels of which each is replaced with probability `rate` by another class."""
    draw = generator(seed, Purpose.LABEL_NOISE)
    replaced, other = draw.random(len(labels)) < rate, draw.integers(1, classes, len(labels))
    return np.where(replaced, (labels + other) % classes, labels)
