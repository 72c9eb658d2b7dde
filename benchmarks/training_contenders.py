"""Ways to train thirty networks on digits: a stack, loops, libraries, and two tabular networks.

Each takes the rows of every seed, trains the same network on each, and gives its probabilities for the test rows.
No one looks at validation rows but RealMLP and TabM, which choose their epoch by them. Libraries are imported where
they are used, since not everybody has them all.
"""

from __future__ import annotations

import copy
import itertools
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pipeline.data.seed_data import SeedData, seed_data
from pipeline.data.sources import Bundled

WIDTHS = (64, 128, 128, 128, 10)
BATCH = 64
ROWS = 256
DROPOUT = 0.2
RATE = 0.001

Data = Mapping[int, SeedData]
Probabilities = NDArray[np.float32]
Train = Callable[[Data, int], Iterable[Probabilities]]
"""Rows of each seed, epochs: each seed's probabilities (row, class) for its test rows, in the order of the seeds."""


def digits(seeds: int) -> dict[int, SeedData]:
    """Scikit-learn's digits, split anew for each seed and standardized, as the study has them."""
    dataset = Bundled(kind="bundled", name="digits", train=ROWS, validation=ROWS).load("digits", seeds=seeds)
    return {seed: seed_data(dataset, seed) for seed in range(seeds)}


def network() -> nn.Sequential:
    """The network that all train."""
    hidden = [(nn.Linear(a, b), nn.ReLU(), nn.Dropout(DROPOUT)) for a, b in itertools.pairwise(WIDTHS[:-1])]
    return nn.Sequential(*itertools.chain.from_iterable(hidden), nn.Linear(*WIDTHS[-2:]))


def stack(data: Data, epochs: int) -> Iterable[Probabilities]:
    """This project's way, without a history of the training."""
    from pipeline.config.points import Point  # noqa: PLC0415
    from pipeline.training.fit import fit  # noqa: PLC0415
    from pipeline.training.member import Member  # noqa: PLC0415

    point = Point(
        hidden=WIDTHS[1:-1], epochs=epochs, batch_size=BATCH, optimizer="adam", learning_rate=RATE, schedule="constant",
        momentum=0.9, dropout=DROPOUT,
    )  # fmt: skip
    (fitted,) = fit([[Member(point, seed) for seed in data]], data, history=False, splits=("test",))
    return [softmax(logits, axis=1) for logits in fitted.logits["test"]]


def loop(data: Data, epochs: int, *, loader: bool = False) -> Iterator[Probabilities]:
    """The loop that the notebook has, its rows in shuffled batches, out of tensors or of a `DataLoader`."""
    for seed, each in data.items():
        torch.manual_seed(seed)
        x, y = _tensors(each, "train")
        model = network()
        criterion = nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        batches = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True) if loader else _Slices(x, y)
        losses = []
        model.train()
        for _ in range(epochs):
            for inputs, labels in batches:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        yield _predicted(model, each)


