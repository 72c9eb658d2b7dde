"""Arithmetic is pinned before numpy or torch is imported, as it is in the pipeline; a browser and a database server."""

import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from handing_out import Portions, place
from hypothesis import settings
from parsed_texts import remembering
from ruamel.yaml import YAML
from servers import has_postgres, postgresql

from pipeline.core import determinism, fingerprint, parallel

gc.disable()  # until all is imported and collected, which stays
settings.register_profile("unhurried", deadline=None)  # first calls import scipy, and machines are busy
settings.load_profile("unhurried")

_INHERITED = {name: os.environ.get(name) for name in determinism.PINNED}
determinism.pin()
YAML.load = remembering(YAML.load)
_TOO_LATE = bool({"numpy", "torch"} & sys.modules.keys()) and _INHERITED != determinism.PINNED


def pytest_configure(config: pytest.Config) -> None:
    """Start again where a plugin imported numpy first: the environment, now set, is inherited."""
    if _TOO_LATE:
        config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
        sys.stdout.flush()
        os.execv(sys.executable, sys.orig_argv)
    if config.getoption("dist", "no") == "no":  # it imports torch: not where xdist's workers run the tests
        determinism.heed_cbwr()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of minutes that starts last is waited for by all other workers."""
    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Portions | None:
    """For `--dist loadscope`."""
    return Portions(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look through it again and again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """A test that chooses a number of threads leaves torch's own behind."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_processes_yet() -> None:
    """Where no engine is chosen threads train, whatever ran in this process before."""
    parallel._HERE.has_processes = False


@pytest.fixture(scope="module")
def imports_read_once() -> Iterator[None]:
    """What a module imports is the same for every stage whose code is followed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "_imports", cache(lambda module, read=fingerprint._imports: tuple(read(module))))
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Callable[[Path], None]], Path]:
    """What takes minutes is made by one worker for all: a folder by its name, filled by a function, to be read only."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def made(name: str, fill: Callable[[Path], None]) -> Path:
        folder, ready = shared / name, shared / f"{name}.ready"
        with FileLock(shared / f"{name}.lock"):
            if not ready.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                ready.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Playwright driving the system's Chromium; skipped where there is none."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield found
        found.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server; skipped where there is none."""
    if not has_postgres():
        pytest.skip("no PostgreSQL server is installed (on Debian: apt-get install postgresql)")
    with postgresql() as folder:
        yield f"postgresql://postgres@/postgres?host={folder}"


@pytest.fixture
def database_url(postgres: str) -> str:
    """An empty database of the server."""
    import psycopg  # noqa: PLC0415

    name = f"studies_{time.monotonic_ns()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.replace("/postgres?", f"/{name}?")
