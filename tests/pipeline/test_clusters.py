"""A small study on clusters that exist: the bytes that threads give, whoever dies, and one line where it cannot be.

They need packages that the pipeline does without. `CLUSTER_PYTHON` may name an interpreter that has them, beside those
of the pipeline; `.ci/run` makes one.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import psutil
import pytest
from project import ROOT, STUDY, environment, write_params
from servers import absent, full, silent

from pipeline.core.determinism import PINNED

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("CLUSTER_PYTHON", sys.executable)
TRAIN = ["train", "wine", "dropout"]
OTHERS = ("evaluate", "calibrators", "search", "baselines", "champion")
WORK = (TRAIN, ["train", "wine", "none"], *([name, "wine"] for name in OTHERS))
MADE = ("members", "scores", "results", "champions", "baselines", "models")


def needs(module: str) -> None:
    if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} has no {module}: see tests/pipeline/test_clusters.py")


def unpinned(**extra: str) -> dict[str, str]:
    """An environment as others have it."""
    return {name: value for name, value in environment().items() if name not in PINNED} | extra


def pipeline(folder: Path, *commands: list[str], engine: str = "threads") -> subprocess.CompletedProcess:
    """Commands one after another, until one fails."""
    code = "import sys; from pipeline.__main__ import main; sys.exit(next(filter(None, map(main, {})), 0))"
    return subprocess.run(
        [PYTHON, "-c", code.format(list(commands))],
        cwd=folder, env=unpinned(PIPELINE_PARALLEL=engine, RAY_AUTH_MODE="disabled"),
        capture_output=True, text=True, check=False, timeout=550,
    )  # fmt: skip


def made(folder: Path) -> dict[str, bytes]:
    files = [path for name in MADE for path in (folder / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def usual(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """The study by threads."""

    def fill(folder: Path) -> None:
        shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        arms = {name: STUDY["search"]["arms"][name] for name in ("none", "dropout")}
        small = {
            "study": {**STUDY["study"], "datasets": ["wine"]},
            "search": {**STUDY["search"], "arms": arms},
            "variants": {"none": {}, "dropout": {"dropout": [0.2, 0.5]}},
        }
        write_params(folder, {**STUDY, **small})
        first = pipeline(folder, ["generate", "wine"])
        assert first.returncode == 0, first.stderr
        shutil.copytree(folder, folder / "before")
        done = pipeline(folder, *WORK)
        assert done.returncode == 0, done.stderr

    return once("clusters", fill)


@pytest.fixture
def fresh(usual: Path, tmp_path: Path) -> Path:
    """A folder in which the same is to be done."""
    shutil.copytree(usual / "before", tmp_path / "project")
    return tmp_path / "project"


@contextmanager
def dask(kind: str, folder: Path, **extra: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A cluster, and its address."""
    needs("distributed")
    script = shutil.copy(ROOT / "tests/cluster.py", folder)  # beside it there is a folder `pipeline`: these tests
    command = [PYTHON, str(script), kind]
    process = subprocess.Popen(
        command, cwd=folder, env=unpinned(**extra), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"dask:{process.stdout.readline().strip()}", process
    finally:
        process.stdin.close()
        process.wait(timeout=120)
        process.stdout.close()


def refused(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


class TestDask:
    def test_workers_without_code_and_pins_get_them_and_give_the_same_bytes(self, usual, fresh, tmp_path):
        with dask("usual", tmp_path) as (engine, _):
            done = pipeline(fresh, *WORK, engine=engine)
        assert done.returncode == 0, done.stderr
        assert made(fresh) == made(usual)

    def test_what_a_killed_worker_was_doing_is_done_again(self, usual, fresh, tmp_path):
        with dask("kill", tmp_path) as (engine, process):
            done = pipeline(fresh, TRAIN, engine=engine)
            assert done.returncode == 0, done.stderr
            process.stdin.close()
            assert process.stdout.read() == "killed\n"
        assert {path: made(usual)[path] for path in made(fresh)} == made(fresh)

    def test_workers_that_are_not_pinned_and_cannot_be_are_refused(self, fresh, tmp_path):
        with dask("bare", tmp_path, PYTHONPATH=str(fresh)) as (engine, _):
            refused(pipeline(fresh, TRAIN, engine=engine), "worker tcp://", "MKL_CBWR must be AVX2,STRICT", "unset")

    def test_workers_with_other_code_are_refused(self, fresh, tmp_path):
        shutil.copytree(fresh / "pipeline", tmp_path / "old/pipeline")
        changed = tmp_path / "old/pipeline/core/errors.py"
        changed.write_text(changed.read_text() + "# of another time\n")
        with dask("bare", tmp_path, PYTHONPATH=str(tmp_path / "old"), **PINNED) as (engine, _):
            refused(pipeline(fresh, TRAIN, engine=engine), "worker tcp://", "the pipeline's code must be")


class TestRay:
    def test_a_ray_of_our_own_gives_the_same_bytes(self, usual, fresh):
        needs("ray")
        done = pipeline(fresh, *WORK, engine="ray")
        assert done.returncode == 0, done.stderr
        assert made(fresh) == made(usual)

    def test_a_cluster_that_runs_gives_the_same_bytes_though_a_worker_is_killed(self, usual, fresh):
        needs("ray")
        with ray_head() as (engine, head), killing(head):
            done = pipeline(fresh, TRAIN, engine=engine)
        assert done.returncode == 0, done.stderr
        assert {path: made(usual)[path] for path in made(fresh)} == made(fresh)


@pytest.mark.parametrize(
    ("engine", "server"),
    [
        ("dask:tcp://nowhere", absent), ("dask:tcp://{}:{}", absent), ("dask:tcp://{}:{}", full),
        ("dask:tcp://{}:{}", silent), ("ray://{}:{}", absent), ("ray://{}:{}", silent),
    ],
)  # fmt: skip
def test_an_address_where_no_cluster_answers_is_one_line(fresh, engine, server):
    needs(engine.partition(":")[0].replace("dask", "distributed"))
    with server() as address:
        start = monotonic()
        refused(pipeline(fresh, TRAIN, engine=engine.format(*address)), engine.format(*address))
        assert monotonic() - start < 30  # of it ten for the address, where processors are free


def free_port() -> int:
    with absent() as (_, port):
        return port


@contextmanager
def ray_head() -> Iterator[tuple[str, subprocess.Popen]]:
    """A Ray that runs, its address first; `ray stop` would end processes by name, this ends what it has started."""
    port, client = free_port(), free_port()
    # Ray's sockets are in its folder: its path may not be long
    with TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, Path(folder, "log").open("wb") as log:
        head = subprocess.Popen(
            [
                str(Path(PYTHON).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", f"--port={port}",
                f"--ray-client-server-port={client}", "--include-dashboard=false", "--disable-usage-stats",
                f"--temp-dir={folder}/ray",
            ],
            cwd=folder, env=unpinned(RAY_AUTH_MODE="disabled"), stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(client, head, Path(log.name))
            yield f"ray://127.0.0.1:{client}", head
        finally:
            head.terminate()
            head.wait(timeout=60)


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        sleep(0.1)
    raise AssertionError(f"nobody listens at {port}: {log.read_text()}")


@contextmanager
def killing(head: subprocess.Popen) -> Iterator[None]:
    """End the first worker that has work."""
    ended, over = threading.Event(), threading.Event()

    def kill() -> None:
        while not over.wait(0.05):
            for each in psutil.Process(head.pid).children(recursive=True):
                try:
                    if each.cmdline()[:1] == ["ray::PoolActor.run_batch"]:
                        each.send_signal(signal.SIGKILL)
                        ended.set()
                        return
                except psutil.Error:
                    continue

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert ended.is_set()
