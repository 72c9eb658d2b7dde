"""Slow, obvious ways to compute what the engine computes: one network, one loop, PyTorch's own parts.

They share nothing with the engine but the random numbers and the first weights.
"""

from copy import deepcopy
from math import cos, isqrt, pi, prod

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import betaincinv
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, one_hot

from pipeline.config.points import Point
from pipeline.config.search_space import Search
from pipeline.core.rng import Purpose, generator, uniform16
from pipeline.data.seed_data import SeedData
from pipeline.models.build import build as network_of
from pipeline.results.record import finite
from pipeline.results.tuning import RateTrial, Tuning
from pipeline.search.optimize import Task
from pipeline.training.member import Member

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


def tuning(values, *, rate=PLAIN["learning_rate"], objective="refinement"):
    """Of a point that was tried with one learning rate, with this objective on each tuning seed."""
    return Tuning(
        objective=objective,
        trials=(RateTrial(learning_rate=rate, values=tuple(finite(float(value)) for value in values)),),
    )


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
    pairs = [(one.epochs, other.epochs), (one.weights, other.weights)]
    pairs += [(one.logits[name], other.logits[name]) for name in one.logits]
    pairs += [(one.history[name], other.history[name]) for name in one.history]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


class Masked(nn.Module):
    """Dropout of given uniforms (*before, batch, *after): drop where one, read from 0, is below rate * 65536."""

    def __init__(self, rate, before, after):
        super().__init__()
        self.dropped, self.before, self.after = min(round(rate * 65536), 65535), before, after
        self.mask = None

    def size(self, batch):
        return prod(self.before) * batch * prod(self.after)

    def draw(self, uniforms, batch):
        drawn = uniforms.view(*self.before, batch, *self.after)
        self.mask = (drawn >= self.dropped - 32768).movedim(len(self.before), 0)

    def forward(self, x, step=...):
        return torch.where(self.mask[:, step], x * 65536 / (65536 - self.dropped), 0) if self.training else x


class Reader(nn.Module):
    """A GRU by its equations, with masks (row, step, unit) where the state is multiplied with weights."""

    def __init__(self, side, width, masked):
        super().__init__()
        self.cell, self.masked, self.side = nn.GRUCell(side, width), masked, side

    def forward(self, x):
        cell = self.cell
        state = x.new_zeros(len(x), cell.hidden_size)
        for step, pixels in enumerate(x.view(len(x), self.side, self.side).unbind(1)):
            read = self.masked(state, min(step - 1, self.masked.before[0] - 1)) if step else state
            inputs = (pixels @ cell.weight_ih.T + cell.bias_ih).chunk(3, 1)
            states = (read @ cell.weight_hh.T + cell.bias_hh).chunk(3, 1)
            reset, update = (torch.sigmoid(one + other) for one, other in zip(inputs[:2], states[:2], strict=True))
            new = torch.tanh(inputs[2] + reset * states[2])
            state = (1 - update) * new + update * state
        return state


