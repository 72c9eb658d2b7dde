"""Base rates: the predictor that knows the class frequencies of the training rows and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int


def base_rate_logits(
    labels: Mapping[str, Int[np.ndarray, "seeds rows"]], *, classes: int
) -> dict[str, Float32[np.ndarray, "seeds rows classes"]]:
    """For every row of each split, the logarithms of its seed's class frequencies: logits to be scored like a member's.

    That of a class which training rows lack is -inf, and the seed's scores are then not finite.

    Args:
        labels: By split, "train" among them, integers from 0 to `classes` - 1.
        classes: How many there are.

    >>> base_rate_logits({"train": np.array([[0, 0, 1, 1]])}, classes=2)["train"][0, 0]
    array([-0.6931472, -0.6931472], dtype=float32)
    """
    counts = np.stack([np.bincount(row, minlength=classes) for row in labels["train"]])
    with np.errstate(divide="ignore"):
        logits = np.log(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    return {split: np.repeat(logits[:, None], rows.shape[1], axis=1) for split, rows in labels.items()}
