from dataclasses import replace

import numpy as np
import pytest
from metric_oracles import sample

from pipeline.core import fingerprint
from pipeline.core.fingerprint import code_digest, import_closure, module_file
from pipeline.evaluation import registry, score
from pipeline.evaluation.members import directions
from pipeline.evaluation.registry import METRICS, Metric
from pipeline.evaluation.scopes import ROWS
from pipeline.metrics.calibration_error import resampling_uniforms
from pipeline.metrics.ks_error import ks_calibration_error

TRAINED = ("training.fit", "search.optimize")


def scored(**more):
    rng = np.random.default_rng(27)
    labels, logits = {}, {}
    for split in ("train", "validation", "test"):
        q, _, labels[split] = sample(rng, (2, 60), 3)
        logits[split] = np.log(q).astype(np.float32)
    uniforms = resampling_uniforms(rng, resamples=9, rows=60)
    groups = np.tile(np.arange(60) % 4, (2, 1))
    return score.score_members(logits, labels, None, uniforms=uniforms, groups=groups, **more)


def test_names_are_unique_and_described():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.description and metric.direction in {"lower", "higher", "none"} for metric in METRICS)


def test_ks_error_is_registered_for_any_rows_and_left_out_where_time_is_dear():
    (ks,) = (metric for metric in METRICS if metric.name == "ks")
    assert (ks.direction, ks.scope, ks.compute, ks.costly) == ("lower", ROWS, ks_calibration_error, True)


@pytest.mark.parametrize("costly", [True, False])
def test_one_row_is_enough_for_a_new_metric(costly, monkeypatch):
    before = scored(costly=costly)
    half = Metric("half", "higher", "a half", ROWS, lambda p: np.full(p.labels.shape[:-1], 0.5), gap=True)
    monkeypatch.setattr(registry, "METRICS", (*METRICS, replace(half, costly=costly)))
    monkeypatch.setattr("pipeline.evaluation.members.METRICS", registry.METRICS)
    after = scored(costly=costly)
    stages = [f"{split}{suffix}/half" for split in ("train", "validation", "test") for suffix in ("", "_calibrated")]
    assert after.scores.keys() - before.scores.keys() == {*stages, "gap/half", "gap_calibrated/half"}
    assert after.groups.keys() - before.groups.keys() == {"test/half", "test_calibrated/half"}
    assert all(np.array_equal(after.scores[name], values) for name, values in before.scores.items())
    assert directions(["test/half", "gap_calibrated/half", "train/half"]) == {
        "test/half": "higher",
        "gap_calibrated/half": "higher",
    }


def test_directions_are_of_what_is_compared():
    names = [
        "test/nll",
        "test_calibrated/accuracy",
        "gap/ece",
        "gap_calibrated/ece",
        "validation/nll",
        "test/bias",
        "calibrator/slope",
    ]
    expected = {
        "test/nll": "lower",
        "test_calibrated/accuracy": "higher",
        "gap/ece": "lower",
        "gap_calibrated/ece": "lower",
    }
    assert directions(names) == expected


CALIBRATION = {"calibration.calibrator", "calibration.platt", "calibration.temperature"}


def test_training_needs_no_metric():
    """What a member depends on: softmax, checks and the top label, for calibration in early stopping."""
    assert floor(import_closure("training.fit")) == {"metrics.probabilities", *CALIBRATION}


def test_search_needs_its_objective_alone():
    assert floor(import_closure("search.optimize")) == {
        *("metrics.probabilities", "metrics.ranking", "metrics.predictions", "metrics.proper_scores"),
        *CALIBRATION,
    }


def floor(modules):
    return {name for name in modules if name.split(".")[0] in {"metrics", "calibration", "evaluation"}}


@pytest.fixture
def code_caches():
    """Forget what code was read, before and after."""
    caches = [value for value in vars(fingerprint).values() if hasattr(value, "cache_clear")]
    for cache in caches:
        cache.cache_clear()
    yield caches
    for cache in caches:
        cache.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("edited", ["evaluation.registry", "metrics.ks_error"])
def test_a_new_metric_retrains_nothing(edited, code_caches, monkeypatch, tmp_path):
    before = {module: code_digest(module) for module in (*TRAINED, "evaluation.members")}
    copy = tmp_path / "edited.py"
    copy.write_text(module_file(edited).read_text(encoding="utf-8") + "\nNEW = 1\n", encoding="utf-8")
    monkeypatch.setattr(fingerprint, "module_file", lambda name: copy if name == edited else module_file(name))
    for cache in code_caches:
        cache.cache_clear()
    assert all(code_digest(module) == before[module] for module in TRAINED)
    assert code_digest("evaluation.members") != before["evaluation.members"]
