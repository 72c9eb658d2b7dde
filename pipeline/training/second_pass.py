"""R-drop's second pass of a training step: the same batch under other masks of hidden units.

Members without R-drop go through it too where another has it, and keep the bits of the first pass: a batch of twice
the rows, as in the paper's code, would change their batch statistics. Running statistics follow the first pass alone.

Reference: Liang et al. (2021), R-Drop: regularized dropout for neural networks, algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.models.network import Arrays, Masks, Network, Workspace
from pipeline.training.dropout_masks import DropoutMasks
from pipeline.training.losses import r_drop_gradient
from pipeline.training.regularizers import per_member


class SecondPass:
    """Workspaces and a gradient (member, parameter), beside those of the first pass.

    Logits and gradients with respect to them are (member, batch, class). `masks` are not the object that draws the
    first pass's, whose buffers are in use.
    """

    def __init__(self, network: Network, flat: Tensor, masks: DropoutMasks) -> None:
        self.network, self.flat, self.masks = network, flat, masks
        self.alpha = masks.strengths.values["r_drop"]
        self.gradient = torch.zeros_like(flat[:, : network.layout.trained])
        self.gradients = network.layout.views(self.gradient)
        self.workspaces: dict[int, Workspace] = {}

    def forward(self, arrays: Arrays, x: Tensor, masks: Masks | None) -> Tensor:
        """Logits in training mode; running statistics stay as they are."""
        batch, running = x.shape[1], self.flat[:, self.network.layout.trained :]
        if batch not in self.workspaces:
            self.workspaces[batch] = self.network.workspace(self.flat, len(self.flat), batch)
        before = running.clone()
        logits = self.workspaces[batch].forward(arrays, x, masks)
        running.copy_(before)
        return logits

    def backward(self, arrays: Arrays, x: Tensor, masks: Masks | None, delta: Tensor) -> None:
        """Fill the gradient given `delta`, the loss's gradient with respect to the logits of the last `forward`."""
        self.workspaces[x.shape[1]].backward(arrays, self.gradients, x, masks, delta)

    def share(self, logits: Tensor, others: Tensor, delta: Tensor) -> Tensor:
        """What a pass with these logits, beside a pass with others, adds to the gradient; `delta` where alpha is 0."""
        with_divergence = delta / 2 + r_drop_gradient(logits, others, self.alpha)
        return torch.where(per_member(self.alpha > 0, 2), with_divergence, delta)

    def add_to(self, gradient: Tensor) -> None:
        """Add the gradient to the first pass's (member, parameter), in place, for members with R-drop."""
        gradient.copy_(torch.where(per_member(self.alpha > 0, 1), gradient + self.gradient, gradient))
