"""What did the experiments say of each sentence? Effects, verdicts and the lines of figures, as a finished table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.claims.verdicts import OPPOSITE, Verdict, combined, counted, judge
from pipeline.experiments.grammar import (
    CELL,
    CHOICE,
    EPOCH,
    INPUT_NOISE,
    Claim,
    Effect,
    Experiment,
    Selector,
    Shows,
    Topic,
    combinations_of,
    selected,
)
from pipeline.experiments.samples import noisy
from pipeline.ground.errors import InputError
from pipeline.statistics.intervals import Widening, mean_interval
from pipeline.statistics.overlap import Overlap
from pipeline.statistics.results import number

Row = dict[str, Any]
TESTED = ("test~", "scaled", "sampled", "desmoothed")  # conditions of the test rows, which have their correction
STEM = "test"


@dataclass(frozen=True)
class Measured:
    """What an experiment's cells measured on one data set.

    Attributes:
        arrays: as `pipeline.experiments.experiments.run` gives them.
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


@dataclass(frozen=True)
class Operand:
    """One side of an effect: by seed, its value, and the group values it comes from where seeds share rows."""

    values: NDArray[np.float64]
    groups: NDArray[np.float64] | None
    label: str
    selecting: bool
    rows: int


Found = Mapping[str, Sequence[Measured]]  # what each experiment measured, by its name


def claim_table(claim: Claim, topic: Topic, found: Found, checks: Sequence[Row]) -> Row:
    """A claim's verdict, its effects with intervals, its exact checks, and the lines of its figure; JSON-ready.

    Raises:
        InputError: an effect or a figure names a metric that was not measured.
    """
    setups = [
        _Setup(effect, name := effect.experiment or claim.experiment, topic.experiments[name], found[name])
        for effect in claim.effects
    ]
    comparisons = sum(len(setup.places) for setup in setups)
    effects = [_effect(setup, comparisons) for setup in setups]
    exact: list[Verdict] = ["supported" if check["holds"] else "refuted" for check in checks]
    cells = [cell for effect in effects for cell in effect["cells"]]
    verdicts, strict = ([cell[key] for cell in cells] + exact for key in ("verdict", "strict"))
    return {
        "sentence": claim.sentence,
        "source": claim.source,
        "note": claim.note,
        "quantifier": claim.quantifier,
        "verdict": combined(verdicts, strict, quantifier=claim.quantifier),
        "counts": counted(verdicts),
        "datasets": list(dict.fromkeys(cell["dataset"] for cell in cells)),
        "seeds": max((cell["n"] for cell in cells), default=0),
        "effects": effects,
        "checks": list(checks),
        "panels": [
            panel
            for shows in claim.shows
            for name in [shows.experiment or claim.experiment]
            for panel in _panels(shows, topic.experiments[name], found[name])
        ],
    }


@dataclass(frozen=True)
class _Setup:
    """An effect, and where it is measured."""

    effect: Effect
    name: str
    experiment: Experiment
    measured: Sequence[Measured]

    @property
    def places(self) -> list[tuple[Measured, dict[str, tuple[Any]]]]:
        """Data sets, and values of the fields in `each`."""
        wanted = self.effect.datasets or self.experiment.datasets
        levels = combinations_of(self.experiment, self.effect.each, "each")
        return [(one, level) for one in self.measured if one.dataset["name"] in wanted for level in levels]


def _effect(setup: _Setup, comparisons: int) -> Row:
    effect = setup.effect
    return {
        **{key: getattr(effect, key) for key in ("says", "metric", "direction", "least", "denied")},
        "against_metric": effect.against_metric or effect.metric,
        "experiment": setup.name,
        "cells": [_cell(effect, setup.experiment, one, levels, comparisons) for one, levels in setup.places],
    }


