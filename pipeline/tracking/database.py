"""What does the local database hold? Read with the standard library, since importing mlflow takes seconds."""

import fcntl
import hashlib
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pipeline.core.errors import InputError
from pipeline.tracking.reconcile import StoredExperiment, StoredRun
from pipeline.tracking.records import EXPERIMENT_DIGEST, Record, size

PREFIX = "sqlite:///"
ADVICE = "; delete it or move it away, and the next run restores everything this project had put there"

RUNS = """
SELECT run.run_uuid AS run_id, experiment.name AS experiment, key.value AS key, digest.value AS digest,
       superseded.value AS superseded, parent.value AS parent, links.value AS links,
       run.status AS status, run.artifact_uri AS artifact_uri, run.start_time AS start
FROM runs AS run
JOIN experiments AS experiment ON experiment.experiment_id = run.experiment_id
JOIN tags AS key ON key.run_uuid = run.run_uuid AND key.key = 'record.key'
LEFT JOIN tags AS digest ON digest.run_uuid = run.run_uuid AND digest.key = 'record.digest'
LEFT JOIN tags AS superseded ON superseded.run_uuid = run.run_uuid AND superseded.key = 'superseded'
LEFT JOIN tags AS parent ON parent.run_uuid = run.run_uuid AND parent.key = 'mlflow.parentRunId'
LEFT JOIN tags AS links ON links.run_uuid = run.run_uuid AND links.key = 'record.links'
WHERE run.lifecycle_stage = 'active' AND experiment.lifecycle_stage = 'active'
"""
EXPERIMENTS = f"""
SELECT CAST(experiment.experiment_id AS TEXT) AS number, experiment.name AS name, digest.value AS digest
FROM experiments AS experiment
LEFT JOIN experiment_tags AS digest
       ON digest.experiment_id = experiment.experiment_id AND digest.key = '{EXPERIMENT_DIGEST}'
WHERE experiment.lifecycle_stage = 'active'
"""


def uri_of(database: Path) -> str:
    """Write a database file as the URI that SQLAlchemy reads back as the same file."""
    return PREFIX + str(database).replace("%", "%25").replace("?", "%3F")


def database_of(uri: str) -> Path | None:
    """Find the file of a local database; None for every other kind of tracking URI."""
    name = unquote(uri.removeprefix(PREFIX).split("?")[0])
    if not uri.startswith(PREFIX) or name in ("", ":memory:"):
        return None
    return Path(os.path.realpath(name))


def artifact_root(database: Path, experiment: str) -> Path:
    """Name an experiment's artifact folder: readable, beside the database, and never only digits.

    A folder of digits that holds a `meta.yaml` would make MLflow take `mlruns` for its old file store.
    """
    folder = re.sub(r"[^\w.-]+", "-", experiment).strip("-.") or "experiment"
    return database.parent / "mlruns" / (f"experiment-{folder}" if folder.isdigit() else folder)


def stored_runs(database: Path) -> list[StoredRun]:
    """List the active runs that carry a key; none when there is no such file.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    if not database.exists():
        return []
    with _reading(database) as connection:
        return [StoredRun(**dict(row)) for row in connection.execute(RUNS)]


def stored_experiments(database: Path) -> list[StoredExperiment]:
    """List the active experiments; none when there is no such file.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    if not database.exists():
        return []
    with _reading(database) as connection:
        return [StoredExperiment(**dict(row)) for row in connection.execute(EXPERIMENTS)]


def schema_version(database: Path) -> str:
    """Read which of MLflow's schemas the database has.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    with _reading(database) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return "none" if row is None else str(row[0])


def intact(run: StoredRun, record: Record, *, database: Path) -> bool:
    """Whether a run's artifacts lie where they should, complete; those of another kind of store are believed."""
    folder = local_path(run.artifact_uri)
    if folder is None or not record.artifacts:
        return True
    if _strayed(folder.parent.parent, database, run.experiment):
        return False
    return all(_has_size(folder / path, size(source)) for path, source in record.artifacts.items())


def relocate(database: Path, experiments: Iterable[str]) -> None:
    """Point experiments at the artifacts beside the database after the project's folder was moved or copied.

    MLflow stores locations as absolute paths and offers no way to change them. Only locations that end as
    `artifact_root` names them are touched, and then for all runs of the experiment, superseded ones included.

    Raises:
        InputError: the file is not a database that MLflow made.
    """
    if not database.exists():
        return
    with _reading(database) as connection:
        found = connection.execute("SELECT experiment_id, name, artifact_location FROM experiments").fetchall()
    names = set(experiments)
    moved = [
        (row["experiment_id"], row["artifact_location"], artifact_root(database, row["name"]).as_uri())
        for row in found
        if row["name"] in names and _strayed(local_path(row["artifact_location"]), database, row["name"])
    ]
    if moved:
        with _explained(database), closing(sqlite3.connect(database, timeout=20)) as connection, connection:
            for number, old, new in moved:
                _move(connection, number, old=old.rstrip("/"), new=new)


def _move(connection: sqlite3.Connection, experiment: int, *, old: str, new: str) -> None:
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment))
    connection.execute(
        "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?)"
        " WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
        (new, len(old) + 1, experiment, len(old) + 1, old + "/"),
    )


def local_path(location: str) -> Path | None:
    """Find the folder of an artifact location; None when it is on a server or in an object store."""
    if location.startswith("file:"):
        return Path(unquote(urlsplit(location).path))
    return Path(location) if location.startswith("/") else None


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Let one publisher of this machine write to a store at a time; readers do not wait."""
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


def _strayed(folder: Path | None, database: Path, experiment: str) -> bool:
    expected = artifact_root(database, experiment)
    return folder is not None and folder != expected and folder.parts[-2:] == expected.parts[-2:]


def _has_size(path: Path, expected: int) -> bool:
    return path.is_file() and path.stat().st_size == expected


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with _explained(database), closing(_open(database)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def _open(database: Path) -> sqlite3.Connection:
    """Open for reading; a writer that was killed leaves a journal that only a writing connection may undo."""
    for mode in ("ro", "rw"):
        connection = sqlite3.connect(f"file:{quote(str(database))}?mode={mode}", uri=True, timeout=20)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if mode == "rw":
                raise
        else:
            return connection
    raise AssertionError("one of the two modes returned or raised")


@contextmanager
def _explained(database: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do, and advise deletion only of what is damaged."""
    try:
        yield
    except sqlite3.Error as error:
        damaged = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        found = "an empty file" if damaged and database.stat().st_size == 0 else str(error)
        raise InputError(f"{database} must be a readable MLflow database, got: {found}{ADVICE * damaged}") from error
