"""Tasks whose class probabilities are known: Gaussian mixtures with label noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from pipeline.core.memory import require_memory
from pipeline.data.dataset import Dataset, Pool
from pipeline.data.splits import Splits, check_training, require

_TRAIN, _VALIDATION, _TEST, _MEANS = range(4)
_NORMALS, _UNIFORMS = range(2)


@dataclass(frozen=True)
class MixtureTask:
    """A classification task whose class probabilities are known.

    Every class has the same prior and is an equal mixture of Gaussians with identity covariance.

    Attributes:
        seed: fixes the component means, which all seeds of a study share, and the streams that rows are drawn from.
        classes: K, at least 2.
        components: Gaussians of each class, at least 1.
        features: dimensions, at least 1.
        separation: root mean square distance between two component means, in standard deviations of a component.
        label_noise: probability, below 1, that a label is replaced by another class chosen uniformly.
    """

    seed: int
    classes: int
    components: int
    features: int
    separation: float
    label_noise: float


def make_mixture(task: MixtureTask, *, seeds: int, train: int, validation: int, test: int, name: str) -> Dataset:
    """Fresh train and validation rows for each seed, and one test set that all seeds share.

    A seed's rows depend on the task and the seed's number alone, and the first rows of a longer part are the rows of
    a shorter one.

    Args:
        task: what to draw from.
        seeds: how many; they are numbered from 0.
        train: rows of each seed.
        validation: rows of each seed.
        test: rows of the shared test set.
        name: what messages call the data set.

    Raises:
        InputError: a number is out of range, or a seed's training part lacks a class.
    """
    _check_task(task, name)
    for key, value in {"seeds": seeds, "train": train, "validation": validation, "test": test}.items():
        require(value >= 1, f"{name}: {key} must be at least 1; got {value}")
    rows = seeds * (train + validation) + test
    cells = rows * (4 * task.features + 3 * task.classes * task.components) + task.classes * task.features
    require_memory(8 * cells, f"{rows:,} rows of {task.features:,} features", name)
    means = component_means(task)
    wanted = [part for seed in range(seeds) for part in ((_TRAIN, seed, train), (_VALIDATION, seed, validation))]
    drawn = [_draw(task, means, part=part, seed=seed, rows=rows) for part, seed, rows in [*wanted, (_TEST, 0, test)]]
    features, labels = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
    pool = Pool(
        features=features,
        labels=labels,
        classes=tuple(str(k) for k in range(task.classes)),
        feature_names=tuple(f"x{j}" for j in range(task.features)),
        posterior=mixture_posterior(features, means, label_noise=task.label_noise),
    )
    splits = consecutive(seeds, train=train, validation=validation, test=test)
    check_training(labels, splits.train, pool.classes, name)
    return Dataset(pool, splits)


def component_means(task: MixtureTask) -> Float64[np.ndarray, "classes components features"]:
    """Where the components lie: normal, scaled so that two means are `separation` apart (root mean square)."""
    normals = _stream(task.seed, _MEANS, _NORMALS, 0).standard_normal((task.classes, task.components, task.features))
    scale = task.separation / np.sqrt(2 * task.features)
    means: Float64[np.ndarray, "classes components features"] = scale * normals
    return means


def mixture_posterior(
    features: Float[np.ndarray, "rows features"],
    means: Float64[np.ndarray, "classes components features"],
    *,
    label_noise: float,
) -> Float64[np.ndarray, "rows classes"]:
    """Probability of each class given the features, by Bayes' rule.

    A label that is replaced with probability r by one of the K-1 others has the posterior (1-r) p + r (1-p)/(K-1).
    No matrix product is used, so a row's bits depend neither on its neighbours nor on threads.
    """
    points = features.astype(np.float64)
    classes, components, _ = means.shape
    exponents = [-0.5 * np.square(points - mean).sum(axis=1) for mean in means.reshape(classes * components, -1)]
    logs = np.stack(exponents, axis=1)
    densities = np.exp(logs - logs.max(axis=1, keepdims=True)).reshape(-1, classes, components).sum(axis=2)
    clean = densities / densities.sum(axis=1, keepdims=True)
    noisy: Float64[np.ndarray, "rows classes"] = (1 - label_noise) * clean + label_noise * (1 - clean) / (classes - 1)
    return noisy


def _stream(task_seed: int, part: int, draw: int, seed: int) -> np.random.Generator:
    """Random numbers that are a pure function of four integers (Philox: Salmon et al. 2011)."""
    key = np.array([task_seed, (part << 40) | (draw << 32) | seed], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _draw(
    task: MixtureTask, means: Float64[np.ndarray, "classes components features"], *, part: int, seed: int, rows: int
) -> tuple[Float32[np.ndarray, "rows features"], Int64[np.ndarray, " rows"]]:
    """Features and labels of one part; streams are read row by row, so longer parts begin like shorter ones."""
    normals = _stream(task.seed, part, _NORMALS, seed).standard_normal((rows, task.features))
    uniforms = _stream(task.seed, part, _UNIFORMS, seed).random((rows, 4))
    choices = np.array([task.classes, task.components, 1, task.classes - 1])
    label, component, _, other = np.floor(uniforms * choices).astype(np.int64).T
    features = (means[label, component] + normals).astype(np.float32)
    replaced = uniforms[:, 2] < task.label_noise
    return features, np.where(replaced, (label + 1 + other) % task.classes, label)


def consecutive(seeds: int, *, train: int, validation: int, test: int) -> Splits:
    """Row numbers of a pool laid out as seed 0's train and validation rows, seed 1's, ..., then the test rows."""
    first = np.arange(seeds, dtype=np.int32)[:, None] * np.int32(train + validation)
    last = np.int32(seeds * (train + validation))
    return Splits(
        train=first + np.arange(train, dtype=np.int32),
        validation=first + np.int32(train) + np.arange(validation, dtype=np.int32),
        test=np.tile(last + np.arange(test, dtype=np.int32), (seeds, 1)),
    )


def _check_task(task: MixtureTask, name: str) -> None:
    require(0 <= task.seed < 2**64, f"{name}: the task's seed must be in [0, 2**64); got {task.seed}")
    require(task.classes >= 2, f"{name}: classes must be at least 2; got {task.classes}")
    require(task.components >= 1, f"{name}: components must be at least 1; got {task.components}")
    require(task.features >= 1, f"{name}: features must be at least 1; got {task.features}")
    require(0 <= task.separation < np.inf, f"{name}: separation must be finite, at least 0; got {task.separation}")
    require(0 <= task.label_noise < 1, f"{name}: label_noise must be in [0, 1); got {task.label_noise}")
