"""Kills and Ctrl-C anywhere in `make repro`."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from project import (
    STUDY,
    environment,
    heed_interrupts,
    make_project,
    outputs,
    run,
)


def make(folder: Path) -> list[str]:
    """What `make repro` runs, in a shell."""
    return ["sh", "-c", "dvc repro || { python -m pipeline unlock 2> /dev/null && dvc repro; }"]


def interrupted_repro(folder: Path, seconds: float, kind: signal.Signals) -> int:
    """Start what `make repro` runs in a group of its own, and send the group a signal after some seconds."""
    process = subprocess.Popen(
        make(folder), cwd=folder, env=environment(), start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  (no threads run here)
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, kind)
        code = process.wait(60)
        wait_for_end(process.pid)
        return code


def wait_for_end(group: int) -> None:
    """Wait until every process of a group is gone: DVC takes one that nobody has reaped for one that still runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise TimeoutError(f"processes of group {group} still run")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_anywhere_it_completes_with_the_same_hashes(
    finished: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    folder = make_project(tmp_path, {**STUDY, "study": {**STUDY["study"], "datasets": ["wine"], "seeds": 3}})
    ended = [interrupted_repro(folder, seconds, kind) for seconds in (1.5, 3.3, 4.7, 6.1)]
    assert any(code != 0 for code in ended)
    run(folder, *make(folder))
    again, wanted = ({p: md5 for p, md5 in outputs(of).items() if "wine" in p} for of in (folder, finished))
    assert again == wanted
    assert len(wanted) > 12


@pytest.mark.slow
@pytest.mark.parametrize("end", ["      md5: 01", "    outs:\n    - pa", "  tra"])
def test_a_lock_that_was_cut_off_costs_no_training(project: Path, end: str) -> None:
    path, before = project / "dvc.lock", outputs(project)
    text = path.read_text()
    path.write_text(text[: text.index("\n  train@wine-none:\n") + 1] + "  train@wine-none:\n    cmd: x\n" + end)
    done = run(project, *make(project))
    assert not re.search(r" [1-9]\d* networks trained", done.stdout)
    assert outputs(project) == before
