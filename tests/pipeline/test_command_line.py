"""Help, explanations, and the committed study."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import (
    ROOT,
    environment,
    stage,
)

from pipeline.__main__ import main
from pipeline.metrics.names import STAGES, MetricName
from pipeline.results.study_files import read_study
from pipeline.stages.arguments import COMMANDS


class TestCommandLine:
    def test_help_lists_every_stage(self) -> None:
        shown = stage(ROOT, "--help").stdout
        assert all(f"    {name}" in shown for name in COMMANDS)
        assert "--backend" in stage(ROOT, "train", "--help").stdout

    def test_every_parameter_is_explained(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["params"]) == 0
        explained = capsys.readouterr().out
        for key in (
            "dropout",
            "label_smoothing",
            "batch_size",
            "separation",
            "seeds",
            "hidden",
            "trials",
            "startup",
            "grid",
            "least",
        ):
            assert f"\n  {key}" in explained

    def test_a_reader_who_closes_the_pipe_ends_it_in_silence(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = explain_into(writing)
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (141, "")

    def test_a_full_disk_is_told_of(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = explain_into(full.fileno())
        assert done.returncode == 2
        assert done.stderr == "error: output: No space left on device; nothing was overwritten\n"

    def test_a_pool_that_is_cut_off_is_cleaned_up_in_silence(self) -> None:
        script = """
import os
from joblib.externals.loky.backend import get_context
from pipeline.__main__ import _heed_endings
_heed_endings()
lock = get_context("loky").Lock()
os._exit(7)
"""
        done = subprocess.run(
            (sys.executable, "-c", script), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (7, "")


def explain_into(output: int) -> subprocess.CompletedProcess:
    """Run a command that prints much, into an open file."""
    command = (sys.executable, "-m", "pipeline", "params")
    return subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.PIPE, text=True, check=False
    )


class TestOutsideOfTheEnvironment:
    """One line instead of a traceback, as where somebody's own DVC runs the stages."""

    @pytest.mark.parametrize("words", [("show",), ("score", "nosuch.csv", "--target", "y")])
    def test_python_without_the_packages(self, words: tuple[str, ...]) -> None:
        done = subprocess.run(
            (sys.executable, "-S", "-m", "pipeline", *words), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert re.fullmatch(r"error: \w+ is not installed for \S+python\S*; `make setup`, then `.*`\n", done.stderr)

    def test_python_that_is_too_old(self) -> None:
        code = "import runpy, sys; sys.version_info = (3, 9, 18); runpy._run_module_as_main('pipeline')"
        done = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert re.fullmatch(r".*Python 3\.11 or newer is needed; `make setup`.*; this is 3\.9\)\n", done.stderr)


@pytest.mark.parametrize("dataset", ["mixture", "digits"])
def test_the_committed_study_passes_its_a_a_check(
    dataset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    results = read_study(ROOT / f"reports/{dataset}/results.json")
    (a_a,) = (point for point in results.points if point.a_a)
    compared = a_a.against_reference
    assert [compared[MetricName("test", stage, "nll")].verdict for stage in STAGES] == ["no evidence"] * 2
    # Metrics go together, so that false alarms come in swarms: they are told, and how often they come is simulated
    # (test_comparison.test_a_a_false_alarms_are_nominal).
    alarms = sum(entry.verdict != "no evidence" for entry in compared.values())
    assert main(["show", dataset, "--notes"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"{alarms} of {len(compared)} metrics compared raise a false alarm" in told
    assert results.protocol.seeds == 30
    assert len(results.points) * 30 * 2 >= 1000
