"""What is trained, a point with one seed, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.points import Point

HISTORY = tuple(f"{split}/{metric}" for split in ("train", "validation") for metric in ("nll", "accuracy"))
HISTORY_POINTS = 24


@dataclass(frozen=True)
class Member:
    """A point that is trained with a seed."""

    point: Point
    seed: int


@dataclass(frozen=True)
class Fitted:
    """What is kept of fitted members, in their order.

    Attributes:
        logits: for each split (member, row, class), of the weights that the member would be used with; for features
            without labels too.
        history: by name of `HISTORY` (member, epoch): plain cross-entropy in nats and accuracy from 0 to 1, in eval
            mode, at `history_epochs`.
        epochs: the epoch (member,) whose weights were kept.
        weights: these weights (member, size), laid out as `models.build` says; (member, 0) unless wanted.
    """

    logits: Mapping[str, NDArray[np.float32]]
    history: Mapping[str, NDArray[np.float64]]
    epochs: NDArray[np.int64]
    weights: NDArray[np.float32]

    def row(self, member: int) -> Fitted:
        """One member of these."""
        row = slice(member, member + 1)
        return Fitted(
            {split: array[row] for split, array in self.logits.items()},
            {name: array[row] for name, array in self.history.items()},
            self.epochs[row],
            self.weights[row],
        )

    @staticmethod
    def join(parts: Sequence[Fitted]) -> Fitted:
        """Members of several, in order."""
        return Fitted(
            {split: np.concatenate([part.logits[split] for part in parts]) for split in parts[0].logits},
            {name: np.concatenate([part.history[name] for part in parts]) for name in parts[0].history},
            np.concatenate([part.epochs for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )


def history_epochs(epochs: int) -> NDArray[np.int64]:
    """Epochs at which the history is recorded: 0 (before training), then log-spaced to the last."""
    return np.unique(np.concatenate([[0], np.geomspace(1, epochs, HISTORY_POINTS).round().astype(np.int64)]))
