"""A network whose passes are of so many members at a time, so that no kernel sees how many there are altogether."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.models.network import Arrays, Layout, Masks, Network, Shape, Workspace


@dataclass(frozen=True)
class InBlocks(Network):
    """The same network, for stacks of `members`, twice as many, and so on."""

    network: Network
    members: int

    @property
    def block(self) -> int:  # type: ignore[override]
        """Rows of an evaluation."""
        return self.network.block

    @property
    def layout(self) -> Layout:  # noqa: D102
        return self.network.layout

    @property
    def limited(self) -> Sequence[str]:  # noqa: D102
        return self.network.limited

    def layers(self) -> Iterable[tuple[int, Sequence[str]]]:  # noqa: D102
        return self.network.layers()

    def masks(self, rows: int) -> list[Shape]:  # noqa: D102
        return self.network.masks(rows)

    def initial(self, seed: int) -> NDArray[np.float32]:  # noqa: D102
        return self.network.initial(seed)

    def predict(self, arrays: Arrays, x: Tensor, masks: Masks | None = None) -> Tensor:  # noqa: D102
        parts = blocks(len(x), self.members)
        return torch.cat([self.network.predict(_rows(arrays, p), x[p], _mask_rows(masks, p)) for p in parts])

    def workspace(self, like: Tensor, members: int, rows: int) -> Workspace:  # noqa: D102
        parts = blocks(members, self.members)
        return Parts([(part, self.network.workspace(like, self.members, rows)) for part in parts])


class Parts(Workspace):
    """The workspaces of all blocks."""

    def __init__(self, parts: Sequence[tuple[slice, Workspace]]) -> None:
        self.parts = parts

    def forward(self, arrays: Arrays, x: Tensor, masks: Masks | None) -> Tensor:  # noqa: D102
        return torch.cat([work.forward(_rows(arrays, p), x[p], _mask_rows(masks, p)) for p, work in self.parts])

    def backward(  # noqa: D102
        self, arrays: Arrays, gradients: Arrays, x: Tensor, masks: Masks | None, delta: Tensor
    ) -> None:
        for p, work in self.parts:
            work.backward(_rows(arrays, p), _rows(gradients, p), x[p], _mask_rows(masks, p), delta[p])


def blocks(members: int, size: int) -> list[slice]:
    """The members of each block.

    >>> blocks(6, 3)
    [slice(0, 3, None), slice(3, 6, None)]
    """
    assert members % size == 0
    return [slice(start, start + size) for start in range(0, members, size)]


def _rows(arrays: Arrays, part: slice) -> Arrays:
    return {name: array[part] for name, array in arrays.items()}


def _mask_rows(masks: Masks | None, part: slice) -> Masks | None:
    return None if masks is None else [mask[part] for mask in masks]
