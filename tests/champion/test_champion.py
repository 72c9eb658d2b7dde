"""The champion: fitted on a small library, stored, loaded and asked again."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from pipeline.calibration.conformal import fit_conformal
from pipeline.champion.fit import EstimatorRecipe, NetworkRecipe, fit_library
from pipeline.champion.library import Library
from pipeline.champion.model import calibrated, row_losses
from pipeline.champion.storage import Model, from_arrays, to_arrays
from pipeline.config.baselines import read_baselines
from pipeline.config.points import Point
from pipeline.core.engines import parse
from pipeline.core.errors import InputError
from pipeline.core.parallel import using
from pipeline.core.paths import PARAMS
from pipeline.data.dataset import Pool
from pipeline.data.folds import folds_of
from pipeline.data.tables.encoding import schema_of
from pipeline.models.baselines import make

ROWS, CLASSES = 120, 3
POINT = Point(
    hidden=(16,), epochs=12, batch_size=32, optimizer="adam", schedule="constant", momentum=0.9, learning_rate=0.01,
    early_stopping="nll_calibrated",
)  # fmt: skip
NETWORKS = [
    NetworkRecipe("dropout", POINT.model_copy(update={"dropout": 0.2})),
    NetworkRecipe("bins", POINT, "piecewise_linear"),
]
BESIDE = read_baselines(
    {"linear": {"estimator": "LogisticRegressionCV", "Cs": 3, "cv": 2},
     "trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 8}},
    PARAMS,
)  # fmt: skip
ESTIMATORS = [EstimatorRecipe(name, name, partial(make, row)) for name, row in BESIDE.items()]


def small_pool() -> Pool:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((ROWS, 4)).astype(np.float32)
    labels = (features[:, :CLASSES] + generator.gumbel(scale=0.5, size=(ROWS, CLASSES))).argmax(axis=1)
    return Pool(features, labels, ("a", "b", "c"), ("w", "x", "y", "z"))


def fitted(pool: Pool, *, jobs: int = 1, networks=NETWORKS) -> Library:
    folds = folds_of(pool, np.arange(90), folds=3)
    return fit_library(networks, ESTIMATORS, pool, folds, scale="standard", jobs=jobs, tick=lambda epochs: None)


def model_of(library: Library, pool: Pool, *, size: int) -> Model:
    conformal = fit_conformal(library.cross_fitted(size=size), library.labels)
    return Model(library.blend(size=size).champion, schema_of(pool), pool.classes, conformal, 1.0 - np.eye(CLASSES))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return small_pool()


@pytest.fixture(scope="module")
def library(pool: Pool) -> Library:
    return fitted(pool)


def test_every_row_is_predicted_by_what_has_not_seen_it(pool: Pool, library: Library) -> None:
    folds = folds_of(pool, np.arange(90), folds=3)
    rows = np.concatenate([fold.held_out for fold in folds])
    np.testing.assert_array_equal(library.labels, pool.labels[rows])
    for candidate in library.candidates:
        assert candidate.probabilities.shape == (90, CLASSES)
        np.testing.assert_allclose(candidate.probabilities.sum(axis=1), 1)
    start = 0
    trees = next(each for each in library.candidates if each.part.kind == "trees")
    for fold, view, predictor in zip(folds, library.views, trees.part.predictors, strict=True):
        inputs = view.inputs(pool.features[fold.held_out], "raw")
        again = calibrated(predictor.logits(inputs), trees.part.calibrator)
        np.testing.assert_array_equal(again, trees.probabilities[start : start + len(again)])
        start += len(again)


def test_labels_of_rows_that_are_not_given_change_nothing(pool: Pool, library: Library) -> None:
    others = Pool(pool.features, np.where(np.arange(ROWS) >= 90, 0, pool.labels), pool.classes, pool.feature_names)
    for one, two in zip(library.candidates, fitted(others).candidates, strict=True):
        np.testing.assert_array_equal(one.probabilities, two.probabilities)


@pytest.mark.slow
def test_workers_and_company_change_no_bit(pool: Pool, library: Library) -> None:
    with using(parse("threads")):
        parallel = fitted(pool, jobs=2)
    alone = fitted(pool, networks=NETWORKS[:1])
    for one, two in zip(library.candidates, parallel.candidates, strict=True):
        np.testing.assert_array_equal(one.probabilities, two.probabilities)
    np.testing.assert_array_equal(library.candidates[0].probabilities, alone.candidates[0].probabilities)


def test_the_blend_is_at_least_as_good_as_its_best_part(library: Library) -> None:
    selected, fresh = (
        row_losses(each, library.labels).mean()
        for each in (library.blend(size=10).held_out, library.cross_fitted(size=10))
    )
    assert selected <= min(each.loss for each in library.candidates) + 1e-3
    assert selected < fresh + 0.05


def test_a_champion_survives_storage_to_the_bit(pool: Pool, library: Library) -> None:
    champion = library.blend(size=8).champion
    model = model_of(library, pool, size=8)
    arrays, about = to_arrays(model)
    back = from_arrays(arrays, json.loads(json.dumps(about)), "m")
    assert back.classes == pool.classes
    assert back.schema == model.schema
    np.testing.assert_array_equal(back.conformal.aps, model.conformal.aps)
    np.testing.assert_array_equal(back.costs, model.costs)
    expected = champion.probabilities(pool.features)
    np.testing.assert_array_equal(back.champion.probabilities(pool.features), expected)
    np.testing.assert_allclose(expected.sum(axis=1), 1)
    np.testing.assert_array_equal(champion.probabilities(pool.features[7:8])[0], expected[7])


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays, about: about.pop("parts"),
        lambda arrays, about: about.update(format=1),
        lambda arrays, about: arrays.pop("shares"),
        lambda arrays, about: arrays.pop("conformal/aps"),
        lambda arrays, about: about["parts"][0].update(kind="pickle"),
        lambda arrays, about: arrays.pop("calibrator/weights"),
    ],
)
def test_a_damaged_model_is_one_line(pool: Pool, library: Library, damage) -> None:
    arrays, about = to_arrays(model_of(library, pool, size=4))
    about = json.loads(json.dumps(about))
    damage(arrays, about)
    with pytest.raises(InputError, match=r"^m: ") as caught:
        from_arrays(arrays, about, "m")
    assert "\n" not in str(caught.value)


def test_kinds_can_be_left_out(library: Library) -> None:
    assert {part.kind for part in library.only("network").blend(size=9).champion.parts} == {"network"}
    assert {part.kind for part in library.only("linear", "trees").blend(size=9).champion.parts} <= {"linear", "trees"}


def test_a_network_that_diverges_is_left_out(pool: Pool) -> None:
    changes = {"optimizer": "sgd", "learning_rate": 1e30, "early_stopping": "none"}
    wild = NetworkRecipe("wild", POINT.model_copy(update=changes))
    left = fitted(pool, networks=[wild, NETWORKS[0]])
    assert [each.part.name for each in left.candidates] == ["dropout", "linear", "trees"]


def test_one_pick_is_one_network(pool: Pool, library: Library) -> None:
    champion = library.blend(size=1).champion
    (part,) = champion.parts
    assert (part.kind, len(part.predictors), len(champion.views), list(champion.shares)) == ("network", 1, 1, [1.0])
    np.testing.assert_allclose(champion.probabilities(pool.features).sum(axis=1), 1)
