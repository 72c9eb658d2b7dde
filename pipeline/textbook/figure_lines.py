"""The lines of a claim's figure: metrics over an axis, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.claims import CELL, EPOCH, INPUT_NOISE, TIMESCALE, Cell, Experiment, Shows, selected
from pipeline.config.decay_timescale import decay_timescale
from pipeline.core.errors import InputError
from pipeline.results.record import Level, finite
from pipeline.results.textbook import FigureAxes, FigureLine
from pipeline.statistics.intervals import mean_interval
from pipeline.textbook.cell_data import noisy
from pipeline.textbook.experiment_results import STEM, ExperimentScores, widening


@dataclass(frozen=True)
class _Marks:
    """A line's places on the axis, the values (mark, seed) there, NaN where it has none, and their groups."""

    x: Sequence[Level]
    values: NDArray[np.float64]
    groups: NDArray[np.float64] | None


def figure_axes(shows: Shows, experiment: Experiment, scores: Sequence[ExperimentScores]) -> Iterator[FigureAxes]:
    """For each data set and metric (or all metrics together) the lines over an axis."""
    places = selected(experiment, [shows.where], "where")
    where = {field: tuple(plain(level) for level in levels) for field, levels in shows.where.items()}
    for each in scores:
        if each.dataset.name not in (shows.datasets or experiment.datasets):
            continue
        for group in [shows.y] if shows.together else [(metric,) for metric in shows.y]:
            lines = tuple(line for metric in group for line in _lines(metric, shows, experiment, places, each))
            if lines:
                yield FigureAxes(dataset=each.dataset.name, x=shows.x, by=shows.by, where=where, y=group, lines=lines)


def _lines(
    metric: str, shows: Shows, experiment: Experiment, places: Sequence[int], scores: ExperimentScores
) -> Iterator[FigureLine]:
    cells = list(experiment.cells.values())
    levels_of = {place: tuple(plain(getattr(cells[place], field)) for field in shows.by) for place in places}
    for levels in dict.fromkeys(levels_of.values()):
        chosen = [place for place in places if levels_of[place] == levels]
        marks = _marks(metric, shows.x, experiment, chosen, scores)
        if shows.tuned:
            marks = _best(marks, scores.choice(metric)[chosen])
        if np.isfinite(marks.values).all(axis=1).any():
            used = scores.dataset.training_on(max(cells[place].rows or scores.dataset.train for place in chosen))
            ends = mean_interval(marks.values, widening=widening(metric, marks.values, marks.groups, used))
            yield FigureLine(
                metric=metric,
                line=dict(zip(shows.by, levels, strict=True)),
                n=marks.values.shape[1],
                x=tuple(marks.x),
                mean=_numbers(ends.mean),
                low=_numbers(ends.low),
                high=_numbers(ends.high),
            )


def _numbers(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(finite(float(value)) for value in values)


def _marks(metric: str, x: str, experiment: Experiment, places: Sequence[int], scores: ExperimentScores) -> _Marks:
    if x == EPOCH:
        return _epochs(metric, places[0], scores)
    if x == INPUT_NOISE:
        return _noise_levels(metric, experiment, places[0], scores)
    labels, cells = list(experiment.cells), list(experiment.cells.values())
    values = scores.metric(metric)[list(places)] if scores.has(metric) else np.full((len(places), 2), np.nan)
    groups = scores.groups_of(metric) if scores.has(metric) else None
    return _Marks(
        [_position(x, labels[place], cells[place], scores.dataset.train) for place in places],
        values,
        None if groups is None else groups[list(places)],
    )


def _best(marks: _Marks, choice: NDArray[np.float64]) -> _Marks:
    """One mark at each place of the axis: of several, each seed takes the one with the best validation NLL."""
    places = {x: [at for at, other in enumerate(marks.x) if other == x] for x in marks.x}
    seeds = np.arange(marks.values.shape[1])
    rows = [np.asarray(at)[np.argmin(choice[at], axis=0)] for at in places.values()]
    return _Marks(
        list(places),
        np.stack([marks.values[row, seeds] for row in rows]),
        None if marks.groups is None else np.stack([marks.groups[row, seeds] for row in rows]),
    )


def _epochs(metric: str, place: int, scores: ExperimentScores) -> _Marks:
    curves = scores.curves(metric)
    if curves is None:
        raise InputError(f"{scores.dataset.name}: {metric!r} has no history")
    return _Marks([int(epoch) for epoch in scores.arrays["epoch"]], curves[place].T, None)


def _noise_levels(metric: str, experiment: Experiment, place: int, scores: ExperimentScores) -> _Marks:
    levels = (0.0, *experiment.input_noise)
    names = [metric.replace(STEM, noisy(level), 1) if level else metric for level in levels]
    groups = [each[place] for each in map(scores.groups_of, names) if each is not None]
    values = np.stack([scores.metric(name)[place] for name in names])
    return _Marks(levels, values, np.stack(groups) if len(groups) == len(names) else None)


def _position(x: str, label: str, cell: Cell, train: int) -> Level:
    """Where a cell stands on an axis: its name, a field of it, or over how many epochs its weight decay averages."""
    if x == TIMESCALE:
        timescale = decay_timescale(cell, cell.rows or train)
        return timescale.epochs if timescale else None
    return label if x == CELL else plain(getattr(cell, x))


def plain(value: Level | tuple[int, ...]) -> Level:
    """Widths as text, everything else as it is.

    >>> plain((64, 64)), plain(0.5)
    ('64x64', 0.5)
    """
    return "x".join(map(str, value)) if isinstance(value, tuple) else value
