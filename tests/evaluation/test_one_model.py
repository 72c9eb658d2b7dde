"""Scores of one model's probabilities, and whether they can be trusted."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from metric_oracles import predictions, sample
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss

from pipeline.calibration.calibrator import refinement_loss
from pipeline.evaluation.event_diagram import event_diagram
from pipeline.evaluation.one_model import FEWEST_ROWS, OneModel, headline, report
from pipeline.evaluation.trust import trust
from pipeline.metrics.bins import bin_edges
from pipeline.metrics.calibration_error import binned_error


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def binary(rng, rows, *, sharpness=1.0, shift=0.0):
    """A model of two classes whose logits are too large by a factor, and shifted."""
    logits = rng.normal(size=rows) * 1.5
    one = expit(sharpness * logits + shift)
    return OneModel(np.stack([1 - one, one], axis=1), (rng.random(rows) < expit(logits)).astype(np.int64))


def several(rng, rows, *, sharpness=1.0, classes=3):
    _, probs, labels = sample(rng, (rows,), classes, sharpness)
    return OneModel(probs / probs.sum(axis=1, keepdims=True), labels)


def scored(model):
    return report(model, tuple("abcdefgh"[: model.probs.shape[1]]))


def test_scores_are_those_of_scikit_learn(rng):
    model = binary(rng, 300)
    given = scored(model).given
    assert given.nll.value == pytest.approx(log_loss(model.labels, model.probs))
    assert given.brier.value == pytest.approx(2 * brier_score_loss(model.labels, model.probs[:, 1]))
    assert given.accuracy.value == np.mean((model.probs[:, 1] > 0.5) == model.labels)
    assert given.nll.low < given.nll.value < given.nll.high
    assert given.event.rate == model.labels.mean()
    assert given.event.bias.value == pytest.approx(model.probs[:, 1].mean() - model.labels.mean())


@pytest.mark.parametrize("make", [binary, several])
def test_what_calibration_leaves_is_the_refinement_loss(rng, make):
    model = make(rng, 203, sharpness=2.0)
    said = scored(model)
    assert said.calibrated.nll.value == pytest.approx(float(refinement_loss(model.logits, model.labels)), abs=1e-9)
    assert said.gain.value == pytest.approx(said.calibrated.nll.value - said.given.nll.value)


def test_class_frequencies_score_as_if_they_were_predicted(rng):
    model = several(rng, 200)
    said = scored(model)
    base = np.tile(np.bincount(model.labels) / 200, (200, 1))
    assert said.against_base.value == pytest.approx(said.given.nll.value - said.base_nll)
    assert said.base_nll == pytest.approx(log_loss(model.labels, base))
    assert said.base_brier == pytest.approx(np.mean(np.sum((base - np.eye(3)[model.labels]) ** 2, axis=1)))


def test_zeros_count_as_half_of_the_smallest_probability_or_half_a_row():
    probs = np.array([[0.0, 1.0], [0.3, 0.7]] * 5)
    model = OneModel(probs, np.array([0, 1] * 5))
    assert model.zero == 0.05
    assert OneModel(np.array([[0.0, 1.0], [0.002, 0.998]]), np.array([1, 1])).zero == 0.001
    said = scored(model)
    assert said.impossible == (0, 2, 4, 6, 8)
    assert said.given.nll.value == pytest.approx(-(np.log(0.05) + np.log(0.7)) / 2)


@given(predictions())
@settings(max_examples=30)
def test_the_order_of_rows_changes_no_score_as_given(rows):
    probs, labels = (np.repeat(each, 2, axis=0) for each in rows)
    forth, back = (scored(OneModel(p, y)).given for p, y in ((probs, labels), (probs[::-1], labels[::-1])))
    assert forth.event.error == pytest.approx(back.event.error, abs=1e-12)
    assert forth.event.p == back.event.p
    assert forth.nll.value == pytest.approx(back.nll.value)
    assert forth.brier.value == pytest.approx(back.brier.value)


def test_every_class_is_scored_against_the_rest_and_two_are_one(rng):
    model = several(rng, 500)
    said = scored(model)
    assert [each.rate for each in said.each] == pytest.approx(list(np.bincount(model.labels) / 500))
    assert scored(binary(rng, 100)).each == ()


def test_groups_are_scored_as_tables_of_their_own_and_small_ones_are_not_judged(rng):
    model = binary(rng, 400 + FEWEST_ROWS - 1, sharpness=2.0)
    numbers = np.repeat([0, 1, 2], [200, 200, FEWEST_ROWS - 1])
    groups = report(model, ("a", "b"), ("f", "m", "x"), numbers).groups
    alone = scored(OneModel(model.probs[:200], model.labels[:200])).given
    assert [group.rows for group in groups] == [200, 200, FEWEST_ROWS - 1]
    assert groups[0].nll == alone.nll
    assert groups[0].event is not None
    assert groups[0].event.debiased == alone.event.debiased
    assert groups[0].event.p >= alone.event.p
    assert groups[2].event is None


def test_bins_of_the_diagram_make_up_the_error(rng):
    ranked = headline(binary(rng, 500, sharpness=2.0).given)
    diagram = event_diagram(ranked)
    gaps = sum(each.count * abs(each.confidence - each.accuracy) for each in diagram.bins) / 500
    assert gaps == pytest.approx(float(binned_error(ranked, binning="mass")))
    assert [each.count for each in diagram.bins] == np.diff(
        bin_edges(ranked.confidence, bins=15, binning="mass")
    ).tolist()
    assert sum(diagram.counts) == 500
    assert all(a <= b for a, b in pairwise(diagram.isotonic.accuracy))
    for each in diagram.bins:
        assert each.low is not None
        assert each.band_low is not None
        assert each.low - 1e-9 <= each.accuracy <= (each.high or 0) + 1e-9


class TestTrust:
    def test_truth_is_trusted_where_rows_are_many(self, rng):
        for model in (binary(rng, 10_000), several(rng, 10_000)):
            said = trust(scored(model))
            assert said.verdict == "trusted"
            assert said.most < 0.05
            assert not said.mended

    def test_few_rows_do_not_tell(self, rng):
        said = trust(scored(binary(rng, 60)))
        assert said.verdict == "unknown"
        assert said.needed > 60

    @pytest.mark.parametrize(("sharpness", "fault"), [(2.0, "over-confident"), (0.5, "under-confident")])
    @pytest.mark.parametrize("make", [binary, several])
    def test_temperature_is_recovered(self, rng, make, sharpness, fault):
        said = scored(make(rng, 4000, sharpness=sharpness))
        judged = trust(said)
        assert (judged.verdict, judged.faults[0], judged.mended) == ("off", fault, True)
        assert float(said.calibrator.slope) == pytest.approx(1 / sharpness, rel=0.1)

    @pytest.mark.parametrize(("shift", "fault"), [(0.7, "too high"), (-0.7, "too low")])
    def test_a_shift_of_class_one_is_named(self, rng, shift, fault):
        judged = trust(scored(binary(rng, 4000, shift=shift)))
        assert (judged.verdict, judged.faults) == ("off", (fault,))

    def test_a_small_error_of_many_rows_does_not_matter(self, rng):
        assert trust(scored(binary(rng, 200_000, sharpness=1.06))).verdict == "little"

    def test_a_class_that_is_off_is_named_though_the_top_label_is_not(self):
        """Rows are right half of the time, as they say, but all others are c, to which they give as much as b."""
        probs = np.tile([0.5, 0.25, 0.25], (1200, 1))
        said = scored(OneModel(probs, np.tile([0, 2], 600)))
        assert said.given.event.p > 0.05
        judged = trust(said)
        assert (judged.verdict, judged.classes, judged.faults) == ("off", ("b", "c"), ())

    def test_what_says_less_than_class_frequencies_is_said_to(self, rng):
        model = binary(rng, 2000, sharpness=8.0)
        assert trust(scored(model)).says == "less"
        assert trust(scored(binary(rng, 2000))).says == "more"
        constant = OneModel(np.full((2000, 2), 0.5), np.arange(2000) % 2)
        assert trust(scored(constant)).says == "as much"

    @pytest.mark.slow
    @pytest.mark.parametrize("make", [binary, several])
    def test_truth_is_seldom_accused(self, rng, make):
        verdicts = [trust(scored(make(rng, 300))).verdict for _ in range(200)]
        assert np.mean([verdict in ("off", "little") for verdict in verdicts]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
