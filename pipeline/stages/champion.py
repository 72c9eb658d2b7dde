"""The command `champion`: fit the model that is handed over, judge it once on test rows, and write both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.config.params import Params, load_params
from pipeline.config.reading import look_up
from pipeline.core.files import write_arrays
from pipeline.core.paths import PARAMS, model_file, result_file
from pipeline.core.progress import progress
from pipeline.data.preprocessor import fit_preprocessor
from pipeline.data.seed_data import indicators
from pipeline.stages.members import workers
from pipeline.stages.stored_dataset import load_data

if TYPE_CHECKING:
    from pipeline.champion.fit import Library
    from pipeline.champion.model import Champion
    from pipeline.data.dataset import Dataset
    from pipeline.results.champion import ChampionResults

SEED = 0  # whose training and validation rows the champion is fitted on, and whose test rows judge it

Rows = NDArray[np.int64]


def champion(dataset: str, *, jobs: int) -> str:
    """Fit the champion on all rows that a seed trains and chooses on, and compare it with others on its test rows."""
    from pipeline.champion.storage import Model, to_arrays  # noqa: PLC0415
    from pipeline.data.tables.encoding import schema_of  # noqa: PLC0415
    from pipeline.results.record import write_record  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    pooled = load_data(dataset)
    splits = pooled.splits
    rows = np.sort(np.concatenate([splits.train[SEED], splits.validation[SEED]])).astype(np.int64)
    library = _library(dataset, pooled, rows, params, jobs=jobs)
    chosen = library.blend(size=params.champion.size)
    results = _results(dataset, library, chosen, pooled, rows, params)
    model = Model(chosen, schema_of(pooled.pool), pooled.pool.classes)
    write_arrays(model_file(dataset), *to_arrays(model))
    write_record(result_file(dataset, "champion.json"), results)
    return f"{model_file(dataset)}: {len(chosen.parts)} parts; test NLL {results.champion.nll.mean:.3f}"


def _library(dataset: str, pooled: Dataset, rows: Rows, params: Params, *, jobs: int) -> Library:
    """All recipes, fitted on every fold of the rows."""
    from pipeline.champion.fit import fit_library  # noqa: PLC0415  (torch takes a second to import)
    from pipeline.champion.portfolio import estimators_of, networks_of  # noqa: PLC0415
    from pipeline.data.folds import folds_of  # noqa: PLC0415

    folds = folds_of(pooled.pool, rows, folds=params.champion.folds)
    networks = networks_of(params.champion.recipes, len(folds[0].train), least=params.champion.least_steps)
    estimators = estimators_of({name: params.baselines[name] for name in params.champion.estimators})
    total = sum(recipe.point.epochs for recipe in networks) * len(folds)
    text = f"{dataset}: {len(networks) * len(folds)} networks of the library"
    with workers("threading"), progress(text, total, "epochs") as tick:
        return fit_library(networks, estimators, pooled.pool, folds, scale=pooled.scale, jobs=jobs, tick=tick)


def _results(
    dataset: str, library: Library, chosen: Champion, pooled: Dataset, rows: Rows, params: Params
) -> ChampionResults:
    """What each part is worth, and how the champion and others do on the test rows."""
    from pipeline.champion.judge import judged  # noqa: PLC0415
    from pipeline.results.champion import ChampionResults  # noqa: PLC0415

    pool, test, size = pooled.pool, pooled.splits.test[SEED], params.champion.size
    held_out, cross_fitted = library.losses(size=size)
    champion, *others = judged(_contenders(library, chosen, pooled, rows, params), pool.labels[test])
    return ChampionResults(
        dataset=dataset,
        classes=pool.classes,
        train=len(rows),
        test=len(test),
        folds=len(library.views),
        parts=library.results(chosen),
        held_out=held_out,
        cross_fitted=cross_fitted,
        champion=champion,
        contenders=tuple(others),
    )


def _contenders(
    library: Library, chosen: Champion, pooled: Dataset, rows: Rows, params: Params
) -> Mapping[str, NDArray[np.float64]]:
    """Probabilities (row, class) of the test rows: of the champion, of parts of it, and of every baseline."""
    from pipeline.models.baselines import fit, logits_of, make  # noqa: PLC0415

    pool, size = pooled.pool, params.champion.size
    features = pool.features[pooled.splits.test[SEED]]
    blends = {"champion": chosen, "networks alone": library.only("network").blend(size=size)}
    if params.champion.estimators:
        blends["without networks"] = library.only("linear", "trees").blend(size=size)
    found = {name: blend.probabilities(features) for name, blend in blends.items()}
    preprocessor = fit_preprocessor(pool.features[rows], indicators=indicators(pool), scale=pooled.scale)
    seen, tested = (preprocessor.transform(each) for each in (pool.features[rows], features))
    for name, row in params.baselines.items():
        estimator = fit(make(row, SEED), seen, pool.labels[rows])
        found[name] = np.exp(logits_of(estimator, tested, len(pool.classes)).astype(np.float64))
    return found
