"""Length of a study, from a few training steps that are timed on the data set itself; and what fits into less time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter
from typing import Any

from pipeline.config.budget import Changes, smaller_studies
from pipeline.config.cost import (
    Networks,
    library_epochs,
    network_epochs,
    point_networks_of,
    search_networks_of,
)
from pipeline.config.params import Params
from pipeline.config.points import Point
from pipeline.core.durations import duration
from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import SeedData, seed_data

CORES = os.cpu_count() or 1
_STAGE = 4.0  # seconds that a stage takes beside training: imports, reading, scoring
_STAGES = 7  # beside those of the variants
_WORTH = 0.8  # of the time, which saving less is not
_BASELINE_ROWS = 500  # on which baselines are timed, at most


@dataclass(frozen=True)
class Speed:
    """Seconds that this machine takes on a data set, all cores together.

    Attributes:
        epoch: for an epoch of one network of the study.
        baselines: for a fit of every baseline on one seed.
        champion: for an epoch of one network of the library of the model that is handed over.
        rows: that the champion's networks train on.
    """

    epoch: float
    baselines: float = 0.0
    champion: float = 0.0
    rows: int = 1

    def seconds(self, params: Params, networks: Networks) -> float:
        """How long networks of a study train."""
        return network_epochs(params, networks) * self.epoch

    def stage_seconds(self, params: Params) -> dict[str, float]:
        """How long the stages of one data set take, those that take little together."""
        return {
            "train": self.seconds(params, point_networks_of(params)),
            "search": self.seconds(params, search_networks_of(params)),
            "baselines": self.baselines * params.study.seeds,
            "champion": self.champion * library_epochs(params, self.rows),
            "all else": _STAGE * (_STAGES + len(params.variants)),
        }

    def study_seconds(self, params: Params) -> float:
        """How long the study of one data set takes."""
        return sum(self.stage_seconds(params).values())


def measured_speed(params: Params, dataset: Dataset, *, jobs: int = CORES) -> Speed:
    """Train a few steps of the study's points and of the champion's networks, and fit the baselines once."""
    data, folds = seed_data(dataset, 0), params.champion.folds
    train = len(data.labels["train"])
    rows = (train + len(data.labels["validation"])) * (folds - 1) // folds
    library = [recipe.point for recipe in params.champion.recipes.values()]
    return Speed(
        epoch=epoch_seconds(params, dataset, jobs=jobs),
        baselines=_baseline_seconds(params, data) / jobs,
        champion=_epoch_seconds(library, data, jobs=jobs) * rows / train,
        rows=rows,
    )


def epoch_seconds(params: Params, dataset: Dataset, *, jobs: int = CORES) -> float:
    """Seconds for an epoch of one network of the study, all cores together, by a few steps of its points."""
    points = [point for variant in params.variants.values() for point in variant.points]
    return _epoch_seconds(points, seed_data(dataset, 0), jobs=jobs)


def _epoch_seconds(points: Sequence[Point], data: SeedData, *, jobs: int) -> float:
    from pipeline.training.speed import seconds_per_epoch  # noqa: PLC0415  (torch takes a second to import)

    return seconds_per_epoch(points, data, jobs=jobs)


def _baseline_seconds(params: Params, data: SeedData) -> float:
    """Seconds that one core takes for every baseline on a seed, as if they grew with the rows."""
    from pipeline.models.baselines import fit, make  # noqa: PLC0415  (scikit-learn takes a second)

    few = slice(_BASELINE_ROWS)
    features, labels = data.take("train", few), data.labels["train"][few]
    start = perf_counter()
    for row in params.baselines.values():
        fit(make(row, 0), features, labels)
    return (perf_counter() - start) * len(data.labels["train"]) / len(labels)


@dataclass
class Clock:
    """How long the study of some data sets takes on this machine, at whatever size; times steps where it must.

    Attributes:
        datasets: by name, divided for one seed.
        speeds: measured so far, by what they depend on.
    """

    datasets: Mapping[str, Dataset]
    speeds: dict[tuple[object, ...], Speed] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Training rows of the smallest data set."""
        return min(int(each.splits.train.shape[1]) for each in self.datasets.values())

    def speed(self, name: str, params: Params) -> Speed:
        """Of one data set."""
        batches = (recipe.batch_size for recipe in params.champion.recipes.values())
        key = (name, params.train.batch_size, *batches)
        if key not in self.speeds:
            self.speeds[key] = measured_speed(params, self.datasets[name])
        return self.speeds[key]

    def seconds(self, params: Params) -> float:
        """Of the study of all data sets."""
        return sum(self.speed(name, params).study_seconds(params) for name in self.datasets)


def fitted(raw: Mapping[str, Any], clock: Clock, budget: float) -> tuple[Changes, Params]:
    """What to change in params.yaml for the largest study that fits into so many seconds, and its parameters.

    Raises:
        InputError: none does.
    """
    for changes, smaller in smaller_studies(raw, clock.rows):
        if clock.seconds(smaller) <= budget:
            return changes, smaller
    raise InputError(
        f"--budget: must be {duration(clock.seconds(smaller))} or more, which {smaller.study.seeds} seeds take, and "
        f"fewer decide nothing; got {duration(budget)}; `advise` answers in less"
    )


def hint(raw: Mapping[str, Any], clock: Clock) -> str:
    """What a third of the time would allow, or the least that decides something; "" where that is hardly less."""
    studies = [params for _, params in smaller_studies(raw, clock.rows)]
    whole, least = clock.seconds(studies[0]), clock.seconds(studies[-1])
    minutes = ceil(max(whole / 3, least) / 60)
    if 60 * minutes > _WORTH * whole:
        return ""
    return f"; `--budget {minutes}m` does it with {fitted(raw, clock, 60 * minutes)[1].study.seeds} seeds"
