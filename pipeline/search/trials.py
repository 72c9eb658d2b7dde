"""Trials of a search: from Optuna to records, to rows of a flat table and back, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.config.dimensions import Choices, Dimension, strengths
from pipeline.config.search_space import Search
from pipeline.config.settings import Setting
from pipeline.core.files import read_csv, write_csv

State = Literal["complete", "pruned", "failed"]
Cell = Setting | None
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
FEWEST, BETTER = 10, 5  # completed trials that importances need, and those of them that count as the better ones
_BY_NAME = {name: state for state, name in STATES.items()}
_SEED, _RUNG, _SAMPLED = "seed/", "rung/", "sampled/"  # prefixes of columns


@dataclass(frozen=True)
class Trial:
    """A finished trial of an arm.

    Attributes:
        arm: The arm.
        number: Its place among the trials of the arm, from 0.
        state: How it ended.
        values: The objectives by name, means over seeds; empty unless it was completed.
        seed_values: The first objective of each seed; empty unless it was completed.
        rungs: By epoch, what the pruner saw: the first objective; None where it was not reached or is not finite.
        strengths: Every strength of the search space; 0, false or none where it is off.
        coordinates: The coordinates that were sampled, by strength; those of the arm only.
    """

    arm: str
    number: int
    state: State
    values: Mapping[str, float]
    seed_values: tuple[float, ...]
    rungs: Mapping[int, float | None]
    strengths: Mapping[str, Setting]
    coordinates: Mapping[str, Setting]

    @property
    def is_complete(self) -> bool:
        """Whether it reached its last epoch."""
        return self.state == "complete"


def distributions(dimensions: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    """Optuna's distributions of an arm's coordinates."""
    return {name: _distribution(dimension) for name, dimension in dimensions.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.choices)
    return FloatDistribution(*dimension.sampled, log=dimension.log)


def trial_of(arm: str, trial: FrozenTrial, search: Search, rungs: Sequence[int]) -> Trial:
    """The record of one of Optuna's finished trials."""
    values = trial.values if trial.state is TrialState.COMPLETE else ()
    chosen = strengths(search.dimensions(arm), trial.params)
    return Trial(
        arm=arm,
        number=trial.number,
        state=STATES[trial.state],
        values=dict(zip(search.objectives, values, strict=True)) if values else {},
        seed_values=tuple(trial.user_attrs.get("seeds", ())),
        rungs={epoch: _finite(trial.intermediate_values.get(epoch)) for epoch in rungs},
        strengths={name: chosen.get(name, dimension.unset) for name, dimension in search.space.items()},
        coordinates={name: trial.params[name] for name in search.dimensions(arm)},
    )


def columns(search: Search, rungs: Sequence[int]) -> list[str]:
    """The columns of the table of all trials."""
    seeds = [f"{_SEED}{number}" for number in range(search.seeds)]
    values = [*search.objectives, *seeds, *(f"{_RUNG}{epoch}" for epoch in rungs)]
    return ["arm", "trial", "state", *values, *search.space, *(f"{_SAMPLED}{name}" for name in search.space)]


def readers(search: Search, rungs: Sequence[int]) -> dict[str, Callable[[str], Setting]]:
    """What reads a cell of the table, by column; the arm and the state are text."""
    texts = ("arm", "trial", "state")
    cells: dict[str, Callable[[str], Setting]] = {"trial": int}
    cells |= {name: float for name in columns(search, rungs) if name not in texts}
    for name, dimension in search.space.items():
        cells |= {name: dimension.read, f"{_SAMPLED}{name}": dimension.read}
    return cells


def to_row(trial: Trial, search: Search) -> dict[str, Cell]:
    """A trial as a flat row with the table's columns in their order; None where it has no value."""
    seed_values = trial.seed_values or (None,) * search.seeds
    return {
        "arm": trial.arm,
        "trial": trial.number,
        "state": trial.state,
        **{name: trial.values.get(name) for name in search.objectives},
        **{f"{_SEED}{n}": value for n, value in enumerate(seed_values)},
        **{f"{_RUNG}{epoch}": value for epoch, value in trial.rungs.items()},
        **trial.strengths,
        **{f"{_SAMPLED}{name}": trial.coordinates.get(name) for name in search.space},
    }


