"""Hyperparameter search with Optuna: it proposes a batch of trials, one stack trains them, and a pruner ends some.

A batch is a pure function of the trials that were finished before it: samplers are made anew for every batch, with a
seed of its own, on a copy in memory of what the storage holds. A batch is stored when it is done, so that an
interruption leaves finished trials only, and the next batch is the one that would have come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import optuna
from jaxtyping import Float
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.config.dimensions import strengths
from pipeline.config.points import Point
from pipeline.config.search_space import Pruner, Search
from pipeline.core.errors import InputError
from pipeline.core.rng import Purpose, generator
from pipeline.data.seed_data import SeedData
from pipeline.search.objectives import Labels, Logits, by_seed
from pipeline.search.trials import distributions
from pipeline.training.fit import Tick
from pipeline.training.member import Member
from pipeline.training.rungs import fit_in_rungs

Trials = Mapping[str, Sequence[FrozenTrial]]


@dataclass(frozen=True)
class Task:
    """What all arms share: how to search, the point that strengths are set in, and the data of the search's seeds."""

    search: Search
    base: Point
    data: Mapping[int, SeedData]

    @property
    def rungs(self) -> list[int]:
        """The epochs at which trials may end early."""
        return self.search.pruner.rungs(self.base.epochs)

    def point(self, arm: str, trial: FrozenTrial | Trial) -> Point:
        """The complete row of hyperparameters that a trial stands for."""
        return self.base.model_copy(update=strengths(self.search.dimensions(arm), trial.params))

    @cached_property
    def labels(self) -> Labels:
        """Validation labels (seed, row)."""
        return np.stack([self.data[seed].labels["validation"] for seed in sorted(self.data)])


def next_batch(
    task: Task, finished: Trials, *, jobs: int = 1, tick: Tick | None = None
) -> dict[str, list[FrozenTrial]]:
    """Propose, train and judge the next batch of each arm in `finished`; all of them train together.

    An arm's trials depend neither on the other arms, nor on `jobs`.
    """
    studies = {arm: _study(arm, trials, task) for arm, trials in finished.items()}
    asked = [
        (arm, study.ask(distributions(task.search.dimensions(arm))))
        for arm, study in studies.items()
        for _ in range(task.search.batch)
    ]
    points = [task.point(arm, trial) for arm, trial in asked]
    groups = [[Member(point, seed) for seed in sorted(task.data)] for point in points]

    def survivors(epoch: int, reached: Mapping[int, Logits]) -> list[int]:
        objective = task.search.objectives[0]
        means = {n: float(by_seed(objective, logits, task.labels).mean()) for n, logits in sorted(reached.items())}
        return _survivors(studies, asked, means, epoch)

    reached = fit_in_rungs(groups, task.data, rungs=task.rungs, survivors=survivors, jobs=jobs, tick=tick)
    for number, logits in sorted(reached.items()):
        arm, trial = asked[number]
        _finish(studies[arm], trial, [by_seed(each, logits, task.labels) for each in task.search.objectives])
    return {arm: study.get_trials()[len(finished[arm]) :] for arm, study in studies.items()}


def _survivors(
    studies: Mapping[str, optuna.Study], asked: Sequence[tuple[str, Trial]], means: Mapping[int, float], epoch: int
) -> list[int]:
    """Report the means of trials at a rung, and end those that do not go on; the numbers of the others."""
    for number, value in means.items():
        if math.isfinite(value):
            asked[number][1].report(value, epoch)
    ends = {number: _end(asked[number][1], value) for number, value in means.items()}
    for number, state in ends.items():
        if state is not None:
            arm, trial = asked[number]
            studies[arm].tell(trial, state=state)
    return [number for number, state in ends.items() if state is None]


def _end(trial: Trial, value: float) -> TrialState | None:
    """How a trial ends at a rung: failed where a seed diverged, or pruned; None where it goes on."""
    if not math.isfinite(value):
        return TrialState.FAIL
    return TrialState.PRUNED if trial.should_prune() else None


