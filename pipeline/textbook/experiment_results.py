"""What an experiment has measured on a data set, and how much wider its intervals must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.statistics.intervals import Widening
from pipeline.statistics.shared_rows import Overlap, SplitSizes

TESTED = ("test~", "scaled", "sampled", "desmoothed")  # conditions of the test rows, which have their correction
STEM = "test"


@dataclass(frozen=True)
class Measured:
    """What an experiment's cells measured on one data set.

    Attributes:
        arrays: as `pipeline.textbook.experiments.run` gives them.
        dataset: description with `name`, `overlapping`, and the row counts `train`, `validation`, `test`.
    """

    arrays: Mapping[str, NDArray[Any]]
    dataset: Mapping[str, Any]

    def of(self, metric: str) -> NDArray[np.float64]:
        """A metric (cell, seed).

        Raises:
            InputError: nothing of that name was measured.
        """
        name, _, epoch = metric.partition("@")
        if epoch:
            return self._at(name, int(epoch) if epoch.isdecimal() else -1, metric)
        if f"score/{name}" not in self.arrays:
            known = ", ".join(key.removeprefix("score/") for key in self.arrays if key.startswith("score/"))
            raise InputError(f"{self.dataset['name']}: metric must be one of {known}, got {metric!r}")
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
            raise InputError(f"{metric!r}: must be a measure @ one of the epochs measured ({known})")
        return curves[..., epochs.index(epoch)]

    def curves(self, name: str) -> NDArray[np.float64] | None:
        """A measure (cell, seed, epoch); of a gap, validation minus train."""
        split, _, measure = name.partition("/")
        if split == "gap":
            ends = [self.arrays.get(f"history/{one}/{measure}") for one in ("validation", "train")]
            return None if ends[0] is None or ends[1] is None else np.asarray(ends[0] - ends[1])
        return self.arrays.get(f"history/{name}")

    def has(self, metric: str) -> bool:
        """Whether it was measured, for one cell at least."""
        return "@" in metric or bool(np.isfinite(self.arrays.get(f"score/{metric}", np.nan)).any())


def widening(
    metric: str,
    values: NDArray[np.float64],
    groups: NDArray[np.float64] | None,
    one: Measured,
    *,
    rows: int,
    selecting: bool,
) -> Widening:
    """Of lines of values (line, seed): see `pipeline.statistics.shared_rows`.

    Training rows are shared where seeds resplit one pool; test rows always are, and what that adds is measured by the
    groups (line, seed, group) of the metrics that have them.
    """
    name, at, _ = metric.partition("@")
    if at:
        name = name.replace("gap", "validation", 1)  # a history is measured on validation rows
    split = name.split("/")[0]
    if split.startswith(TESTED):
        name = name.replace(split, STEM + "_ts" * split.endswith("_ts"), 1)
    overlap = Overlap(_as_used(one.dataset, rows), {}, np.full(len(values), selecting))
    return overlap.widening(name, values, groups)


def _as_used(dataset: Mapping[str, Any], rows: int) -> SplitSizes:
    """The sizes of a data set of whose training rows so many are used: the others stand idle with the test's."""
    idle = max(dataset["train"] - rows, 0)
    train, test = dataset["train"] - idle, dataset["test"] + idle
    return SplitSizes(train, dataset["validation"], test, dataset["overlapping"])
