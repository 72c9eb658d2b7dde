"""Reliability diagrams: of one seed, with the right intervals, and never pooled."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from pipeline.calibration.reliability_curve import reliability_curve
from pipeline.metrics.predictions import Predictions
from pipeline.results.reliability import consistency_band, point_diagrams, wilson

SEEDS, ROWS, BINS, GRID = 5, 400, 15, 101


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (3, 10), (250, 400), (400, 400)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_is_scipys(hits: int, count: int, confidence: float) -> None:
    found = wilson(np.array(hits / count), np.array(count), confidence=confidence)
    expected = binomtest(hits, count).proportion_ci(confidence, method="wilson")
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_empty_bin_has_no_interval() -> None:
    for ends in (wilson(np.array([np.nan]), np.array([0.0])), consistency_band(np.array([np.nan]), np.array([0.0]))):
        assert np.isnan(ends).all()


def test_the_band_holds_a_calibrated_bin_nineteen_times_of_twenty() -> None:
    rng, n = np.random.default_rng(0), 200
    for confidence in (0.3, 0.7, 0.95):
        band = consistency_band(np.array([confidence]), np.array([float(n)]))
        drawn = rng.binomial(n, confidence, 20_000) / n
        inside = np.mean((drawn >= band.low) & (drawn <= band.high))
        exact = binom.cdf(band.high * n, n, confidence) - binom.cdf(band.low * n - 1, n, confidence)
        assert inside == pytest.approx(exact[0], abs=0.01)
        assert 0.94 <= exact[0] <= 0.98


@pytest.fixture
def measured() -> tuple[dict, dict]:
    """Curves and scores of seeds whose ECE rises with their number, seed 3 without finite scores."""
    rng = np.random.default_rng(1)
    curves: dict[str, list] = {}
    scores: dict[str, list] = {}
    for seed in range(SEEDS):
        confidence = rng.uniform(0.5, 1.0, ROWS)
        labels = (rng.random(ROWS) > confidence - 0.1 * seed).astype(int)
        probs = np.stack([confidence, 1 - confidence], axis=-1)
        curve = reliability_curve(Predictions.from_probabilities(probs, labels), bins=BINS)
        for stage in ("test", "test_calibrated"):
            for name, values in curve._asdict().items() if hasattr(curve, "_asdict") else vars(curve).items():
                curves.setdefault(f"{stage}/{name}", []).append(values)
            curves.setdefault(f"{stage}/isotonic", []).append(np.linspace(0, 1, GRID))
            accuracy = float(np.mean(labels == 0))
            told = {"ece": 0.02 + 0.1 * seed, "ece_floor": 0.02, "ece_p": 0.5, "accuracy": accuracy}
            for name, value in {**told, "bias": confidence.mean() - accuracy}.items():
                scores.setdefault(f"{stage}/{name}", []).append(np.nan if seed == 3 else value)
    return {n: np.array(v) for n, v in curves.items()}, {n: np.array(v) for n, v in scores.items()}


def test_the_seed_with_the_median_ece_is_shown_and_no_other(measured: tuple[dict, dict]) -> None:
    curves, scores = measured
    diagram = point_diagrams(curves, scores).before
    assert diagram.seed == 1  # of the finite 0, 1, 2, 4 the lower of the two in the middle
    assert diagram.seeds == 4
    filled = curves["test/count"][1] > 0
    assert [entry.count for entry in diagram.bins] == curves["test/count"][1][filled].tolist()
    assert [entry.accuracy for entry in diagram.bins] == curves["test/accuracy"][1][filled].tolist()
    assert diagram.n == ROWS
    assert diagram.confidence == pytest.approx(scores["test/accuracy"][1] + scores["test/bias"][1])


def test_the_band_holds_nine_in_ten_of_the_finite_seeds(measured: tuple[dict, dict]) -> None:
    curves, scores = measured
    band = point_diagrams(curves, scores).before.band
    seeds = [0, 1, 2, 4]
    for place, middle in enumerate(band.confidence):
        confidence = curves["test/confidence"][seeds, place]
        gaps = curves["test/accuracy"][seeds, place] - confidence
        assert middle == pytest.approx(confidence.mean())
        assert band.low[place] - middle == pytest.approx(np.quantile(gaps, 0.05))
        assert band.high[place] - middle == pytest.approx(np.quantile(gaps, 0.95))
    assert len(band.confidence) == BINS


def test_a_bin_that_ties_leave_empty_has_no_place_in_the_band(measured: tuple[dict, dict]) -> None:
    curves, scores = measured
    for stage in ("test", "test_calibrated"):
        for field in ("confidence", "accuracy"):
            curves[f"{stage}/{field}"][:, 7] = np.nan
            curves[f"{stage}/{field}"][0, 3] = np.nan
    band = point_diagrams(curves, scores).before.band
    assert len(band.confidence) == BINS - 1
    assert np.isfinite([band.confidence, band.low, band.high]).all()


def test_a_point_without_a_finite_seed_has_no_diagram(measured: tuple[dict, dict]) -> None:
    curves, scores = measured
    assert point_diagrams(curves, {name: np.full(SEEDS, np.nan) for name in scores}) is None
