"""Seconds that publishing takes an MLflow server on PostgreSQL: `PYTHONPATH=tests python -m benchmarks.publishing`.

The records are those of the committed results, with seeds' values and training curves drawn instead of read. Beside
them the floor: what the server takes for runs of one batch and one file, asked by bare HTTP requests.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import local
from typing import Any

import numpy as np
import psutil
import requests
from servers import absent, postgresql

from pipeline.results.study import PointResult
from pipeline.stages.tables import search_results_of, study_results_of, trials_of
from pipeline.tracking import publish as publishing
from pipeline.tracking import search, steps, study
from pipeline.tracking.runs import RunRecord
from pipeline.tracking.trials import trial_records

DATASETS = ("digits", "mixture")
SERVER = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""Settings of the server, unless they are set already."""
PICTURE = Path("docs/images/compare.png")


def records(count: int) -> list[RunRecord]:
    """Records of studies and searches, and of so many trials that all are `count`."""
    rng = np.random.Generator(np.random.Philox(0))
    made, trials = [], []
    for dataset in DATASETS:
        results, searched = study_results_of(dataset), search_results_of(dataset)
        figures = {f"points/{point.variant}/{point.name}.png": PICTURE for point in results.points}
        made += study.records_of(results, [_arrays(point, rng) for point in results.points], figures)
        if searched is not None:
            contenders = searched.results.points
            epochs = contenders[0].parameters.epochs
            arms = trial_records(dataset, searched.search, trials_of(dataset), epochs=epochs)
            made += [record for record in arms if record.parent is None]
            trials += [record for record in arms if record.parent is not None]
            arrays = [_arrays(point, rng) for point in contenders]
            made += search.records_of(searched, arrays, trials=Path(f"reports/{dataset}/trials.csv"), figures={})
    return _whole(made, trials, count)


def _whole(made: list[RunRecord], trials: list[RunRecord], count: int) -> list[RunRecord]:
    """All that is made, the trials that it links to, and the first of the others up to a number."""
    linked = {key for record in made for key in record.refers}
    needed = sum(trial.key in linked for trial in trials)
    others = iter([trial.key for trial in trials if trial.key not in linked][: max(0, count - len(made) - needed)])
    kept = {*linked, *others}
    return [*made, *(trial for trial in trials if trial.key in kept)]


def _arrays(point: PointResult, rng: np.random.Generator) -> dict[str, np.ndarray]:
    epochs = np.arange(1, point.parameters.epochs + 1)
    curves = {f"history/{name}": rng.random((point.seeds, len(epochs))) for name in study.CURVES}
    scores = {f"score/{name}": rng.random(point.seeds) for name in point.metrics}
    return {"history/epoch": epochs, **curves, **scores}


@contextmanager
def server(folder: Path, workers: int, artifacts: str) -> Iterator[tuple[str, psutil.Process]]:
    """MLflow's server on a PostgreSQL of its own: its address and process."""
    with absent() as address:
        url = "http://{}:{}".format(*address)
    with postgresql() as place:
        subprocess.run(["psql", "-q", "-h", place, "-U", "postgres", "-c", "CREATE DATABASE mlflow"], check=True)
        options = {
            "backend-store-uri": f"postgresql+psycopg://postgres@/mlflow?host={place}",
            "artifacts-destination": artifacts, "host": "127.0.0.1", "port": str(address[1]), "workers": str(workers),
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        command = [os.environ.get("SERVER_PYTHON", sys.executable), "-m", "mlflow", "server", *words]
        environment = {**SERVER, **os.environ}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(f"{url}/health")
            yield url, psutil.Process(process.pid)
        finally:
            for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                each.terminate()
            process.wait(timeout=60)


def asked(log: Path) -> str:
    """How often the server was asked for what, as its log says."""
    kinds = re.findall(r'"(\w+) (?:/api/2.0)?/([\w-]+/[\w-]+)', log.read_text())
    return ", ".join(f"{count} {' '.join(kind)}" for kind, count in Counter(kinds).most_common())


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(url)


class Bare:
    """A server, asked for no more than a run needs; a connection a thread."""

    def __init__(self, url: str, experiment: str) -> None:
        self._url, self._local = url, local()
        self._number = self._ask("experiments/create", {"name": experiment})["experiment_id"]

    def write(self, name: int) -> None:
        """Make a run with 20 metrics, 20 parameters and a file of 10 kB."""
        content = {"experiment_id": self._number, "start_time": 1, "run_name": str(name)}
        run = self._ask("runs/create", content)["run"]["info"]["run_id"]
        metrics = [{"key": f"m{each}", "value": each, "timestamp": 1, "step": 0} for each in range(20)]
        params = [{"key": f"p{each}", "value": str(each)} for each in range(20)]
        self._ask("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params})
        path = f"{self._number}/{run}/artifacts/file.txt"
        address = f"{self._url}/api/2.0/mlflow-artifacts/artifacts/{path}"
        self._session().put(address, data=b"x" * 10_000, timeout=60).raise_for_status()

    def _ask(self, path: str, content: Mapping[str, object]) -> dict[str, Any]:
        answer = self._session().post(f"{self._url}/api/2.0/mlflow/{path}", json=content, timeout=60)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def floor(url: str, *, runs: int, clients: int) -> float:
    """Seconds a run, of so many clients together."""
    server = Bare(url, f"floor {clients}")
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(server.write, range(runs)))
    return (time.perf_counter() - start) / runs


def timed(label: str, process: psutil.Process, work: Callable[[], object]) -> None:
    """Print how long work takes, and the processor's seconds of this process and the server's."""
    before, start, mine = _cpu(process), time.perf_counter(), time.process_time()
    done = work()
    seconds, used = time.perf_counter() - start, _cpu(process) - before
    print(f"{label}: {seconds:.1f} s, CPU here {time.process_time() - mine:.1f} s, the server {used:.1f} s: {done}")


def _cpu(process: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


def main() -> None:
    """Print the floor and the times of publishing, the first and the second time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=526)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--writers", type=int, default=steps.WRITERS)
    parser.add_argument("--floor", type=int, default=48, help="runs that the floor is measured with")
    parser.add_argument("--artifacts", default="served", help="the server's --artifacts-destination")
    arguments = parser.parse_args()
    publishing.WRITERS = arguments.writers
    given = records(arguments.runs)
    files = sum(len(record.artifacts) for record in given)
    metrics = sum(len(record.metrics) for record in given)
    print(f"{len(given)} records, {files} files, {metrics} metrics")
    with TemporaryDirectory() as folder, server(Path(folder), arguments.workers, arguments.artifacts) as (url, process):
        for clients in (1, arguments.writers) if arguments.floor else ():
            each = floor(url, runs=arguments.floor, clients=clients)
            print(f"floor, {clients} clients: {each * 1000:.0f} ms a run", flush=True)
        for label in ("first", "again"):
            timed(label, process, lambda: publishing.publish(given, uri=url, provenance={}, complete=True))
            print(asked(Path(folder, "log")), flush=True)


if __name__ == "__main__":
    main()
