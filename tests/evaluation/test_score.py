import numpy as np
import pytest
from metric_oracles import sample

from pipeline.calibration.calibrator import Calibrator, calibrate, fit_calibrator
from pipeline.calibration.reliability_curve import GRID_POINTS
from pipeline.data.splits import SPLITS
from pipeline.evaluation import score
from pipeline.evaluation.registry import METRICS, metrics_of
from pipeline.evaluation.row_groups import SMALLEST_GROUP, row_groups
from pipeline.evaluation.scopes import BINARY
from pipeline.metrics import (
    calibration_error,
    decompositions,
    ks_error,
    proper_scores,
    selective_risk,
    smooth_error,
)
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import log_softmax

COSTLY = {metric.name for metric in METRICS if metric.costly}
ROWS = {"train": 40, "validation": 61, "test": 303}


def stack(rng, members=4, classes=3, sharpness=2.0):
    """Logits and labels of a stack for each split, and the test posterior."""
    logits, labels = {}, {}
    for split, rows in ROWS.items():
        q, _, labels[split] = sample(rng, (members, rows), classes)
        logits[split] = (np.log(q) * sharpness).astype(np.float32)
    return logits, labels, q


def only(splits, member):
    return {split: values[member : member + 1] for split, values in splits.items()}


@pytest.fixture
def rng():
    return np.random.default_rng(23)


@pytest.fixture
def uniforms():
    return calibration_error.resampling_uniforms(np.random.default_rng(24), resamples=19, rows=ROWS["test"])


def test_names_are_complete_and_described(rng, uniforms):
    logits, labels, posterior = stack(rng)
    scores = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    described = {metric.name for metric in METRICS}
    binary = {metric.name for metric in metrics_of(BINARY)}
    assert {name.split("/")[1] for name in scores} == described - binary
    assert len(described) == len(METRICS)
    assert {name.split("/")[0] for name in scores} == {
        *SPLITS,
        *(f"{split}_calibrated" for split in SPLITS),
        "gap",
        "gap_calibrated",
        "calibrator",
    }
    for values in scores.values():
        assert values.shape == (4,)
        assert values.dtype == np.float64
        assert np.isfinite(values).all()


def test_without_posterior_only_what_needs_it_is_missing(rng, uniforms):
    logits, labels, posterior = stack(rng)
    known = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    unknown = score.score_members(logits, labels, None, uniforms=uniforms).scores
    assert {n.split("/")[1] for n in set(known) - set(unknown)} == {
        m.name for m in METRICS if m.name.startswith(("exact", "excess"))
    }


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_member_alone_scores_the_same_bits(classes, rng, uniforms):
    logits, labels, posterior = stack(rng, members=3, classes=classes)
    together = score.score_members(logits, labels, posterior, uniforms=uniforms)
    for m in range(3):
        alone = score.score_members(only(logits, m), only(labels, m), posterior[m : m + 1], uniforms=uniforms)
        for name, values in alone.scores.items():
            assert values[0] == together.scores[name][m], name
        for name, values in alone.curves.items():
            np.testing.assert_array_equal(values[0], together.curves[name][m])


