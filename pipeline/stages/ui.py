"""The command `ui`: MLflow's server, on loopback, and a browser that shows the results in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from pipeline.config.params import load_params
from pipeline.core.errors import InputError
from pipeline.core.paths import PARAMS
from pipeline.core.redaction import redacted

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables that say on Linux that there is a browser with a window, or which one is wanted."""
PATIENCE = 120  # seconds until a server that has not answered never will
SERVER = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"
}  # seven processes for judges of language models, unless asked for
OPENER = f"""
import socket, sys, time, webbrowser
for _ in range({PATIENCE}):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=1).close()
    except OSError:
        time.sleep(1)
    else:
        webbrowser.open(sys.argv[2])
        break
"""


def ui(*, port: int, browser: bool) -> str:
    """Say where the results are in MLflow's UI, let a browser open the first, and become its server on this machine."""
    from pipeline.tracking import study, textbook, trials  # noqa: PLC0415
    from pipeline.tracking.client import ENVIRONMENT  # noqa: PLC0415
    from pipeline.tracking.publish import view_addresses  # noqa: PLC0415
    from pipeline.tracking.store import tracking_uri  # noqa: PLC0415

    datasets = load_params(PARAMS).study.datasets
    uri, address = tracking_uri(Path.cwd()), f"http://127.0.0.1:{port}"
    shown = view_addresses([study.experiment(dataset) for dataset in datasets], uri, view=study.VIEW)
    shown |= view_addresses([trials.experiment(dataset) for dataset in datasets], uri, view=trials.TRIALS)
    shown |= view_addresses([textbook.EXPERIMENT], uri, view=textbook.VIEW)
    if not shown:
        raise InputError(f"{redacted(uri, uri)}: holds no results of this study yet; `dvc repro` publishes them")
    _must_be_free(port)
    links = {name: f"{address}/{path}" for name, path in shown.items()}
    print(f"MLflow's UI starts at {address}; Ctrl-C ends it. Columns, order and charts are set at")
    print("\n".join(f"  {name}: {link}" for name, link in links.items()), flush=True)
    if browser and _has_browser():
        subprocess.Popen([sys.executable, "-c", OPENER, str(port), next(iter(links.values()))])
    kept = SERVER | {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    settings = kept | {name: value for name, value in ENVIRONMENT.items() if value is not None}
    server = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, server, settings | {"MLFLOW_BACKEND_STORE_URI": uri})  # arguments are seen by everybody


def _has_browser() -> bool:
    """Whether a browser has a window of its own: one in this terminal would be in the server's way."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, SCREENS))


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            another = "another is chosen with --port, or UI_PORT=... for `make ui`"
            raise InputError(f"port {port} of 127.0.0.1 must be free, got: {error.strerror}; {another}") from None
