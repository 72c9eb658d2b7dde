"""Which store is published to: that of the project itself, also from a copy of it that DVC works in."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.tracking.database import database_of, uri_of

VARIABLE = "MLFLOW_TRACKING_URI"
COPIES = (".dvc", "tmp", "exps")  # below these folders `dvc exp run --temp` and `--queue` work in copies of a project


def tracking_uri(folder: Path) -> str:
    """The store of the project in a folder: what `MLFLOW_TRACKING_URI` says, or its `mlflow.db`.

    A copy that DVC makes for an experiment, and deletes after it, publishes to the store of the project it is of.
    """
    folder = folder.resolve()
    uri = os.environ.get(VARIABLE) or uri_of(folder / "mlflow.db")
    database, home = database_of(uri), project_of(folder)
    if database is None or home == folder or not database.is_relative_to(folder):
        return uri
    return uri_of(home / database.relative_to(folder))


def project_of(folder: Path) -> Path:
    """The project that a folder is a copy of, or the folder itself.

    >>> project_of(Path("/home/me/lab/.dvc/tmp/exps/standalone/tmpa1b2"))
    PosixPath('/home/me/lab')
    >>> project_of(Path("/home/me/lab"))
    PosixPath('/home/me/lab')
    """
    parts = folder.parts
    places = [place for place in range(len(parts)) if parts[place : place + len(COPIES)] == COPIES]
    return Path(*parts[: places[0]]) if places else folder
