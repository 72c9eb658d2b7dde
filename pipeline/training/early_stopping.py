"""Early stopping: the epoch whose weights each member of a stack keeps."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.calibration.calibrator import calibrate, fit_calibrator
from pipeline.config.points import Point


class EarlyStopping:
    """The weights that each member keeps so far, `kept` (member, parameter), and of which epoch, `epochs` (member,).

    A member without early stopping keeps the last ones. One with `nll` keeps those with the best validation NLL; one
    with `nll_calibrated` the best after calibration ("refine, then calibrate"; Berta et al. 2025). Training goes on for
    the others in the stack; a member that has run out of patience keeps no later weights.
    """

    def __init__(self, points: Sequence[Point], flat: Tensor) -> None:
        rules = np.array([point.early_stopping for point in points])
        self.plain, self.calibrated = rules == "nll", rules == "nll_calibrated"
        self.patience = np.array([point.patience or np.iinfo(np.int64).max for point in points])
        self.best = np.full(len(points), inf)
        self.epochs = np.zeros(len(points), np.int64)
        self.flat, self.kept = flat, flat.clone()
        self.waited = np.zeros(len(points), np.int64)

    @property
    def ruled(self) -> NDArray[np.bool_]:
        """The members (member,) that stop early."""
        ruled: NDArray[np.bool_] = self.plain | self.calibrated
        return ruled

    @property
    def used(self) -> Tensor:
        """The weights (member, parameter) that each would be used with by now: kept by its rule, else the last."""
        ruled = self.ruled
        return torch.where(torch.from_numpy(ruled)[:, None], self.kept, self.flat) if ruled.any() else self.flat

    def keep(self, members: Sequence[int], flat: Tensor) -> None:
        """Keep only these members, by their numbers; their weights are now these."""
        for name in ("plain", "calibrated", "patience", "best", "epochs", "waited"):
            setattr(self, name, getattr(self, name)[members])
        self.flat, self.kept = flat, self.kept[torch.tensor(members)]

    def update(self, epoch: int, logits: Tensor, labels: NDArray[np.int64]) -> None:
        """Keep the current weights of the members that have no rule, or that are better than ever and not done.

        Args:
            epoch: number of epochs done, from 1.
            logits: of the validation rows (member, row, class), in eval mode.
            labels: of these rows (member, row).
        """
        score = negative_log_likelihood(logits, torch.from_numpy(labels))
        values = logits.numpy()
        fits = np.flatnonzero(self.calibrated & np.isfinite(values).all((1, 2)))  # a diverged member has no calibrator
        if fits.size:
            calibrated = calibrate(values[fits], fit_calibrator(values[fits], labels[fits]))
            score[fits] = negative_log_likelihood(torch.from_numpy(calibrated), torch.from_numpy(labels[fits]))
        better = ~self.ruled | ((score < self.best) & (self.waited < self.patience))
        self.waited = np.where(self.waited >= self.patience, self.waited, np.where(better, 0, self.waited + 1))
        self.best = np.where(better, score, self.best)
        self.epochs = np.where(better, epoch, self.epochs)
        rows = torch.from_numpy(np.flatnonzero(better))
        self.kept[rows] = self.flat[rows]


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Mean plain cross-entropy (member,) of logits (member, row, class), in float64."""
    logs = torch.log_softmax(logits.double(), -1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    losses: NDArray[np.float64] = -logs.numpy().mean(-1)
    return losses
