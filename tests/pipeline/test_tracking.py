"""MLflow beside DVC: runs come back, and a kill leaves no half of one."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import (
    STUDY,
    environment,
    executed,
    run,
    runs_in,
    stage,
)


def study_runs(folder: Path) -> list[tuple[str, str]]:
    """(experiment, name) of every active run of the study and the search, which `track` publishes."""
    return [run[:2] for run in runs_in(folder) if run[0] != "textbook"]


@pytest.mark.slow
class TestTracking:
    def test_models_are_registered_once_and_come_back(self, project: Path) -> None:
        lines = [
            f"regularization-lab-{dataset}: version 1 registered, is the champion: there is no other"
            for dataset in STUDY["study"]["datasets"]
        ]
        for line in lines:
            assert line in (project / "printed.txt").read_text()
        (project / "mlflow.db").unlink()
        shutil.rmtree(project / "mlruns")
        again = stage(project, "track")
        assert all(line in again.stdout for line in lines), again.stderr
        for more in ((), ("--force-champion",)):
            assert "regularization-lab-" not in stage(project, "track", *more).stdout

    def test_a_registered_model_predicts_as_the_file_does(self, project: Path) -> None:
        stage(project, "track")  # a copied project publishes anew
        rows = project / "rows.csv"
        rows.write_text("x0,x1,x2,x3\n0.5,-1,2,0\n1,1,1,1\n")
        assert stage(project, "predict", "mixture", "rows.csv", "--explain-input").returncode == 0
        names = ("mixture", "models:/regularization-lab-mixture@champion", "models:/regularization-lab-mixture/2")
        first, *others = [stage(project, "predict", name, "rows.csv").stdout for name in names]
        assert first.count("\n") == 3
        assert others == [first, first]

    def test_deleted_runs_come_back_without_training(self, project: Path) -> None:
        before = study_runs(project)
        answer_variants_points, baselines, model = 1 + 3 + 6, 1 + 2, 1
        each = answer_variants_points + baselines + model
        assert sum(experiment.endswith(" regularization") for experiment, _ in before) == 2 * each
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
