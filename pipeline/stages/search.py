"""The command `search`: trials by Optuna, winners on fresh seeds, and a table that compares them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from pipeline.config.params import Params, load_params
from pipeline.config.points import Point
from pipeline.config.reading import look_up
from pipeline.config.search_space import Search
from pipeline.config.settings import word
from pipeline.core.errors import InputError
from pipeline.core.files import discard, keep_only, write_json
from pipeline.core.paths import PARAMS, champion_file, result_file, trials_file
from pipeline.core.progress import progress
from pipeline.data.seed_data import seed_data
from pipeline.stages.devices import require_devices
from pipeline.stages.stored_dataset import load_data
from pipeline.stages.studies import opened_studies

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from pipeline.results.search import ContenderKind, SearchResults
    from pipeline.results.tuning import Tuning
    from pipeline.search.optimize import Task
    from pipeline.search.trials import Trial

Limit = Callable[[int], tuple[int, int]]  # what `search_alone` asks
MEMBERS = Path(".cache")  # what the contenders predict is needed for their scores alone


def search(
    dataset: str, *, arm: Sequence[str] | None, trials: int | None, fresh: bool, storage: str | None, jobs: int
) -> str:
    """Search every arm, and say on fresh seeds what the winners are worth.

    With some arms only, or another number of trials, it looks around: trials are kept and used again, and nothing
    else is written.
    """
    from pipeline.search.storage import VARIABLE  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    arms = [look_up(name, {arm: arm for arm in params.search.arms}, "--arm") for name in arm or params.search.arms]
    task, url = _task(dataset, params), storage or os.environ.get(VARIABLE)
    with opened_studies(dataset, params, arms, url=url, fresh=fresh) as (opened_storage, names):
        published = not _looks_around(names, params.search, trials)
        by_arm = _search(dataset, task, opened_storage, names, trials=trials, jobs=jobs, published=published)
    if arm or trials:
        return _overview(dataset, by_arm, params)
    return _conclude(dataset, by_arm, params, seeds=params.study.seeds, jobs=jobs)


def search_alone(dataset: str, *, jobs: int, limit: Limit | None = None) -> str:
    """Search every arm, with a journal and without MLflow: in a project that nobody keeps.

    As far as params.yaml says, or less far: `limit` receives after every batch how many trials each arm has, and gives
    back how many it shall have, and on how many seeds winners are compared.
    """
    params = load_params(PARAMS)
    task = _task(dataset, params)
    limit = limit or (lambda _: (params.search.trials, params.study.seeds))
    with opened_studies(dataset, params, params.search.arms) as (storage, names):
        by_arm = _search(dataset, task, storage, names, trials=None, jobs=jobs, published=False, limit=limit)
    trials = min(map(len, by_arm.values()))
    made = params.model_copy(update={"search": params.search.model_copy(update={"trials": trials})})
    return _conclude(dataset, by_arm, made, seeds=limit(trials)[1], jobs=jobs)


def _looks_around(names: Mapping[str, str], search: Search, trials: int | None) -> bool:
    """Whether it is not the whole search that params.yaml describes."""
    return trials is not None or len(names) < len(search.arms)


def _task(dataset: str, params: Params) -> Task:
    """What all arms share: the unregularized point, and the data of the tuning seeds."""
    from pipeline.search.optimize import Task  # noqa: PLC0415

    require_devices([params.base])
    pooled = load_data(dataset)
    return Task(params.search, params.base, {seed: seed_data(pooled, seed) for seed in params.tuning_seeds})


def _search(
    dataset: str,
    task: Task,
    storage: BaseStorage,
    names: Mapping[str, str],
    *,
    trials: int | None,
    jobs: int,
    published: bool,
    limit: Limit | None = None,
) -> dict[str, list[Trial]]:
    """Search with progress, publishing after every batch where that is wanted; the trials by arm."""
    from pipeline.search.optimize import run  # noqa: PLC0415
    from pipeline.tracking.publish import meanwhile  # noqa: PLC0415
    from pipeline.tracking.search import experiment_of  # noqa: PLC0415
    from pipeline.tracking.store import tracking_uri  # noqa: PLC0415
    from pipeline.tracking.times import noted  # noqa: PLC0415
    from pipeline.tracking.trials import trial_records  # noqa: PLC0415

    budget = trials or task.search.trials
    say = meanwhile(tracking_uri(Path.cwd())) if published else None
    each = task.search.seeds * task.base.epochs
    by_arm: dict[str, list[Trial]] = {}
    total = len(names) * budget
    text = _progress_text(dataset, by_arm, task.search.objectives[0], total)
    with progress(text, total * each, "epochs") as tick:
        for finished in run(task, storage, names, trials=budget, jobs=jobs, tick=tick):
            if not by_arm:
                tick(sum(map(len, finished.values())) * each)
            by_arm |= _records(finished, task)
            if say is not None:
                _note_times(finished, by_arm, task.search)
                so_far = [trial for of_arm in by_arm.values() for trial in of_arm]
                records = trial_records(dataset, task.search, so_far, epochs=task.base.epochs, clock=noted)
                goes_on = min(map(len, by_arm.values())) < budget
                say(records, [experiment_of(dataset, task.search)] * goes_on, goes_on)
            if limit is not None and (fewest := min(map(len, by_arm.values()))) >= limit(fewest)[0]:
                break
    return by_arm


def _records(finished: Mapping[str, Sequence[FrozenTrial]], task: Task) -> dict[str, list[Trial]]:
    from pipeline.search.trials import trial_of  # noqa: PLC0415

    return {
        arm: [trial_of(arm, trial, task.search, task.rungs) for trial in trials] for arm, trials in finished.items()
    }


def _note_times(
    finished: Mapping[str, Sequence[FrozenTrial]], by_arm: Mapping[str, Sequence[Trial]], search: Search
) -> None:
    """Keep when trials were trained, for MLflow: their table holds no times."""
    from pipeline.tracking.times import note_moments  # noqa: PLC0415
    from pipeline.tracking.trials import content_of  # noqa: PLC0415

    for arm, trials in finished.items():
        for trial, record in zip(trials, by_arm[arm], strict=True):
            note_moments(content_of(record, search), trial.datetime_start, trial.datetime_complete)


def _progress_text(
    dataset: str, by_arm: Mapping[str, Sequence[Trial]], objective: str, total: int
) -> Callable[[], str]:
    """Text beside the bar: trials so far and a second, and the best of them, whenever it is asked."""
    from pipeline.search.trials import winner  # noqa: PLC0415

    start: list[tuple[float, int]] = []

    def text() -> str:
        done = [trial for of_arm in by_arm.values() for trial in of_arm]
        if by_arm and not start:
            start.append((monotonic(), len(done)))
        best = winner(done, objective)
        best_text = f", best {best.arm} {best.values[objective]:.4f}" if best else ""
        new = len(done) - start[0][1] if start else 0
        rate = f", {new / (monotonic() - start[0][0]):.1f} trials/s" if new else ""
        return f"{dataset}: {len(done)} of {total} trials{rate}{best_text}"

    return text


def _overview(dataset: str, by_arm: Mapping[str, Sequence[Trial]], params: Params) -> str:
    """The best trial of each arm, for someone who looks around."""
    from pipeline.search.trials import winner  # noqa: PLC0415

    objective = params.search.objectives[0]
    lines = [f"{dataset}: the best of each arm by mean {objective} on validation rows of {params.search.seeds} seeds"]
    for arm, trials in by_arm.items():
        best = winner(trials, objective)
        if best is None:
            lines.append(f"  {arm}: no trial of {len(trials)} was completed")
            continue
        chosen = ", ".join(f"{name}={word(best.strengths[name])}" for name in params.search.dimensions(arm))
        lines.append(f"  {arm:<16} {best.values[objective]:.4f}  {chosen} (trial {best.number} of {len(trials)})")
    return "\n".join(
        [*lines, "Nothing was written; `dvc repro` searches as params.yaml says and goes on from these trials."]
    )


def _conclude(dataset: str, by_arm: Mapping[str, Sequence[Trial]], params: Params, *, seeds: int, jobs: int) -> str:
    """Train the winners on fresh seeds, compare them, and write the table and the trials."""
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.search.trials import to_row, winner, write_trials  # noqa: PLC0415
    from pipeline.search.winners import contenders  # noqa: PLC0415

    search, base = params.search, params.base
    best = {arm: winner(trials, search.objectives[0]) for arm, trials in by_arm.items()}
    winners = {arm: trial for arm, trial in best.items() if trial is not None}
    if "none" not in winners:
        raise InputError(f"{dataset}: search: arm none must complete a trial, all of {len(by_arm['none'])} diverged")
    tuning, points = _tuned(dataset, contenders(winners, search, base), params, jobs=jobs)
    fitted = _train_and_score(dataset, points, params, seeds=seeds, jobs=jobs)
    write_record(result_file(dataset, "search.json"), _results(dataset, tuning, winners, by_arm, params))
    trials = [trial for of_arm in by_arm.values() for trial in of_arm]
    write_trials(trials_file(dataset), trials, search, rungs=search.pruner.rungs(base.epochs))
    write_json(result_file(dataset, "best.json"), {arm: to_row(trial, search) for arm, trial in winners.items()})
    return (
        f"{result_file(dataset, 'search.json')}: {len(trials)} trials of {len(by_arm)} arms, {len(points)} contenders "
        f"on {seeds} fresh seeds ({fitted} trained, {len(points) - fitted} recalled)"
    )


def _results(
    dataset: str,
    tuning: Mapping[tuple[ContenderKind, str], Tuning],
    winners: Mapping[str, Trial],
    by_arm: Mapping[str, Sequence[Trial]],
    params: Params,
) -> SearchResults:
    """The finished table, from the scores of contenders and of averages of winners."""
    from pipeline.config.search_space import TUNED  # noqa: PLC0415
    from pipeline.results.answer import NothingToChooseError  # noqa: PLC0415
    from pipeline.search.winners import search_results  # noqa: PLC0415
    from pipeline.stages.ensembles import compared_averages  # noqa: PLC0415
    from pipeline.stages.scores import ScoreFile, scored_points  # noqa: PLC0415

    sources = [
        ScoreFile(champion_file(dataset, kind, name), name, name, of_point, kind)
        for (kind, name), of_point in tuning.items()
    ]
    scored = scored_points(dataset, sources, least_effect=params.study.least_effect)
    ensembles = compared_averages(dataset, {arm: tuning[TUNED, arm] for arm in winners}, params)
    try:
        return search_results(scored, winners=winners, trials=by_arm, search=params.search, ensembles=ensembles)
    except NothingToChooseError as error:
        raise InputError(f"{dataset}: search: nothing to choose from, every winner diverged: {error}") from None


def _tuned(
    dataset: str, points: Mapping[tuple[ContenderKind, str], Point], params: Params, *, jobs: int
) -> tuple[dict[tuple[ContenderKind, str], Tuning], dict[tuple[ContenderKind, str], Point]]:
    """The contenders on the tuning seeds: a winner as the search has found it, a combination at every learning rate."""
    from pipeline.config.search_space import STACKED  # noqa: PLC0415
    from pipeline.stages.tuning import chosen, tune  # noqa: PLC0415

    candidates = {place: [point] for place, point in points.items()}
    for place, point in points.items():
        if place[0] == STACKED:
            at_rates = [point.model_copy(update={"learning_rate": rate}) for rate in params.train.learning_rate]
            candidates[place] = list(dict.fromkeys([point, *at_rates]))
    tuning = tune(candidates, dataset, params, jobs=jobs)
    return tuning, {place: chosen(candidates[place], tuning[place]) for place in points}


def _train_and_score(
    dataset: str, points: Mapping[tuple[ContenderKind, str], Point], params: Params, *, seeds: int, jobs: int
) -> int:
    """Train contenders and further networks of winners, and score them, where the memo does not have them.

    Contenders are trained on the study's first seeds; how many of them were is given back.
    """
    from pipeline.config.search_space import TUNED  # noqa: PLC0415
    from pipeline.stages.ensembles import write_averages  # noqa: PLC0415
    from pipeline.stages.members import write_members  # noqa: PLC0415
    from pipeline.stages.scores import write_scores  # noqa: PLC0415

    sources = {place: MEMBERS / champion_file(dataset, *place) for place in points}
    fitted = write_members(
        {sources[place]: point for place, point in points.items()},
        seeds,
        dataset,
        jobs=jobs,
        history=False,
    )
    winners = {name: point for (kind, name), point in points.items() if kind == TUNED}
    firsts = {name: sources[TUNED, name] for name in winners}
    averages = write_averages(winners, firsts, dataset, params, jobs=jobs)
    scores = {champion_file(dataset, *place): source for place, source in sources.items()} | averages
    write_scores(scores, dataset, jobs=jobs)
    for source in scores.values():
        discard(source, within=MEMBERS / "champions" / dataset)
    keep_only(Path("champions") / dataset, scores)
    return fitted
