"""What each regularizer does to inputs, targets, activations, gradients and weights of a stack.

Strengths are (member,) tensors. A strength of exactly 0 leaves every number as it was, so an operation that is off
for all members may be left out: no bit depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.rng import threshold16


def per_member(values: Tensor, dimensions: int) -> Tensor:
    """Shape (member,) as (member, 1, ..., 1), to be broadcast over `dimensions` more axes."""
    return values.view(-1, *[1] * dimensions)


def dropout_thresholds(rates: Sequence[float]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Integer threshold below which a 16-bit uniform drops its unit, and 1 / P(kept), for each rate.

    The rate is rounded to the nearest 1/65536 and the scale belongs to the rounded one, so E[dropout(x)] = x exactly
    (inverted scaling; Srivastava et al. 2014, section 10).
    """
    thresholds = np.array([threshold16(rate) for rate in rates], np.int16)
    return thresholds, 65536 / (32768 - thresholds.astype(np.float64))


def dropout_mask(uniforms: Tensor, thresholds: Tensor, scales: Tensor, *, out: Tensor) -> Tensor:
    """Fill `out` (member, batch, unit) with 0 where a unit is dropped and with 1 / P(kept) elsewhere."""
    return torch.ge(uniforms, per_member(thresholds, 2), out=out).mul_(per_member(scales, 2))


def mixup(x: Tensor, targets: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mix every row with its neighbour in the batch, which a fresh shuffle has put there.

    Args:
        x: inputs (member, batch, feature).
        targets: class probabilities (member, batch, class).
        weight: share of the row itself (member,), in [0, 1]; 1 is off.

    Reference: Zhang et al. (2018), mixup, equation 2.
    """
    share = per_member(weight, 2)
    return torch.lerp(x.roll(1, 1), x, share), torch.lerp(targets.roll(1, 1), targets, share)


def cutmix(x: Tensor, targets: Tensor, ranks: Tensor, replaced: Tensor) -> tuple[Tensor, Tensor]:
    """Take `replaced` (member,) random features of every row, and that share of its target, from its neighbour.

    Args:
        x: inputs (member, batch, feature).
        targets: class probabilities (member, batch, class).
        ranks: a random permutation of 0..feature-1 for each row (member, batch, feature).
        replaced: number of features (member,); 0 is off.

    Reference: Yun et al. (2019), CutMix, equation 1; over features as in Kadra et al. (2021), appendix.
    """
    taken = ranks < per_member(replaced, 2)
    share = per_member(1 - replaced.to(targets.dtype) / x.shape[-1], 2)
    return torch.where(taken, x.roll(1, 1), x), torch.lerp(targets.roll(1, 1), targets, share)


def cutout(x: Tensor, ranks: Tensor, removed: Tensor) -> Tensor:
    """Set `removed` (member,) random features of every standardized row to their mean, 0 (DeVries & Taylor 2017)."""
    return x.masked_fill(ranks < per_member(removed, 2), 0)


def input_noise(x: Tensor, normals: Tensor, sigma: Tensor) -> Tensor:
    """Add Gaussian noise of `sigma` (member,) standard deviations to standardized inputs (Bishop 1995)."""
    return torch.addcmul(x, normals, per_member(sigma, 2))


def smooth_targets(targets: Tensor, epsilon: Tensor) -> Tensor:
    """(1 - eps) y + eps / K, in place on (member, batch, class) probabilities (Szegedy et al. 2016, section 7)."""
    return targets.mul_(per_member(1 - epsilon, 2)).add_(per_member(epsilon / targets.shape[-1], 2))


def add_l2(gradient: Tensor, weights: Tensor, strength: Tensor) -> None:
    """Add the gradient of strength/2 * sum(w**2), in place on (member, parameter) tensors."""
    gradient.addcmul_(weights, per_member(strength, 1))


def decay(weights: Tensor, rate: Tensor) -> None:
    """Shrink weights by 1 - rate, where rate is learning rate times decay (Loshchilov & Hutter 2019, line 12)."""
    weights.mul_(per_member(1 - rate, 1))


def limit_norm(weight: Tensor, limit: Tensor) -> None:
    """Scale each unit's incoming weights (member, in, out) to a norm of at most `limit` (member,); inf is off.

    Reference: Srivastava et al. (2014), section 5.1.
    """
    norms = (weight * weight).sum(1, keepdim=True).sqrt_()
    weight.mul_(torch.clamp_max(per_member(limit, 2) / norms, 1))


def average(running: Tensor, current: Tensor, decay: Tensor, step: int) -> None:
    """Move a running average of (member, parameter) towards `current`; a decay of 0 copies it.

    Until it has seen 1 / (1 - decay) steps it is their plain mean, so that the start leaves no trace.

    Reference: Polyak & Juditsky (1992); Izmailov et al. (2018).
    """
    running.lerp_(current, per_member(1 - decay.clamp_max(step / (step + 1)), 1))
