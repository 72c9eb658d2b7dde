"""Servers that are down, silent, slow or dying: MLflow's over HTTP, and PostgreSQL for Optuna's trials."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from faults import end
from project import environment
from servers import Address, Relay, absent, full, has_postgres, postgresql, silent

from benchmarks.campaign_faults import by_hand, tally
from benchmarks.campaign_project import Stage, Undisturbed, forget, ran, repaired, runs_of, trials_of
from pipeline.reporting.text.reliability import Fault

SOON = 60  # seconds in which a stage says that a server is not there, its own start on a busy machine included
UNREACHABLE: dict[str, Callable[[], AbstractContextManager[Address]]] = {
    "down": absent,
    "silent": silent,
    "unreachable": full,
}
DEATHS = (3, 10, 40, 120)  # answers after which a server dies


def servers(folder: Path, whole: Undisturbed) -> Iterator[Fault]:
    """Publish to, and search with, servers in every state."""
    stages = {stage.command: stage for stage in whole.stages}
    yield from _mlflow(folder, whole, stages["track"])
    if has_postgres():
        yield from _postgresql(folder, whole, stages["search"])
    else:
        yield tally("server down, silent, dying", "Optuna's PostgreSQL", [], "no PostgreSQL is installed")


def _mlflow(folder: Path, whole: Undisturbed, track: Stage) -> Iterator[Fault]:
    for state, server in UNREACHABLE.items():
        with server() as address:
            uri = "http://{}:{}".format(*address)
            yield tally(f"server {state}", "MLflow", [_refusal(folder, track, MLFLOW_TRACKING_URI=uri)])
    with _mlflow_server(folder) as address:
        for name, relays in (
            ("server dying", [Relay(address, last=answers) for answers in DEATHS]),
            ("server slow (5 s an answer)", [Relay(address, late=2, seconds=5)]),
        ):
            yield tally(name, "MLflow", [_published(folder, whole, track, relay) for relay in relays])


def _published(folder: Path, whole: Undisturbed, track: Stage, relay: Relay) -> str | None:
    """Publish through a relay, and again where it died: every run is there once."""
    for path in folder.glob("server.db*"):
        _emptied(path)
    with relay as (host, port):
        code, said = ran(folder, by_hand(track), MLFLOW_TRACKING_URI=f"http://{host}:{port}")
    if code == 0 and relay.answers >= relay.last:
        return None
    if code and not (code == 2 and said.count("error: MLFLOW_TRACKING_URI: ") == 1):
        return f"exit code {code}: {said[-200:]!r}"
    code, said = ran(folder, by_hand(track), MLFLOW_TRACKING_URI="http://{}:{}".format(*relay.target))
    wanted = {run: count for run, count in whole.runs.items() if run[0] != "textbook"}
    return "" if code == 0 and runs_of(folder / "server.db") == wanted else f"exit code {code}: {said[-200:]!r}"


def _emptied(database: Path) -> None:
    """Delete every run: the server goes on with the same file."""
    import sqlite3  # noqa: PLC0415

    connection = sqlite3.connect(database, timeout=30)
    with connection:
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    connection.close()


def _postgresql(folder: Path, whole: Undisturbed, search: Stage) -> Iterator[Fault]:
    for state, server in UNREACHABLE.items():
        with server() as address:
            url = "postgresql://me:secret@{}:{}/x".format(*address)
            yield tally(f"server {state}", "Optuna's PostgreSQL", [_refusal(folder, search, OPTUNA_STORAGE=url)])
    with postgresql() as place:
        socket_of = f"{place}/.s.PGSQL.5432"
        outcomes = [_searched(folder, whole, search, Relay(socket_of, last=answers)) for answers in DEATHS]
        yield tally("server dying", "Optuna's PostgreSQL", outcomes)


def _searched(folder: Path, whole: Undisturbed, search: Stage, relay: Relay) -> str | None:
    """Search with a database behind a relay, and again where it died: every trial is there once."""
    import psycopg  # noqa: PLC0415

    name = f"trials_{time.monotonic_ns()}"
    place = str(Path(str(relay.target)).parent)
    with psycopg.connect(f"postgresql://postgres@/postgres?host={place}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    forget(folder)
    with relay as (host, port):
        code, said = ran(folder, by_hand(search), OPTUNA_STORAGE=f"postgresql://postgres@{host}:{port}/{name}")
    if code == 0:
        return None
    if code != 2 or said.count("error: OPTUNA_STORAGE: ") != 1:
        return f"exit code {code}: {said[-200:]!r}"
    url = f"postgresql://postgres@/{name}?host={place}"
    code, said = ran(folder, by_hand(search), OPTUNA_STORAGE=url)
    if code or trials_of(folder, url) != whole.trials:
        return f"exit code {code}, trials {trials_of(folder, url)}: {said[-200:]!r}"
    return repaired(folder, search, whole)


def _refusal(folder: Path, stage: Stage, **setting: str) -> str:
    """A stage ends soon, in a line that names the setting and no password."""
    begun = time.monotonic()
    code, said = ran(folder, by_hand(stage), **setting)
    (name,) = setting
    seconds = time.monotonic() - begun
    right = code == 2 and said.count(f"error: {name}: ") == 1 and "secret" not in said
    return "" if right and seconds < SOON else f"exit code {code} after {seconds:.0f} s: {said[-200:]!r}"


@contextmanager
def _mlflow_server(folder: Path) -> Iterator[Address]:
    """MLflow's server on a database of its own, `server.db`."""
    with absent() as address:
        port = str(address[1])
    options = {"backend-store-uri": "sqlite:///server.db", "artifacts-destination": "served", "workers": "1"}
    options |= {"host": "127.0.0.1", "port": port}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *words], cwd=folder, start_new_session=True,
        env=environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", lambda: process.poll() is None)
        yield ("127.0.0.1", int(port))
    finally:
        end(process, signal.SIGKILL)


def _wait_for(url: str, alive: Callable[[], bool]) -> None:
    while alive():
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise ConnectionError(f"{url}: the server has stopped")
