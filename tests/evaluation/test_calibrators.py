"""Test NLL after calibrators that are fitted on validation rows."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.calibration.calibrator import calibrate, fit_calibrator
from pipeline.evaluation import calibrators
from pipeline.evaluation.calibrators import other_calibrators, score_calibrators
from pipeline.metrics.probabilities import log_softmax

ROWS = {"validation": 60, "test": 100}
SEEDS = [0, 1, 2]


@pytest.fixture
def labels(monkeypatch):
    """Labels of three seeds, and five groups of test rows, in the place of a stored data set's."""
    rng = np.random.default_rng(2)
    drawn = {split: rng.integers(0, 3, (3, rows)) for split, rows in ROWS.items()}
    monkeypatch.setattr(calibrators, "labels_of", lambda pooled, seeds: {k: v[seeds] for k, v in drawn.items()})
    groups = np.stack([rng.permutation(np.arange(100) % 5) for _ in SEEDS])
    monkeypatch.setattr(calibrators, "test_groups", lambda pooled, seeds: pooled.grouped and groups[seeds])
    return SimpleNamespace(drawn=drawn, groups=groups)


def logits_of(labels, *, classes=3):
    rng = np.random.default_rng(3)
    shifted = {split: 2.0 * np.eye(classes)[y] + rng.normal(size=(*y.shape, classes)) for split, y in labels.items()}
    return {f"logits/{split}": 2.0 * values.astype(np.float32) for split, values in shifted.items()}


def test_each_seed_is_calibrated_on_its_own_validation_rows(labels):
    arrays = logits_of(labels.drawn)
    scored = score_calibrators(arrays, SimpleNamespace(grouped=True), SEEDS)
    assert {name for name in scored if name.startswith("score/")} == {f"score/{name}" for name in other_calibrators(3)}
    for name, fit in other_calibrators(3).items():
        for seed in SEEDS:
            fitted = fit(arrays["logits/validation"][seed], labels.drawn["validation"][seed])
            losses = -log_softmax(fitted.calibrate(arrays["logits/test"][seed]))
            losses = losses[np.arange(100), labels.drawn["test"][seed]]
            assert scored[f"score/{name}"][seed] == pytest.approx(losses.mean(), abs=1e-12)
            expected = [losses[labels.groups[seed] == group].mean() for group in range(5)]
            assert scored[f"group/{name}"][seed] == pytest.approx(expected, abs=1e-12)


def test_a_member_alone_scores_the_same_bits(labels):
    arrays = logits_of(labels.drawn)
    together = score_calibrators(arrays, SimpleNamespace(grouped=True), SEEDS)
    alone = score_calibrators(
        {name: values[1:2] for name, values in arrays.items()}, SimpleNamespace(grouped=True), [1]
    )
    assert all(values.tobytes() == together[name][1:2].tobytes() for name, values in alone.items())


def test_a_diverged_member_scores_nan_and_spares_the_others(labels):
    arrays = logits_of(labels.drawn)
    arrays["logits/test"][1, 5] = np.inf
    for name, values in score_calibrators(arrays, SimpleNamespace(grouped=True), SEEDS).items():
        assert np.isnan(values).any(axis=tuple(range(1, values.ndim))).tolist() == [False, True, False], name


def test_too_few_test_rows_have_no_groups(labels):
    scored = score_calibrators(logits_of(labels.drawn), SimpleNamespace(grouped=None), SEEDS)
    assert not [name for name in scored if name.startswith("group/")]


def test_two_classes_leave_out_what_would_be_platt_scaling():
    assert list(other_calibrators(2)) == ["isotonic regression", "Venn-Abers"]
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 80)
    z = np.eye(2)[y] + rng.normal(size=(80, 2))
    platt = log_softmax(calibrate(z, fit_calibrator(z, y)))
    for name, fit in other_calibrators(3).items():
        if name not in other_calibrators(2):
            assert log_softmax(fit(z, y).calibrate(z)) == pytest.approx(platt, abs=1e-6)
