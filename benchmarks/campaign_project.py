"""The tiny project that the campaign breaks, and what must come out of it whatever happens."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from faults import HOOK, make, started, wait_for_end
from project import PIPELINES, STUDY, locked_stages, make_project, outputs

LIMIT = 600  # seconds after which a command counts as hanging
TINY = {
    **STUDY,
    "variants": {"none": {}, "dropout": {"dropout": [0.0, 0.5]}},
    "search": {
        **STUDY["search"],
        "trials": 4,
        "space": {name: STUDY["search"]["space"][name] for name in ("learning_rate", "dropout")},
        "portfolio": [{"learning_rate": 0.02}],
        "arms": {"none": [], "dropout": ["dropout"]},
    },
    "baselines": {"logistic_regression": STUDY["baselines"]["logistic_regression"]},
    "study": {**STUDY["study"], "datasets": ["wine"], "seeds": 2},
}
STATE = (".cache", "studies", "mlruns")  # what a stage may go on from


@dataclass(frozen=True)
class Stage:
    """A stage of either pipeline: how DVC calls it, and what it runs."""

    address: str
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        return self.words[0]

    @property
    def key(self) -> str:
        return "-".join(self.words)


@dataclass(frozen=True)
class Undisturbed:
    """What a run without any fault makes: files by hash, runs and trials by name, and how often a stage writes."""

    folder: Path
    stages: tuple[Stage, ...]
    outputs: dict[str, str]
    runs: Counter
    trials: Counter
    writes: Counter


def undisturbed(folder: Path) -> Undisturbed:
    """Make the project, and run both pipelines once."""
    make_project(folder, TINY)
    (folder / "hook").mkdir()
    (folder / "hook/sitecustomize.py").write_text(HOOK)
    for pipeline in PIPELINES:
        code, said = ran(folder, make(pipeline))
        assert code == 0, said
    return described(folder)


def described(folder: Path) -> Undisturbed:
    """What a project holds whose pipelines have run once."""
    stages = locked_stages(folder)
    textbook = (folder / PIPELINES[1]).with_suffix(".lock").read_text()
    return Undisturbed(
        folder,
        tuple(
            Stage(f"{PIPELINES[1]}:{name}" if f"\n  {name}:\n" in textbook else name, tuple(entry["cmd"].split()[3:]))
            for name, entry in stages.items()
        ),
        outputs(folder),
        runs_of(folder / "mlflow.db"),
        trials_of(folder),
        Counter((folder / "writes.txt").read_text().split()),
    )


def copied(whole: Undisturbed, folder: Path) -> Path:
    """A copy of the project with all that has been made, but what MLflow holds."""
    shutil.copytree(whole.folder, folder, symlinks=True, dirs_exist_ok=True)
    forget(folder)
    return folder


def forget(folder: Path) -> None:
    """Delete all that a stage may go on from: it starts from nothing."""
    for name in STATE:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob("mlflow.db*"):
        path.unlink()


def ran(folder: Path, command: list[str], **extra: str) -> tuple[int, str]:
    """The exit code of a command, and what it said on stderr; no process of it is left."""
    extra = {"WRITES": str(folder / "writes.txt"), "PYTHONPATH": str(folder / "hook"), **extra}
    process = started(folder, command, **extra)
    try:
        said = process.communicate(timeout=LIMIT)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return -1, f"hangs: {process.communicate()[1]}"
    wait_for_end(process.pid)
    return process.returncode, said


def repaired(folder: Path, stage: Stage, whole: Undisturbed) -> str:
    """Run a stage again as `make repro` does, from what is left and not from DVC's cache; what is wrong then, or ''."""
    code, said = ran(folder, make(f"--force --no-run-cache --single-item {stage.address}"))
    if code:
        return f"exit code {code}: {said[-500:]}"
    name = stage.address.rpartition(":")[2]
    found = {out["path"]: out["md5"] for out in locked_stages(folder)[name].get("outs", [])}
    changed = [path for path, md5 in found.items() if whole.outputs[path] != md5]
    trials = ["trials"] if stage.command == "search" and trials_of(folder) != whole.trials else []
    runs = [*twice(folder)]
    if stage.command == "track":
        runs += [str(run) for run in (whole.runs - runs_of(folder / "mlflow.db")) if run[0] != "textbook"]
    return ", ".join([*changed, *trials, *runs])


def whole_again(folder: Path, whole: Undisturbed) -> str:
    """Run both pipelines; what differs from the undisturbed project then, or ''."""
    for pipeline in PIPELINES:
        code, said = ran(folder, make(pipeline))
        if code:
            return f"exit code {code}: {said[-500:]}"
    now = outputs(folder)
    wrong = [path for path, md5 in whole.outputs.items() if now.get(path) != md5]
    wrong += [
        str(run) for run in (whole.runs - runs_of(folder / "mlflow.db")) + (runs_of(folder / "mlflow.db") - whole.runs)
    ]
    return ", ".join(wrong)


def runs_of(database: Path) -> Counter:
    """How often each run is there as a present one: (experiment, key)."""
    if not database.exists():
        return Counter()
    query = """SELECT e.name, k.value FROM runs r JOIN experiments e USING (experiment_id)
               JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = 'record.key'
               JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = 'superseded' AND s.value = 'false'
               WHERE r.lifecycle_stage = 'active'"""
    connection = sqlite3.connect(database)
    try:
        return Counter(connection.execute(query).fetchall())
    finally:
        connection.close()


def twice(folder: Path) -> list[str]:
    """The runs that MLflow holds more than once."""
    return [f"twice: {run}" for run, count in runs_of(folder / "mlflow.db").items() if count > 1]


def trials_of(folder: Path, url: str | None = None) -> Counter:
    """How many trials of each study are there in each state."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journals = map(str, sorted((folder / "studies").glob("*.journal")))
    backends = [optuna.storages.journal.JournalFileBackend(journal) for journal in journals]
    found: Counter = Counter()
    for storage in [url] if url else map(optuna.storages.JournalStorage, backends):
        for name in optuna.get_all_study_names(storage):
            states = [trial.state.name for trial in optuna.load_study(study_name=name, storage=storage).trials]
            found.update((name, state) for state in states)
    return found