def _finish(study: optuna.Study, trial: Trial, values: Sequence[Float[np.ndarray, " seeds"]]) -> None:
    """Finish a trial that reached its last epoch with the means over seeds; it failed where a seed diverged."""
    means = [float(of_objective.mean()) for of_objective in values]
    if not all(map(math.isfinite, means)):
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr("seeds", values[0].tolist())
    study.tell(trial, means)


def _study(arm: str, finished: Sequence[FrozenTrial], task: Task) -> optuna.Study:
    """A copy in memory of what an arm's study holds, with a sampler that has seen nothing else."""
    search = task.search
    seed = int(generator(search.sampler.seed, Purpose.SEARCH, len(finished)).integers(2**32))
    study = optuna.create_study(
        study_name=arm,
        directions=["minimize"] * len(search.objectives),
        sampler=_sampler(search, seed),
        pruner=_pruner(search.pruner, task.base.epochs),
    )
    study.add_trials(finished)
    for coordinates in search.customary(arm)[len(finished) : len(finished) + search.batch]:
        study.enqueue_trial(coordinates)
    return study


def _sampler(search: Search, seed: int) -> optuna.samplers.BaseSampler:
    samplers = optuna.samplers
    by_kind: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: samplers.TPESampler(seed=seed, n_startup_trials=search.sampler.startup),
        "random": lambda: samplers.RandomSampler(seed=seed),
        "gp": lambda: samplers.GPSampler(seed=seed, n_startup_trials=search.sampler.startup),
        "nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=search.batch),
    }
    return by_kind[search.sampler.kind]()


def _pruner(pruner: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    pruners = optuna.pruners
    first, factor = pruner.first, pruner.factor
    by_kind: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
        "none": pruners.NopPruner,
        "halving": lambda: pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor),
        "hyperband": lambda: pruners.HyperbandPruner(min_resource=first, max_resource=epochs, reduction_factor=factor),
        "median": lambda: pruners.MedianPruner(n_startup_trials=5),
    }
    return by_kind[pruner.kind]()


def run(
    task: Task,
    storage: BaseStorage,
    names: Mapping[str, str],
    *,
    trials: int,
    jobs: int = 1,
    tick: Tick | None = None,
) -> Iterator[dict[str, list[FrozenTrial]]]:
    """Search all arms until each has its trials; yields what is finished, at the start and after every batch.

    Batches are always whole, and all of a batch is stored; an arm's result is its first `trials` trials.

    Args:
        task: what to search.
        storage: where studies are, and are gone on with.
        names: the study of each arm.
        trials: the budget of each arm.
        jobs: as in `pipeline.training.fit.fit`.
        tick: as in `pipeline.training.fit.fit`.

    Raises:
        InputError: someone else added trials to a study meanwhile.
    """
    studies = {
        arm: optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize"] * len(task.search.objectives),
            load_if_exists=True,
        )
        for arm, name in names.items()
    }
    size = task.search.batch
    while True:
        finished = {arm: _finished(study) for arm, study in studies.items()}
        yield {arm: of_arm[:trials] for arm, of_arm in finished.items()}
        whole = {arm: of_arm[: len(of_arm) // size * size] for arm, of_arm in finished.items()}
        fewest = min(map(len, whole.values()))
        if fewest >= trials:
            return
        turn = {arm: of_arm for arm, of_arm in whole.items() if len(of_arm) == fewest}
        for arm, batch in next_batch(task, turn, jobs=jobs, tick=tick).items():
            if len(_finished(studies[arm])) != len(finished[arm]):
                raise InputError(f"study {names[arm]!r} must have one search at a time, got trials from another")
            studies[arm].add_trials(batch[len(finished[arm]) - fewest :])


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """Finished trials, in their order; a waiting or running one belongs to another process."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
