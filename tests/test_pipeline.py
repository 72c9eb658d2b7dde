"""The whole pipeline as a user runs it: a small study in an empty folder, through DVC and the command line."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.core.files import file_digest, read_arrays
from pipeline.search.storage import opened

ROOT = Path(__file__).parents[1]
STUDY = {
    "datasets": {
        "mixture": {
            "kind": "mixture", "features": 4, "classes": 3, "components": 1, "separation": 3.0, "label_noise": 0.1,
            "train": 40, "validation": 40, "test": 500,
        },
        "wine": {"kind": "bundled", "name": "wine", "train": 60, "validation": 50},
    },
    "network": {"hidden": [16, 16]},
    "train": {
        "epochs": 4, "batch_size": 32, "optimizer": "adam", "learning_rate": 0.01,
        "schedule": "constant", "momentum": 0.9,
    },
    "variants": {
        "none": {"replicate": [0, 1]},
        "dropout": {"dropout": [0.0, 0.5]},
        "early_stopping": {"early_stopping": ["nll", "nll_ts"]},
    },
    "search": {
        "trials": 5, "batch": 2, "seeds": 2, "objectives": ["nll"],
        "sampler": {"kind": "tpe", "startup": 2}, "pruner": {"kind": "halving", "first": 2},
        "space": {
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "dropout": {"low": 0.0, "high": 0.6, "off": 0.2},
            "weight_decay": {"low": 0.001, "high": 1.0, "log": True, "off": 0.2},
        },
        "arms": {
            "none": [], "dropout": ["dropout"], "decay": ["weight_decay"], "both": ["dropout", "weight_decay"],
        },
    },
    "study": {"datasets": ["mixture", "wine"], "seeds": 3},
}  # fmt: skip

# Run at the start of every interpreter: notes what a stage, or a worker of it, opens to read.
WATCHER = """
import os, sys

if sys.orig_argv[1:3] == ["-m", "pipeline"]:
    os.environ["STAGE"] = sys.orig_argv[3] + "@"[: len(sys.orig_argv) - 4] + "-".join(sys.orig_argv[4:])
