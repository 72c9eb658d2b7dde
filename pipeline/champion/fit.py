"""Fitting the champion: a library of recipes on every fold, a selection, and the calibrators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from joblib import Parallel, delayed

from pipeline.calibration.calibrator import Calibrator, fit_calibrator
from pipeline.champion.model import Champion, Encoding, Part, View, calibrated, log_of, row_losses
from pipeline.champion.predictors import Kind, NetworkPredictor, Predictor, predictor_of
from pipeline.champion.selection import select
from pipeline.config.points import Point
from pipeline.data.dataset import Pool
from pipeline.data.folds import Fold
from pipeline.data.options import Scale
from pipeline.data.piecewise_linear import fit_piecewise_linear
from pipeline.data.preprocessor import fit_preprocessor
from pipeline.data.seed_data import SeedData, indicators
from pipeline.models.baselines import fit as fit_baseline
from pipeline.results.champion import PartResult
from pipeline.training.fit import Tick, fit
from pipeline.training.member import Member

Logits = Float64[np.ndarray, "rows classes"]
_PARTS = 5
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


@dataclass(frozen=True)
class Candidate:
    """A part, and its calibrated probabilities (row, class) of the rows that were held out."""

    part: Part
    probabilities: Float64[np.ndarray, "rows classes"]
    loss: float


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
    of_recipe: dict[str, list[tuple[NetworkPredictor, Logits]]] = {recipe.name: [] for recipe in recipes}
    for number, (fold, view) in enumerate(zip(folds, views, strict=True), seed):
        for encoding, group in groupby(sorted(recipes, key=lambda each: each.encoding), key=lambda each: each.encoding):
            together = list(group)
            data = {number: _fold_data(pool, fold, view, encoding)}
            members = [[Member(recipe.point, number)] for recipe in together]
            results = fit(members, data, jobs=jobs, tick=tick, history=False, weights=True, splits=["validation"])
            for recipe, fitted in zip(together, results, strict=True):
                predictor = NetworkPredictor(recipe.point, len(pool.classes), fitted.weights[0])
                of_recipe[recipe.name].append((predictor, fitted.logits["validation"][0].astype(np.float64)))
    labels = held_out_labels(pool, folds)
    return [
        _candidate(recipe.name, "network", recipe.encoding, of_recipe[recipe.name], labels)
        for recipe in recipes
        if all(np.isfinite(logits).all() for _, logits in of_recipe[recipe.name])
    ]


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
    call = delayed(_fit_estimator)
    fitted: list[tuple[Predictor, Logits]] = Parallel(n_jobs=jobs, backend="threading")(
        call(recipe, pool, folds[number], views[number], seed + number) for recipe, number in tasks
    )
    labels, size = held_out_labels(pool, folds), len(folds)
    return [
        _candidate(recipe.name, recipe.kind, recipe.encoding, fitted[size * k : size * (k + 1)], labels)
        for k, recipe in enumerate(recipes)
    ]


@dataclass(frozen=True)
class Library:
    """Candidates that were fitted on the same folds.

    Attributes:
        candidates: parts with their probabilities of the rows held out.
        labels: (row,) of the rows held out, fold after fold.
        views: what each fold sees rows by.
    """

    candidates: Sequence[Candidate]
    labels: Int64[np.ndarray, " rows"]
    views: Sequence[View]

    def only(self, *kinds: Kind) -> Library:
        """The candidates of these kinds alone."""
        return replace(self, candidates=[each for each in self.candidates if each.part.kind in kinds])

    def blend(self, *, size: int) -> Champion:
        """Select candidates by the loss on rows held out, with so many picks, and calibrate their average.

        One pick is one network, the best one, as it was fitted on the first fold; where there is none, another part.
        """
        if size == 1:
            networks = self.only("network")
            return (networks if networks.candidates else self)._single()
        shares, calibrator = _selected(self._probabilities, self.labels, size=size)
        chosen = [(each.part, float(share)) for each, share in zip(self.candidates, shares, strict=True) if share > 0]
        return Champion(self.views, [part for part, _ in chosen], [share for _, share in chosen], calibrator)

    def _single(self) -> Champion:
        best = min(self.candidates, key=lambda each: each.loss)
        calibrator = fit_calibrator(log_of(best.probabilities), self.labels)
        return Champion(self.views[:1], [replace(best.part, predictors=best.part.predictors[:1])], [1.0], calibrator)

    def losses(self, *, size: int) -> tuple[float, float]:
        """Log-loss of the blend on the rows that selected it, and on rows that neither selected nor calibrated it.

        For the second, row i belongs to part i modulo 5; its part is predicted by what the others select. What is left
        of the winner's curse is that each candidate's own calibrator has seen the row.
        """
        probabilities = self._probabilities
        part = np.arange(len(self.labels)) % _PARTS
        fresh = np.empty(len(self.labels))
        for number in range(_PARTS):
            seen, unseen = part != number, part == number
            fitted = _selected(probabilities[:, seen], self.labels[seen], size=size)
            fresh[unseen] = row_losses(_mixed(probabilities[:, unseen], *fitted), self.labels[unseen])
        all_rows = _mixed(probabilities, *_selected(probabilities, self.labels, size=size))
        return float(row_losses(all_rows, self.labels).mean()), float(fresh.mean())

    def results(self, chosen: Champion) -> tuple[PartResult, ...]:
        """What each candidate is worth, and its share of a blend; the largest share first."""
        shares = dict(zip((part.name for part in chosen.parts), chosen.shares, strict=True))
        parts = [
            PartResult(
                name=each.part.name, kind=each.part.kind, held_out=each.loss, share=shares.get(each.part.name, 0.0)
            )
            for each in self.candidates
        ]
        return tuple(sorted(parts, key=lambda part: (-part.share, part.held_out)))

    @property
    def _probabilities(self) -> Float64[np.ndarray, "candidates rows classes"]:
        return np.stack([each.probabilities for each in self.candidates])


def _selected(
    probabilities: Float64[np.ndarray, "candidates rows classes"], labels: Int64[np.ndarray, " rows"], *, size: int
) -> tuple[Float64[np.ndarray, " candidates"], Calibrator]:
    """Shares of the candidates, and the calibrator of their average."""
    shares = select(probabilities, labels, steps=size)
    return shares, fit_calibrator(log_of(np.tensordot(shares, probabilities, 1)), labels)


def _mixed(
    probabilities: Float64[np.ndarray, "candidates rows classes"],
    shares: Float64[np.ndarray, " candidates"],
    calibrator: Calibrator,
) -> Float64[np.ndarray, "rows classes"]:
    return calibrated(log_of(np.tensordot(shares, probabilities, 1)), calibrator)


def held_out_labels(pool: Pool, folds: Sequence[Fold]) -> Int64[np.ndarray, " rows"]:
    """Labels of the rows held out, fold after fold."""
    return np.concatenate([pool.labels[fold.held_out] for fold in folds])


def _fold_data(pool: Pool, fold: Fold, view: View, encoding: Encoding) -> SeedData:
    rows = {"train": fold.train, "validation": fold.held_out, "test": fold.held_out[:1]}
    features = {split: view.inputs(pool.features[each], encoding) for split, each in rows.items()}
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
