"""Baselines in MLflow: a run each, under one that lists them, in the study's experiment."""

import json
import math
from pathlib import Path

import numpy as np

from pipeline.results.baselines import BaselineResults
from pipeline.results.record import read_record
from pipeline.results.study_files import read_study
from pipeline.tracking.baselines import records_of
from pipeline.tracking.builder import HEADLINE, LOSS, NLL
from pipeline.tracking.links import cited
from pipeline.tracking.runs import RunRecord
from pipeline.tracking.study import experiment

ROOT = Path(__file__).parents[2]
RESULTS = read_study(ROOT / "reports/digits/results.json")
MADE = read_record(BaselineResults, ROOT / "reports/digits/baselines.json")


def records(made: BaselineResults = MADE) -> dict[str, RunRecord]:
    arrays = {f"score/{name}": np.zeros(made.seeds) for name in HEADLINE}
    return {
        record.key.rpartition("/")[2].replace("digits+baselines", "baselines"): record
        for record in records_of(RESULTS, made, [arrays] * len(made.baselines))
    }


def test_every_baseline_is_a_run_under_one_that_lists_them():
    made = records()
    assert list(made) == ["baselines", *(each.name for each in MADE.baselines)]
    assert {record.experiment for record in made.values()} == {experiment("digits")}
    keys = [f"digits+baselines/{each.name}" for each in MADE.baselines]
    assert cited(made["baselines"].description) == ["digits", *keys]
    assert [record.key for record in made.values()][1:] == keys
    assert {record.parent for record in made.values()} == {None, "digits+baselines"}


def test_settings_are_params_and_numbers_are_metrics():
    for each in MADE.baselines:
        record = records()[each.name]
        assert record.params["estimator"] == each.settings.estimator
        assert set(record.params) == set(type(each.settings).model_fields)
        assert record.tags.items() >= {"level": "baseline", "dvc.md5.members": each.md5}.items()
        values = {name: value for name, value, step in record.metrics if step == 0}
        assert len({name for name, _, _ in record.metrics}) == 15
        assert values["test_calibrated/nll"] == each.metrics[LOSS].mean
        for reference, compared in (("none", each.against_reference), ("answer", each.against_answer)):
            found = [values[f"against_{reference}/test_calibrated/nll{end}"] for end in ("", "/low", "/high")]
            assert found == [compared[LOSS].difference, compared[LOSS].low, compared[LOSS].high]
        assert json.loads(record.artifacts["results.json"])["name"] == each.name


def test_params_are_written_as_params_yaml_has_them():
    made = records()
    assert made["random_forest"].params["max_depth"] == "null"
    assert (made["mlp"].params["early_stopping"], made["mlp"].params["hidden_layer_sizes"]) == (0, "100")


def test_they_say_what_they_are_compared_with():
    description = records()["mlp"].description
    assert "[none](record:digits/none/none)" in description
    assert "Against the answer of the search, cocktail, NLL after calibration changes by" in description
    rows = tuple(each.model_copy(update={"against_answer": {}}) for each in MADE.baselines)
    alone = records(MADE.model_copy(update={"answer": None, "baselines": rows}))["mlp"]
    assert "cocktail" not in alone.description
    assert not any(name.startswith("against_answer") for name, _, _ in alone.metrics)


def test_what_diverged_says_so():
    lost = (
        MADE.baselines[0]
        .against_reference[LOSS]
        .model_copy(update={**dict.fromkeys(("difference", "low", "high")), "left_out": "1 of 30 seeds"})
    )
    first = MADE.baselines[0].model_copy(update={"against_reference": {NLL: lost, LOSS: lost}})
    made = records(MADE.model_copy(update={"baselines": (first, *MADE.baselines[1:])}))
    assert made[first.name].tags["verdict.after_calibration"] == "not compared"
    assert math.isnan({name: value for name, value, _ in made[first.name].metrics}["against_none/test_calibrated/nll"])


def test_no_baselines_are_no_runs():
    assert records(MADE.model_copy(update={"baselines": ()})) == {}
