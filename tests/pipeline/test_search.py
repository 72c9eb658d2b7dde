"""The stage `search`: killed at any moment, resumed, widened."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from project import (
    STUDY,
    environment,
    heed_interrupts,
    make_project,
    refuses,
    run,
    stage,
    write_params,
)

from pipeline.core.arrays import read_arrays
from pipeline.core.files import file_digest
from pipeline.search.storage import opened

TABLES = ("trials.csv", "best.json", "search.json")
TRIALS, ARMS = 5, 5
STORED = 6 * ARMS  # batches are whole


def found_by_search(folder: Path) -> dict[str, str]:
    """What `search@wine` has found: its tables and the scores of its contenders, by their digests."""
    tables = [folder / "results/wine" / name for name in TABLES]
    files = [*tables, *(folder / "champions/wine").rglob("*.safetensors")]
    assert len(files) == 3 + ARMS + 1 + 2 * ARMS  # one stack, of the two best single arms; one network and an average
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def trials_in(folder: Path) -> int:
    """How many trials the journal holds."""
    journal = folder / "studies/wine.journal"
    return journal.read_bytes().count(b'"state"') if journal.exists() else 0


def killed_when(folder: Path, ready: Callable[[], bool], *options: str) -> int:
    """Start `search wine` in a group of its own and kill the group as soon as something is there; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "search", "wine", *options], cwd=folder, env=environment(),
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.0005)
    return process.wait(60)


