"""Conformal prediction sets: as many classes as a stated share of new rows needs to find its own among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from pipeline.metrics.probabilities import pick

Probabilities = Float64[np.ndarray, "rows classes"]
Sets = Bool[np.ndarray, "rows classes"]
Method = Literal["lac", "aps"]


def _least_ambiguous(probabilities: Probabilities) -> Probabilities:
    """1 minus the probability of each class."""
    return 1.0 - probabilities


def _adaptive(probabilities: Probabilities) -> Probabilities:
    """Probability of all classes that are likelier; of equally likely ones the first counts as likelier."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sorted_ = np.take_along_axis(probabilities, order, axis=1)
    ahead = np.zeros_like(sorted_)
    np.cumsum(sorted_[:, :-1], axis=1, out=ahead[:, 1:])
    scores = np.empty_like(ahead)
    np.put_along_axis(scores, order, ahead, axis=1)
    return scores


SCORES: Mapping[Method, Callable[[Probabilities], Probabilities]] = {"lac": _least_ambiguous, "aps": _adaptive}
"""How badly each class (row, class) fits its row: `lac` gives the smallest sets, `aps` larger ones where rows are hard.

Reference:
    Sadinle, Lei & Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels" (LAC);
    Romano, Sesia & Candes 2020, "Classification with valid and adaptive coverage" (APS), with u = 0 for their random
    number: a row has the same set each time, and where most rows are certain, sets stay small.
"""


@dataclass(frozen=True)
class Conformal:
    """Scores of the true classes of rows held out.

    Attributes:
        lac: (row,) ascending.
        aps: (row,) ascending.
    """

    lac: Float64[np.ndarray, " rows"]
    aps: Float64[np.ndarray, " rows"]

    def sets(self, probabilities: Probabilities, *, coverage: float, method: Method) -> Sets:
        """Which classes belong to each row's set; its likeliest class always does.

        A set holds the true class with probability `coverage` or more, if rows are drawn as the rows held out were, and
        whatever the probabilities are worth.

        Args:
            probabilities: of new rows.
            coverage: above 0, below 1.
            method: a key of `SCORES`.
        """
        within = SCORES[method](probabilities) <= self.threshold(coverage, method)
        within[np.arange(len(within)), probabilities.argmax(axis=1)] = True
        return within

    def threshold(self, coverage: float, method: Method) -> float:
        """The score at rank ceil((n + 1) coverage) of n; infinite where n rows are too few."""
        scores: Float64[np.ndarray, " rows"] = getattr(self, method)
        rank = ceil((len(scores) + 1) * coverage)
        return float(scores[rank - 1]) if rank <= len(scores) else inf


def fit_conformal(probabilities: Probabilities, labels: Int64[np.ndarray, " rows"]) -> Conformal:
    """The scores of rows held out: nothing that predicts a row may have seen it."""
    lac, aps = (np.sort(pick(SCORES[method](probabilities), labels)) for method in SCORES)
    return Conformal(lac, aps)
