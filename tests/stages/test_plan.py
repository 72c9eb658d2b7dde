"""The command `plan`: what it says of a study's length, and what it writes where a time is given."""

import re
from pathlib import Path

import pytest
from project import STUDY, write_params

from pipeline.__main__ import main
from pipeline.config.params import load_params
from pipeline.core.paths import PARAMS
from pipeline.stages import study_length
from pipeline.stages.study_length import Speed


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = {**STUDY["study"], "seeds": 30}
    write_params(tmp_path, {**STUDY, "study": study})
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def told_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast networks train, without training any."""
    monkeypatch.setattr(study_length, "measured_speed", lambda *_: Speed(0.01, baselines=2.0, champion=0.001, rows=80))


def test_every_stage_has_its_networks_and_its_time(told_speed: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(PARAMS).read_bytes()
    assert main(["plan"]) == 0
    said = capsys.readouterr().out
    for pattern in (
        r"^\w+: [\d,]+ rows to train on, \d+ epochs of batches of \d+, 30 seeds$",
        r"^  train +[\d,]+ networks   \d+ seconds$",
        r"^  search +[\d,]+ networks   \d+ seconds$",
        r"^  baselines +[\d,]+ classifiers   60 seconds$",
        r"^  champion +[\d,]+ networks   ",
        r"^The study: about \d+ \w+ on \d+ cores, and [\d.]+ MB of disk\b",
    ):
        assert re.search(pattern, said, re.MULTILINE), pattern
    assert Path(PARAMS).read_bytes() == before


def test_what_fits_into_the_time_is_shown_and_written(told_speed: None, capsys: pytest.CaptureFixture[str]) -> None:
    whole = load_params(PARAMS)
    speed = study_length.measured_speed(whole, None)  # type: ignore[arg-type]  (it is told)
    budget = 0.7 * len(whole.study.datasets) * speed.study_seconds(whole)
    assert main(["plan", "--budget", f"{budget:.0f}s", "--dry-run"]) == 0
    assert load_params(PARAMS) == whole
    shown = re.search(r"^ +\+ +seeds: (\d+)", capsys.readouterr().out, re.MULTILINE)
    assert main(["plan", "--budget", f"{budget:.0f}s", "--yes"]) == 0
    smaller = load_params(PARAMS)
    assert shown is not None
    assert int(shown[1]) == smaller.study.seeds < whole.study.seeds
    assert len(whole.study.datasets) * speed.study_seconds(smaller) <= budget
    assert main(["plan", "--budget", f"{budget:.0f}s", "--yes"]) == 0
    assert load_params(PARAMS) == smaller
    assert "stays as it is" in capsys.readouterr().out


def test_a_study_that_cannot_be_made_smaller_has_no_hint(told_speed: None, capsys: pytest.CaptureFixture[str]) -> None:
    search = {**STUDY["search"], "trials": 1, "batch": 1, "seeds": 2}
    write_params(Path(), {**STUDY, "search": search, "study": {**STUDY["study"], "seeds": 3}})
    assert main(["plan"]) == 0
    assert "--budget" not in capsys.readouterr().out


def test_what_nothing_fits_into_is_refused(told_speed: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(PARAMS).read_bytes()
    assert main(["plan", "--budget", "1s", "--yes"]) == 2
    assert re.search(r"error: --budget: must be .* or more, which 6 seeds take", capsys.readouterr().err)
    assert Path(PARAMS).read_bytes() == before


def test_nobody_is_asked_where_there_is_no_terminal(told_speed: None, capsys: pytest.CaptureFixture[str]) -> None:
    whole = load_params(PARAMS)
    speed = study_length.measured_speed(whole, None)  # type: ignore[arg-type]  (it is told)
    budget = 0.7 * len(whole.study.datasets) * speed.study_seconds(whole)
    assert main(["plan", "--budget", f"{budget:.0f}s"]) == 2
    assert "no terminal to ask at" in capsys.readouterr().err
    assert load_params(PARAMS) == whole


@pytest.mark.slow
def test_the_length_is_measured_where_it_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 0
    assert "networks" in capsys.readouterr().out
