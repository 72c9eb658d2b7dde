"""Kills and Ctrl-C at writes of stages in `make repro`; `make campaign` does it to all stages, again and again."""

import re
import signal
from pathlib import Path

import pytest
from faults import HOOK, make, started, wait_for_end
from project import STUDY, make_project, outputs, run

ENDS = (  # stage, the number of its write, the signal to all processes
    ("train-wine", 4, signal.SIGKILL),
    ("search-wine", 6, signal.SIGINT),
    ("champion-wine", 3, signal.SIGKILL),
)


@pytest.mark.slow
def test_interrupted_while_stages_write_it_completes_with_the_same_hashes(finished: Path, tmp_path: Path) -> None:
    folder = make_project(tmp_path, {**STUDY, "study": {**STUDY["study"], "datasets": ["wine"], "seeds": 3}})
    (folder / "hook").mkdir()
    (folder / "hook/sitecustomize.py").write_text(HOOK)
    for stage, write, kind in ENDS:
        hook = {"WRITES": str(folder / "writes.txt"), "PYTHONPATH": str(folder / "hook")}
        process = started(folder, make(), END=f"{stage} {write} 0 {kind:d} group", **hook)
        process.communicate(timeout=300)
        wait_for_end(process.pid)
        assert process.returncode != 0, stage
    run(folder, *make())
    again, wanted = ({p: md5 for p, md5 in outputs(of).items() if "wine" in p} for of in (folder, finished))
    assert again == wanted
    assert len(wanted) > 12


@pytest.mark.slow
def test_a_lock_that_was_cut_off_costs_no_training(project: Path) -> None:
    """One cut: tests of `unlock` make them all."""
    path, before = project / "dvc.lock", outputs(project)
    text = path.read_text()
    path.write_text(text[: text.index("\n  train@wine:\n") + 1] + "  train@wine:\n    cmd: x\n    outs:\n    - pa")
    done = run(project, *make())
    assert not re.search(r" [1-9]\d* networks trained", done.stdout)
    assert outputs(project) == before
