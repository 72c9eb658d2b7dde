"""MLflow client: opens a tracking store, makes it where it is a local file, and puts its errors in one line."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import InputError
from pipeline.core.reachable import PATIENCE, reach, reach_http
from pipeline.core.redaction import reason, redacted
from pipeline.tracking.database import database_of, uri_of
from pipeline.tracking.store import VARIABLE

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

# A connection kept from an earlier publication would go on writing to a file that has been deleted meanwhile.
LOCAL = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}

# How long a server is waited for, unless the user has set it: little until it has answered once, more afterwards,
# when a retry may save a long publication. MLflow's own settings would wait for minutes.
PATIENT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
AT_FIRST = {
    PATIENT: str(PATIENCE),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
AFTERWARDS = AT_FIRST | {PATIENT: "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


@contextmanager
def connected(uri: str) -> Iterator[MlflowClient]:
    """A client of a store that is ready: made where it is a local file, and answering where it is not.

    Raises:
        InputError: MLflow cannot use the store.
    """
    database = database_of(uri)
    settings = {**ENVIRONMENT, **({} if database is None else LOCAL), VARIABLE: uri}  # not all is told it
    if database is None and "://" in uri:
        reach(uri, setting=VARIABLE)
        if PATIENT not in os.environ:
            reach_http(uri, setting=VARIABLE)
    with _environment(settings), _quiet(), _errors_of(uri):
        from mlflow import MlflowClient  # noqa: PLC0415 (seconds)

        if database is not None and not database.exists():
            _create(database)
        with _environment(_unless_set(AT_FIRST)), _errors_of(uri, ValueError):  # what is wrong with the URI itself
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
        with _environment(_unless_set(AFTERWARDS)):
            yield client


def _create(database: Path) -> None:
    """Make an empty store under another name first: readers see all of it or nothing, and a kill leaves none."""
    from mlflow import MlflowClient  # noqa: PLC0415 (seconds)

    with tempfile.TemporaryDirectory(dir=database.parent / "mlruns", prefix=".new-") as folder:
        new = Path(folder, database.name)
        MlflowClient(uri_of(new)).search_experiments(max_results=1)
        if not database.exists():
            new.rename(database)


@contextmanager
def _errors_of(uri: str, *more: type[Exception]) -> Iterator[None]:
    """Put errors of MLflow and of what it uses, and more, in one line, without what the URI keeps secret."""
    from mlflow import MlflowException  # noqa: PLC0415 (seconds)
    from requests import RequestException  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    caught: tuple[type[Exception], ...] = (MlflowException, RequestException, SQLAlchemyError, ImportError, *more)
    try:
        yield
    except InputError:
        raise
    except caught as error:
        setting = "" if database_of(uri) else f"{VARIABLE}: "
        raise InputError(
            f"{setting}MLflow must be able to use {redacted(uri, uri)}, got: {reason(error, uri)}"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing, and leave out warnings that SQLAlchemy 2.1 and MLflow give about declarations of MLflow's own."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
            yield
    finally:
        logging.disable(before)


def _unless_set(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in os.environ}


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables, or unset those that are None, for a while."""
    with ExitStack() as stack:
        stack.callback(_set_environment, {name: os.environ.get(name) for name in values})
        _set_environment(values)
        yield


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
