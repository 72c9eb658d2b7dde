"""The command `champion`: fit the model that is handed over, judge it once on test rows, and write both."""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config.costs import cost_matrix
from pipeline.config.params import Params, load_params
from pipeline.config.reading import look_up
from pipeline.core.arrays import write_arrays
from pipeline.core.paths import PARAMS, model_file, result_file
from pipeline.core.progress import progress
from pipeline.data.preprocessor import fit_preprocessor
from pipeline.data.seed_data import indicators
from pipeline.stages.devices import require_devices
from pipeline.stages.stored_dataset import load_data
from pipeline.tracking.times import note

if TYPE_CHECKING:
    from pipeline.champion.fit import NetworkRecipe
    from pipeline.champion.library import Blend, Library
    from pipeline.champion.storage import Model
    from pipeline.data.dataset import Dataset
    from pipeline.results.champion import ChampionResults

SEED = 0  # whose training and validation rows the champion is fitted on, and whose test rows judge it

Rows = NDArray[np.int64]
Probabilities = NDArray[np.float64]


class _Made(NamedTuple):
    """A library, the blend that was made of it, and what blends that have not seen a row say of it."""

    library: Library
    blend: Blend
    fresh: Probabilities


def champion(dataset: str, *, jobs: int) -> str:
    """Fit the champion on all rows that a seed trains and chooses on, and compare it with others on its test rows."""
    from pipeline.champion.storage import to_arrays  # noqa: PLC0415
    from pipeline.results.record import write_record  # noqa: PLC0415

    params, began = load_params(PARAMS), time()
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    require_devices(params.champion.recipes.values())
    pooled, size = load_data(dataset), params.champion.size
    costs = _costs(dataset, pooled, params)
    library = _library(dataset, pooled, params, jobs=jobs)
    made = _Made(library, library.blend(size=size), library.cross_fitted(size=size))
    model = _model(made, pooled, costs)
    results = _results(dataset, made, model, pooled, params)
    write_arrays(model_file(dataset), *to_arrays(model))
    note(model_file(dataset).read_bytes(), since=began)
    write_record(result_file(dataset, "champion.json"), results)
    return f"{model_file(dataset)}: {len(model.champion.parts)} parts; test NLL {results.champion.nll.mean:.3f}"


def _costs(dataset: str, pooled: Dataset, params: Params) -> NDArray[np.float64] | None:
    """What deciding costs (truth, decision), where params.yaml says it."""
    costs = params.champion.costs.get(dataset)
    if costs is None:
        return None
    return np.array(cost_matrix(costs, pooled.pool.classes, f"{PARAMS}: champion.costs.{dataset}"))


def _rows(pooled: Dataset) -> Rows:
    """All rows that the seed trains and chooses on."""
    splits = pooled.splits
    return np.sort(np.concatenate([splits.train[SEED], splits.validation[SEED]])).astype(np.int64)


def _model(made: _Made, pooled: Dataset, costs: NDArray[np.float64] | None) -> Model:
    """The champion with all that it is used with."""
    from pipeline.calibration.conformal import fit_conformal  # noqa: PLC0415
    from pipeline.champion.storage import Model  # noqa: PLC0415
    from pipeline.data.tables.encoding import schema_of  # noqa: PLC0415

    return Model(
        champion=made.blend.champion,
        schema=schema_of(pooled.pool),
        classes=pooled.pool.classes,
        conformal=fit_conformal(made.fresh, made.library.labels),
        costs=costs,
    )


def _library(dataset: str, pooled: Dataset, params: Params, *, jobs: int) -> Library:
    """All recipes, fitted on every fold of the rows."""
    from pipeline.champion.fit import fit_library  # noqa: PLC0415  (torch takes a second to import)
    from pipeline.champion.portfolio import estimators_of, networks_of  # noqa: PLC0415
    from pipeline.data.folds import folds_of  # noqa: PLC0415

    folds = folds_of(pooled.pool, _rows(pooled), folds=params.champion.folds)
    networks = networks_of(params.champion.recipes, len(folds[0].train), least=params.champion.least_steps)
    networks += _of_search(dataset)
    estimators = estimators_of({name: params.baselines[name] for name in params.champion.estimators})
    total = sum(recipe.point.epochs for recipe in networks) * len(folds)
    text = f"{dataset}: {len(networks) * len(folds)} networks of the library"
    with progress(text, total, "epochs") as tick:
        return fit_library(networks, estimators, pooled.pool, folds, scale=pooled.scale, jobs=jobs, tick=tick)


def _of_search(dataset: str) -> list[NetworkRecipe]:
    """The search's answer and the winner of every arm, as they were tuned."""
    from pipeline.champion.fit import NetworkRecipe  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415

    results = read_record(SearchResults, result_file(dataset, "search.json")).results
    chosen = [point for point in results.points if point.kind == "tuned" or point.key == results.answer.key]
    names = {point.parameters: f"tuned {point.name}" for point in reversed(chosen)}  # of equal points the first names
    return [NetworkRecipe(name, point) for point, name in reversed(names.items())]


def _results(dataset: str, made: _Made, model: Model, pooled: Dataset, params: Params) -> ChampionResults:
    """What each part is worth, and how the champion and others do on the test rows."""
    from pipeline.champion.judge import calibration_of, decisions_by, judged, sets_of  # noqa: PLC0415
    from pipeline.champion.model import row_losses  # noqa: PLC0415
    from pipeline.results.champion import CalibratorResult, ChampionResults  # noqa: PLC0415

    library, choice, classes = made.library, made.blend.choice, pooled.pool.classes
    found, labels = _contenders(made, pooled, params), pooled.pool.labels[pooled.splits.test[SEED]]
    champion, *others = judged(found, labels)
    probabilities, known = found["champion"], (made.fresh, library.labels)
    return ChampionResults(
        dataset=dataset,
        classes=classes,
        train=len(library.labels),
        test=len(labels),
        folds=len(library.views),
        parts=library.results(model.champion),
        held_out=float(row_losses(made.blend.held_out, library.labels).mean()),
        cross_fitted=float(row_losses(*known).mean()),
        champion=champion,
        contenders=tuple(others),
        calibrator=CalibratorResult(name=choice.name, losses=dict(choice.losses)),
        calibration=calibration_of(probabilities, labels, classes),
        sets=sets_of(model.conformal, probabilities, labels, coverage=params.champion.coverage),
        decisions=() if model.costs is None else decisions_by(probabilities, labels, model.costs, held_out=known),
    )


def _contenders(made: _Made, pooled: Dataset, params: Params) -> Mapping[str, Probabilities]:
    """Probabilities (row, class) of the test rows: of the champion, of parts of it, and of every baseline."""
    from pipeline.models.baselines import fit, logits_of, make  # noqa: PLC0415

    pool, size, rows = pooled.pool, params.champion.size, _rows(pooled)
    features = pool.features[pooled.splits.test[SEED]]
    blends = {"champion": made.blend, "networks alone": made.library.only("network").blend(size=size)}
    if params.champion.estimators:
        blends["without networks"] = made.library.only("linear", "trees").blend(size=size)
    found = {name: blend.champion.probabilities(features) for name, blend in blends.items()}
    preprocessor = fit_preprocessor(pool.features[rows], indicators=indicators(pool), scale=pooled.scale)
    seen, tested = (preprocessor.transform(each) for each in (pool.features[rows], features))
    for name, row in params.baselines.items():
        estimator = fit(make(row, SEED), seen, pool.labels[rows])
        found[name] = np.exp(logits_of(estimator, tested, len(pool.classes)).astype(np.float64))
    return found
