"""Publishing to MLflow: records become runs, each once.

A run is known by its key, its content by a digest that is written last. Whatever is missing, half written,
damaged, duplicated or outdated is put right by publishing again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import InputError
from pipeline.tracking import database as local
from pipeline.tracking.client import connected
from pipeline.tracking.links import address
from pipeline.tracking.plan import Step, StoredExperiment, StoredRun, plan, surplus
from pipeline.tracking.runs import (
    EXPERIMENT_DIGEST,
    ExperimentPage,
    Identity,
    RunRecord,
    experiment_tags,
)
from pipeline.tracking.steps import WRITERS, carry_out

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Published:
    """What became of the records, and of runs that none of them stands for any more.

    Attributes:
        created: records that got a first run.
        unchanged: records that had a run already.
        replaced: records whose run was outdated or damaged and got a successor.
        retired: runs of records that are no more, now tagged as superseded.
    """

    created: int
    unchanged: int
    replaced: int
    retired: int = 0


def provenance() -> dict[str, str]:
    """Where a publication comes from: tags that may differ between publications of the same results."""
    git = ("git", "rev-parse", "HEAD")
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = ""
    tags = {"mlflow.source.git.commit": commit, "dvc.experiment": os.environ.get("DVC_EXP_NAME", "")}
    return {name: value for name, value in tags.items() if value}


def meanwhile(uri: str) -> Callable[[Sequence[RunRecord], Sequence[ExperimentPage], bool], None]:
    """Make a function that publishes while long work goes on, which must not die of it.

    It takes records, pages and whether the records are complete. The first failure is a line on stderr, and after it
    nothing is tried: what is published at the end says what is wrong, and makes up for it.
    """
    origin, failed = provenance(), False

    def publish_now(records: Sequence[RunRecord], pages: Sequence[ExperimentPage], complete: bool) -> None:
        nonlocal failed
        if failed:
            return
        try:
            publish(records, uri=uri, provenance=origin, pages=pages, complete=complete)
        except (InputError, OSError) as error:
            failed = True
            print(f"warning: not shown in MLflow before the end: {error}", file=sys.stderr)

    return publish_now


def missing(
    records: Sequence[RunRecord], uri: str, *, pages: Sequence[ExperimentPage] = (), complete: bool = False
) -> list[Identity]:
    """Where `publish` would have something to do: experiment and key.

    There the store lacks a record, or holds it incompletely, twice or outdated, or, where the records are `complete`,
    shows a run as current that none of them stands for; the key is empty where an experiment's own page is outdated.
    A local database is asked without importing mlflow.

    Raises:
        InputError: the store cannot be read, or the records contradict each other.
    """
    database = local.database_of(uri)
    if database is not None:
        experiments, runs = local.stored_experiments(database), local.stored_runs(database)
    else:
        with connected(uri) as client:
            experiments = _stored_experiments(client, _names(records, pages))
            runs = _stored_runs(client, experiments)
    steps, stale = _plan(records, runs, database=database, complete=complete)
    outdated = [(page.name, "") for page in _outdated(pages, experiments)]
    return outdated + [step.record.identity for step in steps if not step.settled] + [run.identity for run in stale]


def view_addresses(names: Sequence[str], uri: str, *, view: str) -> dict[str, str]:
    """Where the UI shows the table of a view, below its own address, for each experiment that is there.

    Raises:
        InputError: the store cannot be read.
    """
    database = local.database_of(uri)
    if database is not None:
        stored = local.stored_experiments(database)
    else:
        with connected(uri) as client:
            stored = _stored_experiments(client, names)
    numbers = {experiment.name: experiment.number for experiment in stored if experiment.name in names}
    return {name: address("table", view, experiment=number) for name, number in numbers.items()}


def publish(
    records: Sequence[RunRecord],
    *,
    uri: str,
    provenance: Mapping[str, str],
    pages: Sequence[ExperimentPage] = (),
    complete: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Bring the store to say what the records say; publishing again changes nothing.

    A record whose content changed gets a new run, and the earlier one stays as history, tagged superseded = "true".
    So do, where the records are `complete`, the runs of records that are no more; should a record come back, so does
    its run. Whatever names a run that got a successor names the successor.

    Args:
        records: what the store should say; parents may come in any order, or have been published earlier.
        uri: MLflow tracking URI.
        provenance: tags that name a publication rather than a content, such as "mlflow.source.git.commit".
        pages: what the experiments' own pages should say.
        complete: whether the records are all there is in their experiments, parents included.
        progress: called after each record with how many are done, of how many.

    Raises:
        InputError: the store cannot be read or written, or the records contradict each other.
        OSError: files cannot be written.
    """
    database, names = local.database_of(uri), _names(records, pages)
    if database is not None and not missing(records, uri, pages=pages, complete=complete):
        return Published(created=0, unchanged=len(records), replaced=0)
    with local.locked(uri), connected(uri) as client:
        ids = {name: _experiment_id(client, name, database) for name in names}
        experiments = _stored_experiments(client, names)
        runs = _stored_runs(client, experiments) if database is None else local.stored_runs(database)
        steps, stale = _plan(records, runs, database=database, complete=complete)
        writers = WRITERS if database is None else 1
        retire = [run.run_id for run in stale]
        carry_out(client, steps, retire, ids=ids, provenance=provenance, progress=progress, writers=writers)
        for page in _outdated(pages, experiments):
            for name, value in experiment_tags(page, ids[page.name]).items():
                client.set_experiment_tag(ids[page.name], name, value)
    return _summary(steps, stale)


