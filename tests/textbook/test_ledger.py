from dataclasses import replace

import numpy as np
import pytest
from config.test_textbook import loaded, write_small

from pipeline.config.claims import Claim
from pipeline.core.errors import InputError
from pipeline.results.textbook import CheckResult, VerdictCounts
from pipeline.textbook.experiment_results import ExperimentScores, SplitSizes
from pipeline.textbook.ledger import TopicScores, claim_result
from pipeline.textbook.verdicts import judge

SEEDS = 6
DRAWN = SplitSizes(train=32, validation=16, test=100, overlapping=False, name="task")
RESPLIT = replace(DRAWN, overlapping=True)


@pytest.fixture(scope="module")
def topic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    write_small(folder)
    return loaded(folder)


def arrays(**changes):
    """Four cells: at width 4 dropout gains .5 nats, at width 8 it loses .5; validation prefers dropout if even."""
    noise = 0.01 * np.random.default_rng(0).standard_normal((4, SEEDS))
    even = np.where(np.arange(SEEDS) % 2, 1.0, -1.0)
    return {
        "score/test/nll": np.array([[1.0], [0.5], [1.0], [1.5]]) + noise,
        "score/validation/nll": np.outer([0, 1, 0, 1], even),
        "score/test_calibrated/nll": np.zeros((4, SEEDS)),
        "history/train/nll": np.arange(4 * SEEDS * 3, dtype=float).reshape(4, SEEDS, 3),
        "history/validation/nll": 1 + np.arange(4 * SEEDS * 3, dtype=float).reshape(4, SEEDS, 3),
        "epoch": np.array([0, 1, 2]),
        **changes,
    }


def effect(**changes):
    base = {"says": "x", "metric": "test/nll", "of": {"dropout": 0.5}, "against": {"dropout": 0.0}}
    return {**base, "each": ("hidden",), "direction": "lower", "least": 0.1, **changes}


def result(topic, *effects, shows=(), scores=None, dataset=DRAWN, **claim):
    declared = Claim.model_validate(
        {"sentence": "s", "source": "t", "experiment": "rates", "effects": effects, "shows": shows, **claim}
    )
    topic = topic.model_copy(update={"claims": {"c": declared}})
    experiments = {"rates": [ExperimentScores(scores or arrays(), dataset)]}
    return claim_result("c", TopicScores("dropout", topic, experiments, {}))


def cells(found):
    return [cell for each in found.effects for cell in each.cells]


def test_an_effect_is_measured_at_every_level(topic):
    found = result(topic, effect())
    assert [cell.at for cell in cells(found)] == [{"hidden": "4"}, {"hidden": "8x8"}]
    assert [cell.verdict for cell in cells(found)] == ["supported", "refuted"]
    assert found.verdict == "depends"
    assert found.counts == VerdictCounts(supported=1, refuted=1, inconclusive=0)
    assert [(place.at, place.verdict) for place in found.places] == [
        ({"hidden": "4"}, "supported"),
        ({"hidden": "8x8"}, "refuted"),
    ]
    assert (found.prevalence.holds, found.prevalence.fails, found.prevalence.places) == (1, 1, 2)
    values = arrays()["score/test/nll"]
    expected = judge(values[1], values[0], direction="lower", least=0.1)
    assert cells(found)[0].mean == expected.mean
    assert (cells(found)[0].low, cells(found)[0].high) == (expected.low, expected.high)
    assert cells(found)[0].n == found.seeds == SEEDS


def test_can_hurt_needs_one_place(topic):
    """At every level one of two parts holds."""
    both = (effect(), effect(direction="higher"))
    assert result(topic, *both, quantifier="any").verdict == "everywhere"
    assert result(topic, *both).verdict == "depends"
    assert {place.verdict for place in result(topic, *both).places} == {"refuted"}


def test_what_stands_aside_decides_nothing(topic):
    holds = effect(each=(), of={"dropout": 0.5, "hidden": [[4]]}, against={"dropout": 0.0, "hidden": [[4]]})
    fails = {**holds, "direction": "higher", "aside": "the notebook's setting"}
    found = result(topic, holds, fails)
    assert (found.verdict, len(found.places)) == ("everywhere", 1)
    assert found.counts == VerdictCounts(supported=1, refuted=0, inconclusive=0)
    assert [each.aside for each in found.effects] == ["", "the notebook's setting"]


