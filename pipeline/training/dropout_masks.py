"""Dropout's masks of a stack: 0 where a unit is dropped, 1 / P(kept) elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from pipeline.core.rng import Purpose
from pipeline.models.network import Masks, Shape, split_masks
from pipeline.training import regularizers
from pipeline.training.random_streams import RandomStreams
from pipeline.training.strengths import Strengths


class DropoutMasks:
    """Masks drawn at the seeds' uniforms; those of hidden units lie in a buffer that is used again."""

    def __init__(self, streams: RandomStreams, strengths: Strengths) -> None:
        self.streams, self.strengths = streams, strengths
        self.buffers: dict[int, Tensor] = {}

    def like(self, name: str, purpose: Purpose, step: int, units: Tensor) -> Tensor:
        """The mask of `units` (member, batch, unit), at the rates of the strength of this name."""
        uniforms = self.streams.uniforms16(purpose, step, units.shape[1:])
        return regularizers.dropout_mask(uniforms, *self.strengths.dropped[name], out=torch.empty_like(units))

    def hidden(self, shapes: Sequence[Shape], batch: int, step: int) -> Masks | None:
        """Masks (member, *shape) of hidden units, or None where no member drops any."""
        if not (self.strengths.on["dropout"] and shapes):
            return None
        rates = self.strengths.dropped["dropout"]
        if batch not in self.buffers:
            self.buffers[batch] = rates[1].new_empty(len(rates[1]), 1, sum(prod(shape) for shape in shapes))
        out = self.buffers[batch]
        uniforms = self.streams.uniforms16(Purpose.DROPOUT, step, out.shape[1:])
        return split_masks(regularizers.dropout_mask(uniforms, *rates, out=out).squeeze(1), shapes)
