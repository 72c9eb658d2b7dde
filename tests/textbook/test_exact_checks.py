"""Every statement holds on the code as it is, and every statement fails on some code that is wrong."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
import torch

from pipeline.calibration.calibrator import calibrate, fit_calibrator
from pipeline.metrics.calibration_error import exact_calibration_error
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import softmax
from pipeline.models.mlp import Perceptron
from pipeline.results.textbook import CheckResult
from pipeline.textbook import decay_checks, exact_checks, optimizer_trajectories, smoothing_checks
from pipeline.textbook.check_results import ROUNDING, check
from pipeline.training import random_streams, regularizers


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "l2_sgd" else name for name in exact_checks.CHECKS]
)
def test_every_statement_holds(name):
    results = exact_checks.CHECKS[name]()
    assert [result for result in results if not result.holds] == []
    assert [CheckResult.model_validate_json(result.model_dump_json()) for result in results] == results
    assert len({result.what for result in results}) == len(results)


def test_statements_are_the_same_each_time():
    assert exact_checks.CHECKS["l2_adam"]() == exact_checks.CHECKS["l2_adam"]()


@pytest.mark.parametrize(
    ("relation", "good", "bad"),
    [
        ("equal", (0.5,), (0.5 + 1e-16 * 2, nan)),
        ("within", (0.4, 0.6, 0.5), (0.39, 0.61, nan)),
        ("above", (0.51,), (0.5, 0.4, nan)),
        ("below", (0.49,), (0.5, 0.6, nan)),
    ],
)
def test_a_statement_is_decided_by_its_relation(relation, good, bad):
    tolerance = 0.1 + 1e-12
    for value, holds in [*((each, True) for each in good), *((each, False) for each in bad)]:
        assert check("", value, relation, 0.5, tolerance).holds is holds


# code that is wrong


def unscaled_masks(patch):
    """Dropout as of 2012: nothing is scaled in training."""
    patch.setattr(
        regularizers,
        "dropout_mask",
        lambda uniforms, thresholds, _, out: out.copy_(uniforms >= thresholds.view(-1, 1, 1)),
    )


def masks_that_never_change(patch):
    patch.setattr(random_streams, "uniform16", lambda seed, purpose, step, size: uniform16(seed, purpose, 0, size))


def masks_of_ones(patch):
    patch.setattr(regularizers, "dropout_mask", lambda uniforms, thresholds, scales, out: out.fill_(1))


def chance_in_evaluation(patch):
    """Every call, and every member of it, is changed by another factor."""
    factors = iter(torch.rand(1000, generator=torch.Generator().manual_seed(0)).split(4))
    patch.setattr(Perceptron, "predict", lambda *given: predict(*given) * next(factors).view(-1, 1, 1))


def spread_over_the_others(patch):
    """Label smoothing that gives the label's class 1 - eps and all others the rest."""
    patch.setattr(regularizers, "smooth_targets", lambda y, epsilon: y + epsilon[0] * ((1 - y) / (y.shape[-1] - 1) - y))


def targets_that_sum_to_more(patch):
    patch.setattr(regularizers, "smooth_targets", lambda y, epsilon: y + epsilon[0] / y.shape[-1])


def tempered_targets(patch):
    """Targets that one temperature takes back."""
    patch.setattr(regularizers, "smooth_targets", lambda y, _: y**0.7 / (y**0.7).sum(-1, keepdim=True))


def decay_twice(patch):
    patch.setattr(regularizers, "decay", lambda weights, rate: weights.mul_(1 - 2 * rate.view(-1, 1)))


def l2_twice(patch):
    """The gradient of strength * sum(w**2)."""
    patch.setattr(
        regularizers, "add_l2", lambda slope, weights, strength: slope.add_(2 * strength.view(-1, 1) * weights)
    )


def no_decay(patch):
    patch.setattr(regularizers, "decay", lambda weights, rate: None)


def no_l2(patch):
    patch.setattr(regularizers, "add_l2", lambda gradient, weights, strength: None)


def neither(patch):
    no_decay(patch)
    no_l2(patch)


def a_lambda_of_zero(patch):
    patch.setattr(decay_checks, "DECAY", 0.0)


def no_desmoothing(patch):
    patch.setattr(smoothing_checks, "desmooth", lambda probs, epsilon: np.array(probs))


def labels_without_noise(patch):
    patch.setattr(
        smoothing_checks, "make_mixture", lambda task, **sizes: make_mixture(replace(task, label_noise=0.0), **sizes)
    )


uniform16, predict, make_mixture = random_streams.uniform16, Perceptron.predict, smoothing_checks.make_mixture
WRONG = {
    "dropout_modes": [unscaled_masks, masks_that_never_change, masks_of_ones, chance_in_evaluation],
    "smoothed_targets": [spread_over_the_others, targets_that_sum_to_more],
    "l2_sgd": [decay_twice, l2_twice, no_decay, no_l2, neither, a_lambda_of_zero],
    "l2_adam": [decay_twice, l2_twice, no_decay, no_l2, neither, a_lambda_of_zero],
    "smoothing_optimum": [spread_over_the_others, tempered_targets, no_desmoothing, labels_without_noise],
}


@pytest.mark.parametrize("name", exact_checks.CHECKS)
@pytest.mark.slow
def test_every_statement_fails_where_the_code_is_wrong(name, monkeypatch):
    failed = {}
    for wrong in WRONG[name]:
        with monkeypatch.context() as patch, np.errstate(all="ignore"):
            wrong(patch)
            failed[wrong.__name__] = {each.what for each in exact_checks.CHECKS[name]() if not each.holds}
    assert all(failed.values()), failed
    assert set.union(*failed.values()) == {each.what for each in exact_checks.CHECKS[name]()}


def test_a_snippet_that_is_right_is_not_called_wrong(monkeypatch):
    """With lambda/2 in the loss PyTorch's own decay is its equal: the factor alone makes the textbook's differ."""
    monkeypatch.setattr(decay_checks, "DECAY", 0.01)
    half = optimizer_trajectories.pytorch_trajectory(
        torch.optim.SGD, penalty=lambda weights: 0.005 * (weights**2).sum()
    )
    whole = optimizer_trajectories.pytorch_trajectory(torch.optim.SGD, weight_decay=0.01)
    assert optimizer_trajectories.distance(half, whole) < ROUNDING


@pytest.mark.parametrize("bins", [1, 7, 50, 20_000])
def test_the_closed_form_holds_whatever_the_binning(bins):
    posterior = smoothing_checks._mixture(label_noise=0.2)
    optimum = Predictions.from_probabilities(smoothing_checks._optimum(posterior, 0.1), posterior=posterior)
    error = exact_calibration_error(optimum, bins=bins)
    assert error == pytest.approx(0.1 * (posterior.max(1).mean() - 1 / 3), abs=ROUNDING)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_temperature_fitted_on_labels_leaves_little_more_than_the_best(noise):
    posterior = smoothing_checks._mixture(label_noise=noise)
    optimum = smoothing_checks._optimum(posterior, 0.1)
    uniforms = np.random.default_rng(0).random((len(posterior), 1))
    labels = (posterior.cumsum(1)[:, :-1] < uniforms).sum(1)
    logits = np.log(optimum)
    fitted, _ = softmax(calibrate(logits, fit_calibrator(logits, labels)))
    share = smoothing_checks._divergence(fitted, posterior) / smoothing_checks._divergence(optimum, posterior)
    _, best = smoothing_checks._left_by_temperature(posterior, 0.1)
    assert best <= share < best + 0.01
