"""Batches of a stack: rows of the training data, augmented as strongly as each member's point says."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.core.rng import Purpose
from pipeline.training import regularizers
from pipeline.training.dropout_masks import DropoutMasks
from pipeline.training.random_streams import RandomStreams
from pipeline.training.strengths import Strengths

MIXING = {"mixup": Purpose.MIXUP, "cutmix": Purpose.CUTMIX}


class Batches:
    """The training rows of all seeds, features (seed, row, feature) and one-hot targets (seed, row, class).

    The mixing weights (step, member) of mixup and cutmix are drawn for the whole run.
    """

    def __init__(
        self, features: Tensor, targets: Tensor, *, streams: RandomStreams, strengths: Strengths, steps: int
    ) -> None:
        self.features, self.targets, self.streams = features, targets, streams
        self.mixing: dict[str, Tensor] = {}
        for name, purpose in MIXING.items():
            if strengths.on[name]:
                alpha = strengths.exact[name]
                self.mixing[name] = torch.from_numpy(streams.beta_quantiles(purpose, steps, alpha)).to(features.dtype)

    def keep(self, rows: Tensor, strengths: Strengths) -> None:
        """Keep only the members in these rows, whose strengths are these."""
        self.mixing = {name: weights[:, rows] for name, weights in self.mixing.items() if strengths.on[name]}

    def draw(self, rows: Tensor, step: int, *, strengths: Strengths, masks: DropoutMasks) -> tuple[Tensor, Tensor]:
        """Inputs (member, batch, feature) and targets (member, batch, class) of rows (seed, batch) at a step."""
        on, values, streams = strengths.on, strengths.values, self.streams
        seeds = torch.arange(len(rows)).unsqueeze(1)
        x = streams.by_member(self.features[seeds, rows])
        targets = streams.by_member(self.targets[seeds, rows])
        if on["mixup"]:
            x, targets = regularizers.mixup(x, targets, self.mixing["mixup"][step])
        if on["cutmix"]:
            replaced = torch.round((1 - self.mixing["cutmix"][step]) * x.shape[-1])
            ranks = streams.ranks(Purpose.CUTMIX_FEATURES, step, x)
            x, targets = regularizers.cutmix(x, targets, ranks, replaced)
        if on["cutout"]:
            removed = torch.round(values["cutout"] * x.shape[-1])
            x = regularizers.cutout(x, streams.ranks(Purpose.CUTOUT, step, x), removed)
        if on["noise"]:
            x = regularizers.input_noise(x, streams.normals(Purpose.INPUT_NOISE, step, x), values["noise"])
        if on["input_dropout"]:
            x = x * masks.like("input_dropout", Purpose.INPUT_DROPOUT, step, x)
        return x, regularizers.smooth_targets(targets, values["label_smoothing"])
