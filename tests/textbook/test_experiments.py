"""Scores of an experiment's cells: what their names say, the same in any company, and nothing is done twice."""

import shutil

import numpy as np
import pytest
from oracles import point

from pipeline.calibration.label_smoothing import smoothing_error
from pipeline.config.claims import Cell, Experiment
from pipeline.core import fingerprint, memo
from pipeline.core.paths import MEMO
from pipeline.data.dataset import test_posterior as posterior_of
from pipeline.data.splits import split_resampled
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.metrics.probabilities import log_softmax
from pipeline.results.textbook import AuditRow, EstimatorRow
from pipeline.textbook import cell_training, experiments
from pipeline.textbook.cell_data import cell_data
from pipeline.textbook.cell_training import SeedSplits, train, training_of
from pipeline.textbook.experiments import ExperimentResult
from pipeline.training.fit import fit, fit_stack
from pipeline.training.member import Member

SEEDS = 3
TASK = MixtureTask(seed=1, classes=3, components=1, features=4, separation=2.0, label_noise=0.1)
CHANGES = ({}, {"dropout": 0.5}, {"label_smoothing": 0.2, "rows": 20}, {"label_noise": 0.4})


pytestmark = pytest.mark.slow  # every one trains an experiment


@pytest.fixture(autouse=True)
def _empty_memo(tmp_path, monkeypatch):
    """Every test begins with a memo of its own, below the working directory."""
    monkeypatch.chdir(tmp_path)


def run(experiment: Experiment, dataset, *, jobs: int = 1, **options) -> ExperimentResult:
    return experiments.run(experiment, SeedSplits(dataset, SEEDS), name="task", jobs=jobs, **options)


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
def found(dataset, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("memo"))
        return run(experiment(), dataset, jobs=2).arrays


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
    again = run(experiment(), dataset).arrays
    assert again.keys() == found.keys()
    assert all(np.array_equal(again[name], found[name], equal_nan=True) for name in found)
    some = experiment()
    some = some.model_copy(update={"cells": {name: some.cells[name] for name in ("cell 3", "cell 1")}})
    fewer = run(some, dataset).arrays
    shared = fewer.keys() - {"epoch"}
    assert len(shared) > 50
    assert all(np.array_equal(fewer[name], found[name][[3, 1]], equal_nan=True) for name in shared)


def test_conditions_are_there_where_they_belong(found):
    def there(name):
        return np.isfinite(found[f"score/{name}"]).all(1).tolist()

    assert there("test~0.5/nll") == there("test~0.5_calibrated/nll") == [True] * 4
    for condition in ("sampled", "geometric", "masked"):
        assert there(f"{condition}/nll") == [False, True, False, False]
    for condition in ("scaled", "ablated", "damage"):
        assert there(f"{condition}/nll") == [True] * 4
    assert there("desmoothed/brier") == [False, False, True, False]
    assert found["score/test~0.5/nll"].mean() > found["score/test/nll"].mean()
    assert not any(name.endswith(("ece_p", "desmoothed/nll", "desmoothed_calibrated/brier")) for name in found)
    masked, whole = found["score/sampled/nll"][1], found["score/scaled/nll"][1]
    assert (masked != whole).all()
    np.testing.assert_array_equal(whole, found["score/test/nll"][1])  # fewer test rows than are sampled
    damage = found["score/ablated/accuracy"] - found["score/scaled/accuracy"]
    np.testing.assert_array_equal(found["score/damage/accuracy"], damage)
    assert (found["score/masked/nll"][1] != found["score/geometric/nll"][1]).all()  # one mask, not the mean of four


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
    return run(experiment(**changes), small).arrays.keys()


def test_seeds_that_resplit_rows_have_groups_and_no_posterior(dataset):
    splits = split_resampled(
        dataset.pool.labels[:200], classes=dataset.pool.classes, seeds=SEEDS, train=40, validation=30, name="task"
    )
    pool = type(dataset.pool)(
        dataset.pool.features[:200], dataset.pool.labels[:200], dataset.pool.classes, dataset.pool.feature_names
    )
    arrays = run(experiment(), type(dataset)(pool, splits)).arrays
    assert arrays["group/test/nll"].shape[:2] == (4, SEEDS)
    assert arrays["group/test~0.5/nll"].shape == arrays["group/test/nll"].shape
    assert not any(name.startswith(("score/bias", "score/variance", "score/test/excess")) for name in arrays)


def test_an_audit_is_of_each_cell_and_of_the_test_rows(dataset, monkeypatch):
    seen = []
    numbers = {"rows": 1, "networks": 3, "truth": 0.1, "mean": 0.1, "bias": 0.1, "sd": 0.3, "interval": ""}
    row = EstimatorRow(
        part="study", estimator="ece", coverage=None, coverage_low=None, coverage_high=None, within=None, **numbers
    )

    def audit(logits, posterior, **options):
        seen.append((logits.shape, posterior.shape, options))
        return [row]

    monkeypatch.setattr(experiments, "audit", audit)
    for _ in range(2):  # the second time from the memo
        rows = run(experiment(audit=True), dataset).audit
        assert rows == tuple(AuditRow(dataset="task", cell=f"cell {number}", **row.model_dump()) for number in range(4))
    assert seen == [((SEEDS, 300, 3), (300, 3), {"seed": 0, "jobs": 1})] * 4


