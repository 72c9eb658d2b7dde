"""Does what is shown fit the terminal, whatever its width and encoding, with the answer first?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults

ROOT = Path(__file__).parents[2]
DATASETS = ("mixture", "digits")


@pytest.fixture(autouse=True)
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("arguments", [("show",), ("show", "digits", "--notes"), ("params",)])
def test_no_line_is_longer_than_columns_says(
    width: int, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(capsys, *arguments).splitlines()
    assert width - 12 < max(map(len, lines)) <= width


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_answer_comes_first_and_is_said_once(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = read_record(SearchResults, ROOT / f"reports/{dataset}/search.json").results.answer
    text = " ".join(shown(capsys, "show", dataset).split())
    start = "Use " if answer.recommendation == "use" else "Leave it unregularized"
    assert text.startswith(f"{dataset} {start}")
    assert text.count(f"; n = {answer.seeds} paired seeds.") == 1


@pytest.mark.parametrize("dataset", DATASETS)
def test_tables_of_the_search_star_what_is_recommended(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "show", dataset).count("★") == 2  # arms, averages


def test_notes_stand_behind_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    brief, full = (" ".join(shown(capsys, "show", "mixture", *flag).split()) for flag in ((), ("--notes",)))
    assert "Student t intervals" not in brief
    assert "python -m pipeline show mixture --notes" in brief
    assert "Student t intervals" in full
    assert "--notes" not in full


@pytest.mark.parametrize("command", ["show", "ui", "track", "readme"])
def test_elsewhere_a_line_says_where_to_run_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"run it there: cd {ROOT}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "encoding"),
    [("track", "ascii"), *((name, each) for name in ("show", "params") for each in ("ascii", "cp1252", "utf-8"))],
)
def test_any_encoding_will_do(command: str, encoding: str, tmp_path: Path) -> None:
    if command == "track" and not (ROOT / "scores").exists():
        pytest.skip("the study's scores are not here; `make repro` makes them")
    settings = {"PYTHONIOENCODING": encoding, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", command],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.endswith(b" to go")] == []  # long work says how long
    text = done.stdout.decode(encoding)
    assert ("★" in text) == (encoding == "utf-8" and command != "params")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "params"])
def test_a_reader_may_have_seen_enough(command: str) -> None:
    line = f"{sys.executable} -m pipeline {command} | head -n 1"
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
