"""Search in MLflow: beside the trials a run a winner, one a combination of winners, and one that holds the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config.search_space import LEARNING_RATE, STACKED, TUNED, Search, measure
from pipeline.metrics.names import MetricName
from pipeline.results.readable_names import readable_arms, starred
from pipeline.results.search import ArmResult, SearchResults
from pipeline.results.study import PointResult
from pipeline.tracking import builder, views
from pipeline.tracking.builder import AGAINST, CURRENT, LOSS, Arrays
from pipeline.tracking.runs import ExperimentPage, RunRecord, Value
from pipeline.tracking.times import Clock, nobody_knows
from pipeline.tracking.trials import TRIALS, experiment, trial_key

FIGURES = ("arms", "interactions", "history", "importances", "slices", "contours", "pareto")
WINNERS = "winners"  # a view


def records_of(
    search: SearchResults,
    arrays: Sequence[Arrays],
    *,
    trials: bytes | Path,
    figures: Mapping[str, Path],
    clock: Clock = nobody_knows,
) -> list[RunRecord]:
    """The records of a finished search but those of its trials; the answer is last, so that the UI lists it first.

    Args:
        search: a finished search.
        arrays: each contender's `score/*`.
        trials: the table of all trials.
        figures: PNG files by path, such as "arms.png"; those that lack are left out.
        clock: says when the networks of a contender were trained.
    """
    points = search.results.points
    stacked = [point for point in points if point.kind == STACKED]
    return [
        *([_stacks_record(search, stacked)] if stacked else []),
        *(
            replace(_contender_record(search, point, of_point), times=clock(point.md5))
            for point, of_point in zip(points, arrays, strict=True)
        ),
        _answer_record(search, trials=trials, figures=figures),
    ]


def experiment_of(dataset: str, search: Search, results: SearchResults | None = None) -> ExperimentPage:
    """What the page of a search says: that it goes on, or its answer."""
    ways = f"[charts](charts:{TRIALS}) or in [a table](table:{TRIALS})"
    shown = {TRIALS: _trials_view(search)}
    if results is None:
        text = (
            f"The search on `{dataset}` goes on: after every batch its trials appear here, each a run under the run of "
            f"its arm. Compare them in {ways}."
        )
    else:
        text = (
            f"{builder.sentence(results.results, name=readable_arms)}\n\n"
            f"Every trial of the search on `{dataset}` is a run under the run of its arm: compare them in {ways}, also "
            "found under *Views*. What the winners, and combinations of them, are worth on seeds that no trial has "
            f"seen: [charts](charts:{WINNERS}), [table](table:{WINNERS}). The run `answer` holds the search's figures "
            f"and tables. Filter by `{CURRENT}` to hide earlier results."
        )
        shown[WINNERS] = _winners_view(results)
    return ExperimentPage(name=experiment(dataset), description=text, views=shown)


def _trials_view(search: Search) -> str:
    """All trials, best first: their strengths, their objectives, and how values fell epoch by epoch."""
    objectives, axes = list(map(measure, search.objectives)), _axes(search)
    compared = views.section("Strengths and results", [views.parallel(axes, objectives)], columns=1, height=420)
    on_the_way = views.section("On the way", [views.lines(f"rung/{search.objectives[0]}")], columns=1, height=420)
    return views.saved(
        "Trials, compared",
        columns=[
            *map(views.tag, ("arm", "state")),
            *map(views.metric, objectives),
            *map(views.param, search.space),
        ],
        search=f'{CURRENT} AND tags.level = "trial"',
        order_by=views.metric(objectives[0]),
        sections=[compared, *([on_the_way] if search.pruner.kind != "none" else [])],
        folded=["rung", "seeds/validation", "validation", "validation_calibrated"],
    )


def _axes(search: Search) -> list[str]:
    """The learning rate and what some arm tunes alone: more axes would hide what they show."""
    alone = {LEARNING_RATE, *(name for names in search.arms.values() if len(names) == 1 for name in names)}
    return [name for name in search.space if name in alone]


def _winners_view(search: SearchResults) -> str:
    """The winners and their combinations, ordered by what the choice was made by."""
    against = [str(search.results.reference_point.decisive(MetricName.parse(name))) for name in AGAINST]
    tuned = builder.tuned_by(search.results.answer.objective)
    return views.saved(
        "Winners on fresh seeds",
        columns=views.headline_columns(tuned, against, search.search.space),
        search=views.COMPARED,
        order_by=views.metric(tuned),
        sections=[views.section("Results", [views.bars(name) for name in against], columns=3, height=520)],
    )


def _key(dataset: str, point: PointResult) -> str:
    """A winner lies beside its arm's trials; no arm has the name of what holds the combinations."""
    return f"{dataset}/{point.name}/winner" if point.kind == TUNED else f"{dataset}+{STACKED}/{point.name}"


