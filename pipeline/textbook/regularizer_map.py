"""The map: at a number of training rows and a share of wrong labels, which tuned regularizer wins, and by how much?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from pipeline.results.record import finite
from pipeline.results.textbook import MapPlace
from pipeline.statistics.intervals import paired_difference
from pipeline.textbook.verdicts import judge

METRIC, CHOICE = "score/test_calibrated/excess_kl", "score/validation_calibrated/nll"
Values = Mapping[str, Float[np.ndarray, " seeds"]]


def tuned(
    arrays: Mapping[str, Float[np.ndarray, "cells seeds"]], arms: Mapping[str, int]
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """What every arm scores with its best cell on validation, seed by seed.

    Args:
        arrays: scores of the cells of all arms, one arm after the other.
        arms: how many cells each has.
    """
    values, choice = arrays[METRIC], arrays[CHOICE]
    ends = np.cumsum(list(arms.values()))
    seeds = np.arange(values.shape[1])
    return {
        name: values[start + np.argmin(choice[start:end], axis=0), seeds]
        for (name, count), end in zip(arms.items(), ends, strict=True)
        for start in [int(end) - count]
    }


def map_place(values: Values, *, rows: int, label_noise: float, least: float) -> MapPlace:
    """Who wins at one place of the map.

    The winner is the arm with the least mean over all seeds. Its gain over the first arm is not measured on the seeds
    that chose it: what is best on the even seeds is judged on the odd ones, and the reverse. `supported`: a tuned
    regularizer gains `least` or more; `refuted`: none does. Rivals are arms whose interval of the difference to the
    winner holds zero.

    Args:
        values: divergence from the posterior of every arm, the first of them the baseline.
        rows: training rows.
        label_noise: share of wrong labels.
        least: smallest gain of interest.
    """
    baseline, *others = values
    winner = _best(values, others)
    gains = values[baseline] - _held_out(values, others)
    judged = judge(gains, 0.0, direction="higher", least=least)
    rivals = [name for name in others if name != winner and _within_noise(values[name], values[winner])]
    return MapPlace(
        rows=rows,
        label_noise=label_noise,
        winner=winner,
        rivals=tuple(rivals),
        baseline=finite(values[baseline].mean()),
        gain=finite(judged.mean),
        low=finite(judged.low),
        high=finite(judged.high),
        n=len(gains),
        verdict=judged.verdict,
        means={name: finite(each.mean()) for name, each in values.items()},
    )


def _best(values: Values, arms: Sequence[str], seeds: slice = slice(None)) -> str:
    return min(arms, key=lambda name: float(values[name][seeds].mean()))


def _held_out(values: Values, arms: Sequence[str]) -> Float[np.ndarray, " seeds"]:
    """Each half of the seeds as scored by the arm that is best on the other half."""
    even, odd = slice(0, None, 2), slice(1, None, 2)
    scored = np.empty_like(values[arms[0]])
    for judging, choosing in ((even, odd), (odd, even)):
        scored[judging] = values[_best(values, arms, choosing)][judging]
    return scored


def _within_noise(values: Float[np.ndarray, " seeds"], best: Float[np.ndarray, " seeds"]) -> bool:
    return bool(paired_difference(values, best).low <= 0)