def test_scores_are_those_of_the_public_functions(rng, uniforms):
    logits, labels, posterior = stack(rng)
    scores = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    fitted = fit_calibrator(logits["validation"], labels["validation"])
    same = Calibrator(np.ones(4), np.zeros(4))
    y = labels["test"]
    for stage, fit in (("test", same), ("test_calibrated", fitted)):
        probs = np.minimum(np.exp(log_softmax(calibrate(logits["test"], fit))), 1.0)
        predictions = Predictions.from_probabilities(probs, y, posterior=posterior)
        corp, excess = decompositions.corp_decomposition(predictions), decompositions.excess_risk(predictions)
        expected = {
            "nll": proper_scores.negative_log_likelihood(predictions),
            "brier": proper_scores.brier_score(predictions),
            "accuracy": proper_scores.accuracy(predictions),
            "ece": calibration_error.expected_calibration_error(predictions),
            "ece_mass": calibration_error.expected_calibration_error(predictions, binning="mass"),
            "ece_l2": calibration_error.expected_calibration_error(predictions, norm="l2"),
            "ece_max": calibration_error.expected_calibration_error(predictions, norm="max"),
            "ece_floor": calibration_error.calibration_noise_floor(predictions),
            "ece_p": calibration_error.calibration_p_value(predictions, uniforms=uniforms),
            "debiased": calibration_error.debiased_squared_calibration_error(predictions),
            "smece": smooth_error.smooth_calibration_error(predictions),
            "ks": ks_error.ks_calibration_error(predictions),
            "classwise": calibration_error.classwise_calibration_error(predictions),
            "debiased_classwise": calibration_error.debiased_classwise_calibration_error(predictions),
            "bias": calibration_error.confidence_bias(predictions),
            "aurc": selective_risk.area_under_risk_coverage(predictions),
            "augrc": selective_risk.area_under_generalized_risk_coverage(predictions),
            "corp_miscalibration": corp.miscalibration,
            "corp_discrimination": corp.discrimination,
            "corp_uncertainty": corp.uncertainty,
            "exact_ce": calibration_error.exact_calibration_error(predictions),
            "excess_brier": excess.brier,
            "excess_brier_calibration": excess.brier_calibration,
            "excess_brier_grouping": excess.brier_grouping,
            "excess_kl": excess.kl,
        }
        for name, values in expected.items():
            assert scores[f"{stage}/{name}"] == pytest.approx(values, abs=1e-12), name
        assert scores[f"{stage}/refinement"] + scores[f"{stage}/calibration"] == pytest.approx(scores[f"{stage}/nll"])


def test_gaps_are_test_minus_train(rng, uniforms):
    logits, labels, _ = stack(rng)
    scores = score.score_members(logits, labels, None, uniforms=uniforms).scores
    for stage in ("", "_calibrated"):
        for name in ("nll", "accuracy", "ece"):
            expected = scores[f"test{stage}/{name}"] - scores[f"train{stage}/{name}"]
            np.testing.assert_array_equal(scores[f"gap{stage}/{name}"], expected)


def test_scaling_repairs_sharpened_truth(rng, uniforms):
    logits, labels, posterior = stack(rng, members=20, sharpness=3.0)
    scores = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    assert scores["calibrator/slope"].mean() == pytest.approx(1 / 3, rel=0.15)
    for name in ("nll", "exact_ce", "excess_kl", "excess_brier_calibration", "calibration"):
        assert scores[f"test_calibrated/{name}"].mean() < 0.5 * scores[f"test/{name}"].mean() + (name == "nll")
    assert scores["test_calibrated/debiased"].mean() < 0.2 * scores["test/debiased"].mean()
    np.testing.assert_array_equal(scores["test_calibrated/accuracy"], scores["test/accuracy"])


def test_validation_without_an_error_has_a_calibrator(rng, uniforms):
    logits, labels, posterior = stack(rng)
    logits["validation"][1] = 5 * np.eye(3, dtype=np.float32)[labels["validation"][1]]
    scores = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    assert 0 < scores["calibrator/slope"][1] < 3
    assert np.isfinite(scores["test_calibrated/nll"]).all()
    assert np.isfinite(scores["test_calibrated/excess_kl"]).all()


def test_huge_logits_score_finitely(rng, uniforms):
    logits, labels, posterior = stack(rng)
    logits = {split: values * np.float32(1e4) for split, values in logits.items()}
    scores = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    assert all(np.isfinite(values).all() for values in scores.values())


def test_a_diverged_member_scores_nan_and_spares_the_others(rng, uniforms):
    logits, labels, posterior = stack(rng)
    expected = score.score_members(logits, labels, posterior, uniforms=uniforms).scores
    logits["train"][2, 5] = np.nan
    found = score.score_members(logits, labels, posterior, uniforms=uniforms)
    for name, values in found.scores.items():
        assert np.isnan(values[2])
        np.testing.assert_array_equal(values[[0, 1, 3]], expected[name][[0, 1, 3]])
    assert np.isnan(found.curves["test/confidence"][2]).all()


