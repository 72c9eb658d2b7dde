"""Length of a study, from a few training steps that are timed on the data set itself; and what fits into less time."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

from pipeline.config.cost import Networks, network_epochs, networks_of, scaled_down
from pipeline.config.params import Params
from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import seed_data

CORES = os.cpu_count() or 1
_STAGE = 4.0  # seconds that a stage takes beside training: imports, reading, scoring
_STAGES = 7  # beside those of the variants
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 60.0}


@dataclass(frozen=True)
class Speed:
    """Seconds that this machine takes for an epoch of one network, all cores together."""

    epoch: float

    def seconds(self, params: Params, networks: Networks) -> float:
        """How long networks of a study train."""
        return network_epochs(params, networks) * self.epoch

    def study_seconds(self, params: Params) -> float:
        """How long the study of one data set takes."""
        return self.seconds(params, networks_of(params)) + _STAGE * (_STAGES + len(params.variants))


def measured_speed(params: Params, dataset: Dataset, *, jobs: int = CORES) -> Speed:
    """Train a few steps of the study's points on a data set."""
    from pipeline.stages.members import workers  # noqa: PLC0415
    from pipeline.training.speed import seconds_per_epoch  # noqa: PLC0415  (torch takes a second to import)

    points = [point for variant in params.variants.values() for point in variant.points]
    with workers("threading"):
        return Speed(seconds_per_epoch(points, seed_data(dataset, 0), jobs=jobs))


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
