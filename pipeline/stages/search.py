"""The stage `search@dataset`: trials by Optuna, winners on fresh seeds, and a table that says what they are worth."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from pipeline.config.params import Params, load_params
from pipeline.config.points import Point
from pipeline.config.reading import look_up
from pipeline.core.errors import InputError
from pipeline.core.files import keep_only, write_csv, write_json
from pipeline.core.fingerprint import fingerprint
from pipeline.core.paths import PARAMS, champion_file, data_file, journal_file, report_file, trials_file
from pipeline.core.progress import progress
from pipeline.core.rng import Purpose, generator
from pipeline.data.standardization import seed_data
from pipeline.stages.keeping import described, load_data

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from pipeline.search.optimize import Task

MEMBERS = Path(".cache")  # what the contenders predict is needed for their scores alone
Rows = list[dict[str, Any]]
Place = tuple[str, str]  # kind and name of a contender


def search(
    dataset: str, *, arm: Sequence[str] | None, trials: int | None, fresh: bool, storage: str | None, jobs: int
) -> str:
    """Search every arm, and say on fresh seeds what the winners are worth.

    With some arms only, or another number of trials, it looks around: trials are kept and used again, and nothing
    else is written.
    """
    from pipeline.search.storage import VARIABLE, opened  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    arms = [look_up(name, {arm: arm for arm in params.search.arms}, "--arm") for name in arm or params.search.arms]
    task, names = _task(dataset, params), _names(dataset, params)
    with opened(journal_file(dataset).absolute(), storage or os.environ.get(VARIABLE)) as place:
        if fresh:
            _forget(place, [names[name] for name in arms])
        found = _search(dataset, task, place, {name: names[name] for name in arms}, trials=trials, jobs=jobs)
    if arm or trials:
        return _overview(dataset, found, params)
    return _conclude(dataset, found, params, jobs=jobs)


def _task(dataset: str, params: Params) -> Task:
    """What all arms share: the unregularized point, and the data of seeds that follow the study's own."""
    from pipeline.search.optimize import Task  # noqa: PLC0415

    pooled, first = load_data(dataset), params.study.seeds
    data = {seed: seed_data(pooled, seed) for seed in range(first, first + params.search.seeds)}
    return Task(params.search, _base(params), data)


def _base(params: Params) -> Point:
    return Point(**params.network.model_dump(), **params.train.model_dump())


def _names(dataset: str, params: Params) -> dict[str, str]:
    """The study of each arm, named by all that its trials depend on: other settings are another study."""
    search = params.search
    settings = search.model_dump(mode="json", exclude={"trials", "arms", "space"})
    shared = fingerprint(
        settings,
        _base(params).model_dump(mode="json"),
        params.study.seeds,
        code=["search.optimize"],
        files=[data_file(dataset)],
    )
    ranges = {arm: [(n, d.model_dump(mode="json")) for n, d in search.dimensions(arm).items()] for arm in search.arms}
    return {arm: f"{dataset} {arm} {fingerprint(shared, own)[:8]}" for arm, own in ranges.items()}


def _forget(storage: Any, names: Sequence[str]) -> None:
    """Delete studies, so that they start anew."""
    import optuna  # noqa: PLC0415

    known = {study.study_name for study in optuna.get_all_study_summaries(storage)}
    for name in known.intersection(names):
        optuna.delete_study(study_name=name, storage=storage)


def _search(
    dataset: str, task: Task, storage: Any, names: Mapping[str, str], *, trials: int | None, jobs: int
) -> dict[str, Rows]:
    """Search with progress, publishing after every batch unless it only looks around; the table's rows by arm."""
    from pipeline.search.optimize import run  # noqa: PLC0415
    from pipeline.stages.fitting import workers  # noqa: PLC0415
    from pipeline.tracking.publishing import meanwhile, tracking_uri  # noqa: PLC0415
    from pipeline.tracking.search import experiment_of  # noqa: PLC0415
    from pipeline.tracking.trials import trial_records  # noqa: PLC0415

    budget, say = trials or task.search.trials, meanwhile(tracking_uri(Path.cwd()))
    published = trials is None and len(names) == len(task.search.arms)
    each = task.search.seeds * task.base.epochs
    rows: dict[str, Rows] = {}
    text = _progress_text(dataset, rows, task.search.objectives[0], len(names) * budget)
    with workers("threading"), progress(text, len(names) * budget * each, "epochs") as tick:
        for finished in run(task, storage, names, trials=budget, jobs=jobs, tick=tick):
            if not rows:
                tick(sum(map(len, finished.values())) * each)
            rows |= _rows(finished, task)
            if published:
                so_far = [row for of_arm in rows.values() for row in of_arm]
                records = trial_records(dataset, task.search, so_far, epochs=task.base.epochs)
                goes_on = min(map(len, rows.values())) < budget
                say(records, [experiment_of(dataset, task.search)] * goes_on, goes_on)
    return rows


def _progress_text(dataset: str, rows: Mapping[str, Rows], objective: str, total: int) -> Callable[[], str]:
    """What stands beside the bar: trials so far and a second, and the best of them, whenever it is asked."""
    from pipeline.search.trials import winner  # noqa: PLC0415

    start: list[tuple[float, int]] = []

    def text() -> str:
        done = [row for of_arm in rows.values() for row in of_arm]
        if rows and not start:
            start.append((monotonic(), len(done)))
        best = winner(done, objective)
        found = f", best {best['arm']} {best[objective]:.4f}" if best else ""
        new = len(done) - start[0][1] if start else 0
        rate = f", {new / (monotonic() - start[0][0]):.1f} trials/s" if new else ""
        return f"{dataset}: {len(done)} of {total} trials{rate}{found}"

    return text


