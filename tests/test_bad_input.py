"""Bad input of every kind: one line, exit code 2, in seconds, and nothing on disk has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_cases import Case, cases

from pipeline.__main__ import main
from pipeline.core.errors import LONGEST

CASES = cases()
QUICK = 40  # one in so many is quick enough for the tests that always run


def put(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def is_refused(case: Case, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
    project = folder / "project"
    (folder / "beside").mkdir()
    (folder / "beside/kept").write_bytes(b"kept")
    project.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        put(case.files)
        before = contents(folder)
        captured.readouterr()
        try:
            code = main(case.command)
        except SystemExit as ended:  # argparse's own errors
            code = ended.code
        error = captured.readouterr().err
        assert contents(folder) == before
    assert code == 2
    *usage, line = error.splitlines()
    assert not [each for each in usage if not each.startswith(("usage:", " "))]
    assert case.line in line
    assert len(line) <= LONGEST + len("error: ")


def test_there_are_many_and_of_every_reader():
    assert len(CASES) >= 150
    assert len({(case.reader, case.name) for case in CASES}) == len(CASES)
    assert {case.reader for case in CASES} >= {"params", "textbook", "topic", "map", "tables", "scored", "outputs"}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{case.reader}: {case.name}", marks=() if place % QUICK == 0 else pytest.mark.slow)
        for place, case in enumerate(CASES)
    ],
)
def test_bad_input_is_one_line(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    is_refused(case, tmp_path, capsys)
