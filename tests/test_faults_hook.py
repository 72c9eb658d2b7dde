"""Does the hook end a stage at the write that it was told, and nowhere else?"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from faults import HOOK, end, started, wait_for_end

STAGE = """
import sys, time
for number in range(4):
    open(f"{number}.txt", "w").write("x")
    open(f"{number}.txt").read()
time.sleep(float(sys.argv[-1]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__main__.py").write_text(STAGE)
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(HOOK)
    return tmp_path


def ended(folder: Path, *words: str, end: str = "none 0 0 0 stage") -> int:
    hook = {"PYTHONPATH": str(folder / "hook"), "WRITES": str(folder / "writes.txt"), "END": end}
    command = [sys.executable, "-m", "pipeline", *words]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **hook}, check=False, start_new_session=True
    ).returncode


def files(folder: Path) -> int:
    return len(list(folder.glob("[0-9].txt")))


def test_writes_are_counted_and_reads_are_not(folder: Path) -> None:
    assert ended(folder, "train", "0") == 0
    assert (folder / "writes.txt").read_text() == "train-0\n" * 4


@pytest.mark.parametrize("whom", ["stage", "group"])
@pytest.mark.parametrize("number", [1, 3])
def test_the_signal_comes_before_the_write(folder: Path, number: int, whom: str) -> None:
    assert ended(folder, "train", "0", end=f"train-0 {number} 0 {signal.SIGKILL:d} {whom}") == -signal.SIGKILL
    assert files(folder) == number - 1


def test_the_signal_may_come_later(folder: Path) -> None:
    assert ended(folder, "train", "20", end=f"train-20 2 0.1 {signal.SIGTERM:d} stage") == -signal.SIGTERM
    assert files(folder) == 4


def test_another_stage_is_left_alone(folder: Path) -> None:
    assert ended(folder, "train", "0", end=f"search-0 1 0 {signal.SIGKILL:d} group") == 0


def test_a_whole_group_is_ended_from_outside(tmp_path: Path) -> None:
    process = started(tmp_path, ["sh", "-c", "sleep 50 & sleep 50"])
    assert end(process, signal.SIGTERM) == -signal.SIGTERM
    wait_for_end(process.pid)