def _rows(finished: Mapping[str, Sequence[FrozenTrial]], task: Task) -> dict[str, Rows]:
    from pipeline.search.trials import row_of  # noqa: PLC0415

    return {arm: [row_of(arm, trial, task.search, task.rungs) for trial in found] for arm, found in finished.items()}


def _overview(dataset: str, found: Mapping[str, Rows], params: Params) -> str:
    """The best trial of each arm, for someone who looks around."""
    from pipeline.search.trials import winner  # noqa: PLC0415

    objective = params.search.objectives[0]
    lines = [f"{dataset}: the best of each arm by mean {objective} on validation rows of {params.search.seeds} seeds"]
    for arm, rows in found.items():
        best = winner(rows, objective)
        if best is None:
            lines.append(f"  {arm}: no trial of {len(rows)} was completed")
            continue
        chosen = ", ".join(f"{name}={best[name]:g}" for name in params.search.dimensions(arm))
        lines.append(f"  {arm:<16} {best[objective]:.4f}  {chosen} (trial {best['trial']} of {len(rows)})")
    return "\n".join(
        [*lines, "Nothing was written; `dvc repro` searches as params.yaml says and goes on from these trials."]
    )


def _conclude(dataset: str, found: Mapping[str, Rows], params: Params, *, jobs: int) -> str:
    """Write the trials, train the winners on fresh seeds, and write what they are worth."""
    from pipeline.results.answer import significant  # noqa: PLC0415
    from pipeline.search.trials import columns, winner  # noqa: PLC0415
    from pipeline.search.winners import contenders, search_table  # noqa: PLC0415

    search, base = params.search, _base(params)
    rows = [row for of_arm in found.values() for row in of_arm]
    best = {arm: winner(of_arm, search.objectives[0]) for arm, of_arm in found.items()}
    winners = {arm: row for arm, row in best.items() if row is not None}
    if "none" not in winners:
        raise InputError(f"{dataset}: search: arm none must complete a trial, all of {len(found['none'])} diverged")
    points = contenders(winners, search, base)
    files = {champion_file(dataset, *place): point for place, point in points.items()}
    fitted = _train_and_score(dataset, files, params.study.seeds, jobs=jobs)
    try:
        table = search_table(*_tables(dataset, list(points)), winners=winners, rows=rows, search=search)
    except ValueError as error:
        raise InputError(f"{dataset}: search: nothing to choose from, every winner diverged: {error}") from None
    write_json(report_file(dataset, "search.json"), significant(table, 6))
    write_csv(trials_file(dataset), rows, columns=columns(search, search.pruner.rungs(base.epochs)))
    write_json(report_file(dataset, "best.json"), winners)
    return (
        f"{report_file(dataset, 'search.json')}: {len(rows)} trials of {len(found)} arms, {len(points)} contenders on "
        f"{params.study.seeds} fresh seeds ({fitted} trained, {len(points) - fitted} kept)"
    )


def _train_and_score(dataset: str, files: Mapping[Path, Point], seeds: int, *, jobs: int) -> int:
    """Train contenders on the study's own seeds and score them, where their scores do not hold any more."""
    from pipeline.stages.fitting import fit_files  # noqa: PLC0415
    from pipeline.stages.scoring import score_files  # noqa: PLC0415

    members = {path: MEMBERS / path for path in files}
    fitted = fit_files(
        {members[path]: point for path, point in files.items()},
        seeds,
        dataset,
        jobs=jobs,
        backend="threading",
        history=False,
    )
    score_files({path: members[path] for path in files}, dataset, jobs=jobs)
    keep_only(MEMBERS / "champions" / dataset, members.values())
    keep_only(Path("champions") / dataset, files)
    return fitted


def _tables(dataset: str, contenders: Sequence[Place]) -> tuple[Callable[..., dict[str, Any]], dict[str, Any]]:
    """What makes a finished table of the contenders, against any of them, and their objectives on validation rows."""
    from pipeline.evaluation.members import directions  # noqa: PLC0415
    from pipeline.results.comparison import PROTOCOL, results_table  # noqa: PLC0415
    from pipeline.stages.scoring import read_scores  # noqa: PLC0415

    about, scores, groups = read_scores([champion_file(dataset, *place) for place in contenders])
    points = [
        {"variant": name, "name": name, "kind": kind, "parameters": one["point"], "md5": one["md5"]}
        for (kind, name), one in zip(contenders, about, strict=True)
    ]
    better, names, dataset_ = directions(scores), [name for _, name in contenders], described(dataset)

    def tables(reference: str, metrics: Collection[str] | None) -> dict[str, Any]:
        return results_table(
            points,
            {name: values for name, values in scores.items() if metrics is None or name in metrics},
            groups=groups,
            directions={name: way for name, way in better.items() if metrics is None or name in metrics},
            reference=names.index(reference),
            dataset=dataset_,
            protocol=PROTOCOL,
            generator=generator(0, Purpose.BOOTSTRAP),
        )

    return tables, scores
