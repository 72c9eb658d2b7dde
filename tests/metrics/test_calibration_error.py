import warnings

import metric_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import predictions, sample

from pipeline.metrics import ks_error, smooth_error
from pipeline.metrics.calibration_error import (
    binned_error,
    calibration_noise_floor,
    calibration_p_value,
    classwise_calibration_error,
    debiased_classwise_calibration_error,
    debiased_error,
    debiased_squared_calibration_error,
    exact_calibration_error,
    expected_calibration_error,
    noise_floor,
    resampling_uniforms,
)
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.ranking import rank

of = Predictions.from_probabilities
SMALL = ([[0.25, 0.2, 0.55], [0.55, 0.05, 0.4], [0.1, 0.3, 0.6], [0.9, 0.05, 0.05]], [0, 1, 2, 0])
THREE = ([[0.6, 0.3, 0.1]] * 6 + [[0.1, 0.8, 0.1]] * 4 + [[0.1, 0.0, 0.9]] * 4, [0] * 5 + [1] * 4 + [2] * 5)
SCORES = {
    "width": lambda p, y: expected_calibration_error(of(p, y)),
    "mass": lambda p, y: expected_calibration_error(of(p, y), binning="mass"),
    "l2": lambda p, y: expected_calibration_error(of(p, y), norm="l2"),
    "max": lambda p, y: expected_calibration_error(of(p, y), norm="max"),
    "debiased": lambda p, y: debiased_squared_calibration_error(of(p, y)),
    "floor": lambda p, y: calibration_noise_floor(of(p, y)),
    "smooth": lambda p, y: smooth_error.smooth_calibration_error(of(p, y)),
    "ks": lambda p, y: ks_error.ks_calibration_error(of(p, y)),
    "classwise": lambda p, y: classwise_calibration_error(of(p, y)),
    "debiased_classwise": lambda p, y: debiased_classwise_calibration_error(of(p, y)),
}
DUPLICABLE = ("width", "l2", "max", "mass", "smooth", "ks", "classwise")


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.mark.parametrize(("norm", "value"), [("l1", 0.2), ("l2", 0.2082), ("max", 0.2333)])
def test_known_top_label_error(norm, value):
    assert expected_calibration_error(of(*SMALL), bins=3, norm=norm) == pytest.approx(value, abs=5e-5)


def test_known_binary_error():
    forecast, labels = np.array([0.25, 0.25, 0.55, 0.75, 0.75]), np.array([0, 0, 1, 1, 1])
    assert binned_error(rank(forecast, labels == 1), bins=2) == pytest.approx(0.29)
    both = np.stack([1 - forecast, forecast], axis=-1)
    assert classwise_calibration_error(of(both, labels), bins=2) == pytest.approx(0.29)


def test_known_errors_of_three_distinct_forecasts():
    assert expected_calibration_error(of(*THREE), binning="mass") == pytest.approx(0.142857, abs=1e-6)
    assert expected_calibration_error(of(*THREE), binning="mass", norm="l2") == pytest.approx(0.164027, abs=1e-6)
    assert classwise_calibration_error(of(*THREE), binning="mass") == pytest.approx(0.085714, abs=1e-6)
    assert debiased_squared_calibration_error(of(*THREE)) == pytest.approx(-0.00285714, abs=1e-8)


def test_known_limits_of_a_quadratic_reliability_curve(rng):
    confidence = rng.random(400_000)
    ranked = rank(confidence, rng.random(400_000) < confidence**2)
    assert binned_error(ranked, bins=50) == pytest.approx(1 / 6, abs=3e-3)
    assert debiased_error(ranked, bins=50) == pytest.approx(1 / 30, abs=1.5e-3)


