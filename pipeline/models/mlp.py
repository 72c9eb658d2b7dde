"""Multilayer perceptrons as stacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.models.network import Arrays, Layout, Masks, Network, Shape, Workspace, lay_out

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


@dataclass(frozen=True)
class Perceptron(Network):
    """Layer widths from features to classes, ReLUs between, and whether hidden layers are batch-normalized.

    Dropout acts on every hidden unit.
    """

    widths: tuple[int, ...]
    batch_norm: bool

    @property
    def depth(self) -> int:
        """Number of weight matrices."""
        return len(self.widths) - 1

    @cached_property
    def layout(self) -> Layout:  # noqa: D102
        sizes = list(enumerate(pairwise(self.widths)))
        normed = list(enumerate(self.widths[1:-1])) if self.batch_norm else []
        biases = {f"bias{layer}": (1, width) for layer, (_, width) in sizes}
        return lay_out(
            decayed={f"weight{layer}": size for layer, size in sizes},
            others=biases | {f"{name}{layer}": (1, width) for layer, width in normed for name in ("gain", "shift")},
            running={f"{name}{layer}": (1, width) for layer, width in normed for name in ("mean", "variance")},
        )

    @property
    def limited(self) -> Sequence[str]:  # noqa: D102
        return [f"weight{layer}" for layer in range(self.depth - 1)]

    def layers(self) -> Iterator[tuple[int, Sequence[str]]]:  # noqa: D102
        yield from ((width, (f"weight{layer}", f"bias{layer}")) for layer, width in enumerate(self.widths[:-1]))

    def initial(self, seed: int) -> NDArray[np.float32]:  # noqa: D102
        row = super().initial(seed)
        for name, (start, (_, width)) in self.layout.offsets.items():
            if name.startswith(("gain", "variance")):
                row[start : start + width] = 1
        return row

    def masks(self, rows: int) -> list[Shape]:  # noqa: D102
        return [(rows, width) for width in self.widths[1:-1]]

    def predict(self, arrays: Arrays, x: Tensor, masks: Masks | None = None) -> Tensor:  # noqa: D102
        for layer in range(self.depth):
            x = torch.baddbmm(arrays[f"bias{layer}"], x, arrays[f"weight{layer}"])
            if layer == self.depth - 1:
                break
            if self.batch_norm:
                scale = torch.rsqrt(arrays[f"variance{layer}"] + BATCH_NORM_EPSILON) * arrays[f"gain{layer}"]
                x = x.sub_(arrays[f"mean{layer}"]).mul_(scale).add_(arrays[f"shift{layer}"])
            x = x.clamp_min_(0)
            if masks is not None:
                x = x.mul_(masks[layer])
        return x

    def workspace(self, like: Tensor, members: int, rows: int) -> Workspace:  # noqa: D102
        return Buffers(self, like, members, rows)


class Buffers(Workspace):
    """Passes of a perceptron in buffers that are made once and used again.

    The backward pass is written by hand: a step then allocates nothing, and every gradient lands in its place in
    the flat gradient. Tested against `torch.autograd` in float64.
    """

    def __init__(self, network: Perceptron, like: Tensor, members: int, rows: int) -> None:
        def make(width: int) -> Tensor:
            return like.new_empty(members, rows, width)

        self.network = network
        hidden = network.widths[1:-1]
        self.outputs = [make(width) for width in network.widths[1:]]
        self.deltas = [make(width) for width in hidden]
        self.normalized = [make(width) for width in hidden] if network.batch_norm else []
        self.spread: list[Tensor] = [like.new_empty(0)] * len(hidden)

    def forward(self, arrays: Arrays, x: Tensor, masks: Masks | None) -> Tensor:
        """Logits in training mode; running statistics are updated in place (Ioffe & Szegedy 2015, algorithm 1)."""
        for layer, out in enumerate(self.outputs):
            torch.baddbmm(arrays[f"bias{layer}"], x, arrays[f"weight{layer}"], out=out)
            if layer == self.network.depth - 1:
                break
            if self.network.batch_norm:
                self._normalize(arrays, layer)
            out.clamp_min_(0)
            if masks is not None:
                out.mul_(masks[layer])
            x = out
        return self.outputs[-1]

    def backward(  # noqa: D102
        self, arrays: Arrays, gradients: Arrays, x: Tensor, masks: Masks | None, delta: Tensor
    ) -> None:
        for layer in reversed(range(self.network.depth)):
            below = self.outputs[layer - 1] if layer else x
            torch.bmm(below.transpose(1, 2), delta, out=gradients[f"weight{layer}"])
            torch.sum(delta, 1, keepdim=True, out=gradients[f"bias{layer}"])
            if layer == 0:
                break
            up = torch.bmm(delta, arrays[f"weight{layer}"].transpose(1, 2), out=self.deltas[layer - 1])
            if masks is not None:
                up.mul_(masks[layer - 1])
            # an output above zero had a positive input and was kept: the ReLU's derivative is read off it
            delta = torch.ops.aten.threshold_backward.grad_input(up, below, 0, grad_input=up)
            if self.network.batch_norm:
                self._normalize_backward(arrays, gradients, layer - 1)

    def _normalize(self, arrays: Arrays, layer: int) -> None:
        out, unit = self.outputs[layer], self.normalized[layer]
        rows = out.shape[1]
        mean = out.mean(1, keepdim=True)
        torch.sub(out, mean, out=unit)
        variance = (unit * unit).mean(1, keepdim=True)
        self.spread[layer] = torch.rsqrt(variance + BATCH_NORM_EPSILON)
        unit.mul_(self.spread[layer])
        torch.mul(unit, arrays[f"gain{layer}"], out=out).add_(arrays[f"shift{layer}"])
        arrays[f"mean{layer}"].lerp_(mean, BATCH_NORM_MOMENTUM)
        arrays[f"variance{layer}"].lerp_(variance * (rows / (rows - 1)), BATCH_NORM_MOMENTUM)

    def _normalize_backward(self, arrays: Arrays, gradients: Arrays, layer: int) -> None:
        delta, unit = self.deltas[layer], self.normalized[layer]
        along = delta * unit
        torch.sum(along, 1, keepdim=True, out=gradients[f"gain{layer}"])
        torch.sum(delta, 1, keepdim=True, out=gradients[f"shift{layer}"])
        rows = delta.shape[1]
        delta.sub_(gradients[f"shift{layer}"] / rows).sub_(unit * (gradients[f"gain{layer}"] / rows))
        delta.mul_(arrays[f"gain{layer}"] * self.spread[layer])
