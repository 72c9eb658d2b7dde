"""Slow, obvious ways to compute what the engine computes: one network, one loop, PyTorch's own parts.

They share nothing with the engine but the random numbers and the first weights.
"""

from copy import deepcopy
from itertools import pairwise
from math import cos, pi

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import betaincinv
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from pipeline.config import Point
from pipeline.data import SeedData
from pipeline.networks import Architecture, initial, layout
from pipeline.noise import Purpose, generator, uniform16
from pipeline.search import Task
from pipeline.spaces import Search
from pipeline.stack import Member

PLAIN = {
    "hidden": (13, 9),
    "epochs": 4,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "momentum": 0.9,
}
ROWS = {"train": 37, "validation": 23, "test": 11}  # batches of 16, 16 and 5


def point(**changes):
    return Point.model_validate({**PLAIN, **changes})


def toy_data(seed, *, features=7, classes=3, rows=None):
    """Standard normal features whose first ones say something about the label, which is sometimes wrong."""
    rng = np.random.default_rng([99, seed])
    drawn = {split: rng.standard_normal((n, features)).astype(np.float32) for split, n in (rows or ROWS).items()}
    noisy = {split: x[:, :classes] + rng.standard_normal((len(x), classes)) for split, x in drawn.items()}
    return SeedData(drawn, {split: scores.argmax(1) for split, scores in noisy.items()}, classes)


def toy_seeds(members, **sizes):
    return {seed: toy_data(seed, **sizes) for seed in {member.seed for member in members}}


def members_of(points, seeds=(0, 1)):
    return [Member(one, seed) for one in points for seed in seeds]


def equal(one, other):
    """Whether two fits are the same to the last bit."""
    pairs = [(one.epochs, other.epochs)]
    pairs += [(one.logits[name], other.logits[name]) for name in one.logits]
    pairs += [(one.history[name], other.history[name]) for name in one.history]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


class Masked(nn.Module):
    """Dropout whose mask is given."""

    def __init__(self, kept_where, scale):
        super().__init__()
        self.kept_where, self.scale, self.mask = kept_where, scale, None

    def draw(self, uniforms):
        self.mask = uniforms >= self.kept_where

    def forward(self, x):
        return torch.where(self.mask, x * self.scale, 0) if self.training else x


def mask_layer(rate):
    """Drop where a 16-bit uniform, read as a number from 0 to 65535, is below the rate's share of 65536."""
    dropped = min(round(rate * 65536), 65535)
    return Masked(dropped - 32768, 65536 / (65536 - dropped))


def build(chosen, data, seed, dtype):
    """An ordinary `nn.Sequential` with the engine's first weights."""
    widths = (data.features["train"].shape[1], *chosen.hidden, data.classes)
    architecture = Architecture(widths, chosen.batch_norm)
    row, places = torch.from_numpy(initial(architecture, seed)), layout(architecture).places
    layers = [mask_layer(chosen.input_dropout)]
    for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
        linear = nn.Linear(fan_in, fan_out)
        for name, into in (("weight", linear.weight), ("bias", linear.bias)):
            start, shape = places[f"{name}{layer}"]
            array = row[start : start + shape[0] * shape[1]].view(shape)
            into.data = (array.T if name == "weight" else array[0]).clone()
        layers.append(linear)
        if layer < len(widths) - 2:
            layers += [nn.BatchNorm1d(fan_out)] if chosen.batch_norm else []
            layers += [nn.ReLU(), mask_layer(chosen.dropout)]
    return nn.Sequential(*layers).to(dtype)


def optimizer_of(chosen, net):
    """Decay on the weight matrices alone: decoupled for weight_decay, in the gradient for l2 (they are not mixed)."""
    matrices = [p for p in net.parameters() if p.ndim == 2]
    others = [p for p in net.parameters() if p.ndim == 1]
    if chosen.optimizer == "sgd":
        groups = [{"params": matrices, "weight_decay": chosen.l2}, {"params": others, "weight_decay": 0}]
        return torch.optim.SGD(groups, lr=chosen.learning_rate, momentum=chosen.momentum)
    kind = torch.optim.Adam if chosen.l2 else torch.optim.AdamW
    strength = chosen.l2 or chosen.weight_decay
    groups = [{"params": matrices, "weight_decay": strength}, {"params": others, "weight_decay": 0}]
    return kind(groups, lr=chosen.learning_rate, foreach=False)


