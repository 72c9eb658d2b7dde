"""Projects whose pipelines have run, made once for all workers."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project import (
    PIPELINES,
    WATCHER,
    make_project,
    run,
)


@pytest.fixture(scope="session")
def finished(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A project whose pipelines have run once, with one OpenMP thread. Tests that change it work on a copy."""

    def fill(folder: Path) -> None:
        make_project(folder)
        (folder / "watcher").mkdir()
        (folder / "watcher/sitecustomize.py").write_text(WATCHER)
        done = [
            run(folder, "dvc", "repro", pipeline, OMP_NUM_THREADS="1", PYTHONPATH=str(folder / "watcher"))
            for pipeline in PIPELINES
        ]
        (folder / "printed.txt").write_text("".join(each.stdout for each in done))

    return once("finished", fill)


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))
