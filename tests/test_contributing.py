"""The recipes of CONTRIBUTING.md, followed on a copy of the package: each ends in a study that has what was added."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = ("Add a regularizer", "Add a metric", "Add a kind of data set")
EDIT = re.compile(
    r"^(?:In `(?P<file>[^`]+)`, (?P<where>above|below) the line `(?P<anchor>[^`]+)`|At the end of `(?P<end>[^`]+)`)"
    r":\n\n```python\n(?P<code>.*?)```$",
    re.MULTILINE | re.DOTALL,
)
PARAMS = """\
datasets:
  wine: {kind: bundled, name: wine, train: 60, validation: 50}
network: {hidden: [8]}
train: {epochs: 4, batch_size: 32, optimizer: adam, learning_rate: 0.01, schedule: constant, momentum: 0.9}
variants:
  none: {replicate: [0, 1]}
  dropout: {dropout: 0.5}
search:
  {trials: 2, batch: 2, seeds: 2, objectives: [nll], sampler: {kind: tpe}, pruner: {kind: halving, first: 2},
   space: {learning_rate: {low: 0.001, high: 0.03, log: true}, dropout: {low: 0.0, high: 0.6, off: 0.2}},
   arms: {none: [], dropout: [dropout]}, stacked: 0}
baselines: {}
champion: {folds: 2, size: 1, least_steps: 0, portfolio: {plain: {}}, estimators: []}
study: {datasets: [wine], seeds: 3, least_effect: 0.005, ensembles: {members: 1, splits: 2}}
"""


class Edit(NamedTuple):
    """Code that is put above or below a line, or at the end of a file."""

    file: str
    where: str
    anchor: str
    code: str


def section(recipe: str) -> str:
    return TEXT.split(f"### {recipe}\n")[1].split("\n##")[0]


def edits(recipe: str) -> list[Edit]:
    return [
        Edit(step["file"] or step["end"], step["where"] or "end", step["anchor"] or "", step["code"])
        for step in EDIT.finditer(section(recipe))
    ]


def apply(folder: Path, edit: Edit) -> None:
    """Follow one step; the line must be there once, up to what follows in it."""
    path = folder / edit.file
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if edit.anchor and line.startswith(edit.anchor)]
    if edit.where == "end":
        at = [len(lines)]
    assert len(at) == 1, f"{edit.file}: {edit.anchor!r} must begin one line"
    lines.insert(at[0] + (edit.where == "below"), edit.code)
    path.write_text("".join(lines), encoding="utf-8")


def followed(recipe: str, folder: Path) -> Path:
    """A copy of the package with a recipe's steps done."""
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "inputs").mkdir()
    for edit in edits(recipe):
        apply(folder, edit)
    return folder


def study(folder: Path, params: str, *, dataset: str) -> Path:
    """The finished tables of a small study, run by the copy."""
    (folder / "params.yaml").write_text(params)
    steps = [("generate", dataset), ("train", dataset), ("evaluate", dataset)]
    for step in steps:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *step], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder / f"results/{dataset}"


def means(results: Path, metric: str) -> pd.Series:
    """A metric on test rows as trained, by the key of the point."""
    rows = pd.read_parquet(results / "points.parquet").query("split == 'test' and stage == 'before'")
    return rows[rows.metric == metric].set_index("key")["mean"]


def test_every_code_block_is_a_step_that_is_followed():
    assert [bool(edits(recipe)) for recipe in RECIPES] == [True] * len(RECIPES)
    assert sum(len(edits(recipe)) for recipe in RECIPES) == TEXT.count("```python\n")
    assert re.findall(r"^### (.+)$", TEXT, re.MULTILINE) == [*RECIPES]


@pytest.mark.slow
def test_a_regularizer(tmp_path):
    (row,) = re.findall(r"`(shrinkage: \{.+\})`", section("Add a regularizer"))
    params = PARAMS.replace("  dropout: {dropout: 0.5}\n", f"  dropout: {{dropout: 0.5}}\n  {row}\n")
    results = study(followed("Add a regularizer", tmp_path), params, dataset="wine")
    losses = means(results, "nll")
    assert len({losses["none"], losses["shrinkage=0.1"], losses["shrinkage=0.5"]}) == 3


@pytest.mark.slow
def test_a_metric(tmp_path):
    results = study(followed("Add a metric", tmp_path), PARAMS, dataset="wine")
    errors = means(results, "error_rate")
    assert len(errors) == 3
    assert errors.to_dict() == pytest.approx((1 - means(results, "accuracy")).to_dict(), abs=1e-5)


@pytest.mark.slow
def test_a_kind_of_data_set(tmp_path):
    (row,) = re.findall(r"`(bits: \{.+\})`", section("Add a kind of data set"))
    params = PARAMS.replace("datasets:\n", f"datasets:\n  {row}\n").replace("datasets: [wine]", "datasets: [bits]")
    folder = followed("Add a kind of data set", tmp_path)
    dataset = json.loads((study(folder, params, dataset="bits") / "results.json").read_text())["dataset"]
    assert (dataset["rows"], dataset["features"]) == (200, 3)
