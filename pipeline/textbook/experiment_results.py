"""The scores of an experiment's cells on a data set, and how much wider their intervals must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.claims import CHOICE, FIT
from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.splits import drawn_shares, overlapping
from pipeline.results.record import Level
from pipeline.statistics import shared_rows
from pipeline.statistics.intervals import Widening
from pipeline.statistics.shared_rows import Overlap

# conditions of the test rows, which have their correction
TESTED = ("test~", "scaled", "sampled", "geometric", "masked", "ablated", "damage", "desmoothed")
STEM = "test"
CALIBRATED_CHOICE = "validation_calibrated/nll"


@dataclass(frozen=True)
class SplitSizes(shared_rows.SplitSizes):
    """A data set's name, rows in each part of a split, and whether seeds share training or validation rows."""

    name: str

    @classmethod
    def of(cls, name: str, dataset: Dataset) -> SplitSizes:
        """Those of a data set."""
        train, validation, test = (
            part.shape[1] for part in (dataset.splits.train, dataset.splits.validation, dataset.splits.test)
        )
        return cls(train, validation, test, overlapping(dataset.splits), name, drawn=drawn_shares(dataset.splits))

    def training_on(self, rows: int) -> SplitSizes:
        """The sizes where so many training rows are used: the others stand idle with the test's."""
        idle = max(self.train - rows, 0)
        drawn = self.drawn and {**self.drawn, "train": self.drawn["train"] * (1 - idle / self.train)}
        return replace(self, train=self.train - idle, test=self.test + idle, drawn=drawn)


@dataclass(frozen=True)
class ExperimentScores:
    """What an experiment's cells scored on one data set.

    Attributes:
        arrays: as `pipeline.textbook.experiments.run` gives them.
        dataset: its name and sizes.
        about: what is known of the data set, such as its number of classes.
    """

    arrays: Mapping[str, NDArray[Any]]
    dataset: SplitSizes
    about: Mapping[str, Level] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, Level]:
        """What is known of the data set, and the best test accuracy that one of the cells has, a mean over seeds."""
        accuracy = self.arrays.get("score/test/accuracy")
        best = {} if accuracy is None else {"best accuracy": float(np.max(np.mean(accuracy, axis=1)))}
        return {**self.about, **best}

    def metric(self, metric: str) -> NDArray[np.float64]:
        """A metric (cell, seed).

        Raises:
            InputError: there is none of that name.
        """
        name, _, epoch = metric.partition("@")
        if epoch.startswith(FIT):
            return self._at_fit(name, float(epoch.removeprefix(FIT)))
        if epoch:
            return self._at(name, int(epoch) if epoch.isdecimal() else -1, metric)
        if f"score/{name}" not in self.arrays:
            known = ", ".join(key.removeprefix("score/") for key in self.arrays if key.startswith("score/"))
            raise InputError(f"{self.dataset.name}: metric must be one of {known}, got {metric!r}")
        values: NDArray[np.float64] = self.arrays[f"score/{name}"]
        return values

    def groups_of(self, metric: str) -> NDArray[np.float64] | None:
        """The metric of groups of test rows (cell, seed, group), where it has them; a gap has its test part's."""
        return self.arrays.get(f"group/{metric.replace('gap', STEM, 1)}")

    def _at(self, name: str, epoch: int, metric: str) -> NDArray[np.float64]:
        epochs = list(self.arrays.get("epoch", ()))
        curves = self.curves(name)
        if epoch not in epochs or curves is None:
            known = ", ".join(map(str, epochs)) or "none: history is not true"
            raise InputError(f"{metric!r}: must be a metric @ one of the epochs of the history ({known})")
        return curves[..., epochs.index(epoch)]

    def _at_fit(self, name: str, share: float) -> NDArray[np.float64]:
        """A history where the training NLL first falls to that share of what it began with; NaN where it never does.

        Between two epochs of the history both are taken to be straight lines.
        """
        train, values = self.arrays["history/train/nll"], self.curves(name)
        assert values is not None
        goal = share * train[..., :1]
        after = np.argmax(train <= goal, axis=-1)[..., None]
        before = np.maximum(after - 1, 0)
        (begin, end), levels = (
            [np.take_along_axis(each, at, -1) for at in (before, after)] for each in (train, values)
        )
        weight = np.where(after > 0, (begin - goal) / np.where(after > 0, begin - end, 1.0), np.nan)
        crossed: NDArray[np.float64] = (levels[0] + weight * (levels[1] - levels[0]))[..., 0]
        return crossed

    def choice(self, metric: str) -> NDArray[np.float64]:
        """By what one of several cells is chosen (cell, seed): validation NLL, calibrated where the metric is."""
        calibrated = "_calibrated/" in metric and f"score/{CALIBRATED_CHOICE}" in self.arrays
        return self.metric(CALIBRATED_CHOICE if calibrated else CHOICE)

    def curves(self, name: str) -> NDArray[np.float64] | None:
        """The history of a metric (cell, seed, epoch); of a gap, validation minus train."""
        split, _, metric = name.partition("/")
        if split == "gap":
            ends = [self.arrays.get(f"history/{part}/{metric}") for part in ("validation", "train")]
            return None if ends[0] is None or ends[1] is None else np.asarray(ends[0] - ends[1])
        return self.arrays.get(f"history/{name}")

    def has(self, metric: str) -> bool:
        """Whether one cell at least has it."""
        return "@" in metric or bool(np.isfinite(self.arrays.get(f"score/{metric}", np.nan)).any())


def properties_of(dataset: Dataset) -> dict[str, Level]:
    """What a data set is, apart from the rows that a cell trains on: sizes, and whether it is synthetic."""
    pool = dataset.pool
    return {
        "features": int(pool.features.shape[1]),
        "classes": len(pool.classes),
        "synthetic data": pool.posterior is not None,
    }


def widening(
    metric: str,
    values: NDArray[np.float64],
    groups: NDArray[np.float64] | None,
    dataset: SplitSizes,
) -> Widening:
    """Of lines of values (line, seed): see `pipeline.statistics.shared_rows`.

    Training rows are shared where seeds resplit one pool; test rows always are, and what that adds is estimated from
    the groups (line, seed, group) of the metrics that have them.

    Args:
        metric: its name, which says the rows it is computed on.
        values: of the metric.
        groups: the metric of groups of test rows, where it has them.
        dataset: its sizes, with the training rows that are used.
    """
    name, at, _ = metric.partition("@")
    if at:
        name = name.replace("gap", "validation", 1)  # a history is one of validation rows
    split = name.split("/")[0]
    if split.startswith(TESTED):
        name = name.replace(split, STEM + "_calibrated" * split.endswith("_calibrated"), 1)
    return Overlap(dataset, {}).widening(name, values, groups)
