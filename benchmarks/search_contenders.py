"""Seconds of a hyperparameter search the usual way: Optuna over a plain PyTorch loop, and over skorch.

Run `python -m benchmarks.search_contenders`. An objective trains one network per seed, one after the other, and
returns the mean validation cross-entropy of their last epochs; Optuna runs objectives side by side, in threads
(`n_jobs`) or in processes that share the study. The networks are small, so what is measured is mostly the interpreter.
"""

from __future__ import annotations

from pipeline.core.determinism import heed_cbwr, pin

pin()

import argparse  # noqa: E402  (numpy and torch must find the environment pinned)
import itertools  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence  # noqa: E402
from concurrent.futures import Executor, ProcessPoolExecutor  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import partial  # noqa: E402
from multiprocessing import get_context  # noqa: E402
from multiprocessing.synchronize import Barrier  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import optuna  # noqa: E402
import torch  # noqa: E402
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend  # noqa: E402
from skorch import NeuralNetClassifier  # noqa: E402
from skorch.dataset import Dataset  # noqa: E402
from skorch.helper import predefined_split  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from pipeline.config.points import Point, Regularizers  # noqa: E402
from pipeline.data.seed_data import SeedData, seed_data  # noqa: E402
from pipeline.data.sources import Bundled  # noqa: E402

HIDDEN = (128, 128, 128)
BATCH = 64
ROWS = 256
JOBS = 2
STRENGTHS = ("dropout", "weight_decay", "label_smoothing")
OFF = {name: value for name, value in dict(Regularizers()).items() if name not in STRENGTHS}


@dataclass(frozen=True)
class Spec:
    """What is searched.

    Attributes:
        data: what each seed trains and validates on; every trial trains all of them, in this order.
        trials: how many the search has.
        epochs: passes over the training rows.
        batch_size: rows of a step.
        hidden: width of each hidden layer.
        suggest: the point of a trial; at module level if the search is to run in processes, since it is pickled.
    """

    data: Mapping[int, SeedData]
    trials: int
    epochs: int
    batch_size: int
    hidden: tuple[int, ...]
    suggest: Callable[[optuna.Trial], Point]

    def point(self, trial: optuna.Trial) -> Point:
        """What the trial asks for.

        Raises:
            ValueError: it asks for more than the contenders do, so that no comparison is of two different things.
        """
        point = self.suggest(trial)
        sizes = {"hidden": self.hidden, "epochs": self.epochs, "batch_size": self.batch_size}
        for field, value in {**OFF, **sizes, "optimizer": "adam", "schedule": "constant", "replicate": 0}.items():
            if getattr(point, field) != value:
                raise ValueError(f"{field} must be {value!r} for the contenders, got {getattr(point, field)!r}")
        return point


Fit = Callable[[Point, SeedData], float]  # a trained network's validation cross-entropy


@dataclass(frozen=True)
class Objective:
    """A trial: one network per seed in turn, and the mean of their losses.

    With `prune`, the mean over the seeds that are done is reported at step = number of seeds done: a loop that trains
    one seed after the other has no mean over all seeds before the last of them.
    """

    spec: Spec
    fit: Fit
    prune: bool

    def __call__(self, trial: optuna.Trial) -> float:
        point = self.spec.point(trial)
        losses: list[float] = []
        for seed, data in self.spec.data.items():
            torch.manual_seed(seed)  # threads share torch's generator: with n_jobs > 1 this fixes no bits
            losses.append(self.fit(point, data))
            if self.prune and len(losses) < len(self.spec.data):
                trial.report(statistics.fmean(losses), len(losses))
                if trial.should_prune():
                    raise optuna.TrialPruned
        return statistics.fmean(losses)


def plain(
    study: optuna.Study,
    spec: Spec,
    n_jobs: int,
    *,
    tensors: bool = False,
    fused: bool = False,
    prune: bool = False,
    workers: Executor | None = None,
) -> None:
    """Run the search over a plain PyTorch loop.

    Args:
        study: takes the trials; its sampler and pruner are the user's. With `workers`, its storage must be shared.
        spec: what is searched.
        n_jobs: objectives side by side.
        tensors: take batches out of tensors, not from a `DataLoader`.
        fused: AdamW's fused kernel, which is not the default.
        prune: report after each seed, and heed the study's pruner.
        workers: `n_jobs` processes, from `processes`; threads where there are none.
    """
    _optimize(study, n_jobs, Objective(spec, partial(fit_plain, tensors=tensors, fused=fused), prune), workers)


