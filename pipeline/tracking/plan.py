"""Publication plan: what each record needs, given the runs that a store holds. No store is read or written here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.core.errors import InputError
from pipeline.tracking.runs import Identity, RunRecord, digest, reference_tags

ALIAS = "champion"
"""Of the version of a registered model that is to be used."""


@dataclass(frozen=True, kw_only=True)
class StoredVersion:
    """A version of a registered model; `location` is that of its folder."""

    number: int
    location: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    @property
    def is_champion(self) -> bool:
        """Whether it has the alias."""
        return ALIAS in self.aliases


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """An active run of the store that carries a key."""

    run_id: str
    experiment: str
    status: str
    artifact_uri: str
    start: int
    tags: Mapping[str, str]

    @property
    def key(self) -> str:
        """The key of its record."""
        return self.tags["record.key"]

    @property
    def identity(self) -> Identity:
        """Experiment and key, as a record has them."""
        return self.experiment, self.key

    @property
    def digest(self) -> str | None:
        """The name of its content; None until it was written to its end."""
        return self.tags.get("record.digest")

    @property
    def superseded(self) -> bool:
        """Whether it is history."""
        return self.tags.get("superseded") == "true"

    @property
    def references(self) -> dict[str, str]:
        """Its tags that hold other runs' ids."""
        return {name: self.tags[name] for name in ("mlflow.parentRunId", "record.links") if name in self.tags}


@dataclass(frozen=True, kw_only=True)
class StoredExperiment:
    """An active experiment of the store; `digest` is None until its page was written to its end."""

    number: str
    name: str
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a record needs.

    Attributes:
        record: the record.
        digest: its content's name.
        keep: the stored run that already says all of it, or None where a run must be written.
        delete: half-written, damaged and duplicate runs of the same identity.
        retire: complete runs of the same identity with earlier content, not yet marked so.
        refers: run ids of the records that this one refers to, by key; "" where that run must be written first.
    """

    record: RunRecord
    digest: str
    keep: StoredRun | None
    delete: tuple[str, ...]
    retire: tuple[str, ...]
    refers: Mapping[str, str]

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        if self.keep is None or self.delete or self.retire:
            return False
        return not self.keep.superseded and self.keep.references == reference_tags(self.record, self.refers)


def plan(
    records: Sequence[RunRecord], stored: Iterable[StoredRun], *, intact: Callable[[StoredRun, RunRecord], bool]
) -> list[Step]:
    """What each record needs, parents before their children.

    Args:
        records: what the store should say, each identity once.
        stored: the active runs it holds.
        intact: whether a stored run still has the artifacts of its record.

    Raises:
        InputError: two records of one identity, or a reference to a record that is neither given nor in the store.
    """
    runs = defaultdict(list)
    for run in sorted(stored, key=lambda run: (run.superseded, run.start, run.run_id)):
        runs[run.identity].append(run)
    current = {
        identity: next((run.run_id for run in candidates if run.digest and not run.superseded), None)
        for identity, candidates in runs.items()
    }
    steps = [_step(record, runs[record.identity], intact=intact) for record in _parents_first(records)]
    current |= {step.record.identity: step.keep.run_id if step.keep else "" for step in steps}
    return [
        replace(step, refers={key: _current(key, step.record, current) for key in step.record.refers}) for step in steps
    ]


def waves(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Steps that may be carried out at the same time.

    No parent is beside its children, and the first run of a data set is alone: MLflow fails where two store one.
    """
    wave: list[Step] = []
    datasets: set[tuple[str, str, str]] = set()
    for step in steps:
        data = step.record.dataset
        known = data is None or (step.record.experiment, data.name, data.digest) in datasets
        if wave and (not known or any(each.record.key == step.record.parent for each in wave)):
            yield wave
            wave = []
        wave.append(step)
        if data is not None and not known:
            datasets.add((step.record.experiment, data.name, data.digest))
            yield wave
            wave = []
    if wave:
        yield wave


def surplus(records: Sequence[RunRecord], stored: Iterable[StoredRun]) -> list[StoredRun]:
    """The current runs in the records' experiments that no record stands for any more."""
    identities = {record.identity for record in records}
    experiments = {experiment for experiment, _ in identities}
    return [
        run for run in stored if run.experiment in experiments and run.identity not in identities and not run.superseded
    ]


def _step(record: RunRecord, runs: Sequence[StoredRun], *, intact: Callable[[StoredRun, RunRecord], bool]) -> Step:
    """A step whose references are not known yet."""
    content = digest(record)
    same = [run for run in runs if run.digest == content]
    keep = next((run for run in same if run.status == record.status and intact(run, record)), None)
    delete = (run for run in runs if run.digest in (None, content) and run is not keep)
    retire = (run for run in runs if run.digest not in (None, content) and not run.superseded)
    return Step(record=record, digest=content, keep=keep, delete=_ids(delete), retire=_ids(retire), refers={})


def _ids(runs: Iterable[StoredRun]) -> tuple[str, ...]:
    return tuple(run.run_id for run in runs)


def _current(key: str, record: RunRecord, current: Mapping[Identity, str | None]) -> str:
    run_id = current.get((record.experiment, key))
    if run_id is None:
        role = "the parent of" if key == record.parent else "what is linked from"
        raise InputError(f"{role} {record.key!r} must be published with it or earlier, got {key!r}")
    return run_id


def _parents_first(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Order records so that each follows its parent, otherwise as given: the UI lists the last ones first."""
    by_identity = {record.identity: record for record in records}
    if len(by_identity) != len(records):
        (_, key), _ = Counter(record.identity for record in records).most_common(1)[0]
        raise InputError(f"each record must have a key of its own in its experiment, got {key!r} more than once")
    ordered: dict[Identity, RunRecord] = {}
    for record in records:
        line = [record]
        while (parent := by_identity.get((record.experiment, line[-1].parent or ""))) is not None:
            if parent in line:
                raise InputError(f"parents must not form a circle, got {[each.key for each in line]}")
            line.append(parent)
        ordered |= {each.identity: each for each in reversed(line)}
    return list(ordered.values())
