"""Validation rows: those that early stopping sees, and the unused ones that say how good a network is."""

from __future__ import annotations

from typing import Final

from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.data.standardization import SeedData
from pipeline.search.objectives import Labels, Logits

ALL: Final = "all_validation"
"""The split of data from `halved` that has every validation row."""
FEWEST_ROWS = 4  # on validation: two for early stopping and two that judge it, for two folds


def halved(data: SeedData) -> SeedData:
    """Data for choosing: `validation` has every second row, which early stopping sees; `ALL` has all of them."""
    validation = data.features["validation"]
    return SeedData(
        features={"train": data.features["train"], "validation": validation[::2], ALL: validation},
        labels={**data.labels, "validation": data.labels["validation"][::2]},
        classes=data.classes,
    )


def unused_rows(point: Point) -> slice:
    """The validation rows that say how good a point is: those that did not choose its weights."""
    return slice(None) if point.early_stopping == "none" else slice(1, None, 2)


def judged(point: Point, logits: Logits, labels: Labels) -> tuple[Logits, Labels]:
    """The logits and labels that say how good a point is, of those of all validation rows."""
    rows = unused_rows(point)
    return logits[:, rows], labels[:, rows]


def check_rows(labels: Labels, dataset: str) -> None:
    """Raise InputError unless there are validation rows enough to choose by."""
    if labels.shape[1] < FEWEST_ROWS:
        raise InputError(
            f"{dataset}: validation must have {FEWEST_ROWS} rows or more to choose by, got {labels.shape[1]}"
        )
