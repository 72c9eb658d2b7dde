"""MLflow's registry of models: each model is a version once, and an alias says which of them is the champion."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import InputError
from pipeline.core.redaction import reason
from pipeline.tracking import database as local
from pipeline.tracking.client import connected
from pipeline.tracking.model_folder import FILE
from pipeline.tracking.plan import ALIAS, StoredVersion
from pipeline.tracking.promotion import AGAINST, DATA, FORCE, MODEL, REASON, Decision, champion_of
from pipeline.tracking.versions import MODELS, Candidate, add_version, versions_of

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register(candidate: Candidate, *, uri: str, force: bool = False) -> str:
    """Make a model a version of its registered model, where it is none yet, and decide once whether it is the champion.

    Returns:
        What changed, or that another version is the champion, in a line; nothing where all is as it was.

    Raises:
        InputError: the store cannot be read or written.
    """
    database = local.database_of(uri)
    if database is not None:
        settled = _settled(candidate, local.stored_versions(database, candidate.name), database, force=force)
        if settled is not None:
            return settled
    with local.locked(uri), connected(uri) as client:
        name = candidate.name
        versions = versions_of(client, name) if database is None else local.stored_versions(database, name)
        settled = _settled(candidate, versions, database, force=force)
        return _registered(client, candidate, versions, database, force=force) if settled is None else settled


@contextmanager
def downloaded(model: str, *, uri: str) -> Iterator[Path]:
    """The file of a registered model, in a folder that is gone afterwards.

    Raises:
        InputError: there is no such model, or it is none of this project's.
    """
    database = local.database_of(uri)
    if database is not None and not database.exists():
        raise InputError(f"{model}: {database} does not exist; `dvc repro` makes it, MLFLOW_TRACKING_URI names another")
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        with connected(uri):
            path = _download(model, folder, uri)
        yield path


def _download(model: str, folder: str, uri: str) -> Path:
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415 (seconds)

    source = f"{model.rstrip('/')}/{FILE}"
    try:
        return Path(download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=uri))
    except OSError as error:
        raise InputError(
            f"{model}: must be a model that `track` registered and whose files are there: {reason(error, uri)}"
        ) from None


def _present(candidate: Candidate, versions: Sequence[StoredVersion], database: Path | None) -> StoredVersion | None:
    """The latest version that holds the candidate."""
    same = [each for each in versions if each.tags.get(MODEL) == candidate.md5 and _holds(each, candidate, database)]
    return next((each for each in reversed(same) if each.is_champion), same[-1] if same else None)


def _holds(version: StoredVersion, candidate: Candidate, database: Path | None) -> bool:
    return database is None or local.holds(version, FILE, database=database, experiment=candidate.experiment)


def _settled(
    candidate: Candidate, versions: Sequence[StoredVersion], database: Path | None, *, force: bool
) -> str | None:
    """What there is to say where nothing is to be done; None where something is.

    What was decided holds against one champion: with another, it is decided anew.
    """
    present, champion = _present(candidate, versions, database), champion_of(versions)
    if present is None or champion is None:
        return None
    if present.is_champion:
        return ""
    if force or present.tags.get(AGAINST) != str(champion.number):
        return None
    other = f"version {champion.number}, and not the present model, version {present.number}"
    return f"{candidate.name}: the champion is {other}: {present.tags[REASON]}; {FORCE}"


def _registered(
    client: MlflowClient,
    candidate: Candidate,
    versions: Sequence[StoredVersion],
    database: Path | None,
    *,
    force: bool,
) -> str:
    """Add a version where there is none, and decide."""
    name, present, old = candidate.name, _present(candidate, versions, database), champion_of(versions)
    number = str(present.number if present else add_version(client, candidate))
    said = f"{name}: version {number}" + ("" if present else " registered,")
    decision = _decision(client, candidate, old, database, force=force)
    if decision.moves:
        client.set_registered_model_alias(name, ALIAS, number)
    client.set_model_version_tag(name, number, REASON, decision.why)
    client.set_model_version_tag(name, number, AGAINST, str(old.number) if old else "none")
    if decision.moves:
        return f"{said} is the champion: {decision.why}"
    return f"{said} is not the champion: {decision.why}; {FORCE}"


def _decision(
    client: MlflowClient, candidate: Candidate, old: StoredVersion | None, database: Path | None, *, force: bool
) -> Decision:
    """Whether the alias moves, by what is cheapest to know first."""
    if old is None:
        return Decision(True, "there is no other")
    if force:
        return Decision(True, f"it was forced, in place of version {old.number}")
    if old.tags.get(MODEL) == candidate.md5:
        return Decision(True, f"it is version {old.number} again, whose files are gone")
    if not _holds(old, candidate, database):
        return Decision(True, f"the files of version {old.number} are gone")
    try:
        with downloaded(f"{MODELS}{candidate.name}/{old.number}", uri=client.tracking_uri) as path:
            decision = candidate.compare(path)
    except InputError as error:
        decision = Decision(False, f"which cannot be read: {error}")
    seen = old.tags.get(DATA) != candidate.data
    other = f" (version {old.number} had other data, and may have seen these rows)" if seen else ""
    return Decision(decision.moves, f"against version {old.number}, {decision.why}{other}")
