"""One stack in training: members of equal shape, every regularizer a strength of each member's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, inf, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline import regularize
from pipeline.calibrate import fit_temperature, scale_logits
from pipeline.config import Point
from pipeline.data import SeedData
from pipeline.errors import InputError
from pipeline.networks import Architecture, Workspace, initial, layout, predict
from pipeline.noise import Purpose, generator, uniform16
from pipeline.optimizers import Adam, Optimizer, Sgd

SPLITS = ("train", "validation", "test")
EVALUATION_ROWS = 256  # rows of an evaluation block; fixed, since a product's bits may depend on its shape
HISTORY_POINTS = 24
STRENGTHS = (
    *("dropout", "input_dropout", "weight_decay", "l2", "label_smoothing", "mixup", "cutmix"),
    *("cutout", "noise", "max_norm", "averaging"),
)


MEASURED = tuple(f"{split}/{measure}" for split in ("train", "validation") for measure in ("nll", "accuracy"))
MADE_AGAIN = ("arrays", "gradient", "gradients", "optimizer", "workspaces")


@dataclass(frozen=True)
class Member:
    """A point trained with one seed."""

    point: Point
    seed: int


@dataclass(frozen=True)
class Fitted:
    """What is kept of members, in their order.

    Attributes:
        logits: for each split (member, row, class), of the weights that the member would be used with.
        history: measure -> (member, epoch): plain cross-entropy and accuracy in eval mode, at `history_epochs`.
        epochs: the epoch (member,) whose weights were kept.
    """

    logits: Mapping[str, NDArray[np.float32]]
    history: Mapping[str, NDArray[np.float64]]
    epochs: NDArray[np.int64]

    def row(self, member: int) -> Fitted:
        """One member of these."""
        one = slice(member, member + 1)
        return Fitted(
            {split: array[one] for split, array in self.logits.items()},
            {name: array[one] for name, array in self.history.items()},
            self.epochs[one],
        )

    @staticmethod
    def join(parts: Sequence[Fitted]) -> Fitted:
        """Members of several, in order."""
        return Fitted(
            {split: np.concatenate([part.logits[split] for part in parts]) for split in parts[0].logits},
            {name: np.concatenate([part.history[name] for part in parts]) for name in parts[0].history},
            np.concatenate([part.epochs for part in parts]),
        )


def history_epochs(epochs: int) -> NDArray[np.int64]:
    """Epochs at which the history is measured: 0 (before training), then log-spaced to the last."""
    return np.unique(np.concatenate([[0], np.geomspace(1, epochs, HISTORY_POINTS).round().astype(np.int64)]))


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
        sizes = (self.features["train"].shape[-1], *first.hidden, self.classes)
        self.architecture = Architecture(sizes, first.batch_norm)
        if first.batch_norm and 1 in (self.batch, self.rows % self.batch):
            raise InputError(
                f"batch_norm needs batches of two rows or more; got batch_size {self.batch}, "
                f"which leaves one of the {self.rows} training rows alone"
            )
        self.layout = layout(self.architecture)
        rows = [initial(self.architecture, member.seed) for member in members]
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
        """Stack the seeds' data: features (seed, row, feature), labels and one-hot targets of the training rows."""
        parts = [data[seed] for seed in self.seeds]
        self.classes = parts[0].classes
        self.member_seed = torch.tensor([self.seeds.index(member.seed) for member in members])
        self.features: dict[str, Tensor] = {
            s: torch.from_numpy(np.stack([part.features[s] for part in parts])).to(self.dtype) for s in SPLITS
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
        for name in ("dropout", "input_dropout"):
            thresholds, scales = regularize.dropout_thresholds(values[name])
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
            self.workspaces[batch] = Workspace(self.architecture, self.flat, len(self.flat), batch)
        work = self.workspaces[batch]
        x, targets = self._batch(rows, step)
        masks = self._masks(work, batch, step)
        delta = torch.softmax(work.forward(self.arrays, x, masks), -1).sub_(targets).div_(batch)
        work.backward(self.arrays, self.gradients, x, masks, delta)
        self._update(step)

    def _batch(self, rows: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Inputs (member, batch, feature) and targets (member, batch, class), augmented as each member wants it."""
        on, strength = self.on, self.strength
        seeds = torch.arange(len(self.seeds)).unsqueeze(1)
        x = self._spread(self.features["train"][seeds, rows])
        targets = self._spread(self.targets[seeds, rows])
        if on["mixup"]:
            x, targets = regularize.mixup(x, targets, self.mixing["mixup"][step])
        if on["cutmix"]:
            replaced = torch.round((1 - self.mixing["cutmix"][step]) * x.shape[-1])
            x, targets = regularize.cutmix(x, targets, self._ranks(Purpose.CUTMIX_FEATURES, step, x), replaced)
        if on["cutout"]:
            removed = torch.round(strength["cutout"] * x.shape[-1])
            x = regularize.cutout(x, self._ranks(Purpose.CUTOUT, step, x), removed)
        if on["noise"]:
            x = regularize.input_noise(x, self._normals(step, x), strength["noise"])
        if on["input_dropout"]:
            uniforms = self._uniforms(Purpose.INPUT_DROPOUT, step, x.shape[1:])
            x = x * regularize.dropout_mask(uniforms, *self.dropped["input_dropout"], out=torch.empty_like(x))
        return x, regularize.smooth_targets(targets, strength["label_smoothing"])

    def _masks(self, work: Workspace, batch: int, step: int) -> list[Tensor] | None:
        """Dropout's factors for every hidden layer, or None where no member drops anything."""
        if not (self.on["dropout"] and self.architecture.widths[1:-1]):
            return None
        widths = self.architecture.widths[1:-1]
        uniforms = self._uniforms(Purpose.DROPOUT, step, (batch * sum(widths),))
        for drawn, mask in zip(torch.split(uniforms, [batch * w for w in widths], 1), work.masks, strict=True):
            regularize.dropout_mask(drawn.reshape(mask.shape), *self.dropped["dropout"], out=mask)
        return work.masks

    def _update(self, step: int) -> None:
        """L2, decay, optimizer, norm limit, average: in the order of `torch.optim.AdamW`."""
        factor = 1.0 if self.schedule == "constant" else 0.5 * (1 + cos(pi * step / (self.epochs * self.steps)))
        weights = self.flat[:, : self.layout.decayed]
        if self.on["l2"]:
            regularize.add_l2(self.gradient[:, : self.layout.decayed], weights, self.strength["l2"])
        if self.on["weight_decay"]:
            regularize.decay(weights, self.strength["decay"] * factor)
        self.optimizer.step(factor)
        if self.on["max_norm"]:
            for layer in range(self.architecture.depth - 1):
                regularize.limit_norm(self.arrays[f"weight{layer}"], self.strength["max_norm"])
        if self.on["averaging"]:
            regularize.average(self.average, self.flat, self.strength["averaging"], step)

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
        blocks = torch.split(self.features[split], EVALUATION_ROWS, 1)
        return torch.cat([predict(self.architecture, arrays, self._spread(block)) for block in blocks], 1)

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

    def finish(self) -> Fitted:
        """The logits of the weights each member is used with, its history and its chosen epoch."""
        size = self.size
        return Fitted(
            logits={split: self._logits(self.watch.kept, split)[:size].float().numpy() for split in SPLITS},
            history={
                name: np.stack([row[name][:size] for row in self.records], 1) for name in MEASURED if self.records
            },
            epochs=self.watch.epochs[:size],
        )


def _never_alone(members: Sequence[Any]) -> list[Any]:
    """A lone member trains twice: a single matrix product may take another kernel than a batch of them does."""
    return [*members, *members] if len(members) == 1 else [*members]


class Watch:
    """Early stopping: which weights each member keeps.

    A member without it keeps the last ones. One with `nll` keeps those with the best validation NLL; one with
    `nll_ts` the best after temperature scaling ("refine, then calibrate"; Berta et al. 2025). Training goes
    on for the others in the stack; a member that has run out of patience keeps no later weights.
    """

    def __init__(self, points: Sequence[Point], flat: Tensor) -> None:
        rules = np.array([point.early_stopping for point in points])
        self.plain, self.scaled = rules == "nll", rules == "nll_ts"
        self.on = bool((self.plain | self.scaled).any())
        self.patience = np.array([point.patience or np.iinfo(np.int64).max for point in points])
        self.best = np.full(len(points), inf)
        self.epochs = np.zeros(len(points), np.int64)
        self.flat, self.kept = flat, flat.clone()
        self.waited = np.zeros(len(points), np.int64)

    def keep(self, places: Sequence[int], flat: Tensor) -> None:
        """Go on with the members at these places, whose weights are now these."""
        for name in ("plain", "scaled", "patience", "best", "epochs", "waited"):
            setattr(self, name, getattr(self, name)[places])
        self.flat, self.kept = flat, self.kept[torch.tensor(places)]

    def look(self, epoch: int, logits: Tensor, labels: NDArray[np.int64]) -> None:
        """Keep the current weights of the members that have no rule, or that are better than ever and not done."""
        score = negative_log_likelihood(logits, torch.from_numpy(labels))
        values = logits.numpy()
        fits = np.flatnonzero(self.scaled & np.isfinite(values).all((1, 2)))  # a diverged member has no temperature
        if fits.size:
            scaled = scale_logits(values[fits], fit_temperature(values[fits], labels[fits]))
            score[fits] = negative_log_likelihood(torch.from_numpy(scaled), torch.from_numpy(labels[fits]))
        ruled = self.plain | self.scaled
        better = ~ruled | ((score < self.best) & (self.waited < self.patience))
        self.waited = np.where(self.waited >= self.patience, self.waited, np.where(better, 0, self.waited + 1))
        self.best = np.where(better, score, self.best)
        self.epochs = np.where(better, epoch, self.epochs)
        rows = torch.from_numpy(np.flatnonzero(better))
        self.kept[rows] = self.flat[rows]


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Mean plain cross-entropy (member,) of logits (member, row, class), in float64."""
    logs = torch.log_softmax(logits.double(), -1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    losses: NDArray[np.float64] = -logs.numpy().mean(-1)
    return losses
