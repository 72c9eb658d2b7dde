"""Steps of a plan, carried out: runs written, several at once where a server takes them, and named in each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.tracking.plan import Step, waves
from pipeline.tracking.runs import Identity, note_tag, reference_tags, run_tags
from pipeline.tracking.writer import user, write_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

WRITERS = 8  # runs that are written to a server at once: most of the time each waits for it


def carry_out(
    client: MlflowClient,
    steps: Sequence[Step],
    retire: Sequence[str],
    *,
    ids: Mapping[str, str],
    provenance: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
    writers: int,
) -> None:
    """Carry out every step, name runs that were written later in those that refer to them, and retire others."""
    current: dict[Identity, str] = {}
    written: list[Mapping[str, str]] = []
    write = partial(_carry_out, client, current=current, ids=ids, origin={"mlflow.user": user(), **provenance})
    with _pool(writers) as at_once:
        for wave in waves(steps):
            for references in at_once(write, wave):
                written.append(references)
                if progress is not None:
                    progress(len(written), len(steps))
        deque(at_once(partial(_name_later_ones, client, current=current, ids=ids), steps, written), maxlen=0)
        deque(at_once(partial(client.set_tag, key="superseded", value="true"), retire), maxlen=0)


@contextmanager
def _pool(writers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` that runs in so many threads; after an error what has not begun is left undone."""
    if writers == 1:
        yield map
        return
    pool = ThreadPoolExecutor(writers)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _carry_out(
    client: MlflowClient,
    step: Step,
    *,
    current: dict[Identity, str],
    ids: Mapping[str, str],
    origin: Mapping[str, str],
) -> Mapping[str, str]:
    """Write a step's run unless there is one, and settle what is beside it; gives back what it refers to, as tags."""
    record, experiment = step.record, ids[step.record.experiment]
    if step.keep is None:
        runs = _references(step, current)
        tags = run_tags(record, origin, experiment=experiment, runs=runs)
        current[record.identity] = write_run(client, step, experiment=experiment, tags=tags)
        references: Mapping[str, str] = reference_tags(record, runs)
    else:
        current[record.identity], references = step.keep.run_id, step.keep.references
    _settle(client, step)
    return references


def _name_later_ones(
    client: MlflowClient,
    step: Step,
    before: Mapping[str, str],
    *,
    current: Mapping[Identity, str],
    ids: Mapping[str, str],
) -> None:
    """Name runs that were written later than the step's in it; the note and the tag that answers for it at once."""
    from mlflow.entities import RunTag  # noqa: PLC0415 (seconds)

    record, runs = step.record, _references(step, current)
    changed = {name: value for name, value in reference_tags(record, runs).items() if before.get(name) != value}
    if "record.links" in changed:
        changed = note_tag(record, experiment=ids[record.experiment], runs=runs) | changed
    if changed:
        client.log_batch(current[record.identity], tags=[RunTag(name, value) for name, value in changed.items()])


def _references(step: Step, current: Mapping[Identity, str]) -> dict[str, str]:
    """Run ids of the records a step refers to, by key, as far as they are known by now."""
    return {key: current.get((step.record.experiment, key), run_id) for key, run_id in step.refers.items()}


def _settle(client: MlflowClient, step: Step) -> None:
    """Bring the tags and runs beside the current run up to date; it is there by now, so that a kill loses nothing."""
    if step.keep is not None and step.keep.superseded:
        client.set_tag(step.keep.run_id, "superseded", "false")
    for outdated in step.retire:
        client.set_tag(outdated, "superseded", "true")
    for broken in step.delete:
        client.delete_run(broken)
