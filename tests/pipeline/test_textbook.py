"""The textbook's pipeline: a small topic, through DVC and the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import (
    TOPIC,
    environment,
    executed,
    refuses,
    run,
    runs_in,
    stage,
    write_topic,
)


def table_of(folder: Path) -> dict:
    return json.loads((folder / "claims/dropout.json").read_text())


def with_claim(**claims: dict) -> dict:
    return {**TOPIC, "claims": {**TOPIC["claims"], **claims}}


@pytest.mark.slow
class TestTextbook:
    def test_every_sentence_has_a_verdict_and_a_figure(self, finished: Path) -> None:
        table = json.loads((finished / "reports/claims.json").read_text())
        assert [claim["id"] for claim in table["claims"]] == list(TOPIC["claims"])
        assert table["claims"][1]["verdict"] == "everywhere"
        assert [(row["rows"], len(row["places"])) for row in table["map"]] == [(12, 2), (24, 2)]
        drawn = {path.name for path in (finished / "reports/textbook").iterdir()}
        assert {f"{claim['id']}.{kind}" for claim in table["claims"] for kind in ("png", "svg")} <= drawn
        assert "Dropout helps." in (finished / "reports/textbook.html").read_text()
        assert "Dropout helps." not in (finished / "reports/index.html").read_text()
        assert "Dropout helps." in stage(finished, "show").stdout
        assert ("textbook", "dropout.helps") in {run[:2] for run in runs_in(finished)}

    def test_the_study_does_not_wait_for_it(self, finished: Path) -> None:
        listed = run(finished, "dvc", "repro", "--dry").stdout
        assert not any(name in listed for name in ("topic@", "ledger", "textbook"))

    def test_a_new_input_file_runs_no_topic(self, project: Path) -> None:
        (project / "inputs/mine.csv").write_text("x,y\n1,a\n")
        assert executed(run(project, "dvc", "repro", "textbook/dvc.yaml")) == {"textbook/dvc.yaml:track-textbook"}

    def test_a_sentence_that_is_added_trains_nothing_anew(self, project: Path) -> None:
        added = {**TOPIC["claims"]["dropout.helps"], "sentence": "It hurts.", "shows": []}
        write_topic(project, with_claim(new=added))
        done = run(project, "dvc", "repro", "textbook/dvc.yaml")
        assert {name.rpartition(":")[2] for name in executed(done)} == {"topic@dropout", "ledger", "track-textbook"}
        assert "3 claims judged; 0 of 6 cells trained" in done.stdout
        assert "It hurts." in (project / "reports/textbook.html").read_text()

    def test_a_cell_that_is_edited_is_trained_alone(self, project: Path) -> None:
        few = {**TOPIC["experiments"]["few"], "grid": {"rows": [10, 0]}}
        write_topic(project, {**TOPIC, "experiments": {**TOPIC["experiments"], "few": few}})
        assert "; 1 of 6 cells trained" in stage(project, "topic", "dropout").stdout

    def test_workers_and_interruptions_make_no_difference(self, finished: Path, project: Path) -> None:
        shutil.rmtree(project / "claims")
        shutil.rmtree(project / ".cache")
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "topic", "dropout", "--jobs", "1"], cwd=project, env=environment(),
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(project.glob(".cache/memo/*"))) >= 4:  # two cells have been trained, then scored
                break
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        assert not (project / "claims/dropout.json").exists()
        done = stage(project, "topic", "dropout", "--jobs", "2")
        assert done.returncode == 0, done.stderr
        assert " of 6 cells trained" in done.stdout
        assert "6 of 6" not in done.stdout
        assert (project / "claims/dropout.json").read_bytes() == (finished / "claims/dropout.json").read_bytes()

    def test_mistakes_are_told_in_one_line(self, project: Path) -> None:
        before = table_of(project)
        refuses(project, "textbook/textbook.yaml: topics: must be one of dropout, got 'drop'", "topic", "drop")
        claim = {**TOPIC["claims"]["dropout.helps"]}
        claim["effects"] = [{**claim["effects"][0], "metric": "test/nil"}]
        write_topic(project, {**TOPIC, "claims": {"dropout.helps": claim}})
        refuses(project, "test/nil", "topic", "dropout")
        (project / "textbook/dropout.yaml").write_text("claims: [")
        refuses(project, "textbook/dropout.yaml: not valid YAML", "topic", "dropout")
        assert table_of(project) == before