def ranked_first(seed, purpose, step, shape, count):
    """True at `count` features of each row: those with the smallest uniforms."""
    uniforms = uniform16(seed, purpose, step, shape[0] * shape[1]).reshape(shape)
    chosen = np.zeros(shape, bool)
    for row, order in enumerate(np.argsort(uniforms, axis=1, kind="stable")):
        chosen[row, order[:count]] = True
    return torch.from_numpy(chosen)


def batch_of(chosen, x, y, *, seed, step, steps):
    """Augmented inputs and target distributions of one batch; `y` is one-hot."""
    shape = tuple(x.shape)
    total = chosen.epochs * steps
    if chosen.mixup:
        share = betaincinv(chosen.mixup, chosen.mixup, generator(seed, Purpose.MIXUP).random(total)[step])
        x, y = share * x + (1 - share) * x.roll(1, 0), share * y + (1 - share) * y.roll(1, 0)
    if chosen.cutmix:
        kept = betaincinv(chosen.cutmix, chosen.cutmix, generator(seed, Purpose.CUTMIX).random(total)[step])
        count = round((1 - kept) * shape[1])
        taken = ranked_first(seed, Purpose.CUTMIX_FEATURES, step, shape, count)
        share = 1 - count / shape[1]
        x, y = torch.where(taken, x.roll(1, 0), x), share * y + (1 - share) * y.roll(1, 0)
    if chosen.cutout:
        x = x.masked_fill(ranked_first(seed, Purpose.CUTOUT, step, shape, round(chosen.cutout * shape[1])), 0)
    if chosen.noise:
        normals = generator(seed, Purpose.INPUT_NOISE, step).standard_normal(shape, np.float32)
        x = x + chosen.noise * torch.from_numpy(normals).to(x.dtype)
    return x, y


def draw_masks(net, chosen, features, *, seed, step, batch):
    first, *others = [layer for layer in net if isinstance(layer, Masked)]
    inputs = uniform16(seed, Purpose.INPUT_DROPOUT, step, batch * features)
    first.draw(torch.from_numpy(inputs.astype(np.int64)).view(batch, features))
    hidden = torch.from_numpy(uniform16(seed, Purpose.DROPOUT, step, batch * sum(chosen.hidden)).astype(np.int64))
    for layer, width, drawn in zip(
        others, chosen.hidden, hidden.split([batch * w for w in chosen.hidden]), strict=True
    ):
        layer.draw(drawn.view(batch, width))


def limit_norms(net, limit):
    for linear in [layer for layer in net if isinstance(layer, nn.Linear)][:-1]:
        for unit in linear.weight.data:
            if unit.norm() > limit:
                unit.mul_(limit / unit.norm())


def snapshot(net):
    return {name: value.clone() for name, value in net.state_dict().items() if value.is_floating_point()}


@torch.no_grad()
def evaluate(net, weights, data, dtype):
    """Logits, plain cross-entropy and accuracy of each split in eval mode."""
    twin = deepcopy(net).eval()
    twin.load_state_dict(weights, strict=False)
    result = {}
    for split, x in data.features.items():
        logits, labels = twin(torch.from_numpy(x).to(dtype)), torch.from_numpy(data.labels[split])
        right = [int(np.argmax(row) == label) for row, label in zip(logits.numpy(), labels.numpy(), strict=True)]
        result[split] = logits.numpy(), cross_entropy(logits.double(), labels).item(), sum(right) / len(right)
    return result