def _link(search: SearchResults, point: PointResult) -> str:
    return f"[{_name(search, point)}](record:{_key(search.results.dataset.name, point)})"


def _name(search: SearchResults, point: PointResult) -> str:
    """An arm, or arms that are stacked, as all other surfaces write them, with a star where that is recommended."""
    return starred(readable_arms(point.name), point.key == search.results.recommended)


def _contender(search: SearchResults, name: str) -> PointResult:
    return next(point for point in search.results.points if point.name == name)


def _stacks_record(search: SearchResults, stacked: Sequence[PointResult]) -> RunRecord:
    dataset = search.results.dataset.name
    return RunRecord(
        key=f"{dataset}+{STACKED}",
        experiment=experiment(dataset),
        name="stacked winners",
        description=(
            f"Winners of several arms on `{dataset}`, stacked on each other without tuning them together, part of "
            f"[the search](record:{dataset}): {', '.join(_link(search, point) for point in stacked)}. "
            f"Compare them with the winners in [charts](charts:{WINNERS}) or in [a table](table:{WINNERS})."
        ),
        tags={"dataset": dataset, "level": "stacks"},
        artifacts={"tables/points.csv": builder.points_table(stacked)},
    )


def _contender_record(search: SearchResults, point: PointResult, arrays: Arrays) -> RunRecord:
    """A winner, or winners stacked on each other, on fresh seeds."""
    results, tuned = search.results, point.kind == TUNED
    dataset = results.dataset.name
    reference = _link(search, results.reference_point)
    draft = RunRecord(
        key=_key(dataset, point),
        experiment=experiment(dataset),
        name=_run_name(search, point),
        parent=f"{dataset}/{point.name}" if tuned else f"{dataset}+{STACKED}",
        description=" ".join(
            [
                _origin(search, point) if tuned else _parts(search, point),
                builder.finding(point, reference, results.protocol),
                *_interactions(search, point),
                *([_optimism(search.arms[point.name])] if tuned else []),
                "All metrics are in `tables/metrics.csv`.",
            ]
        ),
        params=_params(search, point),
        tags={"arm": point.name, "level": "winner"} if tuned else {"level": STACKED},
        metrics=[*builder.tuned(point), *(_averages(search, point) if tuned else ())],
    )
    return builder.point_run(draft, results, point, arrays)


def _run_name(search: SearchResults, point: PointResult) -> str:
    """Of a winner, other than its arm, which is a run, too."""
    name = readable_arms(point.name) + " winner" * (point.kind == TUNED)
    return starred(name, point.key == search.results.recommended)


def _params(search: SearchResults, point: PointResult) -> dict[str, Value]:
    return {name: getattr(point.parameters, name) for name in search.search.space}


