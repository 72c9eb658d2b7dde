"""The model in MLflow: a run beside the points of the study."""

from __future__ import annotations

import json
from pathlib import Path

from champion_results import DIGITS

from pipeline.results.champion import ChampionResults
from pipeline.results.record import read_record
from pipeline.results.study_files import read_study
from pipeline.tracking.champion import key, record_of
from pipeline.tracking.links import cited
from pipeline.tracking.study import experiment

ROOT = Path(__file__).parents[2]
RESULTS = read_study(ROOT / "reports/digits/results.json")
RECORD = record_of(RESULTS, DIGITS, "md5 of a file")


def test_it_is_a_run_of_the_study() -> None:
    assert (RECORD.key, RECORD.experiment, RECORD.name) == (key("digits"), experiment("digits"), "champion")
    assert RECORD.parent is None
    assert cited(RECORD.description) == ["digits"]
    assert "`regularization-lab-digits`" in RECORD.description
    assert RECORD.tags.items() >= {"dvc.md5.model": "md5 of a file", "dvc.md5.data": RESULTS.dataset.md5}.items()


def test_shares_are_params() -> None:
    shares = {name.removeprefix("share/"): share for name, share in RECORD.params.items() if name != "folds"}
    assert shares == {part.name: part.share for part in DIGITS.parts if part.share}
    assert RECORD.params["folds"] == DIGITS.folds


def test_parts_of_the_default_study_have_names_that_mlflow_allows() -> None:
    made = read_record(ChampionResults, ROOT / "reports/digits/champion.json")
    chosen = [part for part in made.parts if part.share]
    assert any("=" in part.name for part in chosen)
    params = record_of(RESULTS, made, "md5 of a file").params
    assert params["share/noise encoding piecewise_linear"] > 0
    assert len(params) == 1 + len(chosen)


def test_numbers_are_metrics_with_intervals() -> None:
    values = {name: value for name, value, _ in RECORD.metrics}
    for name in ("nll", "brier", "accuracy"):
        mean = getattr(DIGITS.champion, name)
        found = [values[f"champion/{name}{end}"] for end in ("", "/low", "/high")]
        assert found == [mean.mean, mean.low, mean.high]
    assert (values["champion/held_out"], values["champion/cross_fitted"]) == (DIGITS.held_out, DIGITS.cross_fitted)
    assert len(values) == 11
    assert json.loads(RECORD.artifacts["champion.json"])["dataset"] == "digits"
