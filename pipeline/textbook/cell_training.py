"""The training of cells on all their seeds: cells that are not in the memo are fitted together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.config.claims import Cell, Experiment
from pipeline.core.files import digest
from pipeline.core.fingerprint import fingerprint
from pipeline.core.memo import recall, remember
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import SeedData
from pipeline.data.storage import to_arrays
from pipeline.textbook.array_bytes import arrays_of, bytes_of
from pipeline.textbook.cell_data import cell_data
from pipeline.training.fit import Tick, fit
from pipeline.training.member import Fitted, Member

TRAINING_CODE = ("training.fit", "textbook.cell_data")
Data = Mapping[int, SeedData]


@dataclass(frozen=True)
class SeedSplits:
    """A data set, split for so many seeds."""

    dataset: Dataset
    seeds: int

    @cached_property
    def digest(self) -> str:
        """The digest of its rows, labels and splits; its name does not count."""
        arrays, about = to_arrays(self.dataset)
        return digest(bytes_of({**arrays}) + repr(about["classes"]).encode())


@dataclass(frozen=True)
class Training:
    """A cell that is to be trained, and what is wanted of it.

    Attributes:
        cell: hyperparameters, training rows, and the share of wrong labels.
        input_noise: levels of noise on the test inputs, for which there are logits too.
        history: whether NLL and accuracy on the way are wanted.
        weights: whether the weights are wanted.
    """

    cell: Cell
    input_noise: tuple[float, ...]
    history: bool
    weights: bool

    @property
    def rows(self) -> tuple[object, ...]:
        """Trainings that are equal in these are fitted on the same data, with the same outputs."""
        return self.cell.rows, self.cell.label_noise, self.input_noise, self.history, self.weights

    def fingerprint(self, splits: SeedSplits) -> str:
        """Of all that the result depends on."""
        wanted = {"input_noise": self.input_noise, "history": self.history, "weights": self.weights}
        parts = ("training", self.cell.model_dump(mode="json"), wanted, splits.digest, splits.seeds)
        return fingerprint(*parts, code=TRAINING_CODE)

    def data(self, splits: SeedSplits) -> Data:
        """What each seed trains, chooses and tests on."""
        return {
            seed: cell_data(splits.dataset, self.cell, seed, input_noise=self.input_noise)
            for seed in range(splits.seeds)
        }


def training_of(cell: Cell, experiment: Experiment, siblings: Iterable[Experiment] = ()) -> Training:
    """The training of an experiment's cell, which gives what siblings on the same data want of the same cell, too."""
    sharing = [
        sibling
        for sibling in siblings
        if sibling.input_noise == experiment.input_noise and cell in sibling.cells.values()
    ]
    everyone = [experiment, *sharing]
    return Training(
        cell,
        experiment.input_noise,
        history=any(each.history for each in everyone),
        weights=any(each.needs_weights for each in everyone),
    )


def train(
    trainings: Sequence[Training], splits: SeedSplits, data: Data, *, jobs: int, tick: Tick | None = None
) -> list[Fitted]:
    """The members of each training: those in the memo are recalled, the others fitted as one stack and remembered.

    Args:
        trainings: equal in their `rows`.
        splits: the data set.
        data: of these trainings.
        jobs: workers; they change no bit.
        tick: told how many member-epochs are done.
    """
    keys = [training.fingerprint(splits) for training in trainings]
    recalled = {place: payload for place, key in enumerate(keys) if (payload := recall(key)) is not None}
    missing = [place for place in range(len(trainings)) if place not in recalled]
    results = {place: _decode(payload) for place, payload in recalled.items()}
    if tick is not None:
        tick(sum(trainings[place].cell.epochs for place in recalled) * splits.seeds)
    fitted = _fit([trainings[place] for place in missing], data, jobs=jobs, tick=tick) if missing else []
    for place, members in zip(missing, fitted, strict=True):
        remember(keys[place], _encode(members))
        results[place] = members
    return [results[place] for place in range(len(trainings))]


def _fit(trainings: Sequence[Training], data: Data, *, jobs: int, tick: Tick | None) -> list[Fitted]:
    groups = [[Member(training.cell.point, seed) for seed in data] for training in trainings]
    first = trainings[0]
    return fit(groups, data, jobs=jobs, tick=tick, history=first.history, weights=first.weights)


def _encode(fitted: Fitted) -> bytes:
    logits = {f"logits/{split}": values for split, values in fitted.logits.items()}
    history = {f"history/{name}": values for name, values in fitted.history.items()}
    return bytes_of({**logits, **history, "epochs": fitted.epochs, "weights": fitted.weights})


def _decode(payload: bytes) -> Fitted:
    arrays = arrays_of(payload)
    logits, history = (
        {name.removeprefix(kind): values for name, values in arrays.items() if name.startswith(kind)}
        for kind in ("logits/", "history/")
    )
    return Fitted(logits, history, arrays["epochs"], arrays["weights"])