@pytest.fixture
def fits(monkeypatch):
    """The points of every group that is really fitted."""
    points = []

    def counted(groups, *arguments, **options):
        points.extend(group[0].point for group in groups)
        return fit(groups, *arguments, **options)

    monkeypatch.setattr(cell_training, "fit", counted)
    return points


def test_progress_is_told_in_member_epochs(dataset, fits):
    splits = SeedSplits(dataset, SEEDS)
    some = experiment(history=False, input_noise=[], samples=0)
    trainings = [training_of(each, some) for each in list(some.cells.values())[:2]]
    for number in (2, 2):  # fitted, then recalled
        told = []
        train(trainings, splits, trainings[0].data(splits), jobs=1, tick=told.append)
        assert sum(told) == number * 4 * SEEDS
    assert len(fits) == 2


def same(a: ExperimentResult, b: ExperimentResult) -> bool:
    return a.arrays.keys() == b.arrays.keys() and all(
        np.array_equal(a.arrays[name], b.arrays[name], equal_nan=True) for name in a.arrays
    )


def test_what_the_memo_holds_is_not_done_again(dataset, fits):
    first, again = run(experiment(), dataset), run(experiment(), dataset)
    assert (first.scored, again.scored, len(fits)) == (4, 0, 4)
    assert same(first, again)


def test_cells_that_experiments_share_are_trained_once(dataset, fits):
    plain = experiment(history=False, samples=0)
    rich = experiment(weights=True)
    rich = rich.model_copy(update={"cells": {name: rich.cells[name] for name in ("cell 0", "cell 1")}})
    alone = run(rich, dataset)
    shutil.rmtree(MEMO)
    fits.clear()
    run(plain, dataset, siblings=[plain, rich])
    beside = run(rich, dataset, siblings=[plain, rich])
    assert len(fits) == 4
    assert beside.scored == 2
    assert same(alone, beside)


def test_an_interrupted_experiment_goes_on(dataset, fits, monkeypatch):
    score = experiments.prediction_scores
    whole = run(experiment(), dataset)
    shutil.rmtree(MEMO)
    fits.clear()
    monkeypatch.setattr(experiments, "TOGETHER", 1)
    calls = []

    def interrupted(predictions):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(predictions)

    monkeypatch.setattr(experiments, "prediction_scores", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(experiment(), dataset)
    assert len(fits) == 3
    monkeypatch.setattr(experiments, "prediction_scores", score)
    rest = run(experiment(), dataset)
    assert (rest.scored, len(fits)) == (2, 4)
    assert same(rest, whole)


def test_a_damaged_entry_is_made_again(dataset, fits):
    first = run(experiment(), dataset)
    for path in MEMO.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert same(run(experiment(), dataset), first)
    assert len(fits) == 8
    assert memo.recall("0" * 64) is None


def test_a_fingerprint_is_of_what_counts(dataset):
    splits = SeedSplits(dataset, SEEDS)
    base = training_of(cell(), experiment())
    others = [training_of(cell(**change), experiment()) for change in ({"dropout": 0.1}, {"rows": 9})]
    others += [training_of(cell(), experiment(**change)) for change in ({"history": False}, {"input_noise": [1.0]})]
    larger = make_mixture(TASK, seeds=SEEDS, train=41, validation=30, test=300, name="task")
    prints = [each.fingerprint(splits) for each in (base, *others)]
    prints += [base.fingerprint(SeedSplits(larger, SEEDS)), base.fingerprint(SeedSplits(dataset, SEEDS - 1))]
    assert len(set(prints)) == len(prints)
    renamed = make_mixture(TASK, seeds=SEEDS, train=40, validation=30, test=300, name="other")
    assert base.fingerprint(SeedSplits(renamed, SEEDS)) == base.fingerprint(splits)


@pytest.mark.slow
def test_a_docstring_changes_no_fingerprint_and_a_new_metric_none_of_training(tmp_path, monkeypatch):
    code = (*cell_training.TRAINING_CODE, "textbook.cell_metrics")
    shutil.copytree(fingerprint.PACKAGE, tmp_path / "pipeline")
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path / "pipeline")

    def digests():
        for each in (fingerprint.code_digest, fingerprint.import_closure, fingerprint._tree, fingerprint._syntax):
            each.cache_clear()
        return [fingerprint.code_digest(module) for module in code]

    try:
        before = digests()
        file = tmp_path / "pipeline/textbook/cell_metrics.py"
        file.write_text(file.read_text().replace('"""Metrics of a cell', '"""Edited'))
        assert digests() == before
        file.write_text(file.read_text() + "\nNEW = 1\n")
        assert [new == old for new, old in zip(digests(), before, strict=True)] == [True, True, False]
    finally:
        monkeypatch.undo()
        digests()
