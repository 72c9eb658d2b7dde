"""The preprocessor: known values, scikit-learn's own, bounds, and the same bits for a row alone or among others."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import ndtri
from sklearn.preprocessing import RobustScaler, StandardScaler

from pipeline.core.arrays import encode_arrays
from pipeline.data.bundled import load_bundled
from pipeline.data.options import Scale, TableOptions
from pipeline.data.preprocessor import LIMIT, Preprocessor, fit_preprocessor
from pipeline.data.seed_data import indicators, seed_data, seed_preprocessor
from pipeline.data.sources import Bundled, File
from pipeline.data.storage import from_arrays, to_arrays
from pipeline.data.tables.load import read_file

SCALES = get_args(Scale)
NAN = np.nan
WINE = {"kind": "bundled", "name": "wine", "train": 60, "validation": 50}
tables = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-(2.0**60), 2.0**60, width=32) | st.just(NAN) | st.sampled_from([0.0, 1.0]),
)


def column(*values: float) -> np.ndarray:
    return np.float32(values)[:, None]


def transformed(train: np.ndarray, rows: np.ndarray | None = None, *, scale: Scale = "standard") -> list[float]:
    return fit_preprocessor(train, scale=scale).transform(train if rows is None else rows)[:, 0].tolist()


# Standard


def test_standardization_agrees_with_scikit_learn():
    features = load_bundled("digits").features  # some pixels are always 0, and some nearly always
    preprocessor = fit_preprocessor(features)
    oracle = StandardScaler().fit(features.astype(np.float64))
    np.testing.assert_allclose(preprocessor.center, oracle.mean_, rtol=1e-6)
    np.testing.assert_allclose(preprocessor.spread, oracle.scale_, rtol=1e-6)
    expected = oracle.transform(features.astype(np.float64))
    assert np.abs(expected).max() > LIMIT
    np.testing.assert_allclose(preprocessor.transform(features), expected.clip(-LIMIT, LIMIT), rtol=1e-5, atol=1e-5)


def test_missing_values_are_left_out_and_become_the_mean():
    features = np.float32([[1, NAN], [3, NAN], [NAN, NAN]])
    preprocessor = fit_preprocessor(features)
    np.testing.assert_array_equal(preprocessor.center, [2, 0])
    np.testing.assert_array_equal(preprocessor.spread, [1, 1])
    np.testing.assert_array_equal(preprocessor.transform(features), [[-1, 0], [1, 0], [0, 0]])


def test_a_constant_column_has_scale_one_whatever_rounding_does():
    preprocessor = fit_preprocessor(np.full((97, 1), 0.1, dtype=np.float32))
    assert preprocessor.center == np.float32(0.1)
    assert preprocessor.spread == 1


def test_what_lies_far_out_is_clipped_and_nothing_else_is_moved():
    train = column(*[0] * 999, 1)
    assert transformed(train)[-1] == LIMIT
    assert transformed(column(-1, 1), column(-11, -10, -9.5, 10, 10.5)) == [-10, -10, -9.5, 10, 10]


# Robust


def test_robust_scaling_by_hand():
    """Median 2 and quartiles 1 and 3 of 0, ..., 4: z = (x - 2) / 2, then z / sqrt(1 + (z/3)^2)."""
    z = np.array([-1, -0.5, 0, 0.5, 1, 49])
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    rows = column(0, 1, 2, 3, 4, 100)
    np.testing.assert_allclose(transformed(column(0, 1, 2, 3, 4), rows, scale="robust"), expected, rtol=1e-6)


def test_robust_scaling_agrees_with_scikit_learn():
    features = load_bundled("wine").features
    z = RobustScaler().fit_transform(features.astype(np.float64))
    expected = z / np.sqrt(1 + np.square(z / 3))
    got = fit_preprocessor(features, scale="robust").transform(features)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_equal_quartiles_are_replaced_by_half_the_range():
    twice_a_half = 2 / np.sqrt(1 + (2 / 3) ** 2)
    np.testing.assert_allclose(transformed(column(*[0] * 9, 1), scale="robust")[-1], twice_a_half, rtol=1e-6)
    assert transformed(column(3, 3, 3), column(2, 3, NAN), scale="robust") == [0, 0, 0]
    assert transformed(column(0, 1, 2, NAN), column(NAN), scale="robust") == [0]


# Quantile


def test_normal_scores_of_ranks():
    values = np.random.default_rng(0).standard_exponential(200).astype(np.float32)
    ranks = np.argsort(np.argsort(values))
    got = transformed(values[:, None], scale="quantile")
    np.testing.assert_allclose(got, ndtri((ranks + 0.5) / 200), atol=1e-6)


def test_equal_values_have_their_middle_rank_and_others_lie_between():
    train = column(0, 0, 0, 1, 2, 2)
    expected = ndtri(np.array([1.5, 3.5, 5, 3, 4, 0.5, 5.5]) / 6)
    rows = column(0, 1, 2, 0.5, 1.5, -7, 7)
    got = np.array(transformed(train, rows, scale="quantile"))
    np.testing.assert_allclose(got[[0, 1, 2, 5, 6]], expected[[0, 1, 2, 5, 6]], atol=1e-6)
    assert got[0] < got[3] < got[1] < got[4] < got[2]


def test_no_more_ranks_are_kept_than_are_needed():
    values = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    preprocessor = fit_preprocessor(values[:, None], scale="quantile")
    assert preprocessor.ranks.shape == (1000, 1)
    np.testing.assert_allclose(preprocessor.transform(column(-1, 0, 1))[:, 0], [-1, 0, 1], atol=0.03)
    assert fit_preprocessor(values[:, None]).ranks.shape == (0, 1)


def test_a_missing_value_is_the_middle():
    assert transformed(column(1, NAN, 5, 9), column(NAN, 5), scale="quantile") == [0, 0]


# All of them


@pytest.mark.parametrize("scale", SCALES)
@given(train=tables, data=st.data())
@settings(max_examples=60, deadline=None)
def test_features_are_finite_and_bounded(scale, train, data):
    features = data.draw(
        arrays(np.float32, (3, train.shape[1]), elements=st.floats(width=32, allow_infinity=False, allow_nan=True))
    )
    preprocessor = fit_preprocessor(train, scale=scale)
    assert (preprocessor.spread > 0).all()
    for rows in (train, features):
        got = preprocessor.transform(rows)
        assert got.dtype == np.float32
        assert (np.abs(got) <= LIMIT).all()
        assert (got[np.isnan(rows)] == 0).all()


@pytest.mark.parametrize("scale", SCALES)
@given(seed=st.integers(0, 1000), rows=st.integers(2, 70))
@settings(max_examples=30, deadline=None)
def test_order_is_kept(scale, seed, rows):
    train = np.random.default_rng(seed).standard_cauchy((rows, 1)).astype(np.float32)
    got = fit_preprocessor(train, scale=scale).transform(np.sort(train, axis=0))[:, 0]
    assert (np.diff(got) >= 0).all()


@pytest.mark.parametrize("scale", SCALES)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 70), features=st.integers(1, 33))
@settings(max_examples=30, deadline=None)
def test_a_row_alone_has_the_bits_that_it_has_among_others(scale, seed, rows, features):
    rng = np.random.default_rng(seed)
    train = np.where(rng.random((50, features)) < 0.1, NAN, rng.standard_normal((50, features))).astype(np.float32)
    preprocessor = fit_preprocessor(train, scale=scale)
    batch = (3 * rng.standard_normal((rows, features))).astype(np.float32)
    together = preprocessor.transform(batch)
    for row in range(rows):
        assert preprocessor.transform(batch[row : row + 1]).tobytes() == together[row : row + 1].tobytes()


@pytest.mark.parametrize("scale", SCALES)
def test_features_are_fitted_as_they_are_beside_no_more_than_one_other(scale):
    """They are fitted a few at a time: what there are beside them says nothing of them."""
    rng = np.random.default_rng(3)
    features = (rng.standard_normal((300, 37)) * 10 ** rng.uniform(-2, 2, 37)).astype(np.float32)
    features[rng.random(features.shape) < 0.05] = np.nan
    whole = fit_preprocessor(features, scale=scale)
    for first in range(36):
        pair = fit_preprocessor(features[:, first : first + 2], scale=scale)
        for name in ("center", "spread", "used", "ranks"):
            assert getattr(pair, name).tobytes() == getattr(whole, name)[..., first : first + 2].tobytes()


@pytest.mark.parametrize("scale", SCALES)
def test_it_is_stored_without_code(scale, tmp_path):
    import json  # noqa: PLC0415

    from safetensors import safe_open  # noqa: PLC0415

    features = load_bundled("wine").features
    fitted = fit_preprocessor(features, scale=scale, indicators=np.zeros(13, dtype=bool))
    path = tmp_path / "preprocessor.safetensors"
    path.write_bytes(encode_arrays(*fitted.to_arrays()))
    with safe_open(path, framework="numpy") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        back = Preprocessor.from_arrays(stored, json.loads(file.metadata()["about"]))
    assert back.transform(features).tobytes() == fitted.transform(features).tobytes()


def test_other_features_are_refused():
    with pytest.raises(ValueError, match=r"^features must have shape \(rows, 2\), got \(4, 3\)$"):
        fit_preprocessor(np.zeros((5, 2), np.float32)).transform(np.zeros((4, 3), np.float32))


# Indicators


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("rows", "have", "rare"),
    [(200, 4, True), (200, 5, False), (200, 196, True), (200, 0, True), (40, 1, True), (40, 2, False)],
)
def test_rare_indicators_are_those_of_no_known_category(scale, rows, have, rare):
    features = (np.arange(rows) < have).astype(np.float32)[:, None]
    got = fit_preprocessor(features, scale=scale, indicators=np.array([True])).transform(features)
    assert (got == 0).all() == rare
    number = fit_preprocessor(features, scale=scale, indicators=np.array([False]))
    assert number.used[0] == (have > 0 or scale == "standard")


def table(path: Path, rows: int = 200) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = ["odd"] * 3 + [("red", "blue", "green")[row % 3] for row in range(3, rows)]
    lines = [
        f"{row * 7919 % 1009},{colors[row]},{'' if row % 4 == 0 else row % 50},{'ny'[row % 2]}" for row in range(rows)
    ]
    path.write_text("\n".join(["n,c,m,y", *lines]) + "\n")
    return path


def test_indicators_of_a_table(tmp_path):
    pool = read_file(table(tmp_path / "t.csv"), TableOptions(missing="impute"))
    assert pool.feature_names == ("n", "c=blue", "c=green", "c=odd", "c=red", "m", "m is missing")
    assert indicators(pool).tolist() == [False, True, True, True, True, False, True]
    assert not indicators(load_bundled("iris")).any()


def test_a_seed_sees_no_rare_category_and_new_rows_as_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(Path("inputs/t.csv"))
    source = File(kind="file", train=100, validation=40, path="inputs/t.csv", missing="impute")
    dataset = source.load("t", seeds=3)
    odd = dataset.pool.feature_names.index("c=odd")
    for seed in range(3):
        data, preprocessor = seed_data(dataset, seed), seed_preprocessor(dataset, seed)
        assert all((features[:, odd] == 0).all() for features in data.features.values())
        row = dataset.splits.test[seed, 5]
        alone = preprocessor.transform(dataset.pool.features[[row]])
        assert alone.tobytes() == data.features["test"][[5]].tobytes()


# The option


@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_is_stored_with_the_data_set(scale):
    dataset = Bundled(**WINE, scale=scale).load("wine", seeds=2)
    stored, about = to_arrays(dataset)
    assert ("scale" in about) == (scale != "standard")
    back = from_arrays(stored, about)
    assert back.scale == scale
    expected = fit_preprocessor(dataset.pool.features[dataset.splits.train[1]], scale=scale)
    got = seed_data(back, 1).features["test"]
    assert got.tobytes() == expected.transform(dataset.pool.features[dataset.splits.test[1]]).tobytes()


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="'standard', 'robust' or 'quantile'"):
        Bundled(**WINE, scale="minmax")
