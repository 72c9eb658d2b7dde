"""Exact checks of L2 regularization and weight decay: the same in plain SGD, not with momentum and not in Adam.

Trajectories of the project's networks are compared with each other, and with those of PyTorch's optimizers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.core import rng
from pipeline.core.rng import Purpose
from pipeline.results.textbook import CheckResult
from pipeline.textbook.check_results import ABOVE, BELOW, ROUNDING, WITHIN, check
from pipeline.textbook.optimizer_trajectories import (
    Changes,
    Trajectory,
    distance,
    pytorch_trajectory,
    stack_of,
    trajectories,
)
from pipeline.training import regularizers
from pipeline.training.optimizers import Adam

DECAY = 0.03


def l2_sgd() -> list[CheckResult]:
    """In plain SGD a penalty of lambda/2 * sum(w**2) is weight decay of lambda; with momentum they differ.

    The textbook's snippet, `loss = task_loss + lambda * (w ** 2).sum()` beside `weight_decay=lambda`, is off by 2.
    Numbers are distances between trajectories, see `distance`.

    Reference: Loshchilov & Hutter 2019, ICLR, proposition 1.
    """
    plain: list[Changes] = [{"l2": DECAY}, {"weight_decay": DECAY}]
    with_momentum: list[Changes] = [{**changes, "momentum": 0.9} for changes in (*plain, {"weight_decay": 10 * DECAY})]
    l2, decay, double, *momentum = trajectories(stack_of([*plain, {"weight_decay": 2 * DECAY}, *with_momentum]))
    cosine = trajectories(stack_of([{**changes, "schedule": "cosine"} for changes in plain]))
    pytorch = pytorch_trajectory(torch.optim.SGD, weight_decay=DECAY)
    formula = pytorch_trajectory(torch.optim.SGD, penalty=lambda weights: DECAY / 2 * (weights**2).sum())
    snippet = pytorch_trajectory(torch.optim.SGD, penalty=lambda weights: DECAY * (weights**2).sum())
    return [
        check("SGD: L2 lambda is weight decay lambda", distance(l2, decay), BELOW, ROUNDING),
        check("SGD: loss + lambda/2 * sum(w**2) is weight decay lambda", distance(formula, decay), BELOW, ROUNDING),
        check("torch.optim.SGD(weight_decay=lambda) is weight decay lambda", distance(pytorch, decay), BELOW, ROUNDING),
        check("SGD, cosine schedule: L2 lambda is weight decay lambda", distance(*cosine), BELOW, ROUNDING),
        check("SGD: loss + lambda * sum(w**2) is not SGD(weight_decay=lambda)", distance(snippet, pytorch), ABOVE, 0.1),
        check("SGD: loss + lambda * sum(w**2) is weight decay 2 lambda", distance(snippet, double), BELOW, ROUNDING),
        *_with_momentum(*momentum),
    ]


def _with_momentum(l2: Trajectory, decay: Trajectory, tenfold: Trajectory) -> list[CheckResult]:
    """Momentum gathers L2's pull as it gathers gradients, 1 / (1 - 0.9) steps of it; decay does not go through it."""
    pytorch = pytorch_trajectory(torch.optim.SGD, weight_decay=DECAY, momentum=0.9)
    apart, near = distance(l2, decay), distance(l2, tenfold)
    return [
        check("SGD, momentum 0.9: L2 lambda is not weight decay lambda", apart, ABOVE, 0.1),
        check("SGD, momentum 0.9: L2 lambda is nearer to weight decay 10 lambda", near, BELOW, apart),
        check("SGD(weight_decay=lambda, momentum=0.9) is L2 lambda", distance(pytorch, l2), BELOW, ROUNDING),
    ]


def l2_adam() -> list[CheckResult]:
    """In Adam they differ: L2 shrinks a weight the less, the larger its gradient; decay shrinks all alike.

    Reference: Loshchilov & Hutter 2019, ICLR, proposition 2 and algorithm 2.
    """
    adam: Changes = {"optimizer": "adam", "learning_rate": 0.01}
    l2, decay = trajectories(stack_of([{**adam, "l2": DECAY}, {**adam, "weight_decay": DECAY}]))
    # Fused: the square root of the other kinds is MKL's, whose last bit depends on the processor in float64.
    coupled = pytorch_trajectory(torch.optim.Adam, adam, weight_decay=DECAY, fused=True)
    decoupled = pytorch_trajectory(torch.optim.AdamW, adam, weight_decay=DECAY, fused=True)
    by_l2, by_decay = _shrink_ratio(l2=True), _shrink_ratio(l2=False)
    return [
        check("Adam: weight decay lambda is AdamW(weight_decay=lambda)", distance(decay, decoupled), BELOW, ROUNDING),
        check("Adam: L2 lambda is torch.optim.Adam(weight_decay=lambda)", distance(l2, coupled), BELOW, ROUNDING),
        check("Adam: L2 lambda is not weight decay lambda", distance(l2, decay), ABOVE, 0.1),
        check("L2 shrinks 100 times less where gradients are 100 times larger (ratio)", by_l2, WITHIN, 100, 1),
        check("Weight decay shrinks alike where gradients are 100 times larger (ratio)", by_decay, WITHIN, 1, 1e-6),
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
