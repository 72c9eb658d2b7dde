"""Costs of decisions as people name them: what is not named costs 1, and a mistake is one line."""

from __future__ import annotations

import pytest

from pipeline.config.costs import cost_matrix
from pipeline.core.errors import InputError


def test_what_is_not_named_costs_one() -> None:
    assert cost_matrix({"ill": {"well": 9}}, ("ill", "well"), "c") == [[0, 9], [1, 0]]
    assert cost_matrix({}, ("a", "b", "c"), "c") == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert cost_matrix({"a": {"a": 0.5, "b": 2}}, ("a", "b"), "c") == [[0.5, 2], [1, 0]]


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ({"x": {"a": 1}}, "c: must name classes (a, b), got 'x'"),
        ({"a": {"x": 1}}, "c: must name classes (a, b), got 'x'"),
        ({"a": {"b": 0}}, "c: for 'a' a right decision must cost less than any other, got [0.0, 0]"),
        ({"a": {"b": -1}}, "c: for 'a' a right decision must cost less"),
        ({"a": {"b": float("inf")}}, "c: for 'a' a right decision must cost less"),
        ({"a": {"b": float("nan")}}, "c: for 'a' a right decision must cost less"),
        ({"a": {"a": -1}}, "c: for 'a' a right decision must cost less"),
    ],
)
def test_a_mistake_is_one_line(costs, expected) -> None:
    with pytest.raises(InputError) as caught:
        cost_matrix(costs, ("a", "b"), "c")
    assert expected in str(caught.value)
