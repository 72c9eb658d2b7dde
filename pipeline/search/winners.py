"""Winners of a search: each arm's best trial, and combinations of them, on seeds that no trial has seen.

From trials to the points that are trained anew, and from their scores to the finished table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from pipeline.config.decay_timescale import DecayTimescale, decay_timescale
from pipeline.config.points import Point
from pipeline.config.search_space import STACKED, TUNED, Search, measure, singles
from pipeline.config.settings import Setting
from pipeline.core.rng import Purpose, generator
from pipeline.results.comparison import compare_points, roles_of, study_results
from pipeline.results.paired_columns import Comparisons
from pipeline.results.record import finite
from pipeline.results.scored_points import ScoredPoints
from pipeline.results.search import (
    ArmResult,
    ContenderKind,
    EnsembleResults,
    InteractionResult,
    Optimism,
    PairResult,
    SearchResults,
    TrialCounts,
)
from pipeline.search.trials import Trial, front, importances, network_epochs

REFERENCE = "none"
COMPARED = (
    *("test/nll", "test/accuracy", "test/ece", "test/debiased", "gap/nll"),
    *("test_calibrated/nll", "test_calibrated/ece", "test_calibrated/debiased", "gap_calibrated/nll"),
)


def contenders(winners: Mapping[str, Trial], search: Search, base: Point) -> dict[tuple[ContenderKind, str], Point]:
    """What is trained anew, by kind and name: every arm's winner, and the best of single arms stacked on each other.

    A stack has the strengths of each of its arms and, to begin with, the learning rate of the one with the best value:
    what one would try who has tuned every regularizer alone. The first is the reference.
    """
    points: dict[tuple[ContenderKind, str], Point] = {
        (TUNED, arm): _point(base, trial.strengths, search.arms[arm]) for arm, trial in winners.items()
    }
    alone = _stackable(winners, search)
    groups = [*combinations(alone, 2), *([tuple(alone)] if len(alone) > 2 else [])]
    for group in groups:
        best_first = sorted(group, key=lambda arm: winners[arm].values[search.objectives[0]])
        chosen = {name: winners[arm].strengths[name] for arm in reversed(best_first) for name in search.arms[arm]}
        points[STACKED, "+".join(group)] = _point(base, {**winners[best_first[0]].strengths, **chosen}, tuple(chosen))
    return points


def _stackable(winners: Mapping[str, Trial], search: Search) -> list[str]:
    """The single arms with the best values, in their order among the arms."""
    alone = [arm for arm in singles(search.arms) if arm in winners]
    best = sorted(alone, key=lambda arm: winners[arm].values[search.objectives[0]])[: search.stacked]
    return [arm for arm in alone if arm in best]


def _point(base: Point, strengths: Mapping[str, Setting], names: Sequence[str]) -> Point:
    return base.model_copy(update={name: strengths[name] for name in ("learning_rate", *names)})


def search_results(
    scored: ScoredPoints,
    *,
    winners: Mapping[str, Trial],
    trials: Mapping[str, Sequence[Trial]],
    search: Search,
    ensembles: EnsembleResults | None = None,
) -> SearchResults:
    """The finished table of a search.

    Its `results` compare all contenders with the tuned, unregularized network and hold the answer; `arms` says by arm
    what won and how optimistic its value was; `pairs` compares every two winners, `interactions` every combination,
    stacked or tuned, with the best of its single arms.

    Args:
        scored: Winners and their combinations on fresh seeds; a point's `name` is an arm's, or several joined by "+".
        winners: By arm, its best trial.
        trials: By arm, all trials.
        search: The search's settings.
        ensembles: What averages of winners are worth, where there are some.

    Raises:
        NothingToChooseError: no contender has a finite validation NLL.
    """
    results = study_results(scored, reference=scored.names.index(REFERENCE), generator=generator(0, Purpose.BOOTSTRAP))
    against = {arm: _against(scored, arm) for arm in winners}
    fresh = dict(zip(scored.names, scored.scores[measure(search.objectives[0])], strict=True))
    points = {point.name: point.parameters for point in scored.points}
    return SearchResults(
        search=search,
        results=results,
        arms={
            arm: _arm_result(
                trial,
                trials[arm],
                fresh=fresh[arm],
                decay=decay_timescale(points[arm], scored.dataset.train),
                epochs=points[arm].epochs,
                search=search,
            )
            for arm, trial in winners.items()
        },
        pairs=tuple(PairResult(a=a, b=b, metrics=against[b][a]) for b, a in combinations(winners, 2)),
        interactions=tuple(_interactions(against, scored.names, winners, search)),
        ensembles=ensembles,
    )


def _against(scored: ScoredPoints, arm: str) -> dict[str, Comparisons]:
    """Every contender compared with an arm's winner, by the metrics in `COMPARED`."""
    compared = scored.of_metrics(COMPARED)
    roles = roles_of(compared, compared.names.index(arm))
    comparisons = compare_points(compared, roles=roles, generator=generator(0, Purpose.BOOTSTRAP))
    return dict(zip(compared.names, comparisons, strict=True))


