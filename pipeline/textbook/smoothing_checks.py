"""Exact checks of label smoothing: targets, loss and gradient, what it aims at, and what repairs it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from pipeline.calibration.label_smoothing import desmooth, smoothing_error
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.metrics.calibration_error import exact_calibration_error
from pipeline.metrics.decompositions import excess_risk
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, softmax
from pipeline.results.textbook import CheckResult
from pipeline.textbook.check_results import ABOVE, BELOW, ROUNDING, WITHIN, check
from pipeline.textbook.optimizer_trajectories import order_of, two_steps
from pipeline.training import regularizers


def smoothed_targets() -> list[CheckResult]:
    """Targets, loss and gradient of label smoothing 0.1 with ten classes, beside PyTorch's own.

    Reference: Szegedy et al. 2016, CVPR, section 7; `torch.nn.functional.cross_entropy`.
    """
    epsilon, classes = 0.1, 10
    stack, step, _ = two_steps([{"label_smoothing": epsilon}], dtype=torch.float64, classes=classes)
    labels = stack.labels["train"][:, order_of(next(stack.inputs.blocks("train", stack.rows)))]
    logits = step.logits[:1].requires_grad_()
    chosen = one_hot(labels, classes).bool()
    targets = _smoothed(chosen.double(), epsilon)
    pytorch = cross_entropy(logits[0], labels[0], label_smoothing=epsilon)
    loss = (pytorch + (targets * logits.log_softmax(-1)).sum(-1).mean()).item()
    slope = (step.slope[:1] - torch.autograd.grad(pytorch, logits)[0]).abs().max()
    return [
        check("The label's class has the target 0.91", _farthest(targets[chosen], 0.91), WITHIN, 0.91, 1e-15),
        check("Each of the nine others has the target 0.01", _farthest(targets[~chosen], 0.01), WITHIN, 0.01, 1e-15),
        check("A row of targets sums to 1", _farthest(targets.sum(-1), 1), WITHIN, 1, 1e-15),
        check("The loss is PyTorch's with label_smoothing=0.1 (difference)", loss, WITHIN, 0, 1e-14),
        check("A training step's gradient by the logits is PyTorch's (difference)", slope, BELOW, 1e-15),
    ]


def smoothing_optimum() -> list[CheckResult]:
    """What label smoothing aims at on known posteriors, and what repairs it.

    The optimum is underconfident on every row, so gaps never cancel in a bin and the closed form holds on any rows to
    rounding, whatever the binning.
    """
    posterior, noisy = _mixture(label_noise=0.0), _mixture(label_noise=0.2)
    error, divergence = _left_by_temperature(posterior, 0.1)
    noisy_error, noisy_divergence = _left_by_temperature(noisy, 0.1)
    repaired = desmooth(_optimum(posterior, 0.1), 0.1)
    away, left = np.abs(repaired - posterior).max(), _error(repaired, posterior)
    kl = _divergence(repaired, posterior)
    return [
        *(_closed_form(posterior, epsilon) for epsilon in (0.05, 0.1, 0.2)),
        check("Exact de-smoothing gives the posterior back (largest difference)", away, BELOW, 1e-14),
        check("Exact de-smoothing leaves no calibration error", left, BELOW, 1e-14),
        check("Exact de-smoothing leaves no KL divergence", kl, WITHIN, 0, 1e-14),
        check("The best temperature leaves a tenth of the error or more", error, ABOVE, 0.1),
        check("The best temperature leaves a tenth of the KL or more", divergence, ABOVE, 0.1),
        check("With 20 % wrong labels the best temperature leaves less of the error", noisy_error, BELOW, error),
        check(
            "With 20 % wrong labels the best temperature leaves less of the KL",
            noisy_divergence,
            BELOW,
            divergence,
        ),
    ]


def _closed_form(posterior: Floats, epsilon: float) -> CheckResult:
    error = _error(_optimum(posterior, epsilon), posterior)
    what = f"Smoothing {epsilon}: the optimum's error is ε(E[max p] − 1/K)"
    return check(what, error, WITHIN, smoothing_error(posterior, epsilon), ROUNDING)


def _farthest(values: Tensor, expected: float) -> float:
    return values.flatten()[(values - expected).abs().argmax()].item()


def _smoothed(targets: Tensor, epsilon: float) -> Tensor:
    return regularizers.smooth_targets(targets.clone(), torch.full((len(targets),), epsilon, dtype=targets.dtype))


def _optimum(posterior: Floats, epsilon: float) -> Floats:
    """The posterior, smoothed as targets are: the prediction whose expected smoothed loss is least."""
    smoothed: Floats = _smoothed(torch.from_numpy(posterior).unsqueeze(0), epsilon)[0].numpy()
    return smoothed


def _left_by_temperature(posterior: Floats, epsilon: float) -> tuple[float, float]:
    """Shares of the optimum's calibration error and KL divergence that remain at the temperature of least KL."""
    optimum = _optimum(posterior, epsilon)
    logits = np.log(optimum)
    best = minimize_scalar(lambda beta: _divergence(softmax(beta * logits)[0], posterior), bounds=(0.2, 5))
    scaled, _ = softmax(best.x * logits)
    error = _error(scaled, posterior) / _error(optimum, posterior)
    return error, _divergence(scaled, posterior) / _divergence(optimum, posterior)


def _error(probs: Floats, posterior: Floats) -> float:
    return float(exact_calibration_error(Predictions.from_probabilities(probs, posterior=posterior)))


def _divergence(probs: Floats, posterior: Floats) -> float:
    return float(excess_risk(Predictions.from_probabilities(probs, posterior=posterior)).kl)


def _mixture(*, label_noise: float) -> Floats:
    """Posterior (row, class) of a mixture's rows."""
    task = MixtureTask(seed=2026, classes=3, components=2, features=10, separation=4.0, label_noise=label_noise)
    drawn = make_mixture(task, seeds=1, train=64, validation=1, test=20_000, name="exact")
    assert drawn.pool.posterior is not None
    posterior: Floats = drawn.pool.posterior[drawn.splits.test[0]]
    return posterior
