"""Local MLflow database: its path, its runs, and a lock.

It is read here with the standard library, never written: importing mlflow takes seconds, and `dvc repro` asks each
time whether anything is missing. All writing goes through `MlflowClient`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pipeline.core.errors import InputError
from pipeline.tracking.plan import StoredExperiment, StoredRun, StoredVersion
from pipeline.tracking.runs import EXPERIMENT_DIGEST, RunRecord, size

PREFIX = "sqlite:///"
ADVICE = "; delete it or move it away, and the next run restores everything this project had put there"
RUNS = """
SELECT run.run_uuid AS run_id, experiment.name AS experiment, run.status AS status, run.artifact_uri AS artifact_uri,
       run.start_time AS start, json_group_object(tag.key, tag.value) AS tags
FROM runs AS run
JOIN experiments AS experiment ON experiment.experiment_id = run.experiment_id
JOIN tags AS tag ON tag.run_uuid = run.run_uuid
WHERE run.lifecycle_stage = 'active' AND experiment.lifecycle_stage = 'active'
GROUP BY run.run_uuid
HAVING max(tag.key = 'record.key')
"""
EXPERIMENTS = f"""
SELECT CAST(experiment.experiment_id AS TEXT) AS number, experiment.name AS name, digest.value AS digest
FROM experiments AS experiment
LEFT JOIN experiment_tags AS digest
       ON digest.experiment_id = experiment.experiment_id AND digest.key = '{EXPERIMENT_DIGEST}'
WHERE experiment.lifecycle_stage = 'active'
"""

VERSIONS = """
SELECT version.version AS number, coalesce(version.storage_location, version.source) AS location,
       (SELECT json_group_object(tag.key, tag.value) FROM model_version_tags AS tag
         WHERE tag.name = version.name AND tag.version = version.version AND tag.workspace = version.workspace) AS tags,
       (SELECT json_group_array(other.alias) FROM registered_model_aliases AS other
         WHERE other.name = version.name AND other.version = version.version
           AND other.workspace = version.workspace) AS aliases
FROM model_versions AS version
WHERE version.name = ? AND version.current_stage != 'Deleted_Internal'
ORDER BY version.version
"""


def uri_of(database: Path) -> str:
    """The URI of a database file, which SQLAlchemy reads back as the same file."""
    return PREFIX + str(database).replace("%", "%25").replace("?", "%3F")


def database_of(uri: str) -> Path | None:
    """The file of a local database; None for every other kind of tracking URI."""
    name = unquote(uri.removeprefix(PREFIX).split("?")[0])
    if not uri.startswith(PREFIX) or name in ("", ":memory:"):
        return None
    return Path(os.path.realpath(name))


def artifact_root(database: Path, experiment: str) -> Path:
    """An experiment's artifact folder: readable, beside the database, and never only digits.

    A folder of digits that holds a `meta.yaml` would make MLflow take `mlruns` for its old file store.
    """
    folder = re.sub(r"[^\w.-]+", "-", experiment).strip("-.") or "experiment"
    return database.parent / "mlruns" / (f"experiment-{folder}" if folder.isdigit() else folder)


def stored_runs(database: Path) -> list[StoredRun]:
    """The active runs that carry a key; none when there is no such file.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    return [StoredRun(**{**row, "tags": json.loads(row["tags"])}) for row in _rows(database, RUNS)]


def stored_experiments(database: Path) -> list[StoredExperiment]:
    """The active experiments; none when there is no such file.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    return [StoredExperiment(**dict(row)) for row in _rows(database, EXPERIMENTS)]


def stored_versions(database: Path, name: str) -> list[StoredVersion]:
    """The versions of a registered model, the first one first; none when there is no such file.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    return [
        StoredVersion(**{**row, "tags": json.loads(row["tags"]), "aliases": tuple(json.loads(row["aliases"]))})
        for row in _rows(database, VERSIONS, name)
    ]


def holds(version: StoredVersion, file: str, *, database: Path, experiment: str) -> bool:
    """Whether a version's file lies where it should; those of another kind of store are believed."""
    folder = _local_path(version.location)
    if folder is None:
        return True
    return (folder / file).is_file() and not moved(folder.parents[2].as_uri(), database, experiment)


def intact(run: StoredRun, record: RunRecord, *, database: Path) -> bool:
    """Whether a run's artifacts lie where they should, complete; those of another kind of store are believed."""
    folder = _local_path(run.artifact_uri)
    if folder is None or not record.artifacts:
        return True
    if moved(folder.parent.parent.as_uri(), database, run.experiment):
        return False
    return all(_has_size(folder / path, size(source)) for path, source in record.artifacts.items())


def moved(location: str, database: Path, experiment: str) -> bool:
    """Whether an experiment's artifact location is where they lay before the project's folder was moved or copied."""
    folder, expected = _local_path(location), artifact_root(database, experiment)
    return folder is not None and folder != expected and folder.parts[-2:] == expected.parts[-2:]


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Let one publisher of this machine write to a store at a time; readers do not wait.

    MLflow's first initialisation of a database fails in all processes but one of those that start it at once.
    """
    database = database_of(uri)
    if database is None:
        name = hashlib.sha256(uri.encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir(), f"regularization-lab-{os.getuid()}-{name}.lock")
    else:
        path = database.parent / "mlruns" / ".lock"
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _local_path(location: str) -> Path | None:
    """The folder of an artifact location; None when it is on a server or in an object store."""
    if location.startswith("file:"):
        return Path(unquote(urlsplit(location).path))
    return Path(location) if location.startswith("/") else None


def _has_size(path: Path, expected: int) -> bool:
    return path.is_file() and path.stat().st_size == expected


def _rows(database: Path, query: str, *values: str) -> list[sqlite3.Row]:
    """Read rows; errors are one line that says what to do, and advises deletion only of what is damaged.

    The mode is "rw", for a writer that was killed leaves a journal that only such a connection may undo.
    """
    if not database.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=rw", uri=True, timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()
    except sqlite3.Error as error:
        damaged = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        state = "an empty file" if damaged and database.stat().st_size == 0 else str(error)
        raise InputError(f"{database} must be a readable MLflow database, got: {state}{ADVICE * damaged}") from error
