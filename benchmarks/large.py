"""CPU time and memory of a study of a large table: `python -m benchmarks.large --rows 1000000`.

A table of numbers is drawn, and every command of a small study runs on it in a process of its own, one after the other,
with one worker: its CPU seconds, and the most memory that it held.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from pipeline.reporting.text.large_tables import LargeBenchmark, LargeRun, StageCost

SETTING = (
    "a CSV of numbers, 60 % of its rows for training; 4 points of networks of 64-64 units at 2 learning rates on 2 "
    "seeds, then on the study's; one epoch of batches of 1,024"
)
ROOT = Path(__file__).parents[1]
CHUNK = 20_000  # rows that are drawn and written at once
POINTS = {"none": {}, "dropout": {"dropout": [0.1, 0.3]}, "weight_decay": {"weight_decay": 0.01}}
STAGES = ("generate", "train", "evaluate", "calibrators", "search", "baselines", "champion", "predict")


def params_of(seeds: int) -> dict[str, Any]:
    """The study: four points at two learning rates, two arms of a search, three parts of a champion."""
    return {
        "datasets": {
            "large": {
                "kind": "file", "path": "inputs/large.csv", "target": "y", "train": 0.6, "validation": 0.2,
            }
        },
        "network": {"hidden": [64, 64]},
        "train": {
            "epochs": 1, "batch_size": 1024, "optimizer": "adam", "learning_rate": [0.001, 0.003],
            "schedule": "constant", "momentum": 0.9,
        },
        "variants": POINTS,
        "search": {
            "trials": 2, "batch": 2, "seeds": 2, "objectives": ["refinement"],
            "sampler": {"kind": "tpe", "startup": 2, "seed": 0}, "pruner": {"kind": "none"},
            "space": {
                "learning_rate": {"low": 0.001, "high": 0.01, "log": True},
                "dropout": {"low": 0.0, "high": 0.5, "off": 0.2},
            },
            "portfolio": [],
            "arms": {"none": [], "dropout": ["dropout"]},
            "stacked": 0,
        },
        "baselines": {
            "logistic_regression": {"estimator": "LogisticRegressionCV", "Cs": 1, "max_iter": 20},
            "boosted_trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 20},
        },
        "champion": {
            "folds": 3, "size": 5, "least_steps": 0,
            "portfolio": {"dropout": {"dropout": 0.2, "encoding": ["standard", "piecewise_linear"]}},
            "estimators": ["boosted_trees"],
        },
        "study": {
            "datasets": ["large"], "seeds": seeds, "least_effect": 0.005, "ensembles": {"members": 1, "splits": 2},
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=[100_000], nargs="+")
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--stages", default=STAGES, nargs="+", choices=STAGES, help="in their order")
    parser.add_argument(
        "--folder", type=Path, help="where projects are kept, gigabytes each; the next stages find them"
    )
    parser.add_argument("--write", type=Path, help="the table to add the costs to")
    options = parser.parse_args()
    sizes = {"features": options.features, "classes": options.classes, "seeds": options.seeds}
    with TemporaryDirectory() as temporary:
        for rows in options.rows:
            folder = (options.folder or Path(temporary)) / "x".join(map(str, [rows, *sizes.values()]))
            for cost in measured(folder, options.stages, rows=rows, **sizes):
                print(f"{folder.name}: {cost.name} {cost.seconds} s, {cost.mebibytes:,} MiB", flush=True)
                if options.write:
                    add(options.write, LargeRun(rows=rows, **sizes, stages=(cost,)))


def measured(
    folder: Path, stages: Sequence[str], *, rows: int, features: int, classes: int, seeds: int
) -> Iterator[StageCost]:
    """What every stage costs, as soon as it has run."""
    table = folder / "inputs/large.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    YAML().dump(params_of(seeds), folder / "params.yaml")
    if not table.exists():
        draw_table(table, rows, features=features, classes=classes)
    for stage in stages:
        costs = [run(command, folder) for command in commands_of(stage)]
        seconds, mebibytes = zip(*costs, strict=True)
        yield StageCost(name=stage, seconds=round(sum(seconds), 1), mebibytes=round(max(mebibytes)))


def commands_of(stage: str) -> list[list[str]]:
    """The arguments of the commands that a stage consists of."""
    if stage == "predict":
        return [["predict", "large", "inputs/large.csv", "--out", "predicted.csv"]]
    if stage == "generate":
        return [["generate", "large"]]
    return [[stage, "large", "--jobs", "1"]]


def run(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """CPU seconds of a command, and the MiB that its process held at most."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = folder / "log.txt"
    with log.open("a") as stream:
        arguments = [sys.executable, "-m", "pipeline", *command]
        child = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def draw_table(path: Path, rows: int, *, features: int, classes: int) -> None:
    """Numbers of which the first few say something about the class."""
    weights = np.random.default_rng(0).standard_normal((min(features, 8), classes))
    with path.open("w") as stream:
        stream.write(",".join([*(f"x{place}" for place in range(features)), "y"]) + "\n")
        for start in range(0, rows, CHUNK):
            rng = np.random.default_rng([1, start])
            x = rng.standard_normal((min(CHUNK, rows - start), features), dtype=np.float32)
            scores = np.tanh(x[:, : len(weights)]) @ weights + rng.gumbel(size=(len(x), classes))
            np.savetxt(stream, np.column_stack([x, scores.argmax(1)]), fmt=["%.5f"] * features + ["c%d"], delimiter=",")


def add(path: Path, run: LargeRun) -> None:
    """Put what stages cost into the table, in the place of what the same cost before."""
    known = LargeBenchmark.model_validate_json(path.read_text()).runs if path.exists() else ()
    runs = {each.sizes: each for each in known}
    before = runs[run.sizes].stages if run.sizes in runs else ()
    stages = {each.name: each for each in (*before, *run.stages)}
    ordered = tuple(stages[name] for name in STAGES if name in stages)
    runs[run.sizes] = run.model_copy(update={"stages": ordered})
    machine = f"{platform.machine()}, one worker, {date.today()}"
    table = LargeBenchmark(machine=machine, setting=SETTING, runs=tuple(runs[sizes] for sizes in sorted(runs)))
    path.write_text(json.dumps(table.model_dump(mode="json"), indent=1) + "\n")


if __name__ == "__main__":
    main()
