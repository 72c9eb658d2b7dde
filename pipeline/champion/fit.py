"""Fitting a library: every recipe on every fold, each calibrated on the rows that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from pipeline.calibration.calibrator import fit_calibrator
from pipeline.champion.library import Candidate, Library
from pipeline.champion.model import Encoding, Part, View, calibrated, row_losses
from pipeline.champion.predictors import Kind, NetworkPredictor, Predictor, predictor_of
from pipeline.config.points import Point
from pipeline.core import parallel
from pipeline.data.dataset import Pool
from pipeline.data.folds import Fold
from pipeline.data.options import Scale
from pipeline.data.piecewise_linear import fit_piecewise_linear
from pipeline.data.preprocessor import fit_preprocessor
from pipeline.data.seed_data import PoolRows, SeedData, indicators
from pipeline.models.baselines import fit as fit_baseline
from pipeline.training.fit import Tick, fit
from pipeline.training.member import Member

Logits = Float64[np.ndarray, "rows classes"]
MakeEstimator = Callable[[int], Any]
"""From a seed to an estimator of scikit-learn."""


@dataclass(frozen=True)
class NetworkRecipe:
    """A network to be trained on every fold."""

    name: str
    point: Point
    encoding: Encoding = "standard"


@dataclass(frozen=True)
class EstimatorRecipe:
    """A LogisticRegression, or a HistGradientBoostingClassifier, to be fitted on every fold."""

    name: str
    kind: Kind
    make: MakeEstimator

    @property
    def encoding(self) -> Encoding:
        """Trees see the numbers themselves."""
        return "raw" if self.kind == "trees" else "standard"


def fit_library(
    networks: Sequence[NetworkRecipe],
    estimators: Sequence[EstimatorRecipe],
    pool: Pool,
    folds: Sequence[Fold],
    *,
    scale: Scale,
    jobs: int,
    tick: Tick,
    seed: int = 0,
) -> Library:
    """Fit every recipe on every fold.

    Args:
        networks: to be trained.
        estimators: of scikit-learn.
        pool: whose rows the folds divide.
        folds: of the rows that may be seen.
        scale: of features.
        jobs: workers.
        tick: receives how many network-epochs are done.
        seed: of the first fold's parts; those of the others follow.
    """
    views = views_of(pool, folds, scale)
    of_networks = fit_networks(networks, pool, folds, views, jobs=jobs, tick=tick, seed=seed)
    of_estimators = fit_estimators(estimators, pool, folds, views, jobs=jobs, seed=seed)
    return Library([*of_networks, *of_estimators], held_out_labels(pool, folds), views)


def views_of(pool: Pool, folds: Sequence[Fold], scale: Scale) -> list[View]:
    """What each fold's training rows give to see rows by."""
    are_indicators, views = indicators(pool), []
    for fold in folds:
        features = pool.features[fold.train]
        preprocessor = fit_preprocessor(features, indicators=are_indicators, scale=scale)
        encoder = fit_piecewise_linear(preprocessor.transform(features), indicators=are_indicators)
        views.append(View(preprocessor, encoder))
    return views


def fit_networks(
    recipes: Sequence[NetworkRecipe],
    pool: Pool,
    folds: Sequence[Fold],
    views: Sequence[View],
    *,
    jobs: int,
    tick: Tick,
    seed: int = 0,
) -> list[Candidate]:
    """Train every recipe on every fold, and leave out those that diverge.

    Rows held out are predicted by weights that they have not chosen.
    """
    found: dict[tuple[str, int], tuple[NetworkPredictor, Logits]] = {}
    for encoding, group in groupby(sorted(recipes, key=lambda each: each.encoding), key=lambda each: each.encoding):
        together = list(group)
        numbered = enumerate(zip(folds, views, strict=True))
        for data in _of_equal_shape({number: _fold_data(pool, *each, encoding) for number, each in numbered}):
            seeded = {seed + number: each for number, each in data.items()}
            members = [[Member(recipe.point, number) for number in seeded] for recipe in together]
            results = fit(members, seeded, jobs=jobs, tick=tick, history=False, weights=True, splits=["validation"])
            for recipe, fitted in zip(together, results, strict=True):
                for number, weights, logits in zip(data, fitted.weights, fitted.logits["validation"], strict=True):
                    predictor = NetworkPredictor(recipe.point, len(pool.classes), weights)
                    found[recipe.name, number] = predictor, logits.astype(np.float64)
    of_recipe = {recipe.name: [found[recipe.name, number] for number in range(len(folds))] for recipe in recipes}
    labels = held_out_labels(pool, folds)
    return [
        _candidate(recipe.name, "network", recipe.encoding, of_recipe[recipe.name], labels)
        for recipe in recipes
        if all(np.isfinite(logits).all() for _, logits in of_recipe[recipe.name])
    ]


