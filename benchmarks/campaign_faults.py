"""What is done to the project: signals, two of everything at once, disks that are full or read-only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import started, wait_for_end

from benchmarks.campaign_project import LIMIT, Stage, Undisturbed, copied, forget, ran, repaired
from pipeline.reporting.text.reliability import Fault

LATER = (0.0, 0.05, 0.0, 0.4)  # seconds from a write to the signal, in turn
WHOM = ("group", "group", "stage")  # all processes, as a power cut; the stage alone, as the kernel where memory ends
SIGNALS = (("Ctrl-C", signal.SIGINT, 130), ("SIGTERM", signal.SIGTERM, 143))
ROOMS = (8, 128)  # KiB that are left on a disk that is nearly full


def tally(name: str, place: str, outcomes: list[str | None], remark: str = "") -> Fault:
    """Sum up what was wrong after each fault: '' where nothing was, None where the fault took no effect."""
    tried = [outcome for outcome in outcomes if outcome is not None]
    wrong = "; ".join(sorted({outcome for outcome in tried if outcome}))
    return Fault(name=name, place=place, tried=len(tried), survived=tried.count(""), remark=remark or wrong[:300])


def by_hand(stage: Stage) -> list[str]:
    return [sys.executable, "-m", "pipeline", *stage.words]


def kills(folder: Path, whole: Undisturbed, *, number: int) -> Iterator[Fault]:
    """Kill every stage so often, at writes spread evenly over all of its own, or shortly after, and run it again."""
    for stage in whole.stages:
        outcomes = [_killed(folder, whole, stage, turn, number) for turn in range(number)]
        yield tally("SIGKILL", stage.address, outcomes)


def _killed(folder: Path, whole: Undisturbed, stage: Stage, turn: int, turns: int) -> str | None:
    write = 1 + (2 * turn + 1) * whole.writes[stage.key] // (2 * turns)
    whom = WHOM[turn % len(WHOM)]
    for seconds in dict.fromkeys((LATER[turn % len(LATER)], 0.0)):  # at the write itself, where it had ended by then
        forget(folder)
        end = f"{stage.key} {write} {seconds} {signal.SIGKILL:d} {whom}"
        code, _ = ran(folder, ["dvc", "repro", "--force", "--single-item", stage.address], END=end)
        if code:
            return repaired(folder, stage, whole)
    return None


def signals(folder: Path, whole: Undisturbed) -> Iterator[Fault]:
    """Interrupt every stage in the middle of its writes: one line, the exit code that a shell expects, and no harm."""
    for name, kind, wanted in SIGNALS:
        outcomes = []
        for stage in whole.stages:
            forget(folder)
            end = f"{stage.key} {1 + whole.writes[stage.key] // 2} 0 {kind:d} stage"
            code, said = ran(folder, by_hand(stage), END=end)
            lines = [line for line in said.splitlines() if line.startswith("interrupted: ")]
            right = (code, len(lines)) == (wanted, 1) and "Traceback" not in said
            outcomes.append(repaired(folder, stage, whole) if right else f"{stage.key}: {code} {said[-150:]!r}")
        yield tally(name, "every stage", outcomes)


def twice(folder: Path, whole: Undisturbed) -> Iterator[Fault]:
    """Run two of every stage at once: both end well, or one says in a line why not."""
    outcomes = []
    for stage in whole.stages:
        forget(folder)
        pair = [started(folder, by_hand(stage)) for _ in range(2)]
        ends = [(process.communicate(timeout=LIMIT)[1], process.returncode) for process in pair]
        for process in pair:
            wait_for_end(process.pid)
        refused = [said for said, code in ends if code == 2 and said.count("error: ") == 1]
        right = sum(code == 0 for _, code in ends) + len(refused) == 2 and len(refused) < 2
        outcomes.append(repaired(folder, stage, whole) if right else f"{stage.key}: {ends}")
    yield tally("two at once", "every stage", outcomes)
    forget(folder)
    pair = [started(folder, ["dvc", "repro", "--force"]) for _ in range(2)]
    codes = [process.communicate(timeout=LIMIT) and process.returncode for process in pair]
    yield tally("two at once", "`dvc repro`", ["" if 0 in codes else f"exit codes {codes}"])


def disks(folder: Path, whole: Undisturbed) -> Iterator[Fault]:
    """Let the disk be full, or read-only: one line, exit code 2, and nothing is overwritten."""
    if not _mounted(folder, "size=1g"):
        for name in ("full disk", "read-only disk"):
            yield tally(name, "every stage", [], "only root may mount a file system")
        return
    try:
        copied(whole, folder)
        yield tally(
            "full disk", "every stage", [_full(folder, whole, stage, room) for stage in whole.stages for room in ROOMS]
        )
        yield tally("read-only disk", "every stage", [_read_only(folder, whole, stage) for stage in whole.stages])
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _full(folder: Path, whole: Undisturbed, stage: Stage, room: int) -> str | None:
    forget(folder)
    with _remounted(folder, f"size={_used(folder) + room}k"):
        code, said = ran(folder, by_hand(stage), WRITES="/dev/null")
    if code == 0:
        return None
    return repaired(folder, stage, whole) if _refused(code, said) else f"{stage.key}: {code} {said[-150:]!r}"


def _read_only(folder: Path, whole: Undisturbed, stage: Stage) -> str | None:
    with _remounted(folder, "ro"):
        code, said = ran(folder, by_hand(stage), WRITES="/dev/null")
    if code == 0:
        return None  # it had nothing to write
    return repaired(folder, stage, whole) if _refused(code, said) else f"{stage.key}: {code} {said[-150:]!r}"


def _refused(code: int, said: str) -> bool:
    return code == 2 and said.count("error: ") == 1 and "Traceback" not in said


def _used(folder: Path) -> int:
    """KiB of a file system that are taken."""
    told = os.statvfs(folder)
    return (told.f_blocks - told.f_bfree) * told.f_frsize // 1024


def _mounted(folder: Path, options: str) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0


@contextmanager
def _remounted(folder: Path, options: str) -> Iterator[None]:
    """A file system with other options for a while."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw,size=1g", str(folder)], check=True)
