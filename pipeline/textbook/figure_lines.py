"""The lines of a claim's figure: metrics over an axis, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.decay_timescale import decay_timescale
from pipeline.config.textbook import (
    CELL,
    EPOCH,
    INPUT_NOISE,
    TIMESCALE,
    Experiment,
    Shows,
    selected,
)
from pipeline.core.errors import InputError
from pipeline.results.comparison import number
from pipeline.statistics.intervals import mean_interval
from pipeline.textbook.cell_data import noisy
from pipeline.textbook.experiment_results import STEM, Measured, widening

Row = dict[str, Any]


def panels(shows: Shows, experiment: Experiment, measured: Sequence[Measured]) -> Iterator[Row]:
    """The panels of a figure: for each data set and metric (or all metrics together) lines over the axis."""
    places = selected(experiment, [shows.where], "where")
    for one in measured:
        if one.dataset["name"] not in (shows.datasets or experiment.datasets):
            continue
        for group in [shows.y] if shows.together else [(metric,) for metric in shows.y]:
            lines = [line for metric in group for line in _lines(metric, shows, experiment, places, one)]
            if lines:
                where = {field: [plain(level) for level in levels] for field, levels in shows.where.items()}
                panel = {"dataset": one.dataset["name"], "x": shows.x, "by": list(shows.by), "where": where}
                yield {**panel, "y": list(group), "lines": lines}


def _lines(metric: str, shows: Shows, experiment: Experiment, places: Sequence[int], one: Measured) -> Iterator[Row]:
    cells = list(experiment.cells.values())
    values_of = {place: tuple(getattr(cells[place], field) for field in shows.by) for place in places}
    for value in dict.fromkeys(values_of.values()):
        own = [place for place in places if values_of[place] == value]
        axis, values, groups = _axis(metric, shows.x, experiment, own, one)
        if np.isfinite(values).all(axis=1).any():
            rows = max(cells[place].rows or one.dataset["train"] for place in own)
            ends = mean_interval(values, widening=widening(metric, values, groups, one, rows=rows, selecting=False))
            yield {
                "metric": metric,
                "line": {field: plain(level) for field, level in zip(shows.by, value, strict=True)},
                "n": values.shape[1],
                "x": [plain(x) for x in axis],
                **{end: [number(float(v)) for v in getattr(ends, end)] for end in ("mean", "low", "high")},
            }


def _axis(
    metric: str, x: str, experiment: Experiment, places: Sequence[int], one: Measured
) -> tuple[Sequence[Any], NDArray[np.float64], NDArray[np.float64] | None]:
    """Where a line has its marks, the values (mark, seed) there, NaN where it has none, and the groups of these."""
    if x == EPOCH:
        curves = one.curves(metric)
        if curves is None:
            raise InputError(f"{one.dataset['name']}: {metric!r} has no history")
        return [int(epoch) for epoch in one.arrays["epoch"]], curves[places[0]].T, None
    if x == INPUT_NOISE:
        levels = (0.0, *experiment.input_noise)
        names = [metric.replace(STEM, noisy(level), 1) if level else metric for level in levels]
        groups = [one.groups_of(name) for name in names]
        known = [each[places[0]] for each in groups if each is not None]
        values = np.stack([one.of(name)[places[0]] for name in names])
        return levels, values, np.stack(known) if len(known) == len(names) else None
    values = one.of(metric)[list(places)] if one.has(metric) else np.full((len(places), 2), np.nan)
    of_metric = one.groups_of(metric) if one.has(metric) else None
    return (
        [_place(x, experiment, place, one) for place in places],
        values,
        None if of_metric is None else of_metric[list(places)],
    )


def _place(x: str, experiment: Experiment, place: int, one: Measured) -> Any:
    """Where a cell stands on an axis: its name, a field of it, or over how many epochs its weight decay averages."""
    label, cell = list(experiment.cells.items())[place]
    if x == TIMESCALE:
        timescale = decay_timescale(cell, cell.rows or one.dataset["train"])
        return timescale.epochs if timescale else None
    return label if x == CELL else getattr(cell, x)


def plain(value: Any) -> Any:
    """Widths as text, everything else as it is.

    >>> plain((64, 64)), plain(0.5)
    ('64x64', 0.5)
    """
    return "x".join(map(str, value)) if isinstance(value, tuple) else value