def _of_equal_shape(data: Mapping[int, SeedData]) -> list[dict[int, SeedData]]:
    """Folds that have equally many rows and inputs, whose networks train as one stack."""
    alike: dict[tuple[int, ...], dict[int, SeedData]] = {}
    for number, fold in data.items():
        inputs = fold.take("train", slice(1)).shape[1]
        alike.setdefault((inputs, fold.rows("train"), fold.rows("validation")), {})[number] = fold
    return list(alike.values())


def fit_estimators(
    recipes: Sequence[EstimatorRecipe],
    pool: Pool,
    folds: Sequence[Fold],
    views: Sequence[View],
    *,
    jobs: int,
    seed: int = 0,
) -> list[Candidate]:
    """Fit every recipe of scikit-learn on every fold, with one thread each."""
    tasks = [(recipe, number) for recipe in recipes for number in range(len(folds))]
    sent = parallel.shared(pool, jobs)

    def arguments(task: tuple[EstimatorRecipe, int]) -> tuple[Any, ...]:
        recipe, number = task
        return recipe, sent, folds[number], views[number], seed + number

    fitted = list(parallel.results(_fit_estimator, tasks, arguments=arguments, jobs=jobs, threads=True))
    labels, size = held_out_labels(pool, folds), len(folds)
    return [
        _candidate(recipe.name, recipe.kind, recipe.encoding, fitted[size * k : size * (k + 1)], labels)
        for k, recipe in enumerate(recipes)
    ]


def held_out_labels(pool: Pool, folds: Sequence[Fold]) -> Int64[np.ndarray, " rows"]:
    """Labels of the rows held out, fold after fold."""
    return np.concatenate([pool.labels[fold.held_out] for fold in folds])


def _fold_data(pool: Pool, fold: Fold, view: View, encoding: Encoding) -> SeedData:
    rows = {"train": fold.train, "validation": fold.held_out, "test": fold.held_out[:1]}
    features = PoolRows(pool.features, rows, partial(view.inputs, encoding=encoding))
    labels = {split: pool.labels[each] for split, each in rows.items()}
    return SeedData(features=features, labels=labels, classes=len(pool.classes))


def _fit_estimator(recipe: EstimatorRecipe, pool: Pool, fold: Fold, view: View, seed: int) -> tuple[Predictor, Logits]:
    inputs = view.inputs(pool.features[fold.train], recipe.encoding)
    estimator = fit_baseline(recipe.make(seed), inputs, pool.labels[fold.train])
    predictor = predictor_of(estimator, recipe.kind, len(pool.classes), inputs.shape[1])
    return predictor, predictor.logits(view.inputs(pool.features[fold.held_out], recipe.encoding))


def _candidate(
    name: str,
    kind: Kind,
    encoding: Encoding,
    fitted: Sequence[tuple[Predictor, Logits]],
    labels: Int64[np.ndarray, " rows"],
) -> Candidate:
    logits = np.concatenate([each for _, each in fitted])
    calibrator = fit_calibrator(logits, labels)
    probabilities = calibrated(logits, calibrator)
    loss = float(row_losses(probabilities, labels).mean())
    return Candidate(Part(name, kind, encoding, calibrator, [each for each, _ in fitted]), probabilities, loss)
