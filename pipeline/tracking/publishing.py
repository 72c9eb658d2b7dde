"""How do the project's records reach MLflow, each exactly once? MLflow is asked and written here alone.

A run is known by its key, its content by a digest that is written last. Whatever is missing, half written,
damaged, duplicated or outdated is put right by publishing again.
"""

import getpass
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import InputError
from pipeline.tracking.connection import connected
from pipeline.tracking.database import (
    artifact_root,
    database_of,
    intact,
    locked,
    relocate,
    stored_experiments,
    stored_runs,
    uri_of,
)
from pipeline.tracking.pages import address
from pipeline.tracking.reconcile import Place, Step, StoredExperiment, StoredRun, plan, surplus
from pipeline.tracking.records import (
    EXPERIMENT_DIGEST,
    Experiment,
    Record,
    digest,
    experiment_tags,
    loggable,
    note_tag,
    reference_tags,
    run_tags,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

METRICS_A_BATCH = 1000


@dataclass(frozen=True)
class Published:
    """What became of the records, and of runs that none of them stands for any more.

    Attributes:
        created: records that got a first run.
        unchanged: records that had one already.
        replaced: records whose run was outdated or damaged and got a successor.
        retired: runs of records that are no more, now tagged as superseded.
    """

    created: int
    unchanged: int
    replaced: int
    retired: int = 0


def tracking_uri(root: Path) -> str:
    """Choose the store: what `MLFLOW_TRACKING_URI` says, or `mlflow.db` in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or uri_of(root.resolve() / "mlflow.db")


def provenance() -> dict[str, str]:
    """Where a publication comes from: tags that may differ between publications of the same results."""
    tags = {"mlflow.source.git.commit": _git("rev-parse", "HEAD"), "dvc.experiment": os.environ.get("DVC_EXP_NAME", "")}
    return {name: value for name, value in tags.items() if value}


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(("git", *arguments), capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def meanwhile(uri: str) -> Callable[[Sequence[Record], Sequence[Experiment], bool], None]:
    """Make a function that publishes while long work goes on, which must not die of it.

    It takes records, experiments and whether the records are complete. The first failure is told in a line on stderr,
    and after it nothing is tried: what is published at the end says what is wrong, and makes up for it.
    """
    origin, failed = provenance(), False

    def say(records: Sequence[Record], experiments: Sequence[Experiment], complete: bool) -> None:
        nonlocal failed
        if failed:
            return
        try:
            publish(records, uri=uri, provenance=origin, experiments=experiments, complete=complete)
        except (InputError, OSError) as error:
            failed = True
            print(f"warning: not shown in MLflow before the end: {error}", file=sys.stderr)

    return say


def missing(
    records: Sequence[Record], uri: str, *, experiments: Sequence[Experiment] = (), complete: bool = False
) -> list[Place]:
    """List the places, experiment and key, where `publish` would have something to do.

    There the store lacks a record, or holds it incompletely, twice or outdated, or, where the records are `complete`,
    shows a run as current that none of them stands for; the key is empty where an experiment's own page is outdated.
    A local database is asked without importing mlflow.

    Raises:
        InputError: the store cannot be read, or the records contradict each other.
    """
    database = database_of(uri)
    if database is not None:
        pages = _outdated(experiments, stored_experiments(database))
        return pages + _unsettled(*_plan(records, stored_runs(database), database=database, complete=complete))
    with connected(uri) as client:
        found = _found_experiments(client, _names(records, experiments))
        runs = _searched_runs(client, {experiment.number: experiment.name for experiment in found})
        return _outdated(experiments, found) + _unsettled(*_plan(records, runs, database=None, complete=complete))


def pages(names: Sequence[str], uri: str, *, view: str) -> dict[str, str]:
    """Say where the UI shows the charts of a view, below its own address, for each experiment that is there.

    Raises:
        InputError: the store cannot be read.
    """
    database = database_of(uri)
    if database is not None:
        found = [experiment for experiment in stored_experiments(database) if experiment.name in names]
    else:
        with connected(uri) as client:
            found = _found_experiments(client, names)
    return {experiment.name: address("charts", view, experiment=experiment.number) for experiment in found}


def publish(
    records: Sequence[Record],
    *,
    uri: str,
    provenance: Mapping[str, str],
    experiments: Sequence[Experiment] = (),
    complete: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Bring the store to say what the records say; publishing again changes nothing.

    A record whose content changed gets a new run, and the earlier one stays as history, tagged superseded = "true".
    So do, where the records are `complete`, the runs of records that are no more; should such a record come back as
    it was, so does its run. Whatever names a run that got a successor, as its parent or by a link, names the successor.

    Args:
        records: what the store should say; parents may come in any order, or have been published earlier.
        uri: MLflow tracking URI.
        provenance: tags that name a publication rather than a content, such as "mlflow.source.git.commit".
        experiments: what the experiments' own pages should say.
        complete: whether the records are all there is in their experiments, parents included.
        progress: called after each record with how many are done, of how many.

    Raises:
        InputError: the store cannot be read or written, or the records contradict each other.
        OSError: files cannot be written.
    """
    database, names = database_of(uri), _names(records, experiments)
    done = partial(_nothing_missing, records, uri, experiments=experiments, complete=complete)
    if database is not None and done():
        return Published(created=0, unchanged=len(records), replaced=0)
    with locked(uri):
        if database is not None:
            relocate(database, names)
            if database.exists() and done():
                return Published(created=0, unchanged=len(records), replaced=0)
        with connected(uri) as client:
            ids = {name: _experiment_id(client, name, database) for name in names}
            known = {number: name for name, number in ids.items()}
            stored = _searched_runs(client, known) if database is None else stored_runs(database)
            steps, stale = _plan(records, stored, database=database, complete=complete)
            _take_all(client, steps, ids=ids, provenance=provenance, progress=progress)
            for run in stale:
                client.set_tag(run.run_id, "superseded", "true")
            _describe(client, experiments, _found_experiments(client, names))
    return _summary(steps, stale)


def _nothing_missing(records: Sequence[Record], uri: str, *, experiments: Sequence[Experiment], complete: bool) -> bool:
    return not missing(records, uri, experiments=experiments, complete=complete)


def _describe(client: "MlflowClient", experiments: Sequence[Experiment], found: Sequence[StoredExperiment]) -> None:
    """Write the pages that are outdated, each one's digest last."""
    ids = {experiment.name: experiment.number for experiment in found}
    outdated = _outdated(experiments, found)
    for experiment in experiments:
        if (experiment.name, "") in outdated:
            for name, value in experiment_tags(experiment, ids[experiment.name]).items():
                client.set_experiment_tag(ids[experiment.name], name, value)


def _outdated(experiments: Sequence[Experiment], stored: Sequence[StoredExperiment]) -> list[Place]:
    digests = {experiment.name: experiment.digest for experiment in stored}
    return [(wanted.name, "") for wanted in experiments if digests.get(wanted.name) != wanted.digest]


def _take_all(
    client: "MlflowClient",
    steps: Sequence[Step],
    *,
    ids: Mapping[str, str],
    provenance: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Carry out every step, then tell runs about runs that were written after them."""
    current: dict[Place, str] = {}
    told: list[Mapping[str, str]] = []
    for done, step in enumerate(steps, start=1):
        experiment, runs = ids[step.record.experiment], _runs(step, current)
        current[step.record.place] = _take(client, step, experiment=experiment, runs=runs, provenance=provenance)
        told.append(step.keep.references if step.keep else reference_tags(step.record, runs))
        if progress is not None:
            progress(done, len(steps))
    for step, before in zip(steps, told, strict=True):
        place, runs = step.record.place, _runs(step, current)
        _tell(client, current[place], step.record, before, experiment=ids[place[0]], runs=runs)


def _runs(step: Step, current: Mapping[Place, str]) -> dict[str, str]:
    """Run ids of the records a step refers to, by key, as far as they are known by now."""
    return {key: current.get((step.record.experiment, key), run_id) for key, run_id in step.refers.items()}


def _tell(
    client: "MlflowClient",
    run_id: str,
    record: Record,
    before: Mapping[str, str],
    *,
    experiment: str,
    runs: Mapping[str, str],
) -> None:
    """Bring a run's tags that hold other runs' ids up to date, the note before the tag that answers for it."""
    changed = {name: value for name, value in reference_tags(record, runs).items() if before.get(name) != value}
    if "record.links" in changed:
        changed = note_tag(record, experiment=experiment, runs=runs) | changed
    for name, value in changed.items():
        client.set_tag(run_id, name, value)


def _summary(steps: Sequence[Step], stale: Sequence[StoredRun]) -> Published:
    created = sum(step.keep is None and not (step.delete or step.retire) for step in steps)
    unchanged = sum(step.keep is not None for step in steps)
    replaced = len(steps) - created - unchanged
    return Published(created=created, unchanged=unchanged, replaced=replaced, retired=len(stale))


def _take(
    client: "MlflowClient", step: Step, *, experiment: str, runs: Mapping[str, str], provenance: Mapping[str, str]
) -> str:
    """Carry out one step, the new run first, so that a kill in between loses nothing; return the current run's id."""
    if step.keep is None:
        run_id = _write(client, step, experiment=experiment, runs=runs, provenance=provenance)
    else:
        run_id = step.keep.run_id
        if step.keep.superseded != "false":
            client.set_tag(run_id, "superseded", "false")
    for outdated in step.retire:
        client.set_tag(outdated, "superseded", "true")
    for broken in step.delete:
        client.delete_run(broken)
    return run_id


def _write(
    client: "MlflowClient", step: Step, *, experiment: str, runs: Mapping[str, str], provenance: Mapping[str, str]
) -> str:
    """Write one run; its digest comes last and says that all the rest is there."""
    from mlflow.entities import Metric, Param  # noqa: PLC0415 (seconds)

    record, now = step.record, int(time.time() * 1000)
    tags = run_tags(record, {"mlflow.user": _user(), **provenance}, experiment=experiment, runs=runs)
    run = client.create_run(experiment, start_time=now, tags=tags, run_name=record.name)
    run_id = str(run.info.run_id)
    if record.dataset is not None:
        client.log_inputs(run_id, datasets=[_dataset_input(record)])
    _log_artifacts(record, run.info.artifact_uri, client.tracking_uri)
    metrics = [Metric(name, loggable(value), now, int(at)) for name, value, at in record.metrics]
    params = [Param(name, str(value)) for name, value in record.params.items()]
    client.log_batch(run_id, metrics=metrics[:METRICS_A_BATCH], params=params)
    for start in range(METRICS_A_BATCH, len(metrics), METRICS_A_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])
    client.set_terminated(run_id, status=record.status)
    client.set_tag(run_id, "record.digest", step.digest)
    return run_id


def _user() -> str:
    """Name the user; a container may know none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _dataset_input(record: Record) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 (seconds)

    data = record.dataset
    assert data is not None
    source = json.dumps({"uri": data.source})
    dataset = Dataset(data.name, data.digest, "local", source, schema=data.schema, profile=data.profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", data.context)])


def _log_artifacts(record: Record, artifact_uri: str, uri: str) -> None:
    """Lay the artifacts out in a temporary folder and hand it over; by its URI, which saves reading the run back."""
    if not record.artifacts:
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="artifacts-") as folder:
        for name, source in record.artifacts.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                path.write_bytes(source)
            else:
                path.symlink_to(source.resolve())
        get_artifact_repository(artifact_uri, tracking_uri=uri).log_artifacts(folder)  # type: ignore[no-untyped-call]


def _names(records: Sequence[Record], experiments: Sequence[Experiment]) -> list[str]:
    names = [*(record.experiment for record in records), *(experiment.name for experiment in experiments)]
    return list(dict.fromkeys(names))


def _plan(
    records: Sequence[Record], stored: Sequence[StoredRun], *, database: Path | None, complete: bool
) -> tuple[list[Step], list[StoredRun]]:
    """Say what each record needs, and which runs to retire; those cannot be parents any more."""
    stale = surplus(records, stored) if complete else []
    gone = {run.run_id for run in stale}
    digests = {record.place: digest(record) for record in records}
    check = partial(intact, database=database) if database is not None else _believed
    return plan(records, [run for run in stored if run.run_id not in gone], digests=digests, intact=check), stale


def _believed(_run: StoredRun, _record: Record) -> bool:
    """Trust a server: the digest was written after the artifacts, and asking for each of them takes a request."""
    return True


def _unsettled(steps: Sequence[Step], stale: Sequence[StoredRun]) -> list[Place]:
    return [step.record.place for step in steps if not step.settled] + [(run.experiment, run.key) for run in stale]


def _experiment_id(client: "MlflowClient", name: str, database: Path | None) -> str:
    """Find, restore from deletion, or create an experiment."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = None if database is None else artifact_root(database, name).as_uri()
        return client.create_experiment(name, artifact_location=location)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _found_experiments(client: "MlflowClient", names: Sequence[str]) -> list[StoredExperiment]:
    """List those of the named experiments that are there, deleted ones excepted."""
    found = [client.get_experiment_by_name(name) for name in names]
    return [
        StoredExperiment(number=one.experiment_id, name=one.name, digest=one.tags.get(EXPERIMENT_DIGEST))
        for one in found
        if one is not None and one.lifecycle_stage == "active"
    ]


def _searched_runs(client: "MlflowClient", experiments: Mapping[str, str]) -> list[StoredRun]:
    """List the runs of a server's experiments, a mapping from id to name, that carry a key."""
    runs: list[Any] = []
    token = None
    while experiments:
        page = client.search_runs(list(experiments), "tags.`record.key` != ''", max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return [
        StoredRun(
            run_id=run.info.run_id,
            experiment=experiments[run.info.experiment_id],
            key=run.data.tags["record.key"],
            digest=run.data.tags.get("record.digest"),
            superseded=run.data.tags.get("superseded"),
            parent=run.data.tags.get("mlflow.parentRunId"),
            links=run.data.tags.get("record.links"),
            status=run.info.status,
            artifact_uri=run.info.artifact_uri,
            start=run.info.start_time,
        )
        for run in runs
    ]
