"""Length of a study, from a few training steps that are timed on the data set itself; and what fits into less time."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from pipeline.config.champion import with_steps
from pipeline.config.cost import Networks, network_epochs, networks_of, scaled_down
from pipeline.config.params import Params
from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import SeedData, seed_data

CORES = os.cpu_count() or 1
_STAGE = 4.0  # seconds that a stage takes beside training: imports, reading, scoring
_STAGES = 7  # beside those of the variants
_BASELINE_ROWS = 500  # on which baselines are timed, at most
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 60.0}


@dataclass(frozen=True)
class Speed:
    """Seconds that this machine takes, all cores together.

    Attributes:
        epoch: for an epoch of one network of the study.
        baselines: for a fit of every baseline on one seed.
        champion: for the library of the model that is handed over.
    """

    epoch: float
    baselines: float = 0.0
    champion: float = 0.0

    def seconds(self, params: Params, networks: Networks) -> float:
        """How long networks of a study train."""
        return network_epochs(params, networks) * self.epoch

    def study_seconds(self, params: Params) -> float:
        """How long the study of one data set takes."""
        beside = self.baselines * params.study.seeds + self.champion + _STAGE * (_STAGES + len(params.variants))
        return self.seconds(params, networks_of(params)) + beside


def measured_speed(params: Params, dataset: Dataset, *, jobs: int = CORES) -> Speed:
    """Train a few steps of the study's points and of the champion's networks, and fit the baselines once."""
    data, champion = seed_data(dataset, 0), params.champion
    rows = (len(data.labels["train"]) + len(data.labels["validation"])) * (champion.folds - 1) // champion.folds
    library = [with_steps(each.point, rows, least=champion.least_steps) for each in champion.recipes.values()]
    epochs = champion.folds * sum(point.epochs for point in library) * rows / len(data.labels["train"])
    return Speed(
        epoch=epoch_seconds(params, dataset, jobs=jobs),
        baselines=_baseline_seconds(params, data) / jobs,
        champion=epochs * _epoch_seconds(library, data, jobs=jobs),
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


def fitted(params: Params, speed: Speed, budget: float) -> Params:
    """The study with the most seeds and trials that fit into so many seconds.

    Raises:
        InputError: none does.
    """
    least = params
    for smaller in scaled_down(params):
        if speed.study_seconds(smaller) <= budget:
            return smaller
        least = smaller
    needed = duration(speed.study_seconds(least))
    raise InputError(
        f"--budget: must be {needed} or more, which {least.study.seeds} seeds take, and fewer decide nothing; "
        f"got {duration(budget)}; `advise` answers in less"
    )


def changes(before: Params, after: Params) -> dict[tuple[str, ...], int]:
    """What differs between a study and a smaller one, by key path of params.yaml."""
    values = {
        ("study", "seeds"): (before.study.seeds, after.study.seeds),
        ("study", "ensembles", "splits"): (before.study.ensembles.splits, after.study.ensembles.splits),
        ("search", "trials"): (before.search.trials, after.search.trials),
        ("search", "seeds"): (before.search.seeds, after.search.seeds),
    }
    return {keys: new for keys, (old, new) in values.items() if old != new}


def seconds_of(text: str) -> float:
    """A time in seconds, as in 90s, 2m, 1.5h; minutes without a unit.

    >>> seconds_of("2m"), seconds_of("90s"), seconds_of("1.5h"), seconds_of("2")
    (120.0, 90.0, 5400.0, 120.0)
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if parts is None or float(parts[1]) == 0:
        raise ArgumentTypeError(f"must be a time, as in 90s, 2m or 1.5h, got {text!r}")
    return float(parts[1]) * _UNITS[parts[2]]


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(40), duration(100), duration(400), duration(8000)
    ('40 seconds', '2 minutes', '7 minutes', '2.2 hours')
    """
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