def skorch(
    study: optuna.Study,
    spec: Spec,
    n_jobs: int,
    *,
    validate: bool = False,
    lean: bool = False,
    prune: bool = False,
    workers: Executor | None = None,
) -> None:
    """Run the search over skorch's `NeuralNetClassifier`.

    Args:
        study: as for `plain`.
        spec: what is searched.
        n_jobs: objectives side by side.
        validate: measure the validation rows after every epoch (`predefined_split`), as many users do.
        lean: no callbacks (times, losses and accuracies of epochs), and AdamW's fused kernel.
        prune: as for `plain`.
        workers: as for `plain`.
    """
    _optimize(study, n_jobs, Objective(spec, partial(fit_skorch, validate=validate, lean=lean), prune), workers)


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """Processes that have imported everything and are ready: what a search in them takes is the search alone.

    Each computes with as many threads as torch has here.
    """
    context = get_context("spawn")
    ready = context.Barrier(count)  # or one could take the first tasks while another still imports
    with ProcessPoolExecutor(count, context, _start, (torch.get_num_threads(), ready)) as executor:
        for future in [executor.submit(int) for _ in range(count)]:
            future.result()
        yield executor


def network(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """A multilayer perceptron."""
    hidden = [(nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout)) for a, b in itertools.pairwise(widths[:-1])]
    return nn.Sequential(*itertools.chain.from_iterable(hidden), nn.Linear(*widths[-2:]))


def fit_plain(point: Point, data: SeedData, *, tensors: bool, fused: bool) -> float:
    """One network by a loop over batches."""
    x, y = (torch.from_numpy(part["train"]) for part in (data.features, data.labels))
    model = network(_widths(point, data), point.dropout)
    criterion = nn.CrossEntropyLoss(label_smoothing=point.label_smoothing)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=point.learning_rate, weight_decay=point.weight_decay, fused=fused
    )
    loader: Iterable[Any] = DataLoader(TensorDataset(x, y), batch_size=point.batch_size, shuffle=True)
    for _ in range(point.epochs):
        for inputs, labels in _batches(x, y, point.batch_size) if tensors else loader:
            optimizer.zero_grad()
            criterion(model(inputs), labels).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return _validation_loss(model(torch.from_numpy(data.features["validation"])), data)


def fit_skorch(point: Point, data: SeedData, *, validate: bool, lean: bool) -> float:
    """One network by skorch."""
    net = NeuralNetClassifier(
        network,
        module__widths=_widths(point, data),
        module__dropout=point.dropout,
        criterion=nn.CrossEntropyLoss,
        criterion__label_smoothing=point.label_smoothing,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=point.weight_decay,
        optimizer__fused=lean,
        lr=point.learning_rate,
        max_epochs=point.epochs,
        batch_size=point.batch_size,
        iterator_train__shuffle=True,
        train_split=predefined_split(Dataset(data.features["validation"], data.labels["validation"]))
        if validate
        else None,
        callbacks="disable" if lean else None,
        verbose=0,
    )
    net.fit(data.features["train"], data.labels["train"])
    return _validation_loss(net.forward(data.features["validation"]), data)


