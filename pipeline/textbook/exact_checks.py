"""Which sentences of the textbook need no statistics?

Each is computed on the functions that train the study's networks: nothing here is a copy of them, and PyTorch's own
optimizers and losses stand beside them. Every check returns statements with their numbers; `CHECKS` names the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, SupportsFloat, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from pipeline.calibration.label_smoothing import desmooth, smoothing_error
from pipeline.core import rng
from pipeline.core.rng import Purpose
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.metrics.calibration_error import exact_calibration_error
from pipeline.metrics.decompositions import excess_risk
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, softmax
from pipeline.textbook.optimizer_trajectories import (
    Changes,
    Path,
    order_of,
    parting,
    paths,
    pytorch_path,
    stack_of,
    two_steps,
)
from pipeline.training import regularizers
from pipeline.training.optimizers import Adam

Relation = Literal["equal", "within", "above", "below"]
EQUAL: Relation = "equal"
WITHIN: Relation = "within"
ABOVE: Relation = "above"
BELOW: Relation = "below"

ROUNDING = 1e-12  # of float64, after 200 steps
RATES = (0.2, 0.5, 0.8)
DECAY = 0.03


class Statement(TypedDict):
    """One sentence, and the number that decides it.

    Attributes:
        what: the sentence.
        measured: a number that the lab's code gave.
        expected: what it is held against.
        relation: `equal` to the bit, `within` the tolerance of it, `above` or `below` it.
        tolerance: of `within`; 0 otherwise.
        holds: whether the number is as the relation says; NaN never is.
    """

    what: str
    measured: float
    expected: float
    relation: Relation
    tolerance: float
    holds: bool


def state(what: str, measured: SupportsFloat, relation: Relation, expected: float, tolerance: float = 0.0) -> Statement:
    """A statement, decided.

    >>> state("A third is nearly 0.3", 1 / 3, "within", 0.3, 0.05)["holds"]
    True
    """
    number = float(measured)
    holds = {
        EQUAL: number == expected,
        WITHIN: abs(number - expected) <= tolerance,
        ABOVE: number > expected,
        BELOW: number < expected,
    }[relation]
    return {
        "what": what, "measured": number, "expected": expected,
        "relation": relation, "tolerance": tolerance, "holds": holds,
    }  # fmt: skip


# dropout


def dropout_modes() -> list[Statement]:
    """Training differs from call to call, evaluation does not, and a mask's expectation is 1.

    Reference: Srivastava et al. 2014, JMLR 15, section 10 (inverted scaling).
    """
    rates = (0.0, *RATES)
    stack, first, second = two_steps([{"dropout": rate} for rate in rates], dtype=torch.float32, classes=3)
    once, again = stack.validation(), stack.finish().logits["validation"]
    half = rates.index(0.5)
    share, error = (first.mask[half] != second.mask[half]).double().mean(), 0.5 / first.mask[half].numel() ** 0.5
    logits = (first.logits[half] - second.logits[half]).abs().mean() / second.logits[half].std()
    strange = _strange_values(torch.cat([first.mask, second.mask], 1)[1:])
    return [
        state("Two training steps mask half of the units differently at rate 0.5", share, WITHIN, 0.5, 4 * error),
        state("Two training steps move logits by more than a tenth of their spread", logits, ABOVE, 0.1),
        state("Two calls in evaluation mode differ in no bit (share of logits)", _unlike(once, again), EQUAL, 0),
        state("Evaluation mode is the network without dropout (share unlike)", _unlike(once[1:], once[:1]), EQUAL, 0),
        state("Masks are 0 or 1/(1-p), p rounded to 1/65536 (share that are not)", strange, EQUAL, 0),
        *_mask_means(),
    ]


def _strange_values(masks: Tensor) -> float:
    kept = torch.tensor([1 / (1 - round(rate * 65536) / 65536) for rate in RATES]).view(-1, 1, 1)
    return ((masks != 0) & (masks != kept)).double().mean().item()


def _mask_means() -> list[Statement]:
    """The mean mask over all 65536 equally likely uniforms, where it is an expectation, and over drawn ones."""
    means = _mean_masks(np.arange(-32768, 32768, dtype=np.int16), (0.5, *np.arange(1, 100) / 100))
    drawn = rng.uniform16(0, Purpose.DROPOUT, 0, 1 << 20)
    errors = torch.tensor([(rate / (1 - rate) / drawn.size) ** 0.5 for rate in RATES])
    away = ((_mean_masks(drawn, RATES) - 1).abs() / errors).max()
    largest = (means - 1).abs().max()
    return [
        state("A mask's expectation at rate 0.5 is exactly 1", means[0], EQUAL, 1),
        state("At rates 0.01 to 0.99 the expectation is 1 to float32's rounding", largest, WITHIN, 0, 2**-24),
        state("The mean of a million drawn masks is 1 (gap in standard errors)", away, BELOW, 4),
    ]


def _mean_masks(uniforms: NDArray[np.int16], rates: Sequence[float]) -> Tensor:
    """Mean mask (rate,) over uniforms; masks are in float32, in which the study's networks are trained."""
    thresholds, scales = (torch.from_numpy(values) for values in regularizers.dropout_thresholds(rates))
    drawn = torch.from_numpy(uniforms).view(1, 1, -1)
    masks = regularizers.dropout_mask(drawn, thresholds, scales.float(), out=torch.empty(len(rates), 1, drawn.numel()))
    return masks.mean((1, 2), dtype=torch.float64)


