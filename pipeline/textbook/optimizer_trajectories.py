"""Trajectories of weights in training: a small network with the project's optimizers, or with PyTorch's.

Network, batches and gradients are those of the study; a recorder or another optimizer takes its place in the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.points import Point
from pipeline.core.determinism import heed_cbwr
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import seed_data
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.models.network import Arrays, Masks, Workspace
from pipeline.training.member import Member
from pipeline.training.optimizers import Optimizer
from pipeline.training.stack import Stack

Trajectory = NDArray[np.float64]
Changes = Mapping[str, Any]
OptimizerClass = Callable[..., torch.optim.Optimizer]
Penalty = Callable[[Tensor], Tensor]

PLAIN: Changes = {
    "hidden": (16,),
    "epochs": 25,
    "batch_size": 16,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "schedule": "constant",
    "momentum": 0.0,
}


class RecordingWorkspace(Workspace):
    """A step's passes on all rows, kept in the order of their first feature; the gradient stays 0: no weight moves."""

    def __init__(self, inner: Workspace) -> None:
        self.inner = inner

    def forward(self, arrays: Arrays, x: Tensor, masks: Masks | None) -> Tensor:  # noqa: D102
        logits = self.inner.forward(arrays, x, masks)
        self.logits = logits[:, order_of(x)]
        self.mask = masks[0].clone() if masks else torch.empty(0)
        return logits

    def backward(  # noqa: D102
        self,
        arrays: Arrays,  # noqa: ARG002
        gradients: Arrays,  # noqa: ARG002
        x: Tensor,
        masks: Masks | None,  # noqa: ARG002
        delta: Tensor,
    ) -> None:
        self.slope = delta[:, order_of(x)]


def order_of(x: Tensor) -> Tensor:
    """The order of rows by their first feature."""
    return x[0, :, 0].argsort()


def two_steps(
    changes: Sequence[Changes], *, dtype: torch.dtype, classes: int
) -> tuple[Stack, RecordingWorkspace, RecordingWorkspace]:
    """A stack, and what it computed in two training steps on all rows."""
    full_batch = {"epochs": 2, "batch_size": 128, "hidden": (64,)}
    stack = stack_of([{**full_batch, **each} for each in changes], dtype=dtype, classes=classes)
    first, second = (_recorded_step(stack, epoch) for epoch in range(2))
    return stack, first, second


def _recorded_step(stack: Stack, epoch: int) -> RecordingWorkspace:
    inner = stack.network.workspace(stack.flat, len(stack.flat), stack.rows)
    stack.workspaces[stack.rows] = step = RecordingWorkspace(inner)
    stack.run_epoch(epoch)
    return step


def stack_of(changes: Sequence[Changes], *, dtype: torch.dtype = torch.float64, classes: int = 3) -> Stack:
    """Members that differ in these fields, on 128 rows of a mixture, before training."""
    heed_cbwr()
    torch.set_num_threads(1)
    points = [Point.model_validate({**PLAIN, **each}) for each in changes]
    task = MixtureTask(seed=0, classes=classes, components=2, features=10, separation=4.0, label_noise=0.0)
    dataset: Dataset = make_mixture(task, seeds=1, train=128, validation=64, test=1, name="exact")
    return Stack([Member(point, 0) for point in points], {0: seed_data(dataset, 0)}, dtype, history=False)


def trajectories(stack: Stack) -> list[Trajectory]:
    """For each member its weights (epoch, parameter) before training and after every epoch."""
    weights = [stack.flat.clone()]
    for epoch in range(stack.epochs):
        stack.run_epoch(epoch)
        weights.append(stack.flat.clone())
    return list(torch.stack(weights, 1)[: stack.size].numpy())


def distance(a: Trajectory, b: Trajectory) -> float:
    """The largest distance between two trajectories, as a share of the length from end to end of the second."""
    largest = np.linalg.norm(a - b, axis=1).max()
    return float(largest / np.linalg.norm(b[-1] - b[0]))


class PytorchOptimizer(Optimizer):
    """An optimizer of PyTorch in the place of the project's, and a penalty in the loss that autograd derives."""

    def __init__(self, stack: Stack, optimizer: OptimizerClass, penalty: Penalty | None, **options: Any) -> None:
        super().__init__()
        decayed, trained = stack.layout.decayed, stack.layout.trained
        self.weights, self.gradient, self.penalty = stack.flat[:, :decayed], stack.gradient[:, :decayed], penalty
        others = _rows(stack.flat[:, decayed:trained], stack.gradient[:, decayed:trained])
        rate = stack.points[0].learning_rate
        groups = [{"params": _rows(self.weights, self.gradient)}, {"params": others, "weight_decay": 0}]
        self.inner = optimizer(groups, lr=rate, **options)

    def step(self, factor: float) -> None:  # noqa: D102
        assert factor == 1
        if self.penalty is not None:
            weights = self.weights.clone().requires_grad_()
            self.gradient += torch.autograd.grad(self.penalty(weights), weights)[0]
        self.inner.step()


def _rows(weights: Tensor, gradient: Tensor) -> list[Tensor]:
    """Each member's weights with their gradient: PyTorch's fused kernels take what lies in memory without a gap."""
    rows = list(weights)
    for row, slope in zip(rows, gradient, strict=True):
        row.grad = slope
    return rows


def pytorch_trajectory(
    optimizer: OptimizerClass, changes: Changes = PLAIN, *, penalty: Penalty | None = None, **options: Any
) -> Trajectory:
    """The trajectory of the project's network on its batches, with PyTorch's optimizer."""
    stack = stack_of([changes])
    stack.optimizer = PytorchOptimizer(stack, optimizer, penalty, **options)
    return trajectories(stack)[0]
