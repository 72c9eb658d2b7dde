"""Writing a run: data set, artifacts, metrics, parameters, and the digest that says all of it is there."""

from __future__ import annotations

import getpass
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.plan import Step
from pipeline.tracking.runs import DatasetInfo, loggable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

METRICS_A_BATCH = 1000


def write_run(client: MlflowClient, step: Step, *, experiment: str, tags: Mapping[str, str]) -> str:
    """Write a step's record as a run, its digest last, and return the run's id.

    Where nobody knows when it was trained it begins and ends now: no duration is shown rather than that of writing.
    """
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 (seconds)

    record, now = step.record, int(time.time() * 1000)
    start, end = record.times or (now, now)
    run = client.create_run(experiment, start_time=start, tags=dict(tags), run_name=record.name)
    run_id = str(run.info.run_id)
    if record.dataset is not None:
        client.log_inputs(run_id, datasets=[_dataset_input(record.dataset)])
    if record.artifacts:
        _log_artifacts(client, run_id, record.artifacts)
    metrics = [Metric(name, loggable(value), end, int(at)) for name, value, at in record.metrics]
    params = [Param(name, str(value)) for name, value in record.params.items()]
    for start in range(0, len(metrics) - METRICS_A_BATCH, METRICS_A_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])
    rest = metrics[max(0, len(metrics) - 1) // METRICS_A_BATCH * METRICS_A_BATCH :]
    client.set_terminated(run_id, status=record.status, end_time=end)
    # one request: a batch is stored as a whole, or its tags are stored last
    client.log_batch(run_id, metrics=rest, params=params, tags=[RunTag("record.digest", step.digest)])
    return run_id


def user() -> str:
    """The name of the user; a container may know none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _dataset_input(data: DatasetInfo) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 (seconds)

    source = json.dumps({"uri": data.source})
    dataset = Dataset(data.name, data.digest, "local", source, schema=data.schema, profile=data.profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", data.context)])


def _log_artifacts(client: MlflowClient, run_id: str, artifacts: Mapping[str, bytes | Path]) -> None:
    """Lay the artifacts out in a temporary folder and hand it over."""
    with tempfile.TemporaryDirectory(prefix="artifacts-") as folder:
        for name, source in artifacts.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                path.write_bytes(source)
            else:
                path.symlink_to(source.resolve())
        client.log_artifacts(run_id, folder)
