"""Trials in MLflow: a run a trial, under one for its arm; what they say depends on nothing that comes later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.config.search_space import Search, measure
from pipeline.results.readable_names import readable_arms
from pipeline.search.trials import Trial, to_row
from pipeline.tracking.builder import Metric
from pipeline.tracking.runs import RunRecord
from pipeline.tracking.times import Clock, md5_of, nobody_knows

TRIALS = "trials"  # a view
# A pruned trial has done what it was meant to do; the UI would show it as an error were its status not FINISHED.
_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}


def experiment(dataset: str) -> str:
    """The experiment in which a search's runs are."""
    return f"{dataset} search"


def trial_key(dataset: str, arm: str, number: int) -> str:
    """The key of a trial's run."""
    return f"{dataset}/{arm}/trial-{number}"


def trial_records(
    dataset: str, search: Search, trials: Sequence[Trial], *, epochs: int, clock: Clock = nobody_knows
) -> list[RunRecord]:
    """A record an arm and a record a trial.

    Args:
        dataset: its name.
        search: what is searched, and how.
        trials: the trials so far.
        epochs: how many a trial may take.
        clock: says when the trial of a content was trained.
    """
    arms = [_arm_record(dataset, search, arm, epochs=epochs) for arm in search.arms]
    in_time = sorted(trials, key=lambda trial: trial.number)
    return [
        *arms,
        *(
            replace(
                _trial_record(dataset, search, trial, epochs=epochs), times=clock(md5_of(content_of(trial, search)))
            )
            for trial in in_time
        ),
    ]


def content_of(trial: Trial, search: Search) -> bytes:
    """What is known of a trial, whether it comes from Optuna or from the table of all trials."""
    return json.dumps(to_row(trial, search)).encode()


def _arm_record(dataset: str, search: Search, arm: str, *, epochs: int) -> RunRecord:
    rungs = ", ".join(map(str, search.pruner.rungs(epochs)))
    pruning = f"Pruner `{search.pruner.kind}` ends trials at epochs {rungs}. " if rungs else ""
    goals = " and ".join(f"`{measure(objective)}`" for objective in search.objectives)
    return RunRecord(
        key=f"{dataset}/{arm}",
        experiment=experiment(dataset),
        name=readable_arms(arm),
        description=(
            f"What is the best that arm {readable_arms(arm)} can do on `{dataset}`? {search.trials} trials, proposed "
            f"by Optuna's `{search.sampler.kind}` sampler (seed {search.sampler.seed}) in batches of {search.batch}, "
            f"are to make {goals} small, a mean over {search.seeds} seeds after {epochs} epochs. {pruning}"
            f"Look at the trials of all arms in [charts](charts:{TRIALS}) or in [a table](table:{TRIALS}).\n\n"
            f"{_dimensions(search, arm)}"
        ),
        tags={"dataset": dataset, "arm": arm, "level": "arm"},
    )


def _dimensions(search: Search, arm: str) -> str:
    """What an arm searches, as a table in Markdown."""
    rows = [{"strength": f"`{name}`", **dimension.words} for name, dimension in search.dimensions(arm).items()]
    lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _trial_record(dataset: str, search: Search, trial: Trial, *, epochs: int) -> RunRecord:
    arm, number = trial.arm, trial.number
    return RunRecord(
        key=trial_key(dataset, arm, number),
        experiment=experiment(dataset),
        name=f"{readable_arms(arm)} trial {number}",
        parent=f"{dataset}/{arm}",
        description=_outcome(search, trial),
        params={name: trial.strengths[name] for name in search.space},
        tags={"dataset": dataset, "arm": arm, "level": "trial", "state": trial.state},
        metrics=list(_metrics(search, trial, epochs=epochs)),
        status=_STATUS[trial.state],
    )


def _outcome(search: Search, trial: Trial) -> str:
    """How a trial ended, in a sentence."""
    first = search.objectives[0]
    if trial.is_complete:
        return f"Completed: {measure(first)} {trial.values[first]:.4f}, the mean of {search.seeds} seeds."
    reached = [(epoch, value) for epoch, value in trial.rungs.items() if value is not None]
    last = "".join(f" after epoch {epoch}, at {measure(first)} {value:.4f}" for epoch, value in reached[-1:])
    return f"Pruned{last}." if trial.state == "pruned" else f"Failed: training diverged{last}."


def _metrics(search: Search, trial: Trial, *, epochs: int) -> Iterator[Metric]:
    """The objectives; the first one by epoch, where the pruner read it; and each seed's value of it."""
    first = search.objectives[0]
    yield from ((measure(name), value, 0) for name, value in trial.values.items())
    if trial.rungs:
        reached = {**trial.rungs, epochs: trial.values.get(first)}
        yield from ((f"rung/{first}", value, epoch) for epoch, value in reached.items() if value is not None)
    yield from ((f"seeds/{measure(first)}", value, seed) for seed, value in enumerate(trial.seed_values))
