"""What `make` needs of a machine: some Python, not git; and line ends that stay as they are."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

TOO_OLD = "exit 1\n"
WORKS = 'echo "$0 $*" | sed "s#$PWD/##" >> log\n'
MAKES_AN_ENVIRONMENT = WORKS + "[ $1 = -c ] || { mkdir -p .venv/bin && cp new .venv/bin/python; }\n"
REPRO, SET, UNSET = (
    "repro dvc.yaml",
    *(f"config --quiet --local {what}" for what in ("core.no_scm true", "--unset core.no_scm")),
)
in_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of any repository, with what `make` reads, where programs write down how they were called."""
    for name in ("Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    program(tmp_path / "new", WORKS)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("make", *words), cwd=folder, capture_output=True, text=True, check=False)


def log(folder: Path) -> list[str]:
    """What was called since this was last asked."""
    lines = (folder / "log").read_text().splitlines()
    (folder / "log").unlink()
    return lines


class TestPython:
    def test_the_first_that_works_makes_the_environment_which_is_kept(self, folder: Path) -> None:
        program(folder / "old", TOO_OLD)
        program(folder / "good", MAKES_AN_ENVIRONMENT)
        assert make(folder, "setup", "PYTHON=./nosuch ./old ./good ./nosuch").returncode == 0
        assert "./good -m venv --clear .venv" in (calls := log(folder))
        assert [call.split()[-2:] for call in calls if " pip " in call] == [
            ["-r", "constraints.txt"],
            ["--editable", "."],
        ]
        assert "Nothing to be done" in make(folder, "setup").stdout
        (folder / ".venv/.ready").unlink()
        assert make(folder, "setup", "PYTHON=./nosuch").returncode == 0
        assert not any("venv --clear" in call for call in log(folder))

    def test_without_any_a_line_says_what_is_needed(self, folder: Path) -> None:
        program(folder / "old", TOO_OLD)
        done = make(folder, "setup", "PYTHON=./nosuch ./old")
        assert done.returncode == 2
        assert "Python 3.11 or newer is needed, with venv, got none from: ./nosuch ./old; set PYTHON=" in done.stdout

    @pytest.mark.parametrize(("version", "code"), [((3, 10, 13), 1), ((3, 11, 0), 0), ((3, 15, 0), 0)])
    def test_what_works_is_3_11_or_newer(self, version: tuple[int, ...], code: int) -> None:
        (line,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("fits = "))
        check = line.split("'")[1]
        fake = f"import sys; sys.version_info = {version}; exec({check!r})"
        assert subprocess.run((sys.executable, "-c", fake), check=False).returncode == code


class TestWithoutGit:
    def test_dvc_is_told_so_once_and_until_git_is_there(self, folder: Path) -> None:
        program(folder / ".venv/bin/dvc", 'echo "$*" >> log\n')
        (folder / ".venv/.ready").touch()
        (folder / ".dvc").mkdir()
        assert (make(folder, "repro").returncode, log(folder)) == (0, [SET, REPRO])
        (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
        assert (make(folder, "repro").returncode, log(folder)) == (0, [REPRO])
        subprocess.run(("git", "init", "--quiet"), cwd=folder, check=True)
        assert (make(folder, "repro").returncode, log(folder)) == (0, [UNSET, REPRO])
        (folder / ".dvc/config.local").unlink()
        assert (make(folder, "repro").returncode, log(folder)) == (0, [REPRO])

    def test_who_has_no_home_gets_one_and_a_name(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program(folder / ".venv/bin/dvc", 'echo "$HOME" >> log; [ "$USER" ]\n')
        monkeypatch.delenv("USER", raising=False)
        (folder / ".venv/.ready").touch()
        assert (make(folder, "repro").returncode, log(folder)) == (0, [os.environ["HOME"]] * 2)
        monkeypatch.delenv("HOME")
        assert (make(folder, "repro").returncode, log(folder)) == (0, [str(folder / ".cache")] * 2)


@in_git
def test_a_clone_that_would_change_line_ends_has_the_bytes_that_dvc_knows(tmp_path: Path) -> None:
    git = ("git", "-c", "core.autocrlf=true")
    subprocess.run((*git, "clone", "--quiet", "--shared", str(ROOT), "copy"), cwd=tmp_path, check=True)
    command = (*git, "ls-files", "--eol")
    listed = subprocess.run(command, cwd=tmp_path / "copy", capture_output=True, text=True, check=True).stdout
    ends = [[part.partition("/")[2] for part in line.split()[:2]] for line in listed.splitlines()]
    assert ["lf", "lf"] in ends
    assert [pair for pair in ends if len(set(pair)) > 1] == []  # each file as it was committed