# groups of test rows

GROUPED = (
    *("nll", "brier", "accuracy", "ece", "ece_mass", "ece_l2", "ece_max"),
    *("debiased", "smece", "ks", "classwise", "debiased_classwise", "bias", "aurc", "augrc"),
)


def test_a_group_scores_what_its_rows_score_alone(rng, uniforms):
    logits, labels, posterior = stack(rng)
    groups = np.random.default_rng(1).integers(0, 4, size=labels["test"].shape)
    smallest = min(np.bincount(row, minlength=4).min() for row in groups)
    found = score.score_members(logits, labels, posterior, uniforms=uniforms, groups=groups)
    assert set(found.groups) == {f"{stage}/{name}" for stage in ("test", "test_calibrated") for name in GROUPED}
    for g in range(4):
        rows = np.stack([np.flatnonzero(row == g)[:smallest] for row in groups])
        part_logits = np.take_along_axis(logits["test"], rows[..., None], axis=1)
        part = {**labels, "test": np.take_along_axis(labels["test"], rows, axis=1)}
        alone = score.score_members({**logits, "test": part_logits}, part, None, uniforms=uniforms[:, :smallest])
        for name, values in found.groups.items():
            tolerance = 2e-3 if name.endswith("smece") else 1e-12
            np.testing.assert_allclose(values[:, g], alone.scores[name], atol=tolerance, err_msg=name)


def test_groups_change_no_score_and_do_not_depend_on_the_stack(rng, uniforms):
    logits, labels, _ = stack(rng)
    groups = np.tile(np.arange(ROWS["test"]) % 5, (4, 1))
    plain = score.score_members(logits, labels, None, uniforms=uniforms)
    found = score.score_members(logits, labels, None, uniforms=uniforms, groups=groups)
    assert plain.groups == {}
    for name, values in plain.scores.items():
        np.testing.assert_array_equal(values, found.scores[name])
    alone = score.score_members(only(logits, 2), only(labels, 2), None, uniforms=uniforms, groups=groups[2:3])
    for name, values in alone.groups.items():
        np.testing.assert_array_equal(values[0], found.groups[name][2])
    logits["train"][2, 5] = np.nan
    broken = score.score_members(logits, labels, None, uniforms=uniforms, groups=groups).groups
    assert all(np.isnan(values[2]).all() and np.isfinite(values[[0, 1, 3]]).all() for values in broken.values())


def test_groups_must_fit_the_test_rows(rng, uniforms):
    logits, labels, _ = stack(rng)
    with pytest.raises(ValueError, match="groups must be 0 or more, of shape"):
        score.score_members(logits, labels, None, uniforms=uniforms, groups=np.zeros((4, 3), dtype=np.int64))
    with pytest.raises(ValueError, match="groups must each have a test row"):
        score.score_members(logits, labels, None, uniforms=uniforms, groups=np.full_like(labels["test"], 1))


@pytest.mark.parametrize(("rows", "test", "count"), [(1797, 1285, 10), (569, 313, 10), (240, 150, 6), (178, 68, None)])
def test_row_groups_are_as_many_as_the_rows_allow(rows, test, count):
    drawn = np.random.default_rng(2).permuted(np.tile(np.arange(rows), (30, 1)), axis=1)[:, :test]
    groups = row_groups(drawn, order=np.random.default_rng(3).permutation(rows))
    if count is None:
        assert groups is None
        return
    assert groups.max() + 1 == count
    assert min(np.bincount(line, minlength=count).min() for line in groups) >= SMALLEST_GROUP
    group_of = dict(zip(drawn.ravel().tolist(), groups.ravel().tolist(), strict=True))
    assert all(group_of[r] == g for line in zip(drawn, groups, strict=True) for r, g in zip(*line, strict=True))


