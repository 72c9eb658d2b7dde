"""Seconds of the same hyperparameter search: as a stack here, and the usual ways with Optuna.

Run `make bench`. One arm on digits, the same trials, seeds, epochs and data for all; contenders take turns, round after
round, each round with another seed of the sampler, so that a machine whose speed drifts slows all of them. Besides the
seconds it tells the best value found, what that point is worth on other seeds, and where this project's own time goes.
The value found favours searches whose trials have random numbers of their own: the best of many is then the luckiest.
"""

from __future__ import annotations

from pipeline.core.determinism import heed_cbwr, pin

pin()

import argparse  # noqa: E402  (numpy and torch must find the environment pinned)
import json  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from concurrent.futures import Executor  # noqa: E402
from datetime import date  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import optuna  # noqa: E402
import torch  # noqa: E402
from joblib import parallel_config  # noqa: E402

from benchmarks import search_contenders as usual  # noqa: E402
from pipeline.config.dimensions import Range, strengths  # noqa: E402
from pipeline.config.points import Point  # noqa: E402
from pipeline.config.search_space import Pruner, Sampler, Search  # noqa: E402
from pipeline.search import optimize  # noqa: E402
from pipeline.search.objectives import by_seed  # noqa: E402
from pipeline.search.storage import opened  # noqa: E402
from pipeline.training.member import Member  # noqa: E402
from pipeline.training.rungs import fit_in_rungs  # noqa: E402

ARM = "all_three"
STACK = "stack"
SPACE = {
    "learning_rate": Range(low=3e-4, high=3e-2, log=True),
    "dropout": Range(low=0.0, high=0.6, off=0.2),
    "weight_decay": Range(low=1e-4, high=1.0, log=True, off=0.2),
    "label_smoothing": Range(low=5e-3, high=0.2, log=True, off=0.2),
}
JOBS = 2
FRESH = 20  # seeds on which the points found are compared
Outcome = tuple[float, float, Point, dict[str, float]]  # seconds, best value, its point, and seconds by part


def what(trials: int, seeds: int, *, pruner: str, seed: int) -> Search:
    """The search of this project."""
    return Search(
        trials=trials, batch=10, seeds=seeds, objectives=("nll",),
        sampler=Sampler(kind="tpe", startup=10, seed=seed), pruner=Pruner(kind=pruner, first=30, factor=2),
        space=SPACE, arms={"none": (), ARM: tuple(name for name in SPACE if name != "learning_rate")}, stacked=0,
    )  # fmt: skip


def base(epochs: int) -> Point:
    """What strengths are set in."""
    return Point(
        hidden=usual.HIDDEN, epochs=epochs, batch_size=usual.BATCH, optimizer="adam", schedule="constant",
        momentum=0.9, learning_rate=0.003,
    )  # fmt: skip


def stacked(data: Mapping[int, Any], epochs: int, wanted: Search) -> Outcome:
    """The search as `python -m pipeline search` does it, with its journal."""
    task = optimize.Task(wanted, base(epochs), data)
    parts = {"training": 0.0}
    fit = optimize.fit_in_rungs

    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        fitted = fit(*arguments, **options)
        parts["training"] += time.perf_counter() - start
        return fitted

    optimize.fit_in_rungs = timed
    try:
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder, "journal")) as storage:
            start = time.perf_counter()
            with parallel_config(backend="threading"):
                *_, trials = optimize.run(task, storage, {ARM: ARM}, trials=wanted.trials, jobs=JOBS)
            seconds = time.perf_counter() - start
    finally:
        optimize.fit_in_rungs = fit
    complete = [trial for trial in trials[ARM] if trial.state is optuna.trial.TrialState.COMPLETE]
    best = min(complete, key=lambda trial: trial.value)
    return seconds, best.value, task.point(ARM, best), parts | {"Optuna and its journal": seconds - parts["training"]}


def suggest(trial: Any, epochs: int, wanted: Search) -> Point:
    """The point of a usual trial: the same ranges."""
    dimensions = wanted.dimensions(ARM)
    values = {name: trial.suggest_float(name, *one.sampled, log=one.log) for name, one in dimensions.items()}
    return base(epochs).model_copy(update=strengths(dimensions, values))


def ordinary(run: Callable[..., None], data: Mapping[int, Any], epochs: int, wanted: Search) -> Outcome:
    """One of the usual ways, in a journal too."""
    spec = usual.Spec(
        data, wanted.trials, epochs, usual.BATCH, usual.HIDDEN, partial(suggest, epochs=epochs, wanted=wanted)
    )
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder, "journal")) as storage:
        sampler = optuna.samplers.TPESampler(seed=wanted.sampler.seed)
        study = optuna.create_study(storage=storage, sampler=sampler)
        start = time.perf_counter()
        run(study, spec, JOBS)
        seconds = time.perf_counter() - start
        return seconds, study.best_value, suggest(study.best_trial, epochs, wanted), {}