def _unlike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Share of numbers whose bits differ."""
    return float(np.mean(one.view(np.int32) != other.view(np.int32)))


# label smoothing


def smoothed_targets() -> list[Statement]:
    """Targets, loss and gradient of label smoothing 0.1 with ten classes, beside PyTorch's own.

    Reference: Szegedy et al. 2016, CVPR, section 7; `torch.nn.functional.cross_entropy`.
    """
    epsilon, classes = 0.1, 10
    stack, step, _ = two_steps([{"label_smoothing": epsilon}], dtype=torch.float64, classes=classes)
    labels = stack.labels["train"][:, order_of(stack.features["train"])]
    logits = step.logits[:1].requires_grad_()
    chosen = one_hot(labels, classes).bool()
    targets = _smoothed(chosen.double(), epsilon)
    theirs = cross_entropy(logits[0], labels[0], label_smoothing=epsilon)
    loss = (theirs + (targets * logits.log_softmax(-1)).sum(-1).mean()).item()
    slope = (step.slope[:1] - torch.autograd.grad(theirs, logits)[0]).abs().max()
    return [
        state("The label's class has the target 0.91", _furthest(targets[chosen], 0.91), WITHIN, 0.91, 1e-15),
        state("Each of the nine others has the target 0.01", _furthest(targets[~chosen], 0.01), WITHIN, 0.01, 1e-15),
        state("A row of targets sums to 1", _furthest(targets.sum(-1), 1), WITHIN, 1, 1e-15),
        state("The loss is PyTorch's with label_smoothing=0.1 (difference)", loss, WITHIN, 0, 1e-14),
        state("A training step's gradient by the logits is PyTorch's (difference)", slope, BELOW, 1e-15),
    ]


def smoothing_optimum() -> list[Statement]:
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
        state("Exact de-smoothing gives the posterior back (largest difference)", away, BELOW, 1e-14),
        state("Exact de-smoothing leaves no calibration error", left, BELOW, 1e-14),
        state("Exact de-smoothing leaves no KL divergence", kl, WITHIN, 0, 1e-14),
        state("The best temperature leaves a tenth of the error or more", error, ABOVE, 0.1),
        state("The best temperature leaves a tenth of the KL or more", divergence, ABOVE, 0.1),
        state("With 20 % wrong labels the best temperature leaves less of the error", noisy_error, BELOW, error),
        state(
            "With 20 % wrong labels the best temperature leaves less of the KL",
            noisy_divergence,
            BELOW,
            divergence,
        ),
    ]


def _closed_form(posterior: Floats, epsilon: float) -> Statement:
    error = _error(_optimum(posterior, epsilon), posterior)
    what = f"Smoothing {epsilon}: the optimum's error is ε(E[max p] − 1/K)"
    return state(what, error, WITHIN, smoothing_error(posterior, epsilon), ROUNDING)


def _furthest(values: Tensor, expected: float) -> float:
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


# L2 and weight decay


def l2_sgd() -> list[Statement]:
    """In plain SGD a penalty of lambda/2 * sum(w**2) is weight decay of lambda; momentum parts the two.

    The textbook's snippet, `loss = task_loss + lambda * (w ** 2).sum()` beside `weight_decay=lambda`, is off by 2.
    Numbers are distances between paths, see `parting`.

    Reference: Loshchilov & Hutter 2019, ICLR, proposition 1.
    """
    plain: list[Changes] = [{"l2": DECAY}, {"weight_decay": DECAY}]
    heavy: list[Changes] = [{**one, "momentum": 0.9} for one in (*plain, {"weight_decay": 10 * DECAY})]
    l2, decay, double, *heavies = paths(stack_of([*plain, {"weight_decay": 2 * DECAY}, *heavy]))
    waves = paths(stack_of([{**one, "schedule": "cosine"} for one in plain]))
    theirs = pytorch_path(torch.optim.SGD, weight_decay=DECAY)
    formula = pytorch_path(torch.optim.SGD, penalty=lambda weights: DECAY / 2 * (weights**2).sum())
    snippet = pytorch_path(torch.optim.SGD, penalty=lambda weights: DECAY * (weights**2).sum())
    return [
        state("SGD: L2 lambda is weight decay lambda", parting(l2, decay), BELOW, ROUNDING),
        state("SGD: loss + lambda/2 * sum(w**2) is weight decay lambda", parting(formula, decay), BELOW, ROUNDING),
        state("torch.optim.SGD(weight_decay=lambda) is weight decay lambda", parting(theirs, decay), BELOW, ROUNDING),
        state("SGD, cosine schedule: L2 lambda is weight decay lambda", parting(*waves), BELOW, ROUNDING),
        state("SGD: loss + lambda * sum(w**2) is not SGD(weight_decay=lambda)", parting(snippet, theirs), ABOVE, 0.1),
        state("SGD: loss + lambda * sum(w**2) is weight decay 2 lambda", parting(snippet, double), BELOW, ROUNDING),
        *_with_momentum(*heavies),
    ]


def _with_momentum(l2: Path, decay: Path, tenfold: Path) -> list[Statement]:
    """Momentum gathers L2's pull as it gathers gradients, 1 / (1 - 0.9) steps of it; decay does not go through it."""
    theirs = pytorch_path(torch.optim.SGD, weight_decay=DECAY, momentum=0.9)
    apart, near = parting(l2, decay), parting(l2, tenfold)
    return [
        state("SGD, momentum 0.9: L2 lambda is not weight decay lambda", apart, ABOVE, 0.1),
        state("SGD, momentum 0.9: L2 lambda is nearer to weight decay 10 lambda", near, BELOW, apart),
        state("SGD(weight_decay=lambda, momentum=0.9) is L2 lambda", parting(theirs, l2), BELOW, ROUNDING),
    ]


