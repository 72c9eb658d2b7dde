"""Verdicts after other calibrators: the study's own where the scores are its own, and what counts as surviving."""

import numpy as np
import pytest
from oracles import point, tuning

from pipeline.core.rng import Purpose, generator
from pipeline.results.calibrator_comparison import NLL, calibrator_results
from pipeline.results.comparison import protocol_of, study_results
from pipeline.results.dataset import DatasetSummary
from pipeline.results.scored_points import BaseRateScores, ScoredPoint, ScoredPoints

SEEDS = 12
DATASET = DatasetSummary(
    name="task", rows=656, features=2, feature_names=("x0", "x1"), classes=(), seeds=SEEDS, train=256, validation=100,
    test=300, overlapping=False, md5="0",
)  # fmt: skip
CHANGES = [{}, {"replicate": 1}, {"dropout": 0.8}, {"dropout": 0.2}, {"weight_decay": 0.1}, {"l2": 0.0}]
KEYS = ["none", "replicate", "worse", "better", "alike", "copy"]
MEANS = np.array([0.5, 0.5, 0.7, 0.3, 0.5, 0.5])


def scores(means=MEANS, *, seed=0):
    rng = np.random.default_rng(seed)
    values = means[:, None] + rng.normal(0, 0.05, SEEDS) + rng.normal(0, 0.01, (len(means), SEEDS))
    values[5] = values[0]
    return values


def groups(values):
    """Each group of test rows is hard or easy for all seeds."""
    rng = np.random.default_rng(1)
    return values[..., None] + rng.normal(0, 0.05, (len(values), 1, 5)) + rng.normal(0, 0.01, (*values.shape, 5))


def study(values, of_groups=None):
    points = [
        ScoredPoint(variant=key, name=key, parameters=point(**changes), tuning=tuning([0.5]), md5="0")
        for key, changes in zip(KEYS, CHANGES, strict=True)
    ]
    needed = ("test/nll", "validation/nll", "validation/refinement", "validation_calibrated/nll")
    scored = ScoredPoints(
        points,
        {str(NLL): values, **dict.fromkeys(needed, values)},
        directions={str(NLL): "lower", "test/nll": "lower"},
        dataset=DATASET,
        protocol=protocol_of(0.005),
        base_rates=BaseRateScores({
            name: np.full((1, SEEDS), 9.0) for name in ("validation/nll", "test/nll", str(NLL))
        }),
        groups={} if of_groups is None else {str(NLL): of_groups},
    )  # fmt: skip
    return study_results(scored, reference=0, generator=generator(0, Purpose.BOOTSTRAP))


@pytest.mark.parametrize("grouped", [False, True])
def test_the_studys_own_scores_give_its_own_comparisons(grouped):
    values = scores()
    of_groups = {"again": groups(values)} if grouped else {}
    made = calibrator_results(study(values, of_groups.get("again")), {"again": values}, of_groups)
    assert made.others[0].against_reference == made.usual.against_reference
    assert made.others[0].nll == pytest.approx(made.usual.nll)
    assert made.changed(made.others[0]) == ()
    assert (made.others[0].against_reference["better"].inflation > 0) == grouped


def test_the_reference_its_copy_and_the_a_a_check_do_not_count():
    made = calibrator_results(study(scores()), {}, {})
    assert made.counted == ("worse", "better", "alike")
    assert made.decided == ("worse", "better")
    assert set(made.usual.findings) == {*KEYS} - {"none"}


def test_verdicts_that_change_and_turn_round_are_named():
    others = {
        "flat": scores(np.full(6, 0.5), seed=5),
        "upside down": scores(1 - MEANS, seed=6),
        "larger": scores(3 * MEANS, seed=7),
    }
    made = calibrator_results(study(scores()), others, {})
    flat, upside_down, larger = made.others
    assert (flat.findings["worse"], flat.findings["better"]) != ("worse", "better")
    assert {"worse", "better"} <= set(made.changed(flat))
    assert made.reversed_by(flat) == ()
    assert made.reversed_by(upside_down) == ("worse", "better")
    assert not {"worse", "better"} & set(made.changed(larger))
    assert larger.nll["worse"] == pytest.approx(others["larger"][2].mean())


def test_a_diverged_point_does_not_count():
    values = scores()
    values[2, 3] = np.nan
    made = calibrator_results(study(values), {"again": values}, {})
    assert made.counted == ("better", "alike")
    assert made.others[0].nll["worse"] is None
    assert made.others[0].against_reference["worse"].left_out
