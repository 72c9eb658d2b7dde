"""Adam and SGD with momentum for stacks: one flat row a member, every member with its own learning rate."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8
State = tuple[tuple[Tensor, ...], Tensor]


class Optimizer(ABC):
    """What has been seen so far, a row a member, and an update of the weights by it."""

    def __init__(self, *moments: Tensor) -> None:
        self._moments = moments
        self._step = torch.zeros((), dtype=torch.float32)

    @abstractmethod
    def step(self, factor: float) -> None:
        """Update the weights in place with learning rates scaled by `factor`."""

    @property
    def state(self) -> State:
        """The moments (member, parameter) and the number of steps."""
        return self._moments, self._step

    def load(self, state: State, rows: Tensor) -> None:
        """Take over the state of an optimizer of the same kind, of the members in these rows of it."""
        moments, step = state
        self._step.copy_(step)
        for mine, theirs in zip(self._moments, moments, strict=True):
            torch.index_select(theirs, 0, rows, out=mine)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

    PyTorch's fused kernel does the work, once for each distinct learning rate. Its vector and scalar code round
    differently, which is why every row is a multiple of 16 numbers long.
    """

    def __init__(self, weights: Tensor, gradient: Tensor, learning_rates: Tensor) -> None:
        super().__init__(torch.zeros_like(weights), torch.zeros_like(weights))
        rows = (weights, gradient, *self._moments)
        self._groups = [
            (rate, [[tensor[member] for member in members] for tensor in rows])
            for rate, members in _by_value(learning_rates)
        ]

    def step(self, factor: float) -> None:  # noqa: D102
        self._step += 1
        for rate, (weights, gradients, first, second) in self._groups:
            torch._fused_adam_(
                weights, gradients, first, second, [], [self._step] * len(weights),
                lr=rate * factor, beta1=BETAS[0], beta2=BETAS[1], eps=EPSILON,
                weight_decay=0.0, amsgrad=False, maximize=False,
            )  # fmt: skip


class ElementwiseAdam(Optimizer):
    """The same, every operation once for all members: for a GPU, where a kernel's start costs more than its work."""

    def __init__(self, weights: Tensor, gradient: Tensor, learning_rates: Tensor) -> None:
        super().__init__(torch.zeros_like(weights), torch.zeros_like(weights))
        self._weights, self._gradient, self._rates = weights, gradient, learning_rates.view(-1, 1)
        self._update = torch.empty_like(weights)

    def step(self, factor: float) -> None:  # noqa: D102
        self._step += 1
        first, second = self._moments
        first.lerp_(self._gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(self._gradient, self._gradient, value=1 - BETAS[1])
        done = int(self._step)
        torch.sqrt(second, out=self._update)
        self._update.mul_((1 - BETAS[1] ** done) ** -0.5).add_(EPSILON)
        torch.div(first, self._update, out=self._update)
        self._weights.addcmul_(self._update, self._rates * (-factor / (1 - BETAS[0] ** done)))


class Sgd(Optimizer):
    """SGD with heavy-ball momentum, as `torch.optim.SGD` defines it (Sutskever et al. 2013)."""

    def __init__(self, weights: Tensor, gradient: Tensor, learning_rates: Tensor, momentum: Tensor) -> None:
        self._weights, self._gradient = weights, gradient
        self._rates, self._momentum = learning_rates.view(-1, 1), momentum.view(-1, 1)
        self._velocity = torch.zeros_like(weights)
        super().__init__(self._velocity)

    def step(self, factor: float) -> None:  # noqa: D102
        self._velocity.mul_(self._momentum).add_(self._gradient)
        self._weights.addcmul_(self._velocity, self._rates * -factor)


def _by_value(values: Tensor) -> list[tuple[float, list[int]]]:
    members: dict[float, list[int]] = {}
    for member, value in enumerate(values.tolist()):
        members.setdefault(value, []).append(member)
    return list(members.items())
