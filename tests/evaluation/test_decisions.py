"""What decisions cost: known values, and that thresholds are those of other rows."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.decisions import decisions_of
from pipeline.evaluation.one_model import OneModel

DOCTOR = np.array([[0.0, 1.0], [9.0, 0.0]])


def model(rows: int = 400) -> OneModel:
    generator = np.random.default_rng(0)
    positive = generator.beta(1, 3, rows)
    labels = (generator.random(rows) < positive).astype(np.int64)
    return OneModel(np.stack([1 - positive, positive], axis=1), labels)


def test_costs_are_those_of_every_row_by_hand() -> None:
    given = model()
    by_rule = {each.rule: each for each in decisions_of(given, DOCTOR, threshold=0.3)}
    assert list(by_rule) == [
        "likeliest class", "least expected cost", "least expected cost, calibrated", "stated threshold",
        "tuned threshold",
    ]  # fmt: skip
    for rule, threshold in (("likeliest class", 0.5), ("least expected cost", 0.1), ("stated threshold", 0.3)):
        decided = given.probs[:, 1] >= threshold
        total = 1.0 * np.sum(decided & (given.labels == 0)) + 9.0 * np.sum(~decided & (given.labels == 1))
        assert by_rule[rule].cost == pytest.approx(total / 400)
        assert by_rule[rule].threshold == threshold
    assert by_rule["least expected cost"].cost < by_rule["likeliest class"].cost


def test_a_row_does_not_tune_the_threshold_that_decides_it() -> None:
    """The last positive row is found by every threshold that has seen it, and by none that has not."""
    positive = np.full(50, 0.2)
    labels = np.zeros(50, np.int64)
    positive[0], labels[0] = 0.9, 1
    (*_, tuned) = decisions_of(OneModel(np.stack([1 - positive, positive], axis=1), labels), DOCTOR, threshold=None)
    assert tuned.rule == "tuned threshold"
    assert 0.2 < tuned.threshold <= 0.9
    assert tuned.cost == pytest.approx(9 / 50)  # its fold has seen no positive row


def test_more_than_two_classes_have_no_threshold() -> None:
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(3), 60)
    decided = list(decisions_of(OneModel(probs, generator.integers(3, size=60)), 1 - np.eye(3), threshold=None))
    assert [each.threshold for each in decided] == [None] * 3
    assert decided[0].cost == decided[1].cost
