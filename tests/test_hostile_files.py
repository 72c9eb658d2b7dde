"""What is no plain file of a sensible size, and terminals that lack something: refused, or borne, in seconds."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from corpus_cases import base
from project import ROOT, environment
from pydantic import TypeAdapter

from pipeline.__main__ import main
from pipeline.config.fields import LONGEST_LABEL, Label
from pipeline.config.points import MOST_POINTS, Point, expand
from pipeline.core.errors import InputError
from pipeline.core.memory import memory
from pipeline.core.paths import PARAMS, member_file

GIGABYTES = 5_000_000_000
PREDICT = ("score", "t.csv", "--target", "y")


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for reader in ("tables", "topic", "map"):
        for name, content in base(reader)[1].items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(content)
    Path("results/mine").mkdir(parents=True)
    shutil.copy(ROOT / "reports/mixture/results.json", "results/mine")


def refused(captured: pytest.CaptureFixture[str], *command: str) -> str:
    """The one line of a command that ends with exit code 2."""
    captured.readouterr()
    assert main(command) == 2
    (line,) = captured.readouterr().err.splitlines()
    return line


READ = {
    "params.yaml": ("generate", "mine"),
    "inputs/mine.csv": ("generate", "mine"),
    "textbook/textbook.yaml": ("topic", "dropout"),
    "textbook/dropout.yaml": ("topic", "dropout"),
    "textbook/map.yaml": ("map", "12"),
    "t.csv": PREDICT,
    "t.csv.gz": ("score", "t.csv.gz", "--target", "y"),
    "t.npz": ("score", "t.npz", "--target", "y"),
    "models/mine/model.safetensors": ("predict", "mine", "t.csv"),
    "data/mine.safetensors": ("train", "mine", "none", "--jobs", "1"),
    "results/mine/results.json": ("calibrators", "mine", "--jobs", "1"),
    "results/mine/points.parquet": ("calibrators", "mine", "--jobs", "1"),
    "dvc.lock": ("unlock",),
}


def place_of(file: str) -> Path:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("file", READ)
def test_a_pipe_is_not_waited_for(capsys: pytest.CaptureFixture[str], file: str) -> None:
    os.mkfifo(place_of(file))
    assert refused(capsys, *READ[file]).startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("file", READ)
def test_a_folder_is_no_file(capsys: pytest.CaptureFixture[str], file: str) -> None:
    place_of(file).mkdir()
    assert refused(capsys, *READ[file]).startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("file", READ)
def test_a_link_to_itself_leads_nowhere(capsys: pytest.CaptureFixture[str], file: str) -> None:
    path = place_of(file)
    path.symlink_to(path.name)
    assert refused(capsys, *READ[file]).startswith("error: ")


@pytest.mark.parametrize(
    "file", ["params.yaml", "textbook/textbook.yaml", "textbook/dropout.yaml", "textbook/map.yaml"]
)
def test_parameters_of_gigabytes(capsys: pytest.CaptureFixture[str], file: str) -> None:
    with Path(file).open("ab") as stream:
        stream.truncate(GIGABYTES)
    assert refused(capsys, *READ[file]).endswith(f"{file}: must be at most 300 kB, got 5 GB")


def test_a_table_that_memory_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("t.csv").open("wb") as stream:
        stream.truncate(memory())
    assert "t.csv: a table of this size would need about" in refused(capsys, *PREDICT)


@pytest.mark.slow
def test_bombs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("core.memory", "data.tables.reading"):
        monkeypatch.setattr(f"pipeline.{module}.memory", lambda: 10_000_000)
    zeros = bytes(20_000_000)
    Path("t.csv.gz").write_bytes(gzip.compress(zeros))
    with zipfile.ZipFile("t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", zeros)
    np.savez_compressed("t.npz", X=np.zeros((1000, 2500)), y=np.zeros(1000))
    for name in ("t.csv.gz", "t.zip", "t.npz"):
        assert Path(name).stat().st_size < 100_000
        assert "would need about" in refused(capsys, "score", name, "--target", "y")


def test_an_array_of_terabytes_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)})
    with zipfile.ZipFile("t.npz", "w") as archive:
        archive.writestr("X.npy", stream.getvalue())
        archive.writestr("y.npy", stream.getvalue())
    assert "t.npz: cannot be read as a .npz file" in refused(capsys, *READ["t.npz"])


ROW = {
    "hidden": [8], "epochs": 2, "batch_size": 8, "optimizer": "adam", "schedule": "constant", "momentum": 0.9,
    "learning_rate": 0.01,
}  # fmt: skip
LONG = {
    **dict.fromkeys(("dropout", "input_dropout", "output_dropout", "label_smoothing", "cutout"), 0.12345678901234),
    **dict.fromkeys(("l2", "mixup", "cutmix", "noise", "max_norm", "averaging", "focal_loss"), 0.12345678901234),
    **{"confidence_penalty": 0.12345678901234, "r_drop": 0.1, "early_stopping": "nll_calibrated", "batch_norm": True},
    "weight_decay": [0.1, 0.2],
}


def test_a_long_label_is_the_name_of_a_file() -> None:
    labels = [*expand(Point, LONG, ROW, PARAMS, "variants.long", "long")]
    assert len(LONG) == 17
    assert len({*labels}) == 2
    for label in labels:
        assert len(label) == LONGEST_LABEL
        assert TypeAdapter(Label).validate_python(label) == label
        path = member_file("mine", "long", label)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.4194304.01234567.part").write_bytes(b"")


def test_a_label_that_fits_is_left_alone() -> None:
    assert [*expand(Point, {"dropout": [0.1, 0.2]}, ROW, PARAMS, "variants.x", "x")] == ["dropout=0.1", "dropout=0.2"]


def test_points_are_counted_before_they_are_made() -> None:
    many = [n / (MOST_POINTS + 1) for n in range(MOST_POINTS + 1)]
    assert len(expand(Point, {"dropout": many[1:]}, ROW, PARAMS, "variants.x", "x")) == MOST_POINTS
    with pytest.raises(InputError, match=r"variants\.x: must be at most 1,000 points, got 1,001$"):
        expand(Point, {"dropout": many}, ROW, PARAMS, "variants.x", "x")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_every_terminal_is_spoken_to(encoding: str) -> None:
    command = [sys.executable, "-m", "pipeline", "score", "tests/corpus/predictions.csv", "--target", "ä→☃"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(PYTHONIOENCODING=encoding), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.decode(encoding).splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(stream: str) -> None:
    for arguments, code in (("params", 0), ("generate nothing", 2)):
        line = f"{sys.executable} -m pipeline {arguments} {stream}"
        done = subprocess.run(line, shell=True, cwd=ROOT, env=environment(), capture_output=True, check=False)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr


ANONYMOUS = """
import pwd


def unknown(_):
    raise KeyError("uid not found")


pwd.getpwuid = unknown
"""


@pytest.mark.slow
def test_nobody_needs_a_home_or_an_account(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ANONYMOUS)
    bare = {name: value for name, value in environment().items() if name not in ("HOME", "USER", "LOGNAME")}
    page = tmp_path / "page.html"
    command = [sys.executable, "-m", "pipeline", "score", "tests/corpus/predictions.csv", "--target", "default"]
    done = subprocess.run(
        [*command, "--page", str(page)],
        cwd=ROOT,
        env={**bare, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, page.exists()) == (0, True), done.stderr
    assert "Traceback" not in done.stderr