def scaled_nll(logits, labels):
    """The smallest cross-entropy over temperatures, by a bounded search."""
    logits, labels = torch.from_numpy(logits).double(), torch.from_numpy(labels)
    found = minimize_scalar(
        lambda log_beta: cross_entropy(logits * np.exp(log_beta), labels).item(),
        bounds=(-10, 10), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return min(found.fun, cross_entropy(logits, labels).item())


def stopping_epoch(scores, patience):
    """The epoch, from 1, of the best score before `patience` epochs in a row (0: any number) were not better."""
    best, kept, waited = np.inf, 0, 0
    for epoch, score in enumerate(scores, 1):
        if score < best:
            best, kept, waited = score, epoch, 0
        else:
            waited += 1
        if waited == patience and patience:
            break
    return kept


def train_one(chosen, data, seed, dtype=torch.float64):
    """Fit one network by the book; returns evaluations after each epoch (0: before) and the kept epoch."""
    net = build(chosen, data, seed, dtype)
    optimizer = optimizer_of(chosen, net)
    x, labels = torch.from_numpy(data.features["train"]).to(dtype), torch.from_numpy(data.labels["train"])
    targets = one_hot(labels, data.classes).to(dtype)
    steps = -(-len(x) // chosen.batch_size)
    averaged = snapshot(net)
    evaluations = [evaluate(net, averaged, data, dtype)]
    for epoch in range(chosen.epochs):
        order = torch.from_numpy(generator(seed, Purpose.ORDER, epoch).permutation(len(x)))
        for index, rows in enumerate(order.split(chosen.batch_size)):
            step = epoch * steps + index
            factor = 0.5 * (1 + cos(pi * step / (chosen.epochs * steps))) if chosen.schedule == "cosine" else 1
            for group in optimizer.param_groups:
                group["lr"] = chosen.learning_rate * factor
            inputs, wanted = batch_of(chosen, x[rows], targets[rows], seed=seed, step=step, steps=steps)
            draw_masks(net, chosen, x.shape[1], seed=seed, step=step, batch=len(rows))
            loss = cross_entropy(net.train()(inputs), wanted, label_smoothing=chosen.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            if chosen.optimizer == "sgd":
                for matrix in (p for p in net.parameters() if p.ndim == 2):
                    matrix.data *= 1 - chosen.learning_rate * factor * chosen.weight_decay
            optimizer.step()
            if chosen.max_norm:
                limit_norms(net, chosen.max_norm)
            old = min(chosen.averaging, step / (step + 1))
            averaged = {name: old * averaged[name] + (1 - old) * value for name, value in snapshot(net).items()}
        evaluations.append(evaluate(net, averaged, data, dtype))
    if chosen.early_stopping == "none":
        return evaluations, chosen.epochs
    scores = [
        e["validation"][1]
        if chosen.early_stopping == "nll"
        else scaled_nll(e["validation"][0], data.labels["validation"])
        for e in evaluations[1:]
    ]
    return evaluations, stopping_epoch(scores, chosen.patience)


SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "dropout": {"low": 0.0, "high": 0.6, "off": 0.25},
    "averaging": {"low": 0.5, "high": 0.99, "off": 0.25},
    "mixup": {"low": 0.0, "high": 1.0, "off": 0.25},
}
ARMS = {"none": [], "dropout": ["dropout"], "all": ["dropout", "averaging", "mixup"]}


def search_of(*, sampler="tpe", pruner="halving", startup=2, seed=0, **changes):
    """A small search over networks that take a few milliseconds each."""
    section = {"trials": 6, "batch": 2, "seeds": 2, "objectives": ["nll"], "space": SPACE, "arms": ARMS}
    parts = {"sampler": {"kind": sampler, "startup": startup, "seed": seed}, "pruner": {"kind": pruner, "first": 1}}
    return Search.model_validate({**section, **parts, **changes})


def task_of(search, **base):
    """What `pipeline.search` needs, on the toy data of seeds that follow those of a study of four."""
    return Task(search, point(**base), {seed: toy_data(seed) for seed in range(4, 4 + search.seeds)})


def content_of(trial):
    """All that a trial holds but when it ran, and under which id a storage has it."""
    told = {epoch: repr(value) for epoch, value in trial.intermediate_values.items()}  # NaN is equal to itself here
    return {
        "number": trial.number, "state": trial.state.name, "values": trial.values, "params": trial.params,
        "distributions": trial.distributions, "told": told, "user": trial.user_attrs, "system": trial.system_attrs,
    }  # fmt: skip


def contents_of(found):
    return {arm: [content_of(trial) for trial in trials] for arm, trials in found.items()}