def _names(records: Sequence[RunRecord], pages: Sequence[ExperimentPage]) -> list[str]:
    return list(dict.fromkeys([*(record.experiment for record in records), *(page.name for page in pages)]))


def _outdated(pages: Sequence[ExperimentPage], stored: Sequence[StoredExperiment]) -> list[ExperimentPage]:
    digests = {experiment.name: experiment.digest for experiment in stored}
    return [page for page in pages if digests.get(page.name) != page.digest]


def _plan(
    records: Sequence[RunRecord], stored: Sequence[StoredRun], *, database: Path | None, complete: bool
) -> tuple[list[Step], list[StoredRun]]:
    """What each record needs, and which runs to retire: no parents any more; a server's files are trusted."""
    stale = surplus(records, stored) if complete else []
    retired = {run.run_id for run in stale}
    intact = (lambda *_: True) if database is None else partial(local.intact, database=database)
    return plan(records, [run for run in stored if run.run_id not in retired], intact=intact), stale


def _summary(steps: Sequence[Step], stale: Sequence[StoredRun]) -> Published:
    created = sum(step.keep is None and not (step.delete or step.retire) for step in steps)
    unchanged = sum(step.keep is not None for step in steps)
    replaced = len(steps) - created - unchanged
    return Published(created=created, unchanged=unchanged, replaced=replaced, retired=len(stale))


def _experiment_id(client: MlflowClient, name: str, database: Path | None) -> str:
    """Find, restore from deletion, or create an experiment.

    MLflow stores locations as absolute paths and cannot change them: where the project's folder was moved or copied,
    the earlier experiment stays under another name, and a new one takes its place.
    """
    location = None if database is None else local.artifact_root(database, name).as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    if experiment is not None and database is not None and local.moved(experiment.artifact_location, database, name):
        client.rename_experiment(experiment.experiment_id, f"{name}, before the move ({experiment.experiment_id})")
        experiment = None
    if experiment is None:
        return client.create_experiment(name, artifact_location=location)
    return str(experiment.experiment_id)


def _stored_experiments(client: MlflowClient, names: Sequence[str]) -> list[StoredExperiment]:
    """Those of the experiments that are there, deleted ones excepted."""
    experiments = [client.get_experiment_by_name(name) for name in names]
    return [
        StoredExperiment(
            number=experiment.experiment_id, name=experiment.name, digest=experiment.tags.get(EXPERIMENT_DIGEST)
        )
        for experiment in experiments
        if experiment is not None and experiment.lifecycle_stage == "active"
    ]


def _stored_runs(client: MlflowClient, experiments: Sequence[StoredExperiment]) -> list[StoredRun]:
    """The runs of a server's experiments that carry a key."""
    names = {experiment.number: experiment.name for experiment in experiments}
    runs: list[StoredRun] = []
    token: str | None = ""
    while names and token is not None:
        page = client.search_runs(list(names), "tags.`record.key` != ''", page_token=token or None)
        runs += (
            StoredRun(
                run_id=run.info.run_id,
                experiment=names[run.info.experiment_id],
                status=run.info.status,
                artifact_uri=run.info.artifact_uri,
                start=run.info.start_time,
                tags=run.data.tags,
            )
            for run in page
        )
        token = page.token or None
    return runs
