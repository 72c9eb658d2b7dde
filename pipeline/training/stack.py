"""One stack in training: members of equal shape, every regularizer a strength of each member's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, inf, pi, prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.errors import InputError
from pipeline.core.rng import Purpose, generator, uniform16
from pipeline.data.splits import SPLITS
from pipeline.data.standardization import SeedData
from pipeline.models.build import build
from pipeline.models.network import Workspace, split_masks
from pipeline.training import regularizers
from pipeline.training.early_stopping import Watch, negative_log_likelihood
from pipeline.training.member import Fitted, Member, history_epochs
from pipeline.training.optimizers import Adam, Optimizer, Sgd

STRENGTHS = (
    *("dropout", "input_dropout", "output_dropout", "weight_decay", "l2", "label_smoothing", "mixup"),
    *("cutmix", "cutout", "noise", "max_norm", "averaging"),
)

MEASURED = tuple(f"{split}/{measure}" for split in ("train", "validation") for measure in ("nll", "accuracy"))
MADE_AGAIN = ("arrays", "gradient", "gradients", "optimizer", "workspaces", "drawn")


class Stack:
    """Members of one shape in training; their history is measured on the way, which takes about a fifth of the time."""

    def __init__(
        self,
        members: Sequence[Member],
        data: Mapping[int, SeedData],
        dtype: torch.dtype,
        *,
        history: bool = True,
    ) -> None:
        self.size = len(members)
        members = _never_alone(members)
        self.points = [member.point for member in members]
        first = self.points[0]
        self.epochs, self.batch, self.schedule = first.epochs, first.batch_size, first.schedule
        self.seeds = sorted({member.seed for member in members})
        self.dtype = dtype
        self._load(members, data)
        self.network = build(first, self.features["train"].shape[-1], self.classes)
        if first.batch_norm and 1 in (self.batch, self.rows % self.batch):
            raise InputError(
                f"batch_norm needs batches of two rows or more; got batch_size {self.batch}, "
                f"which leaves one of the {self.rows} training rows alone"
            )
        self.layout = self.network.layout
        rows = [self.network.initial(member.seed) for member in members]
        self._hold(torch.from_numpy(np.stack(rows)).to(dtype))
        self.mixing: dict[str, Tensor] = {}
        self._draw_mixing()
        self.average = self.flat.clone() if self.on["averaging"] else self.flat
        self.watch = Watch(self.points, self.average)
        self.measured: Sequence[int] | NDArray[np.int64] = history_epochs(self.epochs) if history else ()
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
        self.drawn: dict[int, Tensor] = {}
        self._read_strengths()

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the members at these places alone; no bit of theirs depends on the others' having been there."""
        places = _never_alone(places)
        self.size, rows = len(set(places)), torch.tensor(places)
        average, state = self.average[rows], self.optimizer.state
        self.points = [self.points[place] for place in places]
        self.member_seed: Tensor = self.member_seed[rows]
        self._hold(self.flat[rows])
        self.optimizer.load(state, rows)
        self.mixing = {name: weights[:, rows] for name, weights in self.mixing.items() if self.on[name]}
        self.average = average if self.on["averaging"] else self.flat
        self.watch.keep(places, self.average)
        self.records = [{name: values[places] for name, values in row.items()} for row in self.records]

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process needs: views and buffers are made again where it is read."""
        kept = {name: value for name, value in vars(self).items() if name not in MADE_AGAIN}
        return kept | {"state": self.optimizer.state}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        state = kept.pop("state")
        vars(self).update(kept)
        with torch.inference_mode():
            self._hold(self.flat)
            self.optimizer.load(state, torch.arange(len(self.points)))

    def _load(self, members: Sequence[Member], data: Mapping[int, SeedData]) -> None:
        """Stack the seeds' data: features (seed, row, feature), labels and one-hot targets of the training rows.

        Splits beside `SPLITS` have features alone, of which logits are wanted.
        """
        parts = [data[seed] for seed in self.seeds]
        self.classes = parts[0].classes
        self.member_seed = torch.tensor([self.seeds.index(member.seed) for member in members])
        self.features: dict[str, Tensor] = {
            split: torch.from_numpy(np.stack([part.features[split] for part in parts])).to(self.dtype)
            for split in parts[0].features
        }
        self.labels = {s: torch.from_numpy(np.stack([part.labels[s] for part in parts])) for s in SPLITS}
        self.targets = torch.nn.functional.one_hot(self.labels["train"], self.classes).to(self.dtype)
        self.rows: int = self.labels["train"].shape[1]
        self.steps = -(-self.rows // self.batch)

    def _optimizer(self) -> Optimizer:
        trained, points = self.flat[:, : self.layout.trained], self.points
        rates = torch.tensor([point.learning_rate for point in points], dtype=torch.float64)
        if points[0].optimizer == "adam":
            return Adam(trained, self.gradient, rates)
        momentum = torch.tensor([point.momentum for point in points], dtype=self.dtype)
        return Sgd(trained, self.gradient, rates.to(self.dtype), momentum)

    def _read_strengths(self) -> None:
        """Every strength as a (member,) tensor, and which are on for any member."""
        points = self.points

        def tensor(values: object) -> Tensor:
            return torch.tensor(values, dtype=self.dtype)

        values = {name: [getattr(point, name) for point in points] for name in STRENGTHS}
        self.on = {name: any(strengths) for name, strengths in values.items()}
        self.strength = {name: tensor(strengths) for name, strengths in values.items()}
        self.strength["max_norm"] = tensor([point.max_norm or inf for point in points])
        self.strength["decay"] = tensor([point.learning_rate * point.weight_decay for point in points])
        self.dropped: dict[str, tuple[Tensor, Tensor]] = {}
        for name in ("dropout", "input_dropout", "output_dropout"):
            thresholds, scales = regularizers.dropout_thresholds(values[name])
            self.dropped[name] = torch.from_numpy(thresholds), torch.from_numpy(scales).to(self.dtype)

    def _draw_mixing(self) -> None:
        """Mixing weights (step, member) of the whole run: quantiles of Beta(a, a), at the seed's uniforms."""
        for name, purpose in (("mixup", Purpose.MIXUP), ("cutmix", Purpose.CUTMIX)):
            if self.on[name]:
                from scipy.special import betaincinv  # noqa: PLC0415  (0.2 s that most stacks do without)

                uniforms = np.stack(
                    [generator(seed, purpose).random(self.epochs * self.steps) for seed in self.seeds], 1
                )
                alpha = np.array([getattr(point, name) for point in self.points])
                shape = np.where(alpha > 0, alpha, 1)
                weights = np.where(alpha > 0, betaincinv(shape, shape, uniforms[:, self.member_seed.numpy()]), 1)
                self.mixing[name] = torch.from_numpy(weights).to(self.dtype)

    def run_epoch(self, epoch: int) -> None:
        """Train on every row once, in an order that the seed and the epoch give; then measure."""
        order = np.stack([generator(seed, Purpose.ORDER, epoch).permutation(self.rows) for seed in self.seeds])
        for index, start in enumerate(range(0, self.rows, self.batch)):
            self._step(torch.from_numpy(order[:, start : start + self.batch]), epoch * self.steps + index)
        if epoch + 1 in self.measured:
            self._record(epoch + 1)
        if self.watch.on or epoch + 1 == self.epochs:
            self.watch.look(epoch + 1, self._logits(self.average, "validation"), self._labels("validation"))

    def _step(self, rows: Tensor, step: int) -> None:
        batch = rows.shape[1]
        if batch not in self.workspaces:
            self.workspaces[batch] = self.network.workspace(self.flat, len(self.flat), batch)
        work = self.workspaces[batch]
        x, targets = self._batch(rows, step)
        masks = self._masks(batch, step)
        logits = work.forward(self.arrays, x, masks)
        if self.on["output_dropout"]:
            kept = self._mask("output_dropout", Purpose.OUTPUT_DROPOUT, step, logits)
            delta = _slope(logits * kept, targets).mul_(kept)
        else:
            delta = _slope(logits, targets)
        work.backward(self.arrays, self.gradients, x, masks, delta)
        self._update(step)

    def _batch(self, rows: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Inputs (member, batch, feature) and targets (member, batch, class), augmented as each member wants it."""
        on, strength = self.on, self.strength
        seeds = torch.arange(len(self.seeds)).unsqueeze(1)
        x = self._spread(self.features["train"][seeds, rows])
        targets = self._spread(self.targets[seeds, rows])
        if on["mixup"]:
            x, targets = regularizers.mixup(x, targets, self.mixing["mixup"][step])
        if on["cutmix"]:
            replaced = torch.round((1 - self.mixing["cutmix"][step]) * x.shape[-1])
            x, targets = regularizers.cutmix(x, targets, self._ranks(Purpose.CUTMIX_FEATURES, step, x), replaced)
        if on["cutout"]:
            removed = torch.round(strength["cutout"] * x.shape[-1])
            x = regularizers.cutout(x, self._ranks(Purpose.CUTOUT, step, x), removed)
        if on["noise"]:
            x = regularizers.input_noise(x, self._normals(step, x), strength["noise"])
        if on["input_dropout"]:
            x = x * self._mask("input_dropout", Purpose.INPUT_DROPOUT, step, x)
        return x, regularizers.smooth_targets(targets, strength["label_smoothing"])

    def _mask(self, name: str, purpose: Purpose, step: int, of: Tensor) -> Tensor:
        """Dropout's factors for a tensor (member, batch, unit)."""
        uniforms = self._uniforms(purpose, step, of.shape[1:])
        return regularizers.dropout_mask(uniforms, *self.dropped[name], out=torch.empty_like(of))

    def _masks(self, batch: int, step: int) -> list[Tensor] | None:
        """Dropout's factors for hidden units, or None where no member drops any; in a buffer that is used again."""
        shapes = self.network.masks(batch)
        if not (self.on["dropout"] and shapes):
            return None
        if batch not in self.drawn:
            self.drawn[batch] = self.flat.new_empty(len(self.flat), 1, sum(prod(shape) for shape in shapes))
        out = self.drawn[batch]
        uniforms = self._uniforms(Purpose.DROPOUT, step, out.shape[1:])
        return split_masks(regularizers.dropout_mask(uniforms, *self.dropped["dropout"], out=out).squeeze(1), shapes)

    def _update(self, step: int) -> None:
        """L2, decay, optimizer, norm limit, average: in the order of `torch.optim.AdamW`."""
        factor = 1.0 if self.schedule == "constant" else 0.5 * (1 + cos(pi * step / (self.epochs * self.steps)))
        weights = self.flat[:, : self.layout.decayed]
        if self.on["l2"]:
            regularizers.add_l2(self.gradient[:, : self.layout.decayed], weights, self.strength["l2"])
        if self.on["weight_decay"]:
            regularizers.decay(weights, self.strength["decay"] * factor)
        self.optimizer.step(factor)
        if self.on["max_norm"]:
            for name in self.network.limited:
                regularizers.limit_norm(self.arrays[name], self.strength["max_norm"])
        if self.on["averaging"]:
            regularizers.average(self.average, self.flat, self.strength["averaging"], step)

    def _spread(self, by_seed: Tensor) -> Tensor:
        """(seed, ...) as (member, ...)."""
        return by_seed.index_select(0, self.member_seed)

    def _uniforms(self, purpose: Purpose, step: int, shape: Sequence[int]) -> Tensor:
        draws = [uniform16(seed, purpose, step, int(np.prod(shape))) for seed in self.seeds]
        return self._spread(torch.from_numpy(np.stack(draws))).view(-1, *shape)

    def _ranks(self, purpose: Purpose, step: int, x: Tensor) -> Tensor:
        uniforms = [uniform16(seed, purpose, step, x[0].numel()).reshape(x.shape[1:]) for seed in self.seeds]
        order = np.argsort(np.stack(uniforms), axis=-1, kind="stable")
        return self._spread(torch.from_numpy(np.argsort(order, axis=-1).astype(np.int16)))

    def _normals(self, step: int, x: Tensor) -> Tensor:
        draws = [
            generator(seed, Purpose.INPUT_NOISE, step).standard_normal(x.shape[1:], np.float32) for seed in self.seeds
        ]
        return self._spread(torch.from_numpy(np.stack(draws)).to(self.dtype))

    def _labels(self, split: str) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = self._spread(self.labels[split]).numpy()
        return labels

    def _logits(self, flat: Tensor, split: str) -> Tensor:
        """Eval-mode logits (member, row, class), in blocks of rows."""
        arrays = self.layout.views(flat)
        blocks = torch.split(self.features[split], self.network.block, 1)
        return torch.cat([self.network.predict(arrays, self._spread(block)) for block in blocks], 1)

    def _record(self, epoch: int) -> None:
        """Measure every member in eval mode with plain cross-entropy, in float64."""
        assert epoch == self.measured[len(self.records)]
        row: dict[str, NDArray[np.float64]] = {}
        for split in ("train", "validation"):
            logits, labels = self._logits(self.average, split), self._spread(self.labels[split])
            row[f"{split}/nll"] = negative_log_likelihood(logits, labels)
            row[f"{split}/accuracy"] = (logits.argmax(-1) == labels).numpy().mean(-1)
        self.records.append(row)

    def validation(self) -> NDArray[np.float32]:
        """Logits (member, row, class) of the validation rows, of the weights as they are by now."""
        logits: NDArray[np.float32] = self._logits(self.average, "validation")[: self.size].float().numpy()
        return logits

    def finish(self, *, weights: bool = False) -> Fitted:
        """The logits of the weights each member is used with, its history, its chosen epoch and, if wanted, weights."""
        size, kept = self.size, self.watch.kept
        return Fitted(
            logits={split: self._logits(kept, split)[:size].float().numpy() for split in self.features},
            history={
                name: np.stack([row[name][:size] for row in self.records], 1) for name in MEASURED if self.records
            },
            epochs=self.watch.epochs[:size],
            weights=kept[:size, : kept.shape[1] if weights else 0].float().numpy(),
        )


def _slope(logits: Tensor, targets: Tensor) -> Tensor:
    """Gradient of the mean cross-entropy of a batch with respect to its logits (member, batch, class)."""
    return torch.softmax(logits, -1).sub_(targets).div_(logits.shape[1])


def _never_alone(members: Sequence[Any]) -> list[Any]:
    """A lone member trains twice: a single matrix product may take another kernel than a batch of them does."""
    return [*members, *members] if len(members) == 1 else [*members]