def test_a_calibrated_metric_is_chosen_by_the_calibrated_validation(topic):
    """Calibrated validation prefers the cell with dropout at every seed, plain validation at every other."""
    calibrated = {
        "score/validation_calibrated/nll": np.outer([1, 0, 1, 0], np.ones(SEEDS)),
        "score/test_calibrated/nll": arrays()["score/test/nll"],
    }
    chosen = effect(metric="test_calibrated/nll", of={"dropout": [0.0, 0.5]}, against=0.0)
    cell = cells(result(topic, chosen, scores=arrays(**calibrated)))[0]
    assert cell.of_mean == pytest.approx(arrays()["score/test/nll"][1].mean())


def test_the_strength_that_validation_takes(topic):
    """At width 4, validation prefers dropout .5 at even seeds and .05 at odd ones."""
    experiment = topic.experiments["rates"]
    stronger = {n: c.model_copy(update={"dropout": c.dropout or 0.05}) for n, c in experiment.cells.items()}
    changed = topic.model_copy(update={"experiments": {"rates": experiment.model_copy(update={"cells": stronger})}})
    found = result(changed, effect(metric="chosen/dropout", of={}, against=0.0, direction="lower"))
    assert cells(found)[0].of_mean == pytest.approx((np.log10(0.05) + np.log10(0.5)) / 2)


def test_a_metric_at_equal_training_loss(topic):
    """Training loss falls by a tenth of its beginning an epoch; a quarter of the way between two epochs is so here."""
    train = np.tile(1.0 - 0.1 * np.arange(3), (4, SEEDS, 1))
    validation = np.tile([3.0, 2.0, 1.0], (4, SEEDS, 1))
    scores = arrays(**{"history/train/nll": train, "history/validation/nll": validation})
    at = effect(metric="validation/nll@fit=0.85", against=0.0)
    assert cells(result(topic, at, scores=scores))[0].of_mean == pytest.approx(1.5)
    never = cells(result(topic, effect(metric="validation/nll@fit=0.5", against=0.0), scores=scores))[0]
    assert (never.of_mean, never.verdict) == (None, "inconclusive")


def test_what_a_sentence_denies_is_turned_round(topic):
    found = result(topic, effect(denied=True))
    assert [cell.verdict for cell in cells(found)] == ["refuted", "supported"]


def test_of_several_cells_each_seed_takes_the_best_on_validation(topic):
    chosen = effect(of={"dropout": [0.0, 0.5]}, against={"dropout": 0.0})
    cell = cells(result(topic, chosen))[0]
    values = arrays()["score/test/nll"]
    by_hand = np.where(np.arange(SEEDS) % 2, values[0], values[1])  # odd seeds: validation prefers no dropout
    assert cell.of_mean == pytest.approx(by_hand.mean())
    assert cell.of == "hidden=4, best of 2 on validation"


def test_a_number_or_another_metric_on_the_other_side(topic):
    number = cells(result(topic, effect(against=1.0)))[0]
    assert number.mean == pytest.approx(arrays()["score/test/nll"][1].mean() - 1)
    other = cells(result(topic, effect(against={"dropout": 0.5}, against_metric="test_calibrated/nll")))[0]
    assert other.mean == pytest.approx(arrays()["score/test/nll"][1].mean())


def test_a_measure_at_an_epoch(topic):
    later = effect(metric="train/nll@2", against_metric="train/nll@0", against={"dropout": 0.5}, direction="higher")
    assert [cell.mean for cell in cells(result(topic, later))] == [2, 2]
    gap = effect(metric="gap/nll@1", against=0.0, direction="higher")
    assert [cell.mean for cell in cells(result(topic, gap))] == [1, 1]


@pytest.mark.parametrize("metric", ["test/nil", "train/nll@7", "train/nll@x", "test/nll@1"])
def test_a_metric_that_was_not_measured(topic, metric):
    with pytest.raises(InputError, match="must be"):
        result(topic, effect(metric=metric))


