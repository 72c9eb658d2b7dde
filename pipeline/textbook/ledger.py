"""The ledger: for each claim its effects with intervals, its exact checks, its verdict, and the lines of its figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.claims import (
    CHOSEN,
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
    CellVerdict,
    CheckResult,
    ClaimResult,
    EffectCell,
    EffectResult,
    FigureAxes,
    Place,
    Quantifier,
    VerdictCounts,
)
from pipeline.statistics.intervals import Widening
from pipeline.textbook.experiment_results import ExperimentScores, widening
from pipeline.textbook.figure_lines import figure_axes, plain
from pipeline.textbook.places import places_of, split_of
from pipeline.textbook.verdicts import OPPOSITE, judge, prevalence, sentence_verdict

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
    count = sum(len(comparison.places) for comparison in comparisons if not comparison.effect.aside)
    effects = tuple(_effect_result(comparison, max(count, 1)) for comparison in comparisons)
    checks = tuple(check for check_name in claim.checks for check in topic.checks[check_name])
    places = places_of(effects, claim.quantifier)
    verdicts, strict = _verdicts(effects, places, claim.quantifier)
    exact: list[CellVerdict] = ["supported" if check.holds else "refuted" for check in checks]
    verdict = sentence_verdict(verdicts + exact, strict + exact)
    return ClaimResult(
        topic=topic.name,
        id=name,
        sentence=claim.sentence,
        source=claim.source,
        note=claim.note,
        quantifier=claim.quantifier,
        verdict=verdict,
        counts=VerdictCounts.of(_cell_verdicts(effects) + exact),
        places=places,
        prevalence=prevalence([place.verdict for place in places]),
        split=split_of(effects, places, _properties(comparisons)) if verdict in ("depends", "open") else None,
        datasets=tuple(dict.fromkeys(cell.dataset for effect in effects for cell in effect.cells)),
        seeds=max((cell.n for effect in effects for cell in effect.cells), default=0),
        recipe=_recipe([topic.topic.experiments[each] for each in dict.fromkeys(c.name for c in comparisons)]),
        effects=effects,
        checks=checks,
        panels=tuple(_axes(claim, topic)),
    )


def _verdicts(
    effects: Sequence[EffectResult], places: Sequence[Place], quantifier: Quantifier
) -> tuple[list[CellVerdict], list[CellVerdict]]:
    """The verdicts that decide on a sentence, plain and strict: of comparisons; of places where any may hold there."""
    if quantifier == "any":
        return [place.verdict for place in places], [place.strict for place in places]
    return _cell_verdicts(effects), [cell.strict for effect in effects if not effect.aside for cell in effect.cells]


def _cell_verdicts(effects: Sequence[EffectResult]) -> list[CellVerdict]:
    return [cell.verdict for effect in effects if not effect.aside for cell in effect.cells]


def _properties(comparisons: Sequence[_Comparison]) -> dict[str, Mapping[str, Level]]:
    """What is known of each data set, from the experiments that decide."""
    counted = [comparison for comparison in comparisons if not comparison.effect.aside]
    return {each.dataset.name: each.properties for comparison in counted for each in comparison.scores}


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
        aside=effect.aside,
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
    chosen = np.argmin(scores.choice(metric)[places], axis=0)
    seeds = np.arange(len(chosen))
    if metric.startswith(CHOSEN):
        strengths = np.array([getattr(cells[place], metric.removeprefix(CHOSEN)) for place in places])
        values, groups = np.log10(strengths)[chosen], None
    else:
        values, groups = scores.metric(metric)[places][chosen, seeds], scores.groups_of(metric)
    return _Operand(
        values=values,
        groups=None if groups is None else groups[places][chosen, seeds],
        label=_label([labels[place] for place in places]),
        rows=max(cells[place].rows or scores.dataset.train for place in places),
    )


def _label(labels: Sequence[str]) -> str:
    """What the cells have in common, and that one of them is chosen.

    >>> _label(["dropout=0.5,learning_rate=0.001", "dropout=0.5,learning_rate=0.01"])
    'dropout=0.5, best of 2 on validation'
    """
    if len(labels) == 1:
        return labels[0]
    settings = [label.split(",") for label in labels]
    common = [setting for setting in settings[0] if all(setting in other for other in settings)]
    return ", ".join([*([",".join(common)] if common else []), f"best of {len(labels)} on validation"])


def _widening(effect: Effect, of: _Operand, against: _Operand, scores: ExperimentScores) -> Widening:
    """How much wider the interval of an effect must be for rows that seeds share."""
    metrics = [effect.metric, effect.against_metric or effect.metric]
    metric = next((name for name in metrics if name.split("/")[0].endswith("_calibrated")), metrics[0])
    groups = None if of.groups is None else (of.groups - (0 if against.groups is None else against.groups))[None]
    difference = (of.values - against.values)[None]
    used = scores.dataset.training_on(max(of.rows, against.rows))
    wider = widening(metric, difference, groups, used)
    return Widening(*(float(np.ravel(field)[0]) for field in (wider.inflation, wider.freedom)))