@pytest.fixture(scope="module")
def searched(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A project in which DVC has run one search, without an interruption. Tests that change it work on a copy."""

    def fill(folder: Path) -> None:
        run(make_project(folder), "dvc", "repro", "search@wine")

    return once("searched", fill)


@pytest.fixture
def again(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "again", symlinks=True))


@pytest.fixture
def searchable(searched: Path, tmp_path: Path) -> Path:
    """A project whose data are there, and that has searched nothing."""
    folder = tmp_path / "searchable"
    for name in ("pipeline", "data"):
        shutil.copytree(searched / name, folder / name)
    shutil.copy(searched / "params.yaml", folder)
    return folder


@pytest.mark.slow
class TestSearch:
    def test_says_what_it_found(self, searched: Path) -> None:
        table = json.loads((searched / "results/wine/search.json").read_text())
        assert list(table["search"]["arms"]) == ["both", "decay", "dropout", "none", "stopping"]  # keys are sorted
        value = {arm: table["arms"][arm]["value"] for arm in ("dropout", "decay", "stopping")}
        best = sorted(value, key=lambda arm: value[arm])[:2]
        *arms, stack = [row["key"] for row in table["results"]["points"]]
        assert arms == list(STUDY["search"]["arms"])
        assert stack == "+".join(arm for arm in arms if arm in best)
        averages = table["ensembles"]
        assert (averages["members"], averages["splits"]) == (2, 2)
        assert [row["arm"] for row in averages["arms"]] == arms
        trials = list(csv.DictReader((searched / "results/wine/trials.csv").read_text().splitlines()))
        assert [row["arm"] for row in trials] == [arm for arm in STUDY["search"]["arms"] for _ in range(TRIALS)]
        best = json.loads((searched / "results/wine/best.json").read_text())
        for arm, row in best.items():
            complete = [float(one["nll"]) for one in trials if one["arm"] == arm and one["state"] == "complete"]
            assert row["nll"] == min(complete)
            assert table["arms"][arm]["value"] == pytest.approx(row["nll"], rel=1e-5)
            pruned = sum(one["state"] == "pruned" for one in trials if one["arm"] == arm)
            assert table["arms"][arm]["network_epochs"] == 2 * (4 * (TRIALS - pruned) + 2 * pruned)
            (again,) = [one for one in table["results"]["points"] if one["key"] == arm]
            assert again["tuning"]["trials"][0]["values"] == pytest.approx([row["seed/0"], row["seed/1"]], rel=1e-5)

    def test_a_winner_is_trained_as_a_variant_with_its_strengths_is(self, again: Path) -> None:
        """Written under `variants`, the point that a search found gives the scores that it was chosen for."""
        best = json.loads((again / "results/wine/best.json").read_text())["both"]
        row = {name: best[name] for name in ("learning_rate", "dropout", "weight_decay")}
        write_params(again, {**STUDY, "variants": {"none": {}, "tuned": row}})
        for arguments in (("train", "wine"), ("evaluate", "wine")):
            done = stage(again, *arguments)
            assert done.returncode == 0, done.stderr
        (path,) = (again / "scores/wine/tuned").iterdir()
        mine, _ = read_arrays(path)
        theirs, _ = read_arrays(again / "champions/wine/tuned/both.safetensors")
        assert {"score/test/nll", "score/validation/nll", "epochs"} <= theirs.keys() <= mine.keys()
        assert all(np.array_equal(mine[name], theirs[name], equal_nan=True) for name in theirs)

    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_workers_make_no_difference(self, searched: Path, searchable: Path, jobs: str) -> None:
        done = stage(searchable, "search", "wine", "--jobs", jobs)
        assert done.returncode == 0, done.stderr
        assert found_by_search(searchable) == found_by_search(searched)
        assert trials_in(searchable) == STORED

    def test_killed_at_any_moment_it_finds_the_same(self, searched: Path, searchable: Path) -> None:
        cached, scored = searchable / ".cache/champions", searchable / "champions"
        moments: list[Callable[[], bool]] = [
            (searchable / "studies").exists,
            *(lambda least=least: trials_in(searchable) >= least for least in (1, 9, 20)),
            lambda: any(cached.rglob("*.safetensors")),
            lambda: any(scored.rglob("*.safetensors")),
            (searchable / "results/wine/search.json").exists,
        ]
        ended = [killed_when(searchable, ready) for ready in moments]
        assert ended.count(-signal.SIGKILL) >= len(moments) - 2  # the last ones are done within milliseconds
        assert trials_in(searchable) >= 20
        done = stage(searchable, "search", "wine")
        assert done.returncode == 0, done.stderr
        assert found_by_search(searchable) == found_by_search(searched)
        assert trials_in(searchable) == STORED

    def test_dvc_goes_on_from_a_kill(self, searched: Path, again: Path) -> None:
        for name in ("studies", "champions", ".cache", "results"):
            shutil.rmtree(again / name)
        assert killed_when(again, lambda: trials_in(again) >= 5) == -signal.SIGKILL
        done = run(again, "dvc", "repro", "search@wine", "--force", "--single-item")
        assert f"{ARMS + 1} trained" in done.stdout
        assert found_by_search(again) == found_by_search(searched)
        assert (again / "dvc.lock").read_text() == (searched / "dvc.lock").read_text()

    def test_again_trains_nothing(self, again: Path) -> None:
        before, journal = found_by_search(again), trials_in(again)
        done = stage(again, "search", "wine")
        assert f"(0 trained, {ARMS + 1} recalled)" in done.stdout
        assert (found_by_search(again), trials_in(again)) == (before, journal)

    def test_fresh_forgets_and_finds_the_same(self, again: Path) -> None:
        before = found_by_search(again)
        assert trials_in(again) == STORED
        assert stage(again, "search", "wine", "--fresh").returncode == 0
        assert trials_in(again) == 2 * STORED
        assert found_by_search(again) == before

    def test_fresh_forgets_the_arms_named_and_no_others(self, again: Path) -> None:
        before = found_by_search(again)
        assert stage(again, "search", "wine", "--fresh", "--arm", "dropout").returncode == 0
        assert trials_in(again) == STORED + STORED // ARMS
        assert stage(again, "search", "wine").returncode == 0
        assert (trials_in(again), found_by_search(again)) == (STORED + STORED // ARMS, before)

    def test_looking_around_writes_no_results_and_spoils_none(self, searched: Path, searchable: Path) -> None:
        files = {path for path in searchable.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        for options in (("--trials", "1"), ("--arm", "dropout"), ("--arm", "both", "--arm", "none", "--trials", "8")):
            done = stage(searchable, "search", "wine", *options)
            assert done.returncode == 0, done.stderr
            assert "Nothing was written" in done.stdout
            assert all(f"  {name} " in done.stdout for flag, name in pairwise(options) if flag == "--arm")
            left = {path for path in searchable.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
            assert {path.parent.name for path in left - files} == {"studies"}
        assert stage(searchable, "search", "wine").returncode == 0
        assert found_by_search(searchable) == found_by_search(searched)

    def test_a_database_makes_no_difference(self, searched: Path, searchable: Path) -> None:
        url = f"sqlite:///{searchable}/optuna.db"
        assert stage(searchable, "search", "wine", "--storage", url, "--trials", "2").returncode == 0
        assert stage(searchable, "search", "wine", OPTUNA_STORAGE=url).returncode == 0
        assert found_by_search(searchable) == found_by_search(searched)
        assert trials_in(searchable) == 0

    def test_other_settings_are_other_studies(self, searched: Path, again: Path) -> None:
        write_params(again, {**STUDY, "search": {**STUDY["search"], "seeds": 1}})
        assert stage(again, "search", "wine", "--trials", "2").returncode == 0
        assert trials_in(again) == STORED + 2 * ARMS
        write_params(again, STUDY)
        assert stage(again, "search", "wine").returncode == 0
        assert trials_in(again) == STORED + 2 * ARMS
        assert found_by_search(again) == found_by_search(searched)

    def test_more_arms_leave_those_that_are_there(self, again: Path) -> None:
        rows = (again / "results/wine/trials.csv").read_text().splitlines()
        arms = {**STUDY["search"]["arms"], "also": ["weight_decay", "dropout"]}
        write_params(again, {**STUDY, "search": {**STUDY["search"], "arms": arms, "trials": 6}})
        assert stage(again, "search", "wine").returncode == 0
        assert trials_in(again) == STORED + 6
        assert set(rows) < set((again / "results/wine/trials.csv").read_text().splitlines())

    def test_a_removed_arm_leaves_nothing_behind(self, again: Path) -> None:
        arms = {name: names for name, names in STUDY["search"]["arms"].items() if name in ("none", "dropout")}
        write_params(again, {**STUDY, "search": {**STUDY["search"], "arms": arms}})
        assert stage(again, "search", "wine").returncode == 0
        left = {path.stem for path in (again / "champions/wine").rglob("*") if path.is_file()}
        assert left == {"none", "dropout"}

    def test_what_makes_no_sense_is_one_line(self, searchable: Path) -> None:
        refuses(
            searchable,
            "--arm: must be one of none, dropout, decay, both, stopping, got 'nosuch'",
            "search",
            "wine",
            "--arm",
            "nosuch",
        )
        refuses(searchable, "must be a database URL", "search", "wine", "--storage", "nonsense")
        refuses(searchable, "datasets: must be one of mixture, wine, got 'nosuch'", "search", "nosuch")
        with opened(searchable / "studies/wine.journal"):
            refuses(searchable, "another search is running", "search", "wine")
        for trials in ("0", "x", "-1"):
            assert stage(searchable, "search", "wine", "--trials", trials).returncode == 2
        assert not (searchable / "results").exists()

    def test_an_arm_without_a_completed_trial_is_told(self, searchable: Path) -> None:
        space = {**STUDY["search"]["space"], "learning_rate": {"low": 1e28, "high": 1e30, "log": True}}
        wild = {
            **STUDY["search"],
            "arms": {"none": []},
            "portfolio": [],
            "space": {"learning_rate": space["learning_rate"]},
        }
        write_params(searchable, {**STUDY, "train": {**STUDY["train"], "optimizer": "sgd"}, "search": wild})
        refuses(searchable, "arm none must complete a trial", "search", "wine")
        assert not (searchable / "results").exists()
        assert "no trial of 2 was completed" in stage(searchable, "search", "wine", "--trials", "2").stdout

    def test_interrupted_it_says_so_in_one_line(self, searched: Path, searchable: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "search", "wine", "--trials", "5000", "--jobs", "2"], cwd=searchable,
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=heed_interrupts,  # noqa: PLW1509  (no threads run here)
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while trials_in(searchable) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (130, "")
        *before, line = stderr.splitlines()
        assert line.startswith("interrupted: ")
        assert [said.endswith(" to go") for said in before] in ([], [True])  # how long it would have taken
        assert stage(searchable, "search", "wine").returncode == 0
        assert found_by_search(searchable) == found_by_search(searched)