def from_row(row: Mapping[str, Any], search: Search) -> Trial:
    """The trial of a row of the table, as `to_row` wrote it; `Any` because the cells of a CSV file have no types."""
    seed_values = [row[f"{_SEED}{n}"] for n in range(search.seeds)]
    return Trial(
        arm=row["arm"],
        number=row["trial"],
        state=row["state"],
        values={name: row[name] for name in search.objectives if row[name] is not None},
        seed_values=tuple(value for value in seed_values if value is not None),
        rungs=_rungs(row),
        strengths={name: row[name] for name in search.space},
        coordinates={name: row[f"{_SAMPLED}{name}"] for name in search.dimensions(row["arm"])},
    )


def write_trials(path: Path, trials: Iterable[Trial], search: Search, *, rungs: Sequence[int]) -> None:
    """Write all trials as CSV."""
    write_csv(path, (to_row(trial, search) for trial in trials), columns=columns(search, rungs))


def read_trials(path: Path, search: Search, *, rungs: Sequence[int]) -> tuple[Trial, ...]:
    """Read what `write_trials` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    return tuple(read_csv(path, cells=readers(search, rungs), into=partial(from_row, search=search)))


def winner(trials: Iterable[Trial], objective: str) -> Trial | None:
    """The completed trial with the best value, the earliest where several have it; None where none completed."""
    completed = (trial for trial in trials if trial.is_complete)
    return min(completed, key=lambda trial: (trial.values[objective], trial.number), default=None)


def front(trials: Iterable[Trial], objectives: Sequence[str]) -> list[Trial]:
    """The completed trials that no other one beats in one objective without being worse in another (Pareto)."""
    completed = [trial for trial in trials if trial.is_complete]

    def is_beaten(trial: Trial, other: Trial) -> bool:
        pairs = [(other.values[name], trial.values[name]) for name in objectives]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    best = [trial for trial in completed if not any(is_beaten(trial, other) for other in completed)]
    return sorted(best, key=lambda trial: (trial.values[objectives[0]], trial.number))


def network_epochs(trials: Iterable[Trial], *, epochs: int, seeds: int) -> int:
    """What trials have cost: networks times the epochs that each was trained for.

    Args:
        trials: of any arms; one that ended early counts up to the rung at which it did.
        epochs: of a trial that is completed.
        seeds: networks of a trial.
    """
    return seeds * sum(_epochs(trial, epochs) for trial in trials)


def _epochs(trial: Trial, epochs: int) -> int:
    """How long a trial was trained: a pruned one to its last finite value, a failed one to where the next would be."""
    ends = [*trial.rungs, epochs]
    passed = sum(value is not None for value in trial.rungs.values())
    return ends[max(passed - 1, 0)] if trial.state == "pruned" else ends[passed]


def importances(arm: str, trials: Iterable[Trial], search: Search) -> dict[str, float] | None:
    """How well each strength of an arm separates the better trials from the others; shares that add up to 1.

    Of the completed trials by the first objective; "better" are the best tenth, or the best five where that is more.
    None where an arm has one strength, or fewer than ten trials were completed.

    Reference:
        Watanabe, Bansal & Hutter 2023, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
        subspaces; Optuna's implementation.
    """
    objective = search.objectives[0]
    completed = [trial for trial in trials if trial.is_complete]
    distinct = {trial.values[objective] for trial in completed}
    if len(search.dimensions(arm)) < 2 or len(completed) < FEWEST or len(distinct) < 2:
        return None
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, BETTER / len(completed)))
    study = study_of(arm, completed, search.model_copy(update={"objectives": (objective,)}))
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(shares[name]) for name in search.dimensions(arm)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def study_of(arm: str, trials: Iterable[Trial], search: Search) -> optuna.Study:
    """A study in memory with the trials of an arm."""
    study = optuna.create_study(study_name=arm, directions=["minimize"] * len(search.objectives))
    ranges = distributions(search.dimensions(arm))
    study.add_trials(
        [
            create_trial(
                state=_BY_NAME[trial.state],
                params=dict(trial.coordinates),
                distributions=ranges,
                values=[trial.values[name] for name in search.objectives] if trial.is_complete else None,
                intermediate_values={epoch: value for epoch, value in trial.rungs.items() if value is not None},
            )
            for trial in trials
        ]
    )
    return study


def _rungs(row: Mapping[str, Any]) -> dict[int, float | None]:
    """What the pruner saw of a trial, by epoch."""
    return {int(name.removeprefix(_RUNG)): value for name, value in row.items() if name.startswith(_RUNG)}