def test_rows_that_seeds_share_widen_intervals(topic):
    drawn, resplit = (cells(result(topic, effect(), dataset=dataset))[0] for dataset in (DRAWN, RESPLIT))
    assert drawn.inflation == 0
    assert resplit.inflation > 0
    assert resplit.low < drawn.low
    groups = np.zeros((4, SEEDS, 5))
    measured = cells(result(topic, effect(), dataset=RESPLIT, scores=arrays(**{"group/test/nll": groups})))[0]
    assert measured.inflation == pytest.approx(
        (3.2 / 148) / (1 - 3.2 / 148)
    )  # nothing shared on test: a tenth of training rows
    chosen = cells(result(topic, effect(of={"dropout": [0.0, 0.5]}), dataset=RESPLIT))[0]
    assert chosen.inflation >= resplit.inflation


def test_rows_that_stand_idle_are_shared_by_no_training(topic):
    cells_of = {n: c.model_copy(update={"rows": 8}) for n, c in topic.experiments["rates"].cells.items()}
    fewer = topic.model_copy(
        update={"experiments": {"rates": topic.experiments["rates"].model_copy(update={"cells": cells_of})}}
    )
    groups = arrays(**{"group/test/nll": np.zeros((4, SEEDS, 5))})
    found = cells(result(fewer, effect(), dataset=RESPLIT, scores=groups))[0]
    assert found.inflation == pytest.approx((0.8 / 148) / (1 - 0.8 / 148))


def test_exact_checks_count_as_parts(topic):
    number = {"measured": 1.0, "expected": 0, "relation": "equal", "tolerance": 0.0}
    checks = (CheckResult(what="w", holds=True, **number), CheckResult(what="v", holds=False, **number))
    topic = topic.model_copy(update={"claims": {"c": Claim(sentence="s", source="t", checks=("x",))}})
    found = claim_result("c", TopicScores("dropout", topic, {}, {"x": checks}))
    assert found.verdict == "depends"
    assert found.counts == VerdictCounts(supported=1, refuted=1, inconclusive=0)
    assert (found.checks, found.places, found.prevalence) == (checks, (), None)


class TestFigureAxes:
    def test_lines_over_a_field(self, topic):
        (axes,) = result(topic, effect(), shows=({"x": "dropout", "y": ("test/nll",), "by": ("hidden",)},)).axes
        assert (axes.dataset, axes.x, axes.y) == ("task", "dropout", ("test/nll",))
        assert [line.line for line in axes.lines] == [{"hidden": "4"}, {"hidden": "8x8"}]
        assert axes.lines[0].x == (0.0, 0.5)
        assert axes.lines[0].mean == pytest.approx(arrays()["score/test/nll"][:2].mean(1))
        assert all(
            low < mean < high
            for low, mean, high in zip(*(getattr(axes.lines[0], k) for k in ("low", "mean", "high")), strict=True)
        )

    def test_curves(self, topic):
        shows = {"x": "epoch", "y": ("train/nll", "gap/nll"), "where": {"hidden": [[4]], "dropout": 0.0}}
        (axes,) = result(topic, effect(), shows=({**shows, "together": True},)).axes
        assert [line.metric for line in axes.lines] == ["train/nll", "gap/nll"]
        assert axes.lines[0].x == (0, 1, 2)
        assert axes.lines[1].mean == (1, 1, 1)

    def test_of_several_at_one_place_each_seed_takes_the_best(self, topic):
        shows = {"x": "dropout", "y": ("test/nll",), "tuned": True}
        (axes,) = result(topic, effect(), shows=(shows,)).axes
        (line,) = axes.lines
        values = arrays()["score/test/nll"]
        assert line.x == (0.0, 0.5)
        assert line.mean[0] == pytest.approx(values[0].mean())  # both widths are even on validation: the first
        assert line.mean[1] == pytest.approx(values[1].mean())

    def test_cells(self, topic):
        (axes,) = result(topic, effect(), shows=({"x": "cell", "y": ("test/nll",)},)).axes
        assert axes.lines[0].x[0] == "hidden=4,dropout=0"

    def test_what_no_cell_has_leaves_no_axes(self, topic):
        nothing = arrays(**{"score/sampled/nll": np.full((4, SEEDS), np.nan)})
        assert result(topic, effect(), shows=({"x": "dropout", "y": ("sampled/nll",)},), scores=nothing).axes == ()
