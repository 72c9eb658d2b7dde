"""How is an MLflow store opened: made where it is a file, undisturbed by the environment, its errors in one line?"""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import InputError
from pipeline.tracking.database import ADVICE, database_of, schema_version, uri_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

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


@contextmanager
def connected(uri: str) -> Iterator["MlflowClient"]:
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
            with _environment(_unless_set(AFTERWARDS)), _on_disk_at_the_end(client, database):
                yield client
        finally:
            _let_go(client)


@contextmanager
def _on_disk_at_the_end(client: "MlflowClient", database: Path | None) -> Iterator[None]:
    """Let a local database wait for the disk once, at the end, and not at every one of several commits a run.

    The system has each commit at once, so that nothing depends on this process: killed at any time, it leaves what it
    would have left anyway. Only a machine that goes down within these seconds may leave a damaged file.
    """
    if database is None:
        yield
        return
    from sqlalchemy import event  # noqa: PLC0415 (seconds)

    engine = client._tracking_client.store.engine
    event.listen(engine, "connect", _do_not_wait)
    engine.dispose()  # connections from before would go on waiting
    try:
        yield
    finally:
        event.remove(engine, "connect", _do_not_wait)
        engine.dispose()
        for path in (database, database.parent):  # the folder, for there the journal was deleted
            _wait_for(path)


def _do_not_wait(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _wait_for(path: Path) -> None:
    """Return when a file or folder is on the disk; it may have been deleted meanwhile."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
