"""One stack in training: members of equal shape, with a strength for each member of every regularizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.errors import InputError
from pipeline.core.memory import require_memory
from pipeline.core.rng import Purpose
from pipeline.data.seed_data import SeedData
from pipeline.data.splits import SPLITS
from pipeline.models.blocks import InBlocks
from pipeline.models.build import build
from pipeline.models.network import Workspace
from pipeline.training import regularizers
from pipeline.training.batches import Batches
from pipeline.training.device import BLOCK, CPU, padded, place
from pipeline.training.dropout_masks import DropoutMasks
from pipeline.training.early_stopping import HELD_OUT, EarlyStopping, negative_log_likelihood
from pipeline.training.inputs import Inputs
from pipeline.training.losses import class_weights, loss_gradient
from pipeline.training.member import HISTORY, Fitted, Member, history_epochs
from pipeline.training.optimizers import Adam, ElementwiseAdam, Optimizer, Sgd
from pipeline.training.random_streams import RandomStreams
from pipeline.training.second_pass import SecondPass
from pipeline.training.strengths import Strengths

REBUILT = (
    "arrays", "gradient", "gradients", "optimizer", "workspaces", "masks", "second", "strengths", "weights",
)  # fmt: skip
_BYTES = 16  # of a weight in training: itself, its gradient, and what Adam keeps of it


class Stack:
    """Members of one shape in training.

    Attributes:
        points: the point of each member; some stand twice where the device needs more members.
        device: that trains them; labels and what is recorded are on the CPU.
        size: number of members that are wanted.
        flat: weights (member, parameter), in the network's `layout`.
        average: weights (member, parameter) that are evaluated: a moving average, or `flat` itself.
        gradient: of the trained weights (member, parameter).
        workspaces: of the forward and backward pass, by number of rows.
        weights: of classes (member, class) in the loss; None where no member is balanced.
        history_epochs: at which the history is recorded, which takes about a fifth of the time.
    """

    def __init__(
        self,
        members: Sequence[Member],
        data: Mapping[int, SeedData],
        dtype: torch.dtype,
        *,
        history: bool = True,
    ) -> None:
        self.size = len(members)
        self.device = members[0].point.device
        members = padded(members, self.device)
        self.points = [member.point for member in members]
        first = self.points[0]
        self.epochs, self.batch, self.schedule = first.epochs, first.batch_size, first.schedule
        self.dtype = dtype
        self.streams = RandomStreams([member.seed for member in members], self.device)
        self._load(data)
        network = build(first, self.inputs.width, self.classes)
        self.network = network if self.device == CPU else InBlocks(network, BLOCK)
        if first.batch_norm and 1 in (self.batch, self.rows % self.batch):
            raise InputError(
                f"batch_norm needs batches of two rows or more; got batch_size {self.batch}, "
                f"which leaves one of the {self.rows} training rows alone"
            )
        self.layout = self.network.layout
        size = len(members) * self.layout.trained
        require_memory(_BYTES * size, f"{len(members)} networks of {size // len(members):,} weights", "hidden")
        rows = [self.network.initial(member.seed) for member in members]
        self._hold(self._placed(torch.from_numpy(np.stack(rows))))
        self.batches = Batches(
            self.inputs, self.labels["train"], classes=self.classes,
            streams=self.streams, strengths=self.strengths, steps=self.epochs * self.steps,
        )  # fmt: skip
        self.average = self.flat.clone() if self.strengths.on["averaging"] else self.flat
        self.early_stopping = EarlyStopping(self.points, self.average)
        self.history_epochs = history_epochs(self.epochs) if history else np.empty(0, np.int64)
        self.records: list[dict[str, NDArray[np.float64]]] = []
        if history:
            self._record(0)

    def _hold(self, flat: Tensor) -> None:
        """Take weights (member, parameter) to train on, with an optimizer that has done nothing and new buffers."""
        self.flat: Tensor = flat
        self.arrays = self.layout.views(flat)
        self.gradient = torch.zeros_like(flat[:, : self.layout.trained])
        self.gradients = self.layout.views(self.gradient)
        self.optimizer = self._optimizer()
        self.workspaces: dict[int, Workspace] = {}
        self.strengths = self._read_strengths()
        self.weights = self._class_weights()
        self.masks = DropoutMasks(self.streams, self.strengths)
        self.second: SecondPass | None = None
        if self.strengths.on["r_drop"]:
            self.second = SecondPass(self.network, flat, DropoutMasks(self.streams, self.strengths))

    def keep(self, members: Sequence[int]) -> None:
        """Keep only these members, by their numbers; no bit of theirs depends on the others having been there."""
        members = padded(members, self.device)
        self.size, kept = len(set(members)), torch.tensor(members)
        rows = place(kept, self.device)
        average, state = self.average[rows], self.optimizer.state
        self.points = [self.points[member] for member in members]
        self.streams.keep(kept)
        self._hold(self.flat[rows])
        self.optimizer.load(state, rows)
        self.batches.keep(rows, self.strengths)
        self.average = average if self.strengths.on["averaging"] else self.flat
        self.early_stopping.keep(members, self.average)
        self.records = [{name: values[members] for name, values in record.items()} for record in self.records]

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process needs; views and buffers are rebuilt where it is read."""
        state = {name: value for name, value in vars(self).items() if name not in REBUILT}
        return state | {"optimizer_state": self.optimizer.state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        optimizer_state = state.pop("optimizer_state")
        vars(self).update(state)
        with torch.inference_mode():
            self._hold(self.flat)
            self.optimizer.load(optimizer_state, place(torch.arange(len(self.points)), self.device))

    def _load(self, data: Mapping[int, SeedData]) -> None:
        """Stack the seeds' data: inputs, and labels (seed, row)."""
        parts = [data[seed] for seed in self.streams.seeds]
        self.classes, self.inputs = parts[0].classes, Inputs(parts, self.dtype, self.device)
        self.labels = {s: torch.from_numpy(np.stack([part.labels[s] for part in parts])) for s in SPLITS}
        self.rows: int = self.labels["train"].shape[1]
        self.steps = -(-self.rows // self.batch)

    def _optimizer(self) -> Optimizer:
        trained, points = self.flat[:, : self.layout.trained], self.points
        rates = torch.tensor([point.learning_rate for point in points], dtype=torch.float64)
        if points[0].optimizer == "adam":
            if self.device == CPU:
                return Adam(trained, self.gradient, rates)
            return ElementwiseAdam(trained, self.gradient, self._placed(rates))
        momentum = torch.tensor([point.momentum for point in points], dtype=torch.float64)
        return Sgd(trained, self.gradient, self._placed(rates), self._placed(momentum))

    def _placed(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, in the type of training."""
        return place(tensor.to(self.dtype), self.device)

    def _labels(self, split: str) -> Tensor:
        """The labels (member, row) of a split, on the CPU."""
        return self.labels[split].index_select(0, self.streams.seed_index)

    def _read_strengths(self) -> Strengths:
        return Strengths(self.points, self.dtype)

    def _class_weights(self) -> Tensor | None:
        balanced = torch.tensor([point.balance == "weights" for point in self.points])
        if not balanced.any():
            return None
        return self._placed(class_weights(self._labels("train"), self.classes, balanced))

    def run_epoch(self, epoch: int) -> None:
        """Train on every row once, in an order that the seed and the epoch give; then record the history."""
        order = self.streams.orders(epoch, self.rows)
        for index, start in enumerate(range(0, self.rows, self.batch)):
            self._step(order[:, start : start + self.batch], epoch * self.steps + index)
        if epoch + 1 in self.history_epochs:
            self._record(epoch + 1)
        if self.early_stopping.looks_at(epoch + 1) or epoch + 1 == self.epochs:
            logits = self._logits(self.average, "validation")
            self.early_stopping.update(epoch + 1, logits, self._labels("validation").numpy())

    def _step(self, rows: Tensor, step: int) -> None:
        batch = rows.shape[1]
        if batch not in self.workspaces:
            self.workspaces[batch] = self.network.workspace(self.flat, len(self.flat), batch)
        work = self.workspaces[batch]
        x, targets = self.batches.draw(rows, step, strengths=self.strengths, masks=self.masks)
        masks = self.masks.hidden(self.network.masks(batch), batch, step)
        kept = None
        if self.strengths.on["output_dropout"]:
            kept = self.masks.like("output_dropout", Purpose.OUTPUT_DROPOUT, step, targets)
        logits = _masked(work.forward(self.arrays, x, masks), kept)
        delta = self._loss_gradient(logits, targets)
        if self.second is not None:
            delta = self._second_pass(self.second, x, targets, logits=logits, delta=delta, kept=kept, step=step)
        work.backward(self.arrays, self.gradients, x, masks, _masked(delta, kept))
        if self.second is not None:
            self.second.add_to(self.gradient)
        self._update(step)

    def _second_pass(
        self,
        second: SecondPass,
        x: Tensor,
        targets: Tensor,
        *,
        logits: Tensor,
        delta: Tensor,
        kept: Tensor | None,
        step: int,
    ) -> Tensor:
        """Both directions of R-drop's second pass; gives back the gradient of the first pass's logits."""
        batch = x.shape[1]
        masks = second.masks.hidden(self.network.masks(batch), batch, self.epochs * self.steps + step)
        others = _masked(second.forward(self.arrays, x, masks), kept)
        other_delta = second.share(others, logits, self._loss_gradient(others, targets))
        second.backward(self.arrays, x, masks, _masked(other_delta, kept))
        return second.share(logits, others, delta)

    def _loss_gradient(self, logits: Tensor, targets: Tensor) -> Tensor:
        focal, penalty = (self.strengths.where_on(name) for name in ("focal_loss", "confidence_penalty"))
        return loss_gradient(logits, targets, focal=focal, penalty=penalty, weights=self.weights)

    def _update(self, step: int) -> None:
        """L2, decay, optimizer, norm limit, average: in the order of `torch.optim.AdamW`."""
        factor = 1.0 if self.schedule == "constant" else 0.5 * (1 + cos(pi * step / (self.epochs * self.steps)))
        on, strengths, weights = self.strengths.on, self.strengths.values, self.flat[:, : self.layout.decayed]
        if on["l2"]:
            regularizers.add_l2(self.gradient[:, : self.layout.decayed], weights, strengths["l2"])
        if on["weight_decay"]:
            regularizers.decay(weights, strengths["decay"] * factor)
        self.optimizer.step(factor)
        if on["max_norm"]:
            for name in self.network.limited:
                regularizers.limit_norm(self.arrays[name], strengths["max_norm"])
        if on["averaging"]:
            regularizers.average(self.average, self.flat, strengths["averaging"], step)

    def _logits(self, flat: Tensor, split: str) -> Tensor:
        """Eval-mode logits (member, row, class) on the CPU, in blocks of rows."""
        arrays, start = self.layout.views(flat), 0
        logits = torch.empty(len(flat), self.inputs.rows[split], self.classes, dtype=self.dtype)
        for block in self.inputs.blocks(split, self.network.block):
            end = start + block.shape[1]
            logits[:, start:end] = self.network.predict(arrays, self.streams.by_member(block)).cpu()
            start = end
        return logits

    def _record(self, epoch: int) -> None:
        """Record every member's plain cross-entropy and accuracy in eval mode, in float64."""
        assert epoch == self.history_epochs[len(self.records)]
        record: dict[str, NDArray[np.float64]] = {}
        for split in ("train", "validation"):
            logits, labels = self._logits(self.average, split), self._labels(split)
            record[f"{split}/nll"] = negative_log_likelihood(logits, labels)
            record[f"{split}/accuracy"] = (logits.argmax(-1) == labels).numpy().mean(-1)
        self.records.append(record)

    def logits(self, splits: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Logits (member, row, class) of splits, of the weights that each member would be used with by now.

        Validation rows are predicted by weights that they have not chosen.
        """
        used, *others = self.early_stopping.used
        logits = {split: self._logits(used, split)[: self.size].float().numpy() for split in splits}
        if "validation" in splits and self.early_stopping.ruled.any():
            for weights, rows in zip(others, HELD_OUT, strict=True):
                predicted = self._logits(weights, "validation")[: self.size, rows]
                logits["validation"][:, rows] = predicted.float().numpy()
        return logits

    def finish(self, *, weights: bool = False, splits: Sequence[str] | None = None) -> Fitted:
        """The logits of the weights each member is used with, its history, its chosen epoch and, if wanted, weights."""
        size, kept = self.size, self.early_stopping.kept[0]
        return Fitted(
            logits=self.logits(splits or self.inputs.splits),
            history={
                name: np.stack([record[name][:size] for record in self.records], 1) for name in HISTORY if self.records
            },
            epochs=self.early_stopping.epochs[0, :size],
            weights=kept[:size, : kept.shape[1] if weights else 0].float().cpu().numpy(),
        )


def _masked(values: Tensor, mask: Tensor | None) -> Tensor:
    return values if mask is None else values * mask
