"""Records of tuning: the learning rates that a point was tried with, and which one it took."""

from __future__ import annotations

import math

from pipeline.config.search_space import Objective
from pipeline.results.record import Record


class RateTrial(Record):
    """A point at one learning rate: its objective on each tuning seed, None where the network diverged."""

    learning_rate: float
    values: tuple[float | None, ...]

    @property
    def mean(self) -> float:
        """Mean over the tuning seeds; infinite where one diverged."""
        finite = [value for value in self.values if value is not None]
        return math.fsum(finite) / len(finite) if len(finite) == len(self.values) else math.inf


class Tuning(Record):
    """What a point was tried with, and what was minimized."""

    objective: Objective
    trials: tuple[RateTrial, ...]

    @property
    def best(self) -> RateTrial:
        """The trial with the lowest mean; the smallest rate wins a tie, also where all diverged."""
        return min(self.trials, key=lambda trial: (trial.mean, trial.learning_rate))

    @property
    def at_edge(self) -> bool:
        """Whether the best rate is the smallest or the largest of three or more: a better one may lie beyond."""
        rates = [trial.learning_rate for trial in self.trials]
        return len(rates) > 2 and self.best.learning_rate in (min(rates), max(rates))


class VariantTuning(Record):
    """The tuning of every point of a variant by its label, as members/<dataset>/<variant>/tuning.json holds it."""

    points: dict[str, Tuning]
