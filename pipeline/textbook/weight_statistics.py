"""Statistics of trained weights: norms, sensitivity to the inputs, and predictions under dropout.

Weights (member, size) are those of one point, a row a member, as `train.fit` gives them. Members are taken
two by two, which changes no bit: as many as fit the cache, and a lone matrix product may take another kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.points import Point
from pipeline.core.determinism import heed_cbwr, require_pinned
from pipeline.core.rng import Purpose, uniform16
from pipeline.models.build import build
from pipeline.models.network import Arrays, Network, split_masks
from pipeline.training import regularizers


def weight_norms(point: Point, features: int, classes: int, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean norm (member,) of all weights that decay: matrices and convolutions, no biases."""
    decayed = weights[:, : build(point, features, classes).layout.decayed].astype(np.float64)
    norms: NDArray[np.float64] = np.sqrt((decayed**2).sum(1))
    return norms


def input_gradient(
    point: Point, features: int, classes: int, weights: NDArray[np.float32], inputs: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Mean over rows of the Frobenius norm of d probabilities / d inputs, in eval mode (member,).

    Args:
        point: of which the members are.
        features: of an input.
        classes: of a prediction.
        weights: of each member (member, size).
        inputs: standardized (member, row, feature).

    Reference: Novak et al. (2018), Sensitivity and generalization in neural networks, section 3.1.
    """
    network = build(point, features, classes)

    def of_pair(pair: list[int]) -> NDArray[np.float64]:
        arrays = network.layout.views(torch.from_numpy(weights[pair]).double())
        blocks = torch.split(torch.from_numpy(inputs[pair]).double(), network.block, 1)
        norms = torch.cat([_jacobian_norms(network, arrays, block) for block in blocks], 1)
        means: NDArray[np.float64] = norms.numpy().mean(1)
        return means

    return _two_by_two(len(weights), of_pair)


class MaskMeans(NamedTuple):
    """Means over dropout masks (member, row, class): of probabilities, and their geometric mean, which sums to 1."""

    arithmetic: NDArray[np.float64]
    geometric: NDArray[np.float64]


def monte_carlo(
    point: Point,
    seeds: Sequence[int],
    weights: NDArray[np.float32],
    inputs: NDArray[np.float32],
    *,
    classes: int,
    samples: int,
) -> MaskMeans:
    """Means of probabilities over samples of the masks of `dropout` and `input_dropout`.

    Batch normalization keeps its running statistics. A mask is a function of the seed, the sample and the number of
    rows; every row has its own. Of one sample both means are what the network predicts with its masks on.

    Args:
        point: of which the members are.
        seeds: of each member.
        weights: of each member (member, size).
        inputs: standardized (member, row, feature).
        classes: of a prediction.
        samples: of the masks.

    Reference: Gal & Ghahramani (2016), Dropout as a Bayesian approximation, equation 6; of the geometric mean, which
        weight scaling stands for, Baldi & Sadowski (2014), The dropout learning algorithm, section 4.
    """
    network = build(point, inputs.shape[-1], classes)

    def of_pair(pair: list[int]) -> NDArray[np.float64]:
        arrays, x = network.layout.views(torch.from_numpy(weights[pair])), torch.from_numpy(inputs[pair])
        total = torch.zeros(2, *x.shape[:2], classes, dtype=torch.float64)
        for sample in range(samples):
            dropped, masks = _dropped(network, point, x, [seeds[member] for member in pair], sample)
            log_probs = torch.log_softmax(network.predict(arrays, dropped, masks).double(), -1)
            total += torch.stack([log_probs.exp(), log_probs])
        total /= samples
        return torch.stack([total[0], torch.softmax(total[1], -1)], 1).numpy()

    with torch.inference_mode():
        both = _two_by_two(len(weights), of_pair)
    return MaskMeans(both[:, 0], both[:, 1])


def _two_by_two(members: int, function: Callable[[list[int]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Results (member, ...) of pairs of members, by one thread; the last of an odd number is its own partner."""
    require_pinned()
    heed_cbwr()
    torch.set_num_threads(1)
    pairs = [[member, min(member + 1, members - 1)] for member in range(0, members, 2)]
    return np.concatenate([function(pair) for pair in pairs])[:members]


def _jacobian_norms(network: Network, arrays: Arrays, x: Tensor) -> Tensor:
    """Frobenius norm (member, row) of d probabilities / d inputs; no row depends on another."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        totals = torch.softmax(network.predict(arrays, x), -1).sum((0, 1))
    rows = [torch.autograd.grad(total, x, retain_graph=True)[0] for total in totals]
    return torch.stack([row.square().sum(-1) for row in rows]).sum(0).sqrt()


def _dropped(
    network: Network, point: Point, x: Tensor, seeds: Sequence[int], sample: int
) -> tuple[Tensor, list[Tensor] | None]:
    """Inputs, some of them dropped, and the masks of hidden units."""
    shapes = network.masks(x.shape[1]) if point.dropout else []
    hidden = sum(prod(shape) for shape in shapes)
    inputs = prod(x.shape[1:]) if point.input_dropout else 0
    draws = [uniform16(seed, Purpose.MONTE_CARLO, sample, hidden + inputs) for seed in seeds]
    uniforms = torch.from_numpy(np.stack(draws)).unsqueeze(1)
    masks = split_masks(_mask(uniforms[..., :hidden], point.dropout), shapes) if shapes else None
    return x * _mask(uniforms[..., hidden:], point.input_dropout).view_as(x) if inputs else x, masks


def _mask(uniforms: Tensor, rate: float) -> Tensor:
    """Dropout's factors (member, unit) at uniforms (member, 1, unit)."""
    thresholds, scales = (torch.from_numpy(values) for values in regularizers.dropout_thresholds([rate]))
    return regularizers.dropout_mask(uniforms, thresholds, scales.float(), out=torch.empty(uniforms.shape)).squeeze(1)
