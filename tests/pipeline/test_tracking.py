"""MLflow beside DVC: runs come back, and a kill leaves no half of one."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import (
    environment,
    executed,
    run,
    runs_in,
    stage,
)


def study_runs(folder: Path) -> list[tuple[str, str]]:
    """(experiment, name) of every active run of the study and the search, which `track` publishes."""
    return [run[:2] for run in runs_in(folder) if run[0] != "claims"]


@pytest.mark.slow
class TestTracking:
    def test_deleted_runs_come_back_without_training(self, project: Path) -> None:
        before = study_runs(project)
        assert sum(experiment.endswith(" regularization") for experiment, _ in before) == 2 * (1 + 3 + 6)
        (project / "mlflow.db").unlink()
        shutil.rmtree(project / "mlruns")
        assert executed(run(project, "dvc", "repro")) == {"track"}
        assert study_runs(project) == before

    def test_a_killed_track_leaves_no_half_runs_after_the_next(self, project: Path) -> None:
        before = study_runs(project)
        for path in project.glob("mlflow.db*"):
            path.unlink()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "track"], cwd=project, env=environment(), stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if (project / "mlflow.db").exists() and len(runs_in(project)) >= 4:
                process.kill()
            time.sleep(0.01)
        assert process.wait() == -signal.SIGKILL
        assert 4 <= len(runs_in(project)) < len(before)
        assert stage(project, "track").returncode == 0
        assert study_runs(project) == before
