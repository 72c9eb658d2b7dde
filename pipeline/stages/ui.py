"""The command `ui`: MLflow's server, on loopback."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from pipeline.config.params import load_params
from pipeline.core.errors import InputError
from pipeline.core.paths import PARAMS


def ui(*, port: int) -> str:
    """Say where the results are in MLflow's UI, and become its server on this machine."""
    from pipeline.tracking import study, textbook, trials  # noqa: PLC0415
    from pipeline.tracking.client import ENVIRONMENT  # noqa: PLC0415
    from pipeline.tracking.publish import chart_addresses, tracking_uri  # noqa: PLC0415

    datasets = load_params(PARAMS).study.datasets
    uri, address = tracking_uri(Path.cwd()), f"http://127.0.0.1:{port}"
    shown = chart_addresses([study.experiment(dataset) for dataset in datasets], uri, view=study.VIEW)
    shown |= chart_addresses([trials.experiment(dataset) for dataset in datasets], uri, view=trials.TRIALS)
    shown |= chart_addresses([textbook.EXPERIMENT], uri, view=textbook.VIEW)
    if not shown:
        raise InputError(f"{uri}: holds no results of this study yet; `dvc repro` publishes them")
    _must_be_free(port)
    print(f"MLflow's UI starts at {address}; Ctrl-C ends it. Columns and charts are set at")
    print("\n".join(f"  {name}: {address}/{path}" for name, path in shown.items()), flush=True)
    kept = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    settings = kept | {name: value for name, value in ENVIRONMENT.items() if value is not None}
    server = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    os.execve(sys.executable, [*server, "--backend-store-uri", uri], settings)


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            another = "another is chosen with --port, or UI_PORT=... for `make ui`"
            raise InputError(f"port {port} of 127.0.0.1 must be free, got: {error.strerror}; {another}") from None
