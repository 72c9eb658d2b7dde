"""Inputs of a stack: the features of its seeds' rows, held where they are few, else encoded as they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.data.seed_data import Features, SeedData
from pipeline.training.device import CPU, place

HELD = 1 << 23  # numbers, 32 MiB: fewer are held, which saves encoding them at every step; the bits are the same


class Inputs:
    """Features (seed, row, feature) of every split, on the device.

    Attributes:
        splits: those that there are; beside the usual ones some without labels, of which logits are wanted.
        rows: how many there are of each split.
        width: number of features.
    """

    def __init__(self, parts: Sequence[SeedData], dtype: torch.dtype, device: str = CPU) -> None:
        self.parts, self.dtype, self.device = parts, dtype, device
        self.seeds = place(torch.arange(len(parts)).unsqueeze(1), device)
        self.splits = tuple(parts[0].features)
        self.rows = {split: parts[0].rows(split) for split in self.splits}
        self.width = parts[0].take(self.splits[0], slice(0)).shape[1]
        few = len(parts) * sum(self.rows.values()) * self.width <= HELD
        self.held = {split: self._stack([part.features[split] for part in parts]) for split in self.splits if few}

    def take(self, split: str, rows: Tensor) -> Tensor:
        """Features (seed, batch, feature) of the rows (seed, batch), numbers on the CPU, of a split."""
        if split in self.held:
            return self.held[split][self.seeds, place(rows, self.device)]
        return self._stack([part.take(split, of_seed) for part, of_seed in zip(self.parts, rows.numpy(), strict=True)])

    def blocks(self, split: str, size: int) -> Iterator[Tensor]:
        """Features (seed, row, feature) of all rows of a split in their order, `size` rows at a time."""
        if split in self.held:
            yield from torch.split(self.held[split], size, 1)
            return
        for start in range(0, self.rows[split], size):
            yield self._stack([part.take(split, slice(start, start + size)) for part in self.parts])

    def _stack(self, features: Sequence[Features]) -> Tensor:
        return place(torch.from_numpy(np.stack(features)).to(self.dtype), self.device)