def worth(points: list[Point], data: Mapping[int, Any]) -> list[float]:
    """Mean validation NLL of points on seeds that no search has seen: all of them trained in the same way."""
    groups = [[Member(point, seed) for seed in data] for point in points]
    with parallel_config(backend="threading"):
        logits = fit_in_rungs(groups, data, rungs=(), survivors=lambda *_: (), jobs=JOBS)
    labels = np.stack([data[seed].labels["validation"] for seed in data])
    return [float(by_seed("nll", logits[number], labels).mean()) for number in range(len(points))]


def contenders(workers: Executor) -> dict[str, tuple[str, Callable[..., Outcome]]]:
    """By name: the pruner of this project's search, or none, and how to run it."""
    fast = partial(usual.plain, tensors=True, fused=True)
    return {
        STACK: ("none", stacked),
        "stack, halving at epoch 30": ("halving", stacked),
        "Optuna n_jobs=2, PyTorch loop": ("none", partial(ordinary, usual.plain)),
        "Optuna n_jobs=2, skorch": ("none", partial(ordinary, usual.skorch)),
        "two processes, sliced tensors, fused AdamW": ("none", partial(ordinary, partial(fast, workers=workers))),
    }


def main() -> None:
    """Measure, print the table, and keep it where the README finds it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all contenders (%(default)s)")
    parser.add_argument("--trials", type=int, default=30, help="trials of a search (%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="networks of a trial (%(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="epochs of a network (%(default)s)")
    parser.add_argument("--write", type=Path, help="JSON file for the table, such as benchmarks/optimize.json")
    options = parser.parse_args()
    heed_cbwr()
    torch.set_num_threads(1)  # a thread a job: measured faster than two for networks this small
    everything = usual.digits(options.seeds + FRESH)
    data = {seed: everything[seed] for seed in range(options.seeds)}
    runs_of: dict[str, list[Outcome]] = {}
    with usual.processes(JOBS) as workers:
        runs = contenders(workers)
        for pruner, run in runs.values():  # warm up
            run(data, 2, what(2, options.seeds, pruner=pruner, seed=0))
        for number in range(options.rounds):
            for name, (pruner, run) in runs.items():
                torch.manual_seed(number)
                wanted = what(options.trials, options.seeds, pruner=pruner, seed=number)
                runs_of.setdefault(name, []).append(run(data, options.epochs, wanted))
                print(f"round {number + 1}: {name}: {runs_of[name][-1][0]:.1f} s", flush=True)
    fresh = {seed: everything[seed] for seed in range(options.seeds, options.seeds + FRESH)}
    rows = summary(runs_of, {name: worth([run[2] for run in runs], fresh) for name, runs in runs_of.items()})
    setting = f"{options.trials} trials of {options.seeds} networks of {options.epochs} epochs, digits"
    machine = f"{platform.machine()}, torch {torch.__version__}, two cores, {date.today()}"
    print(f"\n{machine}; {setting}; medians of {options.rounds} rounds [range]")
    print(f"{'':60}{'seconds':>22}{'stack is faster':>17}{'best value':>12}{'on others':>11}")
    for row in rows:
        shown = f"{row['seconds']:,.1f} [{row['range'][0]:,.1f}, {row['range'][1]:,.1f}]"
        values = f"{row['best']:>12.4f}{row['fresh']:>11.4f}  {row['parts'] or ''}"
        print(f"{row['name']:60}{shown:>22}{row['gain']:>17.1f}{values}")
    if options.write:
        content = {"machine": machine, "setting": setting, "rounds": options.rounds, "rows": rows}
        options.write.write_text(json.dumps(content, indent=1) + "\n")


def summary(runs_of: Mapping[str, list[Outcome]], fresh: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """A row a contender: medians over rounds, and the median of the rounds' own ratios to the stack."""
    rows = []
    for name, outcomes in runs_of.items():
        seconds, best = [one[0] for one in outcomes], [one[1] for one in outcomes]
        ratios = [a / b[0] for a, b in zip(seconds, runs_of[STACK], strict=True)]
        rows.append(
            {
                "name": name,
                "seconds": round(statistics.median(seconds), 2),
                "range": [round(min(seconds), 2), round(max(seconds), 2)],
                "gain": round(statistics.median(ratios), 2),
                "best": round(statistics.median(best), 4),
                "fresh": round(statistics.median(fresh[name]), 4),
                "values": [[round(a, 4), round(b, 4)] for a, b in zip(best, fresh[name], strict=True)],
                "parts": {
                    part: round(statistics.median(one[3][part] for one in outcomes), 2) for part in outcomes[0][3]
                },
            }
        )
    return rows


if __name__ == "__main__":
    main()
