"""The mean of members' probabilities as logits: known values, an oracle, and what is not finite."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from pipeline.evaluation.ensembles import mean_of_members

RNG = np.random.default_rng(5)
LOGITS = RNG.normal(0, 3, (4, 2, 30, 3)).astype(np.float32)  # members, splits, rows, classes


def test_the_softmax_of_the_mean_is_the_mean_of_probabilities():
    found = mean_of_members(LOGITS)
    assert found.dtype == np.float32
    assert softmax(found.astype(float), -1) == pytest.approx(softmax(LOGITS.astype(float), -1).mean(0), abs=1e-6)


def test_one_member_is_itself():
    assert mean_of_members(LOGITS[:1]) == pytest.approx(log_softmax(LOGITS[0].astype(float), -1), abs=1e-5)


def test_members_that_agree_are_each_of_them():
    assert mean_of_members(np.stack([LOGITS[0]] * 5)) == pytest.approx(mean_of_members(LOGITS[:1]), abs=1e-5)


def test_the_order_of_members_and_a_shift_of_logits_do_not_matter():
    shifted = LOGITS[::-1] + RNG.normal(0, 3, (4, 2, 30, 1)).astype(np.float32)
    assert mean_of_members(shifted) == pytest.approx(mean_of_members(LOGITS), abs=1e-5)


def test_a_split_has_the_same_bits_alone():
    assert np.array_equal(mean_of_members(LOGITS[:, 1:])[0], mean_of_members(LOGITS)[1])


def test_no_probability_becomes_an_exact_zero():
    """Where exp underflows the logarithm is still that of the mean: log(exp(-2000) / 2 + exp(-2001) / 2)."""
    sure = np.array([[[[0, -2000]]], [[[0, -2001]]]], np.float32)
    expected = -2000 + np.log((1 + np.exp(-1)) / 2)
    assert mean_of_members(sure)[0, 0] == pytest.approx([0, expected])


def test_its_loss_is_no_more_than_that_of_its_members_on_average():
    """Jensen's inequality, row by row and class by class."""
    assert (mean_of_members(LOGITS) >= log_softmax(LOGITS.astype(float), -1).mean(0) - 1e-5).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_split_of_a_member_that_diverged_is_nan_and_no_other(value):
    broken = LOGITS.copy()
    broken[2, 1, 7, 0] = value
    found = mean_of_members(broken)
    assert np.isnan(found[1]).all()
    assert np.array_equal(found[0], mean_of_members(LOGITS)[0])
