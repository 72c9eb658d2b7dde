import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.results.textbook import VerdictCounts
from pipeline.statistics.intervals import Widening
from pipeline.textbook.verdicts import OPPOSITE, combined, judge

NOISE = np.array([-1.0, 1.0, -0.5, 0.5, 0.0])  # mean 0, t interval +- 0.98


def effect(mean, scale, **rule):
    return judge(mean + scale * NOISE, 0.0, **{"direction": "higher", "least": 0.1, **rule})


class TestJudge:
    def test_the_interval_is_that_of_the_paired_t_test(self):
        a, b = np.array([1.0, 2.0, 4.0, 4.5]), np.array([0.5, 2.5, 3.0, 4.0])
        found = judge(a, b, direction="higher", least=0.0)
        expected = stats.ttest_rel(a, b).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    @pytest.mark.parametrize(
        ("mean", "scale", "verdict"),
        [
            (0.5, 0.1, "supported"),
            (0.05, 0.01, "refuted"),  # real, but smaller than matters
            (-0.5, 0.1, "refuted"),  # the other way
            (0.5, 1.0, "inconclusive"),  # the interval holds zero
            (0.09, 0.08, "inconclusive"),  # excludes zero, smaller than matters on average, may be larger
        ],
    )
    def test_a_direction(self, mean, scale, verdict):
        assert effect(mean, scale).verdict == verdict
        assert effect(-mean, scale, direction="lower").verdict == verdict

    @pytest.mark.parametrize(
        ("mean", "scale", "verdict"),
        [
            (0.0, 0.05, "supported"),
            (0.5, 0.1, "refuted"),
            (-0.5, 0.1, "refuted"),
            (0.0, 1.0, "inconclusive"),
            (0.1, 0.01, "inconclusive"),
        ],
    )
    def test_the_same(self, mean, scale, verdict):
        assert effect(mean, scale, direction="same").verdict == verdict

    def test_an_exact_difference_has_an_interval_of_one_number(self):
        found = judge(np.ones(5), np.zeros(5), direction="higher", least=1.0)
        assert (found.mean, found.low, found.high, found.verdict) == (1, 1, 1, "supported")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_not_finite_decides_nothing(self, value):
        a = np.array([1.0, value, 1.0])
        assert judge(a, 0.0, direction="higher", least=0.0).verdict == "inconclusive"

    def test_many_comparisons_and_shared_rows_widen_the_interval(self):
        one = effect(0.5, 0.1)
        assert effect(0.5, 0.1, comparisons=10).low < one.low
        assert effect(0.5, 0.1, widening=Widening(0.5)).low < one.low
        wide = effect(0.5, 0.1, comparisons=10)
        half = stats.t.ppf(1 - 0.05 / 20, 4) * (0.1 * NOISE).std(ddof=1) / np.sqrt(5)
        assert wide.high - wide.mean == pytest.approx(half)

    @given(st.floats(-2, 2), st.floats(0.01, 1), st.floats(0, 1))
    def test_an_effect_and_its_mirror_image_have_one_verdict(self, mean, scale, least):
        up, down = (effect(sign * mean, sign * scale, direction=d, least=least)
                    for sign, d in ((1, "higher"), (-1, "lower")))  # fmt: skip
        assert up.verdict == down.verdict

    def test_the_rate_of_false_support_is_at_most_the_nominal_one(self):
        draws = np.random.default_rng(0).standard_normal((2000, 30))
        found = [judge(row, 0.0, direction="higher", least=0.0).verdict for row in draws]
        assert 0.015 < found.count("supported") / 2000 < 0.036  # one side of 5 %


S, R, I = "supported", "refuted", "inconclusive"  # noqa: E741


class TestCombined:
    @pytest.mark.parametrize(
        ("verdicts", "strict", "quantifier", "expected"),
        [
            ([S, S], [S, I], "all", S),
            ([S, R], [S, R], "all", R),
            ([S, R], [S, I], "all", I),  # refuted by one of two, but not once both are taken into account
            ([S, I], [S, I], "all", I),
            ([R, R], [R, R], "all", R),
            ([S, R], [S, R], "any", S),
            ([S, R], [I, R], "any", I),
            ([R, R], [I, I], "any", R),
            ([I, R], [I, R], "any", I),
        ],
    )
    def test_table(self, verdicts, strict, quantifier, expected):
        assert combined(verdicts, strict, quantifier=quantifier) == expected

    @given(st.lists(st.sampled_from([S, R, I]), min_size=1))
    def test_a_rule_and_its_exception_are_opposites(self, verdicts):
        turned = [OPPOSITE[verdict] for verdict in verdicts]
        assert combined(turned, turned, quantifier="any") == OPPOSITE[combined(verdicts, verdicts, quantifier="all")]

    def test_counts(self):
        assert VerdictCounts.of([S, R, S]) == VerdictCounts(supported=2, refuted=1, inconclusive=0)