def test_known_noise_floor():
    assert noise_floor((np.arange(1000) + 0.5) / 1000) == pytest.approx(0.0385, abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(predictions(), st.integers(1, 20))
def test_scores_agree_with_loops(data, bins):
    probs, labels = data
    ranked = oracle.ranked(probs, labels)
    for binning in ("width", "mass"):
        for norm in ("l1", "l2", "max"):
            found = expected_calibration_error(of(probs, labels), bins=bins, binning=binning, norm=norm)
            assert found == pytest.approx(
                oracle.binned_error(*ranked, bins=bins, binning=binning, norm=norm), abs=1e-12
            )
    if len(labels) > 1:
        found = debiased_squared_calibration_error(of(probs, labels), bins=bins)
        assert found == pytest.approx(oracle.debiased_error(*ranked, bins=bins), abs=1e-12)
        assert debiased_classwise_calibration_error(of(probs, labels), bins=bins) == pytest.approx(
            oracle.debiased_classwise(probs, labels, bins=bins), abs=1e-12
        )
    floor = calibration_noise_floor(of(probs, labels), bins=bins)
    assert floor == pytest.approx(oracle.noise_floor(ranked[0], bins=bins))
    assert classwise_calibration_error(of(probs, labels), bins=bins) == pytest.approx(
        oracle.classwise(probs, labels, bins=bins), abs=1e-12
    )


@pytest.mark.parametrize("rows", [2, 14, 15, 16, 17, 29, 31])
def test_single_rows_are_merged(rows, rng):
    _, probs, labels = sample(rng, (rows,), 3)
    found = debiased_squared_calibration_error(of(probs, labels))
    assert found == pytest.approx(oracle.debiased_error(*oracle.ranked(probs, labels), bins=15), abs=1e-12)


def test_one_row_has_no_debiased_error():
    assert np.isnan(debiased_squared_calibration_error(of([[0.7, 0.3]], [0])))
    assert np.isnan(debiased_classwise_calibration_error(of([[0.7, 0.3]], [0])))


def test_known_debiased_errors_of_three_classes():
    """Bins are the distinct probabilities of a class: ties are never split."""
    probs, labels = np.array(THREE[0]), np.array(THREE[1])
    total = 0.0
    for k in range(3):
        for forecast in set(probs[:, k]):
            rows = probs[:, k] == forecast
            count, rate = rows.sum(), (labels[rows] == k).mean()
            total += count / 14 * ((forecast - rate) ** 2 - rate * (1 - rate) / (count - 1)) / 3
    assert total == pytest.approx((0.24 - 0.30 - 0.06) / 14 / 3)
    assert debiased_classwise_calibration_error(of(*THREE)) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_classes_of_the_truth_have_no_debiased_error_on_average(classes, rng):
    q, sharp, labels = sample(rng, (600, 500), classes, 1.5)
    errors = debiased_classwise_calibration_error(of(q, labels))
    assert np.mean(errors) == pytest.approx(0.0, abs=4 * np.std(errors) / np.sqrt(len(errors)))
    assert np.mean(errors < 0) > 0.3  # never clipped
    assert np.mean(debiased_classwise_calibration_error(of(sharp, labels))) > 10 * np.std(errors) / np.sqrt(len(errors))


def test_with_two_classes_the_classes_are_each_others_mirror_image(rng):
    _, probs, labels = sample(rng, (3, 500), 2, 1.5)
    one = debiased_error(rank(probs[..., 1], labels == 1))
    np.testing.assert_allclose(debiased_classwise_calibration_error(of(probs, labels)), one, atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(predictions())
def test_bounds(data):
    for name, score in SCORES.items():
        assert (
            (-0.2501 if name.startswith("debiased") and len(data[1]) > 2 else -0.51)
            <= np.nan_to_num(score(*data))
            <= 1 + 1e-9
        )


@settings(max_examples=25, deadline=None)
@given(predictions(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_change_a_bit(data, random):
    probs, labels = data
    order = random.sample(range(len(labels)), len(labels))
    uniforms = resampling_uniforms(np.random.default_rng(1), resamples=9, rows=len(labels))
    for score in (*SCORES.values(), lambda p, y: calibration_p_value(of(p, y), uniforms=uniforms)):
        np.testing.assert_array_equal(score(probs[order], labels[order]), score(probs, labels))


@pytest.mark.parametrize("name", DUPLICABLE)
def test_duplicating_rows_does_not_matter(name, rng):
    _, probs, labels = sample(rng, (150,), 3)
    twice = SCORES[name](np.repeat(probs, 2, axis=0), np.repeat(labels, 2))
    assert twice == pytest.approx(SCORES[name](probs, labels), abs=1e-9)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_member_alone_scores_the_same_bits(name, classes, rng):
    _, probs, labels = sample(rng, (2, 4, 501), classes, 2.0)
    together = SCORES[name](probs, labels)
    assert together.shape == (2, 4)
    for i, j in np.ndindex(2, 4):
        assert SCORES[name](probs[i, j], labels[i, j]) == together[i, j]


def test_known_posterior_and_resampling_are_the_same_bits_alone(rng):
    q, probs, labels = sample(rng, (3, 501), 3, 2.0)
    uniforms = resampling_uniforms(rng, resamples=20, rows=501)
    together = (
        exact_calibration_error(of(probs, posterior=q)),
        calibration_p_value(of(probs, labels), uniforms=uniforms),
    )
    for m in range(3):
        assert exact_calibration_error(of(probs[m], posterior=q[m])) == together[0][m]
        assert calibration_p_value(of(probs[m], labels[m]), uniforms=uniforms) == together[1][m]


def test_p_value_agrees_with_loops(rng):
    uniforms = resampling_uniforms(rng, resamples=30, rows=120)
    for sharpness in (1.0, 1.3, 3.0):
        _, probs, labels = sample(rng, (120,), 3, sharpness)
        expected = oracle.p_value(*oracle.ranked(probs, labels), uniforms=uniforms, bins=15)
        assert calibration_p_value(of(probs, labels), uniforms=uniforms) == expected


def test_p_value_is_roughly_uniform_for_the_truth(rng):
    _, probs, labels = sample(rng, (400, 200), 3)
    p = calibration_p_value(of(probs, labels), uniforms=resampling_uniforms(rng, resamples=99, rows=200))
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 400) + 0.03)


def test_certain_and_right_is_calibrated_certain_and_wrong_is_not(rng):
    uniforms = resampling_uniforms(rng, resamples=99, rows=50)
    sure = np.tile([1.0, 0.0], (50, 1))
    assert calibration_p_value(of(sure, np.zeros(50, dtype=int)), uniforms=uniforms) == 1.0
    assert calibration_p_value(of(sure, np.arange(50) // 49), uniforms=uniforms) == 0.01
    assert smooth_error.smooth_calibration_error(of(sure, np.zeros(50, dtype=int))) == 0.0
    assert calibration_noise_floor(of(sure, np.zeros(50, dtype=int))) == 0.0


def test_exact_error_agrees_with_loops(rng):
    q, probs, _ = sample(rng, (230,), 3, 2.0)
    found = exact_calibration_error(of(probs, posterior=q), bins=20)
    assert found == pytest.approx(oracle.exact_error(probs, q, bins=20), abs=1e-12)


def test_exact_error_leaves_out_grouping(rng):
    q = rng.permutation(np.linspace(0.5, 0.9, 4000))
    found = exact_calibration_error(of(np.tile([0.7, 0.3], (4000, 1)), posterior=np.stack([q, 1 - q], axis=-1)))
    assert found == pytest.approx(0.0, abs=1e-12)


def test_truth_scores_near_zero_and_sharpened_truth_is_caught(rng):
    q, sharp, labels = sample(rng, (20, 2000), 3, 2.0)
    uniforms = resampling_uniforms(rng, resamples=50, rows=2000)
    assert np.all(exact_calibration_error(of(q, posterior=q)) == 0)
    assert abs(np.mean(debiased_squared_calibration_error(of(q, labels)))) < 3e-4
    assert np.mean(expected_calibration_error(of(q, labels))) == pytest.approx(
        np.mean(calibration_noise_floor(of(q, labels))), rel=0.15
    )
    assert np.all(debiased_squared_calibration_error(of(sharp, labels)) > 0.01)
    assert np.all(exact_calibration_error(of(sharp, posterior=q)) > 0.1)
    assert np.all(smooth_error.smooth_calibration_error(of(sharp, labels)) > 0.05)
    assert np.all(calibration_p_value(of(sharp, labels), uniforms=uniforms) < 0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "width", "mass", "smoothed"),
    [(200, 0.061, 0.072, 0.042), (500, 0.039, 0.046, 0.030), (1000, 0.028, 0.032, 0.025), (2000, 0.020, 0.023, 0.020)],
)
def test_estimator_means_for_a_calibrated_model(rows, width, mass, smoothed, rng):
    # The table leaves the confidences open; an accuracy of about .8 to .9 shows its size and its order.
    confidence = rng.uniform(0.5, 1.0, size=(1000, rows))
    ranked = rank(confidence, rng.random((1000, rows)) < confidence)
    means = [
        binned_error(ranked, binning="width").mean(),
        binned_error(ranked, binning="mass").mean(),
        smooth_error.smooth_error(ranked).mean(),
    ]
    assert means == pytest.approx([width, mass, smoothed], rel=0.3)
    assert debiased_error(ranked).mean() == pytest.approx(0.0, abs=3e-4)


def test_width_error_agrees_with_torchmetrics(rng):
    torch, classification = pytest.importorskip("torch"), pytest.importorskip("torchmetrics.functional.classification")
    _, probs, labels = sample(rng, (700,), 3, 2.0)
    probs = probs.astype(np.float32).astype(np.float64)
    for norm in ("l1", "l2", "max"):
        theirs = classification.multiclass_calibration_error(
            torch.tensor(probs), torch.tensor(labels), num_classes=3, n_bins=15, norm=norm
        )
        ours = expected_calibration_error(of(np.minimum(probs, 1.0), labels), norm=norm)
        assert ours == pytest.approx(float(theirs), abs=1e-5)


def test_width_error_agrees_with_netcal(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        netcal = pytest.importorskip("netcal.metrics")
        _, probs, labels = sample(rng, (700,), 3, 2.0)
        theirs = netcal.ECE(15).measure(probs, labels)
    assert expected_calibration_error(of(probs, labels)) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_calibration_error(of(*SMALL), bins=0), "bins must be at least 1, got 0"),
        (
            lambda: expected_calibration_error(of(*SMALL), binning="equal"),
            "'width' or 'mass', got 'equal'",
        ),
        (lambda: expected_calibration_error(of(*SMALL), norm="l3"), "'l1', 'l2' or 'max', got 'l3'"),
        (
            lambda: expected_calibration_error(of(SMALL[0], [0, 1, 2, 3])),
            r"labels must lie in \[0, 3\)",
        ),
        (
            lambda: calibration_p_value(of(*SMALL), uniforms=np.zeros((9, 4))),
            "uniforms must be uint16",
        ),
        (
            lambda: exact_calibration_error(of(SMALL[0], posterior=[[2.0, -1.0, 0.0]] * 4)),
            r"posterior must lie in \[0, 1\]",
        ),
        (lambda: rank([0.5, 1.5], [True, False]), r"confidence must lie in \[0, 1\]"),
        (lambda: rank([0.5], [True, False]), "must share a shape"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
