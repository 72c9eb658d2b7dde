"""Base rates: the predictor that knows the class frequencies of the training rows and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int


def base_rate_loss(
    labels: Mapping[str, Int[np.ndarray, "seeds rows"]], *, split: str, classes: int
) -> Float[np.ndarray, " seeds"]:
    """Mean log-loss of each seed's base rates on a split, in nats; infinite where training rows lack a class of it.

    Args:
        labels: of "train" and of the split, integers from 0 to `classes` - 1.
        split: whose rows are predicted.
        classes: how many there are.

    >>> base_rate_loss({"train": np.array([[0, 0, 1, 1]]), "test": np.array([[0, 1]])}, split="test", classes=2)
    array([0.69314718])
    """
    counts = np.stack([np.bincount(row, minlength=classes) for row in labels["train"]])
    with np.errstate(divide="ignore"):
        losses = -np.log(counts / counts.sum(axis=1, keepdims=True))
    return np.asarray(np.take_along_axis(losses, labels[split], axis=1).mean(axis=1))
