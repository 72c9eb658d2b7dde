import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.probabilities import log_softmax
from pipeline.statistics.intervals import mean_interval
from pipeline.textbook.bias_variance import brier_parts, log_loss_parts

SHIFT, SPREAD = 0.2, 1.0
RULES = ("log_loss", "brier")


def parts_of(rule, log_probs, q):
    return log_loss_parts(log_probs, q) if rule == "log_loss" else brier_parts(np.exp(log_probs), q)


def networks(sets=6, rows=40, classes=3, seed=0):
    """Log-probabilities of some networks, and a posterior that they miss."""
    rng = np.random.default_rng(seed)
    q = rng.dirichlet(np.ones(classes), rows)
    return log_softmax(0.8 * np.log(q) + rng.standard_normal((sets, rows, classes))), q


def plug_in(rule, log_probs, q):
    """Bias and variance by their definitions, one row, one class, one network at a time."""
    sets, rows, classes = log_probs.shape
    bias = variance = 0.0
    for row in range(rows):
        if rule == "brier":
            centre = [sum(np.exp(log_probs[i, row, k]) for i in range(sets)) / sets for k in range(classes)]
            bias += sum((centre[k] - q[row, k]) ** 2 for k in range(classes))
            for i in range(sets):
                variance += sum((np.exp(log_probs[i, row, k]) - centre[k]) ** 2 for k in range(classes)) / sets
            continue
        centre = [np.exp(sum(log_probs[i, row, k] for i in range(sets)) / sets) for k in range(classes)]
        centre = [c / sum(centre) for c in centre]
        bias += sum(q[row, k] * np.log(q[row, k] / centre[k]) for k in range(classes))
        for i in range(sets):
            variance += sum(centre[k] * (np.log(centre[k]) - log_probs[i, row, k]) for k in range(classes)) / sets
    return bias / rows, variance / rows


def mean_losses(rule, log_probs, q):
    """Expected loss (N,) under the posterior, summed over the labels."""
    p, classes = np.exp(log_probs), range(q.shape[-1])
    if rule == "log_loss":
        return -sum(q[:, y] * log_probs[..., y] for y in classes).mean(-1)
    return sum(q[:, y] * sum((p[..., k] - (k == y)) ** 2 for k in classes) for y in classes).mean(-1)


def known(sets, rows, seed=0, *, shift=SHIFT):
    """Networks whose logit scatters normally around one that is off by `shift`; log-probabilities and posterior."""
    logit = np.linspace(-2.0, 2.0, rows)
    drawn = logit + SPREAD * np.random.default_rng(seed).standard_normal((sets, rows))
    return log_softmax(np.stack([drawn, np.zeros_like(drawn)], -1)), np.exp(log_softmax(two(logit + shift)))


def two(logit):
    return np.stack([logit, np.zeros_like(logit)], -1)


def truth(rows, *, shift=SHIFT):
    """Bias and variance of `known`: the geometric mean's logit is the mean logit; quadrature over the scatter."""
    logit = np.linspace(-2.0, 2.0, rows)
    centre, q = log_softmax(two(logit)), log_softmax(two(logit + shift))
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    expected = np.sum(weights * -np.logaddexp(0.0, -(logit[:, None] + SPREAD * nodes)), axis=-1) / weights.sum()
    return np.sum(np.exp(q) * (q - centre), axis=-1).mean(), np.mean(centre[:, 0] - expected)


@pytest.mark.parametrize("rule", RULES)
def test_pseudo_values_are_those_of_leaving_one_out_of_the_definition(rule):
    logs, q = networks(sets=4, rows=7)
    found, whole = parts_of(rule, logs, q), plug_in(rule, logs, q)
    assert found.plug_in == pytest.approx(whole, rel=1e-10)
    for i in range(4):
        others = plug_in(rule, np.delete(logs, i, axis=0), q)
        expected = [4 * one - 3 * other for one, other in zip(whole, others, strict=True)]
        assert [found.bias[i], found.variance[i]] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_noise_bias_and_variance_are_the_loss(rule):
    logs, q = networks()
    found, losses = parts_of(rule, logs, q), mean_losses(rule, logs, q)
    assert found.noise + sum(found.plug_in) == pytest.approx(losses.mean(), rel=1e-13)
    np.testing.assert_allclose(found.noise + found.bias + found.variance, losses, rtol=1e-13)


def test_the_jackknife_of_a_quadratic_is_exactly_unbiased():
    logs, q = networks(sets=7)
    found = brier_parts(np.exp(logs), q)
    bias, variance = found.plug_in
    assert found.variance.mean() == pytest.approx(variance * 7 / 6, rel=1e-12)
    assert found.bias.mean() == pytest.approx(bias - variance / 6, rel=1e-12)