def layers_of(chosen, features, classes):
    """An ordinary network of the chosen kind, without its dropout on inputs and logits."""
    rate, shared, side = chosen.dropout, chosen.shared_dropout, isqrt(features)
    if chosen.architecture == "gru":
        (width,) = chosen.hidden
        masks = Masked(rate, (1 if shared else side - 1,), (width,))
        return [Reader(side, width, masks), Masked(rate, (), (width,)), nn.Linear(width, classes)]
    layers = [nn.Unflatten(1, (1, side, side))] if chosen.architecture == "conv" else []
    before = 1 if chosen.architecture == "conv" else features
    for width in chosen.hidden:
        if chosen.architecture == "conv":
            layers += [
                nn.Conv2d(before, width, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2) if side > 1 else nn.Identity(),
            ]
            side = max(side // 2, 1)
            layers += [Masked(rate, (width, *((1, 1) if shared else (side, side))), ())]
        else:
            layers += [nn.Linear(before, width), *([nn.BatchNorm1d(width)] if chosen.batch_norm else [])]
            layers += [nn.ReLU(), Masked(rate, (), (width,))]
        before = width
    flat = [nn.Flatten(), nn.Linear(before * side**2, classes)] if chosen.architecture == "conv" else []
    return layers + (flat or [nn.Linear(before, classes)])


def matrices_of(net):
    """Name of an array in a member's row -> the parameter, as (outputs, inputs) or (outputs,), in any network."""
    parameters, layer = {}, 0
    for part in net.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            suffix = "_out" if any(isinstance(other, Reader) for other in net) else layer
            parameters |= {f"weight{suffix}": part.weight, f"bias{suffix}": part.bias}
            layer += 1
        elif isinstance(part, nn.GRUCell):
            parameters |= {"weight_in": part.weight_ih, "weight_state": part.weight_hh}
            parameters |= {"bias_in": part.bias_ih, "bias_state": part.bias_hh}
    return parameters


def build(chosen, data, seed, dtype):
    """An ordinary `nn.Sequential` with the engine's first weights."""
    features = data.features["train"].shape[1]
    parts = layers_of(chosen, features, data.classes)
    net = nn.Sequential(
        Masked(chosen.input_dropout, (), (features,)), *parts, Masked(chosen.output_dropout, (), (data.classes,))
    )
    network = network_of(chosen, features, data.classes)
    row = torch.from_numpy(network.initial(seed))
    for name, parameter in matrices_of(net).items():
        start, shape = network.layout.offsets[name]
        parameter.data = row[start : start + prod(shape)].view(shape).T.reshape(parameter.shape).clone()
    return net.to(dtype)


def optimizer_of(chosen, net):
    """Decay on the weight matrices alone: decoupled for weight_decay, in the gradient for l2 (they are not mixed)."""
    matrices = [p for p in net.parameters() if p.ndim > 1]
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


def draw_masks(net, *, seed, step, batch, hidden_alone=False):
    first, *hidden, last = [part for part in net.modules() if isinstance(part, Masked)]
    groups = {Purpose.INPUT_DROPOUT: [first], Purpose.DROPOUT: hidden, Purpose.OUTPUT_DROPOUT: [last]}
    for purpose, group in [(Purpose.DROPOUT, hidden)] if hidden_alone else groups.items():
        sizes = [part.size(batch) for part in group]
        uniforms = torch.from_numpy(uniform16(seed, purpose, step, sum(sizes)).astype(np.int64))
        for part, drawn in zip(group, uniforms.split(sizes) if group else (), strict=True):
            part.draw(drawn, batch)


def weights_of(chosen, data):
    """Class weights as scikit-learn has them, for one that is balanced."""
    if chosen.balance == "none":
        return None
    from sklearn.utils.class_weight import compute_class_weight  # noqa: PLC0415  (training must do without)

    labels = data.labels["train"]
    return torch.from_numpy(compute_class_weight("balanced", classes=np.arange(data.classes), y=labels))


def loss_of(chosen, logits, targets, weights=None):
    """Mean loss of logits (batch, class) at targets (batch, class), as it is in the papers."""
    smooth = (1 - chosen.label_smoothing) * targets + chosen.label_smoothing / targets.shape[-1]
    probs, weights = torch.softmax(logits, -1), None if weights is None else weights.to(logits.dtype)
    loss = cross_entropy(logits, targets, weight=weights, label_smoothing=chosen.label_smoothing)
    if chosen.focal_loss:
        terms = smooth * (1 - probs) ** chosen.focal_loss * torch.log_softmax(logits, -1)
        loss = -(terms if weights is None else terms * weights).sum(-1).mean()
    return loss - chosen.confidence_penalty * torch.distributions.Categorical(logits=logits).entropy().mean()


def kl_divergence(logits, others):
    """Mean over the batch of KL(softmax(logits) || softmax(others))."""
    return kl_div(torch.log_softmax(others, -1), torch.log_softmax(logits, -1), log_target=True, reduction="batchmean")


def two_pass_loss(chosen, logits, others, targets, weights=None):
    """R-drop (Liang et al. 2021, equation 4), halved."""
    divergence = (kl_divergence(logits, others) + kl_divergence(others, logits)) / 2
    both = loss_of(chosen, logits, targets, weights) + loss_of(chosen, others, targets, weights)
    return (both + chosen.r_drop * divergence) / 2


def limit_norms(net, limit):
    for layer in [layer for layer in net if isinstance(layer, nn.Linear | nn.Conv2d)][:-1]:
        for unit in layer.weight.data:
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


def calibrated_nll(logits, labels):
    """Cross-entropy at the temperature of least cross-entropy with one uniform row, by a bounded search; not K = 2."""
    logits, labels = torch.from_numpy(logits).double(), torch.from_numpy(labels)
    n, K = logits.shape
    assert K > 2
    targets = (n * one_hot(labels, K) + 1 / K) / (n + 1)
    optimum = minimize_scalar(
        lambda log_beta: cross_entropy(logits * np.exp(log_beta), targets).item(),
        bounds=(-10, 10), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return cross_entropy(logits * np.exp(optimum.x), labels).item()


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
    steps, weights = -(-len(x) // chosen.batch_size), weights_of(chosen, data)
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
            draw_masks(net, seed=seed, step=step, batch=len(rows))
            logits, running = net.train()(inputs), deepcopy(dict(net.named_buffers()))
            loss = loss_of(chosen, logits, wanted, weights)
            if chosen.r_drop:
                draw_masks(net, seed=seed, step=chosen.epochs * steps + step, batch=len(rows), hidden_alone=True)
                loss = two_pass_loss(chosen, logits, net(inputs), wanted, weights)
            optimizer.zero_grad()
            loss.backward()
            net.load_state_dict(running, strict=False)
            if chosen.optimizer == "sgd":
                for matrix in (p for p in net.parameters() if p.ndim > 1):
                    matrix.data *= 1 - chosen.learning_rate * factor * chosen.weight_decay
            optimizer.step()
            if chosen.max_norm:
                limit_norms(net, chosen.max_norm)
            old = min(chosen.averaging, step / (step + 1))
            averaged = {name: old * averaged[name] + (1 - old) * value for name, value in snapshot(net).items()}
        evaluations.append(evaluate(net, averaged, data, dtype))
    return evaluations, kept_epoch(chosen, evaluations, data.labels["validation"])


def kept_epoch(chosen, evaluations, labels, rows=slice(None)):
    """The epoch that a point keeps of a network whose evaluations these are, where these validation rows choose it."""
    if chosen.early_stopping == "none":
        return chosen.epochs
    score = calibrated_nll if chosen.early_stopping == "nll_calibrated" else plain_nll
    scores = [score(e["validation"][0][rows], labels[rows]) for e in evaluations[1:]]
    return stopping_epoch(scores, chosen.patience)


def held_out_logits(chosen, evaluations, labels):
    """Logits of the validation rows: of every second row, of the epoch that the other rows choose."""
    logits = np.empty_like(evaluations[0]["validation"][0])
    for start in (0, 1):
        epoch = kept_epoch(chosen, evaluations, labels, slice(1 - start, None, 2))
        logits[start::2] = evaluations[epoch]["validation"][0][start::2]
    return logits


def plain_nll(logits, labels):
    """Cross-entropy of logits (row, class) in float64."""
    return cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)).item()


SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "dropout": {"low": 0.0, "high": 0.6, "off": 0.25},
    "averaging": {"low": 0.5, "high": 0.99, "off": 0.25},
    "mixup": {"low": 0.0, "high": 1.0, "off": 0.25},
}
ARMS = {"none": [], "dropout": ["dropout"], "all": ["dropout", "averaging", "mixup"]}