class _Slices:
    """Batches of rows in another order every time."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self.x)).split(BATCH):
            yield self.x[rows], self.y[rows]


def vmapped(data: Data, epochs: int) -> Iterable[Probabilities]:
    """All seeds at once by `torch.func`, as PyTorch's tutorial of ensembles has it, and one Adam for all of them."""
    torch.manual_seed(next(iter(data)))
    parameters, buffers = torch.func.stack_module_state([network() for _ in data])
    shape = copy.deepcopy(network()).to("meta")
    x, y = (torch.stack(each) for each in zip(*(_tensors(each, "train") for each in data.values()), strict=True))

    def loss(weights: dict[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(torch.func.functional_call(shape, (weights, buffers), (inputs,)), labels)

    gradient = torch.func.vmap(torch.func.grad(loss), randomness="different")
    optimizer = torch.optim.Adam(parameters.values(), lr=RATE)
    members = torch.arange(len(data)).unsqueeze(1)
    for _ in range(epochs):
        for rows in torch.rand(x.shape[:2]).argsort(1).split(BATCH, 1):
            for name, value in gradient(parameters, x[members, rows], y[members, rows]).items():
                parameters[name].grad = value
            optimizer.step()
    shape.eval()
    test = torch.stack([_tensors(each, "test")[0] for each in data.values()])
    call = torch.func.vmap(lambda weights, inputs: torch.func.functional_call(shape, (weights, buffers), (inputs,)))
    with torch.no_grad():
        return list(call(parameters, test).softmax(-1).numpy())


def skorch(data: Data, epochs: int) -> Iterator[Probabilities]:
    """Skorch's classifier with its usual callbacks and no rows held out."""
    from skorch import NeuralNetClassifier  # noqa: PLC0415

    for seed, each in data.items():
        torch.manual_seed(seed)
        net = NeuralNetClassifier(
            network, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=RATE, max_epochs=epochs,
            batch_size=BATCH, iterator_train__shuffle=True, train_split=None, verbose=0,
        )  # fmt: skip
        net.fit(each.features["train"], each.labels["train"])
        yield net.predict_proba(each.features["test"])


def lightning(data: Data, epochs: int) -> Iterator[Probabilities]:
    """Lightning's trainer without logger, checkpoints and progress bar."""
    import pytorch_lightning as pl  # noqa: PLC0415

    class Module(pl.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = network()

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    _quiet()
    for seed, each in data.items():
        torch.manual_seed(seed)
        module = Module()
        batches = DataLoader(TensorDataset(*_tensors(each, "train")), batch_size=BATCH, shuffle=True)
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, batches)
        yield _predicted(module.model, each)


def mlp_classifier(data: Data, epochs: int) -> Iterator[Probabilities]:
    """Scikit-learn's, which has no dropout: its own L2 penalty is what it has."""
    _quiet()
    for seed, each in data.items():
        model = MLPClassifier(
            WIDTHS[1:-1], batch_size=BATCH, learning_rate_init=RATE, max_iter=epochs, n_iter_no_change=epochs,
            random_state=seed,
        )  # fmt: skip
        yield model.fit(each.features["train"], each.labels["train"]).predict_proba(each.features["test"])


def real_mlp(data: Data, epochs: int) -> Iterator[Probabilities]:
    """RealMLP-TD for log-loss as pytabkit's documentation has it: no label smoothing, the epoch of least log-loss."""
    from pytabkit import RealMLP_TD_Classifier  # noqa: PLC0415

    return _tabular(RealMLP_TD_Classifier, data, epochs, use_ls=False)


def tab_m(data: Data, epochs: int) -> Iterator[Probabilities]:
    """TabM-D with the epoch of least log-loss."""
    from pytabkit import TabM_D_Classifier  # noqa: PLC0415

    return _tabular(TabM_D_Classifier, data, epochs)


def _tabular(kind: Any, data: Data, epochs: int, **options: Any) -> Iterator[Probabilities]:
    """One of pytabkit's at its defaults, which are its own epochs too unless fewer than ten are asked for."""
    _quiet()
    options |= {"n_epochs": epochs} if epochs < 10 else {}
    for seed, each in data.items():
        model = kind(device="cpu", random_state=seed, n_threads=1, val_metric_name="cross_entropy", **options)
        x, y, held, theirs = (part[split] for split in ("train", "validation") for part in (each.features, each.labels))
        yield model.fit(x, y, X_val=held, y_val=theirs).predict_proba(each.features["test"])


def _tensors(data: SeedData, split: str) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(data.features[split]), torch.from_numpy(data.labels[split])


def _predicted(model: nn.Module, data: SeedData) -> Probabilities:
    model.eval()
    with torch.no_grad():
        return model(_tensors(data, "test")[0]).softmax(1).numpy()


def _quiet() -> None:
    """No word of convergence, of workers that a loader could have, nor of devices."""
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)


TRAIN: dict[str, Train] = {
    "stack": stack,
    "loop": loop,
    "loader": lambda data, epochs: loop(data, epochs, loader=True),
    "vmap": vmapped,
    "skorch": skorch,
    "lightning": lightning,
    "mlp": mlp_classifier,
    "realmlp": real_mlp,
    "tabm": tab_m,
}
