"""Given the records and the runs a store holds, what is there to do? Pure; the store is neither read nor written."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from pipeline.core.errors import InputError
from pipeline.tracking.records import Record, reference_tags

Place = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """An active run of the store that carries a key; `digest` is None until it was written to its end."""

    run_id: str
    experiment: str
    key: str
    digest: str | None
    superseded: str | None
    parent: str | None
    links: str | None
    status: str
    artifact_uri: str
    start: int

    @property
    def references(self) -> dict[str, str]:
        """Its tags that hold other runs' ids."""
        tags = {"mlflow.parentRunId": self.parent, "record.links": self.links}
        return {name: value for name, value in tags.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class StoredExperiment:
    """An active experiment of the store; `digest` is None until its page was written to its end."""

    number: str
    name: str
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one record needs.

    Attributes:
        record: the record.
        digest: its content's name.
        keep: the stored run that already says all of it, or None where one must be written.
        delete: half-written, damaged and duplicate runs of the same place.
        retire: complete runs of the same place with earlier content, not yet marked so.
        refers: run ids of the records that this one refers to, by key; "" where that run must be written first.
    """

    record: Record
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
        return self.keep.superseded == "false" and self.keep.references == reference_tags(self.record, self.refers)


def plan(
    records: Sequence[Record],
    stored: Iterable[StoredRun],
    *,
    digests: Mapping[Place, str],
    intact: Callable[[StoredRun, Record], bool],
) -> list[Step]:
    """Say what each record needs, parents before their children.

    Args:
        records: what the store should say; one for each place.
        stored: the active runs it holds.
        digests: each record's digest, by place.
        intact: whether a stored run still has the artifacts of its record.

    Raises:
        InputError: two records at one place, or a reference to one that is neither among the records nor in the store.
    """
    ordered = _parents_first(records)
    runs = defaultdict(list)
    for run in sorted(stored, key=lambda run: (run.superseded == "true", run.start, run.run_id)):
        runs[run.experiment, run.key].append(run)
    current = {
        place: next((run.run_id for run in found if run.digest and run.superseded != "true"), None)
        for place, found in runs.items()
    }
    kept = {
        record.place: _kept(record, runs[record.place], digest=digests[record.place], intact=intact)
        for record in ordered
    }
    current |= {place: run.run_id if run else "" for place, run in kept.items()}
    return [
        _step(record, runs[record.place], digest=digests[record.place], keep=kept[record.place], current=current)
        for record in ordered
    ]


def surplus(records: Sequence[Record], stored: Iterable[StoredRun]) -> list[StoredRun]:
    """List the current runs in the records' experiments that no record stands for any more."""
    places = {record.place for record in records}
    experiments = {experiment for experiment, _ in places}
    return [
        run
        for run in stored
        if run.experiment in experiments and (run.experiment, run.key) not in places and run.superseded != "true"
    ]


def _kept(
    record: Record, runs: Sequence[StoredRun], *, digest: str, intact: Callable[[StoredRun, Record], bool]
) -> StoredRun | None:
    return next(
        (run for run in runs if run.digest == digest and run.status == record.status and intact(run, record)), None
    )


def _step(
    record: Record,
    runs: Sequence[StoredRun],
    *,
    digest: str,
    keep: StoredRun | None,
    current: Mapping[Place, str | None],
) -> Step:
    return Step(
        record=record,
        digest=digest,
        keep=keep,
        delete=tuple(run.run_id for run in runs if run.digest in (None, digest) and run is not keep),
        retire=tuple(run.run_id for run in runs if run.digest not in (None, digest) and run.superseded != "true"),
        refers={key: _found(key, record, current) for key in record.refers},
    )


def _found(key: str, record: Record, current: Mapping[Place, str | None]) -> str:
    found = current.get((record.experiment, key))
    if found is None:
        role = "the parent of" if key == record.parent else "what is linked from"
        raise InputError(f"{role} {record.key!r} must be published with it or earlier, got {key!r}")
    return found


def _parents_first(records: Sequence[Record]) -> list[Record]:
    """Order records so that each follows its parent, otherwise as given: the UI lists the last ones first."""
    by_place = {record.place: record for record in records}
    if len(by_place) != len(records):
        (_, key), _ = Counter(record.place for record in records).most_common(1)[0]
        raise InputError(f"each record must have a key of its own in its experiment, got {key!r} more than once")
    parents = {record.place: (record.experiment, record.parent) for record in records if record.parent is not None}
    try:
        TopologicalSorter({place: [parent] for place, parent in parents.items()}).prepare()
    except CycleError as error:
        raise InputError(f"parents must not form a circle, got {[key for _, key in error.args[1]]}") from None
    ordered: dict[Place, None] = {}
    for place in by_place:
        line = [place]
        while line[-1] in parents:
            line.append(parents[line[-1]])
        ordered |= dict.fromkeys(reversed(line))
    return [by_place[place] for place in ordered if place in by_place]
