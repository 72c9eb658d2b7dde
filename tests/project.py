"""A small project for tests of the whole pipeline: a folder with what a clone has, and commands run in it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

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
        "early_stopping": {"early_stopping": ["nll", "nll_calibrated"]},
    },
    "search": {
        "trials": 5, "batch": 2, "seeds": 2, "objectives": ["nll"],
        "sampler": {"kind": "tpe", "startup": 2}, "pruner": {"kind": "halving", "first": 2},
        "space": {
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "dropout": {"low": 0.0, "high": 0.6, "off": 0.2},
            "weight_decay": {"low": 0.001, "high": 1.0, "log": True, "off": 0.2},
            "early_stopping": {"choices": ["none", "nll"]},
        },
        "portfolio": [{"learning_rate": 0.02}, {"learning_rate": 0.02, "early_stopping": "nll"}],
        "arms": {
            "none": [], "dropout": ["dropout"], "decay": ["weight_decay"], "both": ["dropout", "weight_decay"],
            "stopping": ["early_stopping"],
        },
        "stacked": 2,
    },
    "baselines": {
        "logistic_regression": {"estimator": "LogisticRegressionCV", "Cs": 3},
        "random_forest": {"estimator": "RandomForestClassifier", "n_estimators": 5},
    },
    "champion": {
        "folds": 2, "size": 5, "least_steps": 0,
        "portfolio": {"dropout": {"dropout": 0.2}, "bins": {"encoding": "piecewise_linear"}},
        "estimators": ["logistic_regression"],
    },
    "study": {"datasets": ["mixture", "wine"], "seeds": 3, "least_effect": 0.005,
        "ensembles": {"members": 2, "splits": 2},
    },
}  # fmt: skip


TEXTBOOK = {
    "topics": ["dropout"],
    "seeds": 3,
    "recipe": {**STUDY["network"], **STUDY["train"]},
    "datasets": {"task": STUDY["datasets"]["mixture"], "wine": STUDY["datasets"]["wine"]},
    "groups": {},
}
TOPIC = {
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
}  # fmt: skip
MAP = {
    "rows": [12, 24],
    "label_noise": [0.0, 0.2],
    "seeds": 4,
    "task": {"features": 4, "classes": 2, "components": 1, "separation": 2.0, "validation": 20, "test": 50},
    "recipe": {**STUDY["network"], **STUDY["train"]},
    "least": 0.005,
    "arms": {"none": {}, "dropout": {"dropout": [0.2, 0.5]}},
}
PIPELINES = ("dvc.yaml", "textbook/dvc.yaml")


def write_yaml(path: Path, content: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        YAML().dump(content, file)


def write_params(folder: Path, study: dict) -> None:
    write_yaml(folder / "params.yaml", study)


def write_topic(folder: Path, topic: dict) -> None:
    write_yaml(folder / "textbook/dropout.yaml", topic)


def make_project(folder: Path, study: dict = STUDY) -> Path:
    """An empty folder with what a clone of the project has."""
    for name in ("pipeline", "inputs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.csv"))
    write_params(folder, study)
    write_yaml(folder / "textbook/textbook.yaml", TEXTBOOK)
    write_topic(folder, TOPIC)
    write_yaml(folder / "textbook/map.yaml", MAP)
    for name in ("constraints.txt", ".dvcignore", *PIPELINES):
        shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    return folder


def environment(**extra: str) -> dict[str, str]:
    """This environment without what would steer MLflow or DVC elsewhere, the interpreter's folder first on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "DVC", "GIT_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **extra}


def run(folder: Path, *command: str, check: bool = True, **extra: str) -> subprocess.CompletedProcess:
    done = subprocess.run(
        command, cwd=folder, env=environment(**extra), capture_output=True, text=True, check=False, timeout=600
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


def stage(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    return run(folder, sys.executable, "-m", "pipeline", *arguments, check=False, **extra)


def in_turn(folder: Path, *commands: tuple[str, ...]) -> subprocess.CompletedProcess:
    """Commands one after another in a process that imports the pipeline once, until one fails."""
    code = "import sys; from pipeline.__main__ import main; sys.exit(next(filter(None, map(main, {})), 0))"
    return run(folder, sys.executable, "-c", code.format([list(each) for each in commands]), check=False)


def locked_stages(folder: Path) -> dict[str, dict]:
    """Every stage of both pipelines as their lock files have it."""
    locks = [folder / pipeline.replace(".yaml", ".lock") for pipeline in PIPELINES]
    texts = [path.read_text() for path in locks if path.exists()]
    return {name: entry for text in texts for name, entry in YAML(typ="safe").load(text)["stages"].items()}


def outputs(folder: Path) -> dict[str, str]:
    """Every output of every stage and its hash, from dvc.lock; `track` has none."""
    found = {out["path"]: out["md5"] for entry in locked_stages(folder).values() for out in entry.get("outs", [])}
    assert found
    return found


def executed(repro: subprocess.CompletedProcess) -> set[str]:
    return {line.split("'")[1] for line in repro.stdout.splitlines() if line.startswith("Running stage")}


def runs_in(folder: Path) -> list[tuple[str, str, str]]:
    """(experiment, name, id) of every active run."""
    query = """SELECT e.name, r.name, r.run_uuid FROM runs r JOIN experiments e USING (experiment_id)
               WHERE r.lifecycle_stage = 'active' ORDER BY 1, 2"""
    connection = sqlite3.connect(folder / "mlflow.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


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


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, and nohup: a signal that is ignored is inherited as such."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def refuses(folder: Path, line: str, *arguments: str) -> None:
    """Run a command that must end in one line, and exit code 2."""
    done = stage(folder, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert line in done.stderr
