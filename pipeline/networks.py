"""Multilayer perceptrons as stacks: one tensor holds the parameters of all members.

A member's parameters are one row of a flat (member, parameter) tensor: decayed weights first, then biases and
norm parameters, then running statistics. Every array starts on a multiple of 16 numbers, so that vector kernels
treat it alike whatever it is stacked with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.noise import Purpose, generator

ALIGNMENT = 16
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


@dataclass(frozen=True)
class Architecture:
    """Layer widths from features to classes, and whether hidden layers are batch-normalized."""

    widths: tuple[int, ...]
    batch_norm: bool

    @property
    def depth(self) -> int:
        """Number of weight matrices."""
        return len(self.widths) - 1


@dataclass(frozen=True)
class Layout:
    """Where each array lies in a member's row: name -> (first number, shape)."""

    places: Mapping[str, tuple[int, tuple[int, ...]]]
    decayed: int
    trained: int
    size: int

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The arrays (member, ...) inside a flat (member, parameter) tensor, sharing its memory."""
        return {
            name: flat[:, start : start + prod(shape)].view(len(flat), *shape)
            for name, (start, shape) in self.places.items()
            if start + prod(shape) <= flat.shape[1]
        }


def _shapes(architecture: Architecture) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(group, name, shape) of every array, in the order of the row."""
    sizes = list(zip(architecture.widths[:-1], architecture.widths[1:], strict=True))
    hidden = list(enumerate(architecture.widths[1:-1])) if architecture.batch_norm else []
    yield from (("decayed", f"weight{layer}", shape) for layer, shape in enumerate(sizes))
    yield from (("trained", f"bias{layer}", (1, width)) for layer, (_, width) in enumerate(sizes))
    yield from (("trained", f"{name}{layer}", (1, width)) for layer, width in hidden for name in ("gain", "shift"))
    yield from (("running", f"{name}{layer}", (1, width)) for layer, width in hidden for name in ("mean", "variance"))


def layout(architecture: Architecture) -> Layout:
    """Lay the arrays of an architecture out in one row."""
    places: dict[str, tuple[int, tuple[int, ...]]] = {}
    ends = {"decayed": 0, "trained": 0, "running": 0}
    position = 0
    for group, name, shape in _shapes(architecture):
        places[name] = (position, shape)
        position += -(-prod(shape) // ALIGNMENT) * ALIGNMENT
        ends[group] = position
    return Layout(places, decayed=ends["decayed"], trained=ends["trained"], size=position)


def initial(architecture: Architecture, seed: int) -> NDArray[np.float32]:
    """A member's first row: PyTorch's default for linear layers, U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    The numbers depend on the seed, the layer and its shape alone. Reference: `torch.nn.Linear.reset_parameters`.
    """
    plan = layout(architecture)
    row = np.zeros(plan.size, np.float32)
    for layer, fan_in in enumerate(architecture.widths[:-1]):
        draw = generator(seed, Purpose.WEIGHTS, layer)
        for name in ("weight", "bias"):
            start, shape = plan.places[f"{name}{layer}"]
            unit = draw.random(prod(shape), dtype=np.float32) * 2 - 1
            row[start : start + prod(shape)] = unit * np.float32(1 / sqrt(fan_in))
    for name, (start, shape) in plan.places.items():
        if name.startswith(("gain", "variance")):
            row[start : start + prod(shape)] = 1
    return row


def predict(architecture: Architecture, arrays: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Logits (member, row, class) of inputs (member, row, feature) in eval mode."""
    for layer in range(architecture.depth):
        x = torch.baddbmm(arrays[f"bias{layer}"], x, arrays[f"weight{layer}"])
        if layer == architecture.depth - 1:
            break
        if architecture.batch_norm:
            scale = torch.rsqrt(arrays[f"variance{layer}"] + BATCH_NORM_EPSILON) * arrays[f"gain{layer}"]
            x = x.sub_(arrays[f"mean{layer}"]).mul_(scale).add_(arrays[f"shift{layer}"])
        x = x.clamp_min_(0)
    return x


class Workspace:
    """Forward and backward pass of a training step, in buffers that are made once and used again.

    The backward pass is written by hand: a step then allocates nothing, and every gradient lands in its place in
    the flat gradient. Tested against `torch.autograd` in float64.
    """

    def __init__(self, architecture: Architecture, like: Tensor, members: int, batch: int) -> None:
        def make(width: int) -> Tensor:
            return like.new_empty(members, batch, width)

        self.architecture = architecture
        hidden = architecture.widths[1:-1]
        self.outputs = [make(width) for width in architecture.widths[1:]]
        self.masks = [make(width) for width in hidden]
        self.deltas = [make(width) for width in hidden]
        self.normalized = [make(width) for width in hidden] if architecture.batch_norm else []
        self.spread: list[Tensor] = [like.new_empty(0)] * len(hidden)

    def forward(self, arrays: Mapping[str, Tensor], x: Tensor, masks: list[Tensor] | None) -> Tensor:
        """Logits (member, batch, class) in training mode; `masks` scale each hidden layer's units, None is all ones.

        Running statistics of batch normalization are updated in place (Ioffe & Szegedy 2015, algorithm 1).
        """
        for layer, out in enumerate(self.outputs):
            torch.baddbmm(arrays[f"bias{layer}"], x, arrays[f"weight{layer}"], out=out)
            if layer == self.architecture.depth - 1:
                break
            if self.architecture.batch_norm:
                self._normalize(arrays, layer)
            out.clamp_min_(0)
            if masks is not None:
                out.mul_(masks[layer])
            x = out
        return self.outputs[-1]

    def backward(
        self,
        arrays: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        x: Tensor,
        masks: list[Tensor] | None,
        delta: Tensor,
    ) -> None:
        """Fill `gradients` given `delta`, the loss's gradient with respect to the logits of the last `forward`."""
        for layer in reversed(range(self.architecture.depth)):
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
            if self.architecture.batch_norm:
                self._normalize_backward(arrays, gradients, layer - 1)

    def _normalize(self, arrays: Mapping[str, Tensor], layer: int) -> None:
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

    def _normalize_backward(self, arrays: Mapping[str, Tensor], gradients: Mapping[str, Tensor], layer: int) -> None:
        delta, unit = self.deltas[layer], self.normalized[layer]
        along = delta * unit
        torch.sum(along, 1, keepdim=True, out=gradients[f"gain{layer}"])
        torch.sum(delta, 1, keepdim=True, out=gradients[f"shift{layer}"])
        rows = delta.shape[1]
        delta.sub_(gradients[f"shift{layer}"] / rows).sub_(unit * (gradients[f"gain{layer}"] / rows))
        delta.mul_(arrays[f"gain{layer}"] * self.spread[layer])
