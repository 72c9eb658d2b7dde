"""Piecewise-linear encoding: known values, and what holds for all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.piecewise_linear import PiecewiseLinear, fit_piecewise_linear


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def test_known_values() -> None:
    encoder = fit_piecewise_linear(column(0, 1, 2, 3, 4), indicators=np.array([False]), bins=2)
    np.testing.assert_array_equal(encoder.edges[:, 0], [0, 2, 4])
    encoded = encoder.transform(column(-1, 0, 1, 2, 3, 4, 9))
    np.testing.assert_array_equal(encoded, [[0, 0], [0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [1, 1]])


def test_indicators_and_constants_stay() -> None:
    features = np.array([[0, 7, 1], [1, 7, 2], [1, 7, 3]], dtype=np.float32)
    encoder = fit_piecewise_linear(features, indicators=np.array([True, False, False]), bins=2)
    np.testing.assert_array_equal(encoder.plain, [True, True, False])
    np.testing.assert_array_equal(encoder.transform(features)[:, :2], features[:, :2])


def test_bins_without_width_are_left_out() -> None:
    encoder = fit_piecewise_linear(column(*[0] * 10, 1, 2), indicators=np.array([False]), bins=12)
    assert encoder.transform(column(0, 1)).shape[1] == (np.diff(encoder.edges[:, 0]) > 0).sum() < 12


@given(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=30), st.integers(1, 12))
def test_a_number_is_the_sum_of_what_it_reaches(values: list[float], bins: int) -> None:
    features = column(*values)
    encoder = fit_piecewise_linear(features, indicators=np.array([False]), bins=bins)
    if encoder.plain[0]:
        return
    widths = np.diff(encoder.edges[:, 0])
    back = encoder.edges[0, 0] + encoder.transform(features) @ widths[widths > 0]
    np.testing.assert_allclose(back, features[:, 0], atol=1e-4)


def test_a_row_depends_on_no_other() -> None:
    features = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    encoder = fit_piecewise_linear(features, indicators=np.zeros(4, np.bool_))
    whole = encoder.transform(features)
    for row in range(0, 50, 7):
        np.testing.assert_array_equal(encoder.transform(features[row : row + 1])[0], whole[row])
    assert isinstance(encoder, PiecewiseLinear)