def test_curves(rng, uniforms):
    logits, labels, posterior = stack(rng)
    points = score.score_members(logits, labels, posterior, uniforms=uniforms).curves
    shapes = {"confidence": 15, "accuracy": 15, "count": 15, "exact": 15, "isotonic": GRID_POINTS}
    assert set(points) == {f"{stage}/{name}" for stage in ("test", "test_calibrated") for name in shapes}
    for name, values in points.items():
        assert values.shape == (4, shapes[name.split("/")[1]])
    assert points["test/count"].sum(axis=-1).tolist() == [ROWS["test"]] * 4
    for line in points["test/isotonic"]:
        seen = line[~np.isnan(line)]
        assert np.all(np.diff(seen) >= 0)
        assert np.isnan(line[:30]).all()
    unknown = score.score_members(logits, labels, None, uniforms=uniforms).curves
    assert np.isnan(unknown["test/exact"]).all()


def test_a_missing_split_is_named(rng, uniforms):
    logits, labels, _ = stack(rng)
    del labels["train"]
    with pytest.raises(ValueError, match="labels must hold train, validation, test; missing: train"):
        score.score_members(logits, labels, None, uniforms=uniforms)
    with pytest.raises(ValueError, match="uniforms must be uint16"):
        score.score_members(logits, {**labels, "train": logits["train"].argmax(-1)}, None, uniforms=uniforms[:, :9])


def test_conditions_are_scored_as_the_test_rows_they_are(rng, uniforms):
    logits, labels, posterior = stack(rng)
    groups = np.arange(labels["test"].size).reshape(labels["test"].shape) % 5
    plain = score.score_members(logits, labels, posterior, uniforms=uniforms, groups=groups)
    few = logits["test"][:, :40]
    found = score.score_members(
        logits, labels, posterior, uniforms=uniforms, groups=groups, conditions={"again": logits["test"], "few": few}
    )
    assert {name.split("/")[0] for name in found.scores} - {name.split("/")[0] for name in plain.scores} == {
        "again", "again_calibrated", "few", "few_calibrated",
    }  # fmt: skip
    for kind in ("scores", "groups"):
        before, after = getattr(plain, kind), getattr(found, kind)
        assert all(np.array_equal(after[name], before[name]) for name in before)
        twin = {name: value for name, value in before.items() if name.startswith("test")}
        assert all(np.array_equal(after[name.replace("test", "again", 1)], value) for name, value in twin.items())
    assert found.curves.keys() == plain.curves.keys()
    alone = score.score_members(
        {**logits, "test": few},
        {**labels, "test": labels["test"][:, :40]},
        posterior[:, :40],
        uniforms=uniforms[:, :40],
    )
    assert np.array_equal(found.scores["few/ece_p"], alone.scores["test/ece_p"])
    assert np.array_equal(found.scores["few_calibrated/excess_kl"], alone.scores["test_calibrated/excess_kl"])


def test_what_is_not_costly_is_the_same_without_it(rng, uniforms):
    logits, labels, posterior = stack(rng)
    groups = np.arange(labels["test"].size).reshape(labels["test"].shape) % 5
    whole = score.score_members(logits, labels, posterior, uniforms=uniforms, groups=groups)
    cheap = score.score_members(logits, labels, posterior, uniforms=uniforms, groups=groups, costly=False)
    for kind in ("scores", "groups"):
        before, after = getattr(whole, kind), getattr(cheap, kind)
        assert {name.split("/")[1] for name in before.keys() - after.keys()} <= COSTLY
        assert not {name for name in after if name.split("/")[1] in COSTLY}
        assert all(np.array_equal(after[name], before[name]) for name in after)
    assert cheap.curves == {}


def test_two_classes_have_metrics_of_class_one_everywhere(rng, uniforms):
    logits, labels, _ = stack(rng)
    two = {split: values[..., :2] for split, values in logits.items()}
    classes = {split: np.minimum(values, 1) for split, values in labels.items()}
    scored = score.score_members(two, classes, None, uniforms=uniforms)
    for split in SPLITS:
        made = Predictions.from_logits(two[split], classes[split])
        for metric in metrics_of(BINARY):
            np.testing.assert_array_equal(scored.scores[f"{split}/{metric.name}"], metric.compute(made))
            assert f"{split}_calibrated/{metric.name}" in scored.scores
