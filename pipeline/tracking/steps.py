"""Steps of a plan, carried out: runs written, several at once where a server takes them, and named in each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from pipeline.tracking.plan import Step, waves
from pipeline.tracking.runs import Identity, note_tag, reference_tags, run_tags
from pipeline.tracking.writer import user, write_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

WRITERS = 8  # runs that are written to a server at once: most of the time each waits for it


def carry_out(
    client: MlflowClient,
    steps: Sequence[Step],
    *,
    ids: Mapping[str, str],
    provenance: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
    writers: int,
) -> None:
    """Carry out every step, then name runs that were written later in those that refer to them."""
    current: dict[Identity, str] = {}
    written: list[Mapping[str, str]] = []
    write = partial(_carry_out, client, ids=ids, origin={"mlflow.user": user(), **provenance})
    with ThreadPoolExecutor(writers) as pool:
        at_once = pool.map if writers > 1 else map
        for wave in waves(steps, writers):
            known = [_references(step, current) for step in wave]
            for step, runs, run_id in zip(wave, known, at_once(write, wave, known), strict=True):
                current[step.record.identity] = run_id
                written.append(step.keep.references if step.keep else reference_tags(step.record, runs))
                if progress is not None:
                    progress(len(written), len(steps))
    for step, before in zip(steps, written, strict=True):
        record, runs = step.record, _references(step, current)
        changed = {name: value for name, value in reference_tags(record, runs).items() if before.get(name) != value}
        if "record.links" in changed:  # the note before the tag that answers for it
            changed = note_tag(record, experiment=ids[record.experiment], runs=runs) | changed
        for name, value in changed.items():
            client.set_tag(current[record.identity], name, value)


def _carry_out(
    client: MlflowClient, step: Step, runs: Mapping[str, str], *, ids: Mapping[str, str], origin: Mapping[str, str]
) -> str:
    """Write a step's run unless there is one, and settle what is beside it; gives back its id."""
    experiment = ids[step.record.experiment]
    if step.keep is None:
        tags = run_tags(step.record, origin, experiment=experiment, runs=runs)
        run_id = write_run(client, step, experiment=experiment, tags=tags)
    else:
        run_id = step.keep.run_id
    _settle(client, step)
    return run_id


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