def test_a_known_case_is_recovered_and_the_plug_in_misses_it():
    (bias, variance), rows = truth(20_000), 20_000
    few, more = (log_loss_parts(*known(sets, rows)) for sets in (5, 20))
    assert few.plug_in[1] / variance == pytest.approx(0.79, abs=0.02)
    assert more.plug_in[1] / variance == pytest.approx(0.95, abs=0.01)
    assert few.plug_in[0] / bias == pytest.approx(6.0, rel=0.15)
    assert more.plug_in[0] / bias == pytest.approx(2.2, rel=0.1)
    assert more.variance.mean() == pytest.approx(variance, rel=0.02)
    assert more.bias.mean() == pytest.approx(bias, rel=0.11)
    for found, true in ((more.variance, variance), (more.bias, bias)):
        interval = mean_interval(found)
        assert interval.low < true < interval.high
    assert more.plug_in[1] < mean_interval(more.variance).low
    assert more.plug_in[0] > mean_interval(more.bias).high


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, SHIFT, 1.0])
def test_intervals_over_pseudo_values_cover(shift):
    found = [log_loss_parts(*known(20, 100, seed, shift=shift)) for seed in range(1000)]
    bias, variance = (
        mean_interval(np.stack(values)) for values in zip(*((f.bias, f.variance) for f in found), strict=True)
    )
    true_bias, true_variance = truth(100, shift=shift)
    assert np.mean((variance.low < true_variance) & (true_variance < variance.high)) == pytest.approx(0.95, abs=0.02)
    assert 0.93 < np.mean((bias.low < true_bias) & (true_bias < bias.high)) < (0.97 if shift == 1.0 else 1.0)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)), st.sampled_from(RULES))
def test_pseudo_values_belong_to_their_training_sets(order, rule):
    logs, q = networks()
    found, turned = parts_of(rule, logs, q), parts_of(rule, logs[list(order)], q)
    np.testing.assert_allclose(turned.bias, found.bias[list(order)], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(turned.variance, found.variance[list(order)], rtol=1e-9, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 400), st.sampled_from(RULES))
def test_rows_that_come_often_change_nothing(times, rule):
    logs, q = networks()
    found, repeated = parts_of(rule, logs, q), parts_of(rule, np.tile(logs, (1, times, 1)), np.tile(q, (times, 1)))
    np.testing.assert_allclose(repeated.bias, found.bias, rtol=1e-9)
    np.testing.assert_allclose(repeated.variance, found.variance, rtol=1e-9)
    assert repeated.noise == pytest.approx(found.noise)


@pytest.mark.parametrize("rule", RULES)
def test_the_truth_itself_has_neither(rule):
    _, q = networks()
    found = parts_of(rule, np.tile(np.log(q), (4, 1, 1)), q)
    np.testing.assert_allclose([found.bias, found.variance], 0.0, atol=1e-13)


def test_a_class_that_cannot_be_costs_nothing():
    found = log_loss_parts(np.log(np.full((3, 1, 2), 0.5)), [[1.0, 0.0]])
    assert found.noise == 0.0
    np.testing.assert_allclose(found.bias, np.log(2.0))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("rule", RULES)
def test_a_diverged_network_leaves_nothing(rule, value):
    logs, q = networks()
    whole = parts_of(rule, logs, q)
    logs[2, 5, 1] = value if rule == "log_loss" else np.nan
    found = parts_of(rule, logs, q)
    assert np.isnan([*found.bias, *found.variance, *found.plug_in]).all()
    assert found.noise == whole.noise


def test_single_precision_is_summed_in_double():
    logs, q = networks()
    single = logs.astype(np.float32)
    np.testing.assert_array_equal(log_loss_parts(single, q).bias, log_loss_parts(single.astype(np.float64), q).bias)


def test_memory_stays_that_of_a_block():
    logs, q = networks(sets=30, rows=10_000)
    single = logs.astype(np.float32)
    tracemalloc.start()
    log_loss_parts(single, q)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


@pytest.mark.parametrize(("sets", "rows"), [(2, 40), (4, 39)])
@pytest.mark.parametrize("rule", RULES)
def test_shapes_that_do_not_fit(rule, sets, rows):
    logs, q = networks(sets=sets)
    with pytest.raises(ValueError, match="N >= 3"):
        parts_of(rule, logs, q[:rows])


def test_values_that_are_no_probabilities():
    logs, q = networks()
    with pytest.raises(ValueError, match=r"must lie in \[-inf, 0.0\]"):
        log_loss_parts(-logs, q)
    with pytest.raises(ValueError, match=r"must lie in \[0.0, 1.0\]"):
        brier_parts(logs, q)
    with pytest.raises(ValueError, match="posterior must lie"):
        log_loss_parts(logs, 2.0 * q)