def _interactions(
    against: Mapping[str, Mapping[str, Comparisons]], names: Sequence[str], winners: Mapping[str, Trial], search: Search
) -> Iterator[InteractionResult]:
    """What consists of several single arms, compared with the one of these that had the best value in the search."""
    alone = {arm: set(search.arms[arm]) for arm in singles(search.arms) if arm in winners}
    for name in names:
        kind: ContenderKind = TUNED if name in search.arms else STACKED
        inside = [arm for arm, each in alone.items() if arm != name and each <= set(search.arms.get(name, ()))]
        parts = inside if kind == TUNED else name.split("+")
        if len(parts) > 1:
            best = min(parts, key=lambda arm: winners[arm].values[search.objectives[0]])
            metrics = against[best][name]
            yield InteractionResult(name=name, kind=kind, parts=tuple(parts), best_single=best, metrics=metrics)


def _arm_result(
    best: Trial,
    trials: Sequence[Trial],
    *,
    fresh: Float[np.ndarray, " seeds"],
    decay: DecayTimescale | None,
    epochs: int,
    search: Search,
) -> ArmResult:
    states, objectives = [trial.state for trial in trials], search.objectives
    return ArmResult(
        trial=best.number,
        value=best.values[objectives[0]],
        strengths={name: best.strengths[name] for name in search.dimensions(best.arm)},
        trials=TrialCounts(
            complete=states.count("complete"), pruned=states.count("pruned"), failed=states.count("failed")
        ),
        network_epochs=network_epochs(trials, epochs=epochs, seeds=search.seeds),
        optimism=optimism(best.seed_values, fresh),
        decay=decay,
        importances=importances(best.arm, trials, search),
        front=tuple({"trial": trial.number, **trial.values} for trial in front(trials, objectives)),
        edges=_edges(best, search),
    )


def _edges(trial: Trial, search: Search) -> tuple[str, ...]:
    """The strengths that lie near an end of their range that is not "off"."""
    dimensions = search.dimensions(trial.arm)
    return tuple(name for name, each in dimensions.items() if each.is_near_end(trial.coordinates[name]))


def optimism(searched: Sequence[float], fresh: Float[np.ndarray, " seeds"], *, confidence: float = 0.95) -> Optimism:
    """How much worse a winner is on fresh seeds than the search took it to be: mean, and Welch's t interval.

    Positive is optimistic: the best of many trials is partly the luckiest. The interval says how exactly the two means
    are known, and covers neither the choice itself nor rows that seeds share.

    Args:
        searched: the objective of the winning trial by search seed.
        fresh: the same objective, of the same point, by fresh seed.
        confidence: of the interval.

    Reference:
        Welch 1947, The generalization of Student's problem when several different population variances are involved;
        Cawley & Talbot 2010, On over-fitting in model selection.
    """
    from scipy import stats  # noqa: PLC0415  (half a second)

    mean = float(np.mean(searched))
    difference = float(np.mean(fresh) - np.mean(searched))
    if len(searched) < 2 or len(fresh) < 2 or not np.isfinite(fresh).all():
        return Optimism(searched=finite(mean), mean=finite(difference), low=None, high=None)
    interval = stats.ttest_ind(fresh, searched, equal_var=False).confidence_interval(confidence)
    low, high = finite(float(interval.low)), finite(float(interval.high))
    return Optimism(searched=finite(mean), mean=finite(difference), low=low, high=high)
