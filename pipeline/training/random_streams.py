"""Random streams of a stack: pure functions of seed, purpose and step, shared by all members of a seed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.rng import Purpose, generator, uniform16
from pipeline.training.ahead import Ahead, at_once
from pipeline.training.device import CPU, pinned, place


class RandomStreams:
    """Random numbers by seed, and how what is by seed becomes what is by member.

    They are drawn by the CPU wherever a stack trains, once for all members of a seed, and spread on the device.

    Attributes:
        seed_index: place among `seeds` of each member's seed (member,), on the CPU; `_index` is the same on the device.
    """

    def __init__(self, member_seeds: Sequence[int], device: str = CPU) -> None:
        self.device = device
        self.seeds = sorted(set(member_seeds))
        self.seed_index = torch.tensor([self.seeds.index(seed) for seed in member_seeds])
        self._index = place(self.seed_index, device)
        self._drawn = at_once if device == CPU else Ahead()

    def keep(self, rows: Tensor) -> None:
        """Keep only the members in these rows; their seeds' data stay where they are."""
        self.seed_index = self.seed_index[rows]
        self._index = place(self.seed_index, self.device)

    def by_member(self, by_seed: Tensor) -> Tensor:
        """(seed, ...) on the device as (member, ...)."""
        return by_seed.index_select(0, self._index)

    def orders(self, epoch: int, rows: int) -> Tensor:
        """A permutation of the training rows (seed, row) for an epoch, on the CPU."""
        draws = [generator(seed, Purpose.ORDER, epoch).permutation(rows) for seed in self.seeds]
        return torch.from_numpy(np.stack(draws))

    def uniforms16(self, purpose: Purpose, step: int, shape: Sequence[int]) -> Tensor:
        """16-bit integers (member, *shape), uniform on -32768..32767."""
        size = prod(shape)
        by_seed = self._by_seed(lambda seed, at: uniform16(seed, purpose, at, size), step, (purpose, size))
        return self.by_member(by_seed).view(-1, *shape)

    def ranks(self, purpose: Purpose, step: int, x: Tensor) -> Tensor:
        """A permutation of 0..feature-1 for each row, in the shape (member, batch, feature) of `x`."""
        shape = x.shape[1:]

        def draw(seed: int, at: int) -> NDArray[np.int16]:
            order = np.argsort(uniform16(seed, purpose, at, prod(shape)).reshape(shape), axis=-1, kind="stable")
            return np.argsort(order, axis=-1).astype(np.int16)

        return self.by_member(self._by_seed(draw, step, (purpose, shape)))

    def normals(self, purpose: Purpose, step: int, x: Tensor) -> Tensor:
        """Standard normal numbers in the shape (member, batch, feature) and the type of `x`."""
        shape = x.shape[1:]

        def draw(seed: int, at: int) -> NDArray[np.float32]:
            return generator(seed, purpose, at).standard_normal(shape, np.float32)

        return self.by_member(self._by_seed(draw, step, (purpose, shape)).to(x.dtype))

    def beta_quantiles(self, purpose: Purpose, steps: int, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantiles (step, member) of Beta(alpha, alpha) at the seeds' uniforms; 1 where alpha (member,) is 0."""
        from scipy.special import betaincinv  # noqa: PLC0415  (0.2 s that most stacks do without)

        uniforms = np.stack([generator(seed, purpose).random(steps) for seed in self.seeds], 1)
        shape = np.where(alpha > 0, alpha, 1)
        quantiles = betaincinv(shape, shape, uniforms[:, self.seed_index.numpy()])
        weights: NDArray[np.float64] = np.where(alpha > 0, quantiles, 1)
        return weights

    def _by_seed(self, draw: Callable[[int, int], NDArray[Any]], step: int, stream: Hashable) -> Tensor:
        """What is drawn for every seed at a step of the stream of this name, stacked (seed, ...), on the device."""

        def of_step(at: int) -> Tensor:
            return pinned(torch.from_numpy(np.stack([draw(seed, at) for seed in self.seeds])), self.device)

        return place(self._drawn(of_step, step, stream), self.device)
