"""The command `advise`: an answer on a page, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import ROOT, STUDY, environment, heed_interrupts, stage, write_params

from pipeline.__main__ import main
from pipeline.core.paths import PARAMS, advice_file
from pipeline.reporting.advice import GENERATOR

HERE = {"PYTHONPATH": str(ROOT), "OPTUNA_STORAGE": "sqlite:///never.db"}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project"
    (folder / "inputs").mkdir(parents=True)
    (folder / "tmp").mkdir()
    write_params(folder, STUDY)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    rows = [f"{i * 37 % 101},{i * 11 % 7},{'ab'[i % 2]},{'yes' if i * 37 % 101 + i % 3 > 50 else 'no'}" for i in range(300)]  # fmt: skip  # noqa: E501
    path.write_text("\n".join(["age,visits,city,default", *rows]) + "\n")
    return path


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_what_is_no_page_of_its_own_is_left_alone(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = advice_file("loans")
    page.parent.mkdir()
    page.write_text("mine")
    assert main(["advise", str(table), "--target", "default"]) == 2
    assert page.read_text() == "mine"
    assert capsys.readouterr().err == f"error: {page}: is no page of `advise` and is left alone; move it, or choose another --name\n"  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("minutes", ["0", "-1", "x", "nan"])
def test_minutes_must_be_a_number(minutes: str, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["advise", str(table), "--target", "default", f"--minutes={minutes}"])
    assert "must be a number of minutes above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_the_answer_is_printed_and_on_a_page_and_nothing_else_is_written(table: Path) -> None:
    before = contents()
    page = advice_file("loans")
    for _ in range(2):
        done = stage(Path(), "advise", str(table), "--target", "default", "--minutes", "0.2", **HERE)
        assert done.returncode == 0
        assert [line for line in done.stderr.splitlines() if not line.endswith(" to go")] == []
        said = " ".join(done.stdout.split())
        assert contents().keys() - before.keys() == {str(page)}
        assert {path: content for path, content in contents().items() if path != str(page)} == before
    text = page.read_text(encoding="utf-8")
    for expected in (
        "300 rows, 4 columns",
        "no evidence",
        "class frequencies",
        "Beside other classifiers",
        "This is a sketch: ",
        "paired seeds",
    ):
        assert expected in said
    assert "Use " in said or "Leave it unregularized" in said
    assert f"python -m pipeline add {table} --target default --study dvc repro" in said
    assert GENERATOR in text
    assert all(f">{column}</th>" in text for column in ("age", "visits", "city", "default"))
    assert " src=\"http" not in text  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interruption_leaves_nothing_behind(kind: signal.Signals, code: int, table: Path) -> None:
    before = contents()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "advise", str(table), "--target", "default", "--minutes", "5"],
        env=environment(**HERE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509
    )  # fmt: skip
    assert process.stdout is not None
    while "Training" not in process.stdout.readline():
        pass
    time.sleep(2)
    assert [path.name.startswith("advise-") for path in Path("tmp").iterdir()] == [True]
    os.kill(process.pid, kind)
    if kind == signal.SIGTERM:
        os.kill(process.pid, kind)  # as `timeout` does
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (code, "interrupted: nothing was written\n")
    assert contents() == before
    assert not [*Path("tmp").iterdir()]
    assert not PARAMS.with_name("advice").exists()
