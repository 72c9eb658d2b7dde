"""Loss functions of a training step, by their gradients with respect to the logits.

Logits, targets and gradients have the shape (member, batch, class); targets are class probabilities, which label
smoothing, mixup and cutmix may have softened. Every loss is a mean over the batch; history and early stopping keep
plain cross-entropy.

Strengths are (member,) tensors. `torch.where` takes the plain gradient where a strength is exactly 0, so that such a
member has the bits of a stack in which nobody has one. Powers are exponentials of logarithms: `pow` rounds
differently at the end of a tensor, and a member's bits would depend on its company.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.training.regularizers import per_member


def class_weights(labels: Tensor, classes: int, balanced: Tensor) -> Tensor:
    """Weights (member, class) in float64, inversely proportional to class frequencies, of mean 1 over the rows.

    n / (K n_k) for the n_k of n rows that are of class k, K being the number of classes that have rows; 1 for members
    that are not balanced, and for classes without rows.

    Args:
        labels: (member, row) of the training rows.
        classes: how many.
        balanced: (member,) whether a member wants them.

    Reference: King & Zeng (2001), Logistic regression in rare events data, section 4.2.
    """
    counts = torch.nn.functional.one_hot(labels, classes).sum(1).double()
    present = (counts > 0).sum(-1, keepdim=True)
    weights = labels.shape[1] / (present * counts)
    return torch.where(per_member(balanced, 1) & (counts > 0), weights, 1.0)


def loss_gradient(
    logits: Tensor,
    targets: Tensor,
    *,
    focal: Tensor | None = None,
    penalty: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Gradient of cross-entropy, focal loss where `focal` > 0, minus `penalty` times the mean entropy.

    With weights w the term of class k in a row's loss is w_k y_k (-log p_k): for a soft target too, each class has its
    own weight, as in torch's `cross_entropy`. The batch's mean divides by its rows, not by their weights.

    Args:
        logits: (member, batch, class).
        targets: class probabilities (member, batch, class), each row with the sum 1.
        focal: exponents (member,) from 0; None is 0 for all.
        penalty: weights (member,) from 0 of the confidence penalty; None is 0 for all.
        weights: of classes (member, class), above 0; None is 1 for all.

    Returns:
        The gradient (member, batch, class) of the mean over the batch.
    """
    if weights is None:
        gradient = torch.softmax(logits, -1).sub_(targets)
    else:
        gradient, targets = _weighted(torch.softmax(logits, -1), targets, weights)
    if focal is not None:
        gradient = torch.where(per_member(focal > 0, 2), focal_gradient(logits, targets, focal), gradient)
    if penalty is not None:
        gradient = torch.where(per_member(penalty > 0, 2), gradient + penalty_gradient(logits, penalty), gradient)
    return gradient.div_(logits.shape[1])


def _weighted(probs: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of each row's weighted cross-entropy, p_j sum_k w_k y_k - w_j y_j, and the weighted targets."""
    weighted = targets * weights.unsqueeze(1)
    balanced = per_member((weights != 1).any(-1), 2)
    gradient = probs * weighted.sum(-1, keepdim=True) - weighted
    return torch.where(balanced, gradient, probs - targets), weighted


def focal_gradient(logits: Tensor, targets: Tensor, gamma: Tensor) -> Tensor:
    """Gradient of the focal loss of each row, sum_k y_k (1 - p_k)**gamma (-log p_k).

    Soft targets y weigh the classes' terms; with one-hot targets it is the loss of the paper. With
    g_k = p_k dL/dp_k = y_k (1 - p_k)**gamma (gamma p_k log p_k / (1 - p_k) - 1), the gradient is g_j - p_j sum_k g_k.
    1 - p is kept above the type's epsilon, where log p / (1 - p) has its limit -1 to rounding.

    Args:
        logits: (member, batch, class).
        targets: class probabilities (member, batch, class), or those times class weights.
        gamma: exponents (member,) from 0; 0 is cross-entropy, to rounding.

    Reference: Lin et al. (2017), Focal loss, equation 4 (equation 5 with class weights); for calibration Mukhoti et al.
    (2020), Calibrating deep neural networks using focal loss.
    """
    log_probs = torch.log_softmax(logits, -1)
    probs, exponent = log_probs.exp(), per_member(gamma, 2)
    missing = (1 - probs).clamp_min_(torch.finfo(logits.dtype).eps)
    slope = exponent * probs * log_probs / missing - 1
    slope = targets * torch.exp(exponent * missing.log()) * slope
    return slope - probs * slope.sum(-1, keepdim=True)


def penalty_gradient(logits: Tensor, beta: Tensor) -> Tensor:
    """Gradient of -beta H(p) of each row, beta p_j (log p_j + H), with the entropy H = -sum_k p_k log p_k in nats.

    Args:
        logits: (member, batch, class).
        beta: weights (member,) from 0.

    Reference: Pereyra et al. (2017), Regularizing neural networks by penalizing confident output distributions,
    section 3.
    """
    log_probs = torch.log_softmax(logits, -1)
    probs = log_probs.exp()
    entropy = -(probs * log_probs).sum(-1, keepdim=True)
    return per_member(beta, 2) * probs * (log_probs + entropy)


def r_drop_gradient(logits: Tensor, others: Tensor, alpha: Tensor) -> Tensor:
    """Gradient, by the first logits, of alpha/4 (KL(p || q) + KL(q || p)), averaged over the batch.

    With d = log p - log q it is alpha/4 (p_j (d_j - sum_k p_k d_k) + p_j - q_j).

    Args:
        logits: of the pass (member, batch, class).
        others: of the other pass, which the gradient with respect to these logits takes as given.
        alpha: weights (member,) from 0.

    Reference: Liang et al. (2021), R-Drop, equation 4 halved: the cross-entropy of the two passes is averaged.
    """
    log_probs, log_others = torch.log_softmax(logits, -1), torch.log_softmax(others, -1)
    probs, ratio = log_probs.exp(), log_probs - log_others
    slope = probs * (ratio - (probs * ratio).sum(-1, keepdim=True)) + probs - log_others.exp()
    return per_member(alpha / 4, 2) * slope / logits.shape[1]