def _averages(search: SearchResults, point: PointResult) -> Iterator[builder.Metric]:
    """What the average of a winner's networks is worth, and minus one network of none and their average."""
    for entry in search.ensembles.arms if search.ensembles else ():
        if entry.arm != point.name or LOSS not in entry.ensemble:
            continue
        yield f"ensemble/{LOSS}", builder.number(entry.ensemble[LOSS].mean), 0
        compared = {"none": entry.ensemble_against_none, "ensemble_of_none": entry.ensemble_against_ensemble}
        for reference, metrics in compared.items():
            if LOSS in metrics:
                yield f"ensemble/against_{reference}/{LOSS}", builder.number(metrics[LOSS].difference), 0


def _origin(search: SearchResults, point: PointResult) -> str:
    dataset, arm = search.results.dataset.name, search.arms[point.name]
    trials = arm.trials.complete + arm.trials.pruned + arm.trials.failed
    return (
        f"[Trial {arm.trial}](record:{trial_key(dataset, point.name, arm.trial)}) of arm "
        f"[{readable_arms(point.name)}](record:{dataset}/{point.name}), "
        f"its best of {trials}, trained anew on {point.seeds} seeds that no trial has seen."
    )


def _parts(search: SearchResults, point: PointResult) -> str:
    parts = " and ".join(_link(search, _contender(search, part)) for part in point.name.split("+"))
    return f"The winners of {parts} stacked on each other, not tuned together, on {point.seeds} seeds."


def _interactions(search: SearchResults, point: PointResult) -> Iterator[str]:
    """How a combination compares with the best of its single arms."""
    for interaction in search.interactions:
        compared = interaction.metrics.get(LOSS) if interaction.name == point.name else None
        if compared and not compared.left_out:
            change = builder.change_text(compared.difference, compared.low, compared.high)
            single = _link(search, _contender(search, interaction.best_single))
            better = compared.p_better
            yield (
                f"Against {single}, the best of its parts, NLL after calibration changes by {change}, "
                f"P(better) {better.estimate:.2f} [{better.low:.2f}, {better.high:.2f}], verdict: "
                f"**{compared.finding}**."
            )


def _optimism(arm: ArmResult) -> str:
    optimism = arm.optimism
    change = builder.change_text(optimism.mean, optimism.low, optimism.high)
    return f"On validation rows the search had found {optimism.searched:.4f}; fresh seeds are off by {change}."


def _answer_record(search: SearchResults, *, trials: bytes | Path, figures: Mapping[str, Path]) -> RunRecord:
    dataset, points = search.results.dataset.name, search.results.points
    winners = ", ".join(_link(search, point) for point in points if point.kind == TUNED)
    stacked = any(point.kind == STACKED for point in points)
    return builder.answer_run(
        search.results,
        experiment=experiment(dataset),
        description=(
            f"Look at `figures/`, at `tables/`, at all trials in [charts](charts:{TRIALS}) or in "
            f"[a table](table:{TRIALS}), and at what the winners are worth in [charts](charts:{WINNERS}) or in "
            f"[a table](table:{WINNERS}).\n\n"
            f"Winners: {winners}"
            f"{f'; and [their combinations](record:{dataset}+{STACKED})' * stacked}."
        ),
        params=_params(search, search.results.point(search.results.recommended)),
        name=readable_arms,
        artifacts={
            **{f"figures/{name}.png": figures[f"{name}.png"] for name in FIGURES if f"{name}.png" in figures},
            "tables/trials.csv": trials,
            "tables/arms.csv": _arms_table(search),
            "tables/points.csv": builder.points_table(search.results.points),
        },
    )


def _arms_table(search: SearchResults) -> bytes:
    """One line an arm: its best trial, how optimistic its value was, how all trials ended, and their cost."""
    return builder.as_csv(
        {
            "arm": name,
            "trial": arm.trial,
            measure(search.search.objectives[0]): arm.value,
            "optimism": arm.optimism.mean,
            "optimism_low": arm.optimism.low,
            "optimism_high": arm.optimism.high,
            **{strength: arm.strengths.get(strength) for strength in search.search.space},
            **arm.trials.model_dump(),
            "network_epochs": arm.network_epochs,
            "at_edge": " ".join(arm.edges),
        }
        for name, arm in search.arms.items()
    )