def _optimize(study: optuna.Study, n_jobs: int, objective: Objective, workers: Executor | None) -> None:
    trials = objective.spec.trials
    if workers is None:
        study.optimize(objective, n_trials=trials, n_jobs=n_jobs)
        return
    shares = [trials // n_jobs + (index < trials % n_jobs) for index in range(n_jobs)]
    before = len(study.get_trials(deepcopy=False))
    for future in [workers.submit(_work, study, objective, share) for share in shares if share]:
        future.result()
    if len(study.get_trials(deepcopy=False)) < before + trials:
        raise ValueError("the study's storage must be one that processes share: a study in memory gets no trials")


def _work(study: optuna.Study, objective: Objective, trials: int) -> None:
    study.sampler.reseed_rng()  # or every process suggests the same, as Optuna's own threads would
    study.optimize(objective, n_trials=trials)


def _start(threads: int, ready: Barrier) -> None:
    _prepare(threads)
    ready.wait(timeout=300)


def _prepare(threads: int) -> None:
    heed_cbwr()
    torch.set_num_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _widths(point: Point, data: SeedData) -> tuple[int, ...]:
    return data.features["train"].shape[1], *point.hidden, data.classes


def _batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.randperm(len(x)).split(size):
        yield x[rows], y[rows]


def _validation_loss(logits: Tensor, data: SeedData) -> float:
    return float(nn.functional.cross_entropy(logits, torch.from_numpy(data.labels["validation"])))


def digits(seeds: int) -> dict[int, SeedData]:
    """Scikit-learn's digits, split anew for each seed and standardized."""
    dataset = Bundled(kind="bundled", name="digits", train=ROWS, validation=ROWS).load("digits", seeds=seeds)
    return {seed: seed_data(dataset, seed) for seed in range(seeds)}


def suggest(trial: optuna.Trial, epochs: int) -> Point:
    """The strengths that the contenders have, and the learning rate."""
    return Point(
        hidden=HIDDEN, epochs=epochs, batch_size=BATCH, optimizer="adam", schedule="constant", momentum=0.9,
        learning_rate=trial.suggest_float("learning_rate", 3e-4, 3e-2, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.6),
        weight_decay=trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
    )  # fmt: skip


def problem(trials: int, seeds: int, epochs: int) -> Spec:
    """The search that is measured."""
    return Spec(digits(seeds), trials, epochs, BATCH, HIDDEN, partial(suggest, epochs=epochs))


def contenders(workers: Executor) -> dict[str, dict[str, Callable[[optuna.Study, Spec], None]]]:
    """Every way to train (a row of the table), and to run it side by side (a column)."""
    loops: dict[str, Callable[..., None]] = {
        "plain, DataLoader": plain,
        "plain, tensors": partial(plain, tensors=True),
        "plain, tensors, fused AdamW": partial(plain, tensors=True, fused=True),
        "skorch, validating": partial(skorch, validate=True),
        "skorch": skorch,
        "skorch, lean": partial(skorch, lean=True),
    }
    sides: dict[str, dict[str, Any]] = {
        "one job": {"n_jobs": 1},
        f"{JOBS} threads": {"n_jobs": JOBS},
        f"{JOBS} processes": {"n_jobs": JOBS, "workers": workers},
    }
    return {name: {side: partial(run, **how) for side, how in sides.items()} for name, run in loops.items()}


def search_seconds(run: Callable[[optuna.Study, Spec], None], spec: Spec) -> float:
    """Seconds of a search; the study is on disk, where processes can share it."""
    with tempfile.TemporaryDirectory() as folder:
        storage = JournalStorage(JournalFileBackend(str(Path(folder, "journal"))))
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.TPESampler(seed=0))
        start = time.perf_counter()
        run(study, spec)
        return time.perf_counter() - start


def main() -> None:
    """Measure all contenders in turn, round after round, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4, help="trials of a search (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="networks of a trial (%(default)s)")
    parser.add_argument("--epochs", type=int, default=15, help="epochs of a network (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of all contenders (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch in each job (%(default)s)")
    options = parser.parse_args()
    _prepare(options.threads)
    spec = problem(options.trials, options.seeds, options.epochs)
    times: dict[tuple[str, str], list[float]] = {}
    with processes(JOBS) as workers:
        runs = contenders(workers)
        cells = [(name, side) for name, sides in runs.items() for side in sides]
        for name, side in cells:
            search_seconds(runs[name][side], problem(trials=JOBS, seeds=1, epochs=1))
        for _ in range(options.rounds):
            for name, side in cells:
                times.setdefault((name, side), []).append(search_seconds(runs[name][side], spec))
    print(f"{platform.machine()}, torch {torch.__version__}, threads of torch in each job: {options.threads}")
    print(f"{options.trials} trials x {options.seeds} seeds x {options.epochs} epochs of {ROWS} rows, batch {BATCH}")
    print(f"seconds of a search, medians of {options.rounds} round(s)\n")
    print(f"{'':28}" + "".join(f"{side:>14}" for side in next(iter(runs.values()))))
    for name, sides in runs.items():
        print(f"{name:28}" + "".join(f"{statistics.median(times[name, side]):>14.2f}" for side in sides))


if __name__ == "__main__":
    main()
