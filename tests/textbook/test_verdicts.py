import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.results.textbook import SentenceCounts, VerdictCounts
from pipeline.statistics.intervals import Widening
from pipeline.textbook.verdicts import OPPOSITE, judge, place_verdict, prevalence, sentence_verdict

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
            (0.12, 0.05, "inconclusive"),  # excludes zero, large enough on average, may be smaller than matters
            (0.1, 0.0, "supported"),  # exactly as large as matters
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


class TestSentence:
    @pytest.mark.parametrize(
        ("verdicts", "strict", "expected"),
        [
            ([S, S], [S, I], "everywhere"),
            ([S, S, S, I], [S, S, S, I], "everywhere"),  # one comparison may lack power
            ([S, S, I], [S, S, I], "open"),
            ([S, R], [S, R], "depends"),
            ([S] * 9 + [R], [S] * 9 + [I], "open"),  # an exception that many comparisons make likely
            ([R, R, R, I], [R, R, R, I], "nowhere"),
            ([R] * 9 + [S], [R] * 9 + [S], "depends"),  # nowhere only if nothing supports it
            ([R] * 9 + [S], [R] * 9 + [I], "open"),
            ([I, I], [I, I], "open"),
            ([], [], "open"),
        ],
    )
    def test_table(self, verdicts, strict, expected):
        assert sentence_verdict(verdicts, strict) == expected

    @given(st.lists(st.sampled_from([S, R, I]), min_size=1))
    def test_for_and_against_weigh_alike(self, verdicts):
        turned = [OPPOSITE[verdict] for verdict in verdicts]
        mirror = {"everywhere": "nowhere", "nowhere": "everywhere"}
        found = sentence_verdict(verdicts, verdicts)
        assert sentence_verdict(turned, turned) == mirror.get(found, found)

    @given(st.lists(st.sampled_from([S, R, I]), min_size=1))
    def test_a_rule_and_its_exception_are_opposites(self, verdicts):
        turned = [OPPOSITE[verdict] for verdict in verdicts]
        rule = place_verdict(verdicts, quantifier="all")
        assert place_verdict(turned, quantifier="any") == OPPOSITE[rule]

    def test_a_place_needs_all_parts_or_any(self):
        assert [place_verdict([S, I], quantifier=each) for each in ("all", "any")] == [I, S]
        assert [place_verdict([R, I], quantifier=each) for each in ("all", "any")] == [R, I]


class TestPrevalence:
    def test_its_interval_is_the_exact_binomial_one(self):
        found = prevalence([S] * 7 + [R] * 3)
        expected = stats.binomtest(7, 10).proportion_ci(0.95, "exact")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    def test_an_open_place_counts_on_both_sides(self):
        low = stats.binomtest(7, 10).proportion_ci(0.95, "exact").low
        high = stats.binomtest(9, 10).proportion_ci(0.95, "exact").high
        found = prevalence([S] * 7 + [R] + [I] * 2)
        assert (found.low, found.high) == pytest.approx((low, high))

    def test_ends(self):
        assert prevalence([]) is None
        assert prevalence([S, S]).high == 1.0
        assert prevalence([R, R]).low == 0.0


def test_counts():
    assert VerdictCounts.of([S, R, S]) == VerdictCounts(supported=2, refuted=1, inconclusive=0)
    counts = SentenceCounts.of(["open", "depends", "depends"])
    assert (counts.everywhere, counts.depends, counts.nowhere, counts.open) == (0, 2, 0, 1)
