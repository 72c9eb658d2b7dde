"""Convolutional networks as stacks: square images, convolutions as matrix products over all patches of a batch.

`torch.conv2d` with a group for each member may choose its kernel by their number, and a member's bits with it;
a batch of matrix products does not. The batch is the last axis, so that every kernel runs along it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from pipeline.models.network import Arrays, Differentiable, Layout, Masks, Shape, lay_out

PATCH = 9  # of a 3x3 convolution


@dataclass(frozen=True)
class Convolution(Differentiable):
    """For each number of channels a 3x3 convolution with padding 1, ReLU and 2x2 max pooling; then a linear layer.

    Pooling drops the last row and column of a map with an odd side, as `torch.nn.MaxPool2d` does, and leaves a map of
    one pixel as it is. Dropout acts on the pooled maps: on every unit, or if `shared` on whole channels.
    """

    block: ClassVar[int] = 64  # patches take nine times as much memory as what they are cut from
    side: int
    channels: tuple[int, ...]
    classes: int
    shared: bool

    @cached_property
    def sides(self) -> list[int]:
        """Side of the image, then of every layer's pooled maps."""
        sides = [self.side]
        for _ in self.channels:
            sides.append(max(sides[-1] // 2, 1))
        return sides

    @cached_property
    def layout(self) -> Layout:  # noqa: D102
        inputs = [fan_in for fan_in, _ in self.layers()]
        outputs = [*self.channels, self.classes]
        sizes = list(enumerate(zip(inputs, outputs, strict=True)))
        return lay_out(
            decayed={f"weight{layer}": size for layer, size in sizes},
            others={f"bias{layer}": (1, width) for layer, (_, width) in sizes},
            running={},
        )

    @property
    def limited(self) -> Sequence[str]:  # noqa: D102
        return [f"weight{layer}" for layer in range(len(self.channels))]

    def layers(self) -> Iterator[tuple[int, Sequence[str]]]:  # noqa: D102
        last = [1, *self.channels][-1] * self.sides[-1] ** 2
        inputs = [PATCH * channels for channels in [1, *self.channels][:-1]]
        yield from ((fan_in, (f"weight{layer}", f"bias{layer}")) for layer, fan_in in enumerate([*inputs, last]))

    def masks(self, rows: int) -> list[Shape]:  # noqa: D102
        maps = zip(self.channels, self.sides[1:], strict=True)
        return [(channels, *((1, 1) if self.shared else (side, side)), rows) for channels, side in maps]

    def predict(self, arrays: Arrays, x: Tensor, masks: Masks | None = None) -> Tensor:  # noqa: D102
        members, rows = x.shape[:2]
        maps = x.transpose(1, 2).reshape(members, 1, self.side, self.side, rows)
        for layer, (side, after) in enumerate(pairwise(self.sides)):
            weight, bias = (arrays[f"{name}{layer}"].transpose(1, 2) for name in ("weight", "bias"))
            maps = torch.baddbmm(bias, weight, patches(maps)).view(members, -1, side, side, rows)
            maps = torch.relu(maps if side == 1 else pool(maps, after))
            maps = maps if masks is None else maps * masks[layer]
        last = len(self.channels)
        return torch.baddbmm(
            arrays[f"bias{last}"], maps.reshape(members, -1, rows).transpose(1, 2), arrays[f"weight{last}"]
        )


def patches(maps: Tensor) -> Tensor:
    """Every 3x3 patch of padded maps (member, channel, side, side, row), as (member, channel * 9, pixel * row)."""
    members, channels, side, _, rows = maps.shape
    padded = pad(maps, (0, 0, 1, 1, 1, 1))
    shifts = [padded[:, :, down : down + side, right : right + side] for down in range(3) for right in range(3)]
    return torch.stack(shifts, 2).view(members, channels * PATCH, side * side * rows)


def pool(maps: Tensor, side: int) -> Tensor:
    """The largest of every 2x2 pixels, as maps (member, channel, side, side, row)."""
    even = maps[:, :, : 2 * side, : 2 * side]
    tall = _maximum(even[:, :, 0::2], even[:, :, 1::2])
    return _maximum(tall[:, :, :, 0::2], tall[:, :, :, 1::2])


def _maximum(first: Tensor, second: Tensor) -> Tensor:
    """The elementwise maximum; products, as the gradient of `torch.maximum` takes several times as long."""
    takes_first = (first >= second).to(first.dtype)
    return first * takes_first + second * (1 - takes_first)
