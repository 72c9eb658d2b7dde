"""The ledger: for each claim its effects with intervals, its exact checks, its verdict, and the lines of its figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.claims import (
    CHOICE,
    Claim,
    Effect,
    Experiment,
    Levels,
    Selector,
    Topic,
    combinations_of,
    selected,
)
from pipeline.results.record import Level, finite
from pipeline.results.textbook import (
    CheckResult,
    ClaimResult,
    ClaimVerdict,
    EffectCell,
    EffectResult,
    FigureAxes,
    VerdictCounts,
)
from pipeline.statistics.intervals import Widening
from pipeline.textbook.experiment_results import ExperimentScores, widening
from pipeline.textbook.figure_lines import figure_axes, plain
from pipeline.textbook.verdicts import OPPOSITE, combined, judge

RECIPE = ("architecture", "hidden", "rows", "optimizer", "learning_rate", "batch_size", "epochs")
ScoresByExperiment = Mapping[str, Sequence[ExperimentScores]]


@dataclass(frozen=True)
class TopicScores:
    """A topic, what its experiments scored, and what its exact checks gave, by name."""

    name: str
    topic: Topic
    scores: ScoresByExperiment
    checks: Mapping[str, Sequence[CheckResult]]


def claim_result(name: str, topic: TopicScores) -> ClaimResult:
    """The verdict on a claim, with all that it stands on.

    Raises:
        InputError: an effect or a figure names a metric that there is not.
    """
    claim = topic.topic.claims[name]
    comparisons = [_comparison_of(effect, claim, topic) for effect in claim.effects]
    count = sum(len(comparison.places) for comparison in comparisons)
    effects = tuple(_effect_result(comparison, count) for comparison in comparisons)
    checks = tuple(check for check_name in claim.checks for check in topic.checks[check_name])
    cells = [cell for effect in effects for cell in effect.cells]
    exact: list[ClaimVerdict] = ["supported" if check.holds else "refuted" for check in checks]
    verdicts = [cell.verdict for cell in cells] + exact
    return ClaimResult(
        topic=topic.name,
        id=name,
        sentence=claim.sentence,
        source=claim.source,
        note=claim.note,
        quantifier=claim.quantifier,
        verdict=combined(verdicts, [cell.strict for cell in cells] + exact, quantifier=claim.quantifier),
        counts=VerdictCounts.of(verdicts),
        datasets=tuple(dict.fromkeys(cell.dataset for cell in cells)),
        seeds=max((cell.n for cell in cells), default=0),
        recipe=_recipe([topic.topic.experiments[each] for each in dict.fromkeys(c.name for c in comparisons)]),
        effects=effects,
        checks=checks,
        panels=tuple(_axes(claim, topic)),
    )


def _axes(claim: Claim, topic: TopicScores) -> Iterator[FigureAxes]:
    for shows in claim.shows:
        name = shows.experiment or claim.experiment
        yield from figure_axes(shows, topic.topic.experiments[name], topic.scores[name])


def _recipe(experiments: Sequence[Experiment]) -> dict[str, Level]:
    """What all cells of some experiments have in common."""
    cells = [cell for experiment in experiments for cell in experiment.cells.values()]
    values = {field: {plain(getattr(cell, field)) for cell in cells} for field in RECIPE}
    return {field: levels.pop() for field, levels in values.items() if len(levels) == 1}


@dataclass(frozen=True)
class _Comparison:
    """An effect, and the experiment that decides it."""

    effect: Effect
    name: str
    experiment: Experiment
    scores: Sequence[ExperimentScores]

    @property
    def places(self) -> list[tuple[ExperimentScores, dict[str, Levels]]]:
        """Data sets, and values of the fields in `each`."""
        wanted = self.effect.datasets or self.experiment.datasets
        levels = combinations_of(self.experiment, self.effect.each, "each")
        return [(each, level) for each in self.scores if each.dataset.name in wanted for level in levels]


def _comparison_of(effect: Effect, claim: Claim, topic: TopicScores) -> _Comparison:
    name = effect.experiment or claim.experiment
    return _Comparison(effect, name, topic.topic.experiments[name], topic.scores[name])


def _effect_result(comparison: _Comparison, comparisons: int) -> EffectResult:
    effect = comparison.effect
    return EffectResult(
        says=effect.says,
        metric=effect.metric,
        against_metric=effect.against_metric or effect.metric,
        experiment=comparison.name,
        direction=effect.direction,
        least=effect.least,
        denied=effect.denied,
        cells=tuple(_effect_cell(comparison, *place, comparisons=comparisons) for place in comparison.places),
    )


@dataclass(frozen=True)
class _Operand:
    """One side of an effect: by seed, its value, and the group values it comes from where seeds share rows."""

    values: NDArray[np.float64]
    groups: NDArray[np.float64] | None
    label: str
    rows: int


def _effect_cell(
    comparison: _Comparison, scores: ExperimentScores, levels: Mapping[str, Levels], *, comparisons: int
) -> EffectCell:
    """An effect on one data set, at one value of the fields in `each`."""
    effect, experiment = comparison.effect, comparison.experiment
    of = _operand(effect.metric, effect.of, experiment, scores, levels)
    if isinstance(effect.against, float):
        fixed = np.full_like(of.values, effect.against)
        against = _Operand(fixed, None, f"{effect.against:g}", rows=0)
    else:
        against = _operand(effect.against_metric or effect.metric, effect.against, experiment, scores, levels)
    wider = _widening(effect, of, against, scores)
    judged, strict = (
        judge(
            of.values, against.values, direction=effect.direction, least=effect.least, widening=wider, comparisons=count
        )
        for count in (1, comparisons)
    )
    return EffectCell(
        dataset=scores.dataset.name,
        at={field: plain(value) for field, (value,) in levels.items()},
        of=of.label,
        against=against.label,
        of_mean=finite(of.values.mean()),
        against_mean=finite(against.values.mean()),
        n=len(of.values),
        mean=finite(judged.mean),
        low=finite(judged.low),
        high=finite(judged.high),
        inflation=finite(float(wider.inflation)),
        freedom=finite(float(wider.freedom)),
        verdict=OPPOSITE[judged.verdict] if effect.denied else judged.verdict,
        strict=OPPOSITE[strict.verdict] if effect.denied else strict.verdict,
    )


def _operand(
    metric: str,
    selectors: Sequence[Selector],
    experiment: Experiment,
    scores: ExperimentScores,
    levels: Mapping[str, Levels],
) -> _Operand:
    """The cell that is named; of several, for each seed the one with the best validation NLL."""
    places = selected(experiment, selectors, metric, levels)
    labels, cells = list(experiment.cells), list(experiment.cells.values())
    values = scores.metric(metric)[places]
    seeds = np.arange(values.shape[1])
    groups = scores.groups_of(metric)
    chosen = np.argmin(scores.metric(CHOICE)[places], axis=0)
    return _Operand(
        values=values[chosen, seeds],
        groups=None if groups is None else groups[places][chosen, seeds],
        label=labels[places[0]] if len(places) == 1 else f"best of {len(places)} on validation",
        rows=max(cells[place].rows or scores.dataset.train for place in places),
    )


def _widening(effect: Effect, of: _Operand, against: _Operand, scores: ExperimentScores) -> Widening:
    """How much wider the interval of an effect must be for rows that seeds share."""
    metrics = [effect.metric, effect.against_metric or effect.metric]
    metric = next((name for name in metrics if name.split("/")[0].endswith("_calibrated")), metrics[0])
    groups = None if of.groups is None else (of.groups - (0 if against.groups is None else against.groups))[None]
    difference = (of.values - against.values)[None]
    used = scores.dataset.training_on(max(of.rows, against.rows))
    wider = widening(metric, difference, groups, used)
    return Widening(*(float(np.ravel(field)[0]) for field in (wider.inflation, wider.freedom)))
