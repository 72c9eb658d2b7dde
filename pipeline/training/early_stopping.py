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
from pipeline.training.device import place

EVEN, ODD = slice(0, None, 2), slice(1, None, 2)
SEEN = (slice(None), ODD, EVEN)
"""The validation rows that choose an epoch: all of them for use; half of them to predict the other half, `HELD_OUT`."""
HELD_OUT = (EVEN, ODD)
TOGETHER = 1 << 22
"""Logits that are calibrated together, at most, in whole members."""
LOOKS = 200
"""Of so many epochs at most the weights are looked at, evenly spaced: a calibrator at every look takes its time."""


class EarlyStopping:
    """The weights that each member keeps so far, `kept` (3, member, parameter), and of which epochs (3, member).

    A member without early stopping keeps the last ones. One with `nll` keeps those with the best validation NLL; one
    with `nll_calibrated` the best after calibration ("refine, then calibrate"; Berta et al. 2025). Training goes on for
    the others in the stack; a member that has run out of patience keeps no later weights.

    The first are chosen by all validation rows, for use. Rows that have chosen the weights that predict them look too
    good, so the second are chosen by odd rows and predict even ones, the third the other way around.

    Attributes:
        every: epochs from one look to the next; more than 1 only where there are more than `LOOKS`.
    """

    def __init__(self, points: Sequence[Point], flat: Tensor) -> None:
        self.every, self.device = -(-points[0].epochs // LOOKS), points[0].device
        rules = np.array([point.early_stopping for point in points])
        self.plain, self.calibrated = rules == "nll", rules == "nll_calibrated"
        self.patience = np.array([point.patience or np.iinfo(np.int64).max for point in points])
        shape = len(SEEN), len(points)
        self.best = np.full(shape, inf)
        self.epochs, self.waited = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.flat, self.kept = flat, flat.repeat(len(SEEN), 1, 1)

    @property
    def ruled(self) -> NDArray[np.bool_]:
        """The members (member,) that stop early."""
        ruled: NDArray[np.bool_] = self.plain | self.calibrated
        return ruled

    @property
    def used(self) -> Tensor:
        """The weights (3, member, parameter) that would be used by now: kept by a rule, else the last."""
        return torch.where(place(torch.from_numpy(self.ruled), self.device)[:, None], self.kept, self.flat)

    def looks_at(self, epoch: int) -> bool:
        """Whether the weights after so many epochs, counted from 1, may be kept by a member that stops early."""
        return bool(self.ruled.any()) and epoch % self.every == 0

    def keep(self, members: Sequence[int], flat: Tensor) -> None:
        """Keep only these members, by their numbers; their weights are now these."""
        for name in ("plain", "calibrated", "patience", "best", "epochs", "waited"):
            setattr(self, name, getattr(self, name)[..., members])
        self.flat, self.kept = flat, self.kept[:, place(torch.tensor(members), self.device)]

    def update(self, epoch: int, logits: Tensor, labels: NDArray[np.int64]) -> None:
        """Keep the current weights of the members that have no rule, or that are better than ever and not done.

        Args:
            epoch: number of epochs done, from 1.
            logits: of the validation rows (member, row, class), in eval mode, on the CPU.
            labels: of these rows (member, row).
        """
        scores = np.stack([self._scores(logits[:, rows], labels[:, rows]) for rows in SEEN])
        better = ~self.ruled | ((scores < self.best) & (self.waited < self.patience))
        self.waited = np.where(self.waited >= self.patience, self.waited, np.where(better, 0, self.waited + self.every))
        self.best = np.where(better, scores, self.best)
        self.epochs = np.where(better, epoch, self.epochs)
        for kept, rows in zip(self.kept, better, strict=True):
            members = place(torch.from_numpy(np.flatnonzero(rows)), self.device)
            kept[members] = self.flat[members]

    def _scores(self, logits: Tensor, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each member (member,) is judged by: its NLL, as trained or after calibration."""
        scores = negative_log_likelihood(logits, torch.from_numpy(labels))
        values = logits.numpy()
        fits = np.flatnonzero(self.calibrated & np.isfinite(values).all((1, 2)))  # a diverged member has no calibrator
        size = max(1, TOGETHER // values[0].size)
        for some in (fits[start : start + size] for start in range(0, fits.size, size)):
            calibrated = calibrate(values[some], fit_calibrator(values[some], labels[some]))
            scores[some] = negative_log_likelihood(torch.from_numpy(calibrated), torch.from_numpy(labels[some]))
        return scores


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Mean plain cross-entropy (member,) of logits (member, row, class), in float64."""
    logs = torch.empty(labels.shape, dtype=torch.float64)
    for of_member, rows, truth in zip(logs, logits, labels, strict=True):  # one by one: 64 bits of all would be much
        of_member.copy_(torch.log_softmax(rows.double(), -1).gather(-1, truth.unsqueeze(-1)).squeeze(-1))
    losses: NDArray[np.float64] = -logs.numpy().mean(-1)
    return losses
