"""Versions of registered models: reading them, and adding one with its folder, run and card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import InputError
from pipeline.tracking.model_folder import save_folder
from pipeline.tracking.plan import ALIAS, StoredVersion
from pipeline.tracking.promotion import DATA, MODEL, Decision

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from pipeline.champion.storage import Model

DESCRIPTION_LIMIT = 5000  # of a version: databases refuse more
MODELS = "models:/"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that is to be registered.

    Attributes:
        dataset: that it is of.
        experiment: the name of the experiment that holds its run.
        key: of its run.
        file: that holds it.
        md5: of the file.
        data: MD5 of the data set's file.
        load: reads the file.
        card: writes its card, in Markdown.
        compare: says whether it is better than the model of another file.
    """

    dataset: str
    experiment: str
    key: str
    file: Path
    md5: str
    data: str
    load: Callable[[], Model]
    card: Callable[[], str]
    compare: Callable[[Path], Decision]

    @property
    def name(self) -> str:
        """What the registry calls it."""
        return name_of(self.dataset)


def name_of(dataset: str) -> str:
    """What the registry calls a data set's model."""
    return f"regularization-lab-{dataset}"


def versions_of(client: MlflowClient, name: str) -> list[StoredVersion]:
    """All versions, the first one first; aliases are known of each alone."""
    found = sorted(client.search_model_versions(f"name='{name}'"), key=lambda each: int(each.version))
    full = (client.get_model_version(name, each.version) for each in found)
    return [
        StoredVersion(number=int(each.version), location=each.source or "", tags=each.tags, aliases=tuple(each.aliases))
        for each in full
    ]


def add_version(client: MlflowClient, candidate: Candidate) -> int:
    """Write the model's folder and register it; nothing is registered before all of it is there.

    Raises:
        InputError: the model has no run.
    """
    card, run = candidate.card(), _run(client, candidate)
    model_id = _log_folder(client, candidate, run, card)
    if not client.search_registered_models(f"name='{candidate.name}'"):
        about = f"The model of the data set `{candidate.dataset}`; the alias `{ALIAS}` is the one to use."
        client.create_registered_model(candidate.name, description=about)
    version = client.create_model_version(
        candidate.name,
        source=f"{MODELS}{model_id}",
        run_id=run.info.run_id,
        tags={MODEL: candidate.md5, DATA: candidate.data},
        description=_cut(card),
        model_id=model_id,
    )
    return int(version.version)


def _run(client: MlflowClient, candidate: Candidate) -> Run:
    """The model's current run, which is published before."""
    experiment = client.get_experiment_by_name(candidate.experiment)
    wanted = f"tags.`record.key` = '{candidate.key}' AND tags.superseded = 'false'"
    found = client.search_runs([experiment.experiment_id], wanted, max_results=1) if experiment else []
    if not found:
        raise InputError(f"{candidate.name}: must have a run in the experiment {candidate.experiment!r}, got none")
    return found[0]


def _log_folder(client: MlflowClient, candidate: Candidate, run: Run, card: str) -> str:
    """Put the model's folder into the store, and return its id; what a kill left half done is deleted."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus  # noqa: PLC0415 (seconds)
    from mlflow.models import Model as Description  # noqa: PLC0415

    experiment, run_id = run.info.experiment_id, run.info.run_id
    for half in client.search_logged_models([experiment], f"name = '{candidate.name}'"):
        if half.status == LoggedModelStatus.PENDING:
            client.delete_logged_model(half.model_id)
    tags, params = {MODEL: candidate.md5}, dict(run.data.params)
    logged = client.create_logged_model(experiment, candidate.name, run_id, tags, params, "classifier")
    with tempfile.TemporaryDirectory(prefix="model-") as parent:
        folder = Path(parent, "model")
        description = Description(logged.artifact_location, run_id=run_id, model_id=logged.model_id)
        save_folder(folder, candidate.file, candidate.load(), card=card, description=description)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def _cut(card: str) -> str:
    """As much of a card as a description may hold, whole lines."""
    if len(card) <= DESCRIPTION_LIMIT:
        return card
    mark = "\n\n(All of it is in the model's `model_card.md`.)"
    return card[: DESCRIPTION_LIMIT - len(mark)].rpartition("\n")[0] + mark
