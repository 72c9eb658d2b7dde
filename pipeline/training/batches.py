"""Batches of a stack: rows of the training data, augmented as strongly as each member's point says."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.core.rng import Purpose
from pipeline.training import regularizers
from pipeline.training.device import place
from pipeline.training.dropout_masks import DropoutMasks
from pipeline.training.inputs import Inputs
from pipeline.training.random_streams import RandomStreams
from pipeline.training.strengths import Strengths

MIXING = {"mixup": Purpose.MIXUP, "cutmix": Purpose.CUTMIX}


class Batches:
    """The training rows of all seeds: inputs, and labels (seed, row), which become one-hot targets.

    The mixing weights (step, member) of mixup and cutmix are drawn for the whole run.
    """

    def __init__(
        self, inputs: Inputs, labels: Tensor, *, classes: int, streams: RandomStreams, strengths: Strengths, steps: int
    ) -> None:
        self.inputs, self.streams = inputs, streams
        self.labels = place(labels, streams.device)
        self.one_hot = place(torch.eye(classes, dtype=inputs.dtype), streams.device)
        self.mixing: dict[str, Tensor] = {}
        for name, purpose in MIXING.items():
            if strengths.on[name]:
                alpha = strengths.exact[name]
                weights = torch.from_numpy(streams.beta_quantiles(purpose, steps, alpha)).to(inputs.dtype)
                self.mixing[name] = place(weights, streams.device)

    def keep(self, rows: Tensor, strengths: Strengths) -> None:
        """Keep only the members in these rows, whose strengths are these."""
        self.mixing = {name: weights[:, rows] for name, weights in self.mixing.items() if strengths.on[name]}

    def draw(self, rows: Tensor, step: int, *, strengths: Strengths, masks: DropoutMasks) -> tuple[Tensor, Tensor]:
        """Inputs (member, batch, feature) and targets (member, batch, class) of rows (seed, batch) at a step."""
        on, values, streams = strengths.on, strengths.values, self.streams
        x = streams.by_member(self.inputs.take("train", rows))
        targets = streams.by_member(self.one_hot[self.labels.gather(1, place(rows, streams.device))])
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
