"""Tuning of learning rates on the tuning seeds, in a folder with a small data set."""

import json
from dataclasses import replace

import numpy as np
import pytest
from project import STUDY, write_params

from pipeline.calibration.calibrator import refinement_loss
from pipeline.config.params import load_params
from pipeline.core.paths import PARAMS
from pipeline.data.seed_data import seed_data
from pipeline.stages.generate import generate
from pipeline.stages.stored_dataset import load_data
from pipeline.stages.tuning import chosen, tune
from pipeline.training.fit import fit_stack
from pipeline.training.member import Member

RATES = [0.001, 0.1]


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = {**STUDY, "train": {**STUDY["train"], "learning_rate": RATES}}
    study["search"] = {**STUDY["search"], "objectives": ["refinement"]}
    write_params(tmp_path, study)
    generate("wine")
    return load_params(PARAMS)


def tuned(params, variant):
    return tune(dict(params.variants[variant].pairs), "wine", params, jobs=1)


@pytest.mark.slow
def test_values_are_those_of_members_trained_alone(params):
    """An oracle: every network by itself, on validation rows of seeds that neither the study nor its A/A check has."""
    pooled = load_data("wine")
    assert params.tuning_seeds == range(6, 8)
    for label, tuning in tuned(params, "dropout").items():
        candidates = dict(params.variants["dropout"].pairs)[label]
        assert [trial.learning_rate for trial in tuning.trials] == RATES
        for point, trial in zip(candidates, tuning.trials, strict=True):
            for seed, value in zip(params.tuning_seeds, trial.values, strict=True):
                data = seed_data(pooled, seed)
                alone = fit_stack([Member(point, seed)], {seed: data}).logits["validation"]
                assert value == refinement_loss(alone, data.labels["validation"][None])[0]


def test_the_lowest_mean_is_chosen_and_the_a_a_check_takes_the_same(params):
    tuning = tuned(params, "none")
    plain, again = tuning["none"], tuning["none,replicate=1"]
    assert plain == again
    means = [np.mean(trial.values) for trial in plain.trials]
    for label, candidates in params.variants["none"].pairs:
        point = chosen(candidates, tuning[label])
        assert point.learning_rate == RATES[int(np.argmin(means))]
        assert point.replicate == ("replicate" in label)


def test_what_was_tried_before_is_recalled(params, monkeypatch):
    before = tuned(params, "none")
    monkeypatch.setattr("pipeline.stages.tuning._train", lambda *_, **__: pytest.fail("trained again"))
    assert tuned(params, "none") == before


def test_a_rate_at_which_a_seed_diverges_is_not_chosen(params):
    hot = dict(params.variants["none"].pairs)["none"][0].model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    cool = hot.model_copy(update={"learning_rate": 0.01})
    tuning = tune({"x": [hot, cool]}, "wine", params, jobs=1)["x"]
    assert None in tuning.trials[0].values
    assert tuning.best.learning_rate == cool.learning_rate
    assert json.loads(tuning.model_dump_json())["trials"][0]["values"][0] is None


def test_early_stopping_is_judged_on_rows_that_it_has_not_seen(params):
    pooled, (seed, *_) = load_data("wine"), params.tuning_seeds
    data = seed_data(pooled, seed)
    point = dict(params.variants["early_stopping"].pairs)["early_stopping=nll"][1]
    labels = data.labels["validation"].copy()
    found = fit_stack([Member(point, seed)], {seed: data}).logits["validation"]
    for start in (0, 1):  # the other rows choose the epoch of these, whatever their own labels are
        wrong = labels.copy()
        wrong[start::2] = (wrong[start::2] + 1) % data.classes
        other = replace(data, labels={**data.labels, "validation": wrong})
        alone = fit_stack([Member(point, seed)], {seed: other}).logits["validation"]
        assert np.array_equal(alone[:, start::2], found[:, start::2])
    value = refinement_loss(found, labels[None])[0]
    assert tuned(params, "early_stopping")["early_stopping=nll"].trials[1].values[0] == value
