"""Cost of a study: how many networks it trains on a data set, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import ceil, comb
from typing import NamedTuple

from pipeline.config.champion import with_steps
from pipeline.config.params import Params
from pipeline.config.points import Point
from pipeline.config.search_space import Search, singles


class Networks(NamedTuple):
    """How many networks are trained on one data set, at most: equal work is done once, and a trial may diverge.

    Attributes:
        rates: of points, at every learning rate, on the tuning seeds.
        points: of points, at the rate that was chosen, on the study's seeds.
        trials: of the search; some end early.
        contenders: winners and stacks of them, on the tuning seeds and on the study's.
        averages: beside the first network of each split.
    """

    rates: int
    points: int
    trials: int
    contenders: int
    averages: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def networks_of(params: Params) -> Networks:
    """The networks that a study trains on each of its data sets."""
    search, seeds, arms = params.search, params.study.seeds, len(params.search.arms)
    ensembles, stacks = params.study.ensembles, _stacks(params.search)
    at_rates = len({_plain(point) for candidates in _candidates(params) for point in candidates})
    stack_rates = len({*params.train.learning_rate}) + 1
    return Networks(
        rates=at_rates * search.seeds,
        points=len(set(_candidates(params))) * seeds,
        trials=arms * _whole_batches(search) * search.seeds,
        contenders=(arms + stacks) * seeds + (arms + stacks * stack_rates) * search.seeds,
        averages=arms * (ensembles.members - 1) * ensembles.splits,
    )


def search_networks_of(params: Params) -> Networks:
    """The networks of the search alone, without the points that were set beforehand."""
    return networks_of(params)._replace(rates=0, points=0)


def point_networks_of(params: Params) -> Networks:
    """The networks of the points that were set beforehand, without the search."""
    return networks_of(params)._replace(trials=0, contenders=0, averages=0)


def library_epochs(params: Params, rows: int) -> int:
    """How many epochs the networks of the champion's library train, all folds together, each on so many rows."""
    champion = params.champion
    points = (with_steps(recipe.point, rows, least=champion.least_steps) for recipe in champion.recipes.values())
    return champion.folds * sum(point.epochs for point in points)


def network_epochs(params: Params, networks: Networks) -> float:
    """How many epochs all networks together train, where a pruner ends as many trials as its factor says."""
    epochs = params.train.epochs
    pruned = networks.trials * _share_trained(params.search, epochs)
    others = networks.contenders + networks.averages
    lengths = [point.epochs for candidates in _candidates(params) for point in candidates]
    mean = sum(lengths) / len(lengths)
    return (networks.rates + networks.points) * mean + (pruned + others) * epochs


def _candidates(params: Params) -> Iterator[tuple[Point, ...]]:
    return (candidates for variant in params.variants.values() for candidates in variant.candidates)


def _plain(point: Point) -> Point:
    return point.model_copy(update={"replicate": 0})


def _stacks(search: Search) -> int:
    """How many combinations of the best single arms there are: every two, and all where they are more."""
    alone = min(search.stacked, len(singles(search.arms)))
    return comb(alone, 2) + (alone > 2)


def _whole_batches(search: Search) -> int:
    return ceil(search.trials / search.batch) * search.batch


def _share_trained(search: Search, epochs: int) -> float:
    """The share of all epochs that trials train, where at each rung one in `factor` goes on."""
    factor, legs = float(search.pruner.factor), pairwise([0, *search.pruner.rungs(epochs), epochs])
    return sum((end - start) * factor**-rung for rung, (start, end) in enumerate(legs)) / epochs
