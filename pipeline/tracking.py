"""How do the project's records reach MLflow, each exactly once? The only module that imports mlflow, and only to write.

A run is known by its key, its content by a digest that is written last. Whatever is missing, half written,
damaged, duplicated or outdated is put right by publishing again.
"""

import getpass
import json
import logging
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.database import (
    ADVICE,
    artifact_root,
    database_of,
    intact,
    locked,
    relocate,
    schema_version,
    stored_runs,
    uri_of,
)
from pipeline.errors import InputError
from pipeline.reconcile import Place, Step, StoredRun, plan, surplus
from pipeline.records import Record, digest, loggable, run_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

METRICS_A_BATCH = 1000

# Settings of a surrounding run that would lend its identity to these, and chatter nobody asked for.
ENVIRONMENT = {
    "MLFLOW_RUN_ID": None,
    "MLFLOW_EXPERIMENT_ID": None,
    "MLFLOW_EXPERIMENT_NAME": None,
    "MLFLOW_ACTIVE_MODEL_ID": None,
    "_MLFLOW_ACTIVE_MODEL_ID": None,
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


# How long a server is waited for, unless the user has set it: little until it has answered once, more afterwards,
# when a retry may save a long publication. MLflow's own settings would wait for minutes.
AT_FIRST = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
AFTERWARDS = AT_FIRST | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


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


def missing(records: Sequence[Record], uri: str, *, complete: bool = False) -> list[Place]:
    """List the places, experiment and key, where `publish` would have something to do.

    There the store lacks a record, or holds it incompletely, twice or outdated, or, where the records are `complete`,
    shows a run as current that none of them stands for. A local database is asked without importing mlflow.

    Raises:
        InputError: the store cannot be read, or the records contradict each other.
    """
    database = database_of(uri)
    if database is not None:
        return _unsettled(*_plan(records, stored_runs(database), database=database, complete=complete))
    with _connected(uri) as client:
        found = [client.get_experiment_by_name(name) for name in _experiments(records)]
        known = {experiment.experiment_id: experiment.name for experiment in found if experiment is not None}
        return _unsettled(*_plan(records, _searched_runs(client, known), database=None, complete=complete))


def publish(
    records: Sequence[Record],
    *,
    uri: str,
    provenance: Mapping[str, str],
    complete: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Bring the store to say what the records say; publishing again changes nothing.

    A record whose content changed gets a new run, and the earlier one stays as history, tagged superseded = "true".
    So do, where the records are `complete`, the runs of records that are no more; should such a record come back as
    it was, so does its run.

    Args:
        records: what the store should say; parents may come in any order, or have been published earlier.
        uri: MLflow tracking URI.
        provenance: tags that name a publication rather than a content, such as "mlflow.source.git.commit".
        complete: whether the records are all there is in their experiments, parents included.
        progress: called after each record with how many are done, of how many.

    Raises:
        InputError: the store cannot be read or written, or the records contradict each other.
        OSError: files cannot be written.
    """
    database = database_of(uri)
    if database is not None and not missing(records, uri, complete=complete):
        return Published(created=0, unchanged=len(records), replaced=0)
    with locked(uri):
        if database is not None:
            relocate(database, _experiments(records))
            if database.exists() and not missing(records, uri, complete=complete):
                return Published(created=0, unchanged=len(records), replaced=0)
        with _connected(uri) as client:
            ids = {name: _experiment_id(client, name, database) for name in _experiments(records)}
            known = {number: name for name, number in ids.items()}
            stored = _searched_runs(client, known) if database is None else stored_runs(database)
            steps, stale = _plan(records, stored, database=database, complete=complete)
            _take_all(client, steps, ids=ids, provenance=provenance, progress=progress)
            for run in stale:
                client.set_tag(run.run_id, "superseded", "true")
    return _summary(steps, stale)


def _take_all(
    client: "MlflowClient",
    steps: Sequence[Step],
    *,
    ids: Mapping[str, str],
    provenance: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
) -> None:
    runs: dict[Place, str] = {}
    for done, step in enumerate(steps, start=1):
        parent = runs.get((step.record.experiment, step.record.parent or ""), step.parent)
        runs[step.record.place] = _take(
            client, step, experiment_id=ids[step.record.experiment], parent=parent, provenance=provenance
        )
        if progress is not None:
            progress(done, len(steps))


def _summary(steps: Sequence[Step], stale: Sequence[StoredRun]) -> Published:
    created = sum(step.keep is None and not (step.delete or step.retire) for step in steps)
    unchanged = sum(step.keep is not None for step in steps)
    replaced = len(steps) - created - unchanged
    return Published(created=created, unchanged=unchanged, replaced=replaced, retired=len(stale))


def _take(
    client: "MlflowClient", step: Step, *, experiment_id: str, parent: str | None, provenance: Mapping[str, str]
) -> str:
    """Carry out one step, the new run first, so that a kill in between loses nothing; return the current run's id."""
    if step.keep is None:
        run_id = _write(client, step, experiment_id=experiment_id, parent=parent, provenance=provenance)
    else:
        run_id = step.keep.run_id
        if step.keep.superseded != "false":
            client.set_tag(run_id, "superseded", "false")
        if parent is not None and step.keep.parent != parent:
            client.set_tag(run_id, "mlflow.parentRunId", parent)
    for outdated in step.retire:
        client.set_tag(outdated, "superseded", "true")
    for broken in step.delete:
        client.delete_run(broken)
    return run_id


def _write(
    client: "MlflowClient", step: Step, *, experiment_id: str, parent: str | None, provenance: Mapping[str, str]
) -> str:
    """Write one run; its digest comes last and says that all the rest is there."""
    from mlflow.entities import Metric, Param  # noqa: PLC0415 (seconds)

    record, now = step.record, int(time.time() * 1000)
    tags = run_tags(record, {"mlflow.user": _user(), **provenance})
    tags |= {} if parent is None else {"mlflow.parentRunId": parent}
    run = client.create_run(experiment_id, start_time=now, tags=tags, run_name=record.name)
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


def _experiments(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.experiment for record in records))


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
            status=run.info.status,
            artifact_uri=run.info.artifact_uri,
            start=run.info.start_time,
        )
        for run in runs
    ]


