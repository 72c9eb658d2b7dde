"""Recurrent networks as stacks: a layer of gated recurrent units that reads a square image row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pipeline.models.network import Arrays, Differentiable, Layout, Masks, Shape, lay_out


@dataclass(frozen=True)
class Recurrent(Differentiable):
    """Gated recurrent units with the equations of `torch.nn.GRU` (Cho et al. 2014), then a linear layer.

    Dropout acts on the state wherever it is multiplied with weights, and not where a unit carries it on: at every step
    but the first, with a new mask or if `shared` the same one (Gal & Ghahramani 2016), and before the linear layer.
    """

    side: int
    hidden: int
    classes: int
    shared: bool

    @cached_property
    def layout(self) -> Layout:  # noqa: D102
        gates = 3 * self.hidden
        return lay_out(
            decayed={
                "weight_in": (self.side, gates),
                "weight_state": (self.hidden, gates),
                "weight_out": (self.hidden, self.classes),
            },
            others={"bias_in": (1, gates), "bias_state": (1, gates), "bias_out": (1, self.classes)},
            running={},
        )

    @property
    def limited(self) -> Sequence[str]:  # noqa: D102
        return ()

    def layers(self) -> Iterator[tuple[int, Sequence[str]]]:  # noqa: D102
        yield self.hidden, ("weight_in", "weight_state", "bias_in", "bias_state")
        yield self.hidden, ("weight_out", "bias_out")

    def masks(self, rows: int) -> list[Shape]:  # noqa: D102
        return [(1 if self.shared else self.side - 1, rows, self.hidden), (rows, self.hidden)]

    def predict(self, arrays: Arrays, x: Tensor, masks: Masks | None = None) -> Tensor:  # noqa: D102
        members, rows = x.shape[:2]
        steps = x.view(members, rows, self.side, self.side).transpose(1, 2).reshape(members, -1, self.side)
        inputs = torch.baddbmm(arrays["bias_in"], steps, arrays["weight_in"])
        state = x.new_zeros(members, rows, self.hidden)
        for step, gates in enumerate(inputs.view(members, self.side, rows, -1).unbind(1)):
            read = state if masks is None or step == 0 else state * masks[0][:, 0 if self.shared else step - 1]
            state = self._step(arrays, gates, read, state)
        state = state if masks is None else state * masks[1]
        return torch.baddbmm(arrays["bias_out"], state, arrays["weight_out"])

    def _step(self, arrays: Arrays, inputs: Tensor, read: Tensor, state: Tensor) -> Tensor:
        """The next state, given the inputs' share of the gates (member, row, gate) and the state as weights read it."""
        gates = [2 * self.hidden, self.hidden]
        recurrent = torch.baddbmm(arrays["bias_state"], read, arrays["weight_state"])
        (of_inputs, new_inputs), (of_state, new_state) = (torch.split(part, gates, -1) for part in (inputs, recurrent))
        reset, update = torch.sigmoid(of_inputs + of_state).chunk(2, -1)
        new = torch.tanh(new_inputs + reset * new_state)
        return new + update * (state - new)
