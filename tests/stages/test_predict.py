"""The command `predict`: a stored model, and tables of new rows as people have them."""

from __future__ import annotations

import sys
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import ROOT, run

from pipeline.__main__ import main
from pipeline.calibration.conformal import fit_conformal
from pipeline.champion.fit import EstimatorRecipe, fit_library
from pipeline.champion.storage import Model, to_arrays
from pipeline.config.baselines import read_baselines
from pipeline.core.arrays import write_arrays
from pipeline.core.paths import PARAMS, model_file
from pipeline.data.folds import folds_of
from pipeline.data.options import Reading, TableOptions
from pipeline.data.tables.encoding import schema_of
from pipeline.data.tables.load import to_pool
from pipeline.data.tables.table import Table
from pipeline.models.baselines import make

ROWS = 60
COSTS = np.array([[0.0, 1.0], [4.0, 0.0]])
BESIDE = read_baselines({"linear": {"estimator": "LogisticRegressionCV", "Cs": 2, "cv": 2}}, PARAMS)


def table(rows: int = ROWS) -> pd.DataFrame:
    numbers = np.random.default_rng(rows).standard_normal(rows)
    colors = np.where(numbers > 0.3, "red", np.where(numbers > -0.3, "green", "blue"))
    frame = pd.DataFrame({"size": [f"{each:.3f}" for each in numbers], "color": colors})
    frame.loc[::9, "size"] = ""
    return frame.assign(answer=np.where(numbers > 0, "yes", "no"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    pool = to_pool(Table("t", table(), Reading()), TableOptions(target="answer", missing="impute"))
    recipes = [EstimatorRecipe(name, name, partial(make, row)) for name, row in BESIDE.items()]
    folds = folds_of(pool, np.arange(ROWS), folds=2)
    library = fit_library([], recipes, pool, folds, scale="standard", jobs=1, tick=lambda epochs: None)
    conformal = fit_conformal(library.cross_fitted(size=3), library.labels)
    arrays, about = to_arrays(Model(library.blend(size=3).champion, schema_of(pool), pool.classes, conformal, COSTS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_arrays(model_file("mine"), arrays, about)
    return folder


@pytest.fixture
def project(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(stored)
    return stored


def predicted(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> tuple[pd.DataFrame, str]:
    assert main(["predict", "mine", str(file), *arguments]) == 0
    captured = capsys.readouterr()
    return pd.read_csv(StringIO(captured.out)), captured.err


def written(tmp_path: Path, frame: pd.DataFrame, name: str = "new.csv", **how: object) -> Path:
    path = tmp_path / name
    frame.to_csv(path, index=False, **how)
    return path


def test_every_row_has_a_class_and_probabilities(project, tmp_path, capsys) -> None:
    frame, said = predicted(capsys, written(tmp_path, table(20)))
    assert list(frame.columns) == ["class", "decision", "p_no", "p_yes"]
    np.testing.assert_allclose(frame["p_no"] + frame["p_yes"], 1, atol=1e-8)
    assert (frame["class"] == np.where(frame["p_yes"] > frame["p_no"], "yes", "no")).all()
    assert (frame["decision"] == np.where(frame["p_yes"] > 0.2, "yes", "no")).all()
    assert "20 rows predicted" in said


def test_columns_in_any_order_and_others_are_ignored_with_a_note(project, tmp_path, capsys) -> None:
    rows = table(20)
    expected, _ = predicted(capsys, written(tmp_path, rows))
    others = rows[["color", "size"]].assign(note="x", more="y")
    frame, said = predicted(capsys, written(tmp_path, others, sep=";"))
    pd.testing.assert_frame_equal(frame, expected)
    assert "note: columns that the model does not use: 'note', 'more'" in said


def test_unknown_categories_and_missing_values_are_noted(project, tmp_path, capsys) -> None:
    rows = table(6)
    rows.loc[[1, 2], "color"] = "mauve"
    rows.loc[3, "color"] = ""
    frame, said = predicted(capsys, written(tmp_path, rows))
    assert len(frame) == 6
    assert "note: column 'color': a category that no training row had (2 rows)" in said
    assert "note: column 'color': missing, as in no training row (1 row)" in said
    assert "'size'" not in said


def test_a_row_alone_is_predicted_as_among_others(project, tmp_path, capsys) -> None:
    rows = table(20)
    together, _ = predicted(capsys, written(tmp_path, rows))
    for row in (0, 7, 19):
        alone, _ = predicted(capsys, written(tmp_path, rows.iloc[row : row + 1]))
        pd.testing.assert_frame_equal(alone, together.iloc[row : row + 1].reset_index(drop=True))


def test_into_a_file_that_is_new(project, tmp_path, capsys) -> None:
    rows, out = written(tmp_path, table(20)), tmp_path / "out.csv"
    expected, _ = predicted(capsys, rows)
    assert main(["predict", "mine", str(rows), "--out", str(out)]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(out), expected)
    assert main(["predict", "mine", str(rows), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_how_a_row_is_read(project, tmp_path, capsys) -> None:
    rows = pd.DataFrame({"size": ["1,250"], "color": ["red"]})
    assert main(["predict", "mine", str(written(tmp_path, rows.assign(size="1.25"))), "--explain-input"]) == 0
    shown = capsys.readouterr().out
    assert "size: '1.25' -> size = 1.25" in shown
    assert "color: 'red' -> color=red = 1" in shown


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.drop(columns="size"), "new.csv: column 'size' does not exist; there are 'color', 'answer'"),
        (lambda rows: rows.assign(size="big"), "new.csv: column 'size', data row 1: must be a number; got 'big'"),
        (lambda rows: rows.assign(size="inf"), "new.csv: column 'size', data row 1: must be finite; got inf"),
    ],
)
def test_what_cannot_be_read_is_one_line(project, tmp_path, capsys, change, says: str) -> None:
    path, out = written(tmp_path, change(table(6))), tmp_path / "out.csv"
    assert main(["predict", "mine", str(path), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.strip().endswith(says)
    assert captured.out == ""
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("nothing", "models/nothing/model.safetensors: there is no model"),
        ("params.yaml", "params.yaml: there is no model"),
        ("../no", "../no: there is no model"),
    ],
)
def test_a_model_that_is_not_there(project, tmp_path, capsys, model: str, says: str) -> None:
    assert main(["predict", model, str(written(tmp_path, table(4)))]) == 2
    assert says in capsys.readouterr().err


def test_by_its_folder_or_file(project, tmp_path, capsys) -> None:
    rows = written(tmp_path, table(5))
    expected, _ = predicted(capsys, rows)
    for model in ("models/mine", "models/mine/model.safetensors"):
        assert main(["predict", model, str(rows)]) == 0
        assert capsys.readouterr().out == expected.to_csv(index=False, float_format="%.9g")


def test_a_damaged_model(project, tmp_path, capsys) -> None:
    broken = tmp_path / "model.safetensors"
    broken.write_bytes(model_file("mine").read_bytes()[:-200])
    assert main(["predict", str(broken), str(written(tmp_path, table(4)))]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_reader_who_has_seen_enough_ends_it_in_silence(project, tmp_path) -> None:
    rows = written(tmp_path, pd.concat([table()] * 600))
    line = f"{sys.executable} -m pipeline predict mine {rows} | head -2 | wc -l; echo ${{PIPESTATUS[0]}}"
    done = run(project, "bash", "-c", line, PYTHONPATH=str(ROOT))
    assert done.stdout.split() == ["2", "141"]
    assert "rror" not in done.stderr


def test_sets_are_written_where_a_coverage_is_asked_for(project, tmp_path, capsys) -> None:
    frame, _ = predicted(capsys, written(tmp_path, table(20)), "--coverage", "0.9")
    assert list(frame.columns)[-1] == "set"
    assert set(frame["set"]) <= {"no", "yes", "no|yes"}
    assert all(name in inside.split("|") for name, inside in zip(frame["class"], frame["set"], strict=True))
    assert (frame["set"].str.len() > 3).sum() < 20


@pytest.mark.parametrize("share", ["0", "1", "90", "most", "nan"])
def test_a_coverage_that_is_no_share_is_refused(project, share, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "mine", "rows.csv", "--coverage", share])
    assert f"must be a number between 0 and 1, got {share!r}" in capsys.readouterr().err
