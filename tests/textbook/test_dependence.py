"""What tells places where a sentence holds from those where it fails?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.textbook.dependence import LARGEST_P, Case, best_split

S, R, I = "supported", "refuted", "inconclusive"  # noqa: E741


def cases(verdicts, **properties):
    return [
        Case({name: values[at] for name, values in properties.items()}, verdict) for at, verdict in enumerate(verdicts)
    ]


def test_a_number_is_split_at_its_median_and_p_counts_the_splits_that_were_tried():
    found = best_split(cases([S] * 5 + [R] * 5, noise=range(10), other=[1, 2] * 5))
    assert (found.factor, found.level, found.inside, found.outside) == ("noise", "above 4.5", (0, 5), (5, 5))
    assert found.p == pytest.approx(2 * stats.fisher_exact(np.array([[0, 5], [5, 0]])).pvalue)


def test_words_and_switches_are_split_one_by_one():
    found = best_split(cases([S] * 5 + [R] * 6, part=["a"] * 5 + ["b"] * 3 + ["c"] * 3))
    assert (found.factor, found.level, found.inside, found.outside) == ("part", "a", (5, 5), (0, 6))
    assert best_split(cases([S] * 5 + [R] * 5, synthetic=[True] * 5 + [False] * 5)).level == "yes"


def test_open_places_and_properties_that_some_lack_say_nothing():
    found = best_split([*cases([S] * 5 + [R] * 5, noise=range(10)), Case({"noise": 99}, I)])
    assert (found.inside, found.outside) == ((0, 5), (5, 5))
    assert best_split([*cases([S] * 5 + [R] * 5, noise=range(10)), Case({}, R)]) is None


@pytest.mark.parametrize("verdicts", [[], [S], [S, R], [S] * 10, [S, R] * 5])
def test_none_where_nothing_tells(verdicts):
    assert best_split(cases(verdicts, noise=range(len(verdicts)))) is None


@given(st.permutations(list(range(10))), st.lists(st.sampled_from([S, R]), min_size=10, max_size=10))
def test_the_order_of_places_does_not_count(order, verdicts):
    made = cases(verdicts, noise=range(10), kind=["a", "b", "c", "a", "b", "c", "a", "b", "c", "a"])
    first, second = best_split(made), best_split([made[at] for at in order])
    assert (first and first.p) == pytest.approx(second and second.p)


def test_chance_finds_a_property_at_most_at_the_nominal_rate():
    draws = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        properties = {name: draws.standard_normal(12).tolist() for name in "abcd"}
        found += best_split(cases(draws.choice([S, R], 12).tolist(), **properties)) is not None
    assert found / 400 <= LARGEST_P