def search_of(*, sampler="tpe", pruner="halving", startup=2, seed=0, **changes):
    """A small search over networks that take a few milliseconds each."""
    section = {"trials": 6, "batch": 2, "seeds": 2, "objectives": ["nll"], "space": SPACE, "arms": ARMS, "stacked": 4}
    parts = {"sampler": {"kind": sampler, "startup": startup, "seed": seed}, "pruner": {"kind": pruner, "first": 1}}
    return Search.model_validate({**section, **parts, **changes})


def task_of(search, **base):
    """What `pipeline.search.optimize` needs, on the toy data of seeds that follow those of a study of four."""
    return Task(search, point(**base), {seed: toy_data(seed) for seed in range(4, 4 + search.seeds)})


def content_of(trial):
    """All that a trial holds but when it ran, and under which id a storage has it."""
    reported = {epoch: repr(value) for epoch, value in trial.intermediate_values.items()}  # NaN is equal to itself here
    return {
        "number": trial.number, "state": trial.state.name, "values": trial.values, "params": trial.params,
        "distributions": trial.distributions, "reported": reported,
        "user": trial.user_attrs, "system": trial.system_attrs,
    }  # fmt: skip


def contents_of(trials_by_arm):
    return {arm: [content_of(trial) for trial in trials] for arm, trials in trials_by_arm.items()}