@contextmanager
def _connected(uri: str) -> Iterator["MlflowClient"]:
    """Hand out a client of a store that is ready: made where it is a local file, and answering where it is not."""
    with _own_mlflow(uri):
        from mlflow import MlflowClient  # noqa: PLC0415 (seconds)

        database = database_of(uri)
        if database is not None:
            _make_ready(database)
        with _environment(_unless_set(AT_FIRST)):
            client = MlflowClient(uri)
            if database is None:
                client.search_experiments(max_results=1)
        try:
            with _environment(_unless_set(AFTERWARDS)):
                yield client
        finally:
            _let_go(client)


def _let_go(client: "MlflowClient") -> None:
    """Close the database: a kept connection would go on writing to a file that has been deleted meanwhile."""
    engine = getattr(client._tracking_client.store, "engine", None)
    if engine is not None:
        engine.dispose()


def _make_ready(database: Path) -> None:
    """Create the database if there is none, and refuse one that this MLflow would first convert.

    It is made under another name and linked into place, so that no reader sees half of it, a kill leaves none, and
    one that somebody else has made meanwhile is not overwritten.

    Raises:
        InputError: the database has another version's schema.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision  # noqa: PLC0415 (seconds)
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    if not database.exists():
        new = database.parent / "mlruns" / ".new.db"
        new.unlink(missing_ok=True)
        store = SqlAlchemyStore(uri_of(new), new.parent.as_uri())  # type: ignore[no-untyped-call]
        store.engine.dispose()
        _put_in_place(new, database)
    found, needed = schema_version(database), _get_latest_schema_revision()  # type: ignore[no-untyped-call]
    if found != needed:
        upgrade = f"; run 'mlflow db upgrade {uri_of(database)}', or"
        raise InputError(f"{database} must have schema {needed} of this MLflow, got {found}{upgrade}{ADVICE[1:]}")


def _put_in_place(new: Path, database: Path) -> None:
    """Give a finished file its name unless that is taken; a file system without hard links leaves an instant's gap."""
    try:
        os.link(new, database)
    except FileExistsError:
        pass
    except OSError:
        if not database.exists():
            new.rename(database)
    new.unlink(missing_ok=True)


@contextmanager
def _own_mlflow(uri: str) -> Iterator[None]:
    """Import mlflow and use it undisturbed: neither hijacked by the environment nor chatting, errors in one line."""
    with _environment(ENVIRONMENT):
        _import_mlflow()
        from mlflow import MlflowException  # noqa: PLC0415 (seconds)
        from requests import RequestException  # noqa: PLC0415
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        try:
            with _silent("mlflow", "alembic", "urllib3"):
                yield
        except (MlflowException, RequestException, SQLAlchemyError, ImportError) as error:
            said = " ".join(str(error).split())[:400]
            raise InputError(_without_password(f"MLflow must be able to use {uri}, got: {said}")) from error


def _without_password(text: str) -> str:
    """Hide what a URI has between user and host."""
    return re.sub(r"(//[^/@:\s]*):[^/@\s]*@", r"\1:***@", text)


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _import_mlflow() -> None:
    """Import mlflow's store without the warning that SQLAlchemy 2.1 gives about one of its declarations."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401, PLC0415 (seconds)


def _unless_set(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in os.environ}


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables, or unset those that are None, for a while."""
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
