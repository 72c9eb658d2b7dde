"""Data sets and splits: known answers, independence of seeds, and every size that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.data.bundled import BUNDLED, load_bundled
from pipeline.data.dataset import Dataset, describe
from pipeline.data.splits import split_resampled
from pipeline.data.synthetic import MixtureTask, component_means, make_mixture, mixture_posterior

TASK = MixtureTask(seed=7, classes=3, components=2, features=4, separation=3.0, label_noise=0.0)
SIZES = {"seeds": 3, "train": 40, "validation": 30, "test": 500, "name": "mix"}
FIRST_LABELS = [2, 2, 1, 1, 0, 1, 0, 1, 2, 0]  # of seed 0
FIRST_ROW = [-3.79110312, 1.67051053, -0.78265703, -0.89445025]


def same(one: Dataset, other: Dataset) -> bool:
    pairs = [(getattr(one.pool, key), getattr(other.pool, key)) for key in ("features", "labels", "posterior")]
    pairs += [(getattr(one.splits, key), getattr(other.splits, key)) for key in ("train", "validation", "test")]
    return all(a.tobytes() == b.tobytes() and a.dtype == b.dtype and a.shape == b.shape for a, b in pairs)


def bundled(name: str, *, seeds: int = 4, train: float = 0.5, validation: float = 0.2) -> Dataset:
    pool = load_bundled(name)
    splits = split_resampled(
        pool.labels, classes=pool.classes, seeds=seeds, train=train, validation=validation, name=name
    )
    return Dataset(pool, splits)


# Synthetic tasks


def test_a_mixture_is_laid_out_as_promised():
    data = make_mixture(TASK, **SIZES)
    assert data.pool.features.shape == (3 * 70 + 500, 4)
    assert data.pool.features.dtype == np.float32
    assert data.pool.labels.dtype == np.int64
    assert data.pool.posterior.dtype == np.float64
    assert data.splits.train.dtype == data.splits.validation.dtype == data.splits.test.dtype == np.int32
    np.testing.assert_array_equal(data.splits.train[1], np.arange(70, 110))
    np.testing.assert_array_equal(data.splits.validation[1], np.arange(110, 140))
    np.testing.assert_array_equal(data.splits.test, np.tile(np.arange(210, 710), (3, 1)))
    assert data.pool.classes == ("0", "1", "2")
    assert data.pool.feature_names == ("x0", "x1", "x2", "x3")


def test_the_same_arguments_give_the_same_bytes():
    assert same(make_mixture(TASK, **SIZES), make_mixture(TASK, **SIZES))
    assert not same(make_mixture(TASK, **SIZES), make_mixture(replace(TASK, seed=8), **SIZES))


def test_the_draws_never_change():
    """Cached results rest on these numbers."""
    pool = make_mixture(TASK, **SIZES).pool
    np.testing.assert_array_equal(pool.labels[:10], FIRST_LABELS)
    np.testing.assert_allclose(pool.features[0], FIRST_ROW, rtol=1e-6)


def test_no_global_random_state_is_read_or_changed():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_mixture(TASK, **SIZES)
    bundled("iris")
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_more_seeds_leave_the_earlier_ones_alone():
    few, many = make_mixture(TASK, **SIZES), make_mixture(TASK, **SIZES | {"seeds": 6})
    for part in ("train", "validation", "test"):
        rows, more = getattr(few.splits, part), getattr(many.splits, part)[:3]
        for key in ("features", "labels", "posterior"):
            np.testing.assert_array_equal(getattr(few.pool, key)[rows], getattr(many.pool, key)[more])


def test_longer_parts_begin_like_shorter_ones_and_leave_the_others_alone():
    short, long = make_mixture(TASK, **SIZES), make_mixture(TASK, **SIZES | {"train": 90})
    for part in ("train", "validation", "test"):
        rows = getattr(short.splits, part)
        more = getattr(long.splits, part)[:, : rows.shape[1]]
        np.testing.assert_array_equal(short.pool.features[rows], long.pool.features[more])
        np.testing.assert_array_equal(short.pool.labels[rows], long.pool.labels[more])


def test_seeds_and_parts_share_no_row():
    features = make_mixture(TASK, **SIZES).pool.features
    assert len(np.unique(features, axis=0)) == len(features)


def test_the_posterior_is_bayes_rule():
    from scipy.stats import multivariate_normal  # noqa: PLC0415

    data, means = make_mixture(TASK, **SIZES), component_means(TASK)
    points = data.pool.features.astype(np.float64)
    density = np.array([sum(multivariate_normal(mean).pdf(points) for mean in of_class) for of_class in means]).T
    np.testing.assert_allclose(data.pool.posterior, density / density.sum(axis=1, keepdims=True), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("label_noise", [0.0, 0.3])
def test_labels_follow_the_posterior(label_noise):
    data = make_mixture(replace(TASK, label_noise=label_noise), **SIZES | {"test": 40_000})
    rows = data.splits.test[0]
    probs, labels = data.pool.posterior[rows], data.pool.labels[rows]
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-12)
    for k in range(3):
        for low in (0.0, 0.2, 0.4, 0.6, 0.8):
            inside = (probs[:, k] >= low) & (probs[:, k] < low + 0.2)
            if inside.sum() < 100:
                continue
            error = (labels[inside] == k).mean() - probs[inside, k].mean()
            assert abs(error) < 4 * np.sqrt(0.25 / inside.sum())


def test_label_noise_replaces_the_stated_share_and_nothing_else():
    clean = make_mixture(TASK, **SIZES | {"test": 40_000}).pool
    noisy = make_mixture(replace(TASK, label_noise=0.3), **SIZES | {"test": 40_000}).pool
    np.testing.assert_array_equal(clean.features, noisy.features)
    assert abs((clean.labels != noisy.labels).mean() - 0.3) < 0.01
    np.testing.assert_allclose(noisy.posterior, 0.7 * clean.posterior + 0.15 * (1 - clean.posterior))
    shift = (noisy.labels - clean.labels)[clean.labels != noisy.labels] % 3
    assert abs((shift == 1).mean() - 0.5) < 0.02


def test_far_points_have_a_finite_posterior():
    far = np.array([[1e4, -1e4], [0.0, 0.0]], dtype=np.float32)
    means = np.array([[[5.0, 0.0]], [[-5.0, 0.0]]])
    np.testing.assert_allclose(mixture_posterior(far, means, label_noise=0.0), [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(mixture_posterior(far, means, label_noise=0.1), [[0.9, 0.1], [0.5, 0.5]])


@pytest.mark.parametrize("separation", [1.0, 4.0])
def test_separation_is_the_distance_between_two_means(separation):
    means = component_means(replace(TASK, features=2000, components=3, separation=separation)).reshape(9, -1)
    distances = [np.linalg.norm(means[i] - means[j]) for i in range(9) for j in range(i)]
    assert np.sqrt(np.mean(np.square(distances))) == pytest.approx(separation, rel=0.05)


def test_a_class_has_all_its_components_with_equal_weight():
    task = replace(TASK, classes=2, components=2, features=2, separation=40.0)
    data = make_mixture(task, **SIZES | {"test": 4000})
    of_class = data.pool.features[data.splits.test[0]][data.pool.labels[data.splits.test[0]] == 0]
    nearest = np.linalg.norm(of_class[:, None] - component_means(task)[0], axis=2).argmin(axis=1)
    assert abs(nearest.mean() - 0.5) < 0.05


def noise(*, classes, features, **sizes):
    """Components that all lie at the origin."""
    task = MixtureTask(seed=1, classes=classes, components=1, features=features, separation=0.0, label_noise=0.0)
    return make_mixture(task, **sizes, name="noise")


def test_noise_has_nothing_to_learn():
    data = noise(classes=2, features=10, seeds=2, train=50, validation=50, test=20_000)
    assert (data.pool.posterior == 0.5).all()
    assert abs(data.pool.labels.mean() - 0.5) < 0.02
    assert abs(data.pool.features.mean()) < 0.01
    assert abs(data.pool.features.std() - 1) < 0.01
    correlation = np.corrcoef(data.pool.features.T, data.pool.labels)[-1, :-1]
    assert np.abs(correlation).max() < 0.03


def test_three_classes_of_noise_have_equal_probabilities():
    data = noise(classes=3, features=2, seeds=1, train=50, validation=5, test=10)
    np.testing.assert_allclose(data.pool.posterior, 1 / 3, rtol=1e-15)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("seed", -1, "mix: the task's seed must be in [0, 2**64); got -1"),
        ("classes", 1, "mix: classes must be at least 2; got 1"),
        ("components", 0, "mix: components must be at least 1; got 0"),
        ("features", 0, "mix: features must be at least 1; got 0"),
        ("separation", -1.0, "mix: separation must be finite, at least 0; got -1.0"),
        ("separation", float("nan"), "mix: separation must be finite, at least 0; got nan"),
        ("label_noise", 1.0, "mix: label_noise must be in [0, 1); got 1.0"),
    ],
)
def test_an_impossible_task_is_refused(field, value, says):
    with pytest.raises(InputError) as caught:
        make_mixture(replace(TASK, **{field: value}), **SIZES)
    assert str(caught.value) == says


@pytest.mark.parametrize("key", ["seeds", "train", "validation", "test"])
def test_a_part_needs_rows(key):
    with pytest.raises(InputError) as caught:
        make_mixture(TASK, **SIZES | {key: 0})
    assert str(caught.value) == f"mix: {key} must be at least 1; got 0"


def test_a_mixture_must_train_on_every_class():
    with pytest.raises(InputError) as caught:
        make_mixture(TASK, **SIZES | {"train": 2})
    message = str(caught.value)
    assert message.startswith("mix: train must hold every class; none of the 2 training rows of seed 0 is of class '")
    assert message.endswith("'; raise train")


# Real data


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 64), tuple("0123456789")),
        ("breast_cancer", (569, 30), ("benign", "malignant")),
        ("wine", (178, 13), ("class_0", "class_1", "class_2")),
        ("iris", (150, 4), ("setosa", "versicolor", "virginica")),
    ],
)
def test_bundled_sets(name, shape, classes):
    pool = load_bundled(name)
    assert pool.features.shape == shape
    assert pool.features.dtype == np.float32
    assert pool.labels.dtype == np.int64
    assert pool.classes == classes
    assert len(pool.feature_names) == shape[1]
    assert pool.posterior is None


def test_class_names_follow_their_rows_when_sorted():
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    bunch, pool = load_breast_cancer(), load_bundled("breast_cancer")
    assert [pool.classes[k] for k in pool.labels] == [bunch.target_names[k] for k in bunch.target]


def test_an_unknown_bundled_set_is_refused():
    with pytest.raises(InputError) as caught:
        load_bundled("mnist")
    assert (
        str(caught.value) == "bundled data set must be one of breast_cancer, diabetes, digits, iris, wine; got 'mnist'"
    )


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize(("train", "validation"), [(0.5, 0.2), (60, 30), (60, 0.25)])
def test_a_split_divides_the_pool(name, train, validation):
    data = bundled(name, train=train, validation=validation)
    rows = len(data.pool.labels)
    assert data.splits.train.shape == (4, train if train > 1 else round(train * rows))
    assert data.splits.validation.shape == (4, validation if validation > 1 else round(validation * rows))
    for parts in zip(data.splits.train, data.splits.validation, data.splits.test, strict=True):
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(rows))
    assert data.splits.train.dtype == data.splits.validation.dtype == data.splits.test.dtype == np.int32


def test_splits_are_stratified():
    data = bundled("digits")
    overall = np.bincount(data.pool.labels) / len(data.pool.labels)
    for part in (data.splits.train, data.splits.validation, data.splits.test):
        for rows in part:
            counts = np.bincount(data.pool.labels[rows])
            assert np.abs(counts - overall * len(rows)).max() <= 2


def test_resplits_are_reproducible_and_earlier_seeds_stay():
    few, again, many = bundled("wine", seeds=5), bundled("wine", seeds=5), bundled("wine", seeds=9)
    for part in ("train", "validation", "test"):
        assert getattr(few.splits, part).tobytes() == getattr(again.splits, part).tobytes()
        np.testing.assert_array_equal(getattr(few.splits, part), getattr(many.splits, part)[:5])
    assert not np.array_equal(few.splits.train[0], few.splits.train[1])


def test_a_size_may_be_a_whole_float():
    np.testing.assert_array_equal(bundled("iris", train=60.0).splits.train, bundled("iris", train=60).splits.train)


def test_a_class_of_three_rows_is_enough():
    labels = np.array([0] * 3 + [1] * 3)
    splits = split_resampled(labels, classes=("a", "b"), seeds=5, train=2, validation=2, name="t")
    for part in (splits.train, splits.validation, splits.test):
        assert all(sorted(labels[rows]) == [0, 1] for rows in part)


@pytest.mark.parametrize(
    ("train", "validation", "says"),
    [
        (200, 10, "iris: train must be smaller than the data; got 200 of 150 rows"),
        (10, 150, "iris: validation must be smaller than the data; got 150 of 150 rows"),
        (
            100,
            50,
            "iris: train and validation must leave two rows or more to test on; "
            "got train=100 and validation=50 of 150 rows",
        ),
        (
            0.8,
            0.2,
            "iris: train and validation must leave two rows or more to test on; "
            "got train=0.8 and validation=0.2 of 150 rows",
        ),
        (0, 10, "iris: train must be whole rows or a share between 0 and 1; got 0"),
        (-0.5, 10, "iris: train must be whole rows or a share between 0 and 1; got -0.5"),
        (1.5, 10, "iris: train must be whole rows or a share between 0 and 1; got 1.5"),
        (float("nan"), 10, "iris: train must be whole rows or a share between 0 and 1; got nan"),
        (float("inf"), 10, "iris: train must be whole rows or a share between 0 and 1; got inf"),
        (0.001, 10, "iris: train must have a row for each of the 3 classes; got 0 of 150 rows"),
        (60, 2, "iris: validation must have a row for each of the 3 classes; got 2 of 150 rows"),
    ],
)
def test_impossible_sizes_are_refused(train, validation, says):
    with pytest.raises(InputError) as caught:
        bundled("iris", train=train, validation=validation)
    assert str(caught.value) == says


def test_no_seeds_are_refused():
    with pytest.raises(InputError, match=r"^iris: seeds must be at least 1; got 0$"):
        bundled("iris", seeds=0)


def test_a_class_with_fewer_rows_than_parts_is_refused():
    with pytest.raises(InputError) as caught:
        split_resampled(
            np.array([0] * 9 + [1] * 2), classes=("no", "yes"), seeds=2, train=4, validation=3, name="t.csv"
        )
    says = "t.csv: every class needs 3 rows, one each to train, validate and test; class 'yes' has 2"
    assert str(caught.value) == says


def test_a_rare_class_is_in_every_part():
    labels = np.array([0] * 97 + [1] * 3)
    splits = split_resampled(labels, classes=("no", "yes"), seeds=20, train=0.1, validation=0.2, name="t.csv")
    for part, rows in ((splits.train, 10), (splits.validation, 20), (splits.test, 70)):
        assert part.shape == (20, rows)
        assert (labels[part].sum(axis=1) == 1).all()


# Description


def test_description_of_fresh_draws():
    summary = describe(make_mixture(TASK, **SIZES))
    assert summary["overlapping"] is False
    assert json.loads(json.dumps(summary)) == summary
    assert {key: summary[key] for key in ("rows", "features", "seeds", "train", "validation", "test")} == {
        "rows": 710,
        "features": 4,
        "seeds": 3,
        "train": 40,
        "validation": 30,
        "test": 500,
    }


def test_description_of_resplits():
    summary = describe(bundled("iris"))
    assert summary["overlapping"] is True
    assert summary["classes"] == [{"name": name, "rows": 50} for name in ("setosa", "versicolor", "virginica")]
    assert describe(bundled("iris", seeds=1))["overlapping"] is False
