import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calibration.label_smoothing import desmooth, smoothing_error
from pipeline.metrics.calibration_error import exact_calibration_error
from pipeline.metrics.predictions import Predictions

EPSILONS = st.floats(0, 0.9)


def posteriors(seed, *, sharpness=1.0, shape=(200, 4)):
    logits = sharpness * np.random.default_rng(seed).standard_normal(shape)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def smooth(probs, epsilon):
    return (1 - epsilon) * probs + epsilon / probs.shape[-1]


@given(st.integers(0, 99), EPSILONS, st.sampled_from([0.1, 1.0, 10.0, 1000.0]))
def test_desmoothing_undoes_smoothing(seed, epsilon, sharpness):
    posterior = posteriors(seed, sharpness=sharpness)
    np.testing.assert_allclose(desmooth(smooth(posterior, epsilon), epsilon), posterior, rtol=0, atol=1e-14)


@given(st.integers(0, 99), EPSILONS)
def test_desmoothing_of_anything_gives_probabilities_in_the_same_order(seed, epsilon):
    probs = posteriors(seed, sharpness=3.0)
    found = desmooth(probs, epsilon)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=0, atol=1e-14)
    assert found.min() >= 0
    np.testing.assert_array_equal(found.argmax(-1), probs.argmax(-1))
    ranked = np.take_along_axis(found, probs.argsort(-1), -1)
    assert (np.diff(ranked, axis=-1) >= 0).all()


def test_what_lies_below_the_floor_is_clipped_and_the_rest_renormalized():
    """With eps = .3 and three classes the floor is .1: .06 lies below it, and .5 and .24 are left of the others."""
    np.testing.assert_allclose(desmooth([[0.6, 0.34, 0.06]], 0.3), [[0.5 / 0.74, 0.24 / 0.74, 0.0]], rtol=1e-14)


def test_a_uniform_row_stays_uniform():
    np.testing.assert_allclose(desmooth(np.full((1, 3), 1 / 3), 0.999), np.full((1, 3), 1 / 3), rtol=1e-12)


def test_stacks_are_desmoothed_row_by_row():
    probs = posteriors(0, shape=(2, 5, 3))
    np.testing.assert_array_equal(desmooth(probs, 0.1), np.stack([desmooth(member, 0.1) for member in probs]))


@given(st.integers(0, 99), EPSILONS, st.sampled_from([1, 7, 50, 200]))
def test_the_closed_form_is_the_exact_calibration_error_of_the_optimum_in_any_bins(seed, epsilon, bins):
    posterior = posteriors(seed, sharpness=2.0)
    measured = float(
        exact_calibration_error(
            Predictions.from_probabilities(smooth(posterior, epsilon), posterior=posterior), bins=bins
        )
    )
    assert abs(measured - smoothing_error(posterior, epsilon)) < 1e-14


def test_the_error_by_hand():
    """Mean largest probability .75, two classes: 0.2 * (.75 - .5)."""
    assert smoothing_error([[0.9, 0.1], [0.4, 0.6]], 0.2) == pytest.approx(0.05, abs=1e-16)
    assert smoothing_error([[0.5, 0.5]], 0.2) == 0
    assert smoothing_error([[0.9, 0.1]], 0) == 0


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, np.nan])
def test_epsilon_is_checked(epsilon):
    with pytest.raises(ValueError, match="epsilon must"):
        desmooth([[0.5, 0.5]], epsilon)


@pytest.mark.parametrize("function", [desmooth, smoothing_error])
@pytest.mark.parametrize("probs", [[0.5, 0.5], [[1.5, -0.5]], [[1.0]]])
def test_probabilities_are_checked(function, probs):
    with pytest.raises(ValueError, match="must"):
        function(probs, 0.1)
