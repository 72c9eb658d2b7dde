"""Storage of Optuna's studies: a journal file that survives a killed process, or a database that a URL names."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import IO

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial

from pipeline.config.settings import Setting
from pipeline.core.errors import InputError
from pipeline.core.reachable import reach
from pipeline.core.redaction import reason, redacted

VARIABLE = "OPTUNA_STORAGE"
Describe = Callable[[FrozenTrial], Mapping[str, Setting]]


@contextmanager
def opened(journal: Path, url: str | None = None, *, describe: Describe | None = None) -> Iterator[BaseStorage]:
    """Hand out the storage: a database where there is a URL, and else a journal, which is made where there is none.

    Attributes that `describe` finds of a finished trial are stored with it, for those who look at it in a dashboard.
    Only one process may search at a time with the same journal, or with the same URL from the same project.

    Raises:
        InputError: another search is running, or the storage cannot be opened.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    journal.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _alone(journal):
        if not url:
            _drop_torn_line(journal)
            yield _journal(journal, describe)
            return
        storage = _database(url, describe)
        try:
            yield storage
        except (SQLAlchemyError, StorageInternalError) as error:
            lost = "the connection was lost, the same command goes on from the last batch"
            raise InputError(f"{VARIABLE}: {redacted(url, url)}: {lost}: {reason(error, url)}") from None
        finally:
            storage.engine.dispose()


class _Journal(JournalStorage):
    """A journal that describes the trials that come into it."""

    def __init__(self, backend: JournalFileBackend, describe: Describe | None) -> None:
        super().__init__(backend)
        self._describe = describe

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Store a trial with what is said of it."""
        return super().create_new_trial(study_id, _described(template_trial, self._describe))


def _journal(path: Path, describe: Describe | None) -> _Journal:
    """The journal at a path.

    Raises:
        InputError: a line of it is none that Optuna writes.
    """
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
        entries = [isinstance(json.loads(line), dict) for line in lines]
        assert all(entries), f"line {entries.index(False) + 1} is no entry"
        return _Journal(JournalFileBackend(str(path), lock_obj=_Lock(path)), describe)
    except (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        why = f"damaged ({type(error).__name__}: {reason(error)})"
        raise InputError(f"{path}: {why}; move it away, and the search starts anew") from None


class _Database(RDBStorage):
    """A database that describes the trials that come into it."""

    def __init__(self, url: str, describe: Describe | None) -> None:
        super().__init__(url)
        self._describe = describe

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        return super()._create_new_trial(study_id, _described(template_trial, self._describe))


def _described(trial: FrozenTrial | None, describe: Describe | None) -> FrozenTrial | None:
    if trial is None or describe is None:
        return trial
    described = copy(trial)
    described.user_attrs = {**trial.user_attrs, **describe(trial)}
    return described


def _database(url: str, describe: Describe | None) -> RDBStorage:
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError  # noqa: PLC0415

    try:
        make_url(url)
    except (ArgumentError, ValueError):
        raise InputError(f"{VARIABLE}: must be a database URL, such as postgresql://user@host/name") from None
    reach(url, setting=VARIABLE)
    try:
        with _turn(url):
            return _Database(url, describe)
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        raise InputError(f"{VARIABLE}: {redacted(url, url)} cannot be opened: {reason(error, url)}") from None


@contextmanager
def turn(storage: BaseStorage) -> Iterator[bool]:
    """Let one search after another make studies; whether that is so: other databases than PostgreSQL know no turns."""
    if isinstance(storage, RDBStorage):
        with _turn(storage.url) as is_ours:
            yield is_ours
    else:
        yield isinstance(storage, JournalStorage)  # which one search has for as long as it takes


@contextmanager
def _turn(url: str) -> Iterator[bool]:
    """Let one process after another work on a PostgreSQL database: Optuna makes its tables where there are none."""
    from sqlalchemy import create_engine, text  # noqa: PLC0415
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    if make_url(url).get_backend_name() != "postgresql":
        yield False
        return
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:  # the server lets go of the lock with the connection
        connection.execute(text("SELECT pg_advisory_lock(hashtext('optuna schema'))"))
        yield True


@contextmanager
def _alone(journal: Path) -> Iterator[None]:
    """Hold the journal for one search; the kernel lets go of it with the process."""
    with journal.with_suffix(".search").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{journal}: another search is running; one at a time") from None
        yield


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a full disk or a power cut left of a line: Optuna would glue the next entry to it and lose both."""
    if not journal.exists():
        return
    if not journal.is_file():
        raise InputError(f"{journal}: must be a file; move away what is there")
    with journal.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())


class _Lock(BaseJournalFileLock):
    """A lock that a killed process does not leave behind, unlike a file: Optuna's own would wait for 30 seconds."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_suffix(".lock")
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self._path.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None
