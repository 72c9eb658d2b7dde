"""What is said of the model that is handed over: who does the work, and when something else is better."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.champion.judge import calibration_of
from pipeline.reporting.text.champion import classes_table, decisions_table, parts_table, render, sentences, table
from pipeline.results.champion import CalibratorResult, ChampionResults, Contender, PartResult, RowMean, SetResult
from pipeline.results.decisions import DecisionResult

GENERATOR = np.random.default_rng(0)
POSITIVE = GENERATOR.random(400)
LABELS = (GENERATOR.random(400) < POSITIVE).astype(np.int64)


def mean(value: float, low: float, high: float) -> RowMean:
    return RowMean(mean=value, low=low, high=high)


def contender(name: str, nll: float, difference: tuple[float, float, float]) -> Contender:
    return Contender(
        name=name,
        nll=mean(nll, nll - 0.02, nll + 0.02),
        brier=mean(0.1, 0.08, 0.12),
        accuracy=mean(0.95, 0.93, 0.97),
        difference=mean(*difference),
    )


def results(*others: Contender, shares: tuple[float, float, float] = (0.6, 0.28, 0.12)) -> ChampionResults:
    kinds = (("mixup", "network"), ("boosted_trees", "trees"), ("logistic_regression", "linear"), ("noise", "network"))
    parts = [
        PartResult(name=name, kind=kind, held_out=0.11, share=share)
        for (name, kind), share in zip(kinds, (*shares, 0.0), strict=True)
    ]
    return ChampionResults(
        dataset="loans",
        classes=("no", "yes"),
        train=400,
        test=1000,
        folds=5,
        parts=tuple(parts),
        held_out=0.1,
        cross_fitted=0.108,
        champion=contender("champion", 0.12, (0, 0, 0)),
        contenders=others,
        calibrator=CalibratorResult(name="Platt scaling", losses={}),
        calibration=calibration_of(np.stack([1 - POSITIVE, POSITIVE], axis=1), LABELS, ("no", "yes")),
        sets=(SetResult(method="lac", asked=0.9, covered=mean(0.92, 0.9, 0.94), size=mean(1.1, 1.0, 1.2)),),
        decisions=(DecisionResult(rule="likeliest class", threshold=0.5, cost=0.3, low=0.2, high=0.4),),
    )


WITHOUT = contender("without networks", 0.13, (0.01, 0.002, 0.018))


def test_who_does_the_work() -> None:
    work = sentences(results(WITHOUT))[0]
    assert work == (
        "The model is a blend of 60% networks, 28% boosted trees, 12% logistic regression: mixup 60%, boosted trees "
        "28%, logistic regression 12%."
    )


@pytest.mark.parametrize(
    ("difference", "says"),
    [
        ((0.03, 0.01, 0.05), "the best of the others, random forest, is worse by 0.030 [0.010, 0.050]."),
        ((-0.03, -0.05, -0.01), "the best of the others, random forest, is better by 0.030 [0.010, 0.050]."),
        (
            (0.01, -0.01, 0.03),
            "the best of the others, random forest, cannot be told apart from it (+0.010 [−0.010, +0.030]).",
        ),
    ],
)
def test_whether_something_else_is_better(difference: tuple[float, float, float], says: str) -> None:
    said = sentences(results(WITHOUT, contender("random_forest", 0.15, difference), contender("mlp", 0.5, (1, 1, 1))))[
        1
    ]
    assert said.startswith("Its test NLL is 0.120 [0.100, 0.140]; ")
    assert says in said
    assert said.endswith("Without networks the blend is worse by 0.010 [0.002, 0.018].")


def test_the_curse_of_the_winner() -> None:
    assert sentences(results())[-1] == (
        "On the rows that chose its parts its NLL is 0.100, on rows that did not 0.108: 0.008 of it is the winner’s "
        "curse."
    )


def test_the_tables() -> None:
    shown = table(results(WITHOUT, contender("mlp", 0.1, (-0.02, -0.03, -0.01))))
    assert [row[0].text for row in shown.rows] == ["champion", "without networks", "mlp"]
    assert [row[-1].style for row in shown.rows] == ["", "good", "bad"]
    assert shown.rows[0][-1].text == ""
    parts = parts_table(results())
    assert [row[2].text for row in parts.rows] == ["60%", "28%", "12%", "-"]


def test_in_the_terminal() -> None:
    assert render(None) == ""
    shown = render(results(WITHOUT))
    assert shown.startswith("The model that is handed over, loans\n")
    assert max(map(len, shown.splitlines())) <= 120


def test_trust_sets_and_costs_are_said() -> None:
    made = results(WITHOUT)
    said = " ".join(sentences(made))
    assert "The blend is calibrated by Platt scaling." in said
    assert "Nothing speaks against its probabilities on test: ECE 0." in said
    assert "right class in 90% of rows: LAC hold it in 92.0% and have 1.10 classes on average." in said
    assert classes_table(made) is None  # of two classes one is enough
    costs = decisions_table(made)
    assert costs is not None
    assert [cell.text for cell in costs.rows[0]] == ["likeliest class", "0.500", "0.300 [0.200, 0.400]"]
    assert "from P(yes)" in [column.title for column in costs.columns]
