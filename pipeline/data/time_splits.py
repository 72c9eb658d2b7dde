"""Splits by time: trained on the earliest rows, chosen on later ones, tested on the latest."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from pipeline.data.splits import Splits, check_training, require, sizes_of
from pipeline.data.stratification import draw

DRAWN = 0.8
"""The share of the earliest rows, and of those after them, that each seed draws."""


def split_by_time(
    labels: Int64[np.ndarray, " rows"],
    times: Float64[np.ndarray, " rows"],
    *,
    classes: tuple[str, ...],
    seeds: int,
    train: int | float,
    validation: int | float,
    name: str,
) -> Splits:
    """Divide one pool by time: no training row is later than a validation row, nor that than a test row.

    The earliest `train` rows are for training, the next `validation` rows for validation, all later ones for testing;
    rows of one time are never divided, which may add some to a part. All seeds share the test rows. Of the earlier rows
    each seed draws four fifths, stratified by class: with the same rows for all, results would differ by their networks
    alone, and intervals over seeds would not know that another history could have been recorded. Subsamples without
    replacement keep rows different, as a bootstrap would not, and come from all of the history, as a later start would
    not.

    Args:
        labels: class of each row.
        times: of each row, finite; only their order counts.
        classes: names of the classes, for messages.
        seeds: how many; they are numbered from 0.
        train: rows (1 or more) or a share of all rows (between 0 and 1) that training rows are drawn from.
        validation: as train.
        name: what messages call the data set.

    Raises:
        InputError: a size is out of range, nothing later is left to validate or test on, or a seed's training part
            lacks a class.
    """
    require(seeds >= 1, f"{name}: seeds must be at least 1; got {seeds}")
    sizes = sizes_of(len(labels), train=train, validation=validation, classes=len(classes), name=name)
    order = np.argsort(times, kind="stable")
    first, second = _ends(times[order], *sizes)
    require(
        first < second <= len(labels) - 2,
        f"{name}: train and validation must leave later rows to validate and two or more to test on; got "
        f"train={train:g} and validation={validation:g} of {len(labels)} rows at {len(np.unique(times))} times",
    )
    test = np.sort(order[second:])
    generators = [np.random.default_rng(seed) for seed in range(seeds)]
    trained, chosen = (
        np.stack([rows[draw(labels[rows], _drawn(len(rows)), rng)] for rng in generators])
        for rows in (order[:first], order[first:second])
    )
    check_training(labels, trained, classes, name)
    return Splits(trained.astype(np.int32), chosen.astype(np.int32), np.tile(test, (seeds, 1)).astype(np.int32))


def _drawn(rows: int) -> int:
    return max(round(DRAWN * rows), 1)


def _ends(times: Float64[np.ndarray, " rows"], train: int, validation: int) -> tuple[int, int]:
    """Where training and validation rows end among ascending times: as asked, or with the last row of that time."""
    first = int(np.searchsorted(times, times[train - 1], side="right"))
    last = min(first + validation, len(times)) - 1
    return first, int(np.searchsorted(times, times[last], side="right"))