def _cell(
    effect: Effect, experiment: Experiment, one: Measured, levels: Mapping[str, tuple[Any]], comparisons: int
) -> Row:
    """An effect on one data set, at one value of the fields in `each`."""
    a = _operand(effect.metric, effect.of, experiment, one, levels)
    if isinstance(effect.against, float):
        b = Operand(np.full_like(a.values, effect.against), None, f"{effect.against:g}", selecting=False, rows=0)
    else:
        b = _operand(effect.against_metric or effect.metric, effect.against, experiment, one, levels)
    widening = _widening_of(effect, a, b, one)
    rule: Row = {"direction": effect.direction, "least": effect.least, "widening": widening}
    found = judge(a.values, b.values, **rule)
    strict = judge(a.values, b.values, comparisons=comparisons, **rule).verdict
    means = [number(float(side.values.mean())) for side in (a, b)]
    return {
        "dataset": one.dataset["name"],
        "at": {field: _plain(value) for field, (value,) in levels.items()},
        "of": a.label,
        "against": b.label,
        "of_mean": means[0],
        "against_mean": means[1],
        "n": len(a.values),
        **{key: number(getattr(found, key)) for key in ("mean", "low", "high")},
        **{key: number(getattr(widening, key)) for key in ("inflation", "freedom")},
        "verdict": OPPOSITE[found.verdict] if effect.denied else found.verdict,
        "strict": OPPOSITE[strict] if effect.denied else strict,
    }


def _operand(
    metric: str,
    selectors: Sequence[Selector],
    experiment: Experiment,
    one: Measured,
    levels: Mapping[str, tuple[Any]],
) -> Operand:
    """The cell that is named; of several, for each seed the one with the best validation NLL."""
    places = selected(experiment, selectors, metric, levels)
    labels, cells = list(experiment.cells), list(experiment.cells.values())
    values = one.of(metric)[places]
    seeds = np.arange(values.shape[1])
    groups = one.groups_of(metric)
    chosen = np.argmin(one.of(CHOICE)[places], axis=0)
    return Operand(
        values=values[chosen, seeds],
        groups=None if groups is None else groups[places][chosen, seeds],
        label=labels[places[0]] if len(places) == 1 else f"best of {len(places)} on validation",
        selecting=len(places) > 1 or any(cells[place].early_stopping != "none" for place in places),
        rows=max(cells[place].rows or one.dataset["train"] for place in places),
    )


def _widening_of(effect: Effect, a: Operand, b: Operand, one: Measured) -> Widening:
    """How much wider the interval of an effect must be for rows that seeds share."""
    metrics = [effect.metric, effect.against_metric or effect.metric]
    metric = next((name for name in metrics if name.split("/")[0].endswith("_ts")), metrics[0])
    groups = None if a.groups is None else (a.groups - (0 if b.groups is None else b.groups))[None]
    difference = (a.values - b.values)[None]
    rows, selecting = max(a.rows, b.rows), a.selecting or b.selecting
    found = _widening(metric, difference, groups, one, rows=rows, selecting=selecting)
    return Widening(*(float(np.ravel(field)[0]) for field in (found.inflation, found.freedom)))


def _widening(
    metric: str,
    values: NDArray[np.float64],
    groups: NDArray[np.float64] | None,
    one: Measured,
    *,
    rows: int,
    selecting: bool,
) -> Widening:
    """Of lines of values (line, seed): see `pipeline.statistics.overlap`.

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


def _as_used(dataset: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """The description of a data set of whose training rows so many are used: the others stand idle with the test's."""
    idle = max(dataset["train"] - rows, 0)
    return {**dataset, "train": dataset["train"] - idle, "test": dataset["test"] + idle}


def _panels(shows: Shows, experiment: Experiment, measured: Sequence[Measured]) -> Iterator[Row]:
    """The panels of a figure: for each data set and metric (or all metrics together) lines over the axis."""
    places = selected(experiment, [shows.where], "where")
    for one in measured:
        if one.dataset["name"] not in (shows.datasets or experiment.datasets):
            continue
        for group in [shows.y] if shows.together else [(metric,) for metric in shows.y]:
            lines = [line for metric in group for line in _lines(metric, shows, experiment, places, one)]
            if lines:
                where = {field: [_plain(level) for level in levels] for field, levels in shows.where.items()}
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
            ends = mean_interval(values, widening=_widening(metric, values, groups, one, rows=rows, selecting=False))
            yield {
                "metric": metric,
                "line": {field: _plain(level) for field, level in zip(shows.by, value, strict=True)},
                "n": values.shape[1],
                "x": [_plain(x) for x in axis],
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
    axis = list(experiment.cells) if x == CELL else [getattr(cell, x) for cell in experiment.cells.values()]
    return [axis[place] for place in places], values, None if of_metric is None else of_metric[list(places)]


def _plain(value: Any) -> Any:
    """Widths as text, everything else as it is.

    >>> _plain((64, 64)), _plain(0.5)
    ('64x64', 0.5)
    """
    return "x".join(map(str, value)) if isinstance(value, tuple) else value