if "STAGE" in os.environ:
    folder = os.getcwd()
    log = os.open("opened.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event, arguments):
        if event == "open" and isinstance(arguments[0], str) and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            path = os.path.relpath(os.path.join(folder, arguments[0]), folder)
            os.write(log, f"{os.environ['STAGE']} {path}\\n".encode())

    sys.addaudithook(note)
"""

# outside the project; watched by keys; working states, which no result depends on
ELSEWHERE = ("..", "params.yaml", ".cache/", "mlflow.db", "studies/")

LEDGER = {
    "ledger": {
        "seeds": 3,
        "recipe": {**STUDY["network"], **STUDY["train"]},
        "datasets": {"task": STUDY["datasets"]["mixture"], "wine": STUDY["datasets"]["wine"]},
    },
    "topics": {
        "dropout": {
            "experiments": {
                "rates": {"datasets": ["task", "wine"], "history": True, "grid": {"dropout": [0.0, 0.5]}},
                "few": {"datasets": ["task"], "grid": {"rows": [20, 0]}},
            },
            "claims": {
                "dropout.helps": {
                    "sentence": "Dropout helps.", "source": "here", "experiment": "rates",
                    "effects": [
                        {"says": "it is better", "metric": "test/nll", "of": {"dropout": 0.5},
                         "against": {"dropout": 0.0}, "direction": "lower", "least": 0.01},
                    ],
                    "shows": [
                        {"x": "dropout", "y": ["test/nll"]},
                        {"x": "epoch", "y": ["train/nll"], "by": ["dropout"]},
                    ],
                },
                "dropout.modes": {"sentence": "Modes differ.", "source": "here", "checks": ["dropout_modes"]},
            },
        },
    },
}  # fmt: skip


def write_params(folder: Path, study: dict) -> None:
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(study, file)


def write_claims(folder: Path, ledger: dict) -> None:
    with (folder / "claims.yaml").open("w") as file:
        YAML().dump(ledger, file)


def make_project(folder: Path, study: dict = STUDY) -> Path:
    """An empty folder with what a clone of the project has."""
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "inputs", folder / "inputs", ignore=shutil.ignore_patterns("*.csv"))
    shutil.copy(ROOT / "constraints.txt", folder)
    stages = (ROOT / "dvc.yaml").read_text()
    (folder / "dvc.yaml").write_text(re.sub(r"topic: \[.*\]", f"topic: {list(LEDGER['topics'])}", stages))
    write_params(folder, study)
    write_claims(folder, LEDGER)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    shutil.copy(ROOT / ".dvcignore", folder)
    return folder


def environment(**extra: str) -> dict[str, str]:
    """This environment without what would steer MLflow or DVC elsewhere, the interpreter's folder first on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "DVC", "GIT_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **extra}


def run(folder: Path, *command: str, check: bool = True, **extra: str) -> subprocess.CompletedProcess:
    done = subprocess.run(
        command, cwd=folder, env=environment(**extra), capture_output=True, text=True, check=False, timeout=300
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


def stage(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    return run(folder, sys.executable, "-m", "pipeline", *arguments, check=False, **extra)


def outputs(folder: Path) -> dict[str, str]:
    """Every output of every stage and its hash, from dvc.lock; `track` has none."""
    lock = YAML(typ="safe").load((folder / "dvc.lock").read_text())
    found = {out["path"]: out["md5"] for entry in lock["stages"].values() for out in entry.get("outs", [])}
    assert len(found) >= 10
    return found


def executed(repro: subprocess.CompletedProcess) -> set[str]:
    return {line.split("'")[1] for line in repro.stdout.splitlines() if line.startswith("Running stage")}


def is_data(path: Path) -> bool:
    """Code is watched too, see test_architecture; and a file may be gone by now, or be a folder."""
    return path.is_file() and path.suffix not in (".py", ".pyc")


def runs_in(folder: Path) -> list[tuple[str, str, str]]:
    """(experiment, name, id) of every active run."""
    query = """SELECT e.name, r.name, r.run_uuid FROM runs r JOIN experiments e USING (experiment_id)
               WHERE r.lifecycle_stage = 'active' ORDER BY 1, 2"""
    connection = sqlite3.connect(folder / "mlflow.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="session")
def finished(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A project whose study has run once, with one OpenMP thread. Tests that change it work on a copy."""

    def fill(folder: Path) -> None:
        make_project(folder)
        (folder / "watcher").mkdir()
        (folder / "watcher/sitecustomize.py").write_text(WATCHER)
        done = run(folder, "dvc", "repro", OMP_NUM_THREADS="1", PYTHONPATH=str(folder / "watcher"))
        (folder / "printed.txt").write_text(done.stdout)

    return once("finished", fill)


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))


@pytest.mark.slow
class TestStudy:
    def test_prints_the_answer_last(self, finished: Path) -> None:
        printed = (finished / "printed.txt").read_text()
        assert "P(better)" in printed
        for dataset in STUDY["study"]["datasets"]:
            results = json.loads((finished / f"reports/{dataset}/results.json").read_text())
            assert results["answer"]["sentence"] in printed
            assert len(results["points"]) == 6

    def test_dvc_watches_every_file_that_a_stage_reads(self, finished: Path) -> None:
        lock = YAML(typ="safe").load((finished / "dvc.lock").read_text())["stages"]
        opened = {tuple(line.split(" ", 1)) for line in (finished / "opened.txt").read_text().splitlines()}
        assert {stage for stage, _ in opened} == {*lock, "track"}
        for name, path in opened:
            if name != "track" and not path.startswith(ELSEWHERE) and is_data(finished / path):
                known = {entry["path"] for kind in ("deps", "outs") for entry in lock[name].get(kind, [])}
                assert known & {path, *map(str, Path(path).parents)}, f"{name} reads {path}"

    def test_off_is_exactly_the_unregularized_point(self, finished: Path) -> None:
        none, _ = read_arrays(finished / "members/wine/none/none.safetensors")
        off, _ = read_arrays(finished / "members/wine/dropout/dropout=0.safetensors")
        assert all(np.array_equal(none[name], off[name]) for name in none)

    def test_two_threads_in_another_folder_give_the_same_hashes(self, finished: Path, tmp_path: Path) -> None:
        again = make_project(tmp_path)
        run(again, "dvc", "repro", OMP_NUM_THREADS="2")
        assert outputs(again) == outputs(finished)

    def test_processes_give_the_same_bytes(self, project: Path) -> None:
        before = (project / "members/wine/dropout/dropout=0.5.safetensors").read_bytes()
        shutil.rmtree(project / "members/wine/dropout")
        done = stage(project, "train", "wine", "dropout", "--backend", "loky", "--jobs", "2")
        assert done.returncode == 0, done.stderr
        assert (project / "members/wine/dropout/dropout=0.5.safetensors").read_bytes() == before

    def test_nothing_changed_runs_nothing_but_track(self, project: Path) -> None:
        before = runs_in(project)
        assert executed(run(project, "dvc", "repro")) == {"track"}
        assert runs_in(project) == before

    def test_editing_one_strength_trains_that_point_alone(self, project: Path) -> None:
        kept = project / "members/wine/dropout/dropout=0.safetensors"
        age = kept.stat().st_mtime_ns
        write_params(project, {**STUDY, "variants": {**STUDY["variants"], "dropout": {"dropout": [0.0, 0.25]}}})
        done = run(project, "dvc", "repro")
        both = STUDY["study"]["datasets"]
        stages = {f"{stage}@{d}" for stage in ("evaluate", "plot") for d in both} | {"report", "track"}
        assert executed(done) == {f"train@{d}-dropout" for d in both} | stages
        assert done.stdout.count("3 members trained, 3 kept") == 2
        assert kept.stat().st_mtime_ns == age
        assert sorted(path.name for path in kept.parent.iterdir()) == ["dropout=0.25.safetensors", kept.name]

    def test_a_removed_variant_leaves_nothing_behind(self, project: Path, tmp_path: Path) -> None:
        variants = {name: rows for name, rows in STUDY["variants"].items() if name != "dropout"}
        write_params(project, {**STUDY, "variants": variants})
        run(project, "dvc", "repro", "evaluate@wine")
        fresh = make_project(tmp_path / "fresh", {**STUDY, "variants": variants})
        run(fresh, "dvc", "repro", "evaluate@wine")
        evaluated = {path: md5 for path, md5 in outputs(fresh).items() if not path.startswith("members")}
        assert {path: outputs(project)[path] for path in evaluated} == evaluated
        assert not (project / "members/wine/dropout").exists()

    def test_a_table_is_printed_again(self, finished: Path) -> None:
        shown = stage(finished, "show").stdout
        one = stage(finished, "show", "wine").stdout
        assert one.splitlines()[0] == "wine"
        assert one.rstrip() in shown
        sentence = json.loads((finished / "reports/summary.json").read_text())["sentence"]
        assert sentence in " ".join(shown.split())
        assert sentence not in " ".join(one.split())
        assert shown.count("P(better)") > one.count("P(better)") > 0
        assert "\x1b[" not in shown  # colours are for terminals

    def test_a_port_that_is_taken_or_is_none_is_told(self, finished: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            done = stage(finished, "ui", "--port", port)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: port {port} of 127.0.0.1 must be free")
        assert "got '70000'" in stage(finished, "ui", "--port", "70000").stderr

    def test_a_damaged_table_is_told(self, project: Path) -> None:
        (project / "reports/plots/history/wine.csv").write_text(
            "variant,name,epoch,metric,mean,low,high\nnone,none,x,nll,1,1,1\n"
        )
        done = stage(project, "plot", "wine")
        assert (done.returncode, done.stdout) == (2, "")
        assert "reports/plots/history/wine.csv: damaged" in done.stderr

    def test_metrics_and_plots_are_declared(self, finished: Path) -> None:
        shown = json.loads(run(finished, "dvc", "metrics", "show", "--json").stdout)[""]["data"]
        assert set(shown["reports/wine/metrics/dropout=0.5.json"]["data"]) >= {"nll", "ece", "accuracy", "gap"}
        plots = json.loads(run(finished, "dvc", "plots", "show", "--json").stdout)["data"]
        assert {Path(name).name for name in plots} >= {"history.csv", "sweeps.csv", "reliability.csv"}


@pytest.mark.slow
def test_a_study_without_sweeps_and_with_a_diverging_point(tmp_path: Path) -> None:
    """Every stage by hand: nothing to plot in a sweep, and a point of which no seed is finite."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    variants = {"none": {}, "hot": {"optimizer": "sgd", "learning_rate": 1e30}}
    write_params(tmp_path, {**STUDY, "variants": variants, "study": {"datasets": ["wine"], "seeds": 2}})
    for arguments in (("generate", "wine"), ("train", "wine", "none"), ("train", "wine", "hot"), ("evaluate", "wine")):
        done = stage(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    for arguments in (("search", "wine"), ("plot", "wine"), ("report",)):
        done = stage(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    drawn = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "reports/wine/figures").rglob("*.png")}
    assert "reports/wine/figures/forest.png" in drawn
    assert {"reports/wine/figures/sweeps.png", "reports/wine/figures/points/hot/hot.png"}.isdisjoint(drawn)
    tracked = stage(tmp_path, "track")
    assert tracked.returncode == 0, tracked.stderr
    assert "left out" in tracked.stdout
    assert (tmp_path / "reports/plots/sweeps/wine.csv").read_text().startswith("variant,name,parameter")
    bins = np.genfromtxt(tmp_path / "reports/plots/reliability/wine.csv", delimiter=",", names=True, dtype=None)
    assert np.nanmin(bins["low"]) >= 0
    assert np.nanmax(bins["high"]) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("others", [{}, {"dropout": {"dropout": 0.5, "learning_rate": 0.01, "optimizer": "adam"}}])
def test_a_study_whose_reference_diverges(tmp_path: Path, others: dict) -> None:
    """With nothing to choose from it ends in a line; with another point there is a report that compares nothing."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    variants = {"none": {"optimizer": "sgd", "learning_rate": 1e30}, **others}
    write_params(tmp_path, {**STUDY, "variants": variants, "study": {"datasets": ["wine"], "seeds": 2}})
    for arguments in (("generate", "wine"), *(("train", "wine", variant) for variant in variants)):
        assert stage(tmp_path, *arguments).returncode == 0
    if not others:
        TestFaults.refuses(tmp_path, "every point diverged", "evaluate", "wine")
        return
    for arguments in (("evaluate", "wine"), ("search", "wine"), ("plot", "wine"), ("report",), ("track",)):
        done = stage(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    assert "Leave it unregularized" in (tmp_path / "reports/index.html").read_text()


def table_of(folder: Path) -> dict:
    return json.loads((folder / "claims/dropout.json").read_text())


@pytest.mark.slow
class TestClaims:
    def test_every_sentence_has_a_verdict_and_a_figure(self, finished: Path) -> None:
        table = json.loads((finished / "reports/claims.json").read_text())
        assert [claim["id"] for claim in table["claims"]] == list(LEDGER["topics"]["dropout"]["claims"])
        assert table["claims"][1]["verdict"] == "supported"
        drawn = {path.name for path in (finished / "reports/claims").iterdir()}
        assert {f"{claim['id']}.{kind}" for claim in table["claims"] for kind in ("png", "svg")} <= drawn
        assert "Dropout helps." in (finished / "reports/index.html").read_text()
        assert "Dropout helps." in stage(finished, "show").stdout
        assert ("claims", "dropout.helps") in {run[:2] for run in runs_in(finished)}

    def test_a_sentence_that_is_added_trains_nothing_anew(self, project: Path) -> None:
        added = {**LEDGER["topics"]["dropout"]["claims"]["dropout.helps"], "sentence": "It hurts.", "shows": []}
        topic = {**LEDGER["topics"]["dropout"]}
        write_claims(project, {**LEDGER, "topics": {"dropout": {**topic, "claims": {**topic["claims"], "new": added}}}})
        done = run(project, "dvc", "repro")
        assert executed(done) == {"claims@dropout", "ledger", "report", "track"}
        assert "3 claims judged; 0 of 3 experiments trained" in done.stdout
        assert "It hurts." in (project / "reports/index.html").read_text()

    def test_an_experiment_that_is_edited_is_trained_alone(self, project: Path) -> None:
        topic = LEDGER["topics"]["dropout"]
        few = {**topic["experiments"]["few"], "grid": {"rows": [10, 0]}}
        experiments = {**topic["experiments"], "few": few}
        write_claims(project, {**LEDGER, "topics": {"dropout": {**topic, "experiments": experiments}}})
        done = stage(project, "claims", "dropout")
        assert "1 of 3 experiments trained" in done.stdout

    def test_workers_and_interruptions_make_no_difference(self, finished: Path, project: Path) -> None:
        shutil.rmtree(project / "claims")
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "claims", "dropout", "--jobs", "1"], cwd=project, env=environment(),
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(project.glob("claims/*/*/*.safetensors"))) == 2:  # the first is finished for certain
                break
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        assert not (project / "claims/dropout.json").exists()
        done = stage(project, "claims", "dropout", "--jobs", "2")
        assert done.returncode == 0, done.stderr
        assert " of 3 experiments trained" in done.stdout
        assert "3 of 3" not in done.stdout
        for path in (finished / "claims").rglob("*"):
            if path.suffix in (".json", ".safetensors"):
                assert (project / path.relative_to(finished)).read_bytes() == path.read_bytes()

    def test_mistakes_are_told_in_one_line(self, project: Path) -> None:
        before = table_of(project)
        TestFaults.refuses(project, "claims.yaml: topics: must be one of dropout, got 'drop'", "claims", "drop")
        topic = LEDGER["topics"]["dropout"]
        claim = {**topic["claims"]["dropout.helps"]}
        claim["effects"] = [{**claim["effects"][0], "metric": "test/nil"}]
        write_claims(project, {**LEDGER, "topics": {"dropout": {**topic, "claims": {"dropout.helps": claim}}}})
        TestFaults.refuses(project, "got 'test/nil'", "claims", "dropout")
        (project / "claims.yaml").write_text("topics: [")
        TestFaults.refuses(project, "claims.yaml: not valid YAML", "claims", "dropout")
        assert table_of(project) == before


@pytest.mark.slow
class TestTracking:
    def test_deleted_runs_come_back_without_training(self, project: Path) -> None:
        before = [run[:2] for run in runs_in(project)]
        assert sum(experiment.endswith(" regularization") for experiment, _ in before) == 2 * (1 + 3 + 6)
        (project / "mlflow.db").unlink()
        shutil.rmtree(project / "mlruns")
        assert executed(run(project, "dvc", "repro")) == {"track"}
        assert [run[:2] for run in runs_in(project)] == before

    def test_a_killed_track_leaves_no_half_runs_after_the_next(self, project: Path) -> None:
        before = [run[:2] for run in runs_in(project)]
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
        assert [run[:2] for run in runs_in(project)] == before


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs: an inherited ignored SIGINT would make Ctrl-C do nothing."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted_repro(folder: Path, seconds: float, kind: signal.Signals) -> int:
    """Start `dvc repro` as `make repro` does, in a group of its own, and send the group a signal after some seconds."""
    assert stage(folder, "mend").returncode == 0
    process = subprocess.Popen(
        ["dvc", "repro"], cwd=folder, env=environment(), start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  (no threads run here)
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, kind)
        return process.wait(60)


TABLES = ("trials.csv", "best.json", "search.json")
TRIALS, ARMS = 5, 4
STORED = 6 * ARMS  # batches are whole


def found_by_search(folder: Path) -> dict[str, str]:
    """What `search@wine` has found: its tables and the scores of its contenders, by their digests."""
    tables = [folder / "reports/wine" / name for name in TABLES]
    files = [*tables, *(folder / "champions/wine").rglob("*.safetensors")]
    assert len(files) == 3 + ARMS + 1  # one stack: two arms can be combined
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def trials_in(folder: Path) -> int:
    """How many trials the journal holds."""
    journal = folder / "studies/wine.journal"
    return journal.read_bytes().count(b'"state"') if journal.exists() else 0


def killed_when(folder: Path, ready: Callable[[], bool], *options: str) -> int:
    """Start `search wine` in a group of its own and kill the group as soon as something is there; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "search", "wine", *options], cwd=folder, env=environment(),
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.0005)
    return process.wait(60)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which DVC has run one search, without an interruption. Tests that change it work on a copy."""
    folder = make_project(tmp_path_factory.mktemp("searched"))
    run(folder, "dvc", "repro", "search@wine")
    return folder


@pytest.fixture
def again(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "again", symlinks=True))


@pytest.fixture
def searchable(searched: Path, tmp_path: Path) -> Path:
    """A project whose data are there, and that has searched nothing."""
    folder = tmp_path / "searchable"
    for name in ("pipeline", "data"):
        shutil.copytree(searched / name, folder / name)
    shutil.copy(searched / "params.yaml", folder)
    return folder


@pytest.mark.slow
class TestSearch:
    def test_says_what_it_found(self, searched: Path) -> None:
        table = json.loads((searched / "reports/wine/search.json").read_text())
        assert list(table["search"]["arms"]) == ["both", "decay", "dropout", "none"]  # keys are sorted
        assert [row["key"] for row in table["results"]["points"]] == [
            "none",
            "dropout",
            "decay",
            "both",
            "dropout+decay",
        ]
        trials = list(csv.DictReader((searched / "reports/wine/trials.csv").read_text().splitlines()))
        assert [row["arm"] for row in trials] == [arm for arm in STUDY["search"]["arms"] for _ in range(TRIALS)]
        best = json.loads((searched / "reports/wine/best.json").read_text())
        for arm, row in best.items():
            complete = [float(one["nll"]) for one in trials if one["arm"] == arm and one["state"] == "complete"]
            assert row["nll"] == min(complete)
            assert table["arms"][arm]["value"] == pytest.approx(row["nll"], rel=1e-5)

    def test_a_winner_is_trained_as_a_variant_with_its_strengths_is(self, again: Path) -> None:
        """Written under `variants`, the point that a search found gives the scores that it was chosen for."""
        best = json.loads((again / "reports/wine/best.json").read_text())["both"]
        row = {name: best[name] for name in ("learning_rate", "dropout", "weight_decay")}
        write_params(again, {**STUDY, "variants": {"none": {}, "tuned": row}})
        for arguments in (("train", "wine", "none"), ("train", "wine", "tuned"), ("evaluate", "wine")):
            done = stage(again, *arguments)
            assert done.returncode == 0, done.stderr
        (path,) = (again / "scores/wine/tuned").iterdir()
        mine, _ = read_arrays(path)
        theirs, _ = read_arrays(again / "champions/wine/tuned/both.safetensors")
        assert {"score/test/nll", "score/validation/nll", "epochs"} <= theirs.keys() <= mine.keys()
        assert all(np.array_equal(mine[name], theirs[name], equal_nan=True) for name in theirs)

    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_workers_make_no_difference(self, searched: Path, searchable: Path, jobs: str) -> None:
        done = stage(searchable, "search", "wine", "--jobs", jobs)
        assert done.returncode == 0, done.stderr
        assert found_by_search(searchable) == found_by_search(searched)
        assert trials_in(searchable) == STORED

    def test_killed_at_any_moment_it_finds_the_same(self, searched: Path, searchable: Path) -> None:
        cached, scored = searchable / ".cache/champions", searchable / "champions"
        moments: list[Callable[[], bool]] = [
            (searchable / "studies").exists,
            *(lambda least=least: trials_in(searchable) >= least for least in (1, 9, 20)),
            lambda: any(cached.rglob("*.safetensors")),
            lambda: any(scored.rglob("*.safetensors")),
            (searchable / "reports/wine/search.json").exists,
        ]
        ended = [killed_when(searchable, ready) for ready in moments]
        assert ended.count(-signal.SIGKILL) >= len(moments) - 2  # the last ones are done within milliseconds
        assert trials_in(searchable) >= 20
        done = stage(searchable, "search", "wine")
        assert done.returncode == 0, done.stderr
        assert found_by_search(searchable) == found_by_search(searched)
        assert trials_in(searchable) == STORED

    def test_dvc_goes_on_from_a_kill(self, searched: Path, again: Path) -> None:
        for name in ("studies", "champions", ".cache", "reports"):
            shutil.rmtree(again / name)
        assert killed_when(again, lambda: trials_in(again) >= 5) == -signal.SIGKILL
        done = run(again, "dvc", "repro", "search@wine", "--force", "--single-item")
        assert "5 trained" in done.stdout
        assert found_by_search(again) == found_by_search(searched)
        assert (again / "dvc.lock").read_text() == (searched / "dvc.lock").read_text()

    def test_again_trains_nothing(self, again: Path) -> None:
        before, journal = found_by_search(again), trials_in(again)
        done = stage(again, "search", "wine")
        assert "(0 trained, 5 kept)" in done.stdout
        assert (found_by_search(again), trials_in(again)) == (before, journal)

    def test_fresh_forgets_and_finds_the_same(self, again: Path) -> None:
        before = found_by_search(again)
        assert trials_in(again) == STORED
        assert stage(again, "search", "wine", "--fresh").returncode == 0
        assert trials_in(again) == 2 * STORED
        assert found_by_search(again) == before

    def test_fresh_forgets_the_arms_named_and_no_others(self, again: Path) -> None:
        before = found_by_search(again)
        assert stage(again, "search", "wine", "--fresh", "--arm", "dropout").returncode == 0
        assert trials_in(again) == STORED + STORED // ARMS
        assert stage(again, "search", "wine").returncode == 0
        assert (trials_in(again), found_by_search(again)) == (STORED + STORED // ARMS, before)

    def test_looking_around_writes_no_results_and_spoils_none(self, searched: Path, searchable: Path) -> None:
        files = {path for path in searchable.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        for options in (("--trials", "1"), ("--arm", "dropout"), ("--arm", "both", "--arm", "none", "--trials", "8")):
            done = stage(searchable, "search", "wine", *options)
            assert done.returncode == 0, done.stderr
            assert "Nothing was written" in done.stdout
            assert all(f"  {name} " in done.stdout for flag, name in pairwise(options) if flag == "--arm")
            left = {path for path in searchable.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
            assert {path.parent.name for path in left - files} == {"studies"}
        assert stage(searchable, "search", "wine").returncode == 0
        assert found_by_search(searchable) == found_by_search(searched)

    def test_a_database_makes_no_difference(self, searched: Path, searchable: Path) -> None:
        url = f"sqlite:///{searchable}/optuna.db"
        assert stage(searchable, "search", "wine", "--storage", url, "--trials", "2").returncode == 0
        assert stage(searchable, "search", "wine", OPTUNA_STORAGE=url).returncode == 0
        assert found_by_search(searchable) == found_by_search(searched)
        assert trials_in(searchable) == 0

    def test_other_settings_are_other_studies(self, searched: Path, again: Path) -> None:
        write_params(again, {**STUDY, "search": {**STUDY["search"], "seeds": 1}})
        assert stage(again, "search", "wine", "--trials", "2").returncode == 0
        assert trials_in(again) == STORED + 2 * ARMS
        write_params(again, STUDY)
        assert stage(again, "search", "wine").returncode == 0
        assert trials_in(again) == STORED + 2 * ARMS
        assert found_by_search(again) == found_by_search(searched)

    def test_more_arms_leave_those_that_are_there(self, again: Path) -> None:
        rows = (again / "reports/wine/trials.csv").read_text().splitlines()
        arms = {**STUDY["search"]["arms"], "also": ["weight_decay", "dropout"]}
        write_params(again, {**STUDY, "search": {**STUDY["search"], "arms": arms, "trials": 6}})
        assert stage(again, "search", "wine").returncode == 0
        assert trials_in(again) == STORED + 6
        assert set(rows) < set((again / "reports/wine/trials.csv").read_text().splitlines())

    def test_a_removed_arm_leaves_nothing_behind(self, again: Path) -> None:
        arms = {name: names for name, names in STUDY["search"]["arms"].items() if name in ("none", "dropout")}
        write_params(again, {**STUDY, "search": {**STUDY["search"], "arms": arms}})
        assert stage(again, "search", "wine").returncode == 0
        left = {path.stem for path in (again / "champions/wine").rglob("*") if path.is_file()}
        assert left == {"none", "dropout"}

    def test_what_makes_no_sense_is_one_line(self, searchable: Path) -> None:
        refuses = TestFaults.refuses
        refuses(
            searchable,
            "--arm: must be one of none, dropout, decay, both, got 'nosuch'",
            "search",
            "wine",
            "--arm",
            "nosuch",
        )
        refuses(searchable, "must be a database URL", "search", "wine", "--storage", "nonsense")
        refuses(searchable, "datasets: must be one of mixture, wine, got 'nosuch'", "search", "nosuch")
        with opened(searchable / "studies/wine.journal"):
            refuses(searchable, "another search is running", "search", "wine")
        for trials in ("0", "x", "-1"):
            assert stage(searchable, "search", "wine", "--trials", trials).returncode == 2
        assert not (searchable / "reports").exists()

    def test_an_arm_without_a_completed_trial_is_told(self, searchable: Path) -> None:
        space = {**STUDY["search"]["space"], "learning_rate": {"low": 1e28, "high": 1e30, "log": True}}
        wild = {**STUDY["search"], "arms": {"none": []}, "space": {"learning_rate": space["learning_rate"]}}
        write_params(searchable, {**STUDY, "train": {**STUDY["train"], "optimizer": "sgd"}, "search": wild})
        TestFaults.refuses(searchable, "arm none must complete a trial", "search", "wine")
        assert not (searchable / "reports").exists()
        assert "no trial of 2 was completed" in stage(searchable, "search", "wine", "--trials", "2").stdout

    def test_interrupted_it_says_so_in_one_line(self, searched: Path, searchable: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "search", "wine", "--trials", "5000", "--jobs", "2"], cwd=searchable,
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=heed_interrupts,  # noqa: PLW1509  (no threads run here)
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while trials_in(searchable) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (130, "")
        assert stderr.startswith("interrupted: ")
        assert stderr.count("\n") == 1
        assert stage(searchable, "search", "wine").returncode == 0
        assert found_by_search(searchable) == found_by_search(searched)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_anywhere_it_completes_with_the_same_hashes(
    finished: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    folder = make_project(tmp_path, {**STUDY, "study": {"datasets": ["wine"], "seeds": 3}})
    ended = [interrupted_repro(folder, seconds, kind) for seconds in (1.5, 3.3, 4.7, 6.1)]
    assert any(code != 0 for code in ended)
    assert stage(folder, "mend").returncode == 0
    run(folder, "dvc", "repro")
    found, wanted = (
        {p: md5 for p, md5 in outputs(of).items() if "wine" in p or "claims" in p} for of in (folder, finished)
    )
    assert found == wanted
    assert len(wanted) > 12


@pytest.mark.slow
def test_cut_off_in_the_middle_of_a_stage_it_completes_with_the_same_hashes(project: Path) -> None:
    path, before = project / "dvc.lock", outputs(project)
    text = path.read_text()
    begin = text.index("\n  train@wine-none:\n") + 1
    path.write_text(text[: text.index("- path", begin) + len("- pa")])
    assert "'./dvc.lock' validation failed" in run(project, "dvc", "repro", check=False).stderr
    mended = stage(project, "mend")
    assert (mended.returncode, path.read_text()) == (0, text[:begin]), mended.stderr
    run(project, "dvc", "repro")
    assert outputs(project) == before


GOOD = "age,city,outcome\n" + "".join(f"{i % 37},{'abc'[i % 3]},{'yes' if i % 2 else 'no'}\n" for i in range(120))
FAULTS = {
    "a zero-byte file": (b"", "0 bytes"),
    "not UTF-8": ("age,outcome\n1,caf\xe9\n".encode("latin-1"), "UTF-8"),
    "infinity": (GOOD.replace("\n5,", "\ninf,", 1).encode(), "'age'"),
    "a missing value": (GOOD.replace("\n5,", "\n,", 1).encode(), "missing: impute"),
    "no target": (GOOD.replace("outcome", "result", 1).encode(), "'outcome'"),
    "one class": (GOOD.replace("yes", "no").encode(), "two classes"),
    "a rare class": ((GOOD + "3,a,maybe\n").encode(), "maybe"),
    "a duplicate column": (GOOD.replace("city", "age", 1).encode(), "'age'"),
    "a truncated line": (GOOD[:-5].encode(), "fields"),
}


class TestFaults:
    """What a user can get wrong ends in one line and exit code 2, and overwrites nothing."""

    @staticmethod
    def with_file(folder: Path, content: bytes, **fields: object) -> Path:
        (folder / "inputs").mkdir()
        (folder / "inputs/mine.csv").write_bytes(content)
        mine = {"kind": "file", "path": "inputs/mine.csv", "target": "outcome", "train": 60, "validation": 30, **fields}
        study = {**STUDY, "datasets": {"mine": mine}, "study": {"datasets": ["mine"], "seeds": 2}}
        write_params(folder, study)
        return folder

    @pytest.fixture(autouse=True)
    def importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", FAULTS)
    def test_a_file_that_cannot_be_used(self, tmp_path: Path, name: str) -> None:
        content, said = FAULTS[name]
        folder = self.with_file(tmp_path, content)
        (folder / "data").mkdir()
        (folder / "data/mine.safetensors").write_bytes(b"earlier")
        self.refuses(folder, said, "generate", "mine")
        assert (folder / "data/mine.safetensors").read_bytes() == b"earlier"

    @staticmethod
    def refuses(folder: Path, said: str, *arguments: str) -> None:
        done = stage(folder, *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert said in done.stderr

    def test_a_file_outside_inputs(self, tmp_path: Path) -> None:
        folder = self.with_file(tmp_path, GOOD.encode(), path="../mine.csv")
        self.refuses(folder, "datasets.mine.path", "generate", "mine")

    def test_a_wrong_parameter(self, tmp_path: Path) -> None:
        write_params(tmp_path, {**STUDY, "variants": {"none": {}, "dropout": {"dropout": 1.0}}})
        self.refuses(tmp_path, "variants.dropout.dropout: should be less than 1, got 1.0", "generate", "mixture")

    @pytest.mark.slow
    def test_an_unknown_name(self, tmp_path: Path) -> None:
        write_params(tmp_path, STUDY)
        self.refuses(tmp_path, "got 'nosuch'", "generate", "nosuch")
        self.refuses(tmp_path, "dvc repro", "train", "wine", "none")
        self.refuses(tmp_path, "dvc repro", "evaluate", "wine")
        self.refuses(tmp_path, "dvc repro", "search", "wine")
        self.refuses(tmp_path, "got 'nosuch'", "search", "nosuch")
        self.refuses(tmp_path, "dvc repro", "plot", "wine")
        self.refuses(tmp_path, "got 'nosuch'", "plot", "nosuch")
        self.refuses(tmp_path, "dvc repro", "report")
        self.refuses(tmp_path, "dvc repro", "show")
        self.refuses(tmp_path, "got 'nosuch'", "show", "nosuch")
        self.refuses(tmp_path, "dvc repro", "ui")
        self.refuses(tmp_path, "dvc repro", "track")

    def test_a_damaged_intermediate_file(self, tmp_path: Path) -> None:
        write_params(tmp_path, STUDY)
        assert stage(tmp_path, "generate", "mixture").returncode == 0
        path = tmp_path / "data/mixture.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        self.refuses(tmp_path, "data/mixture.safetensors: damaged", "train", "mixture", "none")

    def test_arguments_that_make_no_sense(self, tmp_path: Path) -> None:
        for arguments in (("--jobs", "0"), ("--jobs", "x"), ("--backend", "nosuch")):
            done = stage(tmp_path, "train", "wine", "none", *arguments)
            assert done.returncode == 2
            assert repr(arguments[1]) in done.stderr

    def test_a_good_file_with_categories_and_missing_values(self, tmp_path: Path) -> None:
        folder = self.with_file(tmp_path, GOOD.replace("\n5,", "\n,", 1).encode(), missing="impute")
        assert stage(folder, "generate", "mine").returncode == 0
        arrays, about = read_arrays(folder / "data/mine.safetensors")
        assert about["classes"] == ["no", "yes"]
        assert np.isnan(arrays["features"]).sum() == 1

    def test_read_only_and_full_disks(self, tmp_path: Path) -> None:
        folder = tmp_path / "small"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("a small file system can be mounted by root only")
        try:
            write_params(folder, STUDY)
            self.refuses(folder, "data/mixture.safetensors: No space left on device", "generate", "mixture")
            assert [path.name for path in folder.rglob("*") if path.is_file()] == ["params.yaml"]
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            self.refuses(folder, "Read-only file system", "generate", "mixture")
        finally:
            subprocess.run(["umount", str(folder)], check=True)


class TestCommandLine:
    def test_help_lists_every_stage(self) -> None:
        shown = stage(ROOT, "--help").stdout
        names = ("generate", "train", "evaluate", "search", "plot", "report", "track", "show", "ui", "readme", "params")
        assert all(f"    {name} " in shown for name in names)
        assert "--backend" in stage(ROOT, "train", "--help").stdout

    def test_every_parameter_is_explained(self) -> None:
        explained = stage(ROOT, "params").stdout
        for key in (
            "dropout",
            "label_smoothing",
            "batch_size",
            "separation",
            "seeds",
            "hidden",
            "trials",
            "startup",
            "grid",
            "least",
        ):
            assert f"\n  {key}" in explained


@pytest.mark.parametrize("dataset", ["mixture", "digits"])
def test_the_committed_study_passes_its_a_a_check(dataset: str) -> None:
    results = json.loads((ROOT / f"reports/{dataset}/results.json").read_text())
    (a_a,) = (point for point in results["points"] if point["a_a"])
    verdicts = {metric: entry["verdict"] for metric, entry in a_a["against_reference"].items()}
    assert verdicts["test/nll"] == "no evidence"
    assert sum(verdict != "no evidence" for verdict in verdicts.values()) <= len(verdicts) * 0.05
    assert results["protocol"]["seeds"] == 30
    assert len(results["points"]) * 30 * 2 >= 1000
