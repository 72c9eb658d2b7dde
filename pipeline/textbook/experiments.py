"""Experiments: the cells of one, trained and scored on a data set; what the memo holds is not done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipeline.config.claims import Cell, Experiment
from pipeline.core import parallel
from pipeline.core.fingerprint import fingerprint
from pipeline.core.memo import recall, remember
from pipeline.core.progress import progress
from pipeline.data.dataset import test_posterior
from pipeline.data.splits import overlapping
from pipeline.results.textbook import AuditRow, EstimatorRow
from pipeline.textbook.array_bytes import arrays_of, bytes_of
from pipeline.textbook.cell_metrics import Predictions, member_statistics, prediction_scores, predictions_of
from pipeline.textbook.cell_training import SeedSplits, Training, train, training_of
from pipeline.textbook.estimator_audit import audit
from pipeline.training.chunks import LEAST
from pipeline.training.fit import Tick
from pipeline.training.member import Fitted, history_epochs

Arrays = dict[str, NDArray[Any]]
TOGETHER = 4  # cells that are fitted, scored and remembered together, more on a wide cluster: what can be lost
_AUDIT = TypeAdapter(tuple[EstimatorRow, ...])


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment found on a data set.

    Attributes:
        arrays: `score/<metric>` (cell, seed), `group/<metric>` (cell, seed, group) of test rows, `history/<metric>`
            (cell, seed, epoch) and `epoch` where there is a history; all NaN where a cell has none.
        audit: how the estimators of calibration do on each cell's networks; empty unless the experiment asks for it.
        scored: how many cells were scored now, the rest being recalled.
    """

    arrays: Arrays
    audit: tuple[AuditRow, ...]
    scored: int


@dataclass(frozen=True)
class _Run:
    """An experiment on a data set, and how its cells are trained."""

    experiment: Experiment
    splits: SeedSplits
    trainings: Sequence[Training]
    jobs: int

    def scores_key(self, training: Training) -> str:
        wanted = [self.experiment.history, self.experiment.weights, self.experiment.samples]
        return fingerprint("scores", training.fingerprint(self.splits), wanted, code=["textbook.cell_metrics"])

    def audit_key(self, training: Training) -> str:
        return fingerprint("audit", training.fingerprint(self.splits), code=["textbook.estimator_audit"])


def run(
    experiment: Experiment,
    splits: SeedSplits,
    *,
    name: str,
    jobs: int,
    siblings: Sequence[Experiment] = (),
    title: str = "experiment",
) -> ExperimentResult:
    """Train and score an experiment's cells.

    Args:
        experiment: what is trained.
        splits: the data set, for all paired seeds.
        name: the data set's name, for the audit.
        jobs: workers; they change no bit.
        siblings: other experiments on the same data: a cell is trained once, with all outputs that one of them wants.
        title: what the progress bar says.
    """
    trainings = [training_of(cell, experiment, siblings) for cell in experiment.cells.values()]
    plan = _Run(experiment, splits, trainings, jobs)
    cells, scored = _scores(plan, title)
    arrays = _stacked(cells)
    if experiment.history:
        arrays["epoch"] = history_epochs(trainings[0].cell.epochs)
    return ExperimentResult(arrays, tuple(_audits(plan, name)) if experiment.audit else (), scored)


def _scores(plan: _Run, title: str) -> tuple[list[Arrays], int]:
    """The arrays of every cell, and how many cells were not in the memo."""
    keys = [plan.scores_key(training) for training in plan.trainings]
    payloads = [recall(key) for key in keys]
    arrays = {place: arrays_of(payload) for place, payload in enumerate(payloads) if payload is not None}
    missing = [place for place in range(len(keys)) if place not in arrays]
    epochs = sum(plan.trainings[place].cell.epochs for place in missing) * plan.splits.seeds
    with progress(title, epochs, "epochs") as tick:
        for places in _batches(missing, plan):
            batch = [plan.trainings[place] for place in places]
            for place, scores in zip(places, _score(plan, batch, tick), strict=True):
                remember(keys[place], bytes_of(scores))
                arrays[place] = scores
    return [arrays[place] for place in range(len(keys))], len(missing)


def _batches(places: Sequence[int], plan: _Run) -> Iterator[list[int]]:
    """A few cells at a time that train on the same rows; so many that a cluster's cores all have work."""
    trainings = plan.trainings
    crew = parallel.crew(plan.jobs, threads=True) if places else None
    together = max(TOGETHER, -(-LEAST * crew.size // plan.splits.seeds)) if crew and crew.is_remote else TOGETHER
    order = sorted(places, key=lambda place: trainings[place].rows)
    for _, same in groupby(order, key=lambda place: trainings[place].rows):
        batch = list(same)
        yield from (batch[start : start + together] for start in range(0, len(batch), together))


def _score(plan: _Run, trainings: Sequence[Training], tick: Tick) -> list[Arrays]:
    """The arrays of cells that train on the same rows: networks run in threads, scores are computed by processes."""
    data = trainings[0].data(plan.splits)
    fitted = train(trainings, plan.splits, data, jobs=plan.jobs, tick=tick)

    def evaluate(cell: Cell, members: Fitted) -> tuple[Arrays, Predictions]:
        statistics = member_statistics(cell, members, data, plan.experiment)
        return statistics, predictions_of(cell, members, data, plan.experiment, plan.splits.dataset)

    pairs = [(training.cell, members) for training, members in zip(trainings, fitted, strict=True)]
    evaluated = list(
        parallel.results(evaluate, pairs, arguments=lambda pair: pair, jobs=plan.jobs, threads=True, local=True)
    )
    scores = parallel.results(prediction_scores, evaluated, arguments=lambda pair: (pair[1],), jobs=plan.jobs)
    return [statistics | each for (statistics, _), each in zip(evaluated, scores, strict=True)]


def _audits(plan: _Run, name: str) -> Iterator[AuditRow]:
    """The audit of every cell, where the posterior is known."""
    posterior = None if overlapping(plan.splits.dataset.splits) else test_posterior(plan.splits.dataset, [0])
    if posterior is None:
        return
    for label, training in zip(plan.experiment.cells, plan.trainings, strict=True):
        key = plan.audit_key(training)
        payload = recall(key)
        if payload is None:
            (fitted,) = train([training], plan.splits, training.data(plan.splits), jobs=plan.jobs)
            payload = _AUDIT.dump_json(tuple(audit(fitted.logits["test"], posterior[0], seed=0, jobs=plan.jobs)))
            remember(key, payload)
        for row in _AUDIT.validate_json(payload):
            yield AuditRow(dataset=name, cell=label, **row.model_dump())


def _stacked(cells: Sequence[Arrays]) -> Arrays:
    """Arrays of all cells, NaN where one has no such array."""
    shapes = {name: values.shape for arrays in cells for name, values in arrays.items()}
    return {
        name: np.stack([arrays.get(name, np.full(shape, np.nan)) for arrays in cells])
        for name, shape in sorted(shapes.items())
    }
