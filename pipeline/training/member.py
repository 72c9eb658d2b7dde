"""What is trained, a point with one seed, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.points import Point

HISTORY_POINTS = 24


@dataclass(frozen=True)
class Member:
    """A point trained with one seed."""

    point: Point
    seed: int


@dataclass(frozen=True)
class Fitted:
    """What is kept of members, in their order.

    Attributes:
        logits: for each split (member, row, class), of the weights that the member would be used with; for features
            without labels too.
        history: measure -> (member, epoch): plain cross-entropy and accuracy in eval mode, at `history_epochs`.
        epochs: the epoch (member,) whose weights were kept.
        weights: these weights (member, size), laid out as `networks.build` says; (member, 0) unless wanted.
    """

    logits: Mapping[str, NDArray[np.float32]]
    history: Mapping[str, NDArray[np.float64]]
    epochs: NDArray[np.int64]
    weights: NDArray[np.float32]

    def row(self, member: int) -> Fitted:
        """One member of these."""
        one = slice(member, member + 1)
        return Fitted(
            {split: array[one] for split, array in self.logits.items()},
            {name: array[one] for name, array in self.history.items()},
            self.epochs[one],
            self.weights[one],
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
    """Epochs at which the history is measured: 0 (before training), then log-spaced to the last."""
    return np.unique(np.concatenate([[0], np.geomspace(1, epochs, HISTORY_POINTS).round().astype(np.int64)]))