def l2_adam() -> list[Statement]:
    """In Adam they differ: L2 shrinks a weight the less, the larger its gradient; decay shrinks all alike.

    Reference: Loshchilov & Hutter 2019, ICLR, proposition 2 and algorithm 2.
    """
    adam: Changes = {"optimizer": "adam", "learning_rate": 0.01}
    l2, decay = paths(stack_of([{**adam, "l2": DECAY}, {**adam, "weight_decay": DECAY}]))
    coupled = pytorch_path(torch.optim.Adam, adam, weight_decay=DECAY, foreach=False)
    decoupled = pytorch_path(torch.optim.AdamW, adam, weight_decay=DECAY, foreach=False)
    by_l2, by_decay = _shrink_ratio(l2=True), _shrink_ratio(l2=False)
    return [
        state("Adam: weight decay lambda is AdamW(weight_decay=lambda)", parting(decay, decoupled), BELOW, ROUNDING),
        state("Adam: L2 lambda is torch.optim.Adam(weight_decay=lambda)", parting(l2, coupled), BELOW, ROUNDING),
        state("Adam: L2 lambda is not weight decay lambda", parting(l2, decay), ABOVE, 0.1),
        state("L2 shrinks 100 times less where gradients are 100 times larger (ratio)", by_l2, WITHIN, 100, 1),
        state("Weight decay shrinks alike where gradients are 100 times larger (ratio)", by_decay, WITHIN, 1, 1e-6),
    ]


def _shrink_ratio(*, l2: bool) -> float:
    """How much more Adam's weights shrink where gradients are 100 times smaller."""
    small, large = (_adam(None) - _adam(l2)).sum(1)
    return float(small / large)


def _adam(l2: bool | None, *, rate: float = 0.001, strength: float = 0.01) -> Tensor:
    """Weights (2, parameter) that start at 1, after 100 steps along noise of size 1 and of size 100."""
    sizes = torch.tensor([[1.0], [100.0]], dtype=torch.float64)
    draws = rng.generator(0, Purpose.INPUT_NOISE).standard_normal((100, 1, 4096))
    weights, gradient = (sizes.new_ones(2, 4096) for _ in range(2))
    optimizer = Adam(weights, gradient, sizes.new_full((2,), rate))
    for draw in torch.from_numpy(draws):
        gradient.copy_(draw * sizes)
        if l2:
            regularizers.add_l2(gradient, weights, sizes.new_full((2,), strength))
        elif l2 is False:
            regularizers.decay(weights, sizes.new_full((2,), rate * strength))
        optimizer.step(1.0)
    return weights


CHECKS: dict[str, Callable[[], list[Statement]]] = {
    check.__name__: check for check in (dropout_modes, smoothed_targets, l2_sgd, l2_adam, smoothing_optimum)
}
