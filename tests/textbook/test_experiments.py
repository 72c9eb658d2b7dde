"""Do the cells of an experiment measure what their names say, and the same whatever works beside them?"""

import numpy as np
import pytest
from oracles import point

from pipeline.calibration.label_smoothing import smoothing_error
from pipeline.config.textbook import Cell, Experiment
from pipeline.data.dataset import test_posterior as posterior_of
from pipeline.data.splits import split_resampled
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.metrics.predictions import log_softmax
from pipeline.textbook import experiments
from pipeline.textbook.cell_data import cell_data
from pipeline.textbook.experiments import epochs_of, run
from pipeline.training.fit import fit_stack
from pipeline.training.member import Member

SEEDS = 3
TASK = MixtureTask(seed=1, classes=3, components=1, features=4, separation=2.0, label_noise=0.1)
CHANGES = ({}, {"dropout": 0.5}, {"label_smoothing": 0.2, "rows": 20}, {"label_noise": 0.4})


@pytest.fixture(scope="module")
def dataset():
    return make_mixture(TASK, seeds=SEEDS, train=40, validation=30, test=300, name="task")


def cell(**changes):
    return Cell.model_validate({**point().model_dump(), **changes})


def experiment(**changes):
    cells = {f"cell {number}": cell(**own) for number, own in enumerate(CHANGES)}
    return Experiment(
        datasets=("task",), grid=cells, **{"input_noise": [0.5], "samples": 4, "history": True, **changes}
    )


@pytest.fixture(scope="module")
def found(dataset):
    return run(experiment(), dataset, seeds=SEEDS, jobs=2)[0]


def test_scores_are_those_of_the_members_trained_alone(dataset, found):
    for place, changes in enumerate(CHANGES):
        for seed in range(SEEDS):
            data = cell_data(dataset, cell(**changes), seed)
            alone = fit_stack([Member(cell(**changes).point, seed)], {seed: data})
            for split in ("train", "test"):
                logs = log_softmax(alone.logits[split][0])
                nll = -logs[np.arange(len(logs)), data.labels[split]].mean()
                assert found[f"score/{split}/nll"][place, seed] == pytest.approx(nll, rel=1e-12)


def test_workers_and_neighbours_change_no_bit(dataset, found):
    again, _ = run(experiment(), dataset, seeds=SEEDS, jobs=1)
    assert again.keys() == found.keys()
    assert all(np.array_equal(again[name], found[name], equal_nan=True) for name in found)
    some = experiment()
    some = some.model_copy(update={"cells": {name: some.cells[name] for name in ("cell 3", "cell 1")}})
    fewer, _ = run(some, dataset, seeds=SEEDS, jobs=1)
    shared = fewer.keys() - {"epoch"}
    assert len(shared) > 50
    assert all(np.array_equal(fewer[name], found[name][[3, 1]], equal_nan=True) for name in shared)


def test_conditions_are_there_where_they_belong(found):
    def there(name):
        return np.isfinite(found[f"score/{name}"]).all(1).tolist()

    assert there("test~0.5/nll") == there("test~0.5_ts/nll") == [True] * 4
    assert there("sampled/nll") == [False, True, False, False]
    assert there("desmoothed/brier") == [False, False, True, False]
    assert found["score/test~0.5/nll"].mean() > found["score/test/nll"].mean()
    assert not any(name.endswith(("ece_p", "desmoothed/nll", "desmoothed_ts/brier")) for name in found)
    masked, whole = found["score/sampled/nll"][1], found["score/scaled/nll"][1]
    assert (masked != whole).all()
    np.testing.assert_array_equal(whole, found["score/test/nll"][1])  # fewer test rows than are sampled


def test_bias_and_variance_add_up_to_the_risk(dataset, found):
    """Of Brier exactly: the mean over seeds of the excess is bias + variance, whatever the correction moves."""
    excess = found["score/test/excess_brier"].mean(1)
    parts = (found["score/bias/brier"] + found["score/variance/brier"]).mean(1)
    np.testing.assert_allclose(parts, excess, rtol=1e-10)
    kl = (found["score/bias/nll"] + found["score/variance/nll"]).mean(1)
    np.testing.assert_allclose(kl, found["score/test/excess_kl"].mean(1), rtol=1e-10)


def test_the_theory_of_smoothing_is_that_of_the_test_rows(dataset, found):
    posterior = posterior_of(dataset, [0])[0]
    expected = [smoothing_error(posterior, own.get("label_smoothing", 0.0)) for own in CHANGES]
    np.testing.assert_allclose(found["score/theory/smoothing_error"], np.tile(expected, (SEEDS, 1)).T)
    assert expected[0] == 0 < expected[2]


def test_histories_are_by_cell_seed_and_epoch(found):
    assert found["history/train/nll"].shape == (4, SEEDS, len(found["epoch"]))
    assert found["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert "history/train/nll" not in run_names(history=False)


def run_names(**changes):
    small = make_mixture(TASK, seeds=SEEDS, train=20, validation=20, test=40, name="task")
    return run(experiment(**changes), small, seeds=SEEDS, jobs=1)[0].keys()


def test_seeds_that_resplit_rows_have_groups_and_no_posterior(dataset):
    splits = split_resampled(
        dataset.pool.labels[:200], classes=dataset.pool.classes, seeds=SEEDS, train=40, validation=30, name="task"
    )
    pool = type(dataset.pool)(
        dataset.pool.features[:200], dataset.pool.labels[:200], dataset.pool.classes, dataset.pool.feature_names
    )
    arrays, _ = run(experiment(), type(dataset)(pool, splits), seeds=SEEDS, jobs=1)
    assert arrays["group/test/nll"].shape[:2] == (4, SEEDS)
    assert arrays["group/test~0.5/nll"].shape == arrays["group/test/nll"].shape
    assert not any(name.startswith(("score/bias", "score/variance", "score/test/excess")) for name in arrays)


def test_an_audit_is_of_each_cell_and_of_the_test_rows(dataset, monkeypatch):
    seen = []

    def audit(logits, posterior, **options):
        seen.append((logits.shape, posterior.shape, options))
        return [{"rows": 1}]

    monkeypatch.setattr(experiments, "audit", audit)
    _, rows = run(experiment(audit=True), dataset, seeds=SEEDS, jobs=1)
    assert rows == [{"cell": f"cell {number}", "rows": 1} for number in range(4)]
    assert seen == [((SEEDS, 300, 3), (300, 3), {"seed": 0, "jobs": 1})] * 4


def test_progress_is_told_in_member_epochs(dataset):
    told = []
    run(experiment(history=False, input_noise=[], samples=0), dataset, seeds=SEEDS, jobs=1, tick=told.append)
    assert sum(told) == epochs_of(experiment(), seeds=SEEDS) == 4 * 4 * SEEDS
