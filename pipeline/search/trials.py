"""What did the trials of a search find? Optuna's trials as rows of a table and back, and which of them won.

A row is flat and JSON-ready; a study in memory that holds the same trials is made from it for Optuna's own plots.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.config.search_space import Dimension, Search, strengths

Row = dict[str, Any]
Known = TypeVar("Known", bound=Mapping[str, Any])
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
FEWEST, BETTER = 10, 5  # completed trials that importances need, and those of them that count as the better ones
_BY_NAME = {name: state for state, name in STATES.items()}
_SEEDS, _RUNG, _SAMPLED = "seed", "rung", "sampled"  # prefixes of columns


def distributions(dimensions: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    """Optuna's distributions of an arm's coordinates."""
    return {name: FloatDistribution(*dimension.sampled, log=dimension.log) for name, dimension in dimensions.items()}


def columns(search: Search, rungs: Sequence[int]) -> list[str]:
    """The columns of the table of all trials."""
    seeds = [f"{_SEEDS}/{number}" for number in range(search.seeds)]
    measured = [*search.objectives, *seeds, *(f"{_RUNG}/{epoch}" for epoch in rungs)]
    return ["arm", "trial", "state", *measured, *search.space, *(f"{_SAMPLED}/{name}" for name in search.space)]


def row_of(arm: str, trial: FrozenTrial, search: Search, rungs: Sequence[int]) -> Row:
    """One trial: its state, what was measured where, every strength (0 where off), and the coordinates sampled.

    `<objective>` are the trial's values, `seed/<n>` the first objective of each seed, `rung/<epoch>` what the pruner
    was told. None stands for what there is not.
    """
    values = trial.values if trial.state is TrialState.COMPLETE else None
    dimensions = search.dimensions(arm)
    chosen = strengths(dimensions, trial.params)
    by_seed = trial.user_attrs.get("seeds", [])
    return {
        "arm": arm,
        "trial": trial.number,
        "state": STATES[trial.state],
        **{name: values[place] if values else None for place, name in enumerate(search.objectives)},
        **{f"{_SEEDS}/{n}": by_seed[n] if by_seed else None for n in range(search.seeds)},
        **{f"{_RUNG}/{epoch}": _finite(trial.intermediate_values.get(epoch)) for epoch in rungs},
        **{name: chosen.get(name, 0.0) for name in search.space},
        **{f"{_SAMPLED}/{name}": trial.params.get(name) for name in search.space},
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def rungs_of(row: Mapping[str, Any]) -> dict[int, float | None]:
    """What the pruner was told of a trial, by epoch."""
    parts = {name: name.partition("/") for name in row}
    return {int(epoch): row[name] for name, (kind, _, epoch) in parts.items() if kind == _RUNG}


def by_arm(rows: Iterable[Known]) -> dict[str, list[Known]]:
    """The rows of each arm, in their order."""
    found: dict[str, list[Known]] = {}
    for row in rows:
        found.setdefault(row["arm"], []).append(row)
    return found


def complete(rows: Iterable[Known]) -> list[Known]:
    """The trials that reached their last epoch."""
    return [row for row in rows if row["state"] == "complete"]


def numbers(names: Iterable[str]) -> list[str]:
    """Those of the columns that hold numbers."""
    return [name for name in names if name not in ("arm", "state")]


def study_of(arm: str, rows: Sequence[Mapping[str, Any]], search: Search) -> optuna.Study:
    """A study in memory with the trials of an arm, for Optuna's plots and importances."""
    study = optuna.create_study(study_name=arm, directions=["minimize"] * len(search.objectives))
    ranges = distributions(search.dimensions(arm))
    study.add_trials(
        [
            create_trial(
                state=_BY_NAME[row["state"]],
                params={name: row[f"{_SAMPLED}/{name}"] for name in ranges},
                distributions=ranges,
                values=[row[name] for name in search.objectives] if row["state"] == "complete" else None,
                intermediate_values={epoch: told for epoch, told in rungs_of(row).items() if told is not None},
            )
            for row in rows
        ]
    )
    return study


def winner(rows: Sequence[Mapping[str, Any]], objective: str) -> Mapping[str, Any] | None:
    """The completed trial with the best value, the earliest where several have it; None where none completed."""
    return min(complete(rows), key=lambda row: (row[objective], row["trial"]), default=None)


def front(rows: Sequence[Mapping[str, Any]], objectives: Sequence[str]) -> list[Mapping[str, Any]]:
    """The completed trials that no other one beats in one objective without being worse in another (Pareto)."""
    completed = complete(rows)

    def beaten(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        pairs = [(other[name], row[name]) for name in objectives]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    best = [row for row in completed if not any(beaten(row, other) for other in completed)]
    return sorted(best, key=lambda row: (row[objectives[0]], row["trial"]))


def importances(arm: str, rows: Sequence[Mapping[str, Any]], search: Search) -> dict[str, float] | None:
    """How much each strength of an arm tells the better trials from the others; shares that add up to 1.

    Of the completed trials by the first objective; "better" are the best tenth, or the best five where that is more.
    None where an arm has one strength, or fewer than ten trials were completed.

    Reference:
        Watanabe, Bansal & Hutter 2023, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
        subspaces; Optuna's implementation.
    """
    completed, objective = complete(rows), search.objectives[0]
    if len(search.dimensions(arm)) < 2 or len(completed) < FEWEST or len({row[objective] for row in completed}) < 2:
        return None
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, BETTER / len(completed)))
    single = search.model_copy(update={"objectives": (objective,)})
    found = optuna.importance.get_param_importances(study_of(arm, completed, single), evaluator=evaluator)
    return {name: float(found[name]) for name in search.dimensions(arm)}
