"""Timescale of weight decay in epochs: too long to matter, or too short to learn."""

from __future__ import annotations

import math
from typing import Literal

from pipeline.config.points import Point
from pipeline.core.strict_model import StrictModel

NO_OP = 0.05  # weights that nothing else moves lose less than this share over the training: as good as no decay
TOO_STRONG = 0.5  # or more than this share within an epoch


class DecayTimescale(StrictModel):
    """Over how many epochs weight decay averages, of how many, what share of a weight is lost, and a warning."""

    epochs: float
    of: int
    lost: float
    warning: Literal["no-op", "too strong"] | None


def decay_timescale(point: Point, rows: int) -> DecayTimescale | None:
    """Over how many epochs decoupled decay averages, 1 / (learning rate * decay) steps; None where it is off.

    `warning` is "no-op" where weights that nothing else moves lose less than a twentieth over the whole training, and
    "too strong" where they lose more than half within an epoch.

    Reference:
        Wang & Aitchison 2024, How to set AdamW's weight decay as you scale model and dataset size.
    """
    rate = point.learning_rate * point.weight_decay
    if not rate:
        return None
    steps = -(-rows // point.batch_size)
    epochs = 1 / (rate * steps)
    mean = 0.5 if point.schedule == "cosine" else 1.0  # of the learning rate over the whole training
    lost = 1 - math.exp(-mean * point.epochs / epochs)
    within_an_epoch = 1 - math.exp(-1 / epochs)
    warning: Literal["no-op", "too strong"] | None = (
        "no-op" if lost < NO_OP else "too strong" if within_an_epoch > TOO_STRONG else None
    )
    return DecayTimescale(epochs=epochs, of=point.epochs, lost=lost, warning=warning)


def zones(epochs: int) -> tuple[float, float]:
    """The timescales in epochs below which decay is too strong, and above which it is a no-op in so many epochs.

    >>> [round(end, 2) for end in zones(60)]
    [1.44, 1169.74]
    """
    return -1 / math.log1p(-TOO_STRONG), -epochs / math.log1p(-NO_OP)
