"""The interface of networks that are trained in stacks: a row of weights for each member, predictions and gradients.

A member's parameters are one row of a flat (member, parameter) tensor: decayed weights first, then biases and
norm parameters, then running statistics. Every array starts on a multiple of 16 numbers, so that vector kernels
treat it alike whatever it is stacked with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.rng import Purpose, generator

ALIGNMENT = 16
Arrays = Mapping[str, Tensor]
Masks = Sequence[Tensor]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Where each array lies in a member's row of numbers.

    Attributes:
        offsets: by name the number at which the array starts, and its shape without the member axis.
        decayed: numbers, from the first, that weight decay, L2 and their norms concern.
        trained: numbers, from the first, that have a gradient.
        size: all numbers, with running statistics and padding.
    """

    offsets: Mapping[str, tuple[int, Shape]]
    decayed: int
    trained: int
    size: int

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The arrays (member, ...) inside a flat (member, parameter) tensor, sharing its memory."""
        return {
            name: flat[:, start : start + prod(shape)].view(len(flat), *shape)
            for name, (start, shape) in self.offsets.items()
            if start + prod(shape) <= flat.shape[1]
        }


def lay_out(*, decayed: Mapping[str, Shape], others: Mapping[str, Shape], running: Mapping[str, Shape]) -> Layout:
    """Lay arrays out in one row: weights that decay, others that are trained, and statistics that only follow."""
    offsets: dict[str, tuple[int, Shape]] = {}
    ends, position = [], 0
    for group in (decayed, others, running):
        for name, shape in group.items():
            offsets[name] = (position, shape)
            position += -(-prod(shape) // ALIGNMENT) * ALIGNMENT
        ends.append(position)
    return Layout(offsets, decayed=ends[0], trained=ends[1], size=ends[2])


class Workspace(ABC):
    """Forward and backward pass of a training step, for one number of members and rows."""

    @abstractmethod
    def forward(self, arrays: Arrays, x: Tensor, masks: Masks | None) -> Tensor:
        """Logits (member, row, class) of inputs (member, row, feature) in training mode."""

    @abstractmethod
    def backward(self, arrays: Arrays, gradients: Arrays, x: Tensor, masks: Masks | None, delta: Tensor) -> None:
        """Fill `gradients` given `delta`, the loss's gradient with respect to the logits of the last `forward`."""


class Network(ABC):
    """One kind of network, of one size."""

    block: ClassVar[int] = 256  # rows of an evaluation; fixed, since a product's bits may depend on its shape

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Where its arrays lie."""

    @property
    @abstractmethod
    def limited(self) -> Sequence[str]:
        """Names of the weights (in, out) into hidden units, whose norms may be limited."""

    @abstractmethod
    def layers(self) -> Iterable[tuple[int, Sequence[str]]]:
        """For each layer, n and the names of the arrays that begin as U(-1/sqrt(n), 1/sqrt(n))."""

    @abstractmethod
    def masks(self, rows: int) -> list[Shape]:
        """The shape, without the member axis, of each mask that dropout draws for so many rows."""

    @abstractmethod
    def predict(self, arrays: Arrays, x: Tensor, masks: Masks | None = None) -> Tensor:
        """Logits (member, row, class) of inputs (member, row, feature), with the statistics of eval mode.

        `masks` scale units as in training; None is all ones.
        """

    @abstractmethod
    def workspace(self, like: Tensor, members: int, rows: int) -> Workspace:
        """What a training step on so many members and rows needs; numbers have the type of `like`."""

    def initial(self, seed: int) -> NDArray[np.float32]:
        """A member's first row: PyTorch's defaults. The numbers depend on the seed, the layer and its shape alone.

        Reference: `reset_parameters` of `torch.nn.Linear`, `torch.nn.Conv2d` and `torch.nn.GRU`.
        """
        row = np.zeros(self.layout.size, np.float32)
        for layer, (n, names) in enumerate(self.layers()):
            draw = generator(seed, Purpose.WEIGHTS, layer)
            for name in names:
                start, shape = self.layout.offsets[name]
                unit = draw.random(prod(shape), dtype=np.float32) * 2 - 1
                row[start : start + prod(shape)] = unit * np.float32(1 / sqrt(n))
        return row


def split_masks(flat: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Cut (member, unit) into masks (member, ...) of these shapes, sharing its memory."""
    parts = torch.split(flat, [prod(shape) for shape in shapes], 1)
    return [part.view(len(flat), *shape) for part, shape in zip(parts, shapes, strict=True)]


class Differentiable(Network):
    """A kind whose `predict` is all there is to it: training is no other pass, and autograd derives the gradients."""

    def workspace(self, like: Tensor, members: int, rows: int) -> Workspace:  # noqa: ARG002, D102
        return Recorded(self)


class Recorded(Workspace):
    """Passes that `torch.autograd` records and plays backwards, inside of `torch.inference_mode` too.

    What is made there cannot be recorded, so the passes work on copies.
    """

    def __init__(self, network: Differentiable) -> None:
        self.network = network

    def forward(self, arrays: Arrays, x: Tensor, masks: Masks | None) -> Tensor:  # noqa: D102
        with torch.inference_mode(False), torch.enable_grad():
            self.leaves = {name: array.clone().requires_grad_() for name, array in arrays.items()}
            copies = None if masks is None else [mask.clone() for mask in masks]
            self.logits = self.network.predict(self.leaves, x.clone(), copies)
        return self.logits.detach()

    def backward(  # noqa: D102
        self,
        arrays: Arrays,  # noqa: ARG002
        gradients: Arrays,
        x: Tensor,  # noqa: ARG002
        masks: Masks | None,  # noqa: ARG002
        delta: Tensor,
    ) -> None:
        with torch.inference_mode(False):
            derived = torch.autograd.grad(self.logits, list(self.leaves.values()), delta.clone())
        for name, gradient in zip(self.leaves, derived, strict=True):
            gradients[name].copy_(gradient)
