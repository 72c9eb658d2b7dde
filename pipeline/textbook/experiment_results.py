"""The scores of an experiment's cells on a data set, and how much wider their intervals must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.splits import drawn_shares, overlapping
from pipeline.statistics import shared_rows
from pipeline.statistics.intervals import Widening
from pipeline.statistics.shared_rows import Overlap

TESTED = ("test~", "scaled", "sampled", "desmoothed")  # conditions of the test rows, which have their correction
STEM = "test"


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
    """

    arrays: Mapping[str, NDArray[Any]]
    dataset: SplitSizes

    def metric(self, metric: str) -> NDArray[np.float64]:
        """A metric (cell, seed).

        Raises:
            InputError: there is none of that name.
        """
        name, _, epoch = metric.partition("@")
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
