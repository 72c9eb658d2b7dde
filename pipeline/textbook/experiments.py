"""Train the cells of an experiment on one data set, and measure everything that a claim may ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray

from pipeline.config.textbook import Cell, Experiment
from pipeline.data.dataset import Dataset, test_posterior
from pipeline.data.splits import SPLITS, overlapping
from pipeline.data.standardization import SeedData
from pipeline.evaluation.members import test_groups
from pipeline.textbook import weight_statistics
from pipeline.textbook.cell_data import cell_data
from pipeline.textbook.cell_metrics import Predicted, as_logits, measure
from pipeline.textbook.estimator_audit import audit
from pipeline.training.fit import Tick, fit
from pipeline.training.member import Fitted, Member, history_epochs

Arrays = dict[str, NDArray[Any]]
Data = Mapping[int, SeedData]
PROBED = 256  # validation rows, at most, over which the gradient by inputs is averaged
SAMPLED = 1000  # test rows, at most, for which dropout masks are sampled


def run(
    experiment: Experiment, dataset: Dataset, *, seeds: int, jobs: int, tick: Tick | None = None
) -> tuple[Arrays, list[dict[str, Any]]]:
    """Train and measure an experiment's cells.

    Args:
        experiment: what is trained.
        dataset: on which rows, split for `seeds` seeds.
        seeds: paired seeds of every cell.
        jobs: workers; they change no bit.
        tick: told how many member-epochs are done.

    Returns:
        `score/<metric>` (cell, seed), `group/<metric>` (cell, seed, group) of test rows, `history/<measure>`
        (cell, seed, epoch) and `epoch` where there is a history, all NaN where a cell has none; rows of the audit.
    """
    labels, cells = list(experiment.cells), list(experiment.cells.values())
    fitted = sorted(_fitted(experiment, dataset, seeds=seeds, jobs=jobs, tick=tick), key=itemgetter(0))
    probing = (delayed(_probed)(cells[place], found, data, experiment, dataset) for place, found, data in fitted)
    told, predicted = zip(*Parallel(n_jobs=jobs, backend="threading")(probing), strict=True)
    scored = Parallel(n_jobs=min(jobs, len(cells)))(delayed(measure)(one) for one in predicted)
    arrays = _stacked([{**own, **scores} for own, scores in zip(told, scored, strict=True)])
    if experiment.history:
        arrays["epoch"] = history_epochs(cells[0].epochs)
    audited = [
        {"cell": label, **row}
        for label, one in zip(labels, predicted, strict=True)
        if experiment.audit and one.posterior is not None
        for row in audit(one.logits["test"], one.posterior, seed=0, jobs=jobs)
    ]
    return arrays, audited


def epochs_of(experiment: Experiment, *, seeds: int) -> int:
    """How many member-epochs an experiment trains on a data set."""
    return sum(cell.epochs for cell in experiment.cells.values()) * seeds


def _fitted(
    experiment: Experiment, dataset: Dataset, *, seeds: int, jobs: int, tick: Tick | None
) -> Iterator[tuple[int, Fitted, Data]]:
    """Each cell's members and their data; cells that train on the same rows are fitted together."""
    cells = list(experiment.cells.values())
    order = sorted(range(len(cells)), key=lambda place: _rows(cells[place]))
    for _, same in groupby(order, key=lambda place: _rows(cells[place])):
        places = list(same)
        first = cells[places[0]]
        data = {seed: cell_data(dataset, first, seed, input_noise=experiment.input_noise) for seed in range(seeds)}
        groups = [[Member(cells[place].point, seed) for seed in range(seeds)] for place in places]
        with parallel_config(backend="threading"):
            found = fit(
                groups, data, jobs=jobs, tick=tick, history=experiment.history, weights=experiment.needs_weights
            )
        yield from ((place, one, data) for place, one in zip(places, found, strict=True))


def _rows(cell: Cell) -> tuple[int, float]:
    return cell.rows, cell.label_noise


def _probed(
    cell: Cell, fitted: Fitted, data: Data, experiment: Experiment, dataset: Dataset
) -> tuple[Arrays, Predicted]:
    """What training has left of a cell: the work of one thread."""
    told = _told(cell, fitted, data, weights=experiment.weights)
    return told, _predicted(cell, fitted, data, experiment, dataset)


def _told(cell: Cell, fitted: Fitted, data: Data, *, weights: bool) -> Arrays:
    """The history, the epoch that was kept, and what the weights tell."""
    found: Arrays = {f"history/{name}": values for name, values in fitted.history.items()}
    found["score/kept/epoch"] = fitted.epochs.astype(np.float64)
    if weights:
        inputs = np.stack([one.features["validation"][:PROBED] for one in data.values()])
        of = (cell.point, inputs.shape[-1], data[0].classes, fitted.weights)
        found["score/weights/norm"] = weight_statistics.weight_norms(*of)
        found["score/validation/input_gradient"] = weight_statistics.input_gradient(*of, inputs)
    return found


def _predicted(cell: Cell, fitted: Fitted, data: Data, experiment: Experiment, dataset: Dataset) -> Predicted:
    seeds = list(data)
    logits: Arrays = dict(fitted.logits)
    if experiment.samples and cell.dropout:
        logits["scaled"] = fitted.logits["test"][:, :SAMPLED]
        logits["sampled"] = _sampled(cell, fitted, data, experiment.samples)
    posterior = None if overlapping(dataset.splits) else test_posterior(dataset, seeds[:1])
    return Predicted(
        logits=logits,
        labels={split: np.stack([one.labels[split] for one in data.values()]) for split in SPLITS},
        posterior=None if posterior is None else posterior[0],
        groups=test_groups(dataset, seeds),
        label_smoothing=cell.label_smoothing,
    )


def _sampled(cell: Cell, fitted: Fitted, data: Data, samples: int) -> NDArray[np.float64]:
    """Logits of the mean over dropout masks, of the first test rows."""
    inputs = np.stack([one.features["test"][:SAMPLED] for one in data.values()])
    classes = data[0].classes
    return as_logits(
        weight_statistics.monte_carlo(cell.point, list(data), fitted.weights, inputs, samples=samples, classes=classes)
    )


def _stacked(cells: Sequence[Arrays]) -> Arrays:
    """Arrays of all cells, NaN where one has no such array."""
    shapes = {name: values.shape for arrays in cells for name, values in arrays.items()}
    return {
        name: np.stack([arrays.get(name, np.full(shape, np.nan)) for arrays in cells])
        for name, shape in sorted(shapes.items())
    }
