"""What did the experiments say of each sentence? Effects, verdicts and the lines of figures, as a finished table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.textbook import (
    CHOICE,
    Claim,
    Effect,
    Experiment,
    Selector,
    Topic,
    combinations_of,
    selected,
)
from pipeline.results.comparison import number
from pipeline.statistics.intervals import Widening
from pipeline.textbook.experiment_results import Measured, widening
from pipeline.textbook.figure_lines import Row, panels, plain
from pipeline.textbook.verdicts import OPPOSITE, Verdict, combined, counted, judge


@dataclass(frozen=True)
class Operand:
    """One side of an effect: by seed, its value, and the group values it comes from where seeds share rows."""

    values: NDArray[np.float64]
    groups: NDArray[np.float64] | None
    label: str
    selecting: bool
    rows: int


RECIPE = ("architecture", "hidden", "rows", "optimizer", "learning_rate", "batch_size", "epochs")
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
        "recipe": _recipe([topic.experiments[name] for name in dict.fromkeys(setup.name for setup in setups)]),
        "effects": effects,
        "checks": list(checks),
        "panels": [
            panel
            for shows in claim.shows
            for name in [shows.experiment or claim.experiment]
            for panel in panels(shows, topic.experiments[name], found[name])
        ],
    }


def _recipe(experiments: Sequence[Experiment]) -> Row:
    """What all cells of some experiments have in common."""
    cells = [cell for experiment in experiments for cell in experiment.cells.values()]
    values = {field: {plain(getattr(cell, field)) for cell in cells} for field in RECIPE}
    return {field: found.pop() for field, found in values.items() if len(found) == 1}


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
        "at": {field: plain(value) for field, (value,) in levels.items()},
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
    found = widening(metric, difference, groups, one, rows=rows, selecting=selecting)
    return Widening(*(float(np.ravel(field)[0]) for field in (found.inflation, found.freedom)))
