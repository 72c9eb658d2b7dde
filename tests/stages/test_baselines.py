"""Baselines in a folder with a small data set: what their logits are, and what is fitted when."""

from pathlib import Path

import numpy as np
import pytest
from project import STUDY, write_params

from pipeline.config.params import load_params
from pipeline.core.arrays import read_arrays
from pipeline.core.paths import PARAMS, baseline_file
from pipeline.data.seed_data import seed_data
from pipeline.models.baselines import fit, logits_of, make
from pipeline.stages import baselines
from pipeline.stages.baselines import write_fits
from pipeline.stages.generate import generate
from pipeline.stages.stored_dataset import load_data

SEEDS = 3
ROWS = {
    "logistic_regression": {"estimator": "LogisticRegressionCV", "Cs": 3},
    "random_forest": {"estimator": "RandomForestClassifier", "n_estimators": 5},
    "boosted_trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 3, "early_stopping": True},
    "mlp": {"estimator": "MLPClassifier", "max_iter": 3},
}


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(Path(), {**STUDY, "baselines": ROWS})
    generate("wine")
    return load_params(PARAMS).baselines


def written(rows, *, jobs=1, folder="first"):
    files = {Path(".cache") / folder / f"{name}.safetensors": row for name, row in rows.items()}
    return write_fits(files, SEEDS, "wine", jobs=jobs), {path.stem: path.read_bytes() for path in files}


@pytest.mark.slow
def test_logits_are_those_of_classifiers_fitted_alone(rows):
    written(rows)
    data = [seed_data(load_data("wine"), seed) for seed in range(SEEDS)]
    for name, row in rows.items():
        arrays, about = read_arrays(Path(f".cache/first/{name}.safetensors"))
        assert about == {"baseline": row.model_dump(mode="json"), "seeds": list(range(SEEDS))}
        for seed, each in enumerate(data):
            alone = fit(make(row, seed), each.features["train"], each.labels["train"])
            for split, features in each.features.items():
                assert np.array_equal(arrays[f"logits/{split}"][seed], logits_of(alone, features, each.classes))


def test_a_classifier_is_fitted_once(rows):
    assert written(rows)[0] == len(ROWS)
    assert written(rows, folder="second") == (0, written(rows)[1])
    changed = {**rows, "mlp": rows["mlp"].model_copy(update={"max_iter": 4})}
    assert written(changed)[0] == 1


def test_an_interruption_loses_no_more_than_the_fits_in_flight(rows, monkeypatch):
    predict, calls = baselines._predict, []

    def interrupted(row, seed, data):
        calls.append(row)
        if len(calls) > 2 * SEEDS:
            raise KeyboardInterrupt
        return predict(row, seed, data)

    with monkeypatch.context() as patch:
        patch.setattr(baselines, "_predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            written(rows)
    assert written(rows)[0] == len(ROWS) - 2


def test_no_baselines_write_nothing(rows):
    assert written({}) == (0, {})
    assert baseline_file("wine", "mlp") == Path("baselines/wine/mlp.safetensors")


@pytest.mark.slow
def test_workers_make_no_difference(rows, monkeypatch):
    alone = written(rows)[1]
    for path in Path(".cache/memo").iterdir():
        path.unlink()
    assert written(rows, jobs=3, folder="second") == (len(ROWS), alone)
